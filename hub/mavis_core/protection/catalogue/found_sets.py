"""Sets of volume snapshots as the clouds show them, told apart by their own tags.

*Set*: the members of one copy in one place. A set tells by its manifest how many members it must
have, so what is missing is seen without any catalogue. Snapshots whose tags were altered, that
belong to another project, or that are there twice, are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mavis_core import clock
from mavis_core.changes.ledger import TAG
from mavis_core.contract import SnapshotState, VolumeSnapshot
from mavis_core.errors import InvalidInput
from mavis_core.ids import check_id
from mavis_core.projects.model import Environment
from mavis_core.protection.copies.calls import COPY_TAG
from mavis_core.protection.points.manifests import PREFIX, Manifest, unpack
from mavis_core.protection.points.model import CopyRole
from mavis_core.protection.taking.hooks import CONSISTENCY

__all__ = ["FoundPoint", "FoundSet", "Gathered", "Seen", "bare", "gather", "tag"]

_DONE_FIRST = (SnapshotState.COMPLETED, SnapshotState.PENDING, SnapshotState.ERROR)


@dataclass(frozen=True, slots=True)
class Seen:
    """One volume snapshot, and where it was seen."""

    environment: Environment
    snapshot: VolumeSnapshot

    @property
    def place(self) -> tuple[str, str]:
        """Account and region: two environments may look at the same."""
        return self.environment.account, self.snapshot.region


@dataclass(frozen=True, slots=True)
class FoundSet:
    """The members of one copy.

    Parameters
    ----------
    copy_id
        As the members say; empty for a primary copy.
    members
        By volume.
    """

    copy_id: str
    role: CopyRole
    environment: Environment
    region: str
    members: Mapping[str, VolumeSnapshot]

    @property
    def place(self) -> tuple[str, str]:
        """Account and region."""
        return self.environment.account, self.region

    @property
    def pending(self) -> bool:
        """Whether the cloud still makes it."""
        return any(one.state is SnapshotState.PENDING for one in self.members.values())

    @property
    def intents(self) -> Mapping[str, list[str]]:
        """What each call has made, by its intent's id, as the members say."""
        found: dict[str, list[str]] = defaultdict(list)
        for one in self.members.values():
            if intent_id := one.tags.get(TAG, ""):
                found[intent_id].append(one.cloud_id)
        return found

    @property
    def started_at(self) -> datetime:
        """When its first member was begun."""
        return min(one.started_at for one in self.members.values())


@dataclass(frozen=True, slots=True)
class FoundPoint:
    """All sets of one recovery point, and what their tags tell of it."""

    id: str
    manifest: Manifest
    tags: Mapping[str, str]
    sets: tuple[FoundSet, ...]

    @property
    def primary(self) -> FoundSet | None:
        """The set in the place of the instance, where it is still there."""
        return next((each for each in self.sets if each.role is CopyRole.PRIMARY), None)

    @property
    def taken_at(self) -> datetime | None:
        """The moment in whose state the volumes are."""
        if self.primary is not None:
            return self.primary.started_at
        told = tag(self.tags, "taken-at")
        return clock.parse(told) if told else None


@dataclass(slots=True)
class Gathered:
    """What was found: points, and in words what was left alone and why."""

    points: list[FoundPoint] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


def tag(tags: Mapping[str, str], name: str) -> str:
    """Return one of our own tags, or an empty text."""
    return tags.get(PREFIX + name, "")


def bare(manifest: Manifest) -> Manifest:
    """Return a manifest without what was found out after the point was taken."""
    known = {k: v for k, v in manifest.configuration.items() if k != CONSISTENCY}
    return replace(manifest, configuration=known)


def gather(seen: Iterable[Seen], project: str) -> Gathered:
    """Return the recovery points of a project among what was seen.

    Parameters
    ----------
    seen
        Every snapshot that carries the tag of a recovery point; of one that was seen from two
        environments the first counts.
    project
        The project's name, as tags have it.
    """
    result, others = Gathered(), 0
    by_point: dict[str, list[tuple[Seen, Manifest]]] = defaultdict(list)
    known: set[tuple[object, ...]] = set()
    for one in seen:
        key = (*one.place, one.snapshot.cloud_id)
        if key in known:
            continue
        known.add(key)
        if tag(one.snapshot.tags, "project") != project:
            others += 1
            continue
        try:
            point_id = check_id(tag(one.snapshot.tags, "recovery-point"), "rp")
            by_point[point_id].append((one, unpack(one.snapshot.tags)))
        except InvalidInput as exc:
            result.left_alone.append(f"{one.snapshot.cloud_id}: {exc.message}")
    if others:
        result.left_alone.append(f"{others} volume snapshots belong to other projects")
    for point_id, members in sorted(by_point.items()):
        _add(result, point_id, members)
    return result


def _add(result: Gathered, point_id: str, members: list[tuple[Seen, Manifest]]) -> None:
    manifests = [manifest for _, manifest in members]
    if len({bare(manifest).hash for manifest in manifests}) > 1:
        result.left_alone.append(f"{point_id}: its members carry different manifests")
        return
    by_set: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for one, _ in members:
        by_set[(*one.place, tag(one.snapshot.tags, "copy"))].append(one)
    sets = _one_for_each_place(
        result, point_id, [_set(result, point_id, s) for s in by_set.values()]
    )
    manifest = max(manifests, key=lambda each: CONSISTENCY in each.configuration)
    some = min(sets, key=lambda each: each.role is not CopyRole.PRIMARY)
    tags = next(iter(some.members.values())).tags
    result.points.append(FoundPoint(point_id, manifest, tags, tuple(sets)))


def _one_for_each_place(result: Gathered, point_id: str, sets: list[FoundSet]) -> list[FoundSet]:
    """Return the best set of each place, and one primary set: the first that was taken."""
    best: dict[tuple[str, str], FoundSet] = {}
    primary = 0
    for each in sorted(sets, key=_rank):
        primary += each.role is CopyRole.PRIMARY
        if each.place in best or (primary > 1 and each.role is CopyRole.PRIMARY):
            place = f"{each.environment.name} / {each.region}"
            result.left_alone.append(f"{point_id}: a second set of it is in {place}")
        else:
            best[each.place] = each
    return list(best.values())


def _rank(each: FoundSet) -> tuple[bool, int, datetime, str]:
    done = sum(one.state is SnapshotState.COMPLETED for one in each.members.values())
    copied = each.role is CopyRole.COPY
    return copied, -done if copied else 0, each.started_at, each.copy_id


def _set(result: Gathered, point_id: str, members: list[Seen]) -> FoundSet:
    copy_id = members[0].snapshot.tags.get(COPY_TAG, "")
    by_volume: dict[str, VolumeSnapshot] = {}
    ordered = sorted(
        (one.snapshot for one in members),
        key=lambda one: (_DONE_FIRST.index(one.state), one.started_at, one.cloud_id),
    )
    for snapshot in ordered:
        volume_id = tag(snapshot.tags, "volume") or snapshot.volume_id
        if volume_id in by_volume:
            result.left_alone.append(
                f"{snapshot.cloud_id}: {point_id} has {by_volume[volume_id].cloud_id} of the same"
                " volume"
            )
        else:
            by_volume[volume_id] = snapshot
    return FoundSet(
        copy_id,
        CopyRole.COPY if copy_id else CopyRole.PRIMARY,
        members[0].environment,
        members[0].snapshot.region,
        by_volume,
    )
