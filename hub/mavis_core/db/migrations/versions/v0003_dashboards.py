"""Dashboards, their versions, and who looks at one."""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "dashboards",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_dashboards_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboards")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_dashboards_project_id_name")),
    )
    op.create_table(
        "dashboard_versions",
        sa.Column("dashboard_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notebook", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("shipped", sa.Text(), nullable=True),
        sa.Column("published_at", Moment(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name=op.f("fk_dashboard_versions_dashboard_id")
        ),
        sa.PrimaryKeyConstraint("dashboard_id", "number", name=op.f("pk_dashboard_versions")),
    )
    op.create_table(
        "dashboard_views",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("dashboard_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("viewer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ticket_hash", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column("token_until", Moment(), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name=op.f("fk_dashboard_views_dashboard_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboard_views")),
        sa.UniqueConstraint("ticket_hash", name=op.f("uq_dashboard_views_ticket_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_dashboard_views_token_hash")),
    )
    op.create_index("ix_dashboard_views_viewer", "dashboard_views", ["viewer"], unique=False)
    op.create_index("ix_dashboard_views_seen_at", "dashboard_views", ["seen_at"], unique=False)
