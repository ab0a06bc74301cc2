"""The page of a Run: its steps as they go, what came of it, its log; and the way to end it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mavis_core.access import Permission
from mavis_core.db.paging import Page, PageRequest
from mavis_core.errors import Conflict
from mavis_core.scheduling.model import Run, RunState
from mavis_ext.following import Following
from mavis_hub.pages.forms import is_window
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.history import History, history
from mavis_hub.pages.seen import SeenProject, see
from mavis_hub.pages.streams import ForPages
from mavis_hub.pages.templates import run_address

__all__ = ["RunEvents", "RunPage", "RunsPage"]

_ID = re.compile(r"[a-z]+[-_][0-9a-z]{8,}")
_AT_A_TIME = 50


@dataclass(frozen=True, slots=True)
class _Seen:
    where: SeenProject
    run: Run
    history: History


class RunsPage(PersonPage):
    """The Runs of a project, newest first; the address says which, and brings them back."""

    async def get(self, project: str) -> None:
        """Show them."""
        state = self.get_query_argument("state", "") or None
        want = PageRequest(_AT_A_TIME, self.get_query_argument("cursor", None))

        def look() -> tuple[SeenProject, Page[Run]]:
            where = see(self.app, self.ctx, project, Permission.RUN_READ)
            return where, self.app.runs.list(self.ctx, where.project.id, want, state=state)

        where, found = await self.ask(look)
        self.show("runs.html", **where.values, found=found, state=state, states=list(RunState))


class RunPage(PersonPage):
    """The page of a Run. A script that follows it asks for it again at each change."""

    async def get(self, project: str, run: str) -> None:
        """Show it."""
        self._show(await self._look(project, run))

    async def post(self, project: str, run: str) -> None:
        """End the Run before it is done."""
        try:
            await self.recorded(self._cancel(project, run))
        except Conflict as exc:
            self.set_status(exc.status)
            self._show(await self._look(project, run), fault=f"{exc.message}.")

    async def _cancel(self, project: str, run: str) -> None:
        self.check_form(_purpose(run))
        found = await self.ask(lambda: self.app.runs.cancel(self.ctx, project, run))
        self.redirect(run_address(found), status=303)

    async def _look(self, reference: str, run_id: str) -> _Seen:
        def look() -> tuple[SeenProject, Run]:
            where = see(self.app, self.ctx, reference, Permission.RUN_READ)
            return where, self.app.runs.get(self.ctx, where.project.id, run_id)

        where, run = await self.ask(look)
        may = self.ctx.may(Permission.RECORD_READ, where.roles)
        projects = frozenset({where.project.id}) if may else frozenset[str]()
        told = await history(self.site.services, projects, run.correlation_id)
        return _Seen(where, run, told.of_run(run.id))

    def _show(self, seen: _Seen, *, fault: str = "") -> None:
        run = seen.run
        may = self.ctx.may(Permission.RUN_CANCEL, seen.where.roles)
        self.show(
            "run.html",
            **seen.where.values,
            run=run,
            results=_results(run.result),
            log=seen.history,
            fault=fault,
            whole=is_window(self),  # a script that follows the Run has the rest already
            may_cancel=may and not run.state.final and not run.cancelled_by,
            ticket=self.ticket(_purpose(run.id)),
            xsrf=self.xsrf,
        )


class RunEvents(ForPages, Following):
    """The changes of a Run, for its page."""

    async def get(self, project: str, run: str) -> None:
        """Tell them, until the Run is final."""
        await self.follow(project, run)


def _purpose(run_id: str) -> str:
    return f"cancel {run_id}"


def _results(result: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return what a Run has come to: names, and to each texts and whether they are ids."""
    return [
        (name.replace("_", " "), [(text, bool(_ID.fullmatch(text))) for text in _texts(value)])
        for name, value in result.items()
    ]


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [
            f"{each} {name}" if isinstance(each, int) else f"{name} {each}"
            for name, each in value.items()
        ]
    return list(map(str, value)) if isinstance(value, list | tuple) else [str(value)]
