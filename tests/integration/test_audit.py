"""``mavisctl audit`` over what a real log process wrote."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mavis_core import clock
from mavis_core.config import Config, load
from mavis_core.db import migrate, open_database, tables
from mavis_core.errors import Conflict, Unavailable
from mavis_core.logs import Journal, LogClient, Quarantine, Query
from mavis_core.logs.anchoring import copied_seals
from mavis_core.logs.archiver import Rule
from mavis_core.logs.codec import encode
from mavis_core.logs.opening import anchor_stores, archive_store, open_log
from mavis_core.logs.sealing import SEALS, new_key, private_key, read_seals
from mavis_core.records import Kind, Outbox, Phase, Record, write
from seaweed_server import seaweed_server

Command = Callable[..., subprocess.CompletedProcess[str]]
RECORDS = 30


def make_record(number: int) -> Record:
    return Record(
        kind=Kind.AUDIT,
        phase=Phase.EVENT,
        action="test.write",
        person=("alice", "bob")[number % 2],
        project=("prj_1", "prj_2", None)[number % 3],
        object="thing",
        summary=f"Thing {number} happened",
        correlation_id=f"cor_{number // 10}",
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The state folder of a log process that took records and was stopped."""
    config = load(tmp_path / "home", environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
    for process in ("logs", "api"):
        path = config.secret_file(process, "logs-token")
        path.parent.mkdir(parents=True)
        path.write_text("a-secret-of-the-test\n")
    config.secret_file("logs", "seal-key").write_text(new_key() + "\n")
    (config.home / "db").mkdir()
    migrate(config.database_url)
    database = open_database(config.database_url)
    first = [make_record(number) for number in range(RECORDS)]
    begin = clock.now()
    with database.write() as tx:
        write(tx, *(replace(it, time=begin + timedelta(seconds=n)) for n, it in enumerate(first)))
    log_process(config, lambda _: not Outbox(database).backlog())
    database.close()
    return config


def log_process(config: Config, done: Callable[[LogClient], bool]) -> None:
    """Run the log process until `done`."""
    environ = {"MAVIS_HOME": str(config.home), "MAVIS_APPLIANCE_ISOLATION": "none"}
    command = [sys.executable, "-m", "mavis_hub.log_service"]
    with subprocess.Popen(command, env={**os.environ, **environ}) as process:
        end = time.monotonic() + 60
        with LogClient.of(config) as client:
            while not (is_up(client) and done(client)):
                assert time.monotonic() < end
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def is_up(client: LogClient) -> bool:
    try:
        return client.health().status == "ok"
    except Unavailable:
        return False


@pytest.fixture
def mavisctl(config: Config, tmp_path: Path) -> Command:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mavis_hub.mavisctl", *map(str, arguments)],
            env={"PATH": os.environ["PATH"], "MAVIS_HOME": str(config.home)},
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


def journal(config: Config) -> Path:
    (found,) = config.journal.glob("2*.jsonl")
    return found


def test_a_log_that_nobody_touched_is_intact(mavisctl: Command, tmp_path: Path) -> None:
    done = mavisctl("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{RECORDS} records are as they were" in done.stdout
    assert "mavisctl audit anchor" in done.stdout

    kept = mavisctl("audit", "anchor")
    (tmp_path / "anchor.json").write_text(kept.stdout)
    told = json.loads(mavisctl("audit", "verify", "--anchor", "anchor.json", "-o", "json").stdout)
    assert (told["intact"], told["records"], told["findings"]) == (True, RECORDS, [])
    assert told["anchored_until"] == told["intact_until"] == json.loads(kept.stdout)["time"]


@pytest.mark.parametrize("what", ["altered", "missing"])
def test_what_was_done_to_a_record_is_named(what: str, config: Config, mavisctl: Command) -> None:
    lines = journal(config).read_bytes().splitlines(keepends=True)
    lines[6:7] = [] if what == "missing" else [lines[6].replace(b"Thing 6", b"Thing 7")]
    journal(config).write_bytes(b"".join(lines))
    done = mavisctl("audit", "verify")
    assert done.returncode == 3
    assert done.stdout.startswith(f"{what}: record 7")
    assert done.stdout.count("\n") == 1


def test_a_log_that_was_cut_with_its_seals_shows_against_an_anchor(
    config: Config, mavisctl: Command, tmp_path: Path
) -> None:
    (tmp_path / "anchor.json").write_text(mavisctl("audit", "anchor").stdout)
    journal(config).write_bytes(b"")
    (config.journal / "seals.jsonl").write_bytes(b"")
    assert mavisctl("audit", "verify").returncode == 0
    done = mavisctl("audit", "verify", "--anchor", "anchor.json")
    assert done.returncode == 3
    assert done.stdout.startswith("cut: ")


def test_a_bucket_keeps_seals_and_shows_a_log_that_was_cut_or_written_anew(
    config: Config, mavisctl: Command, tmp_path: Path
) -> None:
    with seaweed_server() as server:
        server.make_bucket("mavis-test", locked=True)
        (config.home / "mavis.toml").write_text(
            f'[objects]\nurl = "s3://mavis-test/ops"\nendpoint_url = "{server.url}"\n'
            'lock = "compliance"\n[logs]\nlock_days = 1\n'
        )
        server.account_file(config.secret_file("logs", "objects-account"))
        settings = load(config.home, environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
        (store,) = anchor_stores(settings)
        log_process(config, lambda _: bool(list(store.keys("seals/"))))
        seals = read_seals(config.journal)
        assert [each.number for each in copied_seals(store)] == [it.seal.number for it in seals]
        told = mavisctl("audit", "verify")
        assert (told.returncode, told.stderr) == (0, "")
        assert "anchor" not in told.stdout
        with pytest.raises(Conflict, match="kept until"):
            store.remove(next(store.keys("seals/")))

        was = {path: path.read_bytes() for path in (journal(config), config.journal / SEALS)}
        for path in was:
            path.write_bytes(b"")
        cut = mavisctl("audit", "verify")
        assert (cut.returncode, cut.stdout[:5]) == (3, "cut: ")
        anew = was[journal(config)].replace(b"Thing 3 ", b"Thing 9 ")
        journal(config).write_bytes(checked(anew))
        log_process(config, lambda _: True)
        assert mavisctl("audit", "verify").stdout.startswith("chain: seal 1 is not the one")


def checked(lines: bytes) -> bytes:
    """Return lines of a journal with right checksums."""
    payloads = (line[len(b'{"crc":"00000000","record":') : -1] for line in lines.splitlines())
    return b"".join(b'{"crc":"%08x","record":%b}\n' % (zlib.crc32(it), it) for it in payloads)


def test_numbers_of_a_stream_that_never_came_are_told(config: Config, mavisctl: Command) -> None:
    with closing(Journal(config.journal, Quarantine(config.journal / "quarantine"))) as log:
        numbered = [replace(make_record(n), stream="krn_1", sequence=n) for n in (1, 2, 5)]
        log.append([encode(each) for each in numbered])
    done = mavisctl("audit", "verify")
    assert done.returncode == 4
    assert "\ngap: krn_1 has no record 3 to 4, before 20" in done.stdout
    told = json.loads(mavisctl("audit", "verify", "-o", "json").stdout)
    assert told["intact"]
    assert [(gap["first"], gap["last"]) for gap in told["gaps"]] == [(3, 4)]


def test_a_bundle_has_a_page_to_read_that_asks_nobody(
    config: Config, mavisctl: Command, tmp_path: Path
) -> None:
    with closing(Journal(config.journal, Quarantine(config.journal / "quarantine"))) as log:
        log.append([encode(replace(make_record(3), summary="<script>alert(1)</script>"))])
    log_process(config, lambda _: True)
    assert mavisctl("audit", "export", "bundle", "--person", "bob").returncode == 0
    page = (tmp_path / "bundle" / "reader.html").read_text()
    assert "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert page.count("<tr><td") == RECORDS // 2 + 1
    assert mavisctl("audit", "key").stdout.strip() in page
    if folder := os.environ.get("MAVIS_SCREENSHOTS"):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            shown = browser.new_page(viewport={"width": 1280, "height": 720})
            shown.goto((tmp_path / "bundle" / "reader.html").as_uri())
            shown.screenshot(path=f"{folder}/bundle-reader.png")
            browser.close()


def test_records_leave_with_their_evidence_and_it_is_recorded_that_they_did(
    config: Config, mavisctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    done = mavisctl("audit", "export", "bundle", "--project", "prj_1", "--person", "alice")
    assert done.returncode == 0
    folder = tmp_path / "bundle"
    lines = (folder / "records.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["record"]["summary"] for line in lines] == [
        f"Thing {number} happened" for number in range(0, RECORDS, 6)
    ]
    key = mavisctl("audit", "key").stdout.strip()
    assert done.stdout == f"python bundle/evidence.py bundle --key {key}\n"
    checked = check(tmp_path, key)
    assert (checked.returncode, checked.stdout.splitlines()[0][:30]) == (
        0,
        "5 records are as they were sea",
    )
    with closing(open_database(config.database_url)) as database:
        (told,) = [each for _, each in Outbox(database).pending(1000) if each.project]
    assert (told.action, told.project) == ("record.export", "prj_1")
    assert told.person == getpass.getuser()
    assert told.data["count"] == 5
    assert told.data["filters"] == {"project": "prj_1", "person": "alice"}
    altered = (folder / "records.jsonl").read_bytes().replace(b"Thing 12", b"Thing 13")
    (folder / "records.jsonl").write_bytes(altered)
    checked = check(tmp_path, key)
    assert checked.returncode == 1
    assert checked.stdout.startswith("altered: record 13 ")


def check(folder: Path, key: str) -> subprocess.CompletedProcess[str]:
    """Check the bundle with the file that lies in it, by a Python that knows no Mavis."""
    line = [sys.executable, "-I", "bundle/evidence.py", "bundle", "--key", key]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)


def test_a_time_and_a_story_choose_records(mavisctl: Command, tmp_path: Path) -> None:
    mavisctl("audit", "export", "all")
    lines = (tmp_path / "all/records.jsonl").read_bytes().splitlines()
    records = [json.loads(line)["record"] for line in lines]
    assert len(records) == RECORDS
    since = clock.iso(datetime.fromisoformat(records[10]["time"]))
    until = clock.iso(datetime.fromisoformat(records[15]["time"]))
    mavisctl("audit", "export", "some", "--since", since, "--until", until)
    assert (tmp_path / "some/records.jsonl").read_bytes().count(b"\n") == 5
    mavisctl("audit", "export", "story", "--correlation-id", "cor_2")
    assert (tmp_path / "story/records.jsonl").read_bytes().count(b"\n") == 10


def test_an_export_that_finds_nothing_or_would_overwrite_leaves_nothing(
    mavisctl: Command, tmp_path: Path
) -> None:
    done = mavisctl("audit", "export", "none", "--person", "nobody")
    assert done.returncode == 1
    assert "No sealed record fits" in done.stderr
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/mine").touch()
    done = mavisctl("audit", "export", "taken")
    assert done.returncode == 1
    assert "is there and not empty" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "taken"]
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "arguments",
    [("verify", "--anchor", "nothing.json"), ("export", "x", "--since", "yesterday")],
)
def test_wrong_input_is_told_in_words(arguments: tuple[str, ...], mavisctl: Command) -> None:
    done = mavisctl("audit", *arguments)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert arguments[-1] in done.stderr


def test_before_the_first_start_it_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mavis_hub.mavisctl", "audit", "verify"],
        env={"PATH": os.environ["PATH"], "MAVIS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "seal-key" in done.stderr
    assert "mavisctl up" in done.stderr


def test_what_is_over_its_period_is_erased_and_shows_in_the_verdict(
    config: Config, mavisctl: Command
) -> None:
    now, old = clock.now(), timedelta(days=400)
    records = [replace(make_record(n), time=now - old) for n in range(40)]
    key = private_key(config.read_secret("logs", "seal-key"))
    rule = Rule(timedelta(0), hot=0, most=1000)
    with ExitStack() as closers, clock.set_clock(lambda: now + timedelta(minutes=20)):
        log = open_log(
            config.journal, archive_store(config), key, closers, rule=rule, cache_bytes=0
        )
        log.journal.append([encode(each) for each in records])
        log.index.catch_up(log.journal)
        log.sealer.seal()
        with clock.set_clock(lambda: now + timedelta(hours=1)):
            segment = log.archiver.step()
        assert segment is not None
        assert segment.count == RECORDS + 40
    database = open_database(config.database_url)
    with database.write() as tx:
        made = {"id": "prj_2", "name": "two", "created_at": now, "created_by": "ada"}
        tx.execute(tables.projects.insert().values(title="Two", **made))
        about = dict.fromkeys(("person", "correlation_id", "since", "until"))
        placed = {"reason": "case 7", "placed_by": "ada", "placed_at": now}
        tx.execute(
            tables.record_holds.insert().values(id="hold_1", project_id="prj_2", **placed, **about)
        )
    database.close()
    (config.home / "mavis.toml").write_text("[logs]\nkeep_audit_days = 90\n")
    left = sum(1 for each in records if each.project == "prj_2")

    told = json.loads(mavisctl("audit", "retention", "-o", "json").stdout)
    assert told["days"] == {"audit": 90, "operation": 0, "reported": 0}
    assert told["holds"] == ["hold_1"]
    assert {each["project"] for each in told["over"]} == {None, "prj_1"}
    assert sum(each["records"] for each in told["over"]) == 40 - left
    said = mavisctl("audit", "retention").stdout
    assert "audit: 90 days" in said
    assert "records of the platform are over their period and erased next" in said

    settings = load(config.home, environ={"MAVIS_APPLIANCE_ISOLATION": "none"})
    wanted = Query(projects=None, action="record.erase", phase=Phase.OUTCOME)
    log_process(settings, lambda client: len(client.search(wanted).items) == 2)
    done = mavisctl("audit", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{40 - left} were erased after their period" in done.stdout
    assert "No record of the archive is over" in mavisctl("audit", "retention").stdout

    taken = mavisctl("audit", "export", "bundle", "--project", "two")
    assert taken.returncode == 0, taken.stderr
    folder = config.home.parent / "bundle"
    checked = subprocess.run(
        [sys.executable, folder / "evidence.py", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert len((folder / "records.jsonl").read_bytes().splitlines()) >= left


def test_a_bad_period_is_named(config: Config, mavisctl: Command) -> None:
    (config.home / "mavis.toml").write_text('[logs]\nkeep_projects = "shop: audit=1"\n')
    done = mavisctl("audit", "retention")
    assert done.returncode != 0
    assert "logs.keep_projects" in done.stderr
    assert "prj_…: audit=DAYS" in done.stderr
