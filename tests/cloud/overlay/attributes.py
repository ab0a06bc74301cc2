"""Permissions of snapshots: who may make volumes of them, and copies."""

from __future__ import annotations

from cloud.overlay import encryption, lookup, sharing
from cloud.overlay.context import Action, Ask, Call, Reply
from cloud.overlay.refusals import Refusal, invalid
from cloud.overlay.things import Snapshot

_ATTRIBUTE = "createVolumePermission"


def modify(call: Call, ask: Ask) -> Reply:
    """Share with accounts or with everybody, or take that back.

    What is encrypted with the account's default key cannot be shared, nor anything encrypted with
    everybody: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
    """
    snapshot = lookup.snapshot(call, ask["SnapshotId"])
    add, remove = sharing.wanted(ask, "CreateVolumePermission")
    if add:
        _check_sharable(call, snapshot, add)
    sharing.change(call, snapshot.id, add, remove)
    return {}


def describe(call: Call, ask: Ask) -> Reply:
    snapshot = lookup.snapshot(call, ask["SnapshotId"])
    if ask.get("Attribute") == "productCodes":
        return {"SnapshotId": snapshot.id, "ProductCodes": []}
    _check_attribute(ask)
    return {
        "SnapshotId": snapshot.id,
        "CreateVolumePermissions": [
            {"Group": one} if one == "all" else {"UserId": one}
            for one in sharing.grantees(call, snapshot.id)
        ],
    }


def reset(call: Call, ask: Ask) -> Reply:
    _check_attribute(ask)
    sharing.forget(call, lookup.snapshot(call, ask["SnapshotId"]).id)
    return {}


def _check_attribute(ask: Ask) -> None:
    if ask.get("Attribute") != _ATTRIBUTE:
        raise invalid(f"Value ({ask.get('Attribute')}) for parameter attribute is invalid.")


def _check_sharable(call: Call, snapshot: Snapshot, add: list[str]) -> None:
    if not snapshot.encrypted:
        return
    if encryption.default_key(call, snapshot.key):
        raise Refusal(
            "OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared"
        )
    if "all" in add:
        raise Refusal("OperationNotPermitted", "Encrypted snapshots cannot be shared publicly")


ACTIONS: dict[str, Action] = {
    "ModifySnapshotAttribute": modify,
    "DescribeSnapshotAttribute": describe,
    "ResetSnapshotAttribute": reset,
}
