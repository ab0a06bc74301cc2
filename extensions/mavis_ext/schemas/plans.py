"""Backup plans: their documents, their slots and what they will come to."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field

from mavis_core.contract import LockMode
from mavis_core.protection.deletion.outlook import Calendar as CalendarModel
from mavis_core.protection.durations import written
from mavis_core.protection.plans.definition import OnFailure
from mavis_core.protection.plans.service import BackupPlan as PlanModel
from mavis_core.protection.plans.service import PlanCheck as CheckModel
from mavis_core.protection.retention.forecast import Day
from mavis_core.protection.slots.blackouts import Weekday
from mavis_ext.schemas.base import Document, Schema
from mavis_ext.schemas.work import Effect

__all__ = [
    "BackupPlan",
    "BackupPlanCalendar",
    "BackupPlanCheck",
    "BackupPlanDefinition",
    "BackupPlanPreset",
    "BackupPlanSlots",
]

Absent = Field(default=None, exclude_if=lambda value: value is None)
Length = Annotated[str, Field(pattern=r"^[0-9]+[smhdw]$", examples=["15m", "36h", "7d"])]


class PlanSelection(Document):
    """What a plan protects; every condition that is named must hold."""

    match: str = ""
    """An expression over tags and attributes: `tag:backup = gold and environment != lab`."""
    resources: tuple[str, ...] = ()
    """Names or cloud ids of instances, beside those that match."""
    environments: tuple[str, ...] = ()
    exclude: str = ""
    exclude_volumes: str = ""


class PlanKeep(Document):
    """How many recovery points stay; empty keeps all."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Length | None = Absent
    """Everything that is younger stays."""


class PlanRule(Document):
    """When a plan takes recovery points."""

    name: str
    cron: Annotated[str, Field(examples=["30 2 * * *"])]
    """Five fields, in the plan's zone."""
    keep: PlanKeep | None = Absent
    """Instead of the plan's own."""


class PlanBlackout(Document):
    """When no backup begins: on days of the week between two times, or between two moments."""

    days: tuple[Weekday, ...] | None = Absent
    begins: Annotated[str, Field(alias="from", examples=["08:00", "2026-12-24T00:00"])]
    ends: Annotated[str, Field(alias="to", examples=["18:00", "2027-01-02T00:00"])]


class PlanHooks(Document):
    """Shell scripts that run on the machine before and after its volumes are taken."""

    pre: str | None = Absent
    post: str | None = Absent
    timeout: Length = "1m"
    on_failure: OnFailure = OnFailure.CONTINUE


class PlanCopy(Document):
    """A second place for recovery points."""

    environment: str | None = Absent
    """Whose account it is; left out: that of the machine."""
    region: str
    kms_key: str | None = Absent
    keep: PlanKeep | None = Absent
    rules: tuple[str, ...] | None = Absent
    """Of which rules; left out: of all."""


class PlanLock(Document):
    """A lock on each recovery point in the cloud itself."""

    mode: LockMode
    length: Annotated[Length, Field(alias="for")]


class PlanVerification(Document):
    """When the newest recovery point is proven to restore."""

    cron: str
    environment: str | None = Absent
    region: str | None = Absent
    subnet: str | None = Absent
    check: str | None = Absent
    timeout: Length = "30m"


class BackupPlanDefinition(Document):
    """What a plan says. Only `selection` and `rules` are needed."""

    title: str = ""
    zone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    """An IANA zone, in which cron and blackouts are read."""
    enabled: bool = True
    selection: PlanSelection
    rules: Annotated[tuple[PlanRule, ...], Field(min_length=1, max_length=10)]
    keep: PlanKeep | None = Absent
    blackouts: Annotated[tuple[PlanBlackout, ...], Field(max_length=20)] = ()
    jitter: Length = "0s"
    catch_up: bool = True
    """Whether a slot that was missed is caught up, once."""
    grace: Length = "15m"
    rpo: Length | None = Absent
    """The recovery point objective: how old the newest good recovery point may be."""
    hooks: PlanHooks | None = Absent
    copies: Annotated[tuple[PlanCopy, ...], Field(max_length=5)] = ()
    copy_tags: bool = True
    lock: PlanLock | None = Absent
    verification: PlanVerification | None = Absent
    max_delete_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """The largest part of a plan's points that one run of retention deletes."""


class BackupPlan(Schema):
    """A definition under a name."""

    id: str
    project: str
    name: str
    version: int
    """Grows with every edit."""
    definition: BackupPlanDefinition
    owner: str
    """With whose authority it runs."""
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    removed_at: datetime | None
    """Since when it runs no more; its recovery points stay."""

    @classmethod
    def of(cls, found: PlanModel) -> BackupPlan:
        return cls(
            id=found.id,
            project=found.project,
            name=found.name,
            version=found.version,
            definition=BackupPlanDefinition.of(found.definition.to_json()),
            owner=found.owner.name,
            created_at=found.created_at,
            created_by=found.created_by,
            updated_at=found.updated_at,
            updated_by=found.updated_by,
            removed_at=found.removed_at,
        )


class UpcomingSlot(Schema):
    """A slot to come."""

    rule: str
    slot: Annotated[str, Field(validation_alias="key")]
    """The local time that it is for."""
    due_at: datetime


class BackupPlanCheck(Schema):
    """What a definition would protect now; nothing was kept."""

    definition: BackupPlanDefinition
    effects: tuple[Effect, ...]
    left_out: tuple[str, ...]
    """Machines that match and are left out, each with the reason."""
    upcoming: tuple[UpcomingSlot, ...]
    """Its first slots, the next one first; none where it is not enabled."""

    @classmethod
    def of(cls, found: CheckModel) -> BackupPlanCheck:
        return cls(
            definition=BackupPlanDefinition.of(found.definition.to_json()),
            effects=tuple(Effect.of(effect) for effect in found.effects),
            left_out=found.left_out,
            upcoming=tuple(UpcomingSlot.of(each) for each in found.upcoming),
        )


class BackupPlanPreset(Schema):
    """A plan to begin with."""

    name: str
    definition: BackupPlanDefinition


class BegunSlot(Schema):
    """A slot that has begun."""

    rule: str
    slot: Annotated[str, Field(validation_alias="key")]
    due_at: datetime
    begun_at: datetime
    how: str
    """On time, or caught up."""
    run: Annotated[str, Field(validation_alias="run_id")]


class BackupPlanSlots(Schema):
    """The slots of a plan."""

    upcoming: tuple[UpcomingSlot, ...]
    """The next first."""
    begun: tuple[BegunSlot, ...]
    """The newest first."""


class TakenPoint(Schema):
    """A recovery point that a calendar tells of."""

    taken_at: datetime
    local: str
    """In the plan's zone."""


class MadePoint(TakenPoint):
    """A recovery point that a rule will make."""

    rule: str


class CalendarDay(Schema):
    """What a plan makes and loses on one day of its zone."""

    day: Annotated[date, Field(alias="date")]
    made: tuple[MadePoint, ...]
    goes: tuple[TakenPoint, ...]
    left: int


class BackupPlanCalendar(Schema):
    """What a plan will make and lose, of one machine."""

    plan: str
    instance: str | None
    """The machine's cloud id; null: a new one."""
    zone: str
    keep: PlanKeep
    days: tuple[CalendarDay, ...]

    @classmethod
    def told(cls, found: CalendarModel, plan: str, instance: str | None) -> BackupPlanCalendar:
        """Return the calendar `found` of a plan, by name, and of a machine, by cloud id."""
        zone, keep = ZoneInfo(found.zone), found.keep
        counts = {name: getattr(keep, name) for name in PlanKeep.model_fields if name != "within"}
        within = written(keep.within) if keep.within is not None else None
        return cls(
            plan=plan,
            instance=instance,
            zone=found.zone,
            keep=PlanKeep(**counts, within=within),
            days=tuple(_day(each, zone) for each in found.days),
        )


def _day(found: Day, zone: ZoneInfo) -> CalendarDay:
    made = tuple(
        MadePoint(rule=each.rule, **_taken(each.point.taken_at, zone)) for each in found.made
    )
    goes = tuple(TakenPoint(**_taken(each.taken_at, zone)) for each in found.goes)
    return CalendarDay(day=found.date, made=made, goes=goes, left=found.left)


def _taken(found: datetime, zone: ZoneInfo) -> dict[str, Any]:
    local = found.astimezone(zone).replace(tzinfo=None)
    return {"taken_at": found, "local": local.isoformat(timespec="minutes")}
