"""What a Run is for: each function says, in sentences, what of it is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from integration.matrix.evidence import Evidence

Goal = Callable[[Evidence], Iterator[str]]


def _points_complete(evidence: Evidence) -> Iterator[str]:
    """Every machine has a complete point of this Run."""
    mine = [copy for copy in evidence.copies if copy.run_id == evidence.facts.run_id]
    complete = {copy.instance_id for copy in mine if copy.state == "complete"}
    for machine in evidence.facts.machines:
        if machine not in complete:
            yield f"{machine} has no complete point"


def _all_gone(evidence: Evidence) -> Iterator[str]:
    """What may go has gone, and the catalogue knows it."""
    for one in sorted(evidence.facts.may_go & evidence.there):
        yield f"{one} is still there"
    for copy in evidence.copies:
        if evidence.facts.may_go.intersection(m.cloud_id or "" for m in copy.members):
            if copy.state != "gone":
                yield f"{copy.id} is {copy.state}, not gone"


GOALS: Mapping[str, Goal] = {
    "backup.run": _points_complete,
    "recovery_point.create": _points_complete,
    "retention.apply": _all_gone,
}
LATER = frozenset({"retention.apply"})
"""Scenarios whose goal is reached a day later, too, where the Run itself has failed."""
