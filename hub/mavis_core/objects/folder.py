"""Objects in a folder of this machine.

::

    objects/<key>      the bytes
    about/<key>        digest, size and times, as JSON
    incoming/          what is on its way; nobody looks here
    lock               held while an object appears or goes

What is said about an object is there before its bytes are, so that bytes under a key are whole
and have a digest, whenever the machine stops.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem

from mavis_core import clock
from mavis_core.errors import Conflict, Damaged, NotFound, Unavailable
from mavis_core.folders import private_folder, sync_folder
from mavis_core.objects.model import StoredObject, check_key, check_prefix

__all__ = ["FolderObjects"]

_CHUNK_BYTES = 1 << 20


class FolderObjects:
    """The objects below one folder, which belongs to one Unix user.

    Parameters
    ----------
    folder
        Made on demand, for its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filesystem = LocalFileSystem()
        self._objects, self._about = folder / "objects", folder / "about"
        self._incoming = folder / "incoming"
        for each in (self._objects, self._about, self._incoming):
            private_folder(each)

    def put(
        self, key: str, source: Path, sha256: str, *, keep_until: datetime | None
    ) -> StoredObject:
        """Store the file `source` under `key`; see `Objects.put`."""
        check_key(key)
        with _translated(self.folder, key):
            incoming = self._incoming / uuid4().hex
            try:
                size, found = _copy(source, incoming)
                if found != sha256:
                    raise Damaged(f"What was stored as {key} is not what was sent")
                with self._lock():
                    if (there := self._there(key)) is not None:
                        return _same(there, sha256)
                    stored = StoredObject(key, size, sha256, clock.now(), keep_until)
                    self._say(stored)
                    _appear(incoming, self._objects / key)
            finally:
                incoming.unlink(missing_ok=True)
        return stored

    def stat(self, key: str) -> StoredObject:
        """Return what is under `key`; see `Objects.stat`."""
        if (found := self._there(check_key(key))) is None:
            raise NotFound(f"There is no object {key}")
        return found

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below `prefix`; see `Objects.keys`."""
        top = self._objects / check_prefix(prefix)
        found = (path for path in top.rglob("*") if path.is_file())
        yield from sorted(path.relative_to(self._objects).as_posix() for path in found)

    def open(self, key: str) -> BinaryIO:
        """Return the object as a file; see `Objects.open`."""
        path = self._objects / check_key(key)
        try:
            opened: BinaryIO = self.filesystem.open(str(path), "rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            raise NotFound(f"There is no object {key}") from exc
        return opened

    def remove(self, key: str) -> None:
        """Remove what is under `key`; see `Objects.remove`."""
        check_key(key)
        with _translated(self.folder, key), self._lock():
            there = self._there(key)
            if there is None:
                return
            if there.keep_until is not None and clock.now() < there.keep_until:
                raise Conflict(
                    f"The object {key} is kept until {clock.iso(there.keep_until)}",
                    mend="Wait until then.",
                )
            for top in (self._objects, self._about):  # first what makes it an object
                (top / key).unlink(missing_ok=True)
                _prune((top / key).parent, top)

    def address(self, key: str, _lasts: timedelta, _name: str) -> str | None:
        """Return None: a folder has no addresses; see `Objects.address`."""
        self.stat(key)
        return None

    def sweep(self, before: datetime) -> int:
        """Remove what is older than `before` and never became an object."""
        swept = 0
        with self._lock():
            for path in self._incoming.iterdir():
                swept += _unlink_older(path, before)
            for path in self._about.rglob("*"):
                if path.is_file() and not (self._objects / path.relative_to(self._about)).is_file():
                    swept += _unlink_older(path, before)
        return swept

    def _there(self, key: str) -> StoredObject | None:
        try:
            size = (self._objects / key).stat().st_size
            if not (self._objects / key).is_file():
                return None
            told = json.loads((self._about / key).read_bytes())
            keep_until = told["keep_until"] and clock.parse(told["keep_until"])
            return StoredObject(
                key, size, told["sha256"], clock.parse(told["stored_at"]), keep_until
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError) as exc:
            raise Damaged(f"What is known of the object {key} cannot be read") from exc

    def _say(self, stored: StoredObject) -> None:
        told = {
            "sha256": stored.sha256,
            "size_bytes": stored.size_bytes,
            "stored_at": clock.iso(stored.stored_at),
            "keep_until": stored.keep_until and clock.iso(stored.keep_until),
        }
        incoming = self._incoming / uuid4().hex
        with _new(incoming) as file:
            file.write(json.dumps(told).encode("ascii"))
        _appear(incoming, self._about / stored.key)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """Give the block a new file that is durable after it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, target: Path) -> tuple[int, str]:
    """Copy durably; return size and digest of what the target has, read from it."""
    with source.open("rb") as given, _new(target) as file:
        shutil.copyfileobj(given, file, _CHUNK_BYTES)
    with target.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
        return written.tell(), digest


def _appear(incoming: Path, target: Path) -> None:
    private_folder(target.parent)
    incoming.rename(target)
    sync_folder(target.parent)


def _prune(folder: Path, top: Path) -> None:
    """Make a removal in `folder` durable; what is empty up to `top` goes too."""
    while folder != top:
        try:
            folder.rmdir()
        except OSError:  # not empty
            break
        folder = folder.parent
    sync_folder(folder)


def _same(there: StoredObject, sha256: str) -> StoredObject:
    if there.sha256 != sha256:
        raise Conflict(
            f"Other bytes are stored as {there.key} already",
            mend="Objects never change: take another key.",
        )
    return there


def _unlink_older(path: Path, before: datetime) -> bool:
    try:
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) >= before:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _translated(folder: Path, key: str) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise Conflict(
            f"{key} is no key here: one of its names is an object, or it holds objects",
            mend="Take another key.",
        ) from exc
    except OSError as exc:
        raise Unavailable(
            f"The object {key} cannot be written below {folder}: {exc.strerror}",
            mend="Free disk space or mend the disk; what is to be stored waits meanwhile.",
            retry_after_s=5,
        ) from exc
