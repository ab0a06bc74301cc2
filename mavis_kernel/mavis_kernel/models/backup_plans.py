"""Backup plans, and what they will do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mavis_kernel.models.work import Effect
from mavis_kernel.parsing import JsonObject, Model

__all__ = [
    "BackupPlan",
    "BegunSlot",
    "CalendarDay",
    "PlanCalendar",
    "PlanCheck",
    "PlanPreset",
    "PlanSlots",
    "PointGone",
    "PointMade",
    "UpcomingSlot",
]


@dataclass(frozen=True, kw_only=True)
class BackupPlan(Model):
    """What is backed up, how often, where to, and what is kept.

    Parameters
    ----------
    version
        Grows with every edit.
    definition
        The document, in its canonical form; `BackupPlans.create` takes it.
    owner
        With whose authority it runs: who wrote it last.
    removed_at
        Since when it runs no more; its recovery points stay.
    """

    id: str
    project: str
    name: str
    version: int
    definition: JsonObject
    owner: str
    created_at: datetime
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    removed_at: datetime | None = None

    @property
    def enabled(self) -> bool:
        """Whether its slots begin by themselves."""
        return self.definition.get("enabled") is not False


@dataclass(frozen=True, kw_only=True)
class PlanPreset(Model):
    """A definition to begin with."""

    name: str
    definition: JsonObject


@dataclass(frozen=True, kw_only=True)
class PlanCheck(Model):
    """What a definition comes to now.

    Parameters
    ----------
    definition
        In its canonical form.
    effects
        A recovery point for each machine that it would take.
    left_out
        The machines of the project that it does not take.
    """

    definition: JsonObject
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UpcomingSlot(Model):
    """A slot to come.

    Parameters
    ----------
    slot
        Its local time in the plan's zone: ``2026-10-25T02:30``.
    """

    rule: str
    slot: str
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class BegunSlot(Model):
    """A slot that has begun.

    Parameters
    ----------
    how
        ``on time`` or ``catch-up``.
    run
        The Run that carries it out.
    """

    rule: str
    slot: str
    due_at: datetime
    begun_at: datetime
    how: str
    run: str


@dataclass(frozen=True, kw_only=True)
class PlanSlots(Model):
    """The slots of a plan: to come, the next first; begun, the newest first."""

    upcoming: tuple[UpcomingSlot, ...]
    begun: tuple[BegunSlot, ...]


@dataclass(frozen=True, kw_only=True)
class PointMade(Model):
    """A recovery point that a plan will make; `local` is a time of the plan's zone."""

    rule: str
    taken_at: datetime
    local: str


@dataclass(frozen=True, kw_only=True)
class PointGone(Model):
    """A recovery point that a plan will delete, by when it was taken."""

    taken_at: datetime
    local: str


@dataclass(frozen=True, kw_only=True)
class CalendarDay(Model):
    """One day of the plan's zone.

    Parameters
    ----------
    date
        ``2026-10-25``.
    left
        How many recovery points are there at its end.
    """

    date: str
    made: tuple[PointMade, ...]
    goes: tuple[PointGone, ...]
    left: int


@dataclass(frozen=True, kw_only=True)
class PlanCalendar(Model):
    """What a plan will make and lose of one machine, if it runs as scheduled.

    Parameters
    ----------
    instance
        The cloud id of a machine whose recovery points are there already; None for a new one.
    zone
        Whose days these are.
    keep
        What decides about what goes.
    """

    plan: str
    zone: str
    days: tuple[CalendarDay, ...]
    instance: str | None = None
    keep: JsonObject | None = None
