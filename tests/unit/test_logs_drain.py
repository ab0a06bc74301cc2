"""Each record that waits reaches journal and index once, wherever the way is cut."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import InvalidInput, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs import Drain, Inbox, Index, Journal, Quarantine, Query
from mavis_core.logs.codec import decode, encode
from mavis_core.logs.inbox import MAX_LINES, read_lines
from mavis_core.records import Kind, Outbox, Phase, Record, write

KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of the documentation of AWS


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

    def drain(self, source: Waiting | Outbox, inbox: Inbox | None = None) -> Drain:
        return Drain(source, self.journal, self.index, self.quarantine, inbox=inbox, idle_s=0.01)

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


def test_secrets_are_masked_before_they_are_written(process: Process) -> None:
    bare = make_records(1)[0]
    held = replace(bare, summary="mysql --password=hunter2", data={"code": ["psql -p s3cr3t", KEY]})
    poison = replace(make_records(1)[0], summary="\ud800 token=hunter2")
    inbox = Inbox()
    inbox.put(read_lines(encode(sent := replace(held, id=new_id("rec"))))[0])
    process.drain(Waiting([held, poison]), inbox).step()
    files = [path for path in process.folder.rglob("*") if path.is_file()]
    for path in files:
        assert b"hunter2" not in path.read_bytes()
        assert KEY.encode() not in path.read_bytes()
    assert "[masked: token]" in (process.folder / "quarantine" / "records.jsonl").read_text()
    assert process.journaled() == [held.id, sent.id]
    kept = process.index.search(Query(projects=None, q="mysql")).items
    assert [each.summary for each in kept] == ["mysql --password=[masked: password]"] * 2
    assert kept[0].data == {"code": ["psql -p s3cr3t", "[masked: AWS secret key]"]}


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


def lines_of(records: Sequence[Record]) -> dict[str, bytes]:
    return {record.id: encode(record) for record in records}


def failure_of(durable: Future[None]) -> str:
    error = durable.exception(timeout=10)
    assert isinstance(error, Unavailable)
    assert error.retry_after_s
    return error.message


def test_what_several_send_at_once_is_one_fsync_behind_what_waits_in_the_outbox(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, waiting = Inbox(), make_records(3)
    sent = [make_records(4) for _ in range(5)]
    durable = [inbox.put(lines_of(records)) for records in sent]
    drain = process.drain(Waiting(waiting), inbox)
    process.journal.append([encode(first := make_records(1)[0])])
    synced: list[int] = []
    fsync = os.fsync

    def counted(fd: int) -> None:
        synced.append(fd)
        fsync(fd)

    monkeypatch.setattr("mavis_core.logs.journal.os.fsync", counted)
    assert not any(each.done() for each in durable)
    assert drain.step() == 23
    assert len(synced) == 1
    assert all(each.result(timeout=0) is None for each in durable)
    expected = [first, *waiting, *(record for records in sent for record in records)]
    assert process.journaled() == [record.id for record in expected]
    assert sorted(process.indexed()) == sorted(record.id for record in expected)


def test_a_flood_does_not_hold_up_the_outbox(process: Process) -> None:
    inbox = Inbox()
    for _ in range(20):  # more than goes into one append
        inbox.put(
            {
                record.id: encode(replace(record, data={"x": "x" * 200_000}))
                for record in make_records(5)
            }
        )
    source = Waiting(make_records(2))
    drain = process.drain(source, inbox)
    drain.step()
    assert source.backlog() == 0
    assert 0 < inbox.waiting < 20
    late = make_records(1)[0]
    source.rows[9] = late
    before = len(process.journaled())
    drain.step()
    assert process.journaled()[before] == late.id


@pytest.mark.parametrize("again", ["in the same call", "later", "by the outbox"])
def test_what_is_sent_again_is_kept_once(again: str, process: Process) -> None:
    inbox, source, records = Inbox(), Waiting([]), make_records(3)
    drain = process.drain(source, inbox)
    inbox.put(lines_of(records))
    if again == "later":
        drain.step()
    if again == "by the outbox":
        source.rows = dict(enumerate(records))
    durable = inbox.put(lines_of(records))
    drain.step()
    assert durable.result(timeout=0) is None
    assert process.journaled() == [record.id for record in records]


@pytest.mark.parametrize("place", ["before append", "after append", "before index", "before mark"])
def test_nothing_that_was_answered_is_lost_by_a_kill_anywhere(
    place: str, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, records, waiting = Inbox(), make_records(3), make_records(2)
    source = Waiting(waiting)
    durable = inbox.put(lines_of(records))
    append = process.journal.append

    def die(*_args: object) -> None:
        raise Killed

    def append_and_die(payloads: Sequence[bytes]) -> None:
        append(payloads)
        raise Killed

    source.trouble["before mark"] = Killed()
    with monkeypatch.context() as deadly:
        if place == "before append":
            deadly.setattr(process.journal, "append", die)
        if place == "after append":
            deadly.setattr(process.journal, "append", append_and_die)
        if place == "before index":
            deadly.setattr("mavis_core.logs.index._add", die)
        with pytest.raises(Killed):
            process.drain(source, inbox).step()
    assert durable.done() == (place in ("before index", "before mark"))
    process.close()
    source.trouble.clear()

    process.__init__(process.folder)  # type: ignore[misc] # the next process on the same folder
    again = Inbox()
    answered = durable.done() or again.put(lines_of(records))
    process.drain(source, again).step()
    assert answered is True or answered.done()
    expected = sorted(record.id for record in [*records, *waiting])
    assert sorted(process.journaled()) == expected
    assert sorted(process.indexed()) == expected


def test_a_disk_that_fails_is_told_to_senders_and_the_outbox_waits(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, source, records = Inbox(), Waiting(make_records(2)), make_records(2)
    drain = process.drain(source, inbox)
    process.drain(Waiting(make_records(1))).step()
    fsync, calls = os.fsync, iter([True])

    def fails_once(fd: int) -> None:
        if next(calls, False):
            raise OSError(28, "No space left on device")
        fsync(fd)

    durable = inbox.put(lines_of(records))
    with monkeypatch.context() as broken:
        broken.setattr("mavis_core.logs.journal.os.fsync", fails_once)
        with pytest.raises(Unavailable):
            drain.step()
    assert "No space left" in failure_of(durable)
    assert source.backlog() == 2
    again = inbox.put(lines_of(records))
    drain.step()
    assert again.result(timeout=0) is None
    assert source.backlog() == 0
    assert len(process.journaled()) == 5


def test_records_come_in_though_the_database_is_away(process: Process) -> None:
    inbox, source = Inbox(), Waiting(make_records(1))
    source.trouble["pending"] = Unavailable("The database went away")
    durable = inbox.put(lines_of(make_records(2)))
    drain = process.drain(source, inbox)
    with pytest.raises(Unavailable, match="went away"):
        drain.step()
    assert durable.result(timeout=0) is None
    assert len(process.journaled()) == 2


def test_whoever_waits_at_the_end_is_told_and_nobody_comes_after(process: Process) -> None:
    inbox = Inbox()
    drain = process.drain(Waiting([]), inbox)
    durable = inbox.put(lines_of(make_records(1)))
    drain.stop()
    assert "ends" in failure_of(durable)
    assert not inbox.reserve(1)
    with pytest.raises(Unavailable, match="ends"):
        inbox.put(lines_of(make_records(1)))


def test_a_sender_who_went_away_before_the_turn_is_passed_over(process: Process) -> None:
    inbox = Inbox()
    gone, there = (inbox.put(lines_of(make_records(1))) for _ in range(2))
    assert gone.cancel()
    assert process.drain(Waiting([]), inbox).step() == 1
    assert there.result(timeout=0) is None


def test_room_is_bounded_and_given_back() -> None:
    inbox = Inbox(room_bytes=100)
    assert inbox.reserve(60)
    assert not inbox.reserve(41)
    assert inbox.reserve(40)
    inbox.release(60)
    assert inbox.reserve(41)


def test_lines_that_are_no_records_are_told_by_number(process: Process) -> None:
    good, other = make_records(2)
    big = json.dumps(replace(other, data={"x": "y" * (300 << 10)}).to_json()).encode()
    lines = [encode(good), b"", b"{", b"\xff", b'{"id":"rec_1"}', encode(other), encode(good), big]
    payloads, refused = read_lines(b"\n".join(lines) + b"\n")
    assert list(payloads) == [good.id, other.id]
    assert [told.line for told, _ in refused] == [3, 4, 5, 8]
    assert "at most" in refused[-1][0].reason
    process.quarantine.refuse_lines(((it.line, it.reason, raw) for it, raw in refused), "a test")
    assert process.quarantine.count == Quarantine(process.quarantine.folder).count == 4
    kept = (process.folder / "quarantine" / "records.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in kept]
    assert [row["row"].encode("utf-8", "surrogateescape") for row in rows] == [
        raw for _, raw in refused
    ]
    with pytest.raises(InvalidInput, match="lines"):
        read_lines(b"{}\n" * (MAX_LINES + 2))
