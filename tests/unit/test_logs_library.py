"""Wherever a record lies, in the index or in a segment, it is found: once, and in its place."""

from __future__ import annotations

import csv
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from log_questions import START, everything, make_query, make_record, walk
from mavis_core import clock
from mavis_core.errors import Damaged, NotFound, OverLimit, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs import Index, Query, Summary, exports, library
from mavis_core.logs.archive import CATALOGUE, Archive, archived_lines
from mavis_core.logs.codec import encode
from mavis_core.logs.context import Beside, Context, Within
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.exports import Export, ExportFormat
from mavis_core.logs.query import listed
from mavis_core.logs.sealing import new_key, private_key
from mavis_core.logs.summaries import FACETS
from mavis_core.objects import ObjectStore
from mavis_core.records import Outcome, Record
from opened_log import KEY, Log, opened

EVERYTHING = Query(projects=None, limit=200)


@pytest.fixture
def closers() -> Iterator[ExitStack]:
    with ExitStack() as closers:
        yield closers


@pytest.fixture
def log(tmp_path: Path, closers: ExitStack) -> Log:
    return opened(tmp_path, closers)


def made(seed: int, count: int) -> list[Record]:
    rng = random.Random(seed)
    records = [make_record(rng) for _ in range(count)]
    rng.shuffle(records)
    return records


@pytest.mark.parametrize("seed", range(4))
def test_every_question_finds_what_a_walk_over_all_records_finds(
    seed: int, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    # So that words which many records hold are looked for in parts, too.
    monkeypatch.setattr(library, "_MANY", rng.choice([0, 5, 20_000]))
    monkeypatch.setattr(library, "_WINDOW", rng.choice([1, 7, 2000]))
    records = made(seed, 150)
    at = 0
    while at < len(records):
        step = rng.randrange(1, 60)
        log.add(records[at : at + step])
        at += step
        if rng.random() < 0.6:
            log.archive_all()
    assert len(log.archive.segments) > 1
    found = 0
    for query in (make_query(rng, words=True) for _ in range(25)):
        expected = walk(records, query)
        assert everything(log.library, query) == expected, query
        found += bool(expected)
    assert found > 4


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_walk_over_all_records(seed: int, log: Log) -> None:
    rng = random.Random(seed)
    records = [
        replace(each, time=START - timedelta(seconds=rng.randrange(30 * 86400)))
        for each in made(seed, 150)
    ]
    for at in range(0, 150, 50):
        log.add(records[at : at + 50])
        if at < 100:
            log.archive_all()
    assert len(log.archive.segments) == 2
    queries = [make_query(rng, words=True) for _ in range(12)]
    queries += [
        Query(projects=None),
        Query(projects=frozenset({"prj_a"}), since=START - timedelta(days=7)),
        Query(projects=None, since=START - timedelta(days=20), until=START - timedelta(days=5)),
        Query(projects=None, words="server", outcome=Outcome.FAILED),
        Query(projects=frozenset()),
    ]
    for query in queries:
        with clock.set_clock(lambda: START):
            found = log.library.summarize(query, ZoneInfo("Europe/Vienna"))
        fitting = walk(records, query)
        assert Summary.from_json(json.loads(json.dumps(found.to_json()))) == found
        assert found.total == len(fitting), query
        times = [each.time for each in fitting]
        assert (found.first, found.last) == (min(times, default=None), max(times, default=None))
        for name in FACETS:
            counted = Counter(getattr(each, name) for each in fitting)
            assert dict(found.facets[name].values) == counted
        edges = [*(begin for begin, _ in found.buckets), found.until]
        for (begin, many), end in zip(found.buckets, edges[1:], strict=True):
            assert many == sum(begin <= each < end for each in times)


@pytest.mark.parametrize("seed", range(3))
def test_what_arrived_between_two_lines_is_told_in_its_order_the_last_of_it(
    seed: int, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(library, "MOST_ARRIVALS", 9)
    records = made(seed, 120)
    for at in range(0, 120, 30):
        log.add(records[at : at + 30])
        if at < 90:
            log.archive_all()
    lines = list(enumerate(records, 1))
    for query in (make_query(rng, words=True) for _ in range(25)):
        query = replace(query, cursor=None)  # noqa: PLW2901 - a follower has none
        after = rng.randrange(120)
        upto = rng.randrange(after, 121)
        fitting = {each.id for each in walk(records, query)}
        wanted = [(at, each) for at, each in lines[after:upto] if each.id in fitting]
        found = log.library.arrived(query, after, upto)
        assert found.records == tuple(wanted[-9:]), query
        assert found.missed == max(0, len(wanted) - 9)


NAMES = {"prj_a": "alpha", "prj_b": "beta"}


def exported(log: Log, folder: Path, query: Query, form: ExportFormat) -> tuple[int, Path]:
    """Export what `query` finds; nothing but the file stays in the folder."""
    wanted = Export(query=query, format=form, names=NAMES)
    assert Export.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted
    return log.library.export(wanted, folder, f"exp_{form}")


def named(record: Record) -> dict[str, object]:
    """Return what is told of a record, in which projects have names."""
    told = record.to_json()
    return told | {"project": NAMES.get(record.project or "", record.project)}


@pytest.mark.parametrize("seed", range(3))
def test_an_export_is_the_whole_answer_in_its_order_in_each_form(
    seed: int, log: Log, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    records = made(seed, 400)
    for at in range(0, 400, 100):
        log.add(records[at : at + 100])
        if at < 300:
            log.archive_all()
    folder = tmp_path / "journal" / EXTRACTS
    for query in [EVERYTHING, *(make_query(rng, words=True) for _ in range(6))]:
        query = replace(query, cursor=None)  # noqa: PLW2901 - an export has none
        wanted = [named(each) for each in walk(records, query)]
        count, path = exported(log, folder, query, ExportFormat.JSONL)
        lines = path.read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == wanted
        assert count == len(wanted)
        count, path = exported(log, folder, query, ExportFormat.PARQUET)
        rows = duckdb.sql(f"FROM read_parquet('{path}')")
        columns = list(wanted[0]) if wanted else rows.columns
        assert sorted(rows.columns) == sorted(columns)
        found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
        for row, record in zip(found, wanted, strict=True):
            time = row["time"].replace(tzinfo=UTC)
            assert row | {"data": json.loads(row["data"]), "time": clock.iso(time)} == record
        count, path = exported(log, folder, query, ExportFormat.CSV)
        with path.open(encoding="utf-8", newline="") as file:
            texts = list(csv.DictReader(file))
        assert [each["id"] for each in texts] == [each["id"] for each in wanted]
        assert [each["summary"] for each in texts] == [each["summary"] for each in wanted]
        assert [json.loads(each["data"]) for each in texts] == [each["data"] for each in wanted]
        for left in folder.iterdir():
            left.unlink()


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_is_a_formula(sign: str, log: Log, tmp_path: Path) -> None:
    rng = random.Random(1)
    text = f"{sign}HYPERLINK(1)"
    record = replace(make_record(rng), summary=text, object=text, person=text, project=None)
    log.add([record])
    folder = tmp_path / "journal" / EXTRACTS
    _, path = exported(log, folder, EVERYTHING, ExportFormat.CSV)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert {row["summary"], row["object"], row["person"]} == {f"'{text}"}
    _, path = exported(log, folder, EVERYTHING, ExportFormat.JSONL)
    assert json.loads(path.read_text("utf-8"))["summary"] == text


def test_an_export_that_is_too_large_is_refused_before_it_is_written(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made(1, 60)
    log.add(records[:30])
    log.archive_all()
    log.add(records[30:])
    folder = tmp_path / "journal" / EXTRACTS
    monkeypatch.setattr(exports, "MOST_EXPORTED", 60)
    assert exported(log, folder, EVERYTHING, ExportFormat.CSV)[0] == 60
    monkeypatch.setattr(exports, "MOST_EXPORTED", 59)
    with pytest.raises(OverLimit, match="at most 59 records"):
        exported(log, folder, EVERYTHING, ExportFormat.CSV)
    monkeypatch.setattr(exports, "MOST_EXPORTED", 60)
    monkeypatch.setattr(exports, "MOST_EXPORTED_BYTES", 1000)
    with pytest.raises(OverLimit, match="GiB of text"):
        exported(log, folder, EVERYTHING, ExportFormat.CSV)


@pytest.mark.parametrize("within", list(Within))
def test_the_context_is_what_stands_around_a_record_in_the_order_of_time(
    within: Within, log: Log
) -> None:
    rng = random.Random(within)
    records = made(3, 120)
    for at in range(0, 120, 40):
        log.add(records[at : at + 40])
        if at < 80:
            log.archive_all()
    assert len(log.archive.segments) == 2
    name = {"project": "project", "story": "correlation_id", "person": "person"}[within]
    for asked in rng.sample(records, 15):
        reach = rng.choice([None, frozenset({asked.project}) if asked.project else None])
        same = sorted(
            (
                each
                for each in records
                if getattr(each, name) == getattr(asked, name)
                and (reach is None or each.project in reach)
            ),
            key=lambda each: (each.time, each.id),
        )
        place, before, after = same.index(asked), rng.randrange(5), rng.randrange(5)
        beside = Beside(record=asked.id, projects=reach, within=within, earlier=before, later=after)
        assert log.library.context(Beside.from_params(beside.to_params())) == Context(
            asked, tuple(same[max(place - before, 0) : place]), tuple(same[place + 1 :][:after])
        )


def test_the_context_of_another_projects_record_is_not_there(log: Log) -> None:
    log.add(records := made(3, 20))
    theirs = next(each for each in records if each.project == "prj_b")
    for _ in range(2):
        for reach in (frozenset({"prj_a"}), frozenset[str]()):
            with pytest.raises(NotFound, match="no record"):
                log.library.context(Beside(record=theirs.id, projects=reach))
        with pytest.raises(NotFound):
            log.library.context(Beside(record=new_id("rec"), projects=None))
        log.archive_all()


def test_the_index_and_the_journal_forget_what_is_archived(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made(1, 50)
    log.add(records)
    tomorrow = clock.now() + timedelta(days=1)
    with clock.set_clock(lambda: tomorrow):
        log.add(more := made(2, 5))
    assert log.archive_all() == 1
    assert log.index.state.records == 0
    assert [path.name for path in log.journal.folder.glob("*.jsonl")].count(
        f"{tomorrow:%Y-%m-%d}.jsonl"
    )
    assert not (log.journal.folder / f"{clock.now():%Y-%m-%d}.jsonl").exists()
    assert everything(log.library, EVERYTHING) == walk([*records, *more], EVERYTHING)


def test_an_index_that_is_lost_begins_where_the_archive_ends(
    tmp_path: Path, log: Log, closers: ExitStack
) -> None:
    records = made(3, 60)
    log.add(records[:40])
    log.archive_all()
    log.add(records[40:])
    closers.close()
    for path in (log.index.path, tmp_path / "journal" / "words.sqlite"):
        path.unlink(missing_ok=True)
    log = opened(tmp_path, closers)
    assert log.index.state.records == 20
    for query in (EVERYTHING, replace(EVERYTHING, words="server")):
        assert everything(log.library, query) == walk(records, query)


def test_a_catalogue_that_is_lost_is_made_from_the_manifests(
    tmp_path: Path, log: Log, closers: ExitStack
) -> None:
    records = made(4, 60)
    for at in (0, 20, 40):
        log.add(records[at : at + 20])
        log.archive_all()
    before = log.archive.segments
    closers.close()
    (tmp_path / "journal" / CATALOGUE).unlink()
    log = opened(tmp_path, closers)
    assert len(before) == 3
    assert log.archive.segments == before
    assert everything(log.library, EVERYTHING) == walk(records, EVERYTHING)


def test_a_segment_that_is_lost_between_two_is_told(
    tmp_path: Path, log: Log, closers: ExitStack
) -> None:
    for seed in range(3):
        log.add(made(seed, 10))
        log.archive_all()
    log.store.remove(log.archive.segments[1].folder + "manifest.json")
    with pytest.raises(Damaged, match="no records 11 to 20"):
        log.archive.rebuild()
    assert len(log.archive.segments) == 3
    catalogue = tmp_path / "journal" / CATALOGUE
    lines = catalogue.read_bytes().splitlines(keepends=True)
    catalogue.write_bytes(lines[0] + lines[2])
    with pytest.raises(Damaged, match="no records 11 to 20"):
        Archive(log.journal.folder, log.store, KEY)


def test_a_manifest_that_somebody_else_signed_is_refused(log: Log) -> None:
    log.add(made(5, 10))
    log.archive_all()
    with pytest.raises(Damaged, match="not as it was signed"):
        Archive(log.journal.folder.parent / "other", log.store, private_key(new_key()))


def test_without_its_catalogue_nothing_is_swept_that_no_other_segment_has(log: Log) -> None:
    log.add(made(5, 10))
    log.archive_all()
    keys = list(log.store.keys("segments/"))
    log.archive.segments = ()
    in_five_days = clock.now() + timedelta(days=5)
    with clock.set_clock(lambda: in_five_days):
        log.archive.sweep()
    assert list(log.store.keys("segments/")) == keys


def test_what_was_altered_since_it_was_sealed_is_not_archived(log: Log) -> None:
    log.add(made(6, 10))
    path = next(log.journal.folder.glob("20*.jsonl"))
    content = path.read_bytes()
    line = content.splitlines()[4]
    payload = line[len(b'{"crc":"00000000","record":') : -1].replace(b'"person":"', b'"person":"x')
    forged = b'{"crc":"%08x","record":%b}' % (zlib.crc32(payload), payload)
    path.write_bytes(content.replace(line, forged))
    with pytest.raises(Damaged, match="records 1 to 10"):
        log.archive_all()
    assert log.archive.segments == ()
    assert list(log.store.keys()) == []


@pytest.mark.parametrize("what", ["put_file", "put_bytes", "_write"])
def test_a_failure_on_the_way_loses_nothing_and_counts_nothing_twice(
    what: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made(7, 30)
    log.add(records)

    def fails(*_: object, **__: object) -> None:
        raise Unavailable("The store is full")

    with monkeypatch.context() as broken:
        broken.setattr(Archive if what == "_write" else ObjectStore, what, fails)
        with pytest.raises(Unavailable, match="full"):
            log.archive_all()
    assert everything(log.library, EVERYTHING) == walk(records, EVERYTHING)
    assert log.archive_all() == 1
    assert everything(log.library, EVERYTHING) == walk(records, EVERYTHING)
    assert list(log.journal.folder.glob("archiving-*")) == []
    in_five_days = clock.now() + timedelta(days=5)
    with clock.set_clock(lambda: in_five_days):
        log.archive.sweep()
    assert {key.rpartition("/")[0] + "/" for key in log.store.keys("segments/")} == {
        log.archive.segments[0].folder
    }


def test_what_the_archive_has_and_the_index_still_has_is_found_once(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made(8, 30)
    log.add(records)
    with monkeypatch.context() as broken:
        broken.setattr(Index, "forget", lambda _: None)
        log.archive_all()
    assert log.index.state.records == 30
    assert everything(log.library, EVERYTHING) == walk(records, EVERYTHING)


def test_lines_come_back_from_the_archive_as_they_were(log: Log, tmp_path: Path) -> None:
    records = made(9, 30)
    log.add(records[:10])
    log.archive_all()
    log.add(records[10:])
    log.archive_all()
    lines = archived_lines(log.store, log.archive.segments, tmp_path)
    assert list(lines) == list(enumerate(map(encode, records), 1))


def test_a_segment_that_was_altered_is_not_asked(tmp_path: Path, log: Log) -> None:
    log.add(made(10, 30))
    log.archive_all()
    path = tmp_path / "objects" / "objects" / log.archive.segments[0].records.key
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="not what was stored"):
        log.library.search(EVERYTHING)


def test_segments_have_at_most_so_many_lines_and_few_are_opened(
    tmp_path: Path, closers: ExitStack
) -> None:
    log = opened(tmp_path, closers, most=20, cache=0)
    begun = [
        replace(each, time=START + timedelta(hours=at)) for at, each in enumerate(made(11, 60))
    ]
    for at in range(0, 60, 10):
        log.add(begun[at : at + 10])
    assert log.archive_all() == 3
    assert [segment.count for segment in log.archive.segments] == [20] * 3
    newest = log.library.search(replace(EVERYTHING, limit=10))
    assert list(newest.items) == walk(begun, EVERYTHING)[:10]
    opened_ones = {it.records.sha256 for it in log.archive.segments[2:]}
    assert log.library._reader._cache._checked == opened_ones
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("person", "people"),
    [
        ("alice", ("alice",)),
        ("alice, bob", ("alice", "bob")),
        (r"Doe\, Jane,bob", ("Doe, Jane", "bob")),
        (r"CORP\jane,bob", ("CORP\\jane", "bob")),
        (listed(["Doe, Jane", "bob"]), ("Doe, Jane", "bob")),
    ],
)
def test_a_name_may_have_a_comma(person: str, people: tuple[str, ...], log: Log) -> None:
    query = Query(projects=None, person=person)
    assert query.people == people
    assert Query.from_params(query.to_params()) == query
    record = replace(make_record(random.Random(1)), person=people[0])
    log.add([record])
    assert log.library.search(query).items == (record,)
