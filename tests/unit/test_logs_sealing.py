"""Sealing the journal: whatever a crash leaves, all is sealed once and what was lost shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from mavis_core import clock
from mavis_core.errors import Unavailable
from mavis_core.logs import Journal, Quarantine, sealing
from mavis_core.logs.evidence import Verdict, Written, fingerprint, verify
from mavis_core.logs.journal import read_folder
from mavis_core.logs.sealing import SEALS, Sealer, SealFile, new_key, private_key, read_seals

KEY = private_key(new_key())
KEYS = {fingerprint(KEY.public_key()): KEY.public_key()}


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Journal, Sealer]]:
    quarantine = Quarantine(folder / "quarantine")
    journal = Journal(folder, quarantine)
    file = SealFile(folder, quarantine)
    yield journal, Sealer(journal, file, KEY)
    file.close()
    journal.close()


def payloads(first: int, count: int) -> list[bytes]:
    return [b'{"id":"rec_%d"}' % number for number in range(first, first + count)]


def checked(folder: Path) -> Verdict:
    lines = enumerate(read_folder(folder), start=1)
    found = (Written(number, line.payload or b"") for number, line in lines)
    return verify(found, list(read_seals(folder)), KEYS, begins=1)


def test_what_comes_is_sealed_once_over_any_number_of_starts(tmp_path: Path) -> None:
    for start in range(3):
        with opened(tmp_path) as (journal, sealer):
            journal.append(payloads(start * 10, 4))
            assert sealer.seal() == 4
            assert sealer.seal() == 0
            journal.append(payloads(start * 10 + 4, 2))
            assert sealer.seal() == 2
    verdict = checked(tmp_path)
    assert (verdict.findings, verdict.records, verdict.unsealed) == ([], 18, 0)
    assert [each.seal.count for each in read_seals(tmp_path)] == [4, 2] * 3


def test_what_is_not_sealed_yet_is_told(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 3))
        sealer.seal()
        journal.append(payloads(3, 2))
    verdict = checked(tmp_path)
    assert (verdict.intact, verdict.records, verdict.unsealed) == (True, 3, 2)


def test_a_long_stretch_is_sealed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_MOST", 10)
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 25))
        assert sealer.seal() == 25
    assert [each.seal.count for each in read_seals(tmp_path)] == [10, 10, 5]
    assert checked(tmp_path).records == 25


def test_a_quiet_hour_is_sealed_too(tmp_path: Path) -> None:
    with opened(tmp_path) as (_, sealer):
        assert sealer.seal() == 0
        assert sealer.seal() == 0
        later = clock.now() + timedelta(hours=1, seconds=1)
        with clock.set_clock(lambda: later):
            sealer.seal()
            sealer.seal()
    assert [each.seal.count for each in read_seals(tmp_path)] == [0, 0]
    assert checked(tmp_path).intact


@pytest.mark.parametrize("keep", [1, 0.5, 0.99])
def test_half_a_seal_is_put_aside_and_made_anew(tmp_path: Path, keep: float) -> None:
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 3))
        sealer.seal()
        whole = (tmp_path / SEALS).read_bytes()
        journal.append(payloads(3, 3))
        sealer.seal()
    both = (tmp_path / SEALS).read_bytes()
    torn = max(1, int((len(both) - len(whole) - 1) * keep))
    (tmp_path / SEALS).write_bytes(both[: len(whole) + torn])
    assert [each.seal.count for each in read_seals(tmp_path)] == [3]
    with opened(tmp_path) as (_, sealer):
        assert sealer.seal() == 3
    assert checked(tmp_path).records == 6
    (aside,) = (tmp_path / "quarantine").iterdir()
    assert aside.read_bytes() == both[len(whole) : len(whole) + torn]


def test_a_journal_that_lost_what_was_sealed_is_told_and_not_sealed_over(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 5))
        sealer.seal()
    (file,) = tmp_path.glob("2*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3]))
    with (
        opened(tmp_path) as (_, sealer),
        pytest.raises(Unavailable, match="up to where it was sealed"),
    ):
        sealer.seal()
    verdict = checked(tmp_path)
    assert [(each.what, each.number) for each in verdict.findings] == [
        ("missing", 4),
        ("missing", 5),
    ]


def test_a_line_that_a_disk_changed_later_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 5))
        sealer.seal()
    (file,) = tmp_path.glob("2*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"rec_2", b"rec_X"))
    verdict = checked(tmp_path)
    assert [(each.what, each.number) for each in verdict.findings] == [("altered", 3)]


def test_the_last_seal_must_be_readable_to_go_on(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        journal.append(payloads(0, 1))
        sealer.seal()
    (tmp_path / SEALS).write_bytes(b'{"seal":{}}\n')
    with pytest.raises(Unavailable, match="last seal"):
        SealFile(tmp_path, Quarantine(tmp_path / "quarantine"))


def test_its_thread_seals_the_last_ones_before_it_ends(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        sealer.start()
        journal.append(payloads(0, 3))
        sealer.stop()
        assert sealer.error is None
    assert checked(tmp_path).records == 3


def test_a_key_that_is_none_is_told_as_such() -> None:
    for text in ("", "!", "AAAA"):
        with pytest.raises(Unavailable, match="key that signs the log"):
            private_key(text)


def test_a_seal_line_has_the_place_where_its_stretch_ends(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, sealer):
        end = journal.append(payloads(0, 2))
        sealer.seal()
    told = json.loads((tmp_path / SEALS).read_bytes())
    assert told["place"] == [end.file, end.offset]
