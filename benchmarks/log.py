"""The log beside ripgrep over JSON lines, plain and packed by zstd, and beside SQLite's FTS5 alone.

All have the same records (`contenders.log_records`, a fixed seed): 10 million, or as many as
``--records`` says. Mavis writes them as its log process does: to the journal (fsync), into the
index, sealed, and what is more than the index holds into segments. SQLite has one file: a table
with indexes for the filters, and FTS5 over the texts. Each question is asked 20 times with other
values, and what the contenders find is compared with what Mavis finds. Debian's packages ripgrep
and zstd must be there; it takes 15 GB of disk, and files are in the page cache for all.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from contenders.log_records import END, NEEDLE_EVERY, START, Corpus
from contenders.measuring import CACHE, goal

from mavis_core import clock
from mavis_core.logs import archive
from mavis_core.logs.archiver import Rule
from mavis_core.logs.opening import Log, open_log
from mavis_core.logs.query import Query
from mavis_core.logs.sealing import new_key, private_key
from mavis_core.logs.words import text_of
from mavis_core.objects import Settings, open_store

ASKED = 20
BATCH, STRETCH, SEGMENT = 1000, 10_000, 500_000
_ZSTD, _RG = "/usr/bin/zstd", "/usr/bin/rg"


@dataclass
class Meter:
    """CPU and wall time of something that is done many times."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    count: int = 0

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work`, measured."""

        def measured(*args: object, **options: object) -> Any:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            try:
                return work(*args, **options)
            finally:
                self.wall_s += time.perf_counter() - wall_s
                self.cpu_s += time.process_time() - cpu_s
                self.count += 1

        return measured


@dataclass
class Answers:
    """How long a question took, each time, and what was found."""

    times_s: list[float] = field(default_factory=list)
    found: list[list[str]] = field(default_factory=list)

    def p(self, part: float) -> float:
        """Return the time within which `part` of the answers came, in milliseconds."""
        ordered = sorted(self.times_s)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, for each contender: SQL and a regular expression may be missing."""

    name: str
    queries: Sequence[Query]
    sql: str
    values: Callable[[Query], tuple[object, ...]]
    pattern: Callable[[Query], str] | None
    bound_ms: float


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    options = parser.parse_args()
    corpus = Corpus(options.records)
    folder = CACHE / "log"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with ExitStack() as closers:
            _measure(corpus, folder, closers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _measure(corpus: Corpus, folder: Path, closers: ExitStack) -> None:
    plain = folder / "plain.jsonl"
    size, samples = _write_plain(corpus, plain)
    print(f"{corpus.count:,} records, {size / corpus.count:.0f} bytes each as JSON lines")
    log = _write_mavis(corpus, plain, folder / "mavis", closers)
    packed = _pack(plain, corpus.count)
    database = closers.enter_context(closing(_write_sqlite(corpus, plain, folder / "sqlite.db")))
    rng = random.Random(corpus.seed)  # noqa: S311 - the same each time
    print(f"\n{'p50 / p95, ms':34}{'Mavis':>16}{'SQLite':>18}{'rg plain':>12}{'rg -z':>12}")
    for question in _questions(corpus, samples, rng):
        _ask(question, log, database, plain, packed)
    _top_ten(log, database, rng)


def _write_plain(corpus: Corpus, path: Path) -> tuple[int, list[tuple[str, ...]]]:
    """Write JSON lines; return their size, and what some of the records are."""
    samples = []
    with path.open("wb") as file:
        for number, (*about, line) in enumerate(corpus.lines()):
            file.write(line + b"\n")
            if number % (corpus.count // 500) == 7:
                samples.append(tuple(about))
    return path.stat().st_size, samples


def _lines(plain: Path) -> Iterator[list[bytes]]:
    with plain.open("rb") as file:
        while batch := [line[:-1] for line in islice(file, BATCH)]:
            yield batch


def _write_mavis(corpus: Corpus, plain: Path, folder: Path, closers: ExitStack) -> Log:
    durable, segments, words, seals = Meter(), Meter(), Meter(), Meter()
    archive.write_segment = segments.around(archive.write_segment)
    archive.write_words = words.around(archive.write_words)
    most = min(SEGMENT, corpus.count // 4)
    store = open_store(Settings(folder / "objects"), "logs")
    log = open_log(
        folder / "journal",
        store,
        private_key(new_key()),
        closers,
        rule=Rule(timedelta(days=1), hot=most, most=most, settled=timedelta(seconds=-1)),
        cache_bytes=64 << 30,
    )

    def keep(batch: list[bytes]) -> None:
        log.journal.append(batch)
        log.index.catch_up(log.journal)

    keep_measured, seal = durable.around(keep), seals.around(log.sealer.seal)
    log.index.catch_up(log.journal)
    for number, batch in enumerate(_lines(plain), 1):
        keep_measured(batch)
        if number * BATCH % STRETCH == 0:
            seal()
        if number * BATCH % most == 0:
            while log.archiver.step() is not None:
                pass
    seal()
    log.words.catch_up()
    archived = sum(each.count for each in log.archive.segments)
    parquet = sum(each.records.size_bytes for each in log.archive.segments)
    fts = sum(each.words.size_bytes for each in log.archive.segments)
    print(
        f"journal and index: {corpus.count / durable.wall_s:,.0f} durable records a second,"
        f" {corpus.count / durable.cpu_s:,.0f} a CPU second; seals"
        f" {corpus.count / seals.cpu_s:,.0f} a CPU second"
    )
    both = archived / (segments.cpu_s + words.cpu_s)
    print(
        f"segments: {archived / segments.cpu_s:,.0f} records a CPU second, read back and compared;"
        f" with words {both:,.0f}; {parquet / archived:.1f} bytes a record, words"
        f" {fts / archived:.1f}; {len(log.archive.segments)} segments"
    )
    goal("durable records a second", 20_000 / (corpus.count / durable.wall_s), 1.0, "of 20,000")
    goal("segment records a CPU second", 150_000 / (archived / segments.cpu_s), 1.0, "of 150,000")
    goal("with words", 45_000 / both, 1.0, "of 45,000")
    goal("bytes a record", parquet / archived, 50, "bytes")
    goal("bytes a record of words", fts / archived, 45, "bytes")
    return log


def _pack(plain: Path, count: int) -> Path:
    packed = plain.with_suffix(".jsonl.zst")
    began = time.perf_counter()
    subprocess.run([_ZSTD, "-q", "-f", "-3", "-T1", str(plain), "-o", str(packed)], check=True)
    took = time.perf_counter() - began
    print(f"zstd -3: {count / took:,.0f} a second, {packed.stat().st_size / count:.1f} bytes each")
    return packed


def _write_sqlite(corpus: Corpus, plain: Path, path: Path) -> sqlite3.Connection:
    began = time.process_time()
    database = sqlite3.connect(path)
    database.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;"
        "CREATE TABLE records (id TEXT, time TEXT, project TEXT, person TEXT, correlation TEXT,"
        " action TEXT, line TEXT);"
        "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0,"
        " tokenize=\"unicode61 remove_diacritics 2 tokenchars '_'\");"
    )
    number = 0
    for batch in _lines(plain):
        rows, texts = [], []
        for line in batch:
            number += 1
            it = json.loads(line)
            columns = ("id", "time", "project", "person", "correlation_id", "action")
            rows.append((*(it[name] for name in columns), line.decode()))
            texts.append((number, text_of(line)))
        database.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", texts)
    for columns in ("project, time", "person, time", "correlation", "time"):
        name = columns.replace(", ", "_")
        database.execute(f"CREATE INDEX ix_{name} ON records ({columns})")
    database.commit()
    took = time.process_time() - began
    size = path.stat().st_size
    each = size / corpus.count
    print(f"SQLite FTS5: {corpus.count / took:,.0f} a CPU second, {each:.1f} bytes each")
    return database


def _questions(
    corpus: Corpus, samples: Sequence[tuple[str, ...]], rng: random.Random
) -> Iterator[Question]:
    chosen = rng.sample(list(samples), ASKED)
    hour, day = timedelta(hours=1), timedelta(days=1)
    yield Question(
        "last 100 of a project",
        [Query(projects=frozenset([project]), limit=100) for project, *_ in chosen],
        "SELECT id FROM records WHERE project = ? ORDER BY time DESC LIMIT 100",
        lambda q: (min(q.projects or ()),),
        None,
        50,
    )
    yield Question(
        "an hour of one person",
        [
            Query(projects=None, person=person, since=_at(at), until=_at(at) + hour, limit=200)
            for _, person, _, at in chosen
        ],
        "SELECT id FROM records WHERE person = ? AND time >= ? AND time < ?"
        " ORDER BY time DESC LIMIT 200",
        lambda q: (q.person, *_times(q)),
        None,
        50,
    )
    yield Question(
        "one session",
        [Query(projects=None, correlation_id=story, limit=200) for _, _, story, _ in chosen],
        "SELECT id FROM records WHERE correlation = ? ORDER BY time DESC LIMIT 200",
        lambda q: (q.correlation_id,),
        lambda q: f'"correlation_id":"{q.correlation_id}"',
        50,
    )
    needles = [
        corpus.needle(rng.randrange(max(1, corpus.count // NEEDLE_EVERY))) for _ in range(ASKED)
    ]
    yield Question(
        "a rare word",
        [Query(projects=None, words=needle, limit=200) for needle in needles],
        "SELECT id FROM records WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH ?)"
        " ORDER BY time DESC LIMIT 200",
        lambda q: (f'"{q.words}"',),
        lambda q: q.words or "",
        50,
    )
    yield Question(
        "two frequent words",
        [
            Query(projects=None, words=f"replica {rng.randrange(10_000)}", limit=50)
            for _ in range(ASKED)
        ],
        "SELECT id FROM records WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH ?)"
        " ORDER BY time DESC LIMIT 50",
        lambda q: (" ".join(f'"{word}"' for word in (q.words or "").split()),),
        None,
        50,
    )
    yield Question(
        "a substring, a project's day",
        [
            Query(
                projects=frozenset([project]),
                q=f"{rng.randrange(1000, 10_000)} failed",
                since=_at(at),
                until=_at(at) + day,
                limit=200,
            )
            for project, _, _, at in chosen
        ],
        "SELECT id FROM records WHERE project = ? AND time >= ? AND time < ?"
        " AND instr(lower(line), ?) ORDER BY time DESC LIMIT 200",
        lambda q: (min(q.projects or ()), *_times(q), q.q),
        None,
        100,
    )
    yield Question(
        "a rare substring, everything",
        [Query(projects=None, q=needle[1:-2], limit=200) for needle in needles[:5]],
        "SELECT id FROM records WHERE instr(lower(line), ?) ORDER BY time DESC LIMIT 200",
        lambda q: (q.q,),
        lambda q: q.q or "",
        1500,
    )


def _at(text: str) -> datetime:
    return clock.parse(text)


def _times(query: Query) -> tuple[str, str]:
    return clock.iso(query.since or START), clock.iso(query.until or END)


def _ask(
    question: Question, log: Log, database: sqlite3.Connection, plain: Path, packed: Path
) -> None:
    def by_mavis(query: Query) -> list[str]:
        return [each.id for each in log.library.search(query).items]

    def by_sqlite(query: Query) -> list[str]:
        return [row[0] for row in database.execute(question.sql, question.values(query))]

    by_mavis(question.queries[0])  # the files are opened once
    mavis, sqlite = (
        _timed(question.queries, by_mavis),
        _timed(question.queries, by_sqlite),
    )
    if mavis.found != sqlite.found:
        print(f"  {question.name}: the answers differ")
    others = ["", ""]
    if question.pattern is not None:
        others = [_grep(question, path, mavis.found) for path in (plain, packed)]
    print(
        f"{question.name:34}{mavis.p(0.5):8,.1f}/{mavis.p(0.95):7,.1f}"
        f"{sqlite.p(0.5):10,.1f}/{sqlite.p(0.95):7,.1f}{others[0]:>12}{others[1]:>12}",
        flush=True,
    )
    goal(f"{question.name}, p95", mavis.p(0.95), question.bound_ms, "ms")


def _top_ten(log: Log, database: sqlite3.Connection, rng: random.Random) -> None:
    """Count a day's records by action; Mavis counts by six other fields and over time besides."""
    day = timedelta(days=1)
    begins = [START + day * rng.randrange((END - START) // day) for _ in range(ASKED)]
    queries = [Query(projects=None, since=each, until=each + day) for each in begins]

    def by_mavis(query: Query) -> list[str]:
        found = log.library.summarize(query, ZoneInfo("UTC")).facets["action"].values[:10]
        return [f"{name} {count}" for name, count in found]

    def by_sqlite(query: Query) -> list[str]:
        asked = (
            "SELECT action || ' ' || count(*) FROM records WHERE time >= ? AND time < ?"
            " GROUP BY action ORDER BY count(*) DESC, action LIMIT 10"
        )
        return [row[0] for row in database.execute(asked, _times(query))]

    mavis, sqlite = _timed(queries, by_mavis), _timed(queries, by_sqlite)
    if mavis.found != sqlite.found:
        print("  top ten of a day: the answers differ")
    print(
        f"{'top ten of a day':34}{mavis.p(0.5):8,.1f}/{mavis.p(0.95):7,.1f}"
        f"{sqlite.p(0.5):10,.1f}/{sqlite.p(0.95):7,.1f}"
    )
    goal("top ten of a day, p95", mavis.p(0.95), 500, "ms")


def _grep(question: Question, path: Path, expected: Sequence[list[str]]) -> str:
    """Return how long ripgrep takes, in the middle; say where it finds something else."""
    pattern = question.pattern or str

    def ask(query: Query) -> list[str]:
        command = [_RG, "--no-config", "-z", "-F", "--no-line-number", pattern(query), str(path)]
        found = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
        return [json.loads(line)["id"] for line in found.splitlines()]

    grep = _timed(question.queries[:3], ask)
    for ours, theirs in zip(expected, grep.found, strict=False):
        if sorted(ours) != sorted(theirs):
            print(f"  {question.name}: ripgrep finds {len(theirs)}, Mavis {len(ours)}")
    return f"{grep.p(0.5):,.0f}"


def _timed(queries: Sequence[Query], ask: Callable[[Query], list[str]]) -> Answers:
    answers = Answers()
    for query in queries:
        began = time.perf_counter()
        found = ask(query)
        answers.times_s.append(time.perf_counter() - began)
        answers.found.append(found)
    return answers


if __name__ == "__main__":
    sys.exit(main())
