"""Damage in the archive is found without anybody asking, told once, and forgotten when mended."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from log_questions import make_record
from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.logs.manifests import Segment
from mavis_core.logs.scrubbing import Scrubber
from mavis_core.records import Record
from opened_log import Log, opened

NOW = datetime(2032, 6, 15, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with clock.set_clock(lambda: NOW):
        yield


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with ExitStack() as closers:
        log = opened(tmp_path, closers)
        rng = random.Random(1)
        for _ in range(3):
            log.add([make_record(rng) for _ in range(5)])
            log.archive_all()
        yield log


class Told(list[Record]):
    def __call__(self, records: Sequence[Record]) -> None:
        self.extend(records)


def scrubber(log: Log, told: Told) -> Scrubber:
    return Scrubber(log.archive, log.store, log.journal.folder, every=WEEK, report=told)


def turn(each: Scrubber) -> list[Segment]:
    read = []
    while (segment := each.step()) is not None:
        read.append(segment)
    return read


def path_of(folder: Path, key: str) -> Path:
    return folder / "objects" / "objects" / key


def test_every_segment_is_read_once_a_turn(log: Log) -> None:
    told = Told()
    each = scrubber(log, told)
    assert turn(each) == list(log.archive.segments)
    assert (each.damage, each.ended_at, told) == (None, NOW, [])
    assert turn(each) == []
    with clock.set_clock(lambda: NOW + WEEK):
        assert turn(each) == list(log.archive.segments)


def test_a_new_process_goes_on_where_the_one_before_was(log: Log) -> None:
    first = scrubber(log, Told()).step()
    assert first == log.archive.segments[0]
    assert turn(scrubber(log, Told())) == list(log.archive.segments[1:])
    assert turn(scrubber(log, Told())) == []


@pytest.mark.parametrize("part", ["records", "words", "manifest"])
@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_damage_is_told_once_and_until_it_is_mended(
    part: str, harm: str, log: Log, tmp_path: Path
) -> None:
    segment = log.archive.segments[1]
    key = segment.manifest_key if part == "manifest" else getattr(segment, part).key
    path, told = path_of(tmp_path, key), Told()
    was = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"!" + was[1:])
    each = scrubber(log, told)
    turn(each)
    assert key in str(each.damage)
    assert [(it.action, it.object, it.project) for it in told] == [("log.damage", key, None)]
    assert "records 6 to 10 are damaged" in told[0].summary
    again = scrubber(log, told)
    assert key in str(again.damage)
    with clock.set_clock(lambda: NOW + WEEK):
        turn(again)
    assert len(told) == 1
    path.write_bytes(was)
    with clock.set_clock(lambda: NOW + 2 * WEEK):
        turn(again)
    assert again.damage is None


def test_what_could_not_be_told_is_found_again(log: Log, tmp_path: Path) -> None:
    path_of(tmp_path, log.archive.segments[0].words.key).unlink()

    def fails(_: Sequence[Record]) -> None:
        raise Unavailable("The journal does not answer")

    each = Scrubber(log.archive, log.store, log.journal.folder, every=WEEK, report=fails)
    with pytest.raises(Unavailable):
        each.step()
    told = Told()
    turn(scrubber(log, told))
    assert len(told) == 1


def test_what_it_remembered_may_be_lost(log: Log) -> None:
    turn(scrubber(log, Told()))
    (log.journal.folder / "scrub.json").write_text("{")
    assert turn(scrubber(log, Told())) == list(log.archive.segments)
