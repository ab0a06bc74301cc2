"""Which projects are in production."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the column; no project was marked before."""
    op.add_column(
        "projects", sa.Column("production", sa.Boolean(), nullable=False, server_default=sa.false())
    )
