"""The schedules of a project: its backup plans, their slots to come, how the last ones ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.db.paging import PageRequest
from mavis_core.errors import NotFound
from mavis_core.protection.deletion.outlook import Begun, Upcoming
from mavis_core.protection.plans.service import BackupPlan
from mavis_core.scheduling.model import Run
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["Schedules"]

_PLANS = 25  # each takes some questions to the database
_AHEAD = 10
_BEHIND = 3


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slots of a plan.

    Parameters
    ----------
    begun
        Each with its Run; None where that is gone.
    """

    plan: BackupPlan
    upcoming: tuple[Upcoming, ...]
    begun: tuple[tuple[Begun, Run | None], ...]

    def local(self, moment: datetime) -> datetime:
        """Return a moment in the plan's own zone."""
        return moment.astimezone(ZoneInfo(self.plan.definition.zone))


@dataclass(frozen=True, slots=True)
class _Seen:
    where: SeenProject
    plans: tuple[_Slots, ...]
    next: str | None


class Schedules(PersonPage):
    """The schedules of a project."""

    async def get(self, project: str) -> None:
        """Show them."""
        want = PageRequest(_PLANS, self.get_query_argument("cursor", None))
        seen = await self.ask(lambda: _look(self.app, self.ctx, project, want))
        self.show("schedules.html", **seen.where.values, seen=seen)


def _look(app: ApiApp, ctx: CallContext, reference: str, want: PageRequest) -> _Seen:
    where = see(app, ctx, reference, Permission.PLAN_READ)
    found = app.backup_plans.list(ctx, where.project.id, want)
    plans = tuple(_slots(app, ctx, where.project.id, each) for each in found.items)
    return _Seen(where, plans, found.next)


def _slots(app: ApiApp, ctx: CallContext, project: str, plan: BackupPlan) -> _Slots:
    found = app.outlooks.slots(ctx, project, plan.name, limit=_AHEAD)
    begun = tuple((each, _run(app, ctx, project, each.run_id)) for each in found.begun[:_BEHIND])
    return _Slots(plan, found.upcoming, begun)


def _run(app: ApiApp, ctx: CallContext, project: str, run_id: str) -> Run | None:
    try:
        return app.runs.get(ctx, project, run_id)
    except NotFound:
        return None
