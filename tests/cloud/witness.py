"""The witness: counts what is in the cloud with a boto3 client of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloud.accounts import Held, ec2

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Place = tuple[str, str]


@dataclass(frozen=True)
class Seen:
    """A snapshot, as the witness saw it."""

    account: str
    region: str
    snapshot_id: str
    volume_id: str
    state: str
    tags: dict[str, str]
    encrypted: bool = False
    key: str = ""


@dataclass(frozen=True)
class SeenThing:
    """A volume, an instance, an image or a security group.

    Parameters
    ----------
    of
        Ids of what it is made of: a volume's snapshot, an instance's volumes, an image's snapshots.
    """

    account: str
    region: str
    id: str
    state: str
    tags: dict[str, str]
    of: tuple[str, ...]


@dataclass(frozen=True)
class Witness:
    """Looks at one simulator, or at AWS itself where it is given its address.

    Parameters
    ----------
    url
        The endpoint.
    held
        Clients that stay open; None: one is opened for each look.
    """

    url: str
    held: Held | None = None

    def snapshots(self, account: str, region: str) -> list[Seen]:
        """Return all snapshots of an account in a region."""
        return [
            Seen(
                account=account,
                region=region,
                snapshot_id=item["SnapshotId"],
                volume_id=item["VolumeId"],
                state=item["State"],
                tags=_tags(item),
                encrypted=item["Encrypted"],
                key=item.get("KmsKeyId", ""),
            )
            for item in self._pages((account, region), "describe_snapshots", OwnerIds=["self"])
        ]

    def volumes(self, account: str, region: str) -> list[SeenThing]:
        """Return all volumes; each is `of` the snapshot that it was made from, if any."""
        return [
            SeenThing(
                account,
                region,
                item["VolumeId"],
                item["State"],
                _tags(item),
                (item["SnapshotId"],) if item.get("SnapshotId") else (),
            )
            for item in self._pages((account, region), "describe_volumes")
        ]

    def instances(self, account: str, region: str) -> list[SeenThing]:
        """Return all instances that are not terminated; each is `of` its volumes."""
        return [
            SeenThing(
                account,
                region,
                item["InstanceId"],
                item["State"]["Name"],
                _tags(item),
                tuple(each["Ebs"]["VolumeId"] for each in item["BlockDeviceMappings"]),
            )
            for reservation in self._pages((account, region), "describe_instances")
            for item in reservation["Instances"]
            if item["State"]["Name"] not in ("shutting-down", "terminated")
        ]

    def images(self, account: str, region: str) -> list[SeenThing]:
        """Return all images of an account in a region; each is `of` its snapshots."""
        return [
            SeenThing(
                account,
                region,
                item["ImageId"],
                item["State"],
                _tags(item),
                tuple(
                    each["Ebs"]["SnapshotId"]
                    for each in item["BlockDeviceMappings"]
                    if each.get("Ebs", {}).get("SnapshotId")
                ),
            )
            for item in self._pages((account, region), "describe_images", Owners=["self"])
        ]

    def groups(self, account: str, region: str) -> list[SeenThing]:
        """Return all security groups; each is `of` its network."""
        return [
            SeenThing(account, region, item["GroupId"], "", _tags(item), (item.get("VpcId", ""),))
            for item in self._pages((account, region), "describe_security_groups")
        ]

    def locked(self, account: str, region: str) -> set[str]:
        """Return the ids of snapshots that are locked."""
        with self._ec2(account, region) as client:
            found = client.describe_locked_snapshots(MaxResults=1000)["Snapshots"]
        return {each["SnapshotId"] for each in found}

    def disks(self, account: str, region: str) -> dict[str, dict[str, str]]:
        """Return by instance, by device name the volume that hangs there."""
        return {
            item["InstanceId"]: {
                each["DeviceName"]: each["Ebs"]["VolumeId"] for each in item["BlockDeviceMappings"]
            }
            for reservation in self._pages((account, region), "describe_instances")
            for item in reservation["Instances"]
        }

    def shared(self, account: str, region: str, other: str) -> set[str]:
        """Return the ids of snapshots from which another account may make volumes."""
        with self._ec2(account, region) as client:
            found = client.describe_snapshots(OwnerIds=["self"], RestorableByUserIds=[other])
        return {each["SnapshotId"] for each in found["Snapshots"]}

    def tagged(self, account: str, region: str, tag: str, value: str | None = None) -> list[Seen]:
        """Return the snapshots that carry `tag`, with `value` or with any."""
        return [
            seen
            for seen in self.snapshots(account, region)
            if tag in seen.tags and value in (None, seen.tags[tag])
        ]

    def count(self, places: Sequence[Place], *, prefix: str = "mavis") -> dict[Place, int]:
        """Return how many snapshots carry a tag that begins with `prefix`, by place."""
        return {
            (account, region): sum(
                any(tag.startswith(prefix) for tag in seen.tags)
                for seen in self.snapshots(account, region)
            )
            for account, region in places
        }

    def everything(self, places: Sequence[Place]) -> list[Seen | SeenThing]:
        """Return all snapshots, volumes, instances and images of all places."""
        return [
            thing
            for place in places
            for look in (self.snapshots, self.volumes, self.instances, self.images)
            for thing in look(*place)
        ]

    def doubles(self, places: Sequence[Place], tag: str) -> dict[str, int]:
        """Return how often each value of `tag` is there where it is more than once.

        For a tag whose values are one for each thing, so that two with the same are one too many.
        """
        counted = Counter(thing.tags[tag] for thing in self.everything(places) if tag in thing.tags)
        return {value: number for value, number in counted.items() if number > 1}

    def orphans(self, places: Sequence[Place], tag: str, known: Iterable[str]) -> list[str]:
        """Return ids of what carries `tag` and is not among the `known` ids: nobody's things."""
        ours = set(known)
        found = [
            thing.snapshot_id if isinstance(thing, Seen) else thing.id
            for thing in self.everything(places)
            if tag in thing.tags
        ]
        return [one for one in found if one not in ours]

    def missing(self, places: Sequence[Place], known: Iterable[str]) -> list[str]:
        """Return those of the `known` ids that are not there."""
        there = {
            thing.snapshot_id if isinstance(thing, Seen) else thing.id
            for thing in self.everything(places)
        }
        return [one for one in known if one not in there]

    def _ec2(self, account: str, region: str) -> AbstractContextManager[EC2Client]:
        if self.held is None:
            return ec2(self.url, account, region)
        return self.held.ec2(account, region)

    def _pages(self, place: Place, action: str, **ask: Any) -> list[Any]:
        """Return all things of a describe call, which names them in its only list."""
        account, region = place
        with self._ec2(account, region) as client:
            paginator: Any = client.get_paginator(action)  # type: ignore[call-overload]  # by name
            pages = paginator.paginate(**ask, PaginationConfig={"PageSize": 500})
            return list(pages.search(f"{_LISTS[action]}[]"))


_LISTS = {
    "describe_snapshots": "Snapshots",
    "describe_volumes": "Volumes",
    "describe_instances": "Reservations",
    "describe_images": "Images",
    "describe_security_groups": "SecurityGroups",
}


def _tags(item: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
