"""Queries answer what a walk over all records answers, and the index can be lost at any time."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from log_questions import START, everything, make_query, make_record, walk
from mavis_core.errors import InvalidInput, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs import Index, Journal, Page, Quarantine, Query
from mavis_core.logs.codec import MAX_RECORD_BYTES, decode, encode
from mavis_core.records import Origin, Record


@pytest.fixture(scope="module")
def records() -> list[Record]:
    rng = random.Random(20300131)
    made = [make_record(rng) for _ in range(400)]
    rng.shuffle(made)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, Quarantine(tmp_path / "quarantine"))
    yield journal
    journal.close()


@pytest.fixture
def full_journal(journal: Journal, records: list[Record]) -> Journal:
    journal.append([encode(record) for record in records])
    return journal


@pytest.fixture
def index(full_journal: Journal) -> Iterator[Index]:
    index = open_index(full_journal)
    index.catch_up(full_journal)
    yield index
    index.close()


def open_index(journal: Journal, **options: float) -> Index:
    quarantine = Quarantine(journal.folder / "quarantine")
    return Index(journal.folder / "index.duckdb", quarantine, **options)


@pytest.mark.parametrize("seed", range(5))
def test_every_query_finds_what_a_walk_over_all_records_finds(
    seed: int, index: Index, records: list[Record]
) -> None:
    rng = random.Random(seed)
    found_something = 0
    for query in (make_query(rng) for _ in range(60)):
        expected = walk(records, query)
        assert everything(index, query) == expected, query
        found_something += bool(expected)
    assert found_something > 10


def test_pages_stay_in_step_while_records_arrive(index: Index, full_journal: Journal) -> None:
    query = Query(projects=None, limit=30)
    before = everything(index, query)
    first = index.search(query)
    newer = [replace(before[0], id=new_id("rec"), time=START + timedelta(hours=1))] * 1
    full_journal.append([encode(record) for record in newer])
    index.catch_up(full_journal)
    rest = everything(index, replace(query, cursor=first.next))
    assert [*first.items, *rest] == before
    assert index.search(query).items[0] == newer[0]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("web-(1", "missing \\)"),
        ("web-[1", "missing ] at character 5: \\[1"),
        ("a**", "bad repetition operator at character 2"),
        ("x{2000}", "invalid repetition size at character 2"),
        ("(?=a)", "invalid perl operator at character 1"),
        ("\\", "trailing"),
    ],
)
def test_an_expression_that_cannot_be_read_says_where(
    expression: str, words: str, index: Index, records: list[Record]
) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        index.search(Query(projects=None, regex=expression))
    assert caught.value.field == "regex"
    assert "?m" not in str(caught.value)
    assert len(everything(index, Query(projects=None))) == len(records)  # the index bears it


def test_no_projects_is_not_all_projects(index: Index) -> None:
    assert index.search(Query(projects=frozenset())) == Page(())


def test_the_state_counts_what_is_there(
    index: Index, full_journal: Journal, records: list[Record]
) -> None:
    assert index.state.records == len(records)
    assert index.state.last_time == max(record.time for record in records)
    assert index.state.position == full_journal.end
    assert index.state.damaged == 0
    index.close()
    again = open_index(full_journal)
    again.catch_up(full_journal)
    assert again.state == index.state
    again.close()


def test_a_line_that_comes_twice_counts_once(journal: Journal, records: list[Record]) -> None:
    lines = [encode(record) for record in records[:10]]
    journal.append([*lines, *lines[:3]])
    index = open_index(journal)
    index.catch_up(journal)
    journal.append(lines[5:])
    index.catch_up(journal)
    assert index.state.records == 10
    assert len(everything(index, Query(projects=None))) == 10
    index.close()


def test_known_ids_are_those_that_were_read(index: Index, records: list[Record]) -> None:
    strangers = [new_id("rec"), "'; DROP TABLE records; --"]
    assert index.known([records[0].id, records[9].id, *strangers]) == {
        records[0].id,
        records[9].id,
    }


def test_a_damaged_line_is_stepped_over_and_counted(
    full_journal: Journal, records: list[Record]
) -> None:
    full_journal.close()
    path = full_journal.folder / full_journal.end.file
    lines = path.read_bytes().splitlines(keepends=True)
    lines[7] = lines[7].replace(b"rec", b"cer", 1)
    path.write_bytes(b"".join(lines))
    journal = Journal(full_journal.folder, Quarantine(full_journal.folder / "quarantine"))
    index = open_index(journal)
    index.catch_up(journal)
    assert index.state.damaged == 1
    expected = walk([r for r in records if r.id != records[7].id], Query(projects=None))
    assert everything(index, Query(projects=None)) == expected
    index.close()
    journal.close()


def flip_everywhere(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for offset in range(12288 + 100, len(content), 4096):
        content[offset] ^= 255
    path.write_bytes(content)


def of_another_release(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE state SET version = 999")


@pytest.mark.parametrize(
    ("harm", "kept"),
    [
        pytest.param(lambda path: path.unlink(), False, id="deleted"),
        pytest.param(lambda path: path.write_bytes(b""), True, id="emptied"),
        pytest.param(lambda path: path.write_bytes(b"rubbish" * 9999), True, id="overwritten"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
            True,
            id="cut",
        ),
        pytest.param(flip_everywhere, True, id="flipped"),
        pytest.param(of_another_release, True, id="of another release"),
    ],
)
def test_a_lost_or_damaged_file_is_rebuilt_with_the_same_answers(
    harm: Callable[[Path], None], kept: bool, index: Index, full_journal: Journal
) -> None:
    query = Query(projects=None, q="s", limit=200)
    before, state = everything(index, query), index.state
    index.close()
    harm(index.path)
    again = open_index(full_journal)
    again.catch_up(full_journal)
    assert everything(again, query) == before
    assert again.state == state
    assert len(list((index.path.parent / "quarantine").iterdir())) == kept
    again.close()


def test_an_index_that_knows_more_than_the_journal_is_kept_aside(
    index: Index, full_journal: Journal
) -> None:
    index.close()
    full_journal.close()
    folder = full_journal.folder
    path = folder / full_journal.end.file
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:100]))
    journal = Journal(folder, Quarantine(folder / "quarantine"))
    again = open_index(journal)
    again.catch_up(journal)
    assert again.state.records == 100
    assert [p.name.split(".2")[0] for p in (folder / "quarantine").iterdir()] == ["index.duckdb"]
    again.close()
    journal.close()


def test_a_file_that_another_process_holds_is_waited_for_not_replaced(
    full_journal: Journal, tmp_path: Path
) -> None:
    """DuckDB locks within one process by instance, so the other one must be a process."""
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True);"
        " sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(full_journal.folder / "index.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin
    assert holder.stdout
    with holder:
        assert holder.stdout.readline() == b"held\n"
        index = open_index(full_journal)
        with pytest.raises(Unavailable, match="lock"):
            index.catch_up(full_journal)
        holder.stdin.close()
    index.catch_up(full_journal)
    assert index.ready
    assert list((full_journal.folder / "quarantine").iterdir()) == []
    index.close()


def test_queries_before_the_first_catch_up_are_told_to_wait(full_journal: Journal) -> None:
    index = open_index(full_journal)
    with pytest.raises(Unavailable, match="catching up") as caught:
        index.search(Query(projects=None))
    assert caught.value.retry_after_s
    index.close()


def test_catching_up_stops_when_asked_and_goes_on_later(
    journal: Journal, records: list[Record]
) -> None:
    base = records[0]
    journal.append([encode(replace(base, id=new_id("rec"))) for _ in range(6000)])
    index = open_index(journal)
    index.catch_up(journal, stopping=lambda: True)
    assert 0 < index.state.records < 6000
    assert not index.ready
    index.catch_up(journal)
    assert index.state.records == 6000
    index.close()


def test_a_query_that_takes_too_long_is_stopped(index: Index, full_journal: Journal) -> None:
    with index.cursor() as cursor:  # the statement must be slow, and no query of ours is
        threading.Timer(0.2, cursor.interrupt).start()
        with pytest.raises(duckdb.InterruptException):
            cursor.execute("SELECT count(*) FROM range(10000000) a, range(10000000) b").fetchall()
    impatient = Index(index.path, Quarantine(index.path.parent / "quarantine"), timeout_s=0.2)
    index.close()
    impatient.catch_up(full_journal)
    with pytest.raises(Unavailable, match="longer than"), impatient.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM range(10000000) a, range(10000000) b").fetchall()
    impatient.close()


def test_closing_stops_the_queries_that_run(index: Index) -> None:
    started = threading.Event()
    errors: list[Exception] = []

    def ask() -> None:
        try:
            with index.cursor() as cursor:
                started.set()
                cursor.execute("SELECT count(*) FROM range(10000000) a, range(10000000) b")
                cursor.fetchall()
        except Unavailable as exc:
            errors.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    assert started.wait(5)
    index.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(errors) == 1


def test_readers_and_the_writer_do_not_disturb_each_other(
    index: Index, full_journal: Journal, records: list[Record]
) -> None:
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            found = index.search(Query(projects=frozenset({"prj_a"}), limit=200)).items
            if [(r.time, r.id) for r in found] != sorted((r.time, r.id) for r in found)[::-1]:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        full_journal.append([encode(replace(records[0], id=new_id("rec"))) for _ in range(20)])
        index.catch_up(full_journal)
    stop.set()
    for reader in readers:
        reader.join(10)
    assert not wrong
    assert index.state.records == 800


def test_the_database_reaches_nothing_outside(index: Index, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    for statement in (
        f"SELECT * FROM read_csv('{secret}')",
        f"COPY records TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ):
        with pytest.raises(duckdb.Error):
            index._root.cursor().execute(statement)  # type: ignore[union-attr] # it is open


PLAIN = [
    {},
    {"summary": "tab\t quote\" back\\slash {brace} 'single' \x00 \x1f \x7f /"},
    {"object": ""},
    {"data": {"n": 2**70, "f": [1e300, -0.0, 0.1], "b": [True, None], "k\n": {"": []}}},
    {"action": "UPPER.Case", "person": "MIXED"},
    {"origin": Origin.REPORTED, "stream": "krn_1", "sequence": 7, "summary": "Äpfel in İzmir"},
    {"outcome": None, "error_code": "x", "request_id": "req_1", "project": None},
    {"time": datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
]


def test_lines_give_the_same_rows_whether_duckdb_or_python_takes_them_apart(
    journal: Journal, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = replace(records[0], object="thing", summary="It happened", person="alice", data={})
    made = [replace(base, id=new_id("rec"), **change) for change in PLAIN]  # type: ignore[arg-type] # fields of it
    journal.append([*map(encode, made), encode(made[0])])

    def rows() -> list[tuple[object, ...]]:
        index = open_index(journal)
        index.catch_up(journal)
        assert (index.state.records, index.state.damaged) == (len(PLAIN), 0)
        assert index.state.last_time == base.time
        assert sorted(everything(index, Query(projects=None)), key=lambda it: it.id) == made
        found = index._root.execute("FROM records ORDER BY id").fetchall()  # type: ignore[union-attr] # it is open
        index.close()
        index.path.unlink()
        return found

    with monkeypatch.context() as alone:
        alone.setattr("mavis_core.logs.index._one_by_one", None)
        by_duckdb = rows()
    monkeypatch.setattr("mavis_core.logs.index._TIME", re.compile(rb"never"))
    by_python = rows()
    # The data, whose numbers may be spelt in another way, is last, and last in the words.
    assert [row[:-2] for row in by_duckdb] == [row[:-2] for row in by_python]
    words = [[row[-1].rpartition("\n")[0] for row in rows] for rows in (by_duckdb, by_python)]
    assert words[0] == words[1]


def test_a_line_that_is_no_record_is_counted_and_the_others_are_there(
    journal: Journal, records: list[Record]
) -> None:
    good = [encode(replace(records[0], id=new_id("rec"), summary="x")) for _ in range(3)]
    whole = good[0].replace(records[0].person.encode(), b"alice").decode()
    bad = [
        json.loads(whole) | {"kind": "gossip", "id": new_id("rec")},
        json.loads(whole) | {"id": "run_1"},
        json.loads(whole) | {"person": None, "id": new_id("rec")},
        [1],
    ]
    lines = [json.dumps(each).encode() for each in bad]
    journal.append([good[0], *lines, b"no json", good[1], good[2]])
    index = open_index(journal)
    index.catch_up(journal)
    assert (index.state.records, index.state.damaged) == (3, 5)
    index.close()


def test_a_record_survives_the_way_through_the_codec(records: list[Record]) -> None:
    assert [decode(encode(record)) for record in records] == records


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"id": "run_01jd3k"}, id="id of another form"),
        pytest.param({"summary": "\ud800"}, id="half a surrogate pair"),
        pytest.param({"time": datetime(2030, 1, 31)}, id="time without zone"),  # noqa: DTZ001 - that is the point
        pytest.param({"data": {"x": float("nan")}}, id="not a number"),
        pytest.param({"data": {"x": {1, 2}}}, id="not JSON"),
        pytest.param({"data": {1: 2}}, id="keys that are no text"),
        pytest.param({"data": {"x": "y" * MAX_RECORD_BYTES}}, id="too large"),
        pytest.param({"project": 7}, id="project is no text"),
        pytest.param({"kind": "gossip"}, id="unknown kind"),
        pytest.param({"person": None}, id="no person"),
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object], records: list[Record]) -> None:
    with pytest.raises(InvalidInput):
        encode(replace(records[0], **change))  # type: ignore[arg-type] # wrong on purpose
