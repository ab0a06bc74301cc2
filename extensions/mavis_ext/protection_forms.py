"""The JSON forms of what protects: recovery points, backup plans, restores and reports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mavis_core.protection.deletion.outlook import Calendar, Explanation, PlanSlots
from mavis_core.protection.durations import written
from mavis_core.protection.plans.service import BackupPlan, PlanCheck
from mavis_core.protection.points.model import Copy, RecoveryPoint
from mavis_core.protection.reports import ProtectionReport
from mavis_core.protection.restore.model import Before, Restore
from mavis_core.protection.retention.forecast import Day
from mavis_ext.forms import moment

__all__ = [
    "backup_plan",
    "calendar",
    "explanation",
    "plan_check",
    "plan_slots",
    "recovery_point",
    "recovery_point_of_list",
    "report",
    "restore",
]


def recovery_point(found: RecoveryPoint) -> dict[str, Any]:
    """Return a recovery point with its manifest and its copies."""
    manifest = {**found.manifest.to_json(), "hash": found.manifest.hash}
    return {**recovery_point_of_list(found), "manifest": manifest}


def recovery_point_of_list(found: RecoveryPoint) -> dict[str, Any]:
    """Return a recovery point with its copies; its manifest, which may be long, by size only."""
    hidden = ("project_id", "manifest")
    told = {name: getattr(found, name) for name in found.__slots__ if name not in hidden}
    hold, lock = found.hold, found.lock
    return {
        **told,
        "volumes": len(found.manifest.disks),
        "size_gib": found.manifest.size_gib,
        "created_at": moment(found.created_at),
        "taken_at": moment(found.taken_at),
        "completed_at": moment(found.completed_at),
        "error": dict(found.error) if found.error else None,
        "hold": {**asdict(hold), "at": moment(hold.at)} if hold else None,
        "lock": {**asdict(lock), "until": moment(lock.until)} if lock else None,
        "proof": dict(found.proof) if found.proof else None,
        "copies": [_copy(each) for each in found.copies],
    }


def _copy(found: Copy) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in found.__slots__ if name != "point_id"}
    return {
        **told,
        "created_at": moment(found.created_at),
        "completed_at": moment(found.completed_at),
        "error": dict(found.error) if found.error else None,
        "members": [asdict(each) for each in found.members],
    }


def explanation(found: Explanation) -> dict[str, Any]:
    """Return why one copy of a recovery point is kept or goes."""
    copy = found.copy
    return {
        "copy": copy.id,
        "role": copy.role,
        "environment": copy.environment,
        "region": copy.region,
        "state": copy.state,
        "fate": found.fate,
        "reasons": [{"code": code, "sentence": sentence} for code, sentence in found.reasons],
        "goes_at": moment(found.goes_at),
        "sentence": found.sentence,
    }


def backup_plan(found: BackupPlan) -> dict[str, Any]:
    """Return a backup plan; its definition as `POST` takes it, in its canonical form."""
    return {
        "id": found.id,
        "project": found.project,
        "name": found.name,
        "version": found.version,
        "definition": found.definition.to_json(),
        "owner": found.owner.name,
        "created_at": moment(found.created_at),
        "created_by": found.created_by,
        "updated_at": moment(found.updated_at),
        "updated_by": found.updated_by,
        "removed_at": moment(found.removed_at),
    }


def plan_check(found: PlanCheck) -> dict[str, Any]:
    """Return what a definition would protect now, and the machines that it leaves out."""
    return {
        "definition": found.definition.to_json(),
        "effects": [asdict(effect) for effect in found.effects],
        "left_out": list(found.left_out),
    }


def plan_slots(found: PlanSlots) -> dict[str, Any]:
    """Return the slots of a plan: to come, the next first; begun, the newest first."""
    return {
        "upcoming": [
            {"rule": each.rule, "slot": each.key, "due_at": moment(each.due_at)}
            for each in found.upcoming
        ],
        "begun": [
            {
                "rule": each.rule,
                "slot": each.key,
                "due_at": moment(each.due_at),
                "begun_at": moment(each.begun_at),
                "how": each.how,
                "run": each.run_id,
            }
            for each in found.begun
        ],
    }


def calendar(found: Calendar, plan: str, instance: str | None) -> dict[str, Any]:
    """Return what a plan will make and lose; local times are of the plan's zone.

    Parameters
    ----------
    plan, instance
        Of whom: the plan's name, and the cloud id of the machine, if one was asked for.
    """
    zone, within = ZoneInfo(found.zone), found.keep.within
    return {
        "plan": plan,
        "instance": instance,
        "zone": found.zone,
        "keep": {**asdict(found.keep), "within": written(within) if within is not None else None},
        "days": [_day(each, zone) for each in found.days],
    }


def _day(found: Day, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "date": found.date.isoformat(),
        "made": [{"rule": each.rule, **_taken(each.point.taken_at, zone)} for each in found.made],
        "goes": [_taken(each.taken_at, zone) for each in found.goes],
        "left": found.left,
    }


def _taken(found: datetime, zone: ZoneInfo) -> dict[str, Any]:
    local = found.astimezone(zone).replace(tzinfo=None)
    return {"taken_at": moment(found), "local": local.isoformat(timespec="minutes")}


def restore(found: Restore) -> dict[str, Any]:
    """Return a restore: what was asked for, what it made, and until when it can be undone."""
    told = {name: getattr(found, name) for name in found.__slots__ if name != "project_id"}
    made, before = found.made, found.before
    return {
        **told,
        "arguments": dict(found.arguments),
        "made": {
            "volumes": dict(made.volumes),
            "instance_id": made.instance_id,
            "group_id": made.group_id,
        },
        "before": _before(before) if before else None,
        "undo_until": moment(found.undo_until),
        "created_at": moment(found.created_at),
        "finished_at": moment(found.finished_at),
        "error": dict(found.error) if found.error else None,
        "proof": dict(found.proof) if found.proof else None,
    }


def _before(found: Before) -> dict[str, Any]:
    return {
        "instance_id": found.instance_id,
        "devices": dict(found.devices),
        "ran": found.ran,
        "disks": found.disks,
    }


def report(found: ProtectionReport) -> dict[str, Any]:
    """Return a report with its rows, the gravest first."""
    return {
        "project": found.project,
        "at": moment(found.at),
        "machines": found.machines,
        "protected": found.protected,
        "rows": [{**asdict(row), "newest_at": moment(row.newest_at)} for row in found.rows],
    }
