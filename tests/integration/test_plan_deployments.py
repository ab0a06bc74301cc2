"""Backup plans in a real Prefect: a deployment each, its schedules, a slot carried out once.

Fixtures: `prefect_api` is a Prefect server of our own; `stage` is the resident worker over it with
the core's jobs and the shipped fake cloud.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import get_run_logger
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from core_double import ACCOUNT, REGION, Core, Project, plan_document, sqlite_url, wait_until
from mavis_core import clock
from mavis_core.errors import CloudDenied
from mavis_core.scheduling.model import RunState
from mavis_core.scheduling.step_records import StepLog
from mavis_core.testing.cloud import FakeCloud, during
from mavis_flows.flows import ActiveRuns, make_flow
from mavis_flows.places import Places
from mavis_flows.plan_deployments import PlanDeployments
from mavis_flows.resident import ResidentWorker


@pytest.fixture(scope="module")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    log = (home / "server.log").open("wb")
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"]
    server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/api"
    try:
        end = time.monotonic() + 120
        while not _healthy(url):
            assert server.poll() is None, (home / "server.log").read_text()
            assert time.monotonic() < end, "Prefect did not answer in time"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


@dataclass
class Stage:
    """The worker and what it works on."""

    shop: Project
    worker: ResidentWorker

    @property
    def plans(self) -> PlanDeployments:
        assert self.worker.plans is not None
        return self.worker.plans

    async def sync(self) -> None:
        await self.plans.sync(self.shop.core.timetable.plans())

    async def names(self) -> set[str]:
        """Return the names of the plans' deployments."""
        found = await self.worker.client.read_deployments()
        return {each.name for each in found if "backup-plan" in each.tags}

    async def begin(self, name: str, rule: str) -> UUID:
        """Let Prefect's schedule say that a rule is due now."""
        deployment = await self.worker.client.read_deployment_by_name(f"backup.run/shop.{name}")
        plan_id = self.shop.core.backup_plans.get(self.shop.ada, "shop", name).id
        made = await self.worker.client.create_flow_run_from_deployment(
            deployment.id, parameters={"run_id": f"slot:{plan_id}:{rule}"}, state=Scheduled()
        )
        return made.id

    async def ended(self, flow_run: UUID) -> FlowRun:
        """Let the worker work until a flow run has ended."""
        for _ in range(300):
            await self.worker.get_and_submit_flow_runs()
            found = await self.worker.client.read_flow_run(flow_run)
            if found.state is not None and found.state.is_final():
                return found
            await asyncio.sleep(0.1)
        raise AssertionError("the flow run did not end in time")


@asynccontextmanager
async def staged(prefect_api: str, tmp_path: Path) -> AsyncIterator[Stage]:
    cloud = FakeCloud()
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    core = Core(sqlite_url(tmp_path), cloud)
    shop = core.shop()
    shop.discover()
    execution, active, places = core.worker(), ActiveRuns(), Places()

    def take(plan_id: str, rule: str, flow_run: str) -> str | None:
        run_id = core.timetable.take_slot(plan_id, rule, reserved=timedelta(seconds=20))
        return run_id if run_id and execution.adopt(run_id, flow_run) else None

    flows = {action: make_flow(action, execution, active, places) for action in core.jobs}
    try:
        with temporary_settings({PREFECT_API_URL: prefect_api}):
            worker = ResidentWorker(flows, name=execution.worker, limit=4, slots=take)
            async with worker:
                await worker.register()
                await worker.sync_with_backend()
                yield Stage(shop, worker)
    finally:
        core.close()


Play = Callable[[Callable[[Stage], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(prefect_api: str, tmp_path: Path) -> Play:
    """Carry out a coroutine on a new stage."""

    def run(story: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with staged(prefect_api, tmp_path) as stage:
                await story(stage)

        asyncio.run(whole())

    return run


def test_a_plan_is_a_deployment_with_its_schedules_and_goes_with_it(play: Play) -> None:
    async def story(stage: Stage) -> None:
        rules = [
            {"name": "hourly", "cron": "0 * * * *"},
            {"name": "daily", "cron": "30 2 * * *"},
        ]
        stage.shop.plan(rules=rules, title="What earns the money")
        await stage.sync()
        assert await stage.names() == {"shop.nightly"}
        client = stage.worker.client
        made = await client.read_deployment_by_name("backup.run/shop.nightly")
        schedules = {each.slug: each.schedule for each in made.schedules}
        told = {slug: (each.cron, each.timezone) for slug, each in schedules.items()}  # type: ignore[union-attr]  # all are crons
        assert told == {
            "hourly": ("0 * * * *", "Europe/Berlin"),
            "daily": ("30 2 * * *", "Europe/Berlin"),
        }
        assert made.description == "What earns the money"

        core, ada = stage.shop.core, stage.shop.ada
        core.backup_plans.replace(ada, "shop", "nightly", plan_document())
        await stage.sync()
        made = await client.read_deployment_by_name("backup.run/shop.nightly")
        assert [each.slug for each in made.schedules] == ["daily"]

        core.backup_plans.remove(ada, "shop", "nightly")
        await stage.sync()
        assert await stage.names() == set()

    play(story)


def test_a_slot_that_prefect_shows_twice_is_carried_out_once(play: Play) -> None:
    """As it does when clocks are set back."""

    async def story(stage: Stage) -> None:
        stage.shop.plan(rules=[{"name": "often", "cron": "* * * * *"}])
        await stage.sync()
        later = datetime.now(UTC) + timedelta(minutes=1)
        with clock.set_clock(lambda: later):
            first = await stage.ended(await stage.begin("nightly", "often"))
            second = await stage.ended(await stage.begin("nightly", "often"))
        assert (first.state_type, second.state_type) == (StateType.COMPLETED, StateType.CANCELLED)
        (point,) = stage.shop.points()
        assert point.rule == "often"
        assert stage.shop.run_of(str(point.run_id)).state is RunState.SUCCEEDED
        which = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[first.id]))
        tasks = await stage.worker.client.read_task_runs(task_run_filter=which)
        names = [task.name.rpartition("-")[0] for task in tasks]
        assert set(names) == {
            "Look at what there is",
            "Select machines",
            "Take the snapshots",
            "Wait until complete",
            "Begin what follows",
            "Check",
        }

    play(story)


def test_calls_to_a_region_have_a_limit_in_prefect(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.shop.plan("limited", rules=[{"name": "often", "cron": "* * * * *"}])
        await stage.sync()
        later = datetime.now(UTC) + timedelta(minutes=1)
        with clock.set_clock(lambda: later):
            await stage.ended(await stage.begin("limited", "often"))
        limits = await stage.worker.client.read_global_concurrency_limits(limit=50)
        (limit,) = [each for each in limits if each.name == f"mavis {ACCOUNT} {REGION}"]
        assert (limit.limit, limit.active_slots) == (4, 0)

    play(story)


def test_what_a_step_logs_by_prefect_is_in_the_story_and_not_the_engine_s_words(play: Play) -> None:
    def say(_: object) -> None:
        get_run_logger().warning("the region is slow today")
        raise CloudDenied("may not")

    async def story(stage: Stage) -> None:
        shop = stage.shop
        shop.core.cloud.rules.append(during("tags.put", say))
        run = shop.start("resource.tag", "web-1", tags={"a": "1"})
        execution = shop.core.worker()
        (due,) = [each for each in execution.due(9) if each.run_id == run.id]
        flow_run = await stage.worker.schedule(due)
        assert execution.dispatch(due, flow_run)
        assert (await stage.ended(UUID(flow_run))).state_type is StateType.FAILED
        told = [each for each in shop.core.records() if each.data.get("flow_run") == flow_run]
        assert [(each.action, each.data.get("text"), each.error_code) for each in told] == [
            ("step.begin", None, None),
            ("step.log", "the region is slow today", None),
            ("step.end", None, CloudDenied.code),
        ]

    lines = StepLog()
    logging.getLogger().addHandler(lines)
    try:
        play(story)
    finally:
        logging.getLogger().removeHandler(lines)


def test_a_cancelled_run_is_cancelled_in_prefect(play: Play) -> None:
    async def story(stage: Stage) -> None:
        shop = stage.shop
        shop.core.cloud.snapshots_complete = False
        run = shop.start("recovery_point.create", "web-1")
        execution = shop.core.worker()
        (due,) = [each for each in execution.due(9) if each.run_id == run.id]
        flow_run = await stage.worker.schedule(due)
        assert shop.core.worker().dispatch(due, flow_run)
        working = asyncio.create_task(stage.ended(UUID(flow_run)))
        await asyncio.to_thread(wait_until, lambda: bool(shop.core.cloud.snapshots))
        shop.core.runs.cancel(shop.olga, "shop", run.id)
        assert (await working).state_type is StateType.CANCELLED
        shop.core.carry_out()
        assert shop.run(run).state is RunState.CANCELLED

    play(story)
