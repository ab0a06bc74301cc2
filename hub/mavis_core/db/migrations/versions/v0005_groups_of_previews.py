"""Previews that are confirmed together, and why one of them was not applied."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Json

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the columns and their index."""
    op.add_column("previews", sa.Column("group_id", sa.Text(), nullable=True))
    op.add_column("previews", sa.Column("error", Json, nullable=True))
    op.create_index("ix_previews_group_id", "previews", ["group_id", "id"], unique=False)
