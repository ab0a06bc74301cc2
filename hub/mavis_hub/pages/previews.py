"""The confirmation of a change: its plan as the command line shows it, the name typed, apply.

It is applied by the person at the browser with their own authority: the cookie of a page holds
what a login holds, while a notebook's token can only preview. `mavis_hub.pages.forms` says why no
script can press the button.
"""

from __future__ import annotations

from dataclasses import dataclass

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.changes.model import Plan, Preview
from mavis_core.errors import ConfirmationNeeded, Forbidden, InvalidInput, PlanChanged
from mavis_core.protection.plans.upcoming import Upcoming
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see
from mavis_hub.pages.undo import UNDO_OF

__all__ = ["Confirmation"]

_SLOTS = 5


@dataclass(frozen=True, slots=True)
class _Shown:
    """A preview, and what the one who was shown it may do about it.

    Parameters
    ----------
    forbidden
        Why they may not apply it; empty where they may.
    slots
        When the backup plan would run first that it writes.
    """

    where: SeenProject
    preview: Preview
    forbidden: str
    slots: tuple[Upcoming, ...] = ()

    @property
    def state(self) -> str:
        if self.preview.run_id is not None:
            return "applied"
        if self.preview.expires_at <= clock.now():
            return "expired"
        return "forbidden" if self.forbidden else "open"


class Confirmation(PersonPage):
    """The page of one preview."""

    async def get(self, project: str, preview: str) -> None:
        """Show the plan, and what to do about it."""
        shown = await self.ask(lambda: _look(self.app, self.ctx, project, preview))
        self._show(shown)

    async def post(self, project: str, preview: str) -> None:
        """Apply the preview, or make a new one of the same request."""
        fault = changed = ""
        try:
            await self.recorded(self._answer(project, preview))
            return
        except ConfirmationNeeded as exc:
            self.set_status(exc.status)
            fault = "That is not the project's name. Nothing was changed."
        except PlanChanged as exc:
            self.set_status(exc.status)
            changed = f"{exc.message}. Nothing was changed."
        shown = await self.ask(lambda: _look(self.app, self.ctx, project, preview))
        self._show(shown, fault=fault, changed=changed)

    async def _answer(self, project: str, preview: str) -> None:
        self.check_form(_purpose(preview))
        match self.get_body_argument("answer", ""):
            case "apply":
                await self._apply(project, preview)
            case "again":
                made = await self.ask(
                    lambda: self.app.runs.preview_again(self.ctx, project, preview)
                )
                self._go(f"/projects/{made.plan.project_name}/previews/{made.id}")
            case _:
                raise InvalidInput("Neither apply nor again was answered", field="answer")

    async def _apply(self, project: str, preview: str) -> None:
        hash_ = self.get_body_argument("hash", "")
        confirm = self.get_body_argument("confirm", "").strip() or None
        run = await self.ask(
            lambda: self.app.runs.apply(self.ctx, project, preview, hash=hash_, confirm=confirm)
        )
        self._go(f"/projects/{run.plan.project_name}/runs/{run.id}")

    def _go(self, path: str) -> None:
        """Send the browser on, so that a reload repeats nothing."""
        self.redirect(f"{PREFIX}{path}", status=303)

    def _show(self, shown: _Shown, *, fault: str = "", changed: str = "") -> None:
        preview = shown.preview
        self.show(
            "preview.html",
            **shown.where.values,
            preview=preview,
            plan=preview.plan,
            state="changed" if changed else shown.state,
            forbidden=shown.forbidden,
            fault=fault,
            changed=changed,
            slots=shown.slots,
            undo=UNDO_OF.get(preview.plan.action, ""),
            ticket=self.ticket(_purpose(preview.id)),
            xsrf=self.xsrf,
        )


def _look(app: ApiApp, ctx: CallContext, project: str, preview_id: str) -> _Shown:
    where = see(app, ctx, project, Permission.RESOURCE_READ)
    preview = app.runs.shown(ctx, project, preview_id)
    slots = _slots(app, ctx, where.project.id, preview.plan)
    try:
        ctx.require(app.runs.permission_of(preview.plan.action), where.roles)
    except Forbidden as exc:
        return _Shown(where, preview, f"{exc.message}. {exc.mend}", slots)
    return _Shown(where, preview, "", slots)


def _slots(app: ApiApp, ctx: CallContext, project: str, plan: Plan) -> tuple[Upcoming, ...]:
    """Return the first slots of the backup plan that a plan writes; none where it writes none.

    They are no part of it: they change as time goes on.
    """
    document = plan.arguments["request"]["arguments"].get("definition")
    if not plan.action.startswith("backup_plan.") or document is None:
        return ()
    try:
        return app.backup_plans.check(ctx, project, document).upcoming[:_SLOTS]
    except InvalidInput:  # a place that it names is there no more, and applying it says so
        return ()


def _purpose(preview_id: str) -> str:
    return f"preview {preview_id}"
