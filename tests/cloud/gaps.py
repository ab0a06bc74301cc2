"""Gaps of moto 5.2 that our tests would fall into, closed.

moto answers ``ExcludeDataVolumeIds`` of CreateSnapshots with snapshots of all volumes and without
their state, most Describe calls with everything there is, whatever the page size, and it tags
instances that do not exist. Each of these goes when moto does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidInstanceIdError, InvalidSnapshotIdError, InvalidVolumeIdError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.responses import EC2Response

_PAGED = {
    "describe_volumes": "Volumes",
    "describe_snapshots": "Snapshots",
    "describe_images": "Images",
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
}


def close_gaps() -> None:
    """Change moto in this process."""
    changes: list[tuple[type, str, object]] = [
        (EC2Backend, "create_snapshots", _create_snapshots),
        (EC2Backend, "create_tags", _only_what_exists(EC2Backend.create_tags)),
        (Snapshot, "state", property(lambda self: self.status)),
    ]
    changes += [
        (EC2Response, method, _paged(getattr(EC2Response, method), items))
        for method, items in _PAGED.items()
    ]
    for owner, name, replacement in changes:
        setattr(owner, name, replacement)


def _create_snapshots(
    self: Any, instance_spec: dict[str, Any], description: str, tags: dict[str, str]
) -> list[Any]:
    instance = self.get_instance(instance_spec["InstanceId"])
    without_root = str(instance_spec.get("ExcludeBootVolume", False)).lower() == "true"
    excluded = set(instance_spec.get("ExcludeDataVolumeIds", []))
    volumes = [
        mapping.volume_id
        for device, mapping in instance.get_block_device_mapping
        if mapping.volume_id not in excluded
        and not (without_root and device == instance.root_device_name)
    ]
    made = [self.create_snapshot(volume, description=description) for volume in volumes]
    for snapshot in made:
        snapshot.add_tags(tags)
    return made


def _only_what_exists(create_tags: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(create_tags)
    def create(self: Any, resource_ids: list[str], tags: dict[str, str]) -> bool:
        for one in resource_ids:
            if one.startswith("i-") and self.get_instance_by_id(one) is None:
                raise InvalidInstanceIdError(one)
            if one.startswith("vol-") and one not in self.volumes:
                raise InvalidVolumeIdError(one)
            if one.startswith("snap-") and one not in self.snapshots:
                raise InvalidSnapshotIdError
        return create_tags(self, resource_ids, tags)

    return create


def _paged(method: Callable[[Any], ActionResult], items: str) -> Callable[[Any], ActionResult]:
    """Return `method` with ``MaxResults`` and ``NextToken``; a token is an offset."""

    @wraps(method)
    def page(self: Any) -> ActionResult:
        answer: Any = method(self).result
        limit, offset = self._get_param("MaxResults"), int(self._get_param("NextToken") or 0)
        if limit is None and not offset:
            return ActionResult(answer)
        everything = list(answer[items])
        end = offset + int(limit or 1000)
        token = str(end) if end < len(everything) else None
        return ActionResult({**answer, items: everything[offset:end], "NextToken": token})

    return page
