"""Segments give back each line of the journal, byte by byte, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import Damaged, Unavailable
from mavis_core.logs.codec import encode
from mavis_core.logs.evidence import leaf
from mavis_core.logs.retention import RecordClass
from mavis_core.logs.segments import SegmentFile, Span, write_segment
from mavis_core.records import Kind, Origin, Outcome, Phase, Record

START = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    phase=st.sampled_from(Phase),
    action=TEXTS,
    person=TEXTS,
    object=TEXTS,
    summary=TEXTS,
    correlation_id=TEXTS,
    project=st.none() | TEXTS,
    outcome=st.none() | st.sampled_from(Outcome),
    error_code=st.none() | TEXTS,
    request_id=st.none() | TEXTS,
    source=TEXTS,
    origin=st.sampled_from(Origin),
    stream=st.none() | TEXTS,
    sequence=st.none() | st.integers(1, 2**63 - 1),
    data=st.dictionaries(TEXTS, VALUES, max_size=3),
    time=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is beside them
)


def record(number: int, **change: Any) -> Record:
    given = {
        "kind": Kind.AUDIT,
        "phase": Phase.EVENT,
        "action": "test.write",
        "person": "alice",
        "object": f"thing-{number}",
        "summary": f"Thing {number} happened",
        "correlation_id": "cor_1",
        "project": (None, "prj_1", "prj_2")[number % 3],
        "time": START + timedelta(seconds=number),
    }
    return Record(**{**given, **change})


@settings(max_examples=60)
@given(records=st.lists(RECORDS, min_size=1, max_size=6), first=st.integers(1, 10**9))
def test_every_record_comes_back_as_the_bytes_that_it_was(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], first: int
) -> None:
    folder = tmp_path_factory.mktemp("segment")
    lines = [encode(each) for each in records]
    contents = write_segment(lines, folder / "x.parquet", first=first, scratch=folder)
    segment = SegmentFile(folder / "x.parquet", folder)
    assert list(segment.lines()) == list(enumerate(lines, start=first))
    assert segment.leaves() == [leaf(line) for line in lines]
    assert (contents.first, contents.count) == (first, len(lines))
    assert sum(span.count for span in contents.spans) == len(lines)


ODD = {
    "a damaged line": b"",
    "no JSON": b"{",
    "another order": json.dumps(dict(reversed(record(1).to_json().items()))).encode(),
    "a field more": encode(record(1))[:-1] + b',"more":1}',
    "a field less": encode(record(1)).replace(b'"person":"alice",', b""),
    "no object": b"[1]",
    "no UTF-8": b'{"summary":"\xff"}',
    "a number for a text": encode(record(1)).replace(b'"alice"', b"7"),
    "a time that is none": encode(record(1)).replace(b"2030-01-31", b"2030-02-31"),
    "a control character": encode(record(1, summary="\x0b\x1f")),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_line_that_the_columns_do_not_give_is_kept_as_it_is(odd: str, tmp_path: Path) -> None:
    lines = [encode(record(0)), ODD[odd], encode(record(2))]
    contents = write_segment(lines, tmp_path / "x.parquet", first=7, scratch=tmp_path)
    assert list(SegmentFile(tmp_path / "x.parquet", tmp_path).lines()) == (
        list(enumerate(lines, start=7))
    )
    assert (contents.count, contents.odd) == (3, 1)


def test_it_says_what_it_has_of_each_project(tmp_path: Path) -> None:
    lines = [encode(record(number)) for number in range(7)]
    contents = write_segment(lines, tmp_path / "x.parquet", first=1, scratch=tmp_path)

    def at(number: int) -> datetime:
        return START + timedelta(seconds=number)

    assert contents.spans == (
        Span(None, RecordClass.AUDIT, 3, at(0), at(6)),
        Span("prj_1", RecordClass.AUDIT, 2, at(1), at(4)),
        Span("prj_2", RecordClass.AUDIT, 2, at(2), at(5)),
    )
    assert contents.odd == 0


def test_the_records_of_a_project_lie_together(tmp_path: Path) -> None:
    lines = [encode(record(number)) for number in range(70_000)]
    write_segment(lines, tmp_path / "x.parquet", first=1, scratch=tmp_path)
    groups = duckdb.execute(
        "SELECT count(*) FROM parquet_metadata(?) WHERE path_in_schema = 'project'"
        " AND stats_min_value <= 'prj_2' AND stats_max_value >= 'prj_2'",
        [str(tmp_path / "x.parquet")],
    ).fetchall()[0][0]
    assert groups == 2  # of four


def test_a_changed_byte_is_told(tmp_path: Path) -> None:
    lines = [encode(record(number)) for number in range(100)]
    path = tmp_path / "x.parquet"
    write_segment(lines, path, first=1, scratch=tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    try:
        assert SegmentFile(path, tmp_path).leaves() != [leaf(line) for line in lines]
    except Damaged as exc:
        assert path.name in exc.message  # noqa: PT017 - either is right
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Damaged, match=r"x\.parquet cannot be read"):
        SegmentFile(path, tmp_path).leaves()


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "x.parquet"
    with pytest.raises(Unavailable, match="cannot be written"):
        write_segment([encode(record(1))], target, first=1, scratch=tmp_path)
    assert not target.exists()


def test_an_interrupted_source_leaves_no_file(tmp_path: Path) -> None:
    def lines() -> Any:
        yield encode(record(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_segment(lines(), tmp_path / "x.parquet", first=1, scratch=tmp_path)
    assert list(tmp_path.iterdir()) == []
