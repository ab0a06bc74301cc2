"""What a backup plan does and will do: its slots in a table, its days a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mavis_kernel.cli.output import put, say, show_document
from mavis_kernel.cli.plan_words import keep_text
from mavis_kernel.cli.state import State
from mavis_kernel.cli.tables import Column, table
from mavis_kernel.cli.times import both
from mavis_kernel.models import BackupPlanCalendar, BackupPlanSlots, CalendarDay

__all__ = ["show_calendar", "show_slots"]

_NAMED = 2


@dataclass(frozen=True)
class _Slot:
    """A line of the table of slots."""

    slot: str
    rule: str
    due: str
    state: str
    run: str = ""


_SLOTS: tuple[Column[_Slot], ...] = (
    Column("SLOT", lambda each: each.slot),
    Column("RULE", lambda each: each.rule),
    Column("DUE", lambda each: each.due),
    Column("BEGUN", lambda each: each.state),
    Column("RUN", lambda each: each.run),
)
_DAYS: tuple[Column[CalendarDay], ...] = (
    Column("DAY", lambda day: f"{day.date:%a %Y-%m-%d}"),
    Column("MADE", lambda day: str(len(day.made)), right=True),
    Column("GOES", lambda day: str(len(day.goes)), right=True),
    Column("STAYS", lambda day: str(day.left), right=True),
    Column("WHICH", lambda day: "  ".join(_which(day)), shrinks=True),
)


def show_slots(state: State, slots: BackupPlanSlots, name: str) -> None:
    """Write the slots of the plan `name`: those that have begun, then those to come."""
    if state.is_document:
        show_document(state, slots.raw)
    elif state.output == "id":
        for each in slots.begun:
            put(each.run)
    elif not slots.begun and not slots.upcoming:
        say(f"The backup plan {name} has no slots: it is paused. Let it run:")
        say(f"  mavis backup-plan edit {name} --set enabled=true")
    else:
        for line in table(_SLOTS, [*_begun(slots), *_upcoming(slots)]):
            put(line)
        say(f"{len(slots.begun)} have begun, the next {len(slots.upcoming)} are to come.")


def _begun(slots: BackupPlanSlots) -> Iterator[_Slot]:
    for each in reversed(slots.begun):
        yield _Slot(each.slot, each.rule, both(each.due_at), each.how, each.run)


def _upcoming(slots: BackupPlanSlots) -> Iterator[_Slot]:
    for each in slots.upcoming:
        yield _Slot(each.slot, each.rule, both(each.due_at), "-")


def show_calendar(state: State, calendar: BackupPlanCalendar) -> None:
    """Write what each day makes, loses and has at its end."""
    if state.is_document:
        show_document(state, calendar.raw)
        return
    for line in table(_DAYS, calendar.days):
        put(line)
    made = sum(len(day.made) for day in calendar.days)
    goes = sum(len(day.goes) for day in calendar.days)
    left = calendar.days[-1].left if calendar.days else 0
    say(f"In {len(calendar.days)} days {made} are made and {goes} go; {left} are there at the end.")
    say(f"Keeps {keep_text(calendar.keep)}. Days and times are of {calendar.zone}.")
    if calendar.instance is None:
        say("This is of a new machine. Of one that has recovery points: --instance NAME.")


def _which(day: CalendarDay) -> Iterator[str]:
    """Yield what a day makes, by rule, and what it loses; many of them by their number."""
    for rule, of_rule in groupby(sorted(day.made, key=lambda each: each.rule), lambda m: m.rule):
        times = [each.local.partition("T")[2] for each in of_rule]
        yield f"+ {rule} {' '.join(times)}" if len(times) <= _NAMED else f"+ {len(times)} {rule}"
    if day.goes:
        yield f"- {_names([each.local.replace('T', ' ') for each in day.goes])}"


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{len(names)} from {names[0]} to {names[-1]}"
