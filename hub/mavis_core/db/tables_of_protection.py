"""The tables of protection: plans and their slots, recovery points and their copies, restores.

What a row says of an environment stays when the environment is removed: recovery points outlive
it.
"""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.db.columns import identity, json, metadata, moment, number, text

backup_plans = sa.Table(
    "backup_plans",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("name"),
    json("definition"),
    number("version"),
    sa.Column("enabled", sa.Boolean, nullable=False),
    text("owner"),
    json("groups"),
    json("scopes"),
    moment("created_at"),
    text("created_by"),
    moment("updated_at"),
    text("updated_by"),
    moment("removed_at", null=True),
)
sa.Index(
    "uq_backup_plans_project_id_name",
    backup_plans.c.project_id,
    backup_plans.c.name,
    unique=True,
    sqlite_where=backup_plans.c.removed_at.is_(None),
    postgresql_where=backup_plans.c.removed_at.is_(None),
)

plan_rules = sa.Table(
    "plan_rules",
    metadata,
    sa.Column("plan_id", sa.ForeignKey("backup_plans.id"), primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    moment("handled_until"),
)

slots = sa.Table(
    "slots",
    metadata,
    sa.Column("plan_id", sa.ForeignKey("backup_plans.id"), primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    moment("due_at"),
    moment("begun_at"),
    text("how"),
    text("run_id", sa.ForeignKey("runs.id")),
)
sa.Index("ix_slots_run_id", slots.c.run_id)
sa.Index("ix_slots_plan_id_begun_at", slots.c.plan_id, slots.c.begun_at)

skipped_slots = sa.Table(
    "skipped_slots",
    metadata,
    identity(),
    text("plan_id", sa.ForeignKey("backup_plans.id")),
    text("rule"),
    text("reason"),
    number("count"),
    text("first"),
    text("last"),
    moment("noted_at"),
)
sa.Index("ix_skipped_slots_plan_id", skipped_slots.c.plan_id, skipped_slots.c.id)

recovery_points = sa.Table(
    "recovery_points",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("plan_id", null=True),
    text("plan", null=True),
    text("rule", null=True),
    text("slot", null=True),
    text("environment_id"),
    text("environment"),
    text("account"),
    text("region"),
    text("instance_id"),
    text("instance_name"),
    text("state"),
    text("description"),
    text("created_by"),
    moment("created_at"),
    moment("taken_at", null=True),
    moment("completed_at", null=True),
    text("run_id", null=True),
    json("error", null=True),
    json("manifest"),
    json("hold", null=True),
    json("lock", null=True),
    json("proof", null=True),
    sa.UniqueConstraint("run_id", "environment_id", "instance_id"),
)
sa.Index("ix_recovery_points_project_id", recovery_points.c.project_id, recovery_points.c.id)
sa.Index(
    "ix_recovery_points_instance",
    recovery_points.c.project_id,
    recovery_points.c.instance_id,
    recovery_points.c.id,
)
sa.Index("ix_recovery_points_plan_id", recovery_points.c.plan_id, recovery_points.c.id)
for _column in (  # what lists are asked for, and sorted by
    "instance_name",
    "plan_id",
    "plan",
    "region",
    "state",
    "created_at",
    "taken_at",
):
    sa.Index(
        f"ix_recovery_points_project_id_{_column}",
        recovery_points.c.project_id,
        recovery_points.c[_column],
        recovery_points.c.id,
    )

copies = sa.Table(
    "copies",
    metadata,
    identity(),
    text("point_id", sa.ForeignKey("recovery_points.id")),
    text("role"),
    text("environment_id"),
    text("environment"),
    text("account"),
    text("region"),
    text("kms_key", null=True),
    text("state"),
    text("run_id", null=True),
    text("expire_run_id", null=True),
    moment("created_at"),
    moment("completed_at", null=True),
    json("error", null=True),
)
_THERE = copies.c.state.not_in(("expiring", "gone"))
sa.Index(
    "uq_copies_point_id_place",
    copies.c.point_id,
    copies.c.environment_id,
    copies.c.region,
    unique=True,
    sqlite_where=_THERE,
    postgresql_where=_THERE,
)
sa.Index("ix_copies_point_id", copies.c.point_id, copies.c.id)
sa.Index("ix_copies_state", copies.c.state, copies.c.id)

copy_members = sa.Table(
    "copy_members",
    metadata,
    sa.Column("copy_id", sa.ForeignKey("copies.id"), primary_key=True),
    sa.Column("volume_id", sa.Text, primary_key=True),
    text("device"),
    text("cloud_id", null=True),
    text("state"),
    number("progress_percent"),
    number("size_gib"),
)
sa.Index("ix_copy_members_cloud_id", copy_members.c.cloud_id)

restores = sa.Table(
    "restores",
    metadata,
    identity(),
    text("project_id", sa.ForeignKey("projects.id")),
    text("point_id", sa.ForeignKey("recovery_points.id")),
    text("copy_id", sa.ForeignKey("copies.id")),
    text("kind"),
    text("state"),
    text("run_id"),
    text("end_run_id", null=True),
    json("arguments"),
    json("made"),
    json("before", null=True),
    moment("undo_until", null=True),
    text("created_by"),
    moment("created_at"),
    moment("finished_at", null=True),
    json("error", null=True),
    json("proof", null=True),
)
sa.Index("ix_restores_project_id", restores.c.project_id, restores.c.id)
sa.Index("ix_restores_state", restores.c.state)
sa.Index("ix_restores_point_id", restores.c.point_id)
sa.Index("ix_restores_run_id", restores.c.run_id)
sa.Index("ix_restores_end_run_id", restores.c.end_run_id)
