"""``mavis snapshot``."""

from __future__ import annotations

import click

from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    in_project,
    limit_option,
    no_wait_option,
)
from mavis_kernel.cli.output import Empty, after, show_list, show_one
from mavis_kernel.cli.plans import show_plan
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.cli.runs import show_begun, show_run
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, relative
from mavis_kernel.models import Snapshot, SnapshotMember
from mavis_kernel.nouns.runs import demand_success

__all__ = ["snapshot"]

_COLUMNS: tuple[Column[Snapshot], ...] = (
    Column("ID", lambda each: each.id),
    Column("INSTANCE", lambda each: each.instance_name or each.instance_id, shrinks=True),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("VOLUMES", lambda each: str(len(each.members)), right=True),
    Column("GIB", lambda each: str(sum(part.size_gib or 0 for part in each.members)), right=True),
    Column("ENVIRONMENT", lambda each: each.environment),
    Column("REGION", lambda each: each.region),
    Column("CREATED", lambda each: relative(each.created_at)),
    Column("BY", lambda each: each.created_by or ""),
    Column("DESCRIPTION", lambda each: each.description or "", shrinks=True),
)


@click.group(cls=Group)
def snapshot() -> None:
    """Points in time of machines."""


@snapshot.command("list")
@limit_option(200)
@in_project
@common
@click.pass_obj
def list_(state: State, limit: int) -> None:
    """List the snapshots of the project."""
    project = state.project
    show_list(
        state,
        state.client().snapshots.list(project, limit=after(limit)),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"snapshots in project {project}",
        empty=Empty(
            f"Project {project} has no snapshots yet. Take one:"
            f" mavis snapshot create INSTANCE -p {project}"
        ),
        limit=limit,
    )


@snapshot.command()
@click.argument("snapshot_id")
@in_project
@common
@click.pass_obj
def show(state: State, snapshot_id: str) -> None:
    """Show the snapshot SNAPSHOT_ID and its volumes."""
    _show(state, state.client().snapshots.get(state.project, snapshot_id))


@snapshot.command()
@click.argument("instance")
@click.option("--description", help="Why; kept with the snapshot and in the cloud.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def create(
    state: State, instance: str, description: str | None, dry_run: bool, no_wait: bool
) -> None:
    """Take a snapshot of all volumes of INSTANCE at one point in time.

    INSTANCE is a name, a cloud id or an id. Shows the snapshot when it is complete; with
    --no-wait the Run that makes it.
    """
    project, snapshots = state.project, state.client().snapshots
    if dry_run:
        show_plan(state, snapshots.preview(project, instance, description=description))
        return
    begun = snapshots.create(project, instance, description=description)
    if no_wait:
        show_begun(state, project, begun)
        return
    ended = watch_to_end(state.client(), project, begun.id)
    made = snapshots.made_by(project, ended)
    if made is None:
        show_run(state, ended)
    else:
        _show(state, made)
    demand_success(ended)


def _show(state: State, item: Snapshot) -> None:
    fields = [
        ("Snapshot", item.id),
        ("State", item.state),
        ("Instance", f"{item.instance_name or ''} ({item.instance_id})".strip()),
        ("Project", item.project),
        ("Environment", item.environment),
        ("Account", item.account or ""),
        ("Region", item.region),
        ("Description", item.description or ""),
        *((f"Volume {part.volume_id}", _member(part)) for part in item.members),
        ("Created", both(item.created_at)),
        ("By", item.created_by or ""),
        ("Completed", both(item.completed_at) if item.completed_at else ""),
        ("Run", item.run_id or ""),
        ("Error", item.error.message if item.error else ""),
        ("Mend", (item.error.mend or "") if item.error else ""),
    ]
    show_one(state, item, fields, id_text=item.id)


def _member(part: SnapshotMember) -> str:
    size = "" if part.size_gib is None else f", {part.size_gib} GiB"
    progress = "" if part.progress_percent is None else f", {part.progress_percent:.0f} %"
    return f"{part.cloud_id or 'not made'}: {part.state}{progress}{size}"
