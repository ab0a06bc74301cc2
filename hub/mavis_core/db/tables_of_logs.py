"""The tables about the log: what it must keep."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import identity, metadata, moment, text

record_holds = sa.Table(
    "record_holds",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("reason"),
    text("person", null=True),
    text("correlation_id", null=True),
    moment("since", null=True),
    moment("until", null=True),
    text("placed_by"),
    moment("placed_at"),
    text("released_by", null=True),
    moment("released_at", null=True),
    text("release_reason", null=True),
)
sa.Index("ix_record_holds_project_id", record_holds.c.project_id)
sa.Index("ix_record_holds_released_at", record_holds.c.released_at)
