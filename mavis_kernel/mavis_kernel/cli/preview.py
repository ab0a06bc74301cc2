"""``mavis preview``: what ``--dry-run`` has shown, looked at again and applied."""

from __future__ import annotations

import click

from mavis_kernel.cli.changes import go_on
from mavis_kernel.cli.groups import Group
from mavis_kernel.cli.options import (
    common,
    examples,
    fields_option,
    in_project,
    no_wait_option,
    yes_option,
)
from mavis_kernel.cli.output import show_fields
from mavis_kernel.cli.plans import apply as apply_plan
from mavis_kernel.cli.plans import show_plan
from mavis_kernel.cli.state import State

__all__ = ["preview"]

_APPLY = examples(
    "mavis resource stop web-1 --dry-run -o id",
    "mavis preview apply pre_01",
)


@click.group(cls=Group)
def preview() -> None:
    """Plans that --dry-run has shown, until they expire."""


@preview.command()
@click.argument("preview_id")
@fields_option
@in_project
@common
@click.pass_obj
def show(state: State, preview_id: str) -> None:
    """Show the plan PREVIEW_ID: what it would do, and until when it can be applied."""
    project, previews = state.project, state.client().previews
    if state.fields:
        show_fields(state, previews.get(project, preview_id, fields=state.fields))
    else:
        show_plan(state, previews.get(project, preview_id))


@preview.command(epilog=_APPLY)
@click.argument("preview_id")
@yes_option
@no_wait_option
@in_project
@common
@click.pass_obj
def apply(state: State, preview_id: str, yes: bool, no_wait: bool) -> None:
    """Do exactly what the plan PREVIEW_ID says.

    Where something else would happen by now it is refused. What interrupts or destroys asks for
    the project's name first.
    """
    project, client = state.project, state.client()
    found = client.previews.get(project, preview_id)
    go_on(state, project, apply_plan(client, project, found, yes=yes), no_wait)
