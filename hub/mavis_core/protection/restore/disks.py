"""Volumes of a restore: made from snapshots, put at an instance, taken off and deleted.

`exchange` is the heart of a restore in place and of its undo. It looks what hangs at the devices
and brings about what should, from wherever an earlier attempt has left it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.ledger import TAG
from mavis_core.changes.model import Intent, Outcome
from mavis_core.contract import NewVolume, Volume, VolumeState
from mavis_core.errors import CloudError, CloudInUse, CloudVanished, Conflict
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Made
from mavis_core.protection.restore.request import Part
from mavis_core.protection.restore.site import Site

__all__ = [
    "CREATE",
    "attach",
    "await_hanging",
    "await_there",
    "create",
    "delete",
    "detach",
    "exchange",
    "free",
    "tag",
    "there",
]

CREATE = "cloud.CreateVolume"


def create(
    site: Site, parts: Sequence[Part], names: Mapping[str, str], zone: str, kms_key: str | None
) -> dict[str, str]:
    """Have a volume made of each part and wait for them; return them by the originals' ids.

    Parameters
    ----------
    names
        What each is to be called, by the original's id.
    """
    by_snapshot = {part.snapshot_id: part.disk for part in parts}

    def make(snapshot_id: str, intent: str) -> Sequence[str]:
        disk = by_snapshot[snapshot_id]
        new = NewVolume(
            snapshot_id, zone, disk.type, disk.iops, disk.throughput_mibps, kms_key or None
        )
        tags = {**site.tags(intent, names[disk.volume_id]), "mavis:volume": disk.volume_id}
        made = site.connection.volumes.create(site.region, new, tags=tags, token=intent)
        return (made.cloud_id,)

    def find(intent: Intent) -> Sequence[str]:
        found = site.connection.volumes.find(site.region, tag=TAG, values=[intent.id])
        return [volume.cloud_id for volume in found]

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        restores.note_made(tx, site.restore.id, Made(made_by(outcomes)))

    def made_by(outcomes: Sequence[Outcome]) -> dict[str, str]:
        return {
            by_snapshot[outcome.call.target].volume_id: outcome.made[0]
            for outcome in outcomes
            if outcome.made
        }

    made = made_by(site.do(CREATE, list(by_snapshot), make, find=find, note=note))
    await_there(site, list(made.values()))
    return made


def await_there(site: Site, volume_ids: Sequence[str]) -> None:
    """Wait until volumes are made, or in use already.

    Raises
    ------
    CloudVanished
        One went as silently as clouds let those go whose key they may not use.
    CloudError
        The cloud gave one up.
    """
    begun = clock.now()

    def look() -> bool | None:
        try:
            found = site.connection.volumes.describe(site.region, volume_ids)
        except CloudVanished as exc:
            if (clock.now() - begun).total_seconds() < site.means.shows_within_s:
                return None
            raise CloudVanished(
                f"{exc.message} since it was made",
                mend="Clouds take a volume back whose key of encryption cannot be used: look at"
                " the key's policy.",
            ) from exc
        broken = [volume.cloud_id for volume in found if volume.state is VolumeState.ERROR]
        if broken:
            raise CloudError(f"The cloud could not make {', '.join(broken)}")
        ready = all(v.state in (VolumeState.AVAILABLE, VolumeState.IN_USE) for v in found)
        return True if ready else None

    site.until(look, f"{len(volume_ids)} volumes are being made")


def there(site: Site, volume_ids: Collection[str]) -> dict[str, Volume]:
    """Return those of `volume_ids` that the cloud shows; those that are gone are left out."""
    ids = sorted(set(volume_ids))
    try:
        return {v.cloud_id: v for v in site.connection.volumes.describe(site.region, ids)}
    except CloudVanished:
        if len(ids) == 1:
            return {}
    return {volume_id: found for one in ids for volume_id, found in there(site, [one]).items()}


def attach(site: Site, instance_id: str, devices: Mapping[str, str]) -> None:
    """Put volumes at an instance and wait until they hang there.

    Parameters
    ----------
    devices
        Volume by device name, in the order in which they are attached.
    """
    by_volume = {volume_id: device for device, volume_id in devices.items()}

    def make(volume_id: str, _intent: str) -> Sequence[str]:
        site.connection.volumes.attach(site.region, volume_id, instance_id, by_volume[volume_id])
        return (volume_id,)

    def find(intent: Intent) -> Sequence[str]:
        volume = there(site, [intent.call.target]).get(intent.call.target)
        hangs = volume is not None and (volume.attached_to, volume.device) == (
            instance_id,
            by_volume[intent.call.target],
        )
        return (intent.call.target,) if hangs else ()

    for volume_id in by_volume:  # one after the other: their order tells which is the root
        site.do("cloud.AttachVolume", [volume_id], make, find=find)
    await_hanging(site, instance_id, devices)


def await_hanging(site: Site, instance_id: str, devices: Mapping[str, str]) -> None:
    """Wait until volumes hang at their devices."""

    def look() -> bool | None:
        found = site.connection.volumes.describe(site.region, list(devices.values()))
        hang = {v.device: v.cloud_id for v in found if v.attached_to == instance_id}
        in_use = all(volume.state is VolumeState.IN_USE for volume in found)
        return True if in_use and hang == dict(devices) else None

    if devices:
        site.until(look, f"{len(devices)} volumes are being attached to {instance_id}")


def detach(site: Site, volume_ids: Sequence[str]) -> None:
    """Take volumes off whatever they hang at and wait until they are free."""

    def make(volume_id: str, _intent: str) -> Sequence[str]:
        site.connection.volumes.detach(site.region, volume_id)
        return (volume_id,)

    def find(intent: Intent) -> Sequence[str]:
        return () if _held(site, [intent.call.target]) else (intent.call.target,)

    site.do("cloud.DetachVolume", volume_ids, make, find=find)
    free(site, volume_ids)


def free(site: Site, volume_ids: Sequence[str]) -> None:
    """Wait until volumes hang nowhere."""
    if volume_ids:
        site.until(
            lambda: None if _held(site, volume_ids) else True,
            f"{len(volume_ids)} volumes are being detached",
        )


def _held(site: Site, volume_ids: Collection[str]) -> list[str]:
    return [
        volume.cloud_id
        for volume in there(site, volume_ids).values()
        if volume.attached_to is not None or volume.state is VolumeState.IN_USE
    ]


def delete(site: Site, volume_ids: Collection[str]) -> None:
    """Delete volumes that hang nowhere; those that are gone are no error."""

    def make(volume_id: str, _intent: str) -> Sequence[str]:
        site.connection.volumes.delete(site.region, volume_id)
        return (volume_id,)

    def find(intent: Intent) -> Sequence[str]:
        return () if there(site, [intent.call.target]) else (intent.call.target,)

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        gone = [outcome.call.target for outcome in outcomes if outcome.error is None]
        restores.forget_made(tx, site.restore.id, gone)

    site.do("cloud.DeleteVolume", sorted(set(volume_ids)), make, find=find, note=note)


def tag(site: Site, volume_ids: Collection[str], action: str, tags: Mapping[str, str]) -> None:
    """Set tags on volumes.

    Parameters
    ----------
    action
        How the ledger calls it: the same volume may be tagged twice in a Run.
    """

    def make(volume_id: str, _intent: str) -> Sequence[str]:
        site.connection.tags.put(site.region, volume_id, tags)
        return (volume_id,)

    site.do(action, sorted(set(volume_ids)), make)


def exchange(
    site: Site, instance_id: str, wanted: Mapping[str, str], ours: Collection[str]
) -> None:
    """Let exactly `wanted` hang at its devices of a stopped instance.

    Parameters
    ----------
    wanted
        Volume by device name, root first; empty: nothing is to hang there.
    ours
        Volumes that may be taken off.

    Raises
    ------
    Conflict
        Something else hangs at one of the devices.
    CloudError
        The cloud refuses; what hangs where is as the calls before have left it.
    """
    (instance,) = site.connection.instances.describe(site.region, [instance_id])
    now = {device: instance.devices.get(device, "") for device in wanted}
    off = [volume for device, volume in now.items() if volume and volume != wanted[device]]
    if strange := [volume for volume in off if volume not in ours]:
        raise Conflict(
            f"{', '.join(strange)} hangs at {instance_id} and is neither old nor new to this"
            " restore",
            mend="Somebody else works on this instance: take it off, then ask again.",
        )
    elsewhere = [
        f"{volume.cloud_id} at {volume.attached_to}"
        for volume in there(site, [v for v in wanted.values() if v]).values()
        if volume.attached_to not in (None, instance_id)
    ]
    if elsewhere:
        raise CloudInUse(f"What should hang at {instance_id} hangs elsewhere: {elsewhere[0]}")
    detach(site, off)
    attach(site, instance_id, {device: volume for device, volume in wanted.items() if volume})
