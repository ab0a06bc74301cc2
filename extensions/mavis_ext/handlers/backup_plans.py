"""``/projects/{p}/backup-plans``."""

from __future__ import annotations

import re
from typing import Any

from mavis_core.access import Permission
from mavis_core.contract import ResourceKind
from mavis_core.errors import InvalidInput
from mavis_core.projects.model import check_name
from mavis_core.protection.plans.presets import PRESETS
from mavis_core.protection.plans.service import BACKUP
from mavis_ext import forms, protection_forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.handlers.runs import StartBody, StartsRun, located

__all__ = ["Calendar", "Plan", "PlanRuns", "Plans", "Presets", "Slots"]

_RESERVED = "presets"  # an address of its own
_TAG = re.compile(r'"([0-9]{1,9})"')


class NewPlanBody(Body):
    """A backup plan to be made, or with ``dry_run`` only to be looked at."""

    name: str
    definition: dict[str, Any]
    dry_run: bool = False


class PlanBody(Body):
    """What a backup plan shall say from now on, and the version that its writer has read."""

    definition: dict[str, Any]
    version: int | None = None
    dry_run: bool = False


class PlanRunBody(StartBody):
    """A run of a backup plan, of one rule or of none."""

    rule: str | None = None


class ChecksPlan(ApiHandler):
    """The base of handlers that take a definition."""

    async def check(self, project: str, definition: dict[str, Any]) -> None:
        """Answer with what a definition would protect now; nothing is kept."""
        with located("", "definition."):
            self.answer(await self.call(self._checked, project, definition))

    def _checked(self, project: str, definition: dict[str, Any]) -> dict[str, Any]:
        """Return a check in its form; thousands of machines take a while."""
        found = self.app.backup_plans.check(self.ctx, project, definition)
        return protection_forms.plan_check(found)


class Plans(ChecksPlan):
    """The backup plans of a project."""

    async def get(self, project: str) -> None:
        """List them, the oldest first."""
        self.filters()
        found = await self.call(self.app.backup_plans.list, self.ctx, project, self.page())
        self.answer(forms.page(found, protection_forms.backup_plan))

    async def post(self, project: str) -> None:
        """Make one; with ``dry_run`` show what it would protect now."""
        body = self.body(NewPlanBody)
        if check_name(body.name) == _RESERVED:
            raise InvalidInput(f"{_RESERVED!r} is an address already", field="name")
        if body.dry_run:
            await self.check(project, body.definition)
            return
        with located("", "definition."):
            made = await self.call(
                self.app.backup_plans.create, self.ctx, project, body.name, body.definition
            )
        self.set_header("Location", f"{self.request.path}/{made.name}")
        self.answer(protection_forms.backup_plan(made), status=201)


class Presets(ApiHandler):
    """Plans to begin with."""

    async def get(self, project: str) -> None:
        """List them."""
        self.filters()
        await self.call(self.app.projects.authorize, self.ctx, project, Permission.PLAN_READ)
        told = [{"name": name, "definition": dict(each)} for name, each in PRESETS.items()]
        self.answer({"items": told, "next": None})


class Plan(ChecksPlan):
    """One backup plan. Its version is its entity tag (RFC 9110, 8.8.3)."""

    _version: int | None = None

    def compute_etag(self) -> str | None:
        return f'"{self._version}"' if self._version is not None else None

    async def get(self, project: str, plan: str) -> None:
        """Show it with its definition."""
        found = await self.call(self.app.backup_plans.get, self.ctx, project, plan)
        self._version = found.version
        self.answer(protection_forms.backup_plan(found))

    async def put(self, project: str, plan: str) -> None:
        """Let it say something else, where it is what its writer has read."""
        body = self.body(PlanBody)
        version = self._read_version(body.version)
        if body.dry_run:
            await self.call(self.app.backup_plans.get, self.ctx, project, plan)
            await self.check(project, body.definition)
            return
        with located("", "definition."):
            changed = await self.call(
                self.app.backup_plans.replace,
                self.ctx,
                project,
                plan,
                body.definition,
                version=version,
            )
        self.set_header("ETag", f'"{changed.version}"')
        self.answer(protection_forms.backup_plan(changed))

    async def delete(self, project: str, plan: str) -> None:
        """End it; its recovery points stay."""
        await self.call(self.app.backup_plans.remove, self.ctx, project, plan)
        self.done()

    def _read_version(self, version: int | None) -> int | None:
        """Return which version the caller has read, by the body or ``If-Match``."""
        given = self.request.headers.get("If-Match")
        if given in (None, "*"):
            return version
        tag = _TAG.fullmatch(given or "")
        if tag is None or version not in (None, int(tag[1])):
            raise InvalidInput(
                "If-Match is not the entity tag of a version, or not that of the body",
                mend='Send back the ETag of the plan as it is, "3", or `version` in the body.',
                field="If-Match",
            )
        return int(tag[1])


class PlanRuns(StartsRun):
    """Runs of a backup plan because somebody asks."""

    async def post(self, project: str, plan: str) -> None:
        """Begin one; with ``dry_run`` show what it would take."""
        body = self.body(PlanRunBody)
        begin = self.show if body.dry_run else self.start
        await begin(project, BACKUP, plan, body.arguments())


class Slots(ApiHandler):
    """The slots of a backup plan."""

    async def get(self, project: str, plan: str) -> None:
        """List those to come and those that have begun, 20 of each where no limit is given."""
        self.query("limit")
        limit = self.number("limit", 20)
        found = await self.call(self.app.outlooks.slots, self.ctx, project, plan, limit=limit)
        self.answer(protection_forms.plan_slots(found))


class Calendar(ApiHandler):
    """What a backup plan will make and lose."""

    async def get(self, project: str, plan: str) -> None:
        """Show it day by day, of a new machine or of one that has recovery points already."""
        wanted = self.query("days", "instance")
        days, instance = self.number("days", 30), None
        if wanted["instance"] is not None:
            instance = await self._cloud_id(project, wanted["instance"])
        self.answer(await self.call(self._told, project, plan, days, instance))

    def _told(self, project: str, plan: str, days: int, instance: str | None) -> dict[str, Any]:
        """Return the calendar in its form; five years of hours take a while."""
        outlooks = self.app.outlooks
        found = outlooks.calendar(self.ctx, project, plan, days=days, instance=instance)
        return protection_forms.calendar(found, plan, instance)

    async def _cloud_id(self, project: str, reference: str) -> str:
        found = await self.call(self.app.resources.get, self.ctx, project, reference)
        if found.kind is not ResourceKind.INSTANCE:
            raise InvalidInput(f"{found.label} is a {found.kind}, no instance", field="instance")
        return found.cloud_id
