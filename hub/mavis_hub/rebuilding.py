"""Making the catalogue anew from the clouds: it asks the running appliance and follows it.

A Run of the platform itself does the work, in the worker: nothing but the worker opens keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core.db import Database, tables
from mavis_core.errors import NotFound
from mavis_core.projects.model import Project
from mavis_core.projects.service import hold
from mavis_core.protection.catalogue.rebuild import ACTION
from mavis_core.protection.timetable import platform_call
from mavis_core.scheduling import store
from mavis_core.scheduling.model import Run, RunState
from mavis_core.scheduling.service import Runs

__all__ = ["Rebuild", "begin", "follow", "projects_of"]

_SOURCE = "mavisctl"
_LOOK_S = 0.5
_AT_WORK = (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One project, and the Run that compares its catalogue with its clouds."""

    project: Project
    run_id: str


def projects_of(database: Database, name: str | None) -> list[Project]:
    """Return the project of a name, or all of them.

    Raises
    ------
    NotFound
        There is none of that name.
    """
    table = tables.projects
    query = sa.select(table).order_by(table.c.name)
    if name is not None:
        query = query.where(table.c.name == name)
    with database.read() as tx:
        found = [Project(**row) for row in tx.execute(query).mappings()]
    if name is not None and not found:
        raise NotFound(f"No project {name[:60]!r}")
    return found


def begin(database: Database, runs: Runs, project: Project) -> Rebuild:
    """Ask for the work in a project; where somebody did already, it is that Run."""
    table = tables.runs
    there = sa.select(table.c.id).where(
        table.c.project_id == project.id, table.c.kind == ACTION, table.c.state.in_(_AT_WORK)
    )
    with database.write() as tx:
        hold(tx, project.id)
        run_id: str | None = tx.scalar(there.limit(1))
        if run_id is None:
            ctx = platform_call(_SOURCE)
            run_id = runs.start_in(tx, ctx, project, action=ACTION, resource=None, arguments={}).id
    return Rebuild(project, run_id)


def follow(
    database: Database, begun: Sequence[Rebuild], say: Callable[[str], None]
) -> dict[str, Run]:
    """Tell what goes on until every Run has ended; return the Runs by project."""
    ended: dict[str, Run] = {}
    last: dict[str, str] = {}
    while True:
        for each in begun:
            with database.read() as tx:
                run = store.load(tx, each.run_id)
            words = _words(run)
            if last.get(each.run_id) != words:
                last[each.run_id] = words
                say(f"{each.project.name}: {words}")
            if run.state.final:
                ended[each.project.name] = run
        if len(ended) == len(begun):
            return ended
        time.sleep(_LOOK_S)


def _words(run: Run) -> str:
    """Return how far a Run is, in one line."""
    if run.error is not None:
        return f"{run.state}: {run.error['message']}"
    at_work = [step for step in run.steps if step.finished_at is None and step.started_at]
    if run.state.final or not at_work:
        return str(run.state)
    step = at_work[-1]
    return f"{step.name}: {step.detail}" if step.detail else step.name
