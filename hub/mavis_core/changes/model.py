"""Plans, previews and intents.

*Effect*: one thing that would happen to one resource. *Plan*: all effects of one action, complete
enough to be carried out. *Preview*: a plan that somebody was shown, with its hash and its end.
*Intent*: one call to a cloud that is about to be made, written down before it is made.
*Work*: one attempt at a Run, as far as the ledger needs to know it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core.errors import MavisError

__all__ = [
    "Call",
    "Effect",
    "Intent",
    "IntentState",
    "Outcome",
    "Plan",
    "Preview",
    "PreviewGroup",
    "Severity",
    "Work",
]


class Severity(StrEnum):
    """The worst that a plan does. What interrupts or destroys asks for the project's name."""

    CREATES = "creates"
    CHANGES = "changes"
    INTERRUPTS = "interrupts"
    DESTROYS = "destroys"

    @property
    def needs_confirmation(self) -> bool:
        """Whether the project's name must be given."""
        return self in (Severity.INTERRUPTS, Severity.DESTROYS)


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that would happen to one resource.

    Parameters
    ----------
    verb
        ``create``, ``start``, ``stop``, ``tag``, ``read``.
    kind, cloud_id, name
        The resource; `cloud_id` is empty for what does not exist yet.
    detail
        What a reader needs besides: ``of vol-1 (8 GiB, /dev/sda1)``.
    """

    verb: str
    kind: str
    cloud_id: str
    name: str
    environment: str
    account: str
    region: str
    detail: str = ""

    @property
    def place(self) -> str:
        """Environment, account and region, for a reader; empty where it is nowhere."""
        return " · ".join(part for part in (self.environment, self.account, self.region) if part)


@dataclass(frozen=True, slots=True)
class Plan:
    """All effects of one action, complete enough to be carried out.

    Parameters
    ----------
    action
        ``recovery_point.create`` and the like: the kind of the Run that carries it out.
    project_id, project_name
        The one project that it touches.
    subject
        What it works on, for a reader.
    severity
        The worst that it does.
    arguments
        JSON values by which it is carried out.
    warnings
        What a reader should know before saying yes.
    """

    action: str
    project_id: str
    project_name: str
    subject: str
    severity: Severity
    effects: tuple[Effect, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 over the canonical JSON of everything that would happen, in hex.

        Warnings do not count: they are advice, not effects.
        """
        told = self.to_json()
        del told["warnings"]
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            **asdict(self),
            "effects": [asdict(effect) for effect in self.effects],
            "arguments": dict(self.arguments),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Return the plan that `to_json` wrote."""
        return cls(
            **{
                **value,
                "severity": Severity(value["severity"]),
                "effects": tuple(Effect(**effect) for effect in value["effects"]),
                "warnings": tuple(value["warnings"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan that somebody was shown.

    Parameters
    ----------
    run_id
        The Run that carries it out, once it was applied.
    group
        The id under which it is confirmed together with others, or None.
    error
        Why it was not applied when the group was: code, message and mend; or None.
    """

    id: str
    plan: Plan
    hash: str
    person: str
    created_at: datetime
    expires_at: datetime
    run_id: str | None = None
    group: str | None = None
    error: Mapping[str, str] | None = None

    @property
    def confirm(self) -> str | None:
        """The text that must be typed to apply it, or None."""
        return self.plan.project_name if self.plan.severity.needs_confirmation else None


@dataclass(frozen=True, slots=True)
class PreviewGroup:
    """Previews of one person that are confirmed together; at least one."""

    id: str
    previews: tuple[Preview, ...]

    @property
    def hash(self) -> str:
        """SHA-256 over the ids and hashes of all, in hex."""
        text = "\n".join(f"{each.id} {each.hash}" for each in self.previews)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def waiting(self) -> tuple[Preview, ...]:
        """Those that are not applied."""
        return tuple(each for each in self.previews if each.run_id is None)

    @property
    def severity(self) -> Severity:
        """The worst that one of them does."""
        order = list(Severity)
        return max((each.plan.severity for each in self.previews), key=order.index)

    @property
    def confirm(self) -> str | None:
        """The text that must be typed to apply them, or None."""
        return next((each.confirm for each in self.previews if each.confirm is not None), None)

    @property
    def expires_at(self) -> datetime:
        """When the first of them expires."""
        return min(each.expires_at for each in self.previews)


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at a Run, as far as the ledger needs to know it.

    Parameters
    ----------
    attempt
        Which attempt at the Run this is: no effect begins for one that was overtaken.
    last_alive
        The latest moment at which an earlier attempt may have made a call; None for the first.
    """

    run_id: str
    project_id: str
    attempt: int
    last_alive: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a cloud that changes something.

    Parameters
    ----------
    action, target
        What is called on which thing: ``cloud.CreateSnapshots``; together unique in a Run.
    environment_id, region
        Where, so that reconciliation can look; empty where repeating is harmless.
    """

    action: str
    target: str
    environment_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call.

    Parameters
    ----------
    made
        Ids of what there is now by it.
    how
        ``made`` by this attempt, ``adopted`` where an earlier try had made it, ``known`` where
        an earlier attempt had written that down; ``failed``; ``unknown`` where nobody can see
        whether it has happened.
    error
        Why nothing was made, or None.
    """

    call: Call
    intent_id: str
    made: tuple[str, ...] = ()
    how: str = "made"
    error: MavisError | None = None


class IntentState(StrEnum):
    """How far a call to a cloud is.

    An ``open`` intent may have had its effect: only looking tells.
    """

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Intent:
    """One call to a cloud, written down before it is made.

    Parameters
    ----------
    tries
        How often the call was begun.
    called_at
        When it was last begun.
    made
        Ids of what it made, once known.
    """

    id: str
    call: Call
    state: IntentState
    tries: int
    called_at: datetime
    made: tuple[str, ...] = ()
