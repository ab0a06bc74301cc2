"""Bytes: blocks of 512 KiB, sparse, each content stored once.

A volume or snapshot is a listing of numbers and digests; to copy it is to copy the listing, so
that what is written later shows in none of the copies.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping

from cloud.overlay.store import Store

SIZE = 512 * 1024
GIB = 1 << 30


def packed(content: bytes) -> tuple[bytes, bytes]:
    """Return digest and stored form of a block, filled up with zeros; to be done without a lock."""
    whole = content.ljust(SIZE, b"\0")
    return hashlib.sha256(whole).digest(), zlib.compress(whole, 1)


def write(store: Store, owner: str, wanted: Mapping[int, tuple[bytes, bytes]]) -> None:
    """Write `packed` blocks by number."""
    store.run_many("INSERT OR IGNORE INTO data VALUES (?, ?)", wanted.values())
    store.run_many(
        "INSERT OR REPLACE INTO block VALUES (?, ?, ?)",
        [(owner, number, digest) for number, (digest, _) in wanted.items()],
    )


def copy(store: Store, source: str, target: str) -> None:
    store.run(
        "INSERT OR REPLACE INTO block SELECT ?, number, digest FROM block WHERE owner = ?",
        *(target, source),
    )


def forget(store: Store, owner: str) -> None:
    store.run("DELETE FROM block WHERE owner = ?", owner)


def stored(store: Store, digest: bytes) -> bytes:
    """Return the stored form of a block."""
    row = store.row("SELECT bytes FROM data WHERE digest = ?", digest)
    assert row is not None
    content: bytes = row[0]
    return content


def listing(store: Store, owner: str, first: int = 0, limit: int = -1) -> list[tuple[int, bytes]]:
    """Return number and digest of the written blocks from `first` on."""
    return [
        (number, digest)
        for number, digest in store.rows(
            "SELECT number, digest FROM block WHERE owner = ? AND number >= ?"
            " ORDER BY number LIMIT ?",
            (owner, first, limit),
        )
    ]


def digest_of(store: Store, owner: str) -> str:
    """Return one SHA-256 over all bytes that are not zero, and where they are."""
    total = hashlib.sha256()
    for number, digest in listing(store, owner):
        if digest != _ZEROS:
            total.update(number.to_bytes(8, "big") + digest)
    return total.hexdigest()


_ZEROS = hashlib.sha256(bytes(SIZE)).digest()
