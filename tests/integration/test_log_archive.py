"""The archive of a log in a process of its own: killed at any moment, on a folder and on S3."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from log_questions import everything
from mavis_core.logs import Query
from mavis_core.logs.archiver import Rule
from mavis_core.logs.evidence import Written, fingerprint, verify
from mavis_core.logs.opening import open_log
from mavis_core.logs.reading import all_lines
from mavis_core.logs.sealing import private_key, read_seals
from mavis_core.objects import Settings, open_store
from seaweed_server import seaweed_server

KEY = "xqk5V8XxQ7Nn9tJ0tq4o2b1mC6mWm9mS5l0u3p7c1WE="
ROUNDS, BATCH = 8, 40

# Writes, seals and archives without a pause, and tells which records are durable.
PROGRAM = """
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from mavis_core.ids import new_id
from mavis_core.logs import archiver
from mavis_core.logs.codec import encode
from mavis_core.logs.opening import open_log
from mavis_core.logs.sealing import private_key
from mavis_core.objects import Settings, open_store
from mavis_core.records import Kind, Phase, Record

folder, url, endpoint, account, key, batch = sys.argv[1:]
store = open_store(
    Settings(Path(folder) / "objects", url, endpoint, account_file=Path(account)), "logs"
)
with ExitStack() as closers:
    log = open_log(
        Path(folder) / "journal", store, private_key(key), closers,
        rule=archiver.Rule(timedelta(days=1), 60, 100, timedelta(seconds=-1)), cache_bytes=1 << 30,
    )
    while True:
        made = [
            Record(kind=Kind.OPERATION, phase=Phase.EVENT, action="test.write", person="alice",
                   object="thing", summary="It was written", correlation_id=new_id("cor"))
            for _ in range(int(batch))
        ]
        log.journal.append([encode(each) for each in made])
        print(*(each.id for each in made), flush=True)
        log.index.catch_up(log.journal)
        log.sealer.seal()
        while log.archiver.step() is not None:
            pass
"""


@pytest.fixture(params=["folder", "bucket"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "folder":
        yield Settings(tmp_path / "objects")
        return
    with seaweed_server() as server:
        settings = Settings(
            tmp_path / "objects",
            "s3://mavis-logs/archive",
            server.url,
            account_file=server.account_file(tmp_path / "account"),
        )
        server.make_bucket("mavis-logs")
        yield settings


def test_a_log_that_is_killed_at_any_moment_has_every_record_once(
    settings: Settings, tmp_path: Path
) -> None:
    rng = random.Random(settings.url)
    told: list[str] = []
    place = [str(tmp_path), settings.url, settings.endpoint_url, str(settings.account_file)]
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *place, KEY, str(BATCH)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 12)):
                told += process.stdout.readline().split()
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
            for line in process.stdout:
                told += line.split() if line.endswith("\n") else ()
    key = private_key(KEY)
    journal = tmp_path / "journal"
    with ExitStack() as closers:
        rule = Rule(timedelta(days=1), hot=10**9, most=100)
        store = open_store(settings, "logs")
        log = open_log(journal, store, key, closers, rule=rule, cache_bytes=1 << 30)
        assert list(journal.glob("archiving-*")) == []
        log.index.catch_up(log.journal)
        log.sealer.seal()
        found = [each.id for each in everything(log.library, Query(projects=None, limit=200))]
        assert len(found) == len(set(found))
        assert set(told) <= set(found)
        assert len(log.archive.segments) > 2
        words = Query(projects=None, limit=200, words="written")
        assert [each.id for each in everything(log.library, words)] == found
        lines = all_lines(journal, store, key.public_key(), tmp_path)
        written = [Written(number, line) for number, line in lines]
        assert [json.loads(it.record)["id"] for it in written] == sorted(found)
        public = {fingerprint(key.public_key()): key.public_key()}
        verdict = verify(written, list(read_seals(journal)), public, begins=1)
        assert (verdict.findings, verdict.records, verdict.unsealed) == ([], len(found), 0)
