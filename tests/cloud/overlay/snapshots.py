"""Snapshots of volumes: made, copied, described, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloud.overlay import blocks, encryption, locks, lookup, sharing, tags, volumes
from cloud.overlay.context import Action, Ask, Call, Reply, new_id
from cloud.overlay.encryption import Sealing
from cloud.overlay.refusals import (
    SNAPSHOT,
    Refusal,
    combination,
    invalid,
    missing,
    wrong_state,
)
from cloud.overlay.selecting import Selection
from cloud.overlay.things import Snapshot, Volume

_FILTERS = {
    "snapshot-id": "id",
    "volume-id": "volume",
    "status": "CASE WHEN ready > {now} THEN 'pending' ELSE outcome END",
    "owner-id": "account",
    "description": "description",
    "encrypted": "CASE encrypted WHEN 1 THEN 'true' ELSE 'false' END",
    "volume-size": "CAST(size AS TEXT)",
    "storage-tier": "'standard'",
}
_RATE_S = 15.0
_EXCLUDED_MOST = 40
COPIED_VOLUME = "vol-ffffffffffffffff0"  # a copy names a volume that there is not


def create_snapshot(call: Call, ask: Ask) -> Reply:
    (labels,) = tags.wanted(ask, "snapshot")
    volume = lookup.volume(call, ask["VolumeId"])
    made = take(call, volume, ask.get("Description", ""), labels)
    return shown(call, made, tags.as_list(labels))


def create_snapshots(call: Call, ask: Ask) -> Reply:
    """All of an instance's volumes at one moment: that of the transaction."""
    (labels,) = tags.wanted(ask, "snapshot")
    made = [
        take(call, volume, ask.get("Description", ""), inherited | labels)
        for volume, inherited in _wanted(call, ask)
    ]
    found = tags.of(call, (each.id for each in made))
    return {"Snapshots": [shown(call, each, found[each.id]) for each in made]}


def take(call: Call, volume: Volume, description: str, labels: tags.Tags) -> Snapshot:
    """Make the snapshot of one volume, with the bytes that it has now."""
    if volumes.state(call, volume) not in ("available", "in-use"):
        raise wrong_state(f"The volume '{volume.id}' is {volumes.state(call, volume)}")
    if call.settings.volume_rate and call.now - volume.last_snapshot < _RATE_S:
        raise Refusal(
            "SnapshotCreationPerVolumeRateExceeded",
            "The maximum per volume CreateSnapshot request rate has been exceeded. Use an"
            " increasing or variable sleep interval between requests.",
        )
    call.store.table(Volume).change(volume, last_snapshot=call.now)
    made = insert(
        call,
        Snapshot(
            id=new_id("snap-"),
            **call.origin,
            volume=volume.id,
            lineage=volume.id,
            size=volume.size,
            description=description,
            encrypted=volume.encrypted,
            key=volume.key,
            ready=call.now + call.settings.snapshot_s,
        ),
        labels,
    )
    blocks.copy(call.store, volume.id, made.id)
    return made


def insert(call: Call, snapshot: Snapshot, labels: tags.Tags) -> Snapshot:
    """Add a snapshot, with the fate of its call."""
    if call.fate.broken:
        snapshot = replace(snapshot, outcome="error", message="Internal error")
    made = call.store.table(Snapshot).insert(call, snapshot)
    tags.put(call, made.id, labels)
    return made


def copy_snapshot(call: Call, ask: Ask) -> Reply:
    """Copy into the region of the call, from this or from another region or account."""
    (labels,) = tags.wanted(ask, "snapshot")
    there = replace(call, region=ask["SourceRegion"])
    source = lookup.usable_snapshot(there, ask["SourceSnapshotId"])
    wanted = ask.get("DestinationRegion")
    if wanted and wanted != call.region:
        raise invalid(f"The destination region is {call.region}, and not {wanted}")
    made = copy(call, source, ask, ask.get("Description", ""), labels)
    return {"SnapshotId": made.id, "Tags": tags.as_list(labels)}


def copy(call: Call, source: Snapshot, ask: Ask, description: str, labels: tags.Tags) -> Snapshot:
    """Copy a snapshot; whether the keys can be used shows only at the end."""
    under_way = call.store.row(
        "SELECT count(*) FROM snapshot WHERE ready > ? AND copied = 1 AND gone > ?"
        " AND +account = ? AND +region = ?",
        *(call.now, call.now, call.account, call.region),
    )
    if under_way and under_way[0] >= call.settings.copy_limit:
        raise Refusal(
            "ResourceLimitExceeded",
            "Too many snapshot copies in progress. The limit is"
            f" {call.settings.copy_limit} for this destination region.",
        )
    sealed = encryption.sealing(call, ask, source)
    made = insert(call, _copy_of(call, source, sealed, description), labels)
    if sealed.accessible:
        blocks.copy(call.store, source.id, made.id)
    return made


def _copy_of(call: Call, source: Snapshot, sealed: Sealing, description: str) -> Snapshot:
    return Snapshot(
        id=new_id("snap-"),
        **call.origin,
        volume=COPIED_VOLUME,
        lineage=source.lineage,
        size=source.size,
        description=description,
        encrypted=sealed.encrypted,
        key=sealed.key,
        ready=call.now + call.settings.snapshot_s,
        outcome="completed" if sealed.accessible else "error",
        message="" if sealed.accessible else encryption.NOT_ACCESSIBLE,
        copied=True,
    )


def describe_snapshots(call: Call, ask: Ask) -> Reply:
    selection = Selection(call, call.store.table(Snapshot), _FILTERS, "snapshot-id")
    wanted = ask.get("SnapshotIds", ())
    if list(ask.get("OwnerIds", ())) in (["self"], [call.account]):
        selection.here()
    else:
        sharing.visible(selection)
    selection.ids(wanted, SNAPSHOT)
    selection.filters(ask.get("Filters", ()))
    sharing.owners(selection, ask.get("OwnerIds", ()))
    sharing.usable_by(selection, ask.get("RestorableByUserIds", ()))
    found, token = selection.page(ask, "SnapshotIds")
    labels = tags.of(call, (each.id for each in found))
    return {
        "Snapshots": [shown(call, each, labels[each.id]) for each in found],
        "NextToken": token,
    }


def delete_snapshot(call: Call, ask: Ask) -> Reply:
    remove(call, lookup.snapshot(call, ask["SnapshotId"]))
    return {}


def remove(call: Call, snapshot: Snapshot) -> None:
    """Delete a snapshot, unless it is locked or an image needs it."""
    locks.check_deletable(call, snapshot)
    image = call.store.row(
        "SELECT i.id FROM image_snapshot s JOIN image i ON i.id = s.image"
        " WHERE s.snapshot = ? AND i.gone > ?",
        *(snapshot.id, call.now),
    )
    if image:
        raise Refusal(
            "InvalidSnapshot.InUse",
            f"The snapshot {snapshot.id} is currently in use by {image[0]}",
        )
    call.store.table(Snapshot).change(snapshot, gone=call.now)
    sharing.forget(call, snapshot.id)
    blocks.forget(call.store, snapshot.id)


def state(call: Call, snapshot: Snapshot) -> str:
    return "pending" if call.now < snapshot.ready else snapshot.outcome


def _wanted(call: Call, ask: Ask) -> Sequence[tuple[Volume, tags.Tags]]:
    """Return the volumes that CreateSnapshots takes, each with the tags that it hands on."""
    specification = ask.get("InstanceSpecification") or {}
    if not specification.get("InstanceId"):
        raise missing("InstanceSpecification.InstanceId")
    instance = lookup.instance(call, specification["InstanceId"])
    if instance.later == "terminated":
        raise Refusal("IncorrectInstanceState", f"The instance '{instance.id}' is terminated")
    excluded = set(specification.get("ExcludeDataVolumeIds", ()))
    if len(excluded) > _EXCLUDED_MOST:
        raise invalid(f"At most {_EXCLUDED_MOST} data volumes can be excluded")
    attached = lookup.attachments(call, instance.id)
    root = {each.id for each in attached if each.device == instance.root_device}
    for one in sorted(excluded):
        if one in root or one not in {each.id for each in attached}:
            raise invalid(f"The volume '{one}' is no data volume of the instance '{instance.id}'")
    without_root = specification.get("ExcludeBootVolume", False)
    taken = [
        lookup.volume(call, each.id)
        for each in attached
        if each.id not in excluded and not (without_root and each.id in root)
    ]
    if not taken:
        raise combination("All volumes of the instance are excluded")
    handed_on = ask.get("CopyTagsFromSource") == "volume"
    labels = tags.of(call, (each.id for each in taken))
    return [(each, tags.as_map(labels[each.id]) if handed_on else {}) for each in taken]


def _progress(call: Call, snapshot: Snapshot) -> str:
    if call.now >= snapshot.ready:
        return "100%" if snapshot.outcome == "completed" else "0%"
    if snapshot.direct:
        return ""
    share = (call.now - snapshot.born) / max(snapshot.ready - snapshot.born, 1e-9)
    return f"{int(100 * share)}%" if share >= 0.01 else ""


def shown(call: Call, snapshot: Snapshot, labels: list[Reply]) -> Reply:
    done = call.now >= snapshot.ready and snapshot.outcome == "completed"
    return {
        "SnapshotId": snapshot.id,
        "VolumeId": snapshot.volume,
        "OwnerId": snapshot.account,
        "VolumeSize": snapshot.size,
        "Description": snapshot.description,
        "State": state(call, snapshot),
        "StateMessage": snapshot.message if call.now >= snapshot.ready else None,
        "Progress": _progress(call, snapshot),
        "StartTime": snapshot.born,
        "CompletionTime": snapshot.ready if done else None,
        "Encrypted": snapshot.encrypted,
        "KmsKeyId": snapshot.key or None,
        "StorageTier": "standard",
        "Tags": labels or None,
    }


ACTIONS: dict[str, Action] = {
    "CreateSnapshot": create_snapshot,
    "CreateSnapshots": create_snapshots,
    "CopySnapshot": copy_snapshot,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshot": delete_snapshot,
}
