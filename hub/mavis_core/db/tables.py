"""Every table of the main database; protection, logins, dashboards and the log have their own.

A change here needs a migration in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import Moment, Sequence, identity, json, metadata, moment, number, text
from mavis_core.db.tables_of_dashboards import dashboard_versions, dashboard_views, dashboards
from mavis_core.db.tables_of_logins import device_logins, wrong_codes
from mavis_core.db.tables_of_logs import record_holds
from mavis_core.db.tables_of_protection import (
    backup_plans,
    copies,
    copy_members,
    plan_rules,
    recovery_points,
    restores,
    skipped_slots,
    slots,
)
from mavis_core.db.tables_of_remote import (
    access_services,
    devices,
    host_keys,
    key_rotation_ways,
    key_rotations,
    person_certificates,
    person_keys,
    session_tickets,
    sessions,
)
from mavis_core.db.tables_of_searches import record_searches

__all__ = [
    "Moment",
    "access_services",
    "backup_plans",
    "copies",
    "copy_members",
    "dashboard_versions",
    "dashboard_views",
    "dashboards",
    "device_logins",
    "devices",
    "environments",
    "host_keys",
    "intents",
    "key_rotation_ways",
    "key_rotations",
    "keys",
    "members",
    "metadata",
    "person_certificates",
    "person_keys",
    "plan_rules",
    "previews",
    "projects",
    "record_holds",
    "record_searches",
    "records",
    "recovery_points",
    "replies",
    "resources",
    "restores",
    "runs",
    "session_tickets",
    "sessions",
    "skipped_slots",
    "slots",
    "steps",
    "wrong_codes",
]

records = sa.Table(
    "records",
    metadata,
    sa.Column("seq", Sequence, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    moment("time"),
    text("kind"),
    text("phase"),
    text("action"),
    text("project", null=True),
    text("person"),
    text("object"),
    text("outcome", null=True),
    text("error_code", null=True),
    text("summary"),
    text("correlation_id"),
    text("request_id", null=True),
    text("source"),
    json("data"),
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
    identity(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    text("title"),
    moment("created_at"),
    text("created_by"),
    sa.Column("production", sa.Boolean, nullable=False, server_default=sa.false()),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column("project_id", sa.ForeignKey("projects.id"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    text("role"),
    moment("added_at"),
    text("added_by"),
)
sa.Index("ix_members_subject", members.c.subject)

keys = sa.Table(
    "keys",
    metadata,
    identity(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    text("kind"),
    json("fields"),
    text("sealed"),
    moment("created_at"),
    text("created_by"),
)

environments = sa.Table(
    "environments",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("name"),
    text("kit"),
    text("account"),
    json("regions"),
    json("options"),
    text("key_id", sa.ForeignKey("keys.id"), null=True),
    text("state"),
    moment("checked_at", null=True),
    json("error", null=True),
    moment("created_at"),
    text("created_by"),
    sa.UniqueConstraint("project_id", "name"),
)

resources = sa.Table(
    "resources",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("environment_id", sa.ForeignKey("environments.id", ondelete="CASCADE")),
    text("kind"),
    text("region"),
    text("cloud_id"),
    text("name"),
    text("state"),
    json("tags"),
    json("details"),
    moment("seen_at"),
    sa.Column("gone", sa.Boolean, nullable=False),
    sa.UniqueConstraint("environment_id", "region", "kind", "cloud_id"),
)
sa.Index("ix_resources_project_kind", resources.c.project_id, resources.c.kind)
sa.Index("ix_resources_project_id", resources.c.project_id, resources.c.id)
sa.Index("ix_resources_project_id_name", resources.c.project_id, resources.c.name, resources.c.id)

previews = sa.Table(
    "previews",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("person"),
    text("action"),
    json("plan"),
    text("hash"),
    moment("created_at"),
    moment("expires_at"),
    text("run_id", null=True),
    text("group_id", null=True),
    json("error", null=True),
)
sa.Index("ix_previews_group_id", previews.c.group_id, previews.c.id)
sa.Index("ix_previews_project_id_expires_at", previews.c.project_id, previews.c.expires_at)

replies = sa.Table(
    "replies",
    metadata,
    identity(),
    text("person"),
    text("key"),
    text("request"),
    number("status"),
    json("headers"),
    text("body"),
    moment("created_at"),
    sa.UniqueConstraint("person", "key"),
)
sa.Index("ix_replies_created_at", replies.c.created_at)

runs = sa.Table(
    "runs",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("kind"),
    text("state"),
    text("subject"),
    json("plan"),
    text("plan_hash"),
    text("person"),
    json("groups"),
    json("scopes"),
    text("correlation_id"),
    text("request_id"),
    text("slot", null=True),
    moment("created_at"),
    moment("started_at", null=True),
    moment("finished_at", null=True),
    number("attempt"),
    text("worker", null=True),
    moment("lease_until", null=True),
    moment("last_alive", null=True),
    moment("not_before", null=True),
    json("cancel", null=True),
    text("flow_run", null=True),
    json("result"),
    json("error", null=True),
    number("version"),
    moment("changed_at"),
    sa.UniqueConstraint("slot"),
)
sa.Index("ix_runs_state", runs.c.state)
sa.Index("ix_runs_correlation_id", runs.c.correlation_id, runs.c.id)
sa.Index("ix_runs_project_id", runs.c.project_id, runs.c.id)
sa.Index("ix_runs_project_id_changed_at", runs.c.project_id, runs.c.changed_at)
for _column in ("created_at", "finished_at", "state"):  # what lists are sorted by
    sa.Index(f"ix_runs_project_id_{_column}", runs.c.project_id, runs.c[_column], runs.c.id)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    text("name"),
    text("state"),
    text("detail"),
    number("progress_percent", null=True),
    moment("started_at", null=True),
    moment("finished_at", null=True),
)

intents = sa.Table(
    "intents",
    metadata,
    identity(),
    text("run_id", sa.ForeignKey("runs.id")),
    text("project_id", sa.ForeignKey("projects.id")),
    text("action"),
    text("target"),
    text("environment_id", null=True),
    text("region", null=True),
    text("state"),
    number("tries"),
    moment("created_at"),
    moment("called_at"),
    moment("finished_at", null=True),
    json("made"),
    json("error", null=True),
    sa.UniqueConstraint("run_id", "action", "target"),
)
sa.Index("ix_intents_state", intents.c.state)
