"""Where things go that the log cannot keep: put aside with the reason, never thrown away.

``records.jsonl`` holds records that break their schema, a line each, with what looks like a secret
masked; other files hold bytes cut
from a journal and index files that could not be read.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.folders import private_folder, sync_folder
from mavis_core.logs.masking import mask

__all__ = ["Quarantine"]

_REFUSED = "records.jsonl"


class Quarantine:
    """A folder for what cannot be kept. Safe for threads.

    Parameters
    ----------
    folder
        Made on demand, for its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        private_folder(folder)
        self._lock = threading.Lock()
        self._count = self._count_now()

    def _count_now(self) -> int:
        files = [path for path in self.folder.iterdir() if path.name != _REFUSED]
        try:
            with (self.folder / _REFUSED).open("rb") as refused:
                return len(files) + sum(1 for _ in refused)
        except FileNotFoundError:
            return len(files)

    @property
    def count(self) -> int:
        """How many things lie here."""
        return self._count

    def refuse_record(self, seq: int, row: str, reason: str) -> None:
        """Keep the row `seq` of the outbox, as text, with the reason why it is no record."""
        self._refuse([{"seq": seq, "reason": reason, "row": mask(row)}])

    def refuse_lines(self, lines: Iterable[tuple[int, str, bytes]], sender: str) -> None:
        """Keep lines that `sender` sent and that are no records: number, reason and bytes."""
        self._refuse(
            [
                {"sender": sender, "line": number, "reason": reason, "row": mask(_text(line))}
                for number, reason, line in lines
            ]
        )

    def _refuse(self, refused: Sequence[dict[str, Any]]) -> None:
        now = clock.iso(clock.now())
        lines = [json.dumps({"time": now, **each}).encode("ascii") for each in refused]
        with self._lock:
            path = self.folder / _REFUSED
            created = not path.exists()
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb", buffering=0) as file:
                self._append(file, b"".join(line + b"\n" for line in lines))
            if created:
                sync_folder(self.folder)
            self._count += len(lines)

    def _append(self, file: FileIO, block: bytes) -> None:
        size = os.fstat(file.fileno()).st_size
        try:
            view = memoryview(block)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as exc:
            with suppress(OSError):
                file.truncate(size)
            raise Unavailable(
                f"The quarantine in {self.folder} cannot be written: {exc.strerror}",
                mend="Free disk space or mend the disk.",
                retry_after_s=5,
            ) from exc

    def keep_bytes(self, name: str, chunks: Iterable[bytes]) -> Path:
        """Keep `chunks` as a new file that begins with `name`, durable on return."""
        with self._lock:
            path = self._free(name)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.folder)
            self._count += 1
            return path

    def keep_file(self, path: Path) -> Path:
        """Move the file at `path` here and return where it is now."""
        with self._lock:
            target = self._free(path.name)
            path.rename(target)
            sync_folder(self.folder)
            sync_folder(path.parent)
            self._count += 1
            return target

    def _free(self, name: str) -> Path:
        stamp = clock.now().strftime("%Y%m%dT%H%M%S")
        for number in range(1, 10_000):
            path = self.folder / f"{name}.{stamp}-{number}"
            if not path.exists():
                return path
        raise FileExistsError(f"{self.folder} has no free name for {name}")


def _text(line: bytes) -> str:
    """Return `line` as text of which its bytes can be made again, whatever they are."""
    return line.decode("utf-8", "surrogateescape")
