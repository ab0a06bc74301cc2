"""``mavis recovery-point``; what is done to one of them is in `point_changes`."""

from __future__ import annotations

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    fields_option,
    in_project,
    limit_option,
    no_wait_option,
    sort_option,
    watch_option,
)
from mavis_kernel.cli.output import Empty, after
from mavis_kernel.cli.plans import show_plan
from mavis_kernel.cli.point_changes import (
    copy,
    delete,
    explain,
    hold,
    lock,
    release,
    unlock,
    verify,
)
from mavis_kernel.cli.points import show_point
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.cli.runs import show_begun, show_run
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import PointState, RecoveryPoint
from mavis_kernel.outcomes import demand_success

__all__ = ["recovery_point"]

_COLUMNS: tuple[Column[RecoveryPoint], ...] = (
    Column("ID", lambda each: each.id),
    Column("INSTANCE", lambda each: each.instance_name or each.instance_id, shrinks=True),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("VOLUMES", lambda each: str(each.volumes), right=True),
    Column("GIB", lambda each: str(each.size_gib), right=True),
    Column("PLAN", lambda each: each.plan or "-", shrinks=True),
    Column("ENVIRONMENT", lambda each: each.environment),
    Column("REGION", lambda each: each.region),
    Column("TAKEN", lambda each: relative(each.taken_at) if each.taken_at else "-"),
    Column("BY", lambda each: each.created_by or ""),
)


@click.group("recovery-point", cls=Group)
def recovery_point() -> None:
    """Points in time to which machines can go back."""


@recovery_point.command("list")
@click.option(
    "--instance",
    shell_complete=complete.instances,
    help="Only of this instance: its name or cloud id.",
)
@click.option("--plan", shell_complete=complete.plans, help="Only by this backup plan.")
@click.option("--state", "point_state", type=click.Choice(PointState.known()), help="Only those.")
@click.option("--region", help="Only in this region.")
@sort_option("created_at", "taken_at", "instance", "state")
@limit_option(200)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(
    state: State,
    instance: str | None,
    plan: str | None,
    point_state: str | None,
    region: str | None,
    sort: str | None,
    limit: int,
) -> None:
    """List the recovery points of the project, the newest first."""
    project, points = state.project, state.client().recovery_points
    list_again(
        state,
        lambda: points.list(
            project,
            instance=instance,
            plan=plan,
            state=point_state,
            region=region,
            sort=sort,
            limit=after(limit),
            fields=state.fields,
        ),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"recovery points in project {project}",
        empty=Empty(
            f"Project {project} has no recovery points yet. Take one:"
            f" mavis recovery-point create INSTANCE -p {project}",
            f"No recovery point of project {project} matches. Leave out a filter.",
            is_filtered=any((instance, plan, point_state, region)),
        ),
        limit=limit,
    )


@recovery_point.command()
@click.argument("point_id", shell_complete=complete.points)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, point_id: str) -> None:
    """Show the recovery point POINT_ID, its copies and their volumes."""
    project, points = state.project, state.client().recovery_points
    show_again(
        state,
        lambda: points.get(project, point_id, fields=state.fields),
        lambda item: show_point(state, item),
    )


@recovery_point.command()
@click.argument("instance", shell_complete=complete.instances)
@click.option("--description", help="Why; kept with the recovery point and in the cloud.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def create(
    state: State, instance: str, description: str | None, dry_run: bool, no_wait: bool
) -> None:
    """Take a recovery point of INSTANCE.

    It holds all its volumes at one point in time. INSTANCE is a name, a cloud id or an id. Shows
    the recovery point when it is complete; with --no-wait the Run that makes it.
    """
    project, points = state.project, state.client().recovery_points
    if dry_run:
        show_plan(state, points.preview(project, instance, description=description))
        return
    begun = points.create(project, instance, description=description)
    if no_wait:
        show_begun(state, project, begun)
        return
    ended = watch_to_end(state.client(), project, begun.id)
    made = points.made_by(project, ended)
    if made is None:
        show_run(state, ended)
    else:
        show_point(state, made)
    demand_success(ended)


for _command in (explain, copy, verify, hold, release, lock, unlock, delete):
    recovery_point.add_command(_command)
