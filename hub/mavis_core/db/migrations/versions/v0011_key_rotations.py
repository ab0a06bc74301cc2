"""Rotations of keys of devices."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Moment

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "key_rotations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["key_id"], ["keys.id"], name=op.f("fk_key_rotations_key_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_rotations")),
    )
    op.create_index("ix_key_rotations_key_id", "key_rotations", ["key_id", "id"], unique=False)
    op.create_index("ix_key_rotations_state", "key_rotations", ["state"], unique=False)
    op.create_table(
        "key_rotation_ways",
        sa.Column("rotation_id", sa.Text(), nullable=False),
        sa.Column("access_service_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("proved", sa.Boolean(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rotation_id"],
            ["key_rotations.id"],
            name=op.f("fk_key_rotation_ways_rotation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["access_service_id"],
            ["access_services.id"],
            name=op.f("fk_key_rotation_ways_access_service_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "rotation_id", "access_service_id", name=op.f("pk_key_rotation_ways")
        ),
    )
    op.create_index(
        "ix_key_rotation_ways_access_service_id",
        "key_rotation_ways",
        ["access_service_id"],
        unique=False,
    )
