"""Plan, then apply: the plan is shown, confirmed where it asks for that, and begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mavis_kernel.cli.output import put, say, show_document
from mavis_kernel.cli.state import State, is_terminal
from mavis_kernel.cli.tables import Column, printable, table
from mavis_kernel.cli.times import relative
from mavis_kernel.errors import ConfirmationNeeded
from mavis_kernel.models import Effect, Preview, Run

if TYPE_CHECKING:
    from mavis_kernel.client import Mavis

__all__ = ["apply", "confirm_removal", "effect_lines", "plan_text", "show_plan"]

_COLUMNS: tuple[Column[Effect], ...] = (
    Column("EFFECT", lambda effect: effect.verb),
    Column("KIND", lambda effect: effect.kind),
    Column("NAME", lambda effect: effect.name or ""),
    Column(
        "CLOUD ID", lambda effect: effect.cloud_id or ("(new)" if effect.verb == "create" else "")
    ),
    Column("ENVIRONMENT", lambda effect: effect.environment or ""),
    Column("ACCOUNT", lambda effect: effect.account or ""),
    Column("REGION", lambda effect: effect.region or ""),
    Column("DETAIL", lambda effect: effect.detail or ""),
)


def effect_lines(effects: Sequence[Effect]) -> list[str]:
    """Return effects as a table."""
    return table(_COLUMNS, effects)


def plan_text(preview: Preview) -> str:
    """Return `preview` in words: each resource and effect, then the warnings."""
    what = " ".join(part for part in (preview.action, preview.resource) if part)
    ends = relative(preview.expires_at)
    lines = [
        f"Plan {preview.id}: {printable(what)} · {preview.severity} · expires {ends}",
        "",
        *(effect_lines(preview.effects) if preview.effects else ["It changes nothing."]),
    ]
    if preview.warnings:
        lines += ["", *(f"Warning: {printable(warning)}" for warning in preview.warnings)]
    return "\n".join(lines)


def show_plan(state: State, preview: Preview) -> None:
    """Write `preview` as data: what ``--dry-run`` is asked for."""
    if state.is_document:
        show_document(state, preview.raw)
    elif state.output == "id":
        put(preview.id)
    else:
        put(plan_text(preview))
        say("Nothing was changed: this was a dry run.")


def apply(client: Mavis, project: str, preview: Preview, *, yes: bool) -> Run:
    """Show `preview`, have it confirmed where it asks for that, and begin it.

    Raises
    ------
    ConfirmationNeeded
        Nobody confirmed; nothing was changed.
    """
    say(plan_text(preview))
    if preview.confirm is None:
        return client.previews.apply(project, preview)
    if not yes:
        _have_typed(preview.confirm, preview)
    return client.previews.apply(project, preview, confirm=preview.confirm)


def _have_typed(name: str, preview: Preview) -> None:
    if not is_terminal():
        raise ConfirmationNeeded(
            f"{preview.action} {preview.severity} and was not confirmed: there is no terminal to"
            " ask on. Nothing was changed.",
            mend="Read the plan above, then call again with --yes.",
        )
    typed = click.prompt(
        f"\nType the project's name ({name}) to go on, or nothing to cancel",
        default="",
        show_default=False,
        err=True,
    )
    if typed.strip() != name:
        raise ConfirmationNeeded(
            f"The project's name was not typed. {preview.action} was cancelled; nothing was"
            " changed.",
            mend=f"Call again and type {name}.",
        )


def confirm_removal(what: str, *, yes: bool, verb: str = "Remove", doing: str = "Removing") -> None:
    """Return where the person wants `what` removed, or whatever `verb` says.

    Raises
    ------
    ConfirmationNeeded
        They do not, or there is nobody to ask.
    """
    if yes:
        return
    if not is_terminal():
        raise ConfirmationNeeded(
            f"{doing} {what} was not confirmed: there is no terminal to ask on. Nothing was"
            " changed.",
            mend="Call again with --yes.",
        )
    if not click.confirm(f"{verb} {what}?", default=False, err=True):
        raise ConfirmationNeeded(
            f"{doing} {what} was cancelled; nothing was changed.", mend="Call again and say y."
        )
