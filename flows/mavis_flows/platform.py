"""The loops of the platform worker: find due Runs, keep claims alive, follow Prefect."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx

from mavis_core.bootstrap import WorkerApp
from mavis_core.errors import MavisError
from mavis_core.scheduling.execution import Due
from mavis_core.scheduling.step_records import StepLog
from mavis_flows.flows import ActiveRuns, make_flow
from mavis_flows.places import Places
from mavis_flows.resident import ResidentWorker

__all__ = ["Platform"]

_log = logging.getLogger("mavis.worker")
_RENEW_EVERY_S = 4.0
_TICK_EVERY_S = 1.0
_PREFECT_FIRST = timedelta(seconds=20)  # so long a slot is left to Prefect's own schedule
_RESERVED = timedelta(seconds=20)
_FOLLOW_PREFECT_EVERY_S = 10.0
_RETRY_PREFECT_S = 1.0
_STOP_WITHIN_S = 5.0


class Platform:
    """One resident worker, from start to stop.

    Parameters
    ----------
    app
        The parts that it works with.
    """

    def __init__(self, app: WorkerApp) -> None:
        self._app = app
        self._active = ActiveRuns()
        self._heartbeat = app.config.run / "worker" / "heartbeat"
        self._stopping = asyncio.Event()
        places = Places()
        flows = {
            action: make_flow(action, app.execution, self._active, places) for action in app.jobs
        }
        self._worker = ResidentWorker(
            flows,
            name=app.execution.worker,
            limit=app.config.worker.concurrency,
            slots=self._take_slot,
        )

    def stop(self) -> None:
        """Take up nothing more and let steps end."""
        self._app.stop.set()
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        renewal = threading.Thread(target=self._renew, name="renew", daemon=True)
        renewal.start()
        lines = StepLog()
        logging.getLogger().addHandler(lines)  # Prefect's loggers pass theirs on to it, too
        try:
            if not await self._until_prefect_is_there():
                return
            async with self._worker, asyncio.TaskGroup() as tasks:
                await self._worker.register()
                _log.info("platform worker %s is ready", self._worker.name)
                loops = (
                    tasks.create_task(
                        self._every(self._app.config.worker.poll_s, self._take_up), name="take up"
                    ),
                    tasks.create_task(self._every(_TICK_EVERY_S, self._tick), name="timetable"),
                    tasks.create_task(
                        self._every(_FOLLOW_PREFECT_EVERY_S, self._follow), name="follow"
                    ),
                )
                await self._stopping.wait()
                for task in loops:
                    task.cancel()
                await self._let_steps_end()
        finally:
            logging.getLogger().removeHandler(lines)
            self._app.stop.set()
            await asyncio.to_thread(renewal.join)

    async def _until_prefect_is_there(self) -> bool:
        """Wait for Prefect's API; return False where told to stop before."""
        told = False
        auth = tuple(self._app.config.read_secret("worker", "prefect-auth").split(":", 1))
        url = f"http://127.0.0.1:{self._app.config.ports.prefect}/api/health"
        async with httpx.AsyncClient(auth=(auth[0], auth[1]), timeout=5) as client:
            while not self._stopping.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(url)).is_success:
                        return True
                if not told:
                    _log.info("waiting for Prefect's API")
                    told = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _RETRY_PREFECT_S)
        return False

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again and again; what goes wrong is logged and tried again later."""
        while True:
            try:
                await work()
            except (MavisError, httpx.HTTPError, OSError) as exc:
                _log.warning("will try again: %s: %s", type(exc).__name__, exc)
                await asyncio.sleep(_RETRY_PREFECT_S)
            await asyncio.sleep(seconds)

    async def _take_up(self) -> None:
        """Bind each due Run to a flow run and let it begin."""
        at_hand = await asyncio.to_thread(self._app.execution.at_hand)
        free = self._app.config.worker.concurrency - at_hand
        if free <= 0:
            return
        due = await asyncio.to_thread(self._app.execution.due, free)
        for each in due:
            await self._dispatch(each)
        if due:
            await self._worker.get_and_submit_flow_runs()

    async def _dispatch(self, due: Due) -> None:
        if await asyncio.to_thread(self._app.execution.give_up, due):
            return
        flow_run = await self._worker.schedule(due)
        if await asyncio.to_thread(self._app.execution.dispatch, due, flow_run):
            _log.info(
                "%s of %s: Run %s, attempt %d", due.kind, due.subject, due.run_id, due.attempt
            )
            if due.stale_flow_run is not None:
                with contextlib.suppress(httpx.HTTPError):
                    await self._worker.bury(due.stale_flow_run)

    async def _follow(self) -> None:
        """Tell Prefect that this worker lives, and look for flow runs that it or others made."""
        await self._worker.sync_with_backend()
        if self._worker.plans is not None:
            await self._worker.plans.sync(await asyncio.to_thread(self._app.timetable.plans))
        await self._worker.get_and_submit_flow_runs()

    async def _tick(self) -> None:
        """Begin what is due and Prefect has not begun."""
        begun = await asyncio.to_thread(self._app.timetable.tick, patience=_PREFECT_FIRST)
        for run_id in begun:
            _log.info("the timetable began Run %s", run_id)

    def _take_slot(self, plan_id: str, rule: str, flow_run: str) -> str | None:
        """Return the Run that a flow run of a plan's schedule carries out, or None."""
        run_id = self._app.timetable.take_slot(plan_id, rule, reserved=_RESERVED)
        if run_id is None or not self._app.execution.adopt(run_id, flow_run):
            return None
        return run_id

    async def _let_steps_end(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN_S):
                while self._active.ids():  # noqa: ASYNC110  # Runs end in threads, which set no asyncio event
                    await asyncio.sleep(0.1)

    def _renew(self) -> None:
        """Keep claims and heartbeat alive, in a thread: a busy loop must not lose them."""
        while not self._app.stop.wait(0 if not self._heartbeat.exists() else _RENEW_EVERY_S):
            try:
                self._app.execution.renew(self._active.ids())
                _touch(self._heartbeat)
            except (MavisError, OSError) as exc:
                _log.warning("claims not renewed: %s", exc)
                self._app.stop.wait(1)


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
