"""Seals of the journal: what is said of each minute's records, signed and chained.

A seal says nothing of what comes before it is made: records of the last minute can still be changed
by whoever owns the machine. `evidence` has the words and the checks.

``seals.jsonl`` beside the journal has a line a seal, with the hints that help to find a record, and
the place in the journal where the stretch ends.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.folders import sync_folder
from mavis_core.logs.evidence import HINT, Seal, Sealed, Tree, leaf, sign
from mavis_core.logs.journal import START, Journal, Line, Position
from mavis_core.logs.loop import Loop
from mavis_core.logs.quarantine import Quarantine

__all__ = [
    "SEALS",
    "Mark",
    "SealFile",
    "Sealer",
    "new_key",
    "private_key",
    "read_marks",
    "read_seals",
]


SEALS = "seals.jsonl"
_MOST = 10_000  # records of a stretch: a check holds the hashes of one in memory
_EVERY_S = 60.0
_QUIET = timedelta(hours=1)


def new_key() -> str:
    """Return a new signing key as text."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode("ascii")


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the key that `new_key` wrote.

    Raises
    ------
    Unavailable
        It is none.
    """
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
    except ValueError as exc:
        raise Unavailable(
            "The key that signs the log cannot be read",
            mend="Restore secrets/logs/seal-key from the backup of the appliance.",
        ) from exc


@dataclass(frozen=True, slots=True)
class Mark:
    """A seal, and the place in the journal after its stretch."""

    sealed: Sealed
    place: Position

    def to_line(self) -> bytes:
        """Return it as a line of ``seals.jsonl``."""
        value = {
            "seal": self.sealed.seal.to_json(),
            "hints": self.sealed.hints.hex(),
            "place": [self.place.file, self.place.offset],
        }
        return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Mark:
        """Return what `to_line` wrote.

        Raises
        ------
        ValueError
            It is no such line.
        """
        try:
            value = json.loads(line)
            sealed = Sealed(Seal.from_json(value["seal"]), bytes.fromhex(value["hints"]))
            file, offset = value["place"]
            return cls(sealed, Position(str(file), int(offset)))
        except (KeyError, TypeError) as exc:
            raise ValueError(f"not a seal: {exc}") from exc


def read_marks(folder: Path, offset: int = 0) -> Iterator[tuple[Mark, int]]:
    """Yield the seals of the journal in `folder`, each with the offset after it in the file.

    What the last crash left of one is passed over.

    Parameters
    ----------
    offset
        Where to begin: 0, or one that was given.

    Raises
    ------
    ValueError
        A line before the last one is no seal.
    """
    try:
        with (folder / SEALS).open("rb") as file:
            file.seek(offset)
            for line in file:
                offset += len(line)
                if line.endswith(b"\n"):
                    yield Mark.from_line(line), offset
    except FileNotFoundError:
        return


def read_seals(folder: Path) -> Iterator[Sealed]:
    """Yield the seals of the journal in `folder`; see `read_marks`."""
    return (mark.sealed for mark, _ in read_marks(folder))


class SealFile:
    """The seals of one journal. One thread appends.

    Parameters
    ----------
    folder
        The journal's.
    quarantine
        Takes what a crash left of a seal.

    Raises
    ------
    Unavailable
        The last seal that was written cannot be read.
    """

    def __init__(self, folder: Path, quarantine: Quarantine) -> None:
        self._path = folder / SEALS
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        sync_folder(folder)
        try:
            self._size, self.last = self._open(quarantine)
        except BaseException:
            self.close()
            raise

    def append(self, mark: Mark) -> None:
        """Add a seal, durable on return.

        Raises
        ------
        Unavailable
            The disk failed or is full; nothing was added.
        """
        line = mark.to_line()
        try:
            os.write(self._fd, line)
            os.fsync(self._fd)
        except OSError as exc:
            os.ftruncate(self._fd, self._size)
            raise Unavailable(
                f"The seals in {self._path} cannot be written: {exc.strerror}",
                mend="Free disk space or mend the disk; what was not sealed is sealed then.",
                retry_after_s=60,
            ) from exc
        self._size += len(line)
        self.last = mark

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _open(self, quarantine: Quarantine) -> tuple[int, Mark | None]:
        last, size, whole = b"", 0, 0
        with self._path.open("rb") as file:
            for line in file:
                size += len(line)
                if line.endswith(b"\n"):
                    last, whole = line, size
        if whole < size:
            torn = os.pread(self._fd, size - whole, whole)
            quarantine.keep_bytes(f"torn-{SEALS}-{whole}", [torn])
            os.ftruncate(self._fd, whole)
            os.fsync(self._fd)
        try:
            return whole, Mark.from_line(last) if last else None
        except ValueError as exc:
            raise Unavailable(
                f"The last seal in {self._path} cannot be read",
                mend="Bring the file back from the backup of the appliance: nothing can be sealed"
                " that does not follow it.",
            ) from exc


class Sealer:
    """Seals what the journal has more, every minute, in a thread of its own.

    Parameters
    ----------
    journal, file
        Both stay open; who made them closes them after `stop`.
    key
        Signs.
    every_s
        Seconds between two looks.
    """

    def __init__(
        self,
        journal: Journal,
        file: SealFile,
        key: Ed25519PrivateKey,
        *,
        every_s: float = _EVERY_S,
    ) -> None:
        self._journal, self._file, self._key = journal, file, key
        self._loop = Loop(
            "log-sealer", self._do, every_s=every_s, after_failure_s=every_s, last=True
        )

    @property
    def error(self) -> str | None:
        """What the last look failed with; None where it went well."""
        return self._loop.error

    @property
    def last(self) -> Seal | None:
        """The last seal; None before the first."""
        return None if self._file.last is None else self._file.last.sealed.seal

    def start(self) -> None:
        """Begin to seal."""
        self._loop.start()

    def stop(self) -> None:
        """Seal what there is and end."""
        self._loop.stop(timeout_s=None)

    def seal(self) -> int:
        """Seal all that the journal has more; return how many records that were.

        Raises
        ------
        Unavailable
            The disk failed, or the journal has lost what was sealed already.
        """
        place = START if self._file.last is None else self._file.last.place
        if not self._journal.covers(place):
            raise Unavailable(
                f"The journal ends before {place.file}:{place.offset}, up to where it was sealed",
                mend="Records are missing: bring the journal back from the backup of the"
                " appliance; `mavisctl audit verify` names them.",
            )
        lines, sealed = self._journal.read(place), 0
        while stretch := list(islice(lines, _MOST)):
            self._add(stretch)
            sealed += len(stretch)
        if not sealed and self._quiet_for_long():
            self._add([])
        return sealed

    def _add(self, stretch: list[Line]) -> None:
        tree, hints = Tree(), bytearray()
        for line in stretch:
            hashed = leaf(line.payload or b"")  # a damaged line: it has its place all the same
            tree.add(hashed)
            hints += hashed[:HINT]
        seal = sign(
            self._key,
            self.last,
            count=tree.size,
            root=tree.root(),
            time=clock.iso(clock.now()),
        )
        before = START if self._file.last is None else self._file.last.place
        place = stretch[-1].end if stretch else before
        self._file.append(Mark(Sealed(seal, bytes(hints)), place))

    def _quiet_for_long(self) -> bool:
        return self.last is None or clock.parse(self.last.time) < clock.now() - _QUIET

    def _do(self) -> bool:
        self.seal()
        return False
