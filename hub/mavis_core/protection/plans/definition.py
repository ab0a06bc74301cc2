"""Backup plans: what a plan says, as values.

*Rule*: how often; it has a cron and may have a keep of its own. *Keep*: what stays, see
`retention`. *Copy*: a second place for what the rules make. *Lock*: for how long the cloud itself
refuses to delete. *Verification*: restoring to see that one can. Documents become a definition in
`plan_documents`; ``to_json`` gives the document back in its canonical form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from typing import TypeAlias

from mavis_core.contract import LockMode
from mavis_core.protection.durations import written
from mavis_core.protection.plans.selection import Selection
from mavis_core.protection.retention.policy import Keep
from mavis_core.protection.slots.blackouts import Blackout, Weekly
from mavis_core.protection.slots.due import CatchUp, Timing
from mavis_core.protection.slots.schedule import Schedule

__all__ = [
    "Copy",
    "Hooks",
    "Json",
    "Lock",
    "OnFailure",
    "PlanDefinition",
    "Rule",
    "Verification",
]

Json: TypeAlias = dict[str, object]


class OnFailure(StrEnum):
    """What becomes of a backup whose ``pre`` hook failed."""

    CONTINUE = "continue"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Rule:
    """How often a plan makes recovery points.

    Parameters
    ----------
    name
        Unique in its plan.
    keep
        What stays of this rule's points; None means the plan's.
    """

    name: str
    schedule: Schedule
    keep: Keep | None = None

    def to_json(self) -> Json:
        """Return the document."""
        return _said({"name": self.name, "cron": self.schedule.cron, "keep": _keep(self.keep)})


@dataclass(frozen=True, slots=True)
class Hooks:
    """Shell scripts that run on the machine before and after its volumes are taken.

    Parameters
    ----------
    pre, post
        None where there is nothing to run; one of them is there.
    timeout
        Of each of the two.
    on_failure
        Whether the backup is made although `pre` failed.
    """

    pre: str | None
    post: str | None
    timeout: timedelta = timedelta(seconds=60)
    on_failure: OnFailure = OnFailure.CONTINUE

    def to_json(self) -> Json:
        """Return the document."""
        return _said(
            {
                "pre": self.pre,
                "post": self.post,
                "timeout": written(self.timeout),
                "on_failure": str(self.on_failure),
            }
        )


@dataclass(frozen=True, slots=True)
class Copy:
    """A second place for recovery points.

    Parameters
    ----------
    environment
        Whose account it is; None means that of the machine.
    kms_key
        The key that encrypts the copy there; None leaves it to the cloud.
    keep
        What stays there; None means what stays at home.
    rules
        Whose points are copied; None means those of every rule.
    """

    environment: str | None
    region: str
    kms_key: str | None = None
    keep: Keep | None = None
    rules: tuple[str, ...] | None = None

    def to_json(self) -> Json:
        """Return the document."""
        return _said(
            {
                "environment": self.environment,
                "region": self.region,
                "kms_key": self.kms_key,
                "keep": _keep(self.keep),
                "rules": None if self.rules is None else list(self.rules),
            }
        )


@dataclass(frozen=True, slots=True)
class Lock:
    """For how long after its making nobody deletes a recovery point."""

    mode: LockMode
    length: timedelta

    def to_json(self) -> Json:
        """Return the document."""
        return {"mode": str(self.mode), "for": written(self.length)}


@dataclass(frozen=True, slots=True)
class Verification:
    """Restoring the newest point and looking whether it lives.

    Parameters
    ----------
    environment, region, subnet
        Where to; None means where the machine is.
    check
        A shell script that ends with 0 on a good machine; None asks only that it starts.
    timeout
        Of the whole, the restore included.
    """

    schedule: Schedule
    environment: str | None = None
    region: str | None = None
    subnet: str | None = None
    check: str | None = None
    timeout: timedelta = timedelta(minutes=30)

    def to_json(self) -> Json:
        """Return the document."""
        return _said(
            {
                "cron": self.schedule.cron,
                "environment": self.environment,
                "region": self.region,
                "subnet": self.subnet,
                "check": self.check,
                "timeout": written(self.timeout),
            }
        )


@dataclass(frozen=True, slots=True)
class PlanDefinition:
    """All that a backup plan says.

    Parameters
    ----------
    zone
        The IANA zone of every local time in the plan.
    enabled
        Whether its slots begin by themselves.
    rules
        One to ten.
    keep
        What stays; None, where a rule says nothing either, keeps everything.
    jitter
        The most that a slot is put off; whole seconds.
    grace
        How long after its moment a slot is still on time.
    rpo
        How old the newest usable point may become before somebody is told; None tells nobody.
    copy_tags
        Whether the cloud's snapshots carry the tags of their machine.
    max_delete_share
        The largest part of its points, 0 to 1, that one run of retention may delete.
    """

    selection: Selection
    rules: tuple[Rule, ...]
    title: str = ""
    zone: str = "UTC"
    enabled: bool = True
    keep: Keep | None = None
    blackouts: tuple[Blackout, ...] = ()
    jitter: timedelta = timedelta(0)
    catch_up: CatchUp = CatchUp.ONCE
    grace: timedelta = timedelta(minutes=15)
    rpo: timedelta | None = None
    hooks: Hooks | None = None
    copies: tuple[Copy, ...] = ()
    copy_tags: bool = True
    lock: Lock | None = None
    verification: Verification | None = None
    max_delete_share: float = 0.25

    def keep_of(self, rule: Rule) -> Keep:
        """Return what stays of the points of `rule`."""
        return rule.keep or self.keep or Keep()

    def copies_of(self, rule: Rule) -> tuple[Copy, ...]:
        """Return where the points of `rule` are copied to."""
        return tuple(copy for copy in self.copies if copy.rules is None or rule.name in copy.rules)

    def timing_of(self, rule: Rule, *, plan_id: str) -> Timing:
        """Return when the slots of `rule` begin."""
        return Timing(
            plan_id,
            rule.name,
            rule.schedule,
            self.catch_up,
            self.grace,
            self.blackouts,
            self.jitter // timedelta(seconds=1),
        )

    def to_json(self) -> Json:
        """Return the document in its canonical form; `plan_documents` reads it as the same."""
        return _said(
            {
                "title": self.title,
                "zone": self.zone,
                "enabled": self.enabled,
                "selection": _selection(self.selection),
                "rules": [rule.to_json() for rule in self.rules],
                "keep": _keep(self.keep),
                "blackouts": [_blackout(each) for each in self.blackouts],
                "jitter": written(self.jitter),
                "catch_up": self.catch_up is CatchUp.ONCE,
                "grace": written(self.grace),
                "rpo": written(self.rpo) if self.rpo is not None else None,
                "hooks": self.hooks.to_json() if self.hooks else None,
                "copies": [copy.to_json() for copy in self.copies],
                "copy_tags": self.copy_tags,
                "lock": self.lock.to_json() if self.lock else None,
                "verification": self.verification.to_json() if self.verification else None,
                "max_delete_share": self.max_delete_share,
            }
        )


def _said(values: Json) -> Json:
    return {key: value for key, value in values.items() if value is not None}


def _keep(keep: Keep | None) -> Json | None:
    if keep is None:
        return None
    return _said(
        {
            "last": keep.last,
            "hourly": keep.hourly,
            "daily": keep.daily,
            "weekly": keep.weekly,
            "monthly": keep.monthly,
            "yearly": keep.yearly,
            "within": written(keep.within) if keep.within is not None else None,
        }
    )


def _selection(selection: Selection) -> Json:
    return {
        "match": str(selection.match or ""),
        "resources": list(selection.resources),
        "environments": list(selection.environments),
        "exclude": str(selection.exclude or ""),
        "exclude_volumes": str(selection.exclude_volumes or ""),
    }


def _blackout(blackout: Blackout) -> Json:
    if isinstance(blackout, Weekly):
        edges = (_clock(blackout.begins), _clock(blackout.ends))
        return {"days": [str(day) for day in blackout.days], "from": edges[0], "to": edges[1]}
    begins, ends = (edge.isoformat(timespec="minutes") for edge in (blackout.begins, blackout.ends))
    return {"from": begins, "to": ends}


def _clock(local: time) -> str:
    return local.isoformat(timespec="minutes")
