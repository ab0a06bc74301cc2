"""What the object store holds.

*Object*: bytes under a key that never change once they are there. *Key*: names joined by ``/``,
as in ``logs/segments/2030/01/31-0007.parquet``. *Digest*: the SHA-256 of all bytes, made by
whoever has them first, kept beside the object and compared at each end. *Kept until*: before this
moment the store does not remove an object; where it has an object lock nobody does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from mavis_core.errors import InvalidInput

__all__ = ["Damage", "Lock", "Objects", "Settings", "StoredObject", "check_key", "check_prefix"]

_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,127}")
_MAX_KEY = 512


def check_key(key: str) -> str:
    """Return `key` where it is one.

    Raises
    ------
    InvalidInput
        It is empty or too long, or one of its names has letters that some store treats
        differently, begins with a dot, or is empty.
    """
    if len(key) > _MAX_KEY or not all(map(_NAME.fullmatch, key.split("/"))):
        raise InvalidInput(
            f"No key of an object: {key[:80]!r}",
            mend="Join names of letters, digits, '.', '_', '=' and '-' by '/'; none begins"
            f" with a dot; at most {_MAX_KEY} letters.",
            field="key",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` where it ends at a ``/``, or is empty, which stands for everything.

    Raises
    ------
    InvalidInput
        It is neither, so that ``project/1`` can never mean ``project/12`` too.
    """
    if prefix:
        if not prefix.endswith("/"):
            raise InvalidInput(f"A prefix ends with '/': {prefix[:80]!r}", field="prefix")
        check_key(prefix[:-1])
    return prefix


class Lock(StrEnum):
    """Who may undo a promise to keep an object: anybody, those with a special right, or nobody."""

    NONE = "none"
    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object.

    Parameters
    ----------
    sha256
        Its digest, in hexadecimal, as it was when it was stored.
    stored_at
        When it was there first, by the store's clock.
    keep_until
        It is not removed before; None: no promise was made.
    """

    key: str
    size_bytes: int
    sha256: str
    stored_at: datetime
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that is not what was stored.

    Parameters
    ----------
    found
        What is wrong with it, for people.
    """

    key: str
    found: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the objects of an appliance are.

    Parameters
    ----------
    folder
        A folder for the objects; with a bucket, for notes about uploads.
    url
        ``s3://BUCKET/PREFIX``; empty: in `folder`.
    endpoint_url
        The address of a store that speaks S3 and is not AWS; empty: AWS.
    region
        The bucket's region.
    account_file
        AWS configuration file whose default profile has the account of the bucket.
    lock
        How objects that must be kept are kept.
    """

    folder: Path
    url: str = ""
    endpoint_url: str = ""
    region: str = "us-east-1"
    account_file: Path = Path("/nonexistent")
    lock: Lock = Lock.NONE


class Objects(Protocol):
    """What a store does. Any thread may call it; every adapter passes the same tests."""

    def put(
        self, key: str, source: Path, sha256: str, *, keep_until: datetime | None
    ) -> StoredObject:
        """Store the file `source` under `key`: durable, whole and verified on return.

        Until then nobody sees anything under `key`. The same bytes again are no error.

        Raises
        ------
        Conflict
            Other bytes are there.
        Damaged
            What came in is not what `sha256` says.
        Unavailable
            The store does not answer or is full. What had come in helps the next try.
        """

    def stat(self, key: str) -> StoredObject:
        """Return what is under `key`.

        Raises
        ------
        NotFound
            Nothing is.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in the order of their letters."""

    def open(self, key: str) -> BinaryIO:
        """Return the object as a file that seeks; what is not read is not fetched.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        """

    def remove(self, key: str) -> None:
        """Remove what is under `key`, if anything is.

        Raises
        ------
        Conflict
            It is to be kept.
        """

    def address(self, key: str, lasts: timedelta, name: str) -> str | None:
        """Return an address at which anybody may read the object for so long, under a file's name.

        None where a store has no addresses.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        """

    def sweep(self, before: datetime) -> int:
        """Remove what uploads begun before `before` left behind; return how many there were."""
