"""What is over its period goes, everywhere; all else stays, and the seals hold as before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from log_questions import PROJECTS, everything, held, make_record, walk
from mavis_core import clock
from mavis_core.config.declaring import RECORD_PERIODS
from mavis_core.errors import InvalidInput, NotFound, Unavailable
from mavis_core.ids import is_id, new_id
from mavis_core.logs import Query
from mavis_core.logs.archive import CATALOGUE, Archive
from mavis_core.logs.completeness import Completeness
from mavis_core.logs.erasing import Eraser
from mavis_core.logs.evidence import Verdict, Written, fingerprint, verify
from mavis_core.logs.holds import RecordHold
from mavis_core.logs.reading import all_lines
from mavis_core.logs.retention import (
    CutOff,
    RecordClass,
    Retention,
    class_of,
    parse_exceptions,
)
from mavis_core.logs.sealing import read_seals
from mavis_core.logs.segments import Erased
from mavis_core.records import Kind, Origin, Phase, Record
from opened_log import KEY, Log, opened

AUDIT, OPERATION, REPORTED = RecordClass
EVERYTHING = Query(projects=None, limit=200)
NOW = datetime(2032, 6, 15, 9, tzinfo=UTC)
P1, P2 = (f"prj_01jd3k5v7m8q2x4c6e9g0r1s2{letter}" for letter in "tw")


@pytest.fixture
def closers() -> Iterator[ExitStack]:
    with ExitStack() as closers:
        yield closers


@pytest.fixture
def log(tmp_path: Path, closers: ExitStack) -> Log:
    return opened(tmp_path, closers)


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with clock.set_clock(lambda: NOW):
        yield


class Reports:
    """The records that an eraser wrote."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def __call__(self, records: Sequence[Record]) -> None:
        self.records += records


def eraser(
    log: Log,
    retention: Retention,
    holds: Callable[[], Sequence[RecordHold]] = tuple,
    report: Callable[[Sequence[Record]], None] | None = None,
) -> Eraser:
    return Eraser(log.archive, log.reader, retention, holds, report or Reports())


def erase_all(each: Eraser) -> int:
    taken = 0
    while each.step() is not None:
        taken += 1
    return taken


def held_by(**about: object) -> RecordHold:
    given = {"person": None, "correlation_id": None, "since": None, "until": None} | about
    return RecordHold(
        id=new_id("hold"),
        reason="a lawsuit",
        placed_by="alice",
        placed_at=NOW,
        **given,  # type: ignore[arg-type]
    )


def aged(seed: int, count: int) -> list[Record]:
    """Return records of the three years before `NOW`, the oldest first."""
    rng = random.Random(seed)
    records = [
        replace(make_record(rng), time=NOW - timedelta(seconds=rng.randrange(3 * 365 * 86400)))
        for _ in range(count)
    ]
    return sorted(records, key=lambda each: each.time)


def verdict_of(log: Log, folder: Path) -> Verdict:
    lines = all_lines(log.journal.folder, log.store, KEY.public_key(), folder)
    found = (
        Written(number, b"", erased=line.leaf)
        if isinstance(line, Erased)
        else Written(number, line)
        for number, line in lines
    )
    keys = {fingerprint(KEY.public_key()): KEY.public_key()}
    return verify(found, list(read_seals(log.journal.folder)), keys, begins=1)


def is_kept(record: Record, retention: Retention, holds: Sequence[RecordHold]) -> bool:
    """Say by other means than the product's whether a record stays."""
    kind = AUDIT if record.kind == Kind.AUDIT else OPERATION
    if record.origin == Origin.REPORTED:
        kind = REPORTED
    days = retention.projects.get(record.project or "", {}).get(kind, retention.days.get(kind, 0))
    if not days:
        return True
    over = NOW - timedelta(days=days)
    if (record.time.year, record.time.month) >= (over.year, over.month):
        return True
    return any(
        each.project_id == record.project
        and each.person in (None, record.person)
        and each.correlation_id in (None, record.correlation_id)
        and (each.since is None or each.since <= record.time)
        and (each.until is None or record.time < each.until)
        for each in holds
    )


@pytest.mark.parametrize("seed", range(8))
def test_what_is_over_goes_and_all_else_stays_as_it_was(
    seed: int, log: Log, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    records = aged(seed, 160)
    for at in range(0, 160, 40):
        log.add(records[at : at + 40])
        if at < 120:
            log.archive_all()
    days = {kind: rng.choice([0, 90, 400, 700]) for kind in RecordClass}
    own = {name: {rng.choice([*RecordClass]): rng.choice([0, 30])} for name in PROJECTS[:2] if name}
    retention = Retention(days, own if rng.random() < 0.7 else {})
    holds = [
        held_by(
            project_id=rng.choice(PROJECTS[:3]),
            person=rng.choice([None, "alice"]),
            correlation_id=rng.choice([None, "cor_3"]),
            since=rng.choice([None, NOW - timedelta(days=600)]),
        )
        for _ in range(rng.randrange(3))
    ]
    log.library.search(replace(EVERYTHING, words="server"))  # so that there are local copies
    archived = records[:120]
    kept = [each for each in archived if is_kept(each, retention, holds)] + records[120:]
    reports = Reports()
    erase_all(eraser(log, retention, lambda: tuple(holds), reports))

    assert everything(log.library, EVERYTHING) == walk(kept, EVERYTHING)
    for word in ("server", "quote", "cor_3"):
        asked = replace(EVERYTHING, words=word)
        found = everything(log.library, asked)
        assert found == walk([each for each in kept if held(each, word)], EVERYTHING)
    verdict = verdict_of(log, tmp_path)
    assert verdict.intact, verdict.findings
    assert (verdict.records, verdict.erased) == (len(kept), len(records) - len(kept))
    told = [each for each in reports.records if each.phase == Phase.OUTCOME]
    assert sum(n for each in told for n in each.data["erased"].values()) == verdict.erased
    gone = [each.id for each in records if each not in kept]
    with clock.set_clock(lambda: NOW + timedelta(days=5)):
        log.archive.sweep()
    for path in (*(tmp_path / "objects" / "objects").rglob("*"), *(tmp_path / "cache").rglob("*")):
        if path.suffix == ".parquet":
            assert not ids_in(path) & set(gone), path
    assert erase_all(eraser(log, retention, lambda: tuple(holds))) == 0


def ids_in(path: Path) -> set[str]:
    rows = duckdb.execute("SELECT id FROM read_parquet(?)", [str(path)]).fetchall()
    return {row[0] for row in rows}


def archived(log: Log, count: int = 30) -> list[Record]:
    records = aged(1, count)
    log.add(records)
    log.archive_all()
    return records


ALL_GO = Retention(dict.fromkeys(RecordClass, 1))


def test_each_project_is_told_before_and_after(log: Log) -> None:
    records = archived(log)
    reports = Reports()
    erase_all(eraser(log, ALL_GO, report=reports))
    old = [each for each in records if not is_kept(each, ALL_GO, ())]
    for project in {each.project for each in old}:
        told = [each for each in reports.records if each.project == project]
        assert [each.phase for each in told] == [Phase.INTENT, Phase.OUTCOME]
        assert len({each.correlation_id for each in told}) == 1
        count = sum(1 for each in old if each.project == project)
        assert sum(told[1].data["erased"].values()) == count
        assert all(is_id(each.id, "rec") and each.action == "record.erase" for each in told)


class Broken(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_step_leaves_all_or_nothing_and_the_next_one_ends_it(
    step: int, log: Log, tmp_path: Path, closers: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = archived(log)
    kept = [each for each in records if is_kept(each, ALL_GO, ())]
    left = [step]

    def breaking(work: Callable[..., object]) -> Callable[..., object]:
        def maybe(*args: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Broken
            return work(*args, **named)

        return maybe

    reports = Reports()
    with monkeypatch.context() as patch:
        patch.setattr(log.store, "put_file", breaking(log.store.put_file))
        patch.setattr(log.archive, "_write", breaking(log.archive._write))
        try:
            eraser(log, ALL_GO, report=breaking(reports)).step()  # type: ignore[arg-type]
        except Broken:
            assert everything(log.library, EVERYTHING) in (
                walk(records, EVERYTHING),
                walk(kept, EVERYTHING),
            )
    assert left[0] < 0
    if step == 5:  # the manifest was there, and so the catalogue can be made from it
        (log.journal.folder / CATALOGUE).unlink()
    closers.close()
    with ExitStack() as again:
        log = opened(tmp_path, again)
        erase_all(eraser(log, ALL_GO, report=reports))
        assert everything(log.library, EVERYTHING) == walk(kept, EVERYTHING)
        assert verdict_of(log, tmp_path).intact
        intents = [each.id for each in reports.records if each.phase == Phase.INTENT]
        assert {intents.count(each) for each in intents} <= {1, 2}


def test_the_catalogue_made_anew_knows_the_newer_of_two_segments(log: Log) -> None:
    archived(log)
    before = log.archive.segments
    eraser(log, ALL_GO).step()
    (log.journal.folder / CATALOGUE).unlink()
    again = Archive(log.journal.folder, log.store, KEY)
    assert again.segments == log.archive.segments != before


def test_what_the_store_must_keep_is_left_until_then(log: Log) -> None:
    records = aged(1, 30)
    log.archive._keep = timedelta(days=10)
    log.add(records)
    with clock.set_clock(lambda: NOW):
        log.archive_all()  # two days later by its clock
    assert eraser(log, ALL_GO).step() is None
    assert len(everything(log.library, EVERYTHING)) == 30
    with clock.set_clock(lambda: NOW + timedelta(days=13)):
        assert eraser(log, ALL_GO).step() is not None


def test_a_hold_that_comes_between_stops_it(log: Log) -> None:
    records = archived(log)
    answers = iter([(), (held_by(project_id="prj_a"),)])
    with pytest.raises(Unavailable, match="hold was placed"):
        eraser(log, ALL_GO, lambda: next(answers)).step()
    assert everything(log.library, EVERYTHING) == walk(records, EVERYTHING)


def test_without_periods_nobody_is_asked_about_holds(log: Log) -> None:
    archived(log)

    def fails() -> Sequence[RecordHold]:
        raise AssertionError

    assert eraser(log, Retention(), fails).step() is None


def test_lines_that_are_no_records_go_with_the_last_record(log: Log, tmp_path: Path) -> None:
    records = [replace(each, project="prj_a", time=NOW - timedelta(900)) for each in aged(1, 4)]
    log.journal.append([b"{", b'{"secret":"\xff"}'])
    log.add(records)
    log.archive_all()
    held_one = held_by(project_id="prj_a", correlation_id=records[0].correlation_id)
    eraser(log, ALL_GO, lambda: (held_one,)).step()
    (segment,) = log.archive.segments
    assert (segment.kept >= 1, segment.odd) == (True, 2)
    partial = Retention({AUDIT: 1, OPERATION: 1})
    assert eraser(log, partial).step() is None or log.archive.segments[0].odd == 2
    assert erase_all(eraser(log, ALL_GO)) == 1
    assert (log.archive.segments[0].kept, log.archive.segments[0].odd) == (0, 0)
    verdict = verdict_of(log, tmp_path)
    assert (verdict.intact, verdict.records, verdict.erased) == (True, 0, 6)


def test_lines_without_any_record_have_a_period_of_their_own(log: Log) -> None:
    log.journal.append([b"{"])
    log.add([])
    log.archive_all()
    assert eraser(log, ALL_GO).step() is None
    with clock.set_clock(lambda: NOW + timedelta(days=60)):
        assert eraser(log, ALL_GO).step() is not None
    assert (log.archive.segments[0].odd, log.archive.segments[0].erased) == (0, 1)


def test_a_segment_that_is_not_there_holds_up_no_other(log: Log, tmp_path: Path) -> None:
    for seed in (1, 2):
        log.add(aged(seed, 20))
        log.archive_all()
    first, second = log.archive.segments
    (tmp_path / "objects" / "objects" / first.records.key).unlink()
    each = eraser(log, ALL_GO)
    assert each.step() is not None
    assert log.archive.segments[0] == first
    assert log.archive.segments[1].erased > second.erased
    with pytest.raises(NotFound):
        each.step()


def test_a_month_is_over_as_a_whole() -> None:
    cuts = Retention({AUDIT: 30}, {P1: {AUDIT: 60, REPORTED: 0}, P2: {AUDIT: 0}}).cut_offs(NOW)
    assert cuts == (
        CutOff(AUDIT, datetime(2032, 5, 1, tzinfo=UTC), others=(P1, P2)),
        CutOff(AUDIT, datetime(2032, 4, 1, tzinfo=UTC), P1),
    )
    assert [cut.holds_for(P1) for cut in cuts] == [False, True]
    assert [cut.holds_for(None) for cut in cuts] == [True, False]
    later = datetime(2032, 5, 30, 23, tzinfo=UTC)
    assert Retention({AUDIT: 30}).cut_offs(later)[0].before == datetime(2032, 4, 1, tzinfo=UTC)


def test_the_shortest_period() -> None:
    assert Retention().shortest is None
    assert Retention({AUDIT: 0}, {P1: {AUDIT: 0}}).shortest is None
    assert Retention({AUDIT: 90}, {P1: {REPORTED: 7}}).shortest == timedelta(days=7)


def test_every_kind_has_a_class() -> None:
    assert [class_of(kind, Origin.OBSERVED) for kind in Kind] == [AUDIT, OPERATION]
    assert {class_of(kind, Origin.REPORTED) for kind in Kind} == {REPORTED}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"{P1}: audit=30", {P1: {AUDIT: 30}}),
        (f" {P1}:audit = 3 , reported=0 ", {P1: {AUDIT: 3, REPORTED: 0}}),
        (f"{P1}: audit=1; {P2}: operation=2", {P1: {AUDIT: 1}, P2: {OPERATION: 2}}),
        (f"{P1}", None),
        (f"{P1}: audit", None),
        (f"{P1}: audit=-1", None),
        (f"{P1}: audit=1 {P2}: audit=1", None),
        ("web: audit=1", None),
        (f"{P1}: secret=1", None),
    ],
)
def test_periods_of_projects(text: str, meant: dict[str, dict[RecordClass, int]] | None) -> None:
    assert RECORD_PERIODS.allows(text) is (meant is not None)
    if meant is not None:
        assert parse_exceptions(text) == meant
    else:
        with pytest.raises(InvalidInput, match="No periods of a project"):
            parse_exceptions(text)


def test_numbers_that_are_missing_where_records_were_erased_are_no_gap() -> None:
    def line(sequence: int) -> bytes:
        return b'{"stream":"s","sequence":%d,"time":"2030-01-31T12:00:00Z"}' % sequence

    complete = Completeness()
    complete.add(line(1))
    for _ in range(3):
        complete.skip()
    complete.add(line(5))
    assert (complete.gaps, complete.erased) == ([], 3)
    complete.skip()
    complete.add(line(8))
    assert [(gap.first, gap.last) for gap in complete.gaps] == [(6, 7)]
