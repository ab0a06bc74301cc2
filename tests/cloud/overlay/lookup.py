"""Things by their ids, as a call may use them."""

from __future__ import annotations

from typing import TypeVar

from cloud.overlay import sharing
from cloud.overlay.context import Call
from cloud.overlay.refusals import (
    GROUP,
    INSTANCE,
    SNAPSHOT,
    SUBNET,
    VOLUME,
    VPC,
    Kind,
    foreign,
    wrong_state,
)
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Attachment, Group, Instance, Snapshot, Subnet, Thing, Volume, Vpc

T = TypeVar("T", bound=Thing)


def instance(call: Call, one: str) -> Instance:
    """Return an instance of the caller's, in the region of the call; so do the others."""
    return _own(call, Instance, INSTANCE, one)


def volume(call: Call, one: str) -> Volume:
    return _own(call, Volume, VOLUME, one)


def vpc(call: Call, one: str) -> Vpc:
    return _own(call, Vpc, VPC, one)


def subnet(call: Call, one: str) -> Subnet:
    return _own(call, Subnet, SUBNET, one)


def group(call: Call, one: str) -> Group:
    return _own(call, Group, GROUP, one)


def snapshot(call: Call, one: str) -> Snapshot:
    """Return a snapshot of the caller's; somebody else's that he may use is refused as such."""
    SNAPSHOT.check(one)
    found = call.store.table(Snapshot).get(call, one)
    if found is None or found.region != call.region:
        raise SNAPSHOT.missing(one)
    if found.account != call.account:
        shared = sharing.allows(call, one, call.account)
        raise foreign(one) if shared else SNAPSHOT.missing(one)
    return found


def usable_snapshot(call: Call, one: str) -> Snapshot:
    """Return a completed snapshot that the caller owns or was given."""
    selection = Selection(call, call.store.table(Snapshot))
    sharing.visible(selection)
    selection.ids([one], SNAPSHOT)
    found = selection.all()
    if call.now < found[0].ready:
        raise wrong_state(f"The snapshot '{one}' is not completed: its state is pending")
    if found[0].outcome != "completed":
        raise wrong_state(f"The snapshot '{one}' is in the state {found[0].outcome}")
    return found[0]


def attachment(call: Call, volume_id: str) -> Attachment | None:
    return call.store.table(Attachment).get(call, volume_id)


def attachments(call: Call, instance_id: str) -> list[Attachment]:
    """Return what is attached to an instance, in the order of attaching."""
    return call.store.table(Attachment).find(call.now, "instance = ?", instance_id)


def _own(call: Call, kind: type[T], name: Kind, one: str) -> T:
    name.check(one)
    found = call.store.table(kind).get(call, one)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise name.missing(one)
    return found
