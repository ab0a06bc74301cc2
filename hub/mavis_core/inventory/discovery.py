"""The job ``inventory.discover``: look at every region of a project's environments.

Regions are read in parallel, each kind in pages; a page is written as it comes. What a complete
look at a kind in a region did not see is marked gone; a look that broke off marks nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import Connection, ResourceKind
from mavis_core.db import Database
from mavis_core.errors import (
    Conflict,
    InvalidInput,
    MavisError,
    NotFound,
    Unavailable,
    from_told,
    told,
)
from mavis_core.inventory import store
from mavis_core.inventory.connections import Clouds
from mavis_core.inventory.model import effect_in
from mavis_core.projects.environments import environments_of, mark_environment
from mavis_core.projects.model import Environment
from mavis_core.scheduling import store as store_of_runs
from mavis_core.scheduling.jobs import BaseJob, JobStep, PlanRequest, Progress
from mavis_core.scheduling.model import Run

__all__ = ["Discover", "look_at"]

_PARALLEL_REGIONS = 8


class Discover(BaseJob):
    """Look at every region of a project's environments."""

    action = "inventory.discover"
    permission = Permission.RESOURCE_DISCOVER

    def __init__(self, database: Database, clouds: Clouds) -> None:
        self._database = database
        self._clouds = clouds

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        wanted = request.arguments.get("environment")
        if set(request.arguments) - {"environment"} or not isinstance(wanted, str | None):
            raise InvalidInput(
                "discovery takes one argument, environment: a name", field="arguments"
            )
        environments = [
            environment
            for environment in environments_of(tx, request.project.id)
            if wanted is None or wanted in (environment.name, environment.id)
        ]
        if not environments and wanted is not None:
            raise NotFound(f"No environment {wanted[:60]!r} in {request.project.name}")
        if not environments:
            raise Conflict(
                f"{request.project.name} has no environment to look at",
                mend="An administrator adds one: `mavis environment add`.",
            )
        effects = tuple(
            effect_in(
                "read", environment, region, "instances, volumes, snapshots, images, networks"
            )
            for environment in environments
            for region in environment.regions
        )
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            ", ".join(environment.name for environment in environments),
            Severity.CREATES,
            effects,
            {"environments": [environment.id for environment in environments]},
        )

    def steps(self, run: Run) -> Sequence[JobStep]:
        names = {effect.environment: effect.environment for effect in run.plan.effects}
        pairs = zip(names, run.plan.arguments["environments"], strict=True)
        looks = [
            JobStep(
                f"Look at {name}", _Look(self._database, self._clouds, run, environment_id, name)
            )
            for name, environment_id in pairs
        ]
        return [*looks, JobStep("Sum up", lambda progress: self._sum_up(run, progress))]

    def _sum_up(self, run: Run, progress: Progress) -> Mapping[str, Any] | None:
        """Fail where an environment could not be seen; what the others showed is kept."""
        with self._database.read() as tx:
            looked = store_of_runs.load(tx, run.id).result
        failed = {name: seen["error"] for name, seen in looked.items() if "error" in seen}
        if failed:
            words = "; ".join(f"{name}: {error['message']}" for name, error in failed.items())
            raise from_told(
                next(iter(failed.values())),
                message=f"{len(failed)} of {len(looked)} environments could not be seen. {words}",
            )
        progress.say(f"{len(looked)} environments seen")
        return None


class _Look:
    """One step: look at one environment. Its result is what was seen there, or why nothing was."""

    def __init__(
        self, database: Database, clouds: Clouds, run: Run, environment_id: str, name: str
    ) -> None:
        self._database = database
        self._clouds = clouds
        self._run = run
        self._environment_id = environment_id
        self._name = name

    def __call__(self, progress: Progress) -> Mapping[str, Any]:
        ctx = self._run.context("worker")
        try:
            counts = look_at(self._database, self._clouds, ctx, self._environment_id, progress)
        except Unavailable:
            raise  # a part of the appliance is down, which says nothing about the environment
        except MavisError as exc:
            progress.say(exc.message)
            return {self._name: {"error": told(exc)}}
        return {self._name: dict(counts)}


def look_at(
    database: Database,
    clouds: Clouds,
    ctx: CallContext,
    environment_id: str,
    progress: Progress,
    *,
    kinds: Sequence[ResourceKind] = tuple(ResourceKind),
) -> Counter[str]:
    """Look at every region of an environment, and write down what is there.

    Parameters
    ----------
    kinds
        What to look for; other kinds stay as they were last seen.

    Returns
    -------
    Counter
        How many of each kind were seen.

    Raises
    ------
    MavisError
        It cannot be seen; the environment says so, too.
    """
    try:
        with clouds.connect(ctx, environment_id, progress) as (where, connection):
            counts = _regions(database, where, connection, kinds, progress)
    except Unavailable:
        raise
    except MavisError as exc:
        with database.write() as tx:
            mark_environment(tx, environment_id, exc)
        raise
    with database.write() as tx:
        mark_environment(tx, environment_id, None)
    seen = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    progress.say(seen or "nothing there", percent=100)
    return counts


def _regions(
    database: Database,
    where: Environment,
    connection: Connection,
    kinds: Sequence[ResourceKind],
    progress: Progress,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    done = 0
    lock = threading.Lock()

    def look(region: str) -> None:
        nonlocal done
        seen = _region(database, where, connection, region, kinds)
        with lock:
            done += 1
            counts.update(seen)
            share = 100 * done // len(where.regions)
            progress.say(f"{done} of {len(where.regions)} regions", percent=share)

    with ThreadPoolExecutor(_PARALLEL_REGIONS, thread_name_prefix="discover") as pool:
        for result in [pool.submit(copy_context().run, look, region) for region in where.regions]:
            result.result()
    return counts


def _region(
    database: Database,
    where: Environment,
    connection: Connection,
    region: str,
    kinds: Sequence[ResourceKind],
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for kind in kinds:
        begun = clock.now()
        for page in connection.inventory.discover(region, kind):
            seen_at = max(begun, clock.now())  # a clock may be set back
            with database.write() as tx:
                store.put(tx, where.project_id, where.id, page, seen_at)
            counts[kind.value] += len(page)
        with database.write() as tx:
            store.mark_gone(tx, where.id, region, kind, begun)
    return counts
