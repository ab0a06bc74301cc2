"""The page of a project: what it is, how it is, what was done in it last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.contract import ResourceKind
from mavis_core.dashboards.model import Dashboard
from mavis_core.db.paging import MAX_LIMIT, PageRequest
from mavis_core.projects.model import Environment
from mavis_core.protection.deletion.outlook import Upcoming
from mavis_core.protection.plans.service import BackupPlan
from mavis_core.protection.reports import ProtectionReport, ReportRow
from mavis_core.scheduling.model import Run
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see
from mavis_hub.pages.templates import run_address

__all__ = ["ProjectPage"]

_RUNS = 10
_FINDINGS = 10


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the page shows.

    Parameters
    ----------
    plans
        Each with its next slot; None where it has none.
    discovers, records
        Whether the one who asks may have the environments looked at, and read the records.
    """

    where: SeenProject
    environments: tuple[Environment, ...]
    counts: Mapping[ResourceKind, int]
    report: ProtectionReport
    plans: tuple[tuple[BackupPlan, Upcoming | None], ...]
    runs: tuple[Run, ...]
    dashboards: tuple[Dashboard, ...]
    discovers: bool
    records: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Machines with which the same is the matter, for the same reason."""

    row: ReportRow
    machines: tuple[str, ...]


class ProjectPage(PersonPage):
    """The page of a project."""

    async def get(self, project: str) -> None:
        """Show it."""
        seen = await self.ask(lambda: _look(self.app, self.ctx, project))
        groups = _groups(seen.report.rows)
        self.show(
            "project.html",
            **seen.where.values,
            seen=seen,
            findings=groups[:_FINDINGS],
            more=len(groups) > _FINDINGS,
            ticket=self.ticket(_purpose(seen.where)) if seen.discovers else None,
            xsrf=self.xsrf,
        )

    async def post(self, project: str) -> None:
        """Have its environments looked at."""
        await self.recorded(self._discover(project))

    async def _discover(self, reference: str) -> None:
        where = await self.ask(lambda: see(self.app, self.ctx, reference, Permission.PROJECT_READ))
        self.check_form(_purpose(where))
        run = await self.ask(
            lambda: self.app.runs.start(
                self.ctx, where.project.id, action="inventory.discover", resource=None, arguments={}
            )
        )
        self.redirect(run_address(run), status=303)


def _look(app: ApiApp, ctx: CallContext, reference: str) -> _Seen:
    where = see(app, ctx, reference, Permission.PROJECT_READ)
    project = where.project.id
    plans = app.backup_plans.list(ctx, project, PageRequest(MAX_LIMIT)).items
    return _Seen(
        where,
        app.environments.list(ctx, project),
        app.resources.counts(ctx, project),
        app.reports.protection(ctx, project),
        tuple((each, _next(app, ctx, project, each)) for each in plans),
        app.runs.list(ctx, project, PageRequest(_RUNS)).items,
        tuple(each for each in app.dashboards.list(ctx, project) if each.version is not None),
        ctx.may(Permission.RESOURCE_DISCOVER, where.roles),
        ctx.may(Permission.RECORD_READ, where.roles),
    )


def _purpose(where: SeenProject) -> str:
    return f"discovery of {where.project.id}"


def _groups(rows: Iterable[ReportRow]) -> list[_Group]:
    alike: dict[tuple[str, ...], list[ReportRow]] = {}
    for row in rows:
        alike.setdefault((row.finding, row.plan, row.why, row.mend), []).append(row)
    return [_Group(each[0], tuple(row.machine for row in each)) for each in alike.values()]


def _next(app: ApiApp, ctx: CallContext, project: str, plan: BackupPlan) -> Upcoming | None:
    ahead = app.outlooks.slots(ctx, project, plan.name, limit=1).upcoming
    return ahead[0] if ahead else None
