"""Manifests: what it takes to know a recovery point again, and to build its instance again.

Every volume snapshot carries its recovery point's manifest in its own tags, from its first
moment: compressed, in pieces, with a checksum. So the catalogue can be rebuilt when nothing is
left but the cloud, and a set tells by itself how many members it must have.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mavis_core.errors import InvalidInput

__all__ = [
    "MAX_TAGS",
    "PREFIX",
    "Disk",
    "Manifest",
    "OwnTags",
    "configuration_of",
    "pack",
    "unpack",
]

PREFIX = "mavis:"
MAX_TAGS = 50  # of one resource, in AWS
_PIECE = 255
_MAX_PIECES = 16
_MAX_BYTES = 1_000_000  # unpacked; what is larger was not written by us
_KEPT = (  # of an instance's details: what its like is launched with
    *("instance_type", "image_id", "zone", "subnet_id", "vpc_id", "security_groups", "key_name"),
    *("profile", "architecture", "boot_mode", "platform", "root_device", "private_ip"),
)


class OwnTags(Enum):
    """Whether snapshots carry the tags of their instance; the manifest has them in any case."""

    COPIED = "copied"
    LEFT_AWAY = "left away"


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume of the instance, as it hung there.

    Parameters
    ----------
    type, iops, throughput_mibps, kms_key
        As the cloud said; None where it did not.
    """

    volume_id: str
    device: str
    size_gib: int
    type: str | None = None
    iops: int | None = None
    throughput_mibps: int | None = None
    encrypted: bool = False
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a recovery point is of.

    Parameters
    ----------
    configuration
        What it takes to launch the instance again: type, network, groups, profile.
    tags
        The instance's tags.
    disks
        Its volumes that were taken, the root volume first.
    excluded
        Ids of volumes that the plan leaves out.
    """

    configuration: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    excluded: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values, short: what is not known is left out."""
        return {
            "configuration": dict(self.configuration),
            "tags": dict(self.tags),
            "disks": [
                {name: value for name in Disk.__slots__ if (value := getattr(disk, name))}
                for disk in self.disks
            ],
            "excluded": list(self.excluded),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """Return the manifest that `to_json` wrote; what is missing is empty."""
        return cls(
            dict(value.get("configuration", {})),
            dict(value.get("tags", {})),
            tuple(Disk(**{"device": "", "size_gib": 0, **disk}) for disk in value.get("disks", ())),
            tuple(value.get("excluded", ())),
        )

    @property
    def size_gib(self) -> int:
        """The size of all its volumes together."""
        return sum(disk.size_gib for disk in self.disks)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(_canonical(self.to_json())).hexdigest()


def configuration_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an instance's details what its like is launched with."""
    return {name: details[name] for name in _KEPT if details.get(name) not in (None, "", [])}


def pack(
    head: Mapping[str, str], manifest: Manifest, own: OwnTags = OwnTags.COPIED
) -> dict[str, str]:
    """Return the tags that every member carries: `head`, the manifest, and the instance's own.

    Parameters
    ----------
    head
        Short texts by name, without the prefix: ``recovery-point``, ``plan``, ``slot``.

    Notes
    -----
    The instance's tags come last and only so far as there is room; the manifest has them all. A
    manifest that is too large for tags loses the instance's tags first.
    """
    tags = {PREFIX + name: text for name, text in head.items() if text}
    pieces, digest = _pieces(manifest.to_json())
    if len(pieces) > _MAX_PIECES:
        pieces, digest = _pieces({**manifest.to_json(), "tags": {}})
    if len(pieces) > _MAX_PIECES:
        raise InvalidInput(
            f"An instance with {len(manifest.disks)} volumes has a manifest too large for tags"
        )
    tags[f"{PREFIX}manifest"] = f"{len(pieces)} {digest}"
    tags |= {f"{PREFIX}manifest.{number}": piece for number, piece in enumerate(pieces)}
    if own is OwnTags.LEFT_AWAY:
        return tags
    for name, text in sorted(manifest.tags.items()):
        reserved = name.lower().startswith((PREFIX, "aws:")) or name == "Name"
        if not reserved and len(tags) < MAX_TAGS - 3:  # room for Name, the intent and a later one
            tags[name] = text
    return tags


def unpack(tags: Mapping[str, str]) -> Manifest:
    """Return the manifest in the tags of a member.

    Raises
    ------
    InvalidInput
        There is none, a piece is missing, or it was altered.
    """
    try:
        count, digest = tags[f"{PREFIX}manifest"].split()
        packed = "".join(tags[f"{PREFIX}manifest.{number}"] for number in range(int(count)))
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(packed, validate=True), _MAX_BYTES)
        if hashlib.sha256(raw).hexdigest() != digest or not inflate.eof:
            raise InvalidInput("The manifest does not fit its checksum: its tags were altered")
        return Manifest.from_json(json.loads(raw))
    except (KeyError, ValueError, TypeError, zlib.error) as exc:
        raise InvalidInput(f"The tags hold no whole manifest ({type(exc).__name__})") from exc


def _pieces(value: Mapping[str, Any]) -> tuple[list[str], str]:
    raw = _canonical(value)
    packed = base64.b64encode(zlib.compress(raw, 9)).decode()
    pieces = [packed[start : start + _PIECE] for start in range(0, len(packed), _PIECE)]
    return pieces, hashlib.sha256(raw).hexdigest()


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
