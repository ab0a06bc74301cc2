"""What the parts of Mavis do with objects: with digests made and compared at both ends.

*Fetch*: copy an object to a file, whole and verified, or not at all. *Scrub*: read everything and
compare. *Expire*: remove what is older than a rule says and need not be kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from mavis_core import clock
from mavis_core.errors import Damaged, InvalidInput, NotFound
from mavis_core.folders import private_folder, sync_folder
from mavis_core.objects.model import (
    Damage,
    Objects,
    StoredObject,
    check_key,
    check_prefix,
)

__all__ = ["ObjectStore"]

_CHUNK_BYTES = 1 << 20
_UPLOAD_DAYS = 2
_LONGEST = timedelta(hours=1)
_FILE_NAME = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,127}")


class ObjectStore:
    """Objects below one prefix. Any thread may call it.

    Parameters
    ----------
    objects
        Where they are.
    prefix
        What stands before every key that is given here; nothing outside it can be reached.
    """

    def __init__(self, objects: Objects, prefix: str = "") -> None:
        self._objects = objects
        self._prefix = check_prefix(prefix)

    def within(self, prefix: str) -> ObjectStore:
        """Return the same store, confined to what is below `prefix`, as to one project."""
        return ObjectStore(self._objects, self._prefix + check_prefix(prefix))

    def put_file(
        self, key: str, source: Path, *, keep_until: datetime | None = None
    ) -> StoredObject:
        """Store the file `source`; durable and whole on return.

        Raises
        ------
        Conflict
            Other bytes are under `key`.
        Unavailable
            The store does not answer or is full; try again.
        """
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return self._ours(self._objects.put(self._key(key), source, digest, keep_until=keep_until))

    def put_bytes(
        self, key: str, content: bytes, *, keep_until: datetime | None = None
    ) -> StoredObject:
        """Store `content`; see `put_file`."""
        with tempfile.NamedTemporaryFile(prefix="mavis-object-") as file:
            file.write(content)
            file.flush()
            return self.put_file(key, Path(file.name), keep_until=keep_until)

    def stat(self, key: str) -> StoredObject:
        """Return what is under `key`.

        Raises
        ------
        NotFound
            Nothing is.
        """
        return self._ours(self._objects.stat(self._key(key)))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below `prefix`, in the order of their letters."""
        for key in self._objects.keys(self._prefix + check_prefix(prefix)):
            yield key.removeprefix(self._prefix)

    def open(self, key: str) -> BinaryIO:
        """Return the object as a file that seeks. What it gives is not compared with the digest.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        """
        return self._objects.open(self._key(key))

    def read(self, key: str) -> bytes:
        """Return the bytes of a small object, compared with its digest.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        Damaged
            The bytes are not those that were stored.
        """
        stored = self.stat(key)
        with self.open(key) as file:
            content = file.read()
        _compare(stored, hashlib.sha256(content).hexdigest())
        return content

    def address(self, key: str, *, lasts: timedelta, name: str) -> str | None:
        """Return an address at which anybody may read the object for a while, and nothing else.

        Whoever has it needs no account: check first who asks. None: the store has no addresses,
        and the caller sends the bytes itself.

        Parameters
        ----------
        lasts
            How long, from a second to an hour.
        name
            Of the file, for a browser that saves it.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        InvalidInput
            It would last too long, or `name` is none.
        """
        if not timedelta(seconds=1) <= lasts <= _LONGEST:
            raise InvalidInput(f"An address lasts from 1 s to {_LONGEST}, not {lasts}")
        if not _FILE_NAME.fullmatch(name):
            raise InvalidInput(f"No name of a file: {name[:60]!r}")
        return self._objects.address(self._key(key), lasts, name)

    def fetch(self, key: str, target: Path) -> StoredObject:
        """Copy the object to the new file `target`, which is there only when it is whole.

        Raises
        ------
        NotFound
            Nothing is under `key`.
        Damaged
            The bytes are not those that were stored.
        """
        stored = self.stat(key)
        private_folder(target.parent)
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=".fetching-")
        incoming = Path(name)
        try:
            with self.open(key) as file, os.fdopen(fd, "wb") as copy:
                _compare(stored, _digest(file, copy.write))
                copy.flush()
                os.fsync(copy.fileno())
            incoming.rename(target)
        finally:
            incoming.unlink(missing_ok=True)
        sync_folder(target.parent)
        return stored

    def remove(self, key: str) -> None:
        """Remove what is under `key`, if anything is.

        Raises
        ------
        Conflict
            It is to be kept.
        """
        self._objects.remove(self._key(key))

    def scrub(
        self, prefix: str = "", *, stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[Damage]:
        """Read everything below `prefix` and yield what is not as it was stored."""
        for key in self.keys(prefix):
            if stopping():
                return
            try:
                stored = self.stat(key)
                with self.open(key) as file:
                    _compare(stored, _digest(file))
            except Damaged as exc:
                yield Damage(key, exc.message)
            except NotFound:  # removed since it was listed
                continue

    def expire(self, prefix: str, older_than: timedelta) -> list[str]:
        """Remove what is below `prefix`, older, and need not be kept; return the keys."""
        now = clock.now()
        removed = []
        for key in list(self.keys(prefix)):
            try:
                stored = self.stat(key)
            except NotFound:
                continue
            kept = stored.keep_until is not None and now < stored.keep_until
            if not kept and stored.stored_at < now - older_than:
                self.remove(key)
                removed.append(key)
        return removed

    def sweep(self) -> int:
        """Remove what uploads of two days ago left behind; return how many there were."""
        return self._objects.sweep(clock.now() - timedelta(days=_UPLOAD_DAYS))

    def _key(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _ours(self, stored: StoredObject) -> StoredObject:
        return StoredObject(
            stored.key.removeprefix(self._prefix),
            stored.size_bytes,
            stored.sha256,
            stored.stored_at,
            stored.keep_until,
        )


def _digest(file: BinaryIO, each: Callable[[bytes], object] = len) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        each(chunk)
    return digest.hexdigest()


def _compare(stored: StoredObject, found: str) -> None:
    if found != stored.sha256:
        raise Damaged(
            f"The object {stored.key} is not what was stored: its SHA-256 is {found[:12]}…"
            f" and was {stored.sha256[:12]}…"
        )
