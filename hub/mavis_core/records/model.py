"""What happened.

*Record*: one thing that was asked for, done or refused. *Audit record*: about an API call.
*Operation record*: about a command or a call to a cloud. *Phase*: an ``intent`` is written before
an effect, its ``outcome`` after it; an ``event`` stands alone. Records of one story share a
correlation id. *Stream*: what numbers its records from 1 on, one after the other, so that a missing
one shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from mavis_core import clock
from mavis_core.errors import InvalidInput, MavisError
from mavis_core.ids import new_id

__all__ = ["Kind", "Origin", "Outcome", "Phase", "Record"]


class Kind(StrEnum):
    """What a record is about."""

    AUDIT = "audit"
    OPERATION = "operation"


class Phase(StrEnum):
    """Where in the life of an effect a record stands."""

    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"


class Outcome(StrEnum):
    """How it ended."""

    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"


class Origin(StrEnum):
    """Who says so."""

    OBSERVED = "observed"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that was asked for, done or refused.

    Parameters
    ----------
    kind, phase, outcome
        See the enumerations; `outcome` is None for an intent.
    action
        What, as ``noun.verb``: ``recovery_point.create``, ``cloud.CreateSnapshots``.
    project
        The project's id, or None where it belongs to the platform.
    person
        The Hub's user name, or the name of a process for what nobody asked for.
    object
        Which thing: an id, a name, a path of the API.
    error_code
        The code of the error that ended it.
    summary
        One sentence for a reader.
    source
        From where: an address or a process.
    origin
        ``observed`` where the platform saw it itself; ``reported`` where a person's own process,
        or another system, says so.
    stream, sequence
        What numbers the record, and its number there; None where nothing does.
    data
        JSON values; never a secret.
    """

    kind: Kind
    phase: Phase
    action: str
    person: str
    object: str
    summary: str
    correlation_id: str
    project: str | None = None
    outcome: Outcome | None = None
    error_code: str | None = None
    request_id: str | None = None
    source: str = "unknown"
    origin: Origin = Origin.OBSERVED
    stream: str | None = None
    sequence: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id("rec"))
    time: datetime = field(default_factory=clock.now)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, in the form of the API and the journal."""
        return {
            "kind": self.kind,
            "phase": self.phase,
            "action": self.action,
            "person": self.person,
            "object": self.object,
            "summary": self.summary,
            "correlation_id": self.correlation_id,
            "project": self.project,
            "outcome": self.outcome,
            "error_code": self.error_code,
            "request_id": self.request_id,
            "source": self.source,
            "origin": self.origin,
            "stream": self.stream,
            "sequence": self.sequence,
            "data": dict(self.data),
            "id": self.id,
            "time": clock.iso(self.time),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Return the record that `to_json` wrote.

        Raises
        ------
        InvalidInput
            A field is missing, unknown, or of another type.
        """
        known = {item.name for item in fields(cls)}
        if unknown := set(value) - known:
            raise InvalidInput(f"a record has no field {min(unknown)!r}")
        try:
            outcome = value.get("outcome")
            record = cls(
                **{
                    **value,
                    "kind": Kind(value["kind"]),
                    "phase": Phase(value["phase"]),
                    "outcome": Outcome(outcome) if outcome else None,
                    "origin": Origin(value.get("origin", Origin.OBSERVED)),
                    "time": clock.parse(value["time"]),
                    "data": dict(value.get("data") or {}),
                }
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"not a record: {exc}") from exc
        for name in ("action", "person", "object", "summary", "correlation_id", "id", "source"):
            if not isinstance(getattr(record, name), str):
                raise InvalidInput(f"not a record: {name} is no text")
        sequence = record.sequence
        if sequence is not None and (sequence.__class__ is not int or not 1 <= sequence < 1 << 63):
            raise InvalidInput("not a record: sequence is no number from 1 on")
        return record


def failure(error: BaseException) -> dict[str, Any]:
    """Return the fields of a record that tell of `error`: its code, and its words where ours."""
    if isinstance(error, MavisError):
        return {"error_code": error.code, "data": {"message": error.message, "mend": error.mend}}
    return {"error_code": "internal", "data": {"message": type(error).__name__}}
