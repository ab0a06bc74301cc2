"""Backup plans, recovery points with copies, restores, kept replies, logins by browser.

Snapshots become recovery points. The answers to requests that are sent again stand in a table of
their own and not at the Runs any more.
"""

import sqlalchemy as sa
from alembic import op

from mavis_core.db.columns import Json, Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables and move the snapshots into them."""
    _make_logins()
    op.create_table(
        "backup_plans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("groups", Json, nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("removed_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_backup_plans_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_plans")),
    )
    op.create_index(
        "uq_backup_plans_project_id_name",
        "backup_plans",
        ["project_id", "name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "recovery_points",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("instance_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("completed_at", Moment(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.Column("manifest", Json, nullable=False),
        sa.Column("hold", Json, nullable=True),
        sa.Column("lock", Json, nullable=True),
        sa.Column("proof", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_recovery_points_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_points")),
        sa.UniqueConstraint(
            "run_id",
            "environment_id",
            "instance_id",
            name=op.f("uq_recovery_points_run_id_environment_id_instance_id"),
        ),
    )
    op.create_index(
        "ix_recovery_points_instance",
        "recovery_points",
        ["project_id", "instance_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_recovery_points_plan_id", "recovery_points", ["plan_id", "id"], unique=False
    )
    op.create_index(
        "ix_recovery_points_project_id", "recovery_points", ["project_id", "id"], unique=False
    )
    for column in (
        "instance_name",
        "plan_id",
        "plan",
        "region",
        "state",
        "created_at",
        "taken_at",
    ):
        op.create_index(
            f"ix_recovery_points_project_id_{column}",
            "recovery_points",
            ["project_id", column, "id"],
            unique=False,
        )
    op.create_table(
        "copies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("point_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("kms_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("expire_run_id", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("completed_at", Moment(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["point_id"], ["recovery_points.id"], name=op.f("fk_copies_point_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copies")),
    )
    op.create_index(
        "uq_copies_point_id_place",
        "copies",
        ["point_id", "environment_id", "region"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('expiring', 'gone')"),
        postgresql_where=sa.text("state NOT IN ('expiring', 'gone')"),
    )
    op.create_index("ix_copies_point_id", "copies", ["point_id", "id"], unique=False)
    op.create_index("ix_copies_state", "copies", ["state", "id"], unique=False)
    op.create_table(
        "plan_rules",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("handled_until", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["backup_plans.id"], name=op.f("fk_plan_rules_plan_id")
        ),
        sa.PrimaryKeyConstraint("plan_id", "rule", name=op.f("pk_plan_rules")),
    )
    op.create_table(
        "skipped_slots",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.Column("noted_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["backup_plans.id"], name=op.f("fk_skipped_slots_plan_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skipped_slots")),
    )
    op.create_index("ix_skipped_slots_plan_id", "skipped_slots", ["plan_id", "id"], unique=False)
    op.create_table(
        "slots",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("begun_at", Moment(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["backup_plans.id"], name=op.f("fk_slots_plan_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_slots_run_id")),
        sa.PrimaryKeyConstraint("plan_id", "rule", "key", name=op.f("pk_slots")),
    )
    op.create_index("ix_slots_run_id", "slots", ["run_id"], unique=False)
    op.create_table(
        "copy_members",
        sa.Column("copy_id", sa.Text(), nullable=False),
        sa.Column("volume_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("cloud_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress_percent", sa.Integer(), nullable=False),
        sa.Column("size_gib", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["copy_id"], ["copies.id"], name=op.f("fk_copy_members_copy_id")),
        sa.PrimaryKeyConstraint("copy_id", "volume_id", name=op.f("pk_copy_members")),
    )
    op.create_index("ix_copy_members_cloud_id", "copy_members", ["cloud_id"], unique=False)
    op.create_table(
        "restores",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("point_id", sa.Text(), nullable=False),
        sa.Column("copy_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("end_run_id", sa.Text(), nullable=True),
        sa.Column("arguments", Json, nullable=False),
        sa.Column("made", Json, nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.Column("undo_until", Moment(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.Column("proof", Json, nullable=True),
        sa.ForeignKeyConstraint(["copy_id"], ["copies.id"], name=op.f("fk_restores_copy_id")),
        sa.ForeignKeyConstraint(
            ["point_id"], ["recovery_points.id"], name=op.f("fk_restores_point_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_restores_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    op.create_index("ix_restores_end_run_id", "restores", ["end_run_id"], unique=False)
    op.create_index("ix_restores_point_id", "restores", ["point_id"], unique=False)
    op.create_index("ix_restores_project_id", "restores", ["project_id", "id"], unique=False)
    op.create_index("ix_restores_run_id", "restores", ["run_id"], unique=False)
    op.create_index("ix_restores_state", "restores", ["state"], unique=False)
    _keep_snapshots()
    op.drop_table("snapshot_members")
    op.drop_index("ix_snapshots_project_id", table_name="snapshots")
    op.drop_table("snapshots")
    op.add_column("intents", sa.Column("environment_id", sa.Text(), nullable=True))
    op.add_column("intents", sa.Column("region", sa.Text(), nullable=True))
    op.create_index("ix_intents_state", "intents", ["state"], unique=False)
    op.create_table(
        "replies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
        sa.UniqueConstraint("person", "key", name=op.f("uq_replies_person_key")),
    )
    op.create_index("ix_replies_created_at", "replies", ["created_at"], unique=False)
    with op.batch_alter_table("runs") as runs:
        runs.drop_constraint(op.f("uq_runs_project_id_person_idempotency_key"), type_="unique")
        runs.drop_column("idempotency_key")
        runs.drop_column("request_hash")
        runs.add_column(sa.Column("last_alive", Moment(), nullable=True))
        runs.add_column(sa.Column("not_before", Moment(), nullable=True))
        runs.add_column(sa.Column("cancel", Json, nullable=True))
        runs.add_column(sa.Column("version", sa.Integer(), nullable=True))
        runs.add_column(sa.Column("changed_at", Moment(), nullable=True))
    op.execute(
        "UPDATE runs SET version = 1, changed_at = COALESCE(finished_at, started_at, created_at)"
    )
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("version", existing_type=sa.Integer(), nullable=False)
        runs.alter_column("changed_at", existing_type=Moment(), nullable=False)
    op.create_index(
        "ix_runs_project_id_changed_at", "runs", ["project_id", "changed_at"], unique=False
    )
    for column in ("created_at", "finished_at", "state"):
        op.create_index(
            f"ix_runs_project_id_{column}", "runs", ["project_id", column, "id"], unique=False
        )
    op.create_index("ix_resources_project_id", "resources", ["project_id", "id"], unique=False)
    op.create_index(
        "ix_resources_project_id_name", "resources", ["project_id", "name", "id"], unique=False
    )


def _keep_snapshots() -> None:
    """Make each snapshot a recovery point with one copy; what was not complete has failed.

    No worker of this release knows how to go on with a Run that took one.
    """
    op.execute("UPDATE snapshots SET state = 'failed' WHERE state IN ('planned', 'running')")
    op.execute(
        """
        UPDATE runs SET state = 'failed', lease_until = NULL
        WHERE kind = 'snapshot.create' AND state IN ('queued', 'running')
        """
    )
    op.execute(
        """
        INSERT INTO recovery_points (id, project_id, environment_id, environment, account, region,
          instance_id, instance_name, state, description, created_by, created_at, taken_at,
          completed_at, run_id, error, manifest)
        SELECT 'rp' || substr(s.id, 4), s.project_id, COALESCE(e.id, ''), s.environment, s.account,
          s.region, s.instance_id, s.instance_name, s.state, s.description, s.created_by,
          s.created_at, s.created_at, s.completed_at, s.run_id, s.error, '{}'
        FROM snapshots s LEFT JOIN environments e
          ON e.project_id = s.project_id AND e.name = s.environment
        """
    )
    op.execute(
        """
        INSERT INTO copies (id, point_id, role, environment_id, environment, account, region,
          state, run_id, created_at, completed_at)
        SELECT 'cop' || substr(id, 3), id, 'primary', environment_id, environment, account,
          region, state, run_id, created_at, completed_at
        FROM recovery_points
        """
    )
    op.execute(
        """
        INSERT INTO copy_members (copy_id, volume_id, device, cloud_id, state, progress_percent,
          size_gib)
        SELECT 'cop' || substr(snapshot_id, 4), volume_id, '', cloud_id, state,
          progress_percent, size_gib
        FROM snapshot_members
        """
    )


def _make_logins() -> None:
    op.create_table(
        "device_logins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("user_code", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("polled_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_logins")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_device_logins_code_hash")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_logins_user_code")),
    )
    op.create_index("ix_device_logins_network", "device_logins", ["network"], unique=False)
    op.create_index("ix_device_logins_expires_at", "device_logins", ["expires_at"], unique=False)
    op.create_table(
        "wrong_codes",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_wrong_codes")),
    )
