"""Recordings that are over their period go, but for what a legal hold is about.

What goes leaves a *tombstone*: a signed line that says whose recording it was, when it was, what
its chain was and that it was erased. It is there before the first chunk goes, and the manifest goes
last, so that a run that was killed is ended by the next one, and nothing ever looks merely lost.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core import clock
from mavis_core.errors import Conflict, Damaged, NotFound
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording.manifests import (
    MANIFEST,
    TOMBSTONE,
    PublicKeys,
    fingerprint,
    genuine,
    session_prefix,
)
from mavis_core.remote.recording.model import Ending, Manifest, RecordingHeader

__all__ = ["Hold", "Outcome", "Tombstone", "expire", "is_held", "read_tombstone"]

_FORM = "mavis-recording-erased-1"


class Hold(Protocol):
    """What a legal hold is about; `logs.holds.RecordHold` is one.

    Parameters
    ----------
    person, correlation_id, since, until
        None: any.
    """

    @property
    def project_id(self) -> str: ...
    @property
    def person(self) -> str | None: ...
    @property
    def correlation_id(self) -> str | None: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def until(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a recording that was erased.

    Parameters
    ----------
    chain, chunks, size_bytes
        Of the recording, as its manifest said.
    manifest_sha256
        Of the manifest's file.
    keep_days
        The period that it was over.
    """

    header: RecordingHeader
    ending: Ending
    chunks: int
    size_bytes: int
    chain: str
    manifest_sha256: str
    erased_at: datetime
    keep_days: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did.

    Parameters
    ----------
    erased
        Ids of the sessions whose recordings went.
    held
        Ids of those that are over their period and stay: a hold is about them, or the store must
        keep them.
    damaged
        Ids of those whose manifest is not what was signed; nobody knows how old they are.
    """

    erased: tuple[str, ...]
    held: tuple[str, ...]
    damaged: tuple[str, ...]


def is_held(header: RecordingHeader, ending: Ending, holds: Iterable[Hold]) -> bool:
    """Return whether a hold is about a recording, or any moment of it."""
    return any(
        each.project_id == header.project_id
        and each.person in (None, header.person)
        and each.correlation_id in (None, header.correlation_id)
        and (each.since is None or each.since <= ending.ended_at)
        and (each.until is None or header.started_at < each.until)
        for each in holds
    )


def expire(
    store: ObjectStore,
    key: Ed25519PrivateKey,
    keys: PublicKeys,
    *,
    keep_days: int,
    holds: Callable[[], Sequence[Hold]],
    most: int = 10_000,
) -> Outcome:
    """Erase the recordings that ended more than `keep_days` days ago and that no hold is about.

    Parameters
    ----------
    store
        For recordings.
    key
        Signs the tombstones.
    keys
        Those that manifests were signed with: what cannot be trusted does not say how old it is.
    keep_days
        0: all are kept always, and nothing is read.
    holds
        Returns those that stand; asked again before each recording that would go.
    most
        How many may go in one run.

    Raises
    ------
    Unavailable
        The store or who knows of the holds does not answer; what went is gone, the rest stays.
    """
    erased: list[str] = []
    held: list[str] = []
    damaged: list[str] = []
    if keep_days <= 0:
        return Outcome((), (), ())
    before = clock.now() - timedelta(days=keep_days)
    for prefix in _recordings(store):
        if len(erased) >= most:
            break
        session_id = prefix.split("/")[1]
        try:
            content = store.read(prefix + MANIFEST)
            manifest = genuine(content, keys)
        except Damaged:
            damaged.append(session_id)
            continue
        except NotFound:
            continue
        if manifest.ending.ended_at >= before:
            continue
        if is_held(manifest.header, manifest.ending, holds()):
            held.append(session_id)
            continue
        gone = _erase(store, prefix, _tombstone(manifest, content, keep_days), key)
        (erased if gone else held).append(session_id)
    return Outcome(tuple(erased), tuple(held), tuple(damaged))


def read_tombstone(
    store: ObjectStore, keys: PublicKeys, project_id: str, session_id: str
) -> Tombstone:
    """Return what is left of a recording that was erased.

    Raises
    ------
    NotFound
        It was not erased.
    Damaged
        It is not what was signed.
    """
    content = store.read(session_prefix(project_id, session_id) + TOMBSTONE)
    line, _, rest = content.partition(b"\n")
    try:
        value = orjson.loads(line)
        keys[value["key"]].verify(base64.b64decode(orjson.loads(rest)["signature"]), line + b"\n")
        return Tombstone(
            RecordingHeader.from_json(value["session"]),
            Ending.from_json(value["end"]),
            value["chunks"],
            value["size_bytes"],
            value["chain"],
            value["manifest_sha256"],
            clock.parse(value["erased_at"]),
            value["keep_days"],
        )
    except (KeyError, TypeError, ValueError, InvalidSignature) as exc:
        raise Damaged(f"The tombstone of {session_id} is not what was signed") from exc


def _recordings(store: ObjectStore) -> list[str]:
    names = (key.rpartition("/") for key in store.keys(""))
    return [f"{prefix}/" for prefix, _, name in names if name == MANIFEST]


def _tombstone(manifest: Manifest, content: bytes, keep_days: int) -> Tombstone:
    return Tombstone(
        manifest.header,
        manifest.ending,
        len(manifest.chunks),
        manifest.size_bytes,
        manifest.chain,
        hashlib.sha256(content).hexdigest(),
        clock.now(),
        keep_days,
    )


def _erase(store: ObjectStore, prefix: str, tombstone: Tombstone, key: Ed25519PrivateKey) -> bool:
    try:
        store.stat(prefix + TOMBSTONE)
    except NotFound:
        store.put_bytes(prefix + TOMBSTONE, _signed(tombstone, key))
    try:
        for each in list(store.keys(prefix)):
            if each not in (prefix + MANIFEST, prefix + TOMBSTONE):
                store.remove(each)
        store.remove(prefix + MANIFEST)
    except Conflict:  # the store must keep it
        return False
    return True


def _signed(tombstone: Tombstone, key: Ed25519PrivateKey) -> bytes:
    told: dict[str, Any] = {
        "form": _FORM,
        "session": tombstone.header.to_json(),
        "end": tombstone.ending.to_json(),
        "chunks": tombstone.chunks,
        "size_bytes": tombstone.size_bytes,
        "chain": tombstone.chain,
        "manifest_sha256": tombstone.manifest_sha256,
        "erased_at": clock.iso(tombstone.erased_at),
        "keep_days": tombstone.keep_days,
        "key": fingerprint(key.public_key()),
    }
    line = json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"
    signature = base64.b64encode(key.sign(line)).decode("ascii")
    return line + json.dumps({"signature": signature}).encode("ascii") + b"\n"
