"""A restore at the command line, in words, and followed to its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mavis_kernel.cli.output import show_one
from mavis_kernel.cli.progress import watch_to_end
from mavis_kernel.cli.runs import show_begun, show_run
from mavis_kernel.cli.state import State
from mavis_kernel.cli.times import both, duration
from mavis_kernel.models import Restore, Run
from mavis_kernel.outcomes import demand_success

__all__ = ["follow_restore", "made_text", "show_restore", "undo_text"]


def follow_restore(state: State, project: str, begun: Run, no_wait: bool) -> None:
    """Follow a Run that restores to its end, and show the restore then.

    Raises
    ------
    RunFailed
        It ended otherwise than well.
    """
    if no_wait:
        show_begun(state, project, begun)
        return
    ended = watch_to_end(state.client(), project, begun.id)
    made = (ended.result or {}).get("restore")
    if isinstance(made, str):
        show_restore(state, project, state.client().restores.get(project, made))
    else:
        show_run(state, ended)
    demand_success(ended)


def show_restore(state: State, project: str, item: Restore) -> None:
    """Write a restore as data."""
    arguments: Mapping[str, Any] = item.arguments
    before, error = item.before, item.error
    fields = [
        ("Restore", item.id),
        ("State", item.state),
        ("Kind", item.kind),
        ("Recovery point", item.point_id),
        ("Region", str(arguments.get("region") or "")),
        *_made_fields(item),
        ("At instance", before.instance_id if before else str(arguments.get("instance_id") or "")),
        *(
            (f"  {device} was", volume)
            for device, volume in (before.devices if before else {}).items()
        ),
        ("Disks now", before.disks if before else ""),
        ("Undo", undo_text(item, project)),
        ("Created", both(item.created_at)),
        ("Finished", both(item.finished_at) if item.finished_at else ""),
        ("By", item.created_by or ""),
        ("Run", item.run_id or ""),
        ("Ended by Run", item.end_run_id or ""),
        ("Error", error.message if error else ""),
        ("Mend", (error.mend or "") if error else ""),
    ]
    show_one(state, item, fields, id_text=item.id)


def undo_text(item: Restore, project: str, now: datetime | None = None) -> str:
    """Return whether and for how long the old volumes can be put back; empty if not in place."""
    now = now or datetime.now(UTC)
    if item.kind != "in_place" or item.before is None:
        return ""
    if item.can_be_undone(now):
        call = f"mavis restore undo {item.id} -p {project}"
        if item.state == "stranded" or item.undo_until is None:
            return f"possible for as long as it takes: {call}"
        left = duration((item.undo_until - now).total_seconds())
        return f"possible for {left} more, until {_minute(item.undo_until)}: {call}"
    if item.state == "complete" and item.undo_until is not None:
        return f"not possible any more: it was until {_minute(item.undo_until)}"
    return ""


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"


def made_text(item: Restore) -> str:
    """Return what a restore made, in short."""
    made = item.made
    number = len(made.volumes)
    volumes = f"{number} volume{'s' * (number != 1)}" if number else ""
    return ", ".join(part for part in (made.instance_id or "", volumes) if part)


def _made_fields(item: Restore) -> list[tuple[str, str]]:
    made = item.made
    return [
        ("New instance", made.instance_id or ""),
        *((f"  {original}", f"as {volume}") for original, volume in sorted(made.volumes.items())),
    ]
