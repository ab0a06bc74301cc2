"""The log process as it runs on the appliance: a process, a socket, a database."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mavis_core.config import Config, load
from mavis_core.db import Database, migrate, open_database
from mavis_core.errors import InvalidInput, TooLarge, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs import Index, Journal, LogClient, Quarantine, Query, Receipt
from mavis_core.logs.codec import decode, encode
from mavis_core.logs.inbox import MAX_PARCEL_BYTES
from mavis_core.logs.sealing import new_key
from mavis_core.records import Kind, Outbox, Phase, Record, write
from mavis_hub import audit

TOKEN = "a-secret-of-the-test"
NOBODY = 65534
ALL = Query(projects=None)


def make_record(person: str = "alice", project: str | None = None) -> Record:
    return Record(
        kind=Kind.AUDIT,
        phase=Phase.EVENT,
        action="test.write",
        person=person,
        project=project,
        object="thing",
        summary="Something happened",
        correlation_id="cor_1",
    )


def wait_until(holds: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


def config_of(home: Path) -> Config:
    """Make a state folder as far as the log process needs it."""
    config = load(home, environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
    for process in ("logs", "api"):
        path = config.secret_file(process, "logs-token")
        path.parent.mkdir(parents=True)
        path.write_text(TOKEN + "\n")
    config.secret_file("logs", "seal-key").write_text(new_key() + "\n")
    (home / "db").mkdir()
    migrate(config.database_url)
    return config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the settings of a log process that the test starts itself."""
    return config_of(tmp_path)


@pytest.fixture
def database(config: Config) -> Iterator[Database]:
    database = open_database(config.database_url)
    yield database
    database.close()


@pytest.fixture
def client(config: Config) -> Iterator[LogClient]:
    with LogClient.of(config) as client:
        yield client


def spawn(config: Config) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mavis_hub.log_service"],
        env={**os.environ, "MAVIS_HOME": str(config.home), "MAVIS_APPLIANCE_ISOLATION": "none"},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(config: Config) -> Iterator[subprocess.Popen[str]]:
    """Run the log process, and end it if the block did not."""
    with spawn(config) as process:
        try:
            with LogClient.of(config) as client:
                wait_until(lambda: process.poll() is not None or is_up(client))
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield process
        finally:
            process.terminate()


def is_up(client: LogClient) -> bool:
    try:
        return client.health().status == "ok"
    except Unavailable:
        return False


def put(database: Database, *records: Record) -> None:
    with database.write() as tx:
        write(tx, *records)


def ask(
    config: Config,
    path: str,
    method: str = "GET",
    token: str | None = TOKEN,
    body: bytes | Iterator[bytes] | None = None,
) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(config.logs_socket))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(transport=transport, base_url="http://logs", headers=headers) as http:
        return http.request(method, path, content=body)


def test_a_record_that_was_committed_is_found(
    config: Config, database: Database, client: LogClient
) -> None:
    records = [make_record("alice"), make_record("bob", "prj_1"), make_record("alice", "prj_2")]
    put(database, *records)
    with running(config):
        wait_until(lambda: client.health().indexed == 3)
        assert client.search(ALL).items == tuple(reversed(records))
        assert client.search(replace(ALL, person="bob")).items == (records[1],)
        assert client.search(Query(projects=frozenset({"prj_2"}))).items == (records[2],)
        first = client.search(replace(ALL, limit=2))
        assert client.search(replace(ALL, limit=2, cursor=first.next)).items == (records[0],)
        many = frozenset(f"prj_01jd3k0000000000000000{number:04}" for number in range(999))
        assert client.search(Query(projects=many | {"prj_1"})).items == (records[1],)
        late = make_record("carol")
        put(database, late)
        wait_until(lambda: client.search(replace(ALL, person="carol")).items == (late,))
        health = client.health()
    assert health.status == "ok"
    assert health.backlog == 0
    assert health.last_record_time == late.time
    assert health.journal_bytes > 0
    assert health.error is None


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """Return the settings of a log process that runs for all tests of this file that share it."""
    config = config_of(tmp_path_factory.mktemp("logs"))
    with running(config):
        yield config


@pytest.mark.parametrize("path", ["/health", "/records?projects=*", "/", "/nothing"])
def test_without_the_secret_nothing_is_answered(path: str, service: Config) -> None:
    for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1]):
        answer = ask(service, path, token=token)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"
        assert TOKEN not in answer.text
    assert ask(service, path, "POST", token=None).status_code == 401


@pytest.mark.root
def test_another_unix_user_is_refused_even_with_the_secret(service: Config) -> None:
    program = (
        "import http.client, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "c = http.client.HTTPConnection('logs'); c.sock = s\n"
        "c.request('GET', '/health', headers={'Authorization': 'Bearer ' + sys.argv[2]})\n"
        "r = c.getresponse(); print(r.status, r.read().decode())"
    )
    command = ["/usr/bin/python3", "-c", program, str(service.logs_socket), TOKEN]
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # The folder's mode keeps strangers out; it is opened here, to meet the check behind it.
    shut = subprocess.run([*as_nobody, *command], capture_output=True, text=True, check=False)
    assert "PermissionError" in shut.stderr
    ways = [service.logs_socket, *service.logs_socket.parents]
    ways = [way for way in ways if way.is_relative_to(service.home.parents[1])]
    modes = [way.stat().st_mode for way in ways]
    try:
        for way in ways:
            way.chmod(0o777)
        open_ = subprocess.run([*as_nobody, *command], capture_output=True, text=True, check=True)
        own = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        for way, mode in zip(ways, modes, strict=True):
            way.chmod(mode)
    assert open_.stdout.startswith("403 ")
    assert '"code": "forbidden"' in open_.stdout
    assert own.stdout.startswith("200 ")


def test_the_socket_is_for_its_user_and_group(service: Config) -> None:
    assert service.logs_socket.stat().st_mode & 0o777 == 0o660
    assert service.logs_socket.parent.stat().st_mode & 0o777 == 0o750
    assert service.journal.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("path", "field"),
    [
        pytest.param("/records", "projects", id="projects missing"),
        pytest.param("/records?projects=*&limit=0", "limit", id="limit too small"),
        pytest.param("/records?projects=*&limit=201", "limit", id="limit too large"),
        pytest.param("/records?projects=*&limit=-1", "limit", id="limit no number"),
        pytest.param("/records?projects=*&since=yesterday", "since", id="no moment"),
        pytest.param("/records?projects=*&until=2030-01-31T12:00:00", "until", id="no zone"),
        pytest.param("/records?projects=*&cursor=abc", "cursor", id="no cursor"),
        pytest.param("/records?projects=*&q=a%00b", "q", id="control character"),
        pytest.param(f"/records?projects=*&q={'x' * 201}", "q", id="too long"),
        pytest.param("/records?projects=*&order=id", "order", id="unknown"),
        pytest.param("/records?projects=*&kind=rumour", "kind", id="no kind"),
        pytest.param("/records?projects=*&person=,", "person", id="nobody"),
        pytest.param("/records?projects=*&regex=(a", "regex", id="no expression"),
        pytest.param("/records?projects=*&words=...", "words", id="no word"),
        pytest.param("/summary?projects=*&zone=Mars/Olympus", "zone", id="no zone of time"),
        pytest.param("/summary?projects=*&regex=(a", "regex", id="no expression to count by"),
        pytest.param("/records?projects=*&projects=prj_1", "projects", id="twice"),
        pytest.param("/records?projects=prj_1,%27", "projects", id="no project"),
        pytest.param("/records?projects=*&q=%ff", "q", id="not UTF-8"),
    ],
)
def test_bad_input_is_named(path: str, field: str, service: Config) -> None:
    answer = ask(service, path)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["code"], problem["field"]) == ("invalid_input", field)
    assert problem["mend"]
    assert problem["request_id"]


def test_unknown_addresses_and_methods_are_told(service: Config) -> None:
    assert ask(service, "/nothing").status_code == 404
    assert ask(service, "/records", "PUT").status_code == 405


def test_the_client_passes_on_what_was_wrong(service: Config) -> None:
    query = Query(projects=None)
    object.__setattr__(query, "limit", 999)  # past the check, as a newer client would be
    with LogClient.of(service) as client, pytest.raises(InvalidInput, match="limit") as caught:
        client.search(query)
    assert caught.value.field == "limit"
    with LogClient(service.logs_socket, "wrong") as client, pytest.raises(Unavailable, match="401"):
        client.health()


def test_one_client_serves_many_threads(service: Config) -> None:
    with LogClient.of(service) as client, ThreadPoolExecutor(12) as threads:
        pages = list(threads.map(lambda _: client.search(ALL), range(100)))
    assert len(pages) == 100


def test_a_client_tells_when_nobody_answers_and_goes_on_when_somebody_does(
    config: Config, client: LogClient
) -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        client.search(ALL)
    assert "Nothing is lost" in caught.value.mend
    for _ in range(2):  # the second finds a new socket where the client's connection was
        with running(config):
            wait_until(lambda: client.search(ALL).items == ())


def test_it_stops_within_three_seconds_though_a_connection_is_open(
    config: Config, client: LogClient
) -> None:
    with running(config) as process, socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(config.logs_socket))
        client.health()
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 3
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
    assert not config.logs_socket.exists()


def test_it_stops_in_time_though_the_database_hangs_and_goes_on_after(
    config: Config, database: Database, client: LogClient
) -> None:
    record = make_record()
    with running(config) as process:
        put(database, record)
        with database.write():  # whoever else writes waits, mark_drained among them
            put_at = time.monotonic()
            wait_until(lambda: client.health().indexed == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - put_at < 6
    with running(config):
        wait_until(lambda: client.health().backlog == 0)
        assert client.search(ALL).items == (record,)


def test_a_second_one_is_refused_in_one_line(config: Config, client: LogClient) -> None:
    with running(config) as first:
        with spawn(config) as second:
            assert second.wait(30) == 1
            assert second.stderr
            said = second.stderr.read().splitlines()
        assert len(said) == 1
        assert f"is open in another process ({first.pid})" in said[0]
        assert is_up(client)


def test_a_missing_secret_is_told_in_one_line(config: Config) -> None:
    config.secret_file("logs", "logs-token").unlink()
    with spawn(config) as process:
        assert process.wait(30) == 1
        assert process.stderr
        said = process.stderr.read().splitlines()
    assert len(said) == 1
    assert "logs-token" in said[0]


def test_a_database_that_goes_away_shows_and_heals(
    config: Config, database: Database, client: LogClient
) -> None:
    with running(config):
        put(database, make_record())
        wait_until(lambda: client.health().indexed == 1)
        with database.write() as tx:
            tx.exec_driver_sql("ALTER TABLE records RENAME TO elsewhere")
        wait_until(lambda: client.health().status == "degraded")
        assert len(client.search(ALL).items) == 1
        with database.write() as tx:
            tx.exec_driver_sql("ALTER TABLE elsewhere RENAME TO records")
        put(database, make_record())
        wait_until(lambda: client.health().status == "ok" and client.health().indexed == 2)


def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    config: Config, database: Database
) -> None:
    rng = random.Random(9)
    stop = threading.Event()
    written: list[list[str]] = [[] for _ in range(4)]

    def work(ids: list[str], batches: Sequence[int]) -> None:
        for size in batches:
            records = [make_record() for _ in range(size)]
            put(database, *records)
            ids += [record.id for record in records]
            if stop.wait(0.01):
                return

    put(database, *(backlog := [make_record() for _ in range(3000)]))
    sizes = [[rng.randrange(1, 30) for _ in range(5000)] for _ in written]
    writers = [
        threading.Thread(target=work, args=pair) for pair in zip(written, sizes, strict=True)
    ]
    for writer in writers:
        writer.start()
    try:
        for _ in range(10):
            with spawn(config) as process:
                stop.wait(rng.uniform(0.5, 2.5))
                process.kill()
            assert process.returncode == -signal.SIGKILL
            # The stale socket of the killed one stays for half of the starts.
            if rng.random() < 0.5:
                config.logs_socket.unlink(missing_ok=True)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    with running(config), LogClient.of(config) as client:
        wait_until(lambda: Outbox(database).backlog() == 0, 60)
        assert client.health().quarantined < 20
    expected = sorted([record.id for record in backlog] + [id_ for ids in written for id_ in ids])
    journal = Journal(config.journal, Quarantine(config.journal / "quarantine"))
    index = Index(config.journal / "index.duckdb", Quarantine(config.journal / "quarantine"))
    assert sorted(decode(line.payload or b"").id for line in journal.read()) == expected
    index.catch_up(journal)
    assert index.state.records == len(expected)
    assert index.known(expected) == set(expected)
    index.close()
    journal.close()
    sealed, _ = audit.verify(config, [])
    assert (sealed.findings, sealed.records, sealed.unsealed) == ([], len(expected), 0)


def journaled(config: Config) -> list[str]:
    """Return the ids in the journal of a process that has ended, in their order."""
    journal = Journal(config.journal, Quarantine(config.journal / "quarantine"))
    try:
        return [decode(line.payload or b"").id for line in journal.read()]
    finally:
        journal.close()


def test_records_that_come_directly_are_durable_and_found(
    config: Config, database: Database, client: LogClient
) -> None:
    records = [make_record(project="prj_1") for _ in range(20)]
    with running(config) as process:
        assert client.append(records) == Receipt(20)
        assert client.append(records) == Receipt(20)
        assert client.append([]) == Receipt(0)
        put(database, other := make_record())
        wait_until(lambda: client.health().indexed == 21)
        assert client.search(ALL).items == (other, *reversed(records))
        process.kill()
        process.wait()
    assert journaled(config) == [record.id for record in [*records, other]]


def test_lines_that_are_no_records_are_named_and_put_aside(service: Config) -> None:
    good = make_record()
    with LogClient.of(service) as client:
        before = client.health().quarantined
        body = b"\n".join([b'{"no": "record"}', encode(good), b"\xff\xfe"])
        answer = ask(service, "/records", "POST", body=body)
        assert answer.status_code == 200
        assert answer.json()["accepted"] == 1
        assert [each["line"] for each in answer.json()["refused"]] == [1, 3]
        assert client.health().quarantined == before + 2


def test_more_than_one_call_may_carry_is_refused(service: Config) -> None:
    record = replace(make_record(), data={"x": "x" * 200_000})
    too_many = [replace(record, id=new_id("rec")) for _ in range(MAX_PARCEL_BYTES // 200_000 + 1)]
    with LogClient.of(service) as client, pytest.raises(TooLarge, match="at a time"):
        client.append(too_many)
    with held(service, MAX_PARCEL_BYTES + 1) as sender:
        assert sender.recv(1000).startswith(b"HTTP/1.1 413 ")
    answer = ask(service, "/records", "POST", body=iter([b"{}\n"]))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert "Content-Length" in answer.json()["detail"]


def held(config: Config, size: int) -> socket.socket:
    """Begin a call that says how much it will send, and send nothing."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(config.logs_socket))
    head = f"POST /records HTTP/1.1\r\nHost: logs\r\nContent-Length: {size}\r\n"
    sock.sendall(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    return sock


def test_beyond_its_room_it_says_so_at_once_and_the_outbox_goes_on(
    config: Config, database: Database, client: LogClient
) -> None:
    with running(config):
        holders = [held(config, MAX_PARCEL_BYTES) for _ in range(8)]

        def is_full() -> bool:
            return ask(config, "/records", "POST", body=encode(make_record())).status_code == 503

        wait_until(is_full)
        with pytest.raises(Unavailable, match="no room") as caught:
            client.append([make_record()])
        assert caught.value.retry_after_s
        answer = ask(config, "/records", "POST", body=b"x" * 3_000_000)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        put(database, record := make_record("carol"))
        wait_until(lambda: client.search(replace(ALL, person="carol")).items == (record,))
        for holder in holders:
            holder.close()
        wait_until(lambda: not is_full())
        assert client.append([make_record()]) == Receipt(1)


def test_kill_9_loses_nothing_that_was_answered(config: Config, database: Database) -> None:
    rng = random.Random(4)
    stop = threading.Event()
    answered: list[list[str]] = [[] for _ in range(4)]

    def send(told: list[str], sizes: Sequence[int]) -> None:
        with LogClient.of(config) as client:
            for size in sizes:
                records = [make_record() for _ in range(size)]
                while not stop.is_set():
                    try:
                        receipt = client.append(records)
                    except Unavailable:
                        stop.wait(0.02)
                    else:
                        assert receipt == Receipt(size)
                        told += [record.id for record in records]
                        break
                if stop.is_set():
                    return
                put(database, make_record("outbox"))

    sizes = [[rng.randrange(1, 60) for _ in range(5000)] for _ in answered]
    senders = [
        threading.Thread(target=send, args=each) for each in zip(answered, sizes, strict=True)
    ]
    for sender in senders:
        sender.start()
    try:
        for _ in range(6):
            before = sum(map(len, answered))
            with spawn(config) as process:
                wait_until(lambda before=before: sum(map(len, answered)) > before, 60)
                stop.wait(rng.uniform(0, 1.0))
                process.kill()
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    with running(config):
        wait_until(lambda: Outbox(database).backlog() == 0, 60)
    told = {id_ for ids in answered for id_ in ids}
    found = journaled(config)
    assert len(told) > 100
    assert len(found) == len(set(found))
    assert told <= set(found)
    sealed, _ = audit.verify(config, [])
    assert (sealed.findings, sealed.records, sealed.unsealed) == ([], len(found), 0)


def test_a_full_disk_is_told_to_the_sender_and_what_comes_later_fits(config: Config) -> None:
    """A limit on the size of files makes write() fail, as a full disk does."""
    with running(config) as process, LogClient.of(config) as client:
        assert client.append([make_record()]) == Receipt(1)
        before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, before[1]))
        big = [replace(make_record(), data={"x": "x" * 2000}) for _ in range(100)]
        with pytest.raises(Unavailable, match="File too large") as caught:
            client.append(big)
        assert caught.value.retry_after_s
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
        assert client.append(big) == Receipt(100)
    assert len(journaled(config)) == 101
