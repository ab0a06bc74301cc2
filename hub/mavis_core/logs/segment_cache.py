"""Objects of segments as files of this machine, whole and compared with their digests.

Files lie under their digest, the one used longest ago goes first. One that is in use stays.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mavis_core.errors import Damaged
from mavis_core.folders import private_folder
from mavis_core.logs.manifests import Part
from mavis_core.objects import ObjectStore

__all__ = ["SegmentCache"]


class SegmentCache:
    """Copies of objects in a folder that can be thrown away. Any thread may call it.

    Parameters
    ----------
    folder
        Made on demand; what another process left in it is used.
    store
        Where the objects are.
    most_bytes
        What the copies may take up; those in use may take more.
    """

    def __init__(self, folder: Path, store: ObjectStore, most_bytes: int) -> None:
        self.folder, self._store, self._most_bytes = folder, store, most_bytes
        private_folder(folder)
        self._lock = threading.Lock()
        self._in_use: dict[str, int] = {}
        self._checked: set[str] = set()
        self._fetching: dict[str, threading.Lock] = {}

    @contextmanager
    def file(self, part: Part) -> Iterator[Path]:
        """Give the block the object as a file that is not written to.

        Raises
        ------
        NotFound
            The object is not there.
        Damaged
            It is not as it was stored.
        Unavailable
            The store does not answer, or the disk is full.
        """
        path = self.folder / _name_of(part)
        with self._lock:
            self._in_use[path.name] = self._in_use.get(path.name, 0) + 1
            fetching = self._fetching.setdefault(path.name, threading.Lock())
        try:
            with fetching:
                self._have(part, path)
            yield path
        finally:
            with self._lock:
                self._in_use[path.name] -= 1
                if not self._in_use[path.name]:
                    del self._in_use[path.name]
            self._make_room()

    def keep_only(self, parts: Iterable[Part]) -> None:
        """Throw away copies of other objects than `parts`; those in use go the next time."""
        kept = {_name_of(part) for part in parts}
        with self._lock:
            for path in self.folder.iterdir():
                if path.name not in kept and not self._is_busy(path):
                    path.unlink(missing_ok=True)

    def _is_busy(self, path: Path) -> bool:
        return path.name in self._in_use or path.name.startswith(".")

    def _have(self, part: Part, path: Path) -> None:
        if part.sha256 in self._checked:
            with suppress(FileNotFoundError):
                os.utime(path)
                return
        if path.exists():  # from before this process
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == part.sha256:
                    self._checked.add(part.sha256)
                    return
            path.unlink()
        stored = self._store.fetch(part.key, path)
        if stored.sha256 != part.sha256:
            path.unlink()
            raise Damaged(f"The object {part.key} is not the one that was archived")
        self._checked.add(part.sha256)

    def _make_room(self) -> None:
        with self._lock:
            found = []
            for path in self.folder.iterdir():
                with suppress(FileNotFoundError):
                    about = path.stat()
                    found.append((about.st_mtime_ns, about.st_size, path))
            total = sum(size for _, size, _ in found)
            for _, size, path in sorted(found):
                if total <= self._most_bytes:
                    return
                if not self._is_busy(path):
                    path.unlink(missing_ok=True)
                    total -= size


def _name_of(part: Part) -> str:
    return part.sha256 + Path(part.key).suffix
