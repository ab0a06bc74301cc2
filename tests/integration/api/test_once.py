"""A POST with an ``Idempotency-Key`` has one effect and one answer, whatever comes between them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from core_double import Core, at_once, plan_document, wait_until
from mavis_core import clock
from mavis_core.config import Config
from mavis_core.db import tables
from mavis_core.testing.cloud import FakeCloud
from postgres_server import PostgresServer
from rest_service import Address, Answer, RestService, fill, make_home

DATABASES = ["sqlite", "postgresql"]
TESTS = Path(__file__).parents[2]
SHOP = "/projects/shop"
KEY = {"kind": "fake", "value": {"access_key_id": "A", "secret_access_key": "B"}}
PLACE = {"kit": "fake", "account": "1", "regions": ["here-1"]}


@dataclass(frozen=True)
class Case:
    """A request, and where its effect is counted.

    Parameters
    ----------
    first
        Makes what the request works on; returns what stands in braces in path and body.
    """

    name: str
    path: str
    body: dict[str, Any]
    table: sa.Table
    condition: Callable[[], sa.ColumnElement[bool]]
    first: Callable[[Address], dict[str, str]] = lambda _: {}


def shown(api: Address) -> dict[str, str]:
    answer = api.ask(
        "POST", f"{SHOP}/previews", body={"action": "resource.stop", "resource": "web-1"}
    )
    return {"preview": answer.json["id"], "hash": answer.json["hash"]}


def begun(api: Address) -> dict[str, str]:
    return {"run": api.ask("POST", f"{SHOP}/discoveries", body={}).json["id"]}


RUNS, RECORDS = tables.runs, tables.records
CASES = [
    Case(
        "create_project",
        "/projects",
        {"name": "once"},
        tables.projects,
        lambda: tables.projects.c.name == "once",
    ),
    Case(
        "create_key",
        "/keys",
        {"name": "once", **KEY},
        tables.keys,
        lambda: tables.keys.c.name == "once",
    ),
    Case(
        "create_environment",
        f"{SHOP}/environments",
        {"name": "once", **PLACE},
        tables.environments,
        lambda: tables.environments.c.name == "once",
    ),
    Case(
        "create_backup_plan",
        f"{SHOP}/backup-plans",
        {"name": "once", "definition": plan_document()},
        tables.backup_plans,
        lambda: tables.backup_plans.c.name == "once",
    ),
    Case(
        "create_recovery_point",
        f"{SHOP}/recovery-points",
        {"resource": "web-1"},
        RUNS,
        lambda: RUNS.c.kind == "recovery_point.create",
    ),
    Case(
        "create_preview",
        f"{SHOP}/previews",
        {"action": "resource.start", "resource": "web-1"},
        tables.previews,
        lambda: tables.previews.c.action == "resource.start",
    ),
    Case(
        "apply_preview",
        f"{SHOP}/previews/{{preview}}/apply",
        {"hash": "{hash}", "confirm": "shop"},
        RUNS,
        lambda: RUNS.c.kind == "resource.stop",
        shown,
    ),
    Case(
        "cancel_run",
        f"{SHOP}/runs/{{run}}/cancel",
        {},
        RECORDS,
        lambda: RECORDS.c.action == "run.cancel",
        begun,
    ),
]


@dataclass
class Api:
    """Processes of one appliance, one after another, over one database."""

    config: Config
    core: Core

    @contextmanager
    def process(self, dies_at: str = "") -> Iterator[tuple[Address, subprocess.Popen[bytes]]]:
        """Run one, which dies when it has had the effect of the request with this key."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "MAVIS_HOME": str(self.config.home),
            "MAVIS_APPLIANCE_ISOLATION": "none",
            "MAVIS_DATABASE_URL": self.config.database_url,
            "MAVIS_PORTS_API": str(port),
        }
        log = self.config.home / "api.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "dying_api", dies_at], env=environ, stderr=out
            )
        address = Address(port)

        def up() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return address.ask("GET", "/health", None).status == 200
            except OSError:
                return False

        try:
            wait_until(up, timeout_s=40)
            yield address, process
        finally:
            process.kill()
            process.wait(10)

    def count(self, case: Case) -> int:
        """Return how many effects there are."""
        with self.core.database.read() as tx:
            query = sa.select(sa.func.count()).select_from(case.table).where(case.condition())
            return int(tx.scalar(query) or 0)


@pytest.fixture(params=DATABASES, scope="module")
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database())
        config = make_home(tmp_path_factory.mktemp("once") / "home", url)
        cloud = FakeCloud()
        core = Core(config.database_url, cloud)
        stack.callback(core.close)
        fill(core, cloud)
        yield Api(config, core)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_kill_between_effect_and_answer_costs_neither(api: Api, case: Case) -> None:
    key = f"key of {case.name}"

    def ask(address: Address, **changed: object) -> Answer:
        body = {name: fill_in(value) for name, value in case.body.items()} | changed
        return address.ask("POST", case.path.format(**things), body=body, Idempotency_Key=key)

    def fill_in(value: object) -> object:
        return value.format(**things) if isinstance(value, str) else value

    with api.process(dies_at=key) as (address, process):
        things = case.first(address)
        assert api.count(case) == 0
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(address)
        assert process.wait(10) == -signal.SIGKILL
    assert api.count(case) == 1
    with api.process() as (address, _):
        again, once_more = ask(address), ask(address)
        assert again.status in (201, 202)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (once_more.status, once_more.content) == (again.status, again.content)
        located = address.ask("GET", again.headers["Location"], prefix="")
        assert located.json["id"] == again.json["id"]
        other = address.ask("POST", "/projects", body={"name": "other"}, Idempotency_Key=key)
        assert (other.status, other.code) == (409, "idempotency_key_reused")
    assert api.count(case) == 1


def test_of_many_at_once_one_acts_and_all_are_told_the_same(rest: RestService) -> None:
    def ask() -> Answer:
        return rest.ask("POST", "/projects", body={"name": "twins"}, Idempotency_Key="at once")

    answers = at_once(*[ask] * 6)
    told = {(each.status, each.json["id"]) for each in answers if isinstance(each, Answer)}
    assert len(told) == 1, answers
    replayed = [each.headers.get("Idempotent-Replayed") for each in answers]  # type: ignore[union-attr]
    assert sorted(map(str, replayed)) == ["None", *["true"] * 5]


def test_after_a_day_the_same_key_is_a_new_request(rest: RestService) -> None:
    def ask(key: str) -> Answer:
        return rest.ask("POST", f"{SHOP}/discoveries", body={}, Idempotency_Key=key)

    first, now = ask("daily"), clock.now()
    for later, same in (
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24, minutes=1), False),
    ):
        with clock.set_clock(lambda moment=now + later: moment):  # type: ignore[misc]
            answer = ask("daily")
        assert answer.status == 202
        assert (answer.json["id"] == first.json["id"]) is same
        assert ("Idempotent-Replayed" in answer.headers) is same
