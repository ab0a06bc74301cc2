"""Indexes for what pages look up: the Runs of a story, and the last slots of a plan."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ix_runs_correlation_id", "runs", ["correlation_id", "id"], unique=False)
    op.create_index("ix_slots_plan_id_begun_at", "slots", ["plan_id", "begun_at"], unique=False)
