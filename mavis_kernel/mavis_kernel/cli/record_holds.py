"""``mavis record hold``, ``holds`` and ``release``: legal holds on records."""

from __future__ import annotations

from datetime import datetime

import click

from mavis_kernel.cli.options import common, examples, fields_option, in_project
from mavis_kernel.cli.output import Empty, show_list, show_one
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column
from mavis_kernel.cli.times import both, moment_option, relative
from mavis_kernel.models import RecordHold

__all__ = ["hold", "holds", "release"]


def _about(item: RecordHold) -> str:
    parts = [
        f"of {item.person}" if item.person else "",
        f"of {item.correlation_id}" if item.correlation_id else "",
        f"from {item.since:%Y-%m-%d %H:%M}Z" if item.since else "",
        f"until {item.until:%Y-%m-%d %H:%M}Z" if item.until else "",
    ]
    return " ".join(filter(None, parts)) or "all"


_COLUMNS: tuple[Column[RecordHold], ...] = (
    Column("ID", lambda each: each.id),
    Column("RECORDS", _about, shrinks=True),
    Column("PLACED", lambda each: relative(each.placed_at)),
    Column("BY", lambda each: each.placed_by),
    Column("STATE", lambda each: "released" if each.released_at else "stands", is_state=True),
    Column("REASON", lambda each: each.reason, shrinks=True),
)


def _show(state: State, item: RecordHold) -> None:
    fields = [
        ("id", item.id),
        ("records", _about(item)),
        ("reason", item.reason),
        ("placed", f"{both(item.placed_at)}, by {item.placed_by}"),
    ]
    if item.released_at is not None:
        told = f"{both(item.released_at)}, by {item.released_by}: {item.release_reason}"
        fields.append(("released", told))
    show_one(state, item, fields, id_text=item.id)


@click.command("holds")
@fields_option
@in_project
@common
@click.pass_obj
def holds(state: State, /) -> None:
    """List legal holds on records, those that stand first."""
    show_list(
        state,
        state.client().records.holds(state.project, fields=state.fields),
        _COLUMNS,
        id_of=lambda each: each.id,
        nouns=f"legal holds on records of project {state.project}",
        empty=Empty("No records are on hold. Keep some: mavis record hold --reason WHY"),
    )


@click.command(
    "hold",
    epilog=examples(
        "mavis record hold --reason 'case 2026-17' --person alice --since 2026-01-01",
        "mavis record hold --reason 'case 2026-17' --correlation-id cor_01",
    ),
)
@click.option("--reason", required=True, help="Why; it stands in the records.")
@click.option("--person", help="Only what this person did.")
@click.option("--correlation-id", help="Only what one call or event set off.")
@click.option(
    "--since", type=moment_option, metavar="WHEN", help="Only from then on: 30d ago, or a date."
)
@click.option("--until", type=moment_option, metavar="WHEN", help="Only before then.")
@in_project
@common
@click.pass_obj
def hold(
    state: State,
    reason: str,
    person: str | None,
    correlation_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Place a legal hold on records of a project: all, or those that fit what is given.

    Until it is released they are kept, whatever the periods of the log are.
    """
    placed = state.client().records.hold(
        state.project,
        reason,
        person=person,
        correlation_id=correlation_id,
        since=since,
        until=until,
    )
    _show(state, placed)


@click.command("release")
@click.argument("hold_id")
@click.option("--reason", required=True, help="Why; it stands in the records.")
@in_project
@common
@click.pass_obj
def release(state: State, hold_id: str, reason: str) -> None:
    """Release the legal hold HOLD_ID on records.

    What is over its period, and on no other hold, is erased within five weeks.
    """
    _show(state, state.client().records.release(state.project, hold_id, reason))
