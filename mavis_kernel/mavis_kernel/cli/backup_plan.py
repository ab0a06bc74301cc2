"""``mavis backup-plan``: plans themselves; `backup_plan_work` has what they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.backup_plan_work import calendar, retention, run, slots
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    every_command,
    examples,
    fields_option,
    in_project,
    limit_option,
    sort_option,
    watch_option,
    yes_option,
)
from mavis_kernel.cli.output import Empty, after, say, show_fields
from mavis_kernel.cli.plan_files import Setting, changed, file_option, read_file, set_option
from mavis_kernel.cli.plan_words import (
    keep_text,
    plan_state,
    rules_text,
    show_check,
    show_plan_of,
)
from mavis_kernel.cli.plans import confirm_removal
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, printable
from mavis_kernel.cli.times import relative
from mavis_kernel.cli.watching import list_again
from mavis_kernel.errors import ApiError, ChangedSince, NotFound, PlanChanged
from mavis_kernel.models import BackupPlan

if TYPE_CHECKING:
    from mavis_kernel.client import Mavis
    from mavis_kernel.nouns.backup_plans import BackupPlans

__all__ = ["backup_plan"]


def _kept(item: BackupPlan) -> str:
    return keep_text(item.definition.keep)


_COLUMNS: tuple[Column[BackupPlan], ...] = (
    Column("NAME", lambda each: each.name),
    Column("STATE", plan_state, is_state=True),
    Column("RULES", rules_text, shrinks=True),
    Column("KEEPS", _kept, shrinks=True),
    Column("ZONE", lambda each: each.definition.zone),
    Column("RUNS AS", lambda each: each.owner),
    Column("VERSION", lambda each: str(each.version), right=True),
    Column("CHANGED", lambda each: relative(each.updated_at)),
)
_MAKE = examples(
    "mavis backup-plan create nightly --preset bronze --set zone=Europe/Berlin --dry-run",
    "mavis backup-plan create shop-db -f shop-db.toml",
    "mavis backup-plan show nightly -o json | mavis backup-plan create copy-of-it -f -",
)
_EDIT = examples(
    "mavis backup-plan edit nightly --set keep.daily=14 --set keep.weekly=8",
    "mavis backup-plan edit nightly --set 'selection.match=tag:team = ops'",
    "mavis backup-plan edit nightly --set enabled=false",
    "mavis backup-plan edit nightly -f nightly.json --version 3",
)


@click.group("backup-plan", cls=Group)
def backup_plan() -> None:
    """Backups that run by themselves, and what they keep."""


@backup_plan.command("list")
@sort_option("name", "created_at")
@limit_option(200)
@fields_option
@watch_option
@in_project
@common
@click.pass_obj
def list_(state: State, sort: str | None, limit: int) -> None:
    """List the backup plans of the project."""
    project, plans = state.project, state.client().backup_plans
    list_again(
        state,
        lambda: plans.list(project, sort=sort, limit=after(limit), fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.name,
        nouns=f"backup plans in project {project}",
        empty=Empty(
            f"Project {project} has no backup plans yet, so nothing is backed up by itself."
            " Begin with one of gold, silver and bronze:"
            f" mavis backup-plan create NAME --preset bronze --dry-run -p {project}"
        ),
        limit=limit,
    )


@backup_plan.command(
    epilog=examples("mavis backup-plan show nightly", "mavis backup-plan show nightly -o json")
)
@click.argument("name", shell_complete=complete.plans)
@fields_option
@in_project
@common
@click.pass_obj
def show(state: State, name: str) -> None:
    """Show the backup plan NAME.

    With -o json it is written as `mavis backup-plan create -f` takes it.
    """
    project, plans = state.project, state.client().backup_plans
    if state.fields:
        show_fields(state, plans.get(project, name, fields=state.fields))
    else:
        show_plan_of(state, plans.get(project, name))


@backup_plan.command(epilog=_MAKE)
@click.argument("name")
@file_option
@click.option(
    "--preset",
    shell_complete=complete.presets,
    help="Begin with a plan that comes with Mavis: gold, silver or bronze.",
)
@set_option
@dry_run_option
@in_project
@common
@click.pass_obj
def create(
    state: State,
    name: str,
    file_name: str | None,
    preset: str | None,
    settings: tuple[Setting, ...],
    dry_run: bool,
) -> None:
    """Make a backup plan NAME from a file or a preset.

    The presets take every machine that has the tag backup=gold, =silver or =bronze. The plan
    begins with its first slot after now and runs with your authority.
    """
    if (file_name is None) == (preset is None):
        raise click.UsageError("Say what the plan is: either -f FILE or --preset NAME.")
    given = read_file(file_name) if file_name is not None else None
    project, client = state.project, state.client()
    definition = given if given is not None else _preset(client, project, preset or "")
    definition = changed(definition, settings)
    if dry_run:
        show_check(state, client.backup_plans.check(project, name, definition))
        return
    show_plan_of(state, client.backup_plans.create(project, name, definition))
    say(f"See what it will do: mavis backup-plan calendar {name} -p {project}")


@backup_plan.command(epilog=_EDIT)
@click.argument("name", shell_complete=complete.plans)
@file_option
@set_option
@click.option("--version", type=int, help="Only where the plan still has this version.")
@dry_run_option
@in_project
@common
@click.pass_obj
def edit(
    state: State,
    name: str,
    file_name: str | None,
    settings: tuple[Setting, ...],
    version: int | None,
    dry_run: bool,
) -> None:
    """Change the backup plan NAME.

    From then on it runs with your authority. What it keeps no longer goes at its next run of
    retention: look before with `mavis backup-plan calendar`.
    """
    if file_name is None and not settings:
        raise click.UsageError("Nothing to change: give -f FILE or --set PATH=VALUE.")
    given = read_file(file_name) if file_name is not None else None
    project, plans = state.project, state.client().backup_plans
    etag: str | None = None
    if given is None:
        now = plans.get(project, name)
        given, etag = dict(now.definition.raw), now.etag
    definition = changed(given, settings)
    if dry_run:
        show_check(state, plans.check(project, name, definition))
        return
    with told_if_changed(plans, project, name):
        edited = plans.replace(project, name, definition, version=version, if_match=etag)
    show_plan_of(state, edited)


@backup_plan.command()
@click.argument("name", shell_complete=complete.plans)
@yes_option
@in_project
@every_command
@click.pass_obj
def delete(state: State, name: str, yes: bool) -> None:
    """End the plan NAME; its recovery points stay."""
    project, plans = state.project, state.client().backup_plans
    found = plans.get(project, name)
    confirm_removal(f"backup plan {found.name} from project {project}", yes=yes)
    with told_if_changed(plans, project, name):
        plans.remove(project, name, if_match=found.etag)
    say(f"The backup plan {found.name} has ended. Its recovery points stay until somebody deletes")
    say(f"them: mavis recovery-point list --plan {found.id} -p {project}")


@contextmanager
def told_if_changed(plans: BackupPlans, project: str, name: str) -> Iterator[None]:
    """Say who has edited the plan since this call has read it, and what to do."""
    try:
        yield
    except (ChangedSince, PlanChanged) as exc:
        raise type(exc)(
            f"{_editor(plans, project, name)} has edited the backup plan {name} since you have"
            " read it. Nothing was changed.",
            code=exc.code,
            status=exc.status,
            mend="See what it says now, then call again:"
            f" mavis backup-plan show {name} -p {project}",
            request_id=exc.request_id,
        ) from exc


def _editor(plans: BackupPlans, project: str, name: str) -> str:
    try:
        return printable(plans.get(project, name).updated_by)
    except ApiError:
        return "Somebody"


def _preset(client: Mavis, project: str, name: str) -> dict[str, Any]:
    presets = {each.name: each.definition.raw for each in client.backup_plans.presets(project)}
    if name not in presets:
        raise NotFound(f"No preset {name!r}.", mend=f"There are {', '.join(presets)}.")
    return dict(presets[name])


for _command in (run, slots, calendar, retention):
    backup_plan.add_command(_command)
