"""What backup plans do: run, and thin out; and what they will do."""

from __future__ import annotations

import click

from mavis_kernel.cli import complete
from mavis_kernel.cli.calendars import show_calendar, show_slots
from mavis_kernel.cli.changes import go_on
from mavis_kernel.cli.options import (
    common,
    dry_run_option,
    every_command,
    examples,
    in_project,
    no_wait_option,
    output_option,
    yes_option,
)
from mavis_kernel.cli.output import say
from mavis_kernel.cli.plans import apply, show_plan
from mavis_kernel.cli.state import State

__all__ = ["calendar", "retention", "run", "slots"]

_RUN = examples(
    "mavis backup-plan run nightly --dry-run",
    "mavis backup-plan run nightly --rule daily --no-wait",
)
_CALENDAR = examples(
    "mavis backup-plan calendar nightly --days 90",
    "mavis backup-plan calendar nightly --instance web-1",
)


@click.command(epilog=_RUN)
@click.argument("name", shell_complete=complete.plans)
@click.option("--rule", help="Keep what is made as this rule's recovery points.")
@dry_run_option
@no_wait_option
@in_project
@common
@click.pass_obj
def run(state: State, name: str, rule: str | None, dry_run: bool, no_wait: bool) -> None:
    """Back up now what the plan NAME selects.

    This is besides its slots, which go on as they are. What it selects is found out anew when
    the Run begins.
    """
    project, plans = state.project, state.client().backup_plans
    if dry_run:
        show_plan(state, plans.preview_run(project, name, rule=rule))
        return
    go_on(state, project, plans.run(project, name, rule=rule), no_wait)


@click.command()
@click.argument("name", shell_complete=complete.plans)
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="At most so many that have begun, and so many to come.",
)
@in_project
@common
@click.pass_obj
def slots(state: State, name: str, limit: int) -> None:
    """Show when the plan NAME ran and will run."""
    show_slots(state, state.client().backup_plans.slots(state.project, name, limit=limit), name)


@click.command(epilog=_CALENDAR)
@click.argument("name", shell_complete=complete.plans)
@click.option(
    "--days",
    type=click.IntRange(1, 1830),
    default=30,
    show_default=True,
    help="How many days ahead.",
)
@click.option("--instance", help="Begin with what this machine has: its name, cloud id or id.")
@in_project
@output_option("table", "json", "yaml")
@every_command
@click.pass_obj
def calendar(state: State, name: str, days: int, instance: str | None) -> None:
    """Show what the plan NAME makes and deletes.

    A line is a day of the plan's zone: what it makes and deletes of one machine, and how many
    recovery points there are at its end, if everything runs as scheduled.
    """
    plans = state.client().backup_plans
    show_calendar(state, plans.calendar(state.project, name, days=days, instance=instance))


@click.command()
@click.argument("name", shell_complete=complete.plans)
@dry_run_option
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def retention(state: State, name: str, dry_run: bool, yes: bool, no_wait: bool) -> None:
    """Delete what the plan NAME keeps no longer.

    It asks for the project's name first. The plan does the same by itself after its runs.
    """
    project, client = state.project, state.client()
    preview = client.previews.create(project, "retention.apply", name)
    if dry_run:
        show_plan(state, preview)
    elif preview.effects:
        go_on(state, project, apply(client, project, preview, yes=yes), no_wait)
    else:
        say(f"Nothing is due: the backup plan {name} keeps all that there is.")
