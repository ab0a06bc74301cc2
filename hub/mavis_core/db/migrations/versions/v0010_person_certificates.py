"""Certificates of people for the door for SSH clients."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Moment, Sequence

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "person_certificates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("serial", Sequence, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("used_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_certificates")),
        sa.UniqueConstraint("serial", name=op.f("uq_person_certificates_serial")),
    )
    op.create_index(
        "ix_person_certificates_person", "person_certificates", ["person"], unique=False
    )
