"""Snapshot lock: governance, and compliance with its cooling-off period.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshot-lock.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cloud.overlay import lookup
from cloud.overlay.context import Action, Ask, Call, Reply
from cloud.overlay.refusals import SNAPSHOT, Refusal, combination, invalid, missing
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Snapshot

_DAY_S = 86400.0
_HOUR_S = 3600.0
_MOST_DAYS = 36500
_MOST_HOURS = 72
_STATE = (
    "CASE WHEN lock_ends <= {now} THEN 'expired' WHEN lock_mode = 'governance' THEN 'governance'"
    " WHEN cool_off_ends > {now} THEN 'compliance-cooloff' ELSE 'compliance' END"
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A lock that is asked for, as far as the call alone says it."""

    mode: str
    starts: float
    ends: float
    cool_off_hours: int


def lock_snapshot(call: Call, ask: Ask) -> Reply:
    snapshot = lookup.snapshot(call, ask["SnapshotId"])
    wanted = _wanted(call, snapshot, ask)
    if _state(call, snapshot) == "compliance":
        if wanted.mode != "compliance" or wanted.ends < snapshot.lock_ends or wanted.cool_off_hours:
            raise _locked(snapshot, "its lock can only be extended")
        changes: dict[str, Any] = {"lock_ends": wanted.ends}
    else:
        changes = {
            "lock_mode": wanted.mode,
            "locked_at": call.now,
            "lock_starts": wanted.starts,
            "lock_ends": wanted.ends,
            "cool_off_hours": wanted.cool_off_hours,
            "cool_off_ends": call.now + wanted.cool_off_hours * _HOUR_S,
        }
    call.store.table(Snapshot).change(snapshot, **changes)
    return _shown(call, replace(snapshot, **changes))


def unlock_snapshot(call: Call, ask: Ask) -> Reply:
    snapshot = lookup.snapshot(call, ask["SnapshotId"])
    state = _state(call, snapshot)
    if state == "compliance":
        raise _locked(snapshot, "its cooling-off period is over")
    if not state:
        raise Refusal("SnapshotNotLocked", f"The snapshot '{snapshot.id}' is not locked")
    call.store.table(Snapshot).change(snapshot, lock_mode="")
    return {"SnapshotId": snapshot.id}


def describe_locked(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Snapshot), {"lock-state": _STATE})
    wanted = ask.get("SnapshotIds", ())
    selection.here()
    selection.ids(wanted, SNAPSHOT)
    selection.filters(ask.get("Filters", ()))
    selection.where("lock_mode <> ''")
    found, token = selection.page(ask)
    return {"Snapshots": [_shown(call, each) for each in found], "NextToken": token}


def check_deletable(call: Call, snapshot: Snapshot) -> None:
    if _state(call, snapshot) not in ("", "expired"):
        raise _locked(snapshot, "it cannot be deleted")


def _state(call: Call, snapshot: Snapshot) -> str:
    if not snapshot.lock_mode:
        return ""
    if snapshot.lock_ends <= call.now:
        return "expired"
    if snapshot.lock_mode == "governance":
        return "governance"
    return "compliance-cooloff" if snapshot.cool_off_ends > call.now else "compliance"


def _wanted(call: Call, snapshot: Snapshot, ask: Ask) -> _Wanted:
    mode, hours = ask.get("LockMode"), ask.get("CoolOffPeriod") or 0
    if mode not in ("governance", "compliance"):
        raise invalid(f"Invalid lock mode: {mode}")
    if hours and mode == "governance":
        raise combination("CoolOffPeriod belongs to compliance mode")
    if not 0 <= hours <= _MOST_HOURS:
        raise invalid(f"CoolOffPeriod must be between 1 and {_MOST_HOURS} hours")
    starts = max(call.now, snapshot.ready)
    days: int | None = ask.get("LockDuration")
    date: float | None = ask.get("ExpirationDate")
    if (days is None) == (date is None):
        if days is None:
            raise missing("LockDuration or ExpirationDate")
        raise combination("Specify either LockDuration or ExpirationDate, but not both")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise invalid(f"LockDuration must be between 1 and {_MOST_DAYS} days")
    if date is not None and date <= call.now:
        raise invalid("ExpirationDate must be in the future")
    ends = date if date is not None else starts + (days or 0) * _DAY_S
    return _Wanted(mode, starts, ends, hours)


def _locked(snapshot: Snapshot, why: str) -> Refusal:
    return Refusal("SnapshotLocked", f"The snapshot '{snapshot.id}' is locked: {why}")


def _shown(call: Call, snapshot: Snapshot) -> Reply:
    cooling = snapshot.cool_off_hours > 0
    return {
        "SnapshotId": snapshot.id,
        "OwnerId": snapshot.account,
        "LockState": _state(call, snapshot),
        "LockDuration": round((snapshot.lock_ends - snapshot.lock_starts) / _DAY_S),
        "LockCreatedOn": snapshot.locked_at,
        "LockDurationStartTime": snapshot.lock_starts,
        "LockExpiresOn": snapshot.lock_ends,
        "CoolOffPeriod": snapshot.cool_off_hours if cooling else None,
        "CoolOffPeriodExpiresOn": snapshot.cool_off_ends if cooling else None,
    }


ACTIONS: dict[str, Action] = {
    "LockSnapshot": lock_snapshot,
    "UnlockSnapshot": unlock_snapshot,
    "DescribeLockedSnapshots": describe_locked,
}
