"""Each record that waits reaches journal and index once, wherever the way is cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import Unavailable
from mavis_core.logs import Drain, Index, Journal, Quarantine, Query
from mavis_core.logs.codec import decode
from mavis_core.records import Kind, Outbox, Phase, Record, write


def make_records(number: int) -> list[Record]:
    return [
        Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            action="test.write",
            person="alice",
            object=f"thing {position}",
            summary="Something happened",
            correlation_id="cor_1",
        )
        for position in range(number)
    ]


def wait_until(holds: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


class Killed(BaseException):
    """The process ends here."""


class Waiting:
    """A source in memory that ends the process, or fails, when it is told to."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.rows = dict(enumerate(records, 1))
        self.trouble: dict[str, BaseException] = {}

    def pending(self, limit: int) -> list[tuple[int, Record]]:
        self._meet("pending")
        return list(self.rows.items())[:limit]

    def mark_drained(self, seqs: Sequence[int]) -> None:
        self._meet("before mark")
        for seq in seqs:
            del self.rows[seq]
        self._meet("after mark")

    def backlog(self) -> int:
        return len(self.rows)

    def _meet(self, place: str) -> None:
        if error := self.trouble.get(place):
            raise error


class Process:
    """The log process's parts on one folder, which can be thrown away and made again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.quarantine = Quarantine(folder / "quarantine")
        self.journal = Journal(folder, self.quarantine)
        self.index = Index(folder / "index.duckdb", self.quarantine)

    def drain(self, source: Waiting | Outbox) -> Drain:
        return Drain(source, self.journal, self.index, self.quarantine, idle_s=0.01)

    def journaled(self) -> list[str]:
        return [decode(line.payload or b"").id for line in self.journal.read()]

    def indexed(self) -> list[str]:
        return [record.id for record in self.index.search(Query(projects=None, limit=200)).items]

    def close(self) -> None:
        self.index.close()
        self.journal.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "journal")
    yield process
    process.close()


def test_a_step_moves_what_waits(process: Process) -> None:
    records = make_records(3)
    source = Waiting(records)
    assert process.drain(source).step() == 3
    assert source.backlog() == 0
    assert process.journaled() == [record.id for record in records]
    assert process.indexed() == [record.id for record in reversed(records)]
    assert process.drain(source).step() == 0


@pytest.mark.parametrize("place", ["pending", "before append", "before index", "before mark"])
def test_a_process_that_is_killed_anywhere_leaves_each_record_once(
    place: str, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = make_records(5)
    source = Waiting(records[:3])
    source.trouble[place] = Killed()

    def die(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as deadly:
        if place == "before append":
            deadly.setattr(process.journal, "append", die)
        if place == "before index":
            deadly.setattr("mavis_core.logs.index._add", die)
        with pytest.raises(Killed):
            process.drain(source).step()
    process.close()
    source.trouble.clear()
    source.rows |= {4: records[3], 5: records[4]}

    process.__init__(process.folder)  # type: ignore[misc] # the next process on the same folder
    process.drain(source).step()
    assert source.backlog() == 0
    assert sorted(process.journaled()) == sorted(record.id for record in records)
    assert sorted(process.indexed()) == sorted(record.id for record in records)


def test_what_is_no_record_is_put_aside_and_the_others_go_on(process: Process) -> None:
    good, bad = make_records(2), replace(make_records(1)[0], summary="\ud800 poison")
    source = Waiting([good[0], bad, good[1]])
    process.drain(source).step()
    assert source.backlog() == 0
    assert process.journaled() == [record.id for record in good]
    kept = (process.folder / "quarantine" / "records.jsonl").read_text()
    assert "poison" in kept
    assert '"seq": 2' in kept
    assert "UnicodeEncodeError" in kept
    assert process.quarantine.count == Quarantine(process.quarantine.folder).count == 1


def test_a_database_that_is_away_for_a_while_is_asked_again(process: Process) -> None:
    records = make_records(3)
    source = Waiting(records)
    drain = process.drain(source)
    for place in ("pending", "before mark"):
        source.trouble[place] = Unavailable(f"The database went away: {place}")
    drain.start()
    wait_until(lambda: drain.error == "The database went away: pending")
    del source.trouble["pending"]
    wait_until(lambda: drain.error == "The database went away: before mark")
    source.trouble.clear()
    wait_until(lambda: drain.error is None)
    assert source.backlog() == 0
    assert drain.stop()
    assert len(process.journaled()) == 3


def test_a_journal_that_cannot_be_written_any_more_ends_the_thread_and_says_so(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain_one = process.drain(Waiting(make_records(1)))
    drain_one.step()
    ended = threading.Event()
    source = Waiting(make_records(1))
    drain = Drain(source, process.journal, process.index, process.quarantine, on_fatal=ended.set)

    def fails(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mavis_core.logs.journal.os.fsync", fails)
    drain.start()
    assert ended.wait(10)
    assert drain.stop()
    assert source.backlog() == 1


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/main.sqlite"
    migrate(url)
    database = open_database(url)
    yield database
    database.close()


def test_records_of_several_writers_are_drained_while_they_write(
    process: Process, database: Database
) -> None:
    made = [make_records(25) for _ in range(4)]

    def work(records: Sequence[Record]) -> None:
        for record in records:
            with database.write() as tx:
                write(tx, record)

    outbox = Outbox(database)
    drain = process.drain(outbox)
    drain.start()
    writers = [threading.Thread(target=work, args=(records,)) for records in made]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    wait_until(lambda: outbox.backlog() == 0)
    assert drain.stop()
    expected = sorted(record.id for records in made for record in records)
    assert sorted(process.journaled()) == expected
    assert sorted(process.indexed()) == expected
