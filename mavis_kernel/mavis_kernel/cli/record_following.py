"""``mavis record list --follow``: records as they arrive, a line each."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from mavis_kernel.cli.output import document_text, put, say
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import printable, state_style
from mavis_kernel.errors import ApiError, BadSettings
from mavis_kernel.models import Record

__all__ = ["follow"]


def follow(state: State, project: str | None, last: int, **filters: Any) -> None:
    """Write the `last` records and then all that arrive, until Ctrl-C, which is no error."""
    if filters.get("until") is not None:
        raise BadSettings("What arrives has no end.", mend="Leave out --until, or --follow.")
    arriving = state.client().records.watch(
        project, last=last, on_missed=_missed, on_trouble=_trouble, **filters
    )
    try:
        for each in arriving:
            put(_text(state, each, with_project=project is None))
            sys.stdout.flush()
    except KeyboardInterrupt:
        say("")


def _text(state: State, each: Record, *, with_project: bool) -> str:
    if state.output == "yaml":
        return f"---\n{document_text('yaml', each.raw)}"
    if state.output == "json":
        return document_text("json", each.raw, indent=None)
    if state.output == "id":
        return each.id
    if state.fields:
        return "  ".join(printable(str(each.raw.get(name) or "-")) for name in state.fields)
    code = f"[{each.error_code}]" if each.error_code else ""
    outcome = state_style(printable(each.outcome or each.phase or ""))
    project = (each.project or "-") if with_project else ""
    before = (_moment(each.time), project, each.person, each.action)
    parts = [printable(part) for part in before if part]
    return "  ".join((*parts, outcome, printable(f"{code} {each.summary}".strip())))


def _moment(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def _missed(count: int) -> None:
    say(f"{count} records arrived too fast to be shown. See them: mavis record list")


def _trouble(error: ApiError) -> None:
    say(f"{printable(error.detail)} Asking again.")
