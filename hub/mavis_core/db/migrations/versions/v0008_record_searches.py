"""Searches of the log that people keep by a name."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Json, Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "record_searches",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("person", "name", name="pk_record_searches"),
    )
