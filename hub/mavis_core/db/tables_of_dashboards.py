"""The tables of dashboards."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import identity, metadata, moment, number, text

dashboards = sa.Table(
    "dashboards",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("name"),
    text("title"),
    text("description"),
    number("version", null=True),
    number("last_version"),
    moment("created_at"),
    text("created_by"),
    moment("changed_at"),
    text("changed_by"),
    sa.UniqueConstraint("project_id", "name"),
)

dashboard_versions = sa.Table(
    "dashboard_versions",
    metadata,
    sa.Column("dashboard_id", sa.ForeignKey("dashboards.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    text("notebook"),
    text("hash"),
    number("size_bytes"),
    text("note"),
    text("shipped", null=True),
    moment("published_at"),
    text("published_by"),
)

dashboard_views = sa.Table(
    "dashboard_views",
    metadata,
    identity(),
    text("dashboard_id", sa.ForeignKey("dashboards.id")),
    number("version"),
    text("viewer"),
    text("state"),
    sa.Column("ticket_hash", sa.Text, nullable=False, unique=True),
    sa.Column("token_hash", sa.Text, nullable=True, unique=True),
    moment("token_until", null=True),
    moment("opened_at"),
    moment("seen_at"),
)
sa.Index("ix_dashboard_views_viewer", dashboard_views.c.viewer)
sa.Index("ix_dashboard_views_seen_at", dashboard_views.c.seen_at)
