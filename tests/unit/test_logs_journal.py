"""The journal loses nothing that it acknowledged, whatever happens to its last file."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core import clock
from mavis_core.errors import Conflict, Internal, Unavailable
from mavis_core.logs import Journal, Position, Quarantine
from mavis_core.logs.journal import START

DAY = datetime(2030, 1, 31, 12, tzinfo=UTC)
_bytes = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b" "))
# Payloads that look like frames or ends of frames are the ones that could fool the reader.
_payloads = st.lists(
    _bytes | st.sampled_from([b"", b"{}", b"}", b'{"crc":"00000000","record":{}}', b"\x00" * 9]),
    min_size=1,
    max_size=4,
)


def open_journal(folder: Path) -> Journal:
    return Journal(folder, Quarantine(folder / "quarantine"))


def contents(journal: Journal, start: Position = START) -> list[bytes | None]:
    return [line.payload for line in journal.read(start)]


def set_aside(folder: Path) -> bytes:
    return b"".join(
        path.read_bytes() for path in sorted((folder / "quarantine").iterdir()) if path.is_file()
    )


@settings(max_examples=80)
@given(durable=st.lists(_payloads, max_size=3), torn=_payloads, data=st.data())
def test_a_batch_that_was_cut_anywhere_leaves_what_was_durable_and_the_journal_goes_on(
    durable: list[list[bytes]], torn: list[bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name, clock.set_clock(lambda: DAY):
        folder = Path(name)
        journal = open_journal(folder)
        for batch in durable:
            journal.append(batch)
        acknowledged = journal.end.offset
        journal.append(torn)
        journal.close()
        path = folder / "2030-01-31.jsonl"
        whole = path.read_bytes()
        cut = data.draw(st.integers(acknowledged, len(whole)), label="cut")
        garbage = data.draw(st.sampled_from([b"", b"\x00" * 50, b"\x00\n\x00", b"\n"]))
        path.write_bytes(whole[:cut] + garbage)

        journal = open_journal(folder)
        kept = contents(journal)
        expected = [payload for batch in durable for payload in batch]
        assert kept[: len(expected)] == expected
        assert kept[len(expected) :] == torn[: len(kept) - len(expected)]
        assert path.read_bytes() + set_aside(folder) == whole[:cut] + garbage

        journal.append([b"after"])
        journal.close()
        journal = open_journal(folder)
        assert contents(journal) == [*kept, b"after"]
        journal.close()


def test_a_reader_goes_on_from_the_end_of_any_line(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append([b"%d" % number for number in range(50)])
    lines = list(journal.read())
    for number, line in enumerate(lines):
        assert contents(journal, line.end) == [b"%d" % rest for rest in range(number + 1, 50)]
    assert lines[-1].end == journal.end
    journal.close()


def test_a_line_that_a_bad_disk_changed_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append([b"first", b"second", b"third"])
    journal.close()
    path = tmp_path / journal.end.file
    path.write_bytes(path.read_bytes().replace(b"second", b"secund"))
    journal = open_journal(tmp_path)
    assert contents(journal) == [b"first", None, b"third"]
    journal.close()


def test_lines_are_json(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append([b'{"id":"rec_1"}'])
    assert json.loads((tmp_path / journal.end.file).read_bytes())["record"] == {"id": "rec_1"}
    journal.close()


def test_each_utc_day_has_a_file_and_a_clock_that_is_set_back_keeps_the_order(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    for number, days in enumerate([0, 1, -3, 2]):
        today = DAY + timedelta(days=days)
        with clock.set_clock(partial(lambda moment: moment, today)):
            journal.append([b"%d" % number])
    assert contents(journal) == [b"0", b"1", b"2", b"3"]
    assert [path.name for path in sorted(tmp_path.glob("*.jsonl"))] == [
        "2030-01-31.jsonl",
        "2030-02-01.jsonl",
        "2030-02-02.jsonl",
    ]
    assert journal.size_bytes == sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    journal.close()
    journal = open_journal(tmp_path)
    assert contents(journal) == [b"0", b"1", b"2", b"3"]
    journal.close()


def test_places_that_the_journal_does_not_have_are_not_covered(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    end = journal.append([b"one", b"two"])
    assert all(journal.covers(line.end) for line in journal.read())
    assert not journal.covers(Position(end.file, end.offset + 1))
    assert not journal.covers(Position(end.file, end.offset - 1))
    assert not journal.covers(Position("1999-01-01.jsonl", 0))
    journal.close()


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with pytest.raises(Conflict, match=str(os.getpid())):
        open_journal(tmp_path)
    journal.close()
    open_journal(tmp_path).close()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = open_journal(folder)
    journal.append([b"one"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / journal.end.file).stat().st_mode & 0o777 == 0o600
    journal.close()


def test_a_payload_of_two_lines_is_a_bug(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with pytest.raises(ValueError, match="one line"):
        journal.append([b"one\ntwo"])
    assert contents(journal) == []
    journal.close()


def test_a_full_disk_refuses_the_whole_batch_and_later_ones_fit_again(tmp_path: Path) -> None:
    """A limit on the size of files makes write() fail in the middle, as a full disk does."""
    program = """
        import resource, sys
        from pathlib import Path
        from mavis_core.errors import Unavailable
        from mavis_core.logs import Journal, Quarantine
        folder = Path(sys.argv[1])
        journal = Journal(folder, Quarantine(folder / "quarantine"))
        journal.append([b"kept"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        try:
            journal.append([b"x" * 1000] * 9)
        except Unavailable as error:
            print(error.message)
        else:
            sys.exit("no error")
        journal.append([b"small"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        journal.append([b"more"])
    """
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written: File too large" in done.stdout
    journal = open_journal(tmp_path)
    assert contents(journal) == [b"kept", b"small", b"more"]
    assert set_aside(tmp_path) == b""
    journal.close()


def test_a_batch_whose_sync_fails_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(tmp_path)
    journal.append([b"first"])
    calls = count()
    sync = os.fsync

    def fails_once(fd: int) -> None:
        if next(calls) == 0:
            raise OSError(5, "Input/output error")
        sync(fd)

    monkeypatch.setattr(os, "fsync", fails_once)
    with pytest.raises(Unavailable, match="Input/output error"):
        journal.append([b"lost"])
    assert journal.writable
    journal.append([b"second"])
    assert contents(journal) == [b"first", b"second"]
    journal.close()


def test_a_disk_that_cannot_even_undo_ends_writing_until_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(tmp_path)
    journal.append([b"first"])

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(Unavailable):
            journal.append([b"lost"])
    assert not journal.writable
    with pytest.raises(Internal, match="could not be set back"):
        journal.append([b"second"])
    journal.close()
    journal = open_journal(tmp_path)
    assert contents(journal)[0] == b"first"
    journal.append([b"second"])
    journal.close()
