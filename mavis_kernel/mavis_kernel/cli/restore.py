"""``mavis restore``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    examples,
    fields_option,
    in_project,
    limit_option,
    no_wait_option,
    sort_option,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, after
from mavis_kernel.cli.plans import apply, show_plan
from mavis_kernel.cli.restores import follow_restore, made_text, show_restore
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import relative
from mavis_kernel.cli.watching import list_again, show_again
from mavis_kernel.models import Restore, RestoreKind, RestoreState

__all__ = ["restore"]

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS: tuple[Column[Restore], ...] = (
    Column("ID", lambda each: each.id),
    Column("KIND", lambda each: each.kind),
    Column("STATE", lambda each: each.state, is_state=True),
    Column("RECOVERY POINT", lambda each: each.point_id),
    Column("MADE", lambda each: made_text(each) or "-", shrinks=True),
    Column("UNDO", lambda each: relative(each.undo_until) if each.can_be_undone() else "-"),
    Column("CREATED", lambda each: relative(each.created_at)),
    Column("BY", lambda each: each.created_by or ""),
)
_VOLUMES = examples(
    "mavis recovery-point list --instance web-1",
    "mavis restore volumes rp_01 --dry-run",
    "mavis restore volumes rp_01 --volume vol-0a1 --attach-to web-1",
)
_INSTANCE = examples(
    "mavis restore instance rp_01 --name web-1-test --subnet subnet-0b2",
    "mavis restore instance rp_01 --environment dr --region eu-central-1 --dry-run",
)
_IN_PLACE = examples(
    "mavis restore in-place rp_01 --dry-run",
    "mavis restore in-place rp_01",
    "mavis restore undo rst_01",
)


def from_copy(function: F) -> F:
    """Add the point, and the options that say which of its copies is used."""
    for add in (
        click.option("--region", help="Use the copy in this region; else where it was taken."),
        click.option("--environment", help="Use the copy in this environment."),
        click.argument("point", shell_complete=complete.points),
    ):
        function = add(function)
    return function


@click.group(cls=Group)
def restore() -> None:
    """Bring recovery points back, and undo that."""


@restore.command("list")
@click.option("--point", shell_complete=complete.points, help="Only of this recovery point.")
@click.option("--kind", type=click.Choice(RestoreKind.known()), help="Only this kind.")
@click.option(
    "--state", "restore_state", type=click.Choice(RestoreState.known()), help="Only those."
)
@sort_option("created_at", "state")
@limit_option(50)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(
    state: State,
    /,
    point: str | None,
    kind: str | None,
    restore_state: str | None,
    sort: str | None,
    limit: int,
) -> None:
    """List the restores of the project, the newest first."""
    project, restores = state.project, state.client().restores
    list_again(
        state,
        lambda: restores.list(
            project,
            point=point,
            kind=kind,
            state=restore_state,
            sort=sort,
            limit=after(limit),
            fields=state.fields,
        ),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"restores in project {project}",
        empty=Empty(
            f"Nothing was restored in project {project} yet. See what would happen:"
            f" mavis restore volumes POINT --dry-run -p {project}",
            f"No restore of project {project} matches. Leave out a filter.",
            is_filtered=any((point, kind, restore_state)),
        ),
        limit=limit,
    )


@restore.command()
@click.argument("restore_id", shell_complete=complete.restores)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def show(state: State, restore_id: str) -> None:
    """Show the restore RESTORE_ID, and how long it can be undone."""
    project, restores = state.project, state.client().restores
    show_again(
        state,
        lambda: restores.get(project, restore_id, fields=state.fields),
        lambda item: show_restore(state, project, item),
    )


@restore.command(epilog=_VOLUMES)
@from_copy
@click.option("--zone", help="Make them in this zone; else where the originals were.")
@click.option("--volume", "volumes", multiple=True, help="Only this original; repeatable.")
@click.option("--attach-to", metavar="INSTANCE", help="Attach them to this instance, besides.")
@click.option("--kms-key", help="Encrypt them with this key.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def volumes(state: State, /, point: str, dry_run: bool, no_wait: bool, **given: Any) -> None:
    """Make new volumes from the recovery point POINT.

    They are beside the old ones; nothing that is there is touched.
    """
    _make(state, point, "volumes", given, dry_run=dry_run, no_wait=no_wait)


@restore.command(epilog=_INSTANCE)
@from_copy
@click.option("--instance-type", help="Of this type; else as it was.")
@click.option("--subnet", help="In this subnet.")
@click.option("--security-group", "security_groups", multiple=True, help="In this; repeatable.")
@click.option("--key-name", help="With this key pair.")
@click.option("--instance-profile", help="With this instance profile.")
@click.option("--name", help="Under this name; else the old one with -restored.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def instance(state: State, /, point: str, dry_run: bool, no_wait: bool, **given: Any) -> None:
    """Launch the instance of the recovery point POINT anew.

    The old instance stays as it is. What is not said is as it was, where that is known there.
    """
    given["profile"] = given.pop("instance_profile")
    _make(state, point, "instance", given, dry_run=dry_run, no_wait=no_wait)


@restore.command("in-place", epilog=_IN_PLACE)
@click.argument("point", shell_complete=complete.points)
@click.option("--environment", help="Use the copy in this environment.")
@click.option("--volume", "volumes", multiple=True, help="Only this volume; repeatable.")
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def in_place(
    state: State, /, point: str, dry_run: bool, yes: bool, no_wait: bool, **given: Any
) -> None:
    """Put an instance back to the recovery point POINT.

    It is stopped, gets new volumes, and is started if it ran. It asks for the project's name
    first. The old volumes are kept for 24 hours, in which `mavis restore undo` puts them back.
    """
    _replace(state, "restore.in_place", point, given, dry_run=dry_run, yes=yes, no_wait=no_wait)


@restore.command()
@click.argument("restore_id", shell_complete=complete.restores)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def undo(state: State, restore_id: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Put back the volumes that RESTORE_ID replaced.

    What was written since is lost, so it asks for the project's name first.
    """
    _replace(state, "restore.undo", restore_id, {}, dry_run=dry_run, yes=yes, no_wait=no_wait)


def _make(
    state: State, point: str, kind: str, given: dict[str, Any], *, dry_run: bool, no_wait: bool
) -> None:
    project, restores = state.project, state.client().restores
    arguments = _said(given)
    if dry_run:
        show_plan(state, restores.preview(project, point, kind, arguments))
    else:
        begun = restores.start(project, point, kind, arguments)
        follow_restore(state, project, begun, no_wait)


def _replace(
    state: State,
    action: str,
    name: str,
    given: dict[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    project, client = state.project, state.client()
    preview = client.previews.create(project, action, name, _said(given))
    if dry_run:
        show_plan(state, preview)
    else:
        begun = apply(client, project, preview, yes=yes)
        follow_restore(state, project, begun, no_wait)


def _said(given: dict[str, Any]) -> dict[str, object]:
    """Return the options that were given, as the appliance takes them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value
    }
