"""Changing something: the plan, the confirmation, and the Run that follows."""

from __future__ import annotations

from collections.abc import Mapping

from mavis_kernel.cli.plans import apply, show_plan
from mavis_kernel.cli.runs import follow, show_begun
from mavis_kernel.cli.state import State
from mavis_kernel.models import Run

__all__ = ["change", "go_on"]


def change(
    state: State,
    action: str,
    name: str,
    arguments: Mapping[str, object],
    *,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    """Show what `action` would do to `name`, have it confirmed, and follow it to its end.

    Raises
    ------
    ConfirmationNeeded
        Nobody confirmed; nothing was changed.
    RunFailed
        It ended otherwise than well.
    """
    project, client = state.project, state.client()
    preview = client.previews.create(project, action, name, arguments)
    if dry_run:
        show_plan(state, preview)
        return
    go_on(state, project, apply(client, project, preview, yes=yes), no_wait)


def go_on(state: State, project: str, begun: Run, no_wait: bool) -> None:
    """Follow a Run that has begun to its end; or show it, and how to watch it."""
    if no_wait:
        show_begun(state, project, begun)
    else:
        follow(state, project, begun.id)
