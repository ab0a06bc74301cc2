"""What is taken out of the log for a question is what the person may see, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mavis_core import clock
from mavis_core.errors import InvalidInput, MavisError, OverLimit
from mavis_core.logs.archiver import Rule
from mavis_core.logs.codec import encode
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.extract import Extract
from mavis_core.logs.opening import Log, open_log
from mavis_core.logs.questions import MAX_SQL, SqlQuestion
from mavis_core.logs.sealing import new_key, private_key
from mavis_core.objects import FolderObjects, ObjectStore
from mavis_core.records import Kind, Phase, Record

START = datetime(2030, 1, 31, 12, tzinfo=UTC)


def made(number: int, project: str | None) -> Record:
    return Record(
        kind=Kind.AUDIT,
        phase=Phase.EVENT,
        action="test.write",
        person="alice",
        project=project,
        object="thing",
        summary=f"number {number}",
        correlation_id="cor_1",
        data={"number": number},
        time=START + timedelta(minutes=number),
    )


RECORDS = [made(at, ("prj_a", "prj_b", None)[at % 3]) for at in range(12)]


@pytest.fixture(params=["hot", "archived", "both"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log whose records are in the index, in segments, or in both."""
    with ExitStack() as closers:
        store = ObjectStore(FolderObjects(tmp_path / "objects"))
        rule = Rule(timedelta(0), hot=0, most=3)
        key = private_key(new_key())
        log = open_log(tmp_path, store, key, closers, rule=rule, cache_bytes=1 << 30)
        halves = (RECORDS[:7], RECORDS[7:]) if request.param == "both" else (RECORDS,)
        for at, records in enumerate(halves):
            log.journal.append(list(map(encode, records)))
            log.index.catch_up(log.journal)
            log.sealer.seal()
            if request.param != "hot" and at == 0:
                archive(log)
        assert bool(log.archive.segments) == (request.param != "hot")
        assert bool(log.index.state.records) == (request.param != "archived")
        yield log


def archive(log: Log) -> None:
    later = clock.now() + timedelta(days=2)
    with clock.set_clock(lambda: later):
        while log.archiver.step() is not None:
            pass


def question(projects: dict[str, str] | None, **given: Any) -> SqlQuestion:
    return SqlQuestion(sql="SELECT 1", projects=projects, **given)


def taken(
    log: Log, folder: Path, projects: dict[str, str] | None, **given: Any
) -> list[dict[str, Any]]:
    """Return the rows of an extract, in their order of time."""
    wanted = Extract.of(question(projects, **given), most=100)
    count, paths = log.library.extract(wanted, folder / EXTRACTS, "x")
    with duckdb.connect() as database:
        asked = "SELECT * FROM read_parquet(?) ORDER BY time"
        found = database.execute(asked, [[str(path) for path in paths]])
        names = [each[0] for each in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len(rows) == count
    return rows


def test_only_the_records_of_the_named_projects_are_taken(log: Log, tmp_path: Path) -> None:
    rows = taken(log, tmp_path, {"prj_a": "shop"})
    assert {(row["project"], row["project_id"]) for row in rows} == {("shop", "prj_a")}
    assert [row["id"] for row in rows] == [each.id for each in RECORDS if each.project == "prj_a"]
    assert rows[1]["data"] == '{"number":3}'
    assert taken(log, tmp_path, {}) == []


def test_without_projects_all_are_taken_those_of_the_platform_too(log: Log, tmp_path: Path) -> None:
    rows = taken(log, tmp_path, None)
    assert [row["project"] for row in rows] == [each.project for each in RECORDS]


def test_the_time_bounds_what_is_taken(log: Log, tmp_path: Path) -> None:
    since, until = START + timedelta(minutes=3), START + timedelta(minutes=6)
    rows = taken(log, tmp_path, None, since=since, until=until)
    assert [row["summary"] for row in rows] == ["number 3", "number 4", "number 5"]


def test_an_extract_has_every_field_of_a_record(log: Log, tmp_path: Path) -> None:
    row = taken(log, tmp_path, None)[0]
    assert set(row) == {*RECORDS[0].to_json(), "project_id", "number"}


def test_too_many_records_are_not_taken(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / EXTRACTS
    with pytest.raises(OverLimit, match="more than 11 records") as refused:
        log.library.extract(Extract.of(question(None), most=11), folder, "x")
    assert "since" in refused.value.mend
    assert log.library.extract(Extract.of(question(None), most=12), folder, "x")[0] == 12


def test_a_log_writes_nowhere_else(log: Log, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(MavisError):
        log.library.extract(Extract.of(question(None), most=100), elsewhere, "x")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("sql", ["", "x" * (MAX_SQL + 1), "SELECT '\0'"])
def test_a_question_that_is_none_is_refused(sql: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        SqlQuestion(sql=sql, projects=None)
    assert refused.value.field == "sql"


def test_a_question_comes_back_from_its_json() -> None:
    asked = question({"prj_a": "shop"}, since=START)
    assert SqlQuestion.from_json(asked.to_json()) == asked
    for bad in ({}, [], {**asked.to_json(), "projects": "*"}, {**asked.to_json(), "since": 1}):
        with pytest.raises(InvalidInput):
            SqlQuestion.from_json(bad)
