"""Manifests on disk and in the object store, and what shows whether a recording was altered.

A manifest's file has two lines. The first is what is signed, its end included; the second has the
signature (Ed25519, RFC 8032) in base64. ``docs/reference/recordings.md`` checks one with nothing
but openssl and sha256sum.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mavis_core.errors import Damaged
from mavis_core.remote.recording.model import Manifest, chain_start, chained

__all__ = [
    "MANIFEST",
    "TOMBSTONE",
    "Fault",
    "Finding",
    "PublicKeys",
    "fingerprint",
    "genuine",
    "read_manifest",
    "session_prefix",
    "signed",
    "unknown_key",
    "verify",
]

MANIFEST = "manifest.jsonl"
TOMBSTONE = "erased.jsonl"
"""What stands for a recording that was erased; see `expiry`."""
PublicKeys: TypeAlias = Mapping[str, Ed25519PublicKey]
"""Keys by what they are called; see `fingerprint`."""


class Fault(StrEnum):
    """What can be wrong with a recording."""

    SIGNATURE = "signature"
    """The manifest is not what was signed, or another key signed it."""
    CHAIN = "chain"
    """The entries do not follow each other."""
    ALTERED = "altered"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was signed.

    Parameters
    ----------
    chunk
        The number at fault, where one can be named.
    detail
        For people.
    """

    fault: Fault
    chunk: int | None
    detail: str


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what a key is called by: the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def signed(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """Return the manifest's file. The same manifest gives the same bytes."""
    line = manifest.line
    signature = base64.b64encode(key.sign(line)).decode("ascii")
    return line + json.dumps({"signature": signature}).encode("ascii") + b"\n"


def read_manifest(content: bytes) -> Manifest:
    """Return the manifest of a file; whether it is genuine `verify` says.

    Raises
    ------
    Damaged
        It is none.
    """
    return _parts(content)[0]


def genuine(content: bytes, keys: PublicKeys) -> Manifest:
    """Return the manifest of a file, with its signature and its chain checked.

    Raises
    ------
    Damaged
        It is not what was signed with one of the keys.
    """
    manifest, line, signature = _parts(content)
    if manifest.key not in keys:
        raise unknown_key(manifest)
    if found := _signature(line, signature, keys[manifest.key]) + _entries(manifest):
        raise Damaged(f"The recording of {manifest.header.session_id}: {found[0].detail}")
    return manifest


def unknown_key(manifest: Manifest) -> Damaged:
    """Return the error of a manifest that nobody we know has signed."""
    return Damaged(
        f"The recording of {manifest.header.session_id} was signed with a key that is not known"
        f" here: {manifest.key[:16]}…",
        mend="Give the public key of the appliance that recorded it.",
    )


def session_prefix(project_id: str, session_id: str) -> str:
    """Return where the objects of a recording are, below the store for recordings."""
    return f"{project_id}/{session_id}/"


def verify(
    content: bytes, chunks: Iterable[tuple[int, bytes]], key: Ed25519PublicKey
) -> tuple[Finding, ...]:
    """Return what is not as it was signed; nothing: the recording is whole and genuine.

    Parameters
    ----------
    content
        The manifest's file.
    chunks
        All chunks there are, each with the number in its name, and plain. One is held at a time.
    key
        The appliance's, from elsewhere.

    Raises
    ------
    Damaged
        The file is no manifest, so that nothing can be compared.
    """
    manifest, line, signature = _parts(content)
    found = _signature(line, signature, key) + _entries(manifest) + _chunks(manifest, chunks)
    return tuple(found)


def _signature(line: bytes, signature: bytes, key: Ed25519PublicKey) -> list[Finding]:
    try:
        key.verify(signature, line)
    except InvalidSignature:
        return [Finding(Fault.SIGNATURE, None, "The signature is not that of this manifest")]
    return []


def _parts(content: bytes) -> tuple[Manifest, bytes, bytes]:
    line, end, rest = content.partition(b"\n")
    try:
        signature = base64.b64decode(orjson.loads(rest)["signature"], validate=True)
        return Manifest.from_json(orjson.loads(line)), line + end, signature
    except (ValueError, KeyError, TypeError) as exc:
        raise Damaged(f"This is no manifest of a recording: {exc}") from exc


def _entries(manifest: Manifest) -> list[Finding]:
    found, chain = [], chain_start(manifest.header.session_id)
    for number, entry in enumerate(manifest.chunks, 1):
        chain = chained(chain, entry.sha256)
        if entry.number != number or entry.chain != chain:
            told = f"The entry at place {number} does not follow the one before it"
            found.append(Finding(Fault.CHAIN, number, told))
            chain = entry.chain
    return found


def _chunks(manifest: Manifest, chunks: Iterable[tuple[int, bytes]]) -> list[Finding]:
    entries = {each.number: each for each in manifest.chunks}
    places = {each.sha256: each.number for each in manifest.chunks}
    found, seen = [], set[int]()
    for number, content in chunks:
        sha256 = hashlib.sha256(content).hexdigest()
        entry = entries.get(number)
        if entry is None or number in seen:
            found.append(Finding(Fault.INSERTED, number, f"Nobody signed a chunk {number} more"))
        elif sha256 != entry.sha256 and sha256 in places:
            told = f"Chunk {number} has what is chunk {places[sha256]}"
            found.append(Finding(Fault.REORDERED, number, told))
        elif sha256 != entry.sha256:
            found.append(Finding(Fault.ALTERED, number, f"Chunk {number} is not what was signed"))
        seen.add(number)
    return found + [
        Finding(Fault.MISSING, number, f"Chunk {number} is not there")
        for number in entries
        if number not in seen
    ]
