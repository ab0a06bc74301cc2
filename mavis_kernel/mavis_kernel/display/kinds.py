"""What matters of each kind of object: the one table that cards and tables follow.

A kind that is not named here is shown all the same, with its first members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mavis_kernel.cli.times import took

if TYPE_CHECKING:
    from mavis_kernel.parsing import Model

__all__ = [
    "Kind",
    "columns_of",
    "is_id",
    "is_state",
    "kind_of",
    "label_of",
    "members_of",
    "value_of",
]

_STATES = frozenset({"state", "outcome", "finding", "severity"})
_IDS = frozenset(
    {"id", "key", "hash", "instance", "volume", "run", "restore", "copy", "request_id"}
)
_NOT_SHOWN = frozenset({"raw", "etag"})
_FIRST_COLUMNS = 7
_LABELS = {
    "created_by": "By",
    "cloud_id": "Cloud ID",
    "size_gib": "GiB",
    "progress_percent": "%",
    "kms_key": "KMS key",
    "id": "ID",
    "rpo": "RPO",
    "iops": "IOPS",
}
_ENDS = re.compile(r"_(at|id)$")


@dataclass(frozen=True)
class Kind:
    """What matters of a kind of object.

    Parameters
    ----------
    word
        What people call it.
    columns
        Members that a table shows; empty for the first ones.
    heading
        Members that a card has in its first line.
    left_out
        Members that a card does not show: they are in its heading or say nothing to people.
    """

    word: str
    columns: tuple[str, ...] = ()
    heading: tuple[str, ...] = ("id", "state")
    left_out: frozenset[str] = frozenset()


def _kind(word: str, columns: str, heading: str = "id state", left_out: str = "") -> Kind:
    return Kind(word, tuple(columns.split()), tuple(heading.split()), frozenset(left_out.split()))


_KINDS = {
    "Project": _kind("project", "name title role created_at created_by", "name role"),
    "MyProject": _kind("project", "name title role", "name role"),
    "Me": _kind("you", "name groups scopes platform_admin", "name"),
    "Member": _kind("member", "subject role added_at added_by", "subject role"),
    "Environment": _kind(
        "environment", "name state kit account regions checked_at error", "name state"
    ),
    "Key": _kind("key", "name kind fields created_at created_by", "name kind"),
    "Resource": _kind(
        "resource",
        "name kind state cloud_id environment region tags seen_at",
        "kind name cloud_id state",
    ),
    "Run": _kind(
        "Run",
        "id kind subject state person created_at took",
        left_out="version",
    ),
    "Step": _kind("step", "name state detail progress_percent took", "name state"),
    "Preview": _kind(
        "plan", "id action resource severity expires_at", "id severity", "hash confirm"
    ),
    "Effect": _kind(
        "effect", "verb kind name cloud_id environment account region detail", "verb kind name"
    ),
    "BackupPlan": _kind("backup plan", "name enabled owner version updated_at updated_by", "name"),
    "RecoveryPoint": _kind(
        "recovery point",
        "id instance_name state volumes size_gib plan environment region taken_at created_by",
        left_out="plan_id environment_id",
    ),
    "PointCopy": _kind(
        "copy", "role state environment account region completed_at error", "role state"
    ),
    "PointMember": _kind(
        "volume snapshot", "volume_id device cloud_id state progress_percent size_gib", "volume_id"
    ),
    "PointExplanation": _kind(
        "copy", "role environment region state fate sentence goes_at", "role state"
    ),
    "Restore": _kind(
        "restore",
        "id kind state point_id undo_until created_at created_by",
        left_out="arguments copy_id",
    ),
    "Record": _kind(
        "record", "time person action outcome summary correlation_id", "action outcome", ""
    ),
    "ReportRow": _kind(
        "finding", "finding machine environment region plan newest_at why mend", "finding machine"
    ),
    "ProtectionReport": _kind("protection report", "project at machines protected", "project"),
    "BackupPlanPreset": _kind("preset", "name", "name"),
}


def kind_of(cls: type[Model]) -> Kind:
    """Return what matters of objects of `cls`; of a special kind what matters of its base."""
    for each in cls.__mro__:
        if each.__name__ in _KINDS:
            return _KINDS[each.__name__]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__)
    return Kind(words.lower())


def members_of(model: Model) -> Iterator[tuple[str, Any]]:
    """Yield names and values of what `model` has, but for what is its own affair."""
    for each in fields(model):
        if each.name not in _NOT_SHOWN and each.name in vars(model):
            yield each.name, vars(model)[each.name]


def columns_of(model: Model) -> list[str]:
    """Return which members a table of objects like `model` shows."""
    there = [name for name, _ in members_of(model)]
    wanted = kind_of(type(model)).columns
    if wanted and len(there) == len(fields(model)) - len(_NOT_SHOWN):
        return list(wanted)
    return there[
        :_FIRST_COLUMNS
    ]  # a kind without a place here, or only some members were asked for


def value_of(model: Model, name: str) -> Any:
    """Return the member `name` of `model`, or what follows from others; None where it has none."""
    if name == "took":
        begun = getattr(model, "started_at", None)
        return took(begun, getattr(model, "finished_at", None)) if begun else None
    return getattr(model, name, None)


def is_state(name: str) -> bool:
    """Return whether the member `name` holds a state."""
    return name in _STATES


def is_id(name: str) -> bool:
    """Return whether the member `name` holds an id."""
    return name in _IDS or name.endswith("_id")


def label_of(name: str) -> str:
    """Return what people read before the member `name`."""
    if name in _LABELS:
        return _LABELS[name]
    words = _ENDS.sub("", name.strip("_")).replace("_", " ")
    return words[:1].upper() + words[1:]
