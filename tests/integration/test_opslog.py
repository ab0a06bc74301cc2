"""SQL over the log: every way out is closed, every limit is met, and the writer goes on.

Each attempt has its control: the same thing done without the wall, where it succeeds, so that an
attempt which is none cannot pass for a wall.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import psutil
import pytest

from integration.test_log_service import config_of, make_record, put, running, wait_until
from mavis_core import clock
from mavis_core.config import Config
from mavis_core.db import open_database
from mavis_core.errors import Cancelled, InvalidInput, MavisError, OverLimit, Unavailable
from mavis_core.logs import LogClient, Query
from mavis_core.logs.archiver import Rule
from mavis_core.logs.codec import encode
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.opening import Log, open_log
from mavis_core.logs.questions import SqlAnswer, SqlQuestion
from mavis_core.logs.sealing import new_key, private_key
from mavis_core.objects import FolderObjects, ObjectStore
from mavis_hub.isolation import Walls, walls_stand
from mavis_hub.opslog import Limits, SqlDesk, child, walls_for

CHILD = Path(child.__file__)
MINE = {"prj_a": "shop"}
LIMITS = Limits(seconds=20, memory_mb=256, patience_s=0.3)
SECRET = "the-secret-of-the-test"
ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r"
HUGE = "SELECT list(hash(i)) FROM range(1_000_000_000) t(i)"


@dataclass
class Bench:
    """A state folder with records of two projects and of the platform, and who asks of them."""

    home: Path
    log: Log
    threads: ThreadPoolExecutor

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    def desk(self, limits: Limits = LIMITS) -> SqlDesk:
        folder = self.journal / EXTRACTS
        walls = walls_for(self.home, folder, limits)
        return SqlDesk(self.log.library, folder, walls, limits, self.run)

    async def run(self, work: Callable[[], tuple[int, list[int]]]) -> tuple[int, list[int]]:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def ask(
        self, sql: str, projects: dict[str, str] | None = MINE, limits: Limits = LIMITS
    ) -> SqlAnswer:
        async def asked() -> bytes:
            question = SqlQuestion(sql=sql, projects=projects)
            return await self.desk(limits).answer(question, asyncio.Event())

        return SqlAnswer.from_json(json.loads(asyncio.run(asked())))

    def refused(self, sql: str, limits: Limits = LIMITS) -> MavisError:
        with pytest.raises(MavisError) as refused:
            self.ask(sql, limits=limits)
        assert str(self.home) in sql or str(self.home) not in refused.value.message
        return refused.value


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("opslog") / "home"
    folder = home / "journal"
    folder.mkdir(parents=True)
    (home / "secrets").mkdir()
    (home / "secrets" / "file.csv").write_text(f"column\n{SECRET}\n")
    with ExitStack() as stack:
        store = ObjectStore(FolderObjects(home / "objects"))
        rule = Rule(timedelta(0), hot=0, most=300)
        key = private_key(new_key())
        log = open_log(folder, store, key, stack, rule=rule, cache_bytes=1 << 30)
        records = [
            replace(make_record(f"p{at % 5}", (*MINE, "prj_b", None)[at % 3]), data={"n": at})
            for at in range(900)
        ]
        later = clock.now() + timedelta(days=2)
        for part in (records[:600], records[600:]):  # the first goes to segments
            log.journal.append(list(map(encode, part)))
            log.index.catch_up(log.journal)
            log.sealer.seal()
            if not log.archive.segments:
                with clock.set_clock(lambda: later):
                    while log.archiver.step() is not None:
                        pass
        assert log.archive.segments
        assert log.index.state.records == 300
        yield Bench(home, log, stack.enter_context(ThreadPoolExecutor(4)))


def plain() -> duckdb.DuckDBPyConnection:
    """Return a database without walls, with such a table in it."""
    database = duckdb.connect()
    database.execute("CREATE TABLE records AS SELECT 'x' AS id, 'shop' AS project")
    return database


def test_a_question_is_answered_with_the_types_of_its_columns(bench: Bench) -> None:
    told = bench.ask("SELECT project, count(*) AS n, max(data->>'n') FROM records GROUP BY ALL")
    assert [(each.name, each.type) for each in told.columns][:2] == [
        ("project", "VARCHAR"),
        ("n", "BIGINT"),
    ]
    assert told.rows[0][:2] == ["shop", 300]
    assert told.records == 300
    told = bench.ask("FROM audit ORDER BY (data->>'n')::INT LIMIT 1; -- the first")
    first = dict(zip((each.name for each in told.columns), told.rows[0], strict=True))
    assert (first["person"], first["project_id"], first["data"]) == ("p0", "prj_a", {"n": 0})
    assert bench.ask("SELECT * FROM operations").rows == []
    assert len(bench.ask("DESCRIBE records").rows) == len(first)
    assert bench.ask("SHOW TABLES").rows == [["audit"], ["operations"], ["records"]]
    assert bench.ask("SELECT 1 AS a, 2 AS a").columns[1].name == "a_1"


def test_values_that_no_json_number_says_are_null(bench: Bench) -> None:
    sql = "SELECT 'nan'::DOUBLE, 'infinity'::FLOAT, [1, NULL], DATE '2030-01-31', 2::HUGEINT ** 70"
    told = bench.ask(sql.replace("2::HUGEINT ** 70", "1180591620717411303424::HUGEINT"))
    assert told.rows == [[None, None, [1, None], "2030-01-31", 2**70]]


def test_every_type_of_duckdb_can_be_told(bench: Bench) -> None:
    assert len(bench.ask("SELECT * FROM test_all_types()").rows) == 3


@pytest.mark.parametrize(
    "attempt",
    [
        "FROM '{file}'",
        "FROM read_csv('{file}')",
        "FROM read_text('{file}')",
        "FROM read_blob('{file}')",
        "FROM glob('{file}')",
        "FROM sniff_csv('{file}')",
        "FROM query('FROM read_text(''{file}'')')",
        "SELECT (SELECT content FROM read_text('{file}')) FROM records",
        "FROM read_text('/proc/self/environ')",
        "FROM read_blob('/proc/self/cmdline')",
    ],
)
def test_no_file_is_read(bench: Bench, attempt: str) -> None:
    sql = attempt.format(file=bench.home / "secrets" / "file.csv")
    with plain() as database:
        database.execute(sql).fetchall()
    refused = bench.refused(sql)
    assert isinstance(refused, InvalidInput)
    assert SECRET not in refused.message
    assert "disabled by configuration" in refused.message or "does not exist" in refused.message


@pytest.mark.parametrize(
    "attempt",
    [
        "COPY records TO '{file}'",
        "COPY (SELECT 42) TO '{file}' (FORMAT parquet)",
        "EXPORT DATABASE '{file}'",
        "ATTACH '{file}' AS other",
        "CREATE TABLE mine AS SELECT 1",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE MACRO mine(x) AS x + 1",
        "CREATE SECRET mine (TYPE http, BEARER_TOKEN 'x')",
        "INSERT INTO records VALUES ('y', 'shop')",
        "UPDATE records SET id = 'y'",
        "DELETE FROM records",
        "DROP TABLE records",
        "ALTER TABLE records ADD COLUMN c INT",
        "SET memory_limit = '100GB'",
        "SET threads = 8",
        "SET GLOBAL temp_directory = '{file}'",
        "RESET memory_limit",
        "PRAGMA threads = 8",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "PREPARE mine AS SELECT 1",
        "CHECKPOINT",
        "BEGIN",
        "USE memory",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE COPY records TO '{file}'",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE records",
        "SET VARIABLE mine = 1; SELECT 1",
    ],
)
def test_nothing_but_one_select_is_carried_out(bench: Bench, attempt: str, tmp_path: Path) -> None:
    with plain() as database:
        database.execute(attempt.format(file=tmp_path / "control"))
    refused = bench.refused(attempt.format(file=tmp_path / "written"))
    assert isinstance(refused, InvalidInput)
    assert "One statement" in refused.message or "can be read only" in refused.message
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("setting", ["enable_external_access", "lock_configuration"])
@pytest.mark.parametrize("verb", ["SET {} = false", "SET {} = true", "RESET {}"])
def test_no_wall_is_taken_down(bench: Bench, verb: str, setting: str) -> None:
    assert "this is SET" in bench.refused(verb.format(setting)).message


def test_a_change_within_a_select_is_refused(bench: Bench) -> None:
    sql = "WITH gone AS (DELETE FROM {table} RETURNING *) SELECT count(*) FROM gone"
    with plain() as database:
        assert database.execute(sql.format(table="records")).fetchall() == [(1,)]
    assert "not allowed" in bench.refused(sql.format(table="kept.rows")).message


@pytest.mark.parametrize("extension", ["httpfs", "sqlite_scanner"])
@pytest.mark.parametrize("verb", ["INSTALL", "LOAD", "FORCE INSTALL"])
def test_no_extension_comes_in(bench: Bench, verb: str, extension: str) -> None:
    assert "this is LOAD" in bench.refused(f"{verb} {extension}").message


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_csv('http://127.0.0.1:{port}/x.csv')",
        "FROM 'https://127.0.0.1:{port}/x.parquet'",
        "FROM sqlite_scan('x.db', 'y')",
        "SELECT getenv('PATH')",
    ],
)
def test_there_is_no_network_no_extension_and_no_environment(bench: Bench, sql: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        refused = bench.refused(sql.format(port=listener.getsockname()[1]))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert isinstance(refused, InvalidInput)


@pytest.mark.parametrize("name", ["database", "columns", "sys", "child"])
def test_no_variable_of_the_process_is_a_table(bench: Bench, name: str) -> None:
    assert f"{name} does not exist" in bench.refused(f"SELECT * FROM {name}").message


def test_a_frame_of_python_is_no_table_either() -> None:
    frame = pd.DataFrame({"a": [1]})
    with duckdb.connect() as database:
        assert database.execute("FROM frame").fetchall() == [(1,)]
    with child.opened(64) as database, pytest.raises(duckdb.CatalogException):
        database.execute("FROM frame")
    assert len(frame) == 1


def test_other_projects_are_in_nothing_that_can_be_reached(bench: Bench) -> None:
    listed = "SELECT schema_name || '.' || {0}_name FROM duckdb_{0}s() WHERE NOT internal"
    tables = bench.ask(f"{listed.format('table')} UNION ALL {listed.format('view')}").rows
    names = {str(row[0]) for row in tables}
    assert {"kept.rows", "main.records", "main.audit", "main.operations"} <= names
    for name in names - {"kept.answer"}:
        text = json.dumps(bench.ask(f"FROM {name}").rows)
        assert "prj_b" not in text
        assert "prj_a" in text or "operations" in name
    assert [row[0] for row in bench.ask("FROM duckdb_databases() SELECT database_name").rows] == [
        "memory",
        "system",
        "temp",
    ]
    text = json.dumps(bench.ask("SELECT DISTINCT project FROM records", projects=None).rows)
    assert "prj_b" in text  # the control: where they may be seen they are


def test_nothing_of_the_machine_is_told(bench: Bench) -> None:
    told = ""
    for table in ("settings", "databases", "secrets", "variables", "memory", "temporary_files"):
        told += json.dumps(bench.ask(f"FROM duckdb_{table}()").rows)
    told += bench.refused("FROM duckdb_extensions()").message
    told += bench.refused("SELECT nope FROM records").message
    for word in (
        str(bench.home),
        str(Path.home()),
        str(Path.cwd()),
        sys.prefix,
        os.uname().nodename,
    ):
        assert word not in told or word in ("/", "")


def test_errors_are_duckdbs_words_with_the_place(bench: Bench) -> None:
    told = bench.refused("SELECT id,\n  persom\nFROM records").message
    assert "persom" in told
    assert '"person"' in told
    assert "LINE 2:   persom" in told
    assert "LINE 2: FRO" in bench.refused("SELECT id\nFRO records r s").message


LARGE = [
    (HUGE, "more memory than 256 MiB"),
    ("SELECT repeat('x', 2_000_000_000)", "more memory than 256 MiB"),
    (
        "SELECT count(DISTINCT hash(a.range, b.range)) FROM range(100_000) a, range(100_000) b",
        "256",
    ),
    ("SELECT string_agg(repeat('x', 1000)) FROM range(10_000_000)", "more memory than 256 MiB"),
    ("SELECT * FROM range(100_000_000) ORDER BY hash(range)", "more memory than 256 MiB"),
    ("SELECT * FROM range(10_000_000_000)", "more than 100,000 rows"),
    ("SELECT repeat('x', 10_000) FROM range(10_000)", "more than 16 MiB"),
]


@pytest.mark.parametrize(("sql", "words"), LARGE)
def test_what_is_too_large_ends_with_the_limit_it_met(bench: Bench, sql: str, words: str) -> None:
    refused = bench.refused(sql)
    assert isinstance(refused, OverLimit)
    assert words in refused.message
    assert no_process_is_left()


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(10_000_000) b",
        "SELECT count(*) FROM records a, records b, records c, records d WHERE a.id||d.id = 'x'",
    ],
)
def test_what_takes_too_long_is_ended(bench: Bench, sql: str) -> None:
    refused = bench.refused(sql, replace(LIMITS, seconds=2))
    assert isinstance(refused, OverLimit)
    assert "longer than 2 s" in refused.message
    assert no_process_is_left()


def test_an_error_of_any_length_is_told_in_some_words(bench: Bench) -> None:
    refused = bench.refused("SELECT error(repeat('x', 1_000_000))")
    assert 100 < len(refused.message) < 3000


def test_records_that_do_not_fit_into_memory_are_a_limit(bench: Bench) -> None:
    refused = bench.refused("SELECT 1", replace(LIMITS, memory_mb=1))
    assert isinstance(refused, OverLimit)
    assert "memory" in refused.message


def no_process_is_left() -> bool:
    return not [
        each for each in psutil.Process().children(recursive=True) if str(CHILD) in cmdline(each)
    ]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


DOORS = f"""
import importlib.util, os, socket, subprocess, sys, threading
spec = importlib.util.spec_from_file_location("child", {str(CHILD)!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)

def tried(what):
    try:
        what()
    except OSError:
        return "no"
    return "yes"

def told():
    return " ".join((
        tried(lambda: open("/etc/passwd").close()),
        tried(lambda: os.close(os.dup(1))),
        tried(lambda: socket.socket().close()),
        tried(lambda: os.memfd_create("x")),
    ))

before = told()
child.close_doors(5)
print(before, "|", told(), flush=True)
"""


def test_the_system_refuses_what_duckdb_might_let_through() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", DOORS], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "yes yes yes yes | no no no no"


def test_without_duckdbs_own_doors_no_file_is_read_all_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    script = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("child", {str(CHILD)!r})
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
database = child.opened(64)
read = "SELECT content FROM read_text('{secret}')"
print(database.execute(read).fetchall(), flush=True)
child.close_doors(5)
for sql in (read, "COPY (SELECT 1) TO '{tmp_path}/written.csv'"):
    try:
        print(database.execute(sql).fetchall(), flush=True)
    except Exception as exc:
        print("refused", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"[('{SECRET}',)]", "refused", "refused"]
    assert not (tmp_path / "written.csv").exists()


def test_the_walls_hide_the_state_folder_other_processes_and_the_network(bench: Bench) -> None:
    empty = bench.journal / EXTRACTS / "empty"
    if why := walls_stand(bench.home, empty, network=False):
        pytest.fail(why)
    look = f"""
import os, socket
from pathlib import Path
file = Path({str(bench.home / "secrets" / "file.csv")!r})
pids = [int(each) for each in os.listdir("/proc") if each.isdigit()]
print(file.exists(), len(pids) < 10, [each for _, each in socket.if_nameindex()])
"""
    told = []
    for namespaces in (False, True):
        walls = Walls(bench.home, 512, namespaces=namespaces, network=False)
        command = walls.around(empty, (sys.executable, "-I", "-c", look))
        environ = {"PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        told.append(done.stdout.strip())
    assert told[0].startswith("True False")  # the control
    assert told[1].startswith("False True ['lo']")


def test_two_are_asked_at_a_time_and_others_wait_for_a_while(bench: Bench) -> None:
    async def asked() -> None:
        desk, gone = bench.desk(), asyncio.Event()
        endless = SqlQuestion(sql=ENDLESS, projects=MINE)
        long = [asyncio.create_task(desk.answer(endless, gone)) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(Unavailable, match="under way") as refused:
            await desk.answer(SqlQuestion(sql="SELECT 1", projects=MINE), asyncio.Event())
        assert refused.value.retry_after_s
        gone.set()
        for each in long:
            with pytest.raises(Unavailable, match="Nobody waits"):
                await each
        answer = await desk.answer(SqlQuestion(sql="SELECT 1", projects=MINE), asyncio.Event())
        assert json.loads(answer)["rows"] == [[1]]

    asyncio.run(asked())
    assert no_process_is_left()


def test_nothing_is_left_in_the_folder(bench: Bench) -> None:
    folder = bench.journal / EXTRACTS
    (folder / "left.parquet").write_bytes(b"of a process that was killed")
    bench.ask("SELECT 1")
    assert [each.name for each in folder.iterdir()] == ["empty"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the settings of a log process that the test starts itself."""
    return config_of(tmp_path)


def question(sql: str) -> SqlQuestion:
    return SqlQuestion(sql=sql, projects=MINE)


def asking(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that carry out a question."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [each for each in children if str(CHILD) in cmdline(each)]


def test_the_log_process_answers_and_ends_what_nobody_waits_for(config: Config) -> None:
    left = threading.Event()
    with closing(open_database(config.database_url)) as database, LogClient.of(config) as client:
        put(database, *(make_record("alice", "prj_a") for _ in range(20)))
        with running(config) as process:
            wait_until(lambda: client.health().indexed == 20)
            told = client.sql(question("SELECT person, count(*) FROM records GROUP BY 1"))
            assert told.rows == [["alice", 20]]
            with pytest.raises(InvalidInput, match="can be read only") as refused:
                client.sql(question("DROP TABLE records"))
            assert refused.value.field == "sql"
            with pytest.raises(OverLimit, match="rows"):
                client.sql(question("FROM range(1_000_000)"))
            with ThreadPoolExecutor(1) as threads:
                waiting = threads.submit(client.sql, question(ENDLESS), gone=left.is_set)
                wait_until(lambda: bool(asking(process)))
                left.set()
                with pytest.raises(Cancelled):
                    waiting.result()
            wait_until(lambda: not asking(process))


def test_who_kills_the_log_process_kills_what_it_has_begun(config: Config) -> None:
    with LogClient.of(config) as client, ThreadPoolExecutor(1) as threads:
        with running(config) as process:
            waiting = threads.submit(client.sql, question(ENDLESS))
            wait_until(lambda: bool(asking(process)))
            begun = asking(process)
            process.kill()
            process.wait()
            wait_until(lambda: not any(each.is_running() for each in begun))
        with pytest.raises(Unavailable):
            waiting.result()


def test_records_drain_and_searches_answer_while_questions_do_their_worst(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVIS_LOGS_SQL_SECONDS", "2")
    worst = (ENDLESS, HUGE, "FROM range(10_000_000_000)", "SELECT error(repeat('x', 1_000_000))")
    over = threading.Event()
    met: dict[str, set[str]] = {sql: set() for sql in worst}

    def ask_again(sql: str) -> None:
        with LogClient.of(config) as client:
            while not over.is_set():
                try:
                    client.sql(question(sql), gone=over.is_set)
                except MavisError as exc:
                    met[sql].add(type(exc).__name__)

    with (
        closing(open_database(config.database_url)) as database,
        LogClient.of(config) as client,
        running(config) as process,
    ):
        threads = [threading.Thread(target=ask_again, args=[sql]) for sql in worst]
        for each in threads:
            each.start()
        try:
            wait_until(lambda: bool(asking(process)))
            for at in range(1, 21):
                put(database, *(make_record(f"person-{at}", "prj_a") for _ in range(50)))
                query = Query(projects=frozenset(MINE), person=f"person-{at}", limit=50)
                wait_until(lambda query=query: len(client.search(query).items) == 50)  # type: ignore[misc]  # a default has no type
            wait_until(lambda: all(each & {"OverLimit", "InvalidInput"} for each in met.values()))
            assert client.health().status == "ok"
        finally:
            over.set()
            for each in threads:
                each.join()
        assert client.health().backlog == 0
        wait_until(lambda: not asking(process))


def test_a_question_takes_the_memory_of_its_own_process_only(config: Config) -> None:
    with LogClient.of(config) as client, running(config) as process:
        client.sql(question("SELECT 1"))
        before = psutil.Process(process.pid).memory_info().rss
        with pytest.raises(OverLimit, match="memory"):
            client.sql(question(HUGE))
        grown = psutil.Process(process.pid).memory_info().rss - before
    assert grown < 64 << 20
