"""Legal holds on records."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Moment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "record_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("until", Moment(), nullable=True),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", Moment(), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("released_at", Moment(), nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_record_holds_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_holds")),
    )
    op.create_index("ix_record_holds_project_id", "record_holds", ["project_id"], unique=False)
    op.create_index("ix_record_holds_released_at", "record_holds", ["released_at"], unique=False)
