"""The syslog receiver as it runs on the appliance: its process, the log process, real clients.

Fixtures: `site` is an appliance's state folder with a log process and a receiver that all tests
share; `Site.client` issues a certificate with `mavisctl`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from core_double import PLATFORM, call
from mavis_core import clock
from mavis_core.config import Config, load
from mavis_core.db import migrate, open_database
from mavis_core.errors import Unavailable
from mavis_core.logs import LogClient, Query
from mavis_core.logs.codec import encode
from mavis_core.logs.completeness import Completeness
from mavis_core.projects.service import Projects
from mavis_core.records import Kind, Origin, Outcome, Phase, Record
from mavis_hub.folders import ensure_folders
from mavis_hub.secrets import ensure_secrets
from mavis_hub.syslog.authority import ensure_authority, issue
from mavis_hub.syslog.framing import Frame
from mavis_hub.syslog.stories import Source, Story


def wait_until(holds: Callable[[], object], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def counted(*messages: bytes) -> bytes:
    return b"".join(b"%d %s" % (len(each), each) for each in messages)


def message(text: str) -> bytes:
    return f"<13>1 2026-11-28T02:00:00Z web-1 app 7 - - {text}".encode()


@dataclass
class Site:
    """A state folder, and the processes over it."""

    config: Config
    environ: dict[str, str]
    log: LogClient
    project: str

    @contextmanager
    def process(self, module: str) -> Iterator[subprocess.Popen[bytes]]:
        log = (self.config.home / "log" / f"{module}.log").open("ab")
        command = [sys.executable, "-m", module]
        with log, subprocess.Popen(command, env=self.environ, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()

    @contextmanager
    def logs(self) -> Iterator[subprocess.Popen[bytes]]:
        """The log process, ready."""
        with self.process("mavis_hub.log_service") as process:
            wait_until(lambda: process.poll() is not None or self._answers())
            yield process

    @contextmanager
    def receiver(self) -> Iterator[subprocess.Popen[bytes]]:
        """The receiver, ready."""
        with self.process("mavis_hub.syslog") as process:
            wait_until(lambda: process.poll() is not None or self._listens())
            assert process.poll() is None, self.words("mavis_hub.syslog")
            yield process

    def words(self, module: str) -> str:
        return (self.config.home / "log" / f"{module}.log").read_text()

    def _answers(self) -> bool:
        try:
            return self.log.health().status == "ok"
        except Unavailable:
            return False

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.config.syslog.port)) == 0

    def ctl(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mavis_hub.mavisctl", "syslog", *arguments]
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        return done

    def client(self, name: str) -> Path:
        """Issue a certificate; return the folder with its files."""
        folder = self.config.home / "clients" / name
        self.ctl("issue", name, "--project", "shop", "-o", str(folder))
        return folder

    def connect(self, folder: Path, name: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.config.syslog_ca)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        return self.dial(context)

    def dial(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.config.syslog.port), timeout=20)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def records(self, name: str, action: str = "reported.syslog") -> list[Record]:
        """What came of a client, oldest first; `action` and what begins so."""
        found: list[Record] = []
        query = Query(projects=frozenset({self.project}), person=f"syslog:{name}", limit=200)
        while True:
            page = self.log.search(query)
            found += page.items
            if page.next is None:
                break
            query = replace(query, cursor=page.next)
        return [each for each in found[::-1] if each.action.startswith(action)]

    def has_ended(self, name: str) -> bool:
        """Whether a connection of a client has ended."""
        query = Query(
            projects=frozenset({self.project}),
            person=f"syslog:{name}",
            action="reported.syslog.close",
        )
        return bool(self.log.search(query).items)

    def texts(self, name: str) -> list[str]:
        return [
            each.data["text"] for each in self.records(name) if each.action == "reported.syslog"
        ]

    def quarantine(self) -> str:
        path = self.config.journal / "quarantine" / "records.jsonl"
        return path.read_text() if path.exists() else ""


def make_site(home: Path, stack: ExitStack) -> Site:
    environ = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "MAVIS_HOME": str(home),
        "MAVIS_APPLIANCE_ISOLATION": "none",
        "MAVIS_SYSLOG_LISTEN": "both",
        "MAVIS_SYSLOG_PORT": str(free_port()),
        "MAVIS_SYSLOG_IDLE_S": "5",
    }
    config = load(home, environ=environ)
    ensure_folders(config)
    ensure_secrets(config, {})
    ensure_authority(config)
    migrate(config.database_url)
    database = open_database(config.database_url)
    stack.callback(database.close)
    made = Projects(database).create(call("ada", PLATFORM), name="shop", title="Web shop")
    log = stack.enter_context(LogClient.of(config))
    return Site(config, environ, log, made.project.id)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        made = make_site(tmp_path_factory.mktemp("syslog"), stack)
        stack.enter_context(made.logs())
        stack.enter_context(made.receiver())
        yield made


def test_a_message_is_a_record_of_the_project_of_its_certificate(site: Site) -> None:
    folder = site.client("web-1")
    with site.connect(folder, "web-1") as tls:
        tls.sendall(counted(message("hello"), message("password=hunter2-hunter2")))
        wait_until(lambda: len(site.texts("web-1")) == 2)
    wait_until(lambda: site.has_ended("web-1"))
    opened, first, second, closed = site.records("web-1")
    assert (first.project, first.origin, first.kind, first.phase) == (
        site.project,
        Origin.REPORTED,
        Kind.OPERATION,
        Phase.EVENT,
    )
    assert (first.person, first.source, first.object) == (
        "syslog:web-1",
        "syslog:web-1",
        "web-1/app",
    )
    assert first.data["form"] == "rfc5424"
    assert first.data["address"] == "127.0.0.1"
    assert second.data["text"] == "password=[masked: password]"
    assert [each.sequence for each in (opened, first, second, closed)] == [1, 2, 3, 4]
    assert closed.data["messages"] == 2


def test_the_key_is_handed_out_once_and_kept_nowhere(site: Site) -> None:
    done = site.ctl("issue", "printed", "--project", "shop", "--days", "30")
    key = done.stdout.partition("-----BEGIN PRIVATE KEY-----\n")[2].partition("\n")[0]
    assert len(key) == 64
    assert done.stdout.count("BEGIN CERTIFICATE") == 2
    kept = [path for path in site.config.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if key.encode() in path.read_bytes()]
    refused = site.ctl("issue", "printed", "--project", "shop", code=1)
    assert "There is a client printed already" in refused.stderr
    site.ctl("issue", "printed", "--project", "shop", "--again")
    listed = json.loads(site.ctl("list", "-o", "json").stdout)["clients"]
    assert [each["state"] for each in listed if each["name"] == "printed"] == ["good", "good"]
    assert "No project 'none'" in site.ctl("issue", "x", "--project", "none", code=1).stderr
    assert "is no name" in site.ctl("issue", "A b", "--project", "shop", code=1).stderr


def test_who_issued_and_revoked_is_recorded(site: Site) -> None:
    site.client("short-lived")
    site.ctl("revoke", "short-lived")
    asked = Query(projects=frozenset({site.project}), action="syslog.")

    def told() -> list[str]:
        found = site.log.search(asked).items
        return [each.action for each in found if each.object == "short-lived"]

    wait_until(lambda: told() == ["syslog.revoke", "syslog.issue"])
    assert "counts" in site.ctl("revoke", "short-lived", code=1).stderr


def foreign(home: Path) -> Config:
    """Another appliance's authority."""
    config = load(home, environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
    ensure_folders(config)
    ensure_authority(config)
    return config


def strangers(site: Site, tmp_path: Path) -> dict[str, tuple[str, str] | None]:
    """Certificates and keys that do not count, by what is wrong with them."""
    other = issue(foreign(tmp_path / "other"), "web-1", site.project, 30)
    long_ago = clock.now() - timedelta(days=90)
    with clock.set_clock(lambda: long_ago):
        ended = issue(site.config, "web-1", site.project, 30)
    unknown = issue(site.config, "web-1", site.project, 30)
    server = (
        (site.config.syslog_folder / "server.pem").read_text(),
        site.config.secret_file("syslog", "server-key").read_text(),
    )
    return {
        "no certificate": None,
        "another authority's": (other.certificate, other.key),
        "one that has ended": (ended.certificate, ended.key),
        "one that was never handed out": (unknown.certificate, unknown.key),
        "the receiver's own": server,
    }


def test_a_certificate_that_does_not_count_sends_nothing(site: Site, tmp_path: Path) -> None:
    before = site.words("mavis_hub.syslog").count("syslog.refused")
    cases = strangers(site, tmp_path)
    for number, (what, pair) in enumerate(cases.items()):
        context = ssl.create_default_context(cafile=site.config.syslog_ca)
        if pair is not None:
            files = tmp_path / f"{number}.pem", tmp_path / f"{number}.key"
            for path, text in zip(files, pair, strict=True):
                path.write_text(text)
            context.load_cert_chain(*files)
        with pytest.raises((ssl.SSLError, ConnectionError)), site.dial(context) as tls:  # noqa: PT012  # with TLS 1.3 the refusal comes at any of these
            tls.sendall(counted(message(f"by {what}")))
            if tls.recv(1) == b"":
                raise ConnectionError("closed")
    wait_until(
        lambda: site.words("mavis_hub.syslog").count("syslog.refused") - before >= len(cases)
    )
    everything = site.log.search(Query(projects=None, q="by ", limit=200)).items
    assert not [each for each in everything if each.data.get("text", "").startswith("by ")]


def test_who_is_revoked_is_cut_off_while_it_sends(site: Site) -> None:
    folder = site.client("turned")
    with site.connect(folder, "turned") as tls:
        tls.sendall(counted(message("before")))
        wait_until(lambda: site.texts("turned") == ["before"])
        with ThreadPoolExecutor(1) as pool, suppress(ssl.SSLError, ConnectionError):
            revoking = pool.submit(site.ctl, "revoke", "turned")
            while not revoking.done():
                tls.sendall(counted(message("meanwhile")))
                time.sleep(0.2)
            revoking.result()
            assert tls.recv(1) == b""
    wait_until(lambda: site.has_ended("turned"))
    closed = site.records("turned", "reported.syslog.close")[0]
    assert closed.data["reason"] == "its certificate does not count any more"
    again = site.connect(folder, "turned")
    with again, pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012
        again.sendall(counted(message("after")))
        if again.recv(1) == b"":
            raise ConnectionError("closed")
    assert set(site.texts("turned")) == {"before", "meanwhile"}


BROKEN = {
    "lines": (b"<13>Oct 11 22:14:15 h a: x\n", "octet-counted"),
    "a huge count": (b"99999999999999999999 <13>x", "is no length"),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "is no length"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_has_no_length_ends_the_connection_and_lies_in_quarantine(
    site: Site, name: str
) -> None:
    who = f"broken-{list(BROKEN).index(name)}"
    folder = site.client(who)
    data, words = BROKEN[name]
    with site.connect(folder, who) as tls:
        tls.sendall(counted(message("good")) + data)
        assert tls.recv(1) == b""
    wait_until(lambda: site.has_ended(who))
    assert site.texts(who) == ["good"]
    (bad,) = site.records(who, "reported.syslog.unreadable")
    assert (bad.outcome, words in bad.summary) == (Outcome.FAILED, True)
    assert f'"sender": "syslog:{who}"' in site.quarantine()


def test_a_message_that_is_none_lies_in_quarantine_and_the_next_is_kept(site: Site) -> None:
    folder = site.client("mixed")
    with site.connect(folder, "mixed") as tls:
        tls.sendall(counted(b"no priority", message("good"), b"<13>older: one"))
        wait_until(lambda: len(site.texts("mixed")) == 2)
    bad = site.records("mixed", "reported.syslog.unreadable")
    assert [each.data["text"] for each in bad] == ["no priority"]
    forms = [each.data.get("form") for each in site.records("mixed") if "form" in each.data]
    assert forms == ["rfc5424", "rfc3164"]
    lines = [json.loads(line) for line in site.quarantine().splitlines()]
    assert [each["row"] for each in lines if each["sender"] == "syslog:mixed"] == ["no priority"]


def test_a_long_message_is_cut_and_says_so(site: Site) -> None:
    folder = site.client("long")
    with site.connect(folder, "long") as tls:
        tls.sendall(counted(message("x" * 500_000), message("next")))
        wait_until(lambda: len(site.texts("long")) == 2)
    cut, whole = (each for each in site.records("long") if each.action == "reported.syslog")
    assert cut.data["cut_from_bytes"] > 500_000
    assert 8000 < len(cut.data["text"]) < 8192
    assert "cut_from_bytes" not in whole.data


def test_a_connection_that_says_nothing_is_ended(site: Site) -> None:
    """Strangers that do not even begin, and a client that leaves its connection open."""
    folder = site.client("idle")
    with (
        socket.create_connection(("127.0.0.1", site.config.syslog.port), timeout=30) as stranger,
        site.connect(folder, "idle") as tls,
    ):
        tls.sendall(counted(message("one")) + b"100 <13>half")
        assert tls.recv(1) == b""
        assert stranger.recv(1) == b""
    wait_until(lambda: site.has_ended("idle"))
    assert site.records("idle", "reported.syslog.close")[0].data["reason"] == "nothing came"


def test_strangers_that_hold_handshakes_keep_no_client_out(site: Site) -> None:
    folder = site.client("patient")
    with ExitStack() as stack:
        for _ in range(40):
            held = socket.create_connection(("127.0.0.1", site.config.syslog.port), timeout=30)
            stack.enter_context(held)

        # The same address: it has to wait until theirs are over.
        def through() -> bool:
            try:
                with site.connect(folder, "patient") as tls:
                    tls.sendall(counted(message("through")))
                    wait_until(lambda: site.texts("patient"), 10)
                    return True
            except OSError:
                return False

        wait_until(through)


def test_a_flood_arrives_whole_and_in_order(site: Site) -> None:
    names = ("flood-1", "flood-2")
    folders = {name: site.client(name) for name in names}

    def send(name: str) -> None:
        with site.connect(folders[name], name) as tls:
            for at in range(0, 6000, 100):
                tls.sendall(counted(*(message(f"n{number}") for number in range(at, at + 100))))
            tls.unwrap()

    threads = [threading.Thread(target=send, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    complete = Completeness()
    for name in names:
        wait_until(lambda name=name: site.has_ended(name))
        records = site.records(name)
        said = [each.data["text"] for each in records if each.action == "reported.syslog"]
        assert said == [f"n{number}" for number in range(6000)]
        for each in records:
            complete.add(encode(each))
    assert (complete.gaps, complete.records) == ([], 12_004)


def test_while_the_log_process_is_down_senders_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = make_site(tmp_path / "down", stack)
        receiver = stack.enter_context(site.receiver())
        folder = site.client("waits")
        text = "y" * 1000
        total, sent, ended = 4000, 0, threading.Event()
        tls = stack.enter_context(site.connect(folder, "waits"))
        tls.settimeout(120)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)

        def send() -> None:
            nonlocal sent
            for number in range(total):
                tls.sendall(counted(message(f"{number} {text}")))
                sent = number + 1
            ended.set()

        sender = threading.Thread(target=send)
        sender.start()
        before = -1
        while sent != before or not sent:  # until nothing goes out any more
            before = sent
            time.sleep(1.5)
        assert not ended.is_set(), "four megabytes were taken though nothing can be kept"
        memory = psutil.Process(receiver.pid).memory_info().rss
        stack.enter_context(site.logs())
        sender.join()
        tls.unwrap()
        wait_until(lambda: site.has_ended("waits"))
        said = [each.partition(" ")[0] for each in site.texts("waits")]
        assert said == [str(number) for number in range(total)]
        assert memory < 200 << 20


def test_what_was_read_is_kept_when_the_receiver_is_told_to_end(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = make_site(tmp_path / "ends", stack)
        stack.enter_context(site.logs())
        receiver = stack.enter_context(site.receiver())
        folder = site.client("cut")
        tls = stack.enter_context(site.connect(folder, "cut"))
        tls.sendall(counted(message("first")))
        wait_until(lambda: site.texts("cut"))
        receiver.send_signal(signal.SIGTERM)
        assert receiver.wait(timeout=20) == 0
        last = site.records("cut")[-1]
        assert (last.action, last.data["reason"]) == (
            "reported.syslog.close",
            "the receiver ends",
        )


def report(site: Site, **other: object) -> Record:
    (made, _), _ = Story(Source("web-9", site.project, "here")).told([Frame(b"<13>x", 5)])
    return replace(made, **other)  # type: ignore[arg-type]  # as the case says


FALSE = {
    "observed": {"origin": Origin.OBSERVED},
    "an audit record": {"kind": Kind.AUDIT},
    "an outcome": {"phase": Phase.OUTCOME},
    "another action": {"action": "recovery_point.delete"},
    "an action that begins alike": {"action": "reported.syslogs"},
    "a person's": {"person": "olga"},
    "the platform's": {"project": None},
    "another source": {"source": "worker"},
    "another stream": {"stream": "kernel:1"},
}


@pytest.mark.parametrize("name", FALSE)
def test_the_receiver_can_write_reports_of_syslog_only(site: Site, name: str) -> None:
    token = site.config.read_secret("syslog", "syslog-token")
    false = report(site, **FALSE[name])
    with LogClient(site.config.reports_socket, token) as client:
        receipt = client.append([false])
        assert (receipt.accepted, len(receipt.refused)) == (0, 1)
        assert client.append([report(site)]).accepted == 1


def test_the_receiver_can_ask_nothing(site: Site) -> None:
    own, api = (
        site.config.read_secret("syslog", "syslog-token"),
        site.config.read_secret("api", "logs-token"),
    )

    def ask(path: Path, token: str, method: str, target: str) -> int:
        transport = httpx.HTTPTransport(uds=str(path))
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(transport=transport, base_url="http://logs", headers=headers) as http:
            return http.request(method, target).status_code

    reports = site.config.reports_socket
    for method, target in (("GET", "/records?projects=*"), ("GET", "/health"), ("POST", "/sql")):
        assert ask(reports, own, method, target) == 404
        assert ask(site.config.logs_socket, own, method, target) == 401
        assert ask(reports, api, method, target) == 401


def test_programs_of_the_machine_write_to_the_sockets(site: Site) -> None:
    site.ctl("local", "--project", "shop")
    folder = site.config.syslog_run
    wait_until((folder / "log.stream").exists)
    logger = ["logger", "--socket-errors=on", "-p", "auth.warning", "-t", "backup"]
    subprocess.run([*logger, "-u", str(folder / "log"), "by datagram"], check=True)
    subprocess.run([*logger, "-u", str(folder / "log.stream"), "by stream"], check=True)
    modern = ["--rfc5424", "--sd-id", "x@1", "--sd-param", 'v="1"']
    subprocess.run([*logger, *modern, "-u", str(folder / "log"), "modern"], check=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain:
        plain.connect(str(folder / "log"))
        plain.send(b"<13>big: " + b"z" * 20_000)
    wait_until(lambda: len(site.texts("local")) == 4)
    said = {
        each.data["text"][:11]: each
        for each in site.records("local")
        if each.action == "reported.syslog"
    }
    assert set(said) == {"by datagram", "by stream", "modern", "z" * 11}
    assert {each.data["app"] for each in said.values()} == {"backup", "big"}
    datagram = said["by datagram"]
    assert (datagram.data["severity"], datagram.data["facility"]) == ("warning", "auth")
    assert datagram.data["unix_user"] == os.getuid()
    assert said["by stream"].data["address"].startswith(f"unix user {os.getuid()}, process ")
    assert said["modern"].data["structured"]["x@1"] == {"v": "1"}
    assert said["z" * 11].data["cut_from_bytes"] == 20_009
    modes = {(folder / name).stat().st_mode & 0o777 for name in ("log", "log.stream")}
    assert modes == {0o660}
    site.ctl("local", "--off")
    wait_until(lambda: not (folder / "log").exists())


RSYSLOG = """
global(
  workDirectory="{work}"
  defaultNetstreamDriverCAFile="{folder}/ca.pem"
  defaultNetstreamDriverCertFile="{folder}/{name}.pem"
  defaultNetstreamDriverKeyFile="{folder}/{name}.key"
)
module(load="imuxsock" sysSock.use="off")
input(type="imuxsock" socket="{work}/in" createPath="on" useSpecialParser="off" parseHostname="on")
action(
  type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
  template="RSYSLOG_SyslogProtocol23Format"
  streamDriver="ossl" streamDriverMode="1" streamDriverAuthMode="x509/name"
  streamDriverPermittedPeers="localhost"
  queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1"
)
"""


def test_debian_s_rsyslog_sends_over_tls(site: Site, tmp_path: Path) -> None:
    folder = site.client("rsyslog")
    work = tmp_path / "r"
    work.mkdir()
    conf = work / "rsyslog.conf"
    conf.write_text(
        RSYSLOG.format(work=work, folder=folder, name="rsyslog", port=site.config.syslog.port)
    )
    command = ["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(work / "pid")]
    with (work / "out").open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as it:
        try:
            wait_until(lambda: it.poll() is not None or (work / "in").exists())
            assert it.poll() is None, (work / "out").read_text()
            for number in range(20):
                text = f"line {number} of a program"
                subprocess.run(["logger", "-u", work / "in", "-t", "prog", text], check=True)
            wait_until(lambda: len(site.texts("rsyslog")) >= 20)
        finally:
            it.terminate()
    said = [each for each in site.records("rsyslog") if each.data.get("app") == "prog"]
    assert [each.data["text"].strip() for each in said] == [
        f"line {number} of a program" for number in range(20)
    ]
    assert {each.data["form"] for each in said} == {"rfc5424"}
