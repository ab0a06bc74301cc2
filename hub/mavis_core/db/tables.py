"""Every table of the main database, in one place.

Times are UTC with microseconds: ``timestamptz`` on PostgreSQL, sortable RFC 3339 text on SQLite.
A change here needs a migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from mavis_core import clock

__all__ = [
    "Moment",
    "environments",
    "intents",
    "keys",
    "members",
    "metadata",
    "previews",
    "projects",
    "records",
    "resources",
    "runs",
    "snapshot_members",
    "snapshots",
    "steps",
]


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        text = clock.iso(value)  # refuses a moment without a zone, on PostgreSQL too
        return text if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> datetime | None:
        if isinstance(value, datetime):  # in the zone of the PostgreSQL session
            return value.astimezone(UTC)
        return clock.parse(value) if value is not None else None


Json = sa.JSON().with_variant(JSONB(), "postgresql")
Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *args: Any, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *args, nullable=null)


def _moment(name: str, *, null: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, Moment, nullable=null)


def _json(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Json, nullable=null)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True)


records = sa.Table(
    "records",
    metadata,
    sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    _moment("time"),
    _text("kind"),
    _text("phase"),
    _text("action"),
    _text("project", null=True),
    _text("person"),
    _text("object"),
    _text("outcome", null=True),
    _text("error_code", null=True),
    _text("summary"),
    _text("correlation_id"),
    _text("request_id", null=True),
    _text("source"),
    _json("data"),
    sa.Column("drained", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index(
    "ix_records_waiting",
    records.c.seq,
    sqlite_where=~records.c.drained,
    postgresql_where=~records.c.drained,
)

projects = sa.Table(
    "projects",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _text("title"),
    _moment("created_at"),
    _text("created_by"),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("project_id", sa.ForeignKey("projects.id"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    _text("role"),
    _moment("added_at"),
    _text("added_by"),
)
sa.Index("ix_members_subject", members.c.subject)

keys = sa.Table(
    "keys",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _text("kind"),
    _json("fields"),
    _text("sealed"),
    _moment("created_at"),
    _text("created_by"),
)

environments = sa.Table(
    "environments",
    metadata,
    _id(),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("name"),
    _text("kit"),
    _text("account"),
    _json("regions"),
    _json("options"),
    _text("key_id", sa.ForeignKey("keys.id"), null=True),
    _text("state"),
    _moment("checked_at", null=True),
    _json("error", null=True),
    _moment("created_at"),
    _text("created_by"),
    sa.UniqueConstraint("project_id", "name"),
)

resources = sa.Table(
    "resources",
    metadata,
    _id(),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("environment_id", sa.ForeignKey("environments.id", ondelete="CASCADE")),
    _text("kind"),
    _text("region"),
    _text("cloud_id"),
    _text("name"),
    _text("state"),
    _json("tags"),
    _json("details"),
    _moment("seen_at"),
    sa.Column("gone", sa.Boolean, nullable=False),
    sa.UniqueConstraint("environment_id", "region", "kind", "cloud_id"),
)
sa.Index("ix_resources_project_kind", resources.c.project_id, resources.c.kind)

previews = sa.Table(
    "previews",
    metadata,
    _id(),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("person"),
    _text("action"),
    _json("plan"),
    _text("hash"),
    _moment("created_at"),
    _moment("expires_at"),
    _text("run_id", null=True),
)
sa.Index("ix_previews_project_id_expires_at", previews.c.project_id, previews.c.expires_at)

runs = sa.Table(
    "runs",
    metadata,
    _id(),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("kind"),
    _text("state"),
    _text("subject"),
    _json("plan"),
    _text("plan_hash"),
    _text("person"),
    _json("groups"),
    _json("scopes"),
    _text("correlation_id"),
    _text("request_id"),
    _text("slot", null=True),
    _text("idempotency_key", null=True),
    _text("request_hash", null=True),
    _moment("created_at"),
    _moment("started_at", null=True),
    _moment("finished_at", null=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    _text("worker", null=True),
    _moment("lease_until", null=True),
    _text("flow_run", null=True),
    _json("result"),
    _json("error", null=True),
    sa.UniqueConstraint("slot"),
    sa.UniqueConstraint("project_id", "person", "idempotency_key"),
)
sa.Index("ix_runs_state", runs.c.state)
sa.Index("ix_runs_project_id", runs.c.project_id, runs.c.id)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    _text("name"),
    _text("state"),
    _text("detail"),
    sa.Column("progress_percent", sa.Integer, nullable=True),
    _moment("started_at", null=True),
    _moment("finished_at", null=True),
)

intents = sa.Table(
    "intents",
    metadata,
    _id(),
    _text("run_id", sa.ForeignKey("runs.id")),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("action"),
    _text("target"),
    _text("state"),
    sa.Column("tries", sa.Integer, nullable=False),
    _moment("created_at"),
    _moment("called_at"),
    _moment("finished_at", null=True),
    _json("made"),
    _json("error", null=True),
    sa.UniqueConstraint("run_id", "action", "target"),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    _id(),
    _text("project_id", sa.ForeignKey("projects.id")),
    _text("environment"),
    _text("account"),
    _text("region"),
    _text("instance_id"),
    _text("instance_name"),
    _text("state"),
    _text("description"),
    _text("created_by"),
    _moment("created_at"),
    _moment("completed_at", null=True),
    sa.Column("run_id", sa.ForeignKey("runs.id"), nullable=False, unique=True),
    _json("error", null=True),
)
sa.Index("ix_snapshots_project_id", snapshots.c.project_id, snapshots.c.id)

snapshot_members = sa.Table(
    "snapshot_members",
    metadata,
    sa.Column("snapshot_id", sa.ForeignKey("snapshots.id"), primary_key=True),
    sa.Column("volume_id", sa.Text, primary_key=True),
    _text("cloud_id", null=True),
    _text("state"),
    sa.Column("progress_percent", sa.Integer, nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
)
