"""What the cloud shows of calls that make nothing: what they were to bring about is so, or is not.

Those that make something are found by the tag of their intent, and those that concern recovery
points where these are written down. Of the rest nobody can see whether they have happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from mavis_core.changes.ledger import Effects
from mavis_core.changes.model import Call, Intent
from mavis_core.contract import Connection, Instance, InstanceState, Volume, VolumeState
from mavis_core.errors import CloudVanished, Internal

__all__ = ["LOOKS", "UNSEEN"]

_So = Callable[[Connection, str, Sequence[str]], Collection[str]]
_STARTED = (InstanceState.PENDING, InstanceState.RUNNING)
_STOPPED = (InstanceState.STOPPING, InstanceState.STOPPED)


def _look(so: _So) -> Callable[[Connection], Effects]:
    """Return a look at what calls were about.

    Parameters
    ----------
    so
        Return those of some ids in a region of which it is so.
    """

    def looking(connection: Connection) -> Effects:
        def find(open_: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
            regions: dict[str, list[str]] = defaultdict(list)
            for intent in open_:
                regions[intent.call.region].append(intent.call.target)
            found = {
                (region, one)
                for region, ids in regions.items()
                for one in so(connection, region, ids)
            }
            return {
                intent.id: [intent.call.target]
                for intent in open_
                if (intent.call.region, intent.call.target) in found
            }

        return Effects(find, _never)

    return looking


def _never(call: Call, _intent: str) -> Sequence[str]:
    raise Internal(f"{call.action} of {call.target} is only looked for")


def _instances(wanted: Callable[[Instance], bool]) -> _So:
    def so(connection: Connection, region: str, ids: Sequence[str]) -> Collection[str]:
        found = connection.instances.describe(region, ids)
        return {instance.cloud_id for instance in found if wanted(instance)}

    return so


def _volumes(wanted: Callable[[Volume | None], bool]) -> _So:
    """Return a look at volumes; one that is gone is None."""

    def so(connection: Connection, region: str, ids: Sequence[str]) -> Collection[str]:
        there = _there(connection, region, ids)
        return {one for one in ids if wanted(there.get(one))}

    return so


def _there(connection: Connection, region: str, ids: Sequence[str]) -> Mapping[str, Volume]:
    try:
        return {volume.cloud_id: volume for volume in connection.volumes.describe(region, ids)}
    except CloudVanished:
        if len(ids) == 1:
            return {}
    return {key: one for each in ids for key, one in _there(connection, region, [each]).items()}


def _hangs(volume: Volume | None) -> bool:
    return volume is not None and (
        volume.attached_to is not None or volume.state is VolumeState.IN_USE
    )


_started = _look(_instances(lambda instance: instance.state in _STARTED))
_stopped = _look(_instances(lambda instance: instance.state in _STOPPED))

LOOKS: Mapping[str, Callable[[Connection], Effects]] = {
    "cloud.resource.start": _started,
    "cloud.resource.stop": _stopped,
    "cloud.StartInstances": _started,
    "cloud.StopInstances": _stopped,
    "cloud.TerminateInstances": _look(
        _instances(lambda instance: instance.state is InstanceState.GONE)
    ),
    "cloud.AttachVolume": _look(_volumes(_hangs)),
    "cloud.DetachVolume": _look(_volumes(lambda volume: not _hangs(volume))),
    "cloud.DeleteVolume": _look(
        _volumes(lambda volume: volume is None or volume.state is VolumeState.DELETING)
    ),
}
"""How to find what calls brought about, by action."""

UNSEEN = frozenset(
    {
        "cloud.resource.tag",
        "cloud.CreateTags",
        "cloud.CreateTags (released)",
        "cloud.DeregisterImage",
        "cloud.DeleteSecurityGroup",
        "cloud.SendCommand",
    }
)
"""Actions of which nobody can see whether they have happened. All but the last may be repeated."""
