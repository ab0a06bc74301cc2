"""What a Run is for: each function says, in sentences, what of it is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from integration.matrix.evidence import Evidence

Goal = Callable[[Evidence], Iterator[str]]


def _points_complete(evidence: Evidence) -> Iterator[str]:
    """Every machine has a complete point of this Run."""
    mine = [copy for copy in evidence.copies if copy.run_id == evidence.facts.run_id]
    complete = {copy.instance_id for copy in mine if copy.state == "complete"}
    for machine in evidence.facts.disks:
        if machine not in complete:
            yield f"{machine} has no complete point"


def _all_gone(evidence: Evidence) -> Iterator[str]:
    """What may go has gone, and the catalogue knows it."""
    go = evidence.facts.may_go
    for one in sorted(go & evidence.there):
        yield f"{one} is still there"
    for copy in evidence.copies:
        if copy.state != "gone" and go.intersection(m.cloud_id or "" for m in copy.members):
            yield f"{copy.id} is {copy.state}, not gone"


def _copied(evidence: Evidence) -> Iterator[str]:
    """Every point has a complete copy in the last of the places, and nothing is shared."""
    there = evidence.facts.places[-1]
    points = {copy.point_id for copy in evidence.copies}
    copied = {
        copy.point_id
        for copy in evidence.copies
        if (copy.role, copy.state, copy.account, copy.region) == ("copy", "complete", *there)
    }
    yield from (f"{point} has no complete copy" for point in sorted(points - copied))
    yield from (f"{one} is still shared" for one in sorted(evidence.shared))


def _locked(evidence: Evidence) -> Iterator[str]:
    """Every snapshot of every point is locked in the cloud, and the catalogue knows it."""
    for copy in evidence.copies:
        if copy.point_id not in evidence.locks:
            yield f"{copy.point_id} has no lock"
        for member in copy.members:
            if member.cloud_id not in evidence.locked:
                yield f"{member.cloud_id} is not locked"


def _unlocked(evidence: Evidence) -> Iterator[str]:
    """No snapshot is locked, and the catalogue knows it."""
    yield from (f"{point} has a lock" for point in sorted(evidence.locks))
    yield from (f"{one} is locked" for one in sorted(evidence.locked))


def _unlocked_or_as_before(evidence: Evidence) -> Iterator[str]:
    """No snapshot is locked; or, where the Run has failed and was let lock again, each is."""
    if evidence.run.state == "succeeded":
        yield from _unlocked(evidence)
    elif not evidence.refused("LockSnapshot") and not evidence.blind:
        yield from _locked(evidence)


def _nothing_half_made(evidence: Evidence) -> Iterator[str]:
    """What the cancelled Run made is whole or gone, and nothing is shared."""
    for copy in evidence.copies:
        if copy.state not in ("complete", "gone"):
            yield f"{copy.id} is {copy.state}"
    yield from (f"{one} is still shared" for one in sorted(evidence.shared))


def _volumes_there(evidence: Evidence) -> Iterator[str]:
    """Every volume is there once more, and hangs at the instance."""
    restore = evidence.restore
    made = restore.volumes if restore is not None else {}
    (hanging,) = (evidence.disks.get(one, {}) for one in evidence.facts.disks)
    for volume, digest in evidence.facts.content.items():
        if evidence.digest(made.get(volume, "")) != digest:
            yield f"{volume} is not there again"
        elif made[volume] not in hanging.values():
            yield f"{made[volume]} is not attached"
    yield from _complete(evidence)


def _instance_there(evidence: Evidence) -> Iterator[str]:
    """The machine is there once more, and runs with the bytes of that time."""
    restore = evidence.restore
    new = restore.instance_id if restore is not None else None
    (disks,) = evidence.facts.disks.values()
    taken = {device: evidence.facts.content[volume] for device, volume in disks.items()}
    if new not in evidence.things or evidence.things[new].state != "running":
        yield "no new instance runs"
    elif evidence.bytes_of(new) != taken:
        yield f"{new} has other bytes"
    yield from _complete(evidence)


def _in_place(evidence: Evidence) -> Iterator[str]:
    """The machine runs with the bytes of that time."""
    for machine, disks in evidence.facts.disks.items():
        taken = {device: evidence.facts.content[volume] for device, volume in disks.items()}
        if evidence.bytes_of(machine) != taken:
            yield f"{machine} has other bytes than the point"
        yield from _runs(machine, evidence)
    yield from _complete(evidence)


def _undone(evidence: Evidence) -> Iterator[str]:
    """The machine runs with the volumes that it had, which are volumes like others again."""
    for machine, disks in evidence.facts.disks.items():
        if evidence.disks.get(machine) != disks:
            yield f"{machine} has other volumes than before"
        yield from _runs(machine, evidence)
        for volume in disks.values():
            seen = evidence.things.get(volume)
            if seen is not None and seen.tags.get("mavis:undo-until", "released") != "released":
                yield f"{volume} says that it is kept for an undo"
    for one in sorted(evidence.facts.may_go & evidence.there):
        yield f"{one} is still there"
    if evidence.restore is None or evidence.restore.state != "undone":
        yield "the restore is not undone"


def _forgotten(evidence: Evidence) -> Iterator[str]:
    """The old volumes have gone."""
    for one in sorted(evidence.facts.may_go & evidence.there):
        yield f"{one} is still there"
    if evidence.restore is None or evidence.restore.state != "final":
        yield "the restore is not final"


def _runs(machine: str, evidence: Evidence) -> Iterator[str]:
    if (state := evidence.things[machine].state) != "running":
        yield f"{machine} is {state}"


def _proven(evidence: Evidence) -> Iterator[str]:
    """The point has a good proof, and of the verification nothing is left."""
    if evidence.proofs != [True]:
        yield "no good proof stands on the point"
    for one in sorted(evidence.there - evidence.before):
        yield f"{one} is left"
    yield from _complete(evidence)


def _catalogued(evidence: Evidence) -> Iterator[str]:
    """Whatever the cloud has of a point stands in the catalogue, as part of a complete copy."""
    known = {
        member.cloud_id
        for copy in evidence.copies
        if copy.state == "complete"
        for member in copy.members
    }
    for one, seen in sorted(evidence.snapshots.items()):
        if "mavis:recovery-point" in seen.tags and one not in known:
            yield f"{one} is not in the catalogue"


def _complete(evidence: Evidence) -> Iterator[str]:
    if evidence.restore is None or evidence.restore.state not in ("complete", "final"):
        yield "the restore is not complete"


GOALS: Mapping[str, Goal] = {
    "backup.run": _points_complete,
    "backup.run with scripts": _points_complete,
    "backup.run cancelled": _nothing_half_made,
    "recovery_point.create": _points_complete,
    "retention.apply": _all_gone,
    "copies.run to a region": _copied,
    "copies.run to an account": _copied,
    "recovery_point.copy": _copied,
    "recovery_point.copy cancelled": _nothing_half_made,
    "recovery_point.lock": _locked,
    "recovery_point.unlock": _unlocked,
    "recovery_point.unlock refused": _unlocked_or_as_before,
    "recovery_point.delete": _all_gone,
    "restore.volumes": _volumes_there,
    "restore.instance": _instance_there,
    "restore.in_place": _in_place,
    "restore.undo": _undone,
    "restore.forget": _forgotten,
    "recovery_point.verify": _proven,
    "catalogue.rebuild": _catalogued,
}
LATER = frozenset({"retention.apply", "recovery_point.delete", "restore.forget"})
"""Scenarios whose goal is reached a day later, too, where the Run itself has failed."""
