"""Checking the log as a whole, and taking parts of it along with their evidence.

It reads the files of the log process beside it, as root or as who runs a try-out, and writes
nothing there.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import Conflict, InvalidInput, NotFound, Unavailable
from mavis_core.logs import evidence
from mavis_core.logs.anchoring import copied_seals
from mavis_core.logs.archive import read_catalogue
from mavis_core.logs.codec import decode
from mavis_core.logs.completeness import Completeness
from mavis_core.logs.erasing import Over, over_in
from mavis_core.logs.evidence import Seal, Sealed, Verdict, Written, fingerprint, proof
from mavis_core.logs.holds import RecordHold
from mavis_core.logs.opening import anchor_stores, archive_store, retention_of
from mavis_core.logs.reading import all_lines
from mavis_core.logs.sealing import private_key, read_seals
from mavis_core.logs.segment_cache import SegmentCache
from mavis_core.logs.segment_reader import SegmentReader
from mavis_core.logs.segments import Erased
from mavis_core.records.model import Record
from mavis_hub.bundle_reader import SHOWN, write_reader

__all__ = ["Choice", "Exported", "anchor", "export", "key_name", "over_periods", "verify"]

T = TypeVar("T")


def key_name(config: Config) -> str:
    """Return the fingerprint of the key that signs the log."""
    return fingerprint(_key(config).public_key())


def anchor(config: Config) -> Seal:
    """Return the last seal, to be kept elsewhere.

    Raises
    ------
    NotFound
        Nothing was sealed yet.
    """
    last = None
    for last in _seals(config):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        raise NotFound("Nothing was sealed yet", mend="Wait a minute: that often it is sealed.")
    return last.seal


def _anchor_at(path: Path) -> Seal:
    """Return the seal that was kept at `path`.

    Raises
    ------
    InvalidInput
        It is none.
    """
    try:
        return Seal.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError) as exc:
        raise InvalidInput(
            f"No seal at {path}: {exc}", mend="Give a file that `mavisctl audit anchor` wrote."
        ) from exc


def verify(config: Config, anchors: Iterable[Path]) -> tuple[Verdict, Completeness]:
    """Compare the whole log, archive included, with its seals, and those with their copies.

    Whether records that carry a number are all there is the second verdict.

    Raises
    ------
    InvalidInput
        An anchor is no seal.
    Unavailable
        The files of the log process cannot be read.
    """
    public = _key(config).public_key()
    kept = [_anchor_at(path) for path in anchors]
    kept += (seal for store in anchor_stores(config) for seal in copied_seals(store))
    seals = list(_seals(config))
    complete = Completeness()

    def looked_at() -> Iterator[Written]:
        for it in _records(config):
            if it.erased is None:
                complete.add(it.record)
            else:
                complete.skip()
            yield it

    keys = {fingerprint(public): public}
    verdict = evidence.verify(looked_at(), seals, keys, anchors=kept, begins=1)
    return verdict, complete


def over_periods(config: Config, holds: Sequence[RecordHold]) -> Iterator[Over]:
    """Yield what of the archive is over its period and is erased next.

    Raises
    ------
    Damaged, NotFound, Unavailable
        A segment cannot be read.
    """
    store, public, now = archive_store(config), _key(config).public_key(), clock.now()
    with tempfile.TemporaryDirectory(prefix="mavis-audit-") as name:
        scratch = Path(name)
        cache = SegmentCache(scratch / "cache", store, 0)
        with closing(SegmentReader(cache, scratch)) as reader:
            for segment in _reading(config, lambda: iter(read_catalogue(config.journal, public))):
                found = over_in(segment, retention_of(config), holds, reader, now)
                if found is not None:
                    yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which records to take along; all conditions must hold.

    Parameters
    ----------
    project
        The id of a project.
    since, until
        From this moment on; before this moment.
    """

    project: str | None = None
    correlation_id: str | None = None
    person: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def to_params(self) -> dict[str, str]:
        """Return what was chosen by, as texts."""
        moments = {"since": self.since, "until": self.until}
        texts = {each: getattr(self, each) for each in ("project", "correlation_id", "person")}
        told = texts | {name: at and clock.iso(at) for name, at in moments.items()}
        return {name: text for name, text in told.items() if text is not None}

    def fits(self, record: Record) -> bool:
        """Return whether to take `record`."""
        return (
            self.project in (None, record.project)
            and self.correlation_id in (None, record.correlation_id)
            and self.person in (None, record.person)
            and (self.since is None or self.since <= record.time)
            and (self.until is None or record.time < self.until)
        )


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written to a folder.

    Parameters
    ----------
    unsealed
        Records that would have been chosen and were not sealed yet; they are left out.
    """

    folder: Path
    records: int
    unsealed: int


def export(
    config: Config,
    folder: Path,
    choice: Choice,
    tell: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write the chosen records, each with its proof, their seals and the verifier to `folder`.

    Parameters
    ----------
    tell
        Is told how many records are taken, before the folder is there; where it fails, none is.

    Raises
    ------
    Conflict
        `folder` is there and not empty.
    NotFound
        No record was chosen.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is there and not empty", mend="Name a new folder.")
    public = _key(config).public_key()
    seals = [sealed.seal for sealed in _seals(config)]
    lines = _records(config)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        with (partial / "records.jsonl").open("wb") as file:
            taken = 0
            for part in _parts(lines, seals, choice):
                file.writelines(part)
                taken += len(part)
        unsealed = sum(1 for it in lines if (found := _read(it)) and choice.fits(found))
        if not taken:
            late = f"; {unsealed} that fit are not sealed yet" if unsealed else ""
            raise NotFound(f"No sealed record fits{late}", mend="Choose others, or wait a minute.")
        told = {
            "bundle": 1,
            "excerpt": True,
            "appliance": config.public_url,
            "exported_at": clock.iso(clock.now()),
            "keys": [base64.b64encode(public.public_bytes_raw()).decode("ascii")],
            "records": taken,
        }
        (partial / "bundle.json").write_text(json.dumps(told, indent=2) + "\n", encoding="ascii")
        with (partial / "seals.jsonl").open("w", encoding="ascii") as file_of_seals:
            file_of_seals.writelines(json.dumps({"seal": it.to_json()}) + "\n" for it in seals)
        shutil.copyfile(evidence.__file__, partial / "evidence.py")
        records = islice(_taken(partial / "records.jsonl"), SHOWN)
        write_reader(partial / "reader.html", records, told, fingerprint(public))
        tell(taken)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(folder, taken, unsealed)


def _taken(path: Path) -> Iterator[tuple[int, Record]]:
    with path.open("rb") as file:
        for it in evidence.read_records(file):
            if isinstance(it, Written):
                yield it.number, decode(it.record)


def _parts(
    lines: Iterator[Written], seals: Sequence[Seal], choice: Choice
) -> Iterator[Sequence[bytes]]:
    """Yield the lines of each stretch that were chosen, with proofs; take what is sealed only."""
    for seal in seals:
        stretch = list(islice(lines, seal.count))
        chosen = [at for at, it in enumerate(stretch) if (r := _read(it)) and choice.fits(r)]
        if chosen:
            leaves = [it.hash for it in stretch]
            yield [
                evidence.written(stretch[at].number, stretch[at].record, proof(leaves, at))
                for at in chosen
            ]


def _read(it: Written) -> Record | None:
    try:
        return decode(it.record)
    except InvalidInput:  # a damaged line, or an erased one
        return None


def _records(config: Config) -> Iterator[Written]:
    with tempfile.TemporaryDirectory(prefix="mavis-audit-") as scratch:
        lines = all_lines(
            config.journal, archive_store(config), _key(config).public_key(), Path(scratch)
        )
        for number, line in _reading(config, lambda: lines):
            if isinstance(line, Erased):
                yield Written(number, b"", erased=line.leaf)
            else:
                yield Written(number, line)


def _seals(config: Config) -> Iterator[Sealed]:
    try:
        yield from _reading(config, lambda: read_seals(config.journal))
    except ValueError as exc:
        raise Unavailable(
            f"The seals below {config.journal} cannot be read: {exc}",
            mend="Bring seals.jsonl back from the backup of the appliance.",
        ) from exc


def _reading(config: Config, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
    try:
        yield from begin()
    except OSError as exc:
        raise Unavailable(
            f"The log below {config.journal} cannot be read: {exc.strerror}",
            mend="Run it on the appliance, as root or as who started Mavis.",
        ) from exc


def _key(config: Config) -> Ed25519PrivateKey:
    return private_key(config.read_secret("logs", "seal-key"))
