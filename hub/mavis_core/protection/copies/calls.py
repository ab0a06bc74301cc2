"""One call of `cloud.CopySnapshot`: what it is about, and the tags that its effect carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mavis_core import clock
from mavis_core.changes.model import Call, Intent
from mavis_core.contract import Connection, VolumeSnapshot
from mavis_core.errors import CloudVanished, Internal
from mavis_core.protection.copies.queue import Transfer
from mavis_core.protection.points.manifests import pack
from mavis_core.protection.points.model import Copy, CopyRole, Member, MemberState
from mavis_core.protection.taking.taking import by_intent

__all__ = [
    "ACTION",
    "COPY_TAG",
    "about",
    "call_for",
    "finder",
    "make_copy",
    "need_of",
    "place_of",
    "source_of",
    "unmade",
]

ACTION = "cloud.CopySnapshot"
COPY_TAG = "mavis:copy"
_LONGEST = 255  # of a tag's value


def make_copy(
    connection: Connection, transfer: Transfer, call: Call, intent: str
) -> VolumeSnapshot:
    """Make the call, in the connection of the copy's environment."""
    volume_id, source = about(call)[1], source_of(transfer)
    ids = {member.volume_id: member.cloud_id for member in source.members}
    source_id = ids.get(volume_id)
    if source_id is None:
        raise CloudVanished(f"{source.place} has no snapshot of {volume_id} any more")
    return connection.copies.copy(
        call.region,
        source_region=source.region,
        source_id=source_id,
        description=transfer.point.description,
        tags=_tags(transfer, volume_id, source_id, intent),
        kms_key=transfer.copy.kms_key,
    )


def _tags(transfer: Transfer, volume_id: str, source_id: str, intent: str) -> Mapping[str, str]:
    point, copy = transfer.point, transfer.copy
    head = {
        "project": point.project,
        "recovery-point": point.id,
        "plan": point.plan or "",
        "plan-id": point.plan_id or "",
        "rule": point.rule or "",
        "slot": point.slot or "",
        "run": point.run_id or "",
        "person": point.created_by,
        "instance": point.instance_id,
        "description": point.description,
        "role": CopyRole.COPY,
        "copy": copy.id,
        "volume": volume_id,
        "source": source_id,
        "home": f"{point.region}/{point.environment}/{point.account}",
        "kms-key": (copy.kms_key or "") if len(copy.kms_key or "") <= _LONGEST else "",
        "taken-at": clock.iso(point.taken_at) if point.taken_at else "",
        "intent": intent,
    }
    name = f"{point.instance_name or point.instance_id} {point.id}"
    return {"Name": name, **pack(head, point.manifest)}


def finder(
    connection: Connection, seen: dict[str, list[VolumeSnapshot]]
) -> Callable[[Sequence[Intent]], Mapping[str, Sequence[str]]]:
    """Return how to find what calls made; what is found is put into `seen`, by intent."""

    def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
        made = by_intent(connection.snapshots, open_)
        seen.update(made)
        return {intent: [each.cloud_id for each in all_] for intent, all_ in made.items()}

    return find


def unmade(copy: Copy) -> list[Member]:
    """Return the members that no call has made yet, and none was refused for."""
    return [m for m in copy.members if m.cloud_id is None and m.state is MemberState.PLANNED]


def source_of(transfer: Transfer) -> Copy:
    """Return what is copied, where that is certain."""
    if transfer.source is None:
        raise Internal(f"{transfer.copy.id} has nothing to be copied from")
    return transfer.source


def need_of(transfer: Transfer) -> tuple[str, str] | None:
    """Return what must be shared with whom for a copy that is under way, or None."""
    source, account = transfer.source, transfer.copy.account
    return (source.id, account) if source is not None and source.account != account else None


def place_of(copy: Copy) -> tuple[str, str]:
    """Return account and region: clouds count what is under way there."""
    return copy.account, copy.region


def about(call: Call) -> tuple[str, str]:
    """Return the copy and the volume that a call is about."""
    copy_id, _, volume_id = call.target.partition("/")
    return copy_id, volume_id


def call_for(copy: Copy, member: Member) -> Call:
    """Return the call that makes one member of a copy."""
    return Call(ACTION, f"{copy.id}/{member.volume_id}", copy.environment_id, copy.region)
