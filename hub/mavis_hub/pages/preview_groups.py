"""The confirmation of many changes at once: every effect of each, one name typed, one answer.

Each is applied by itself, as on its own page (`mavis_hub.pages.previews`): what may not be applied,
or would do something else by now, is left and says why, and can be tried again here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mavis_core import clock
from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.changes.model import PreviewGroup
from mavis_core.errors import ConfirmationNeeded, Forbidden, PlanChanged
from mavis_core.scheduling.model import Run
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see
from mavis_hub.pages.undo import UNDO_OF

__all__ = ["GroupConfirmation"]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A group, what has become of it, and what the one who was shown it may do about it.

    Parameters
    ----------
    runs
        Those that carry some of it out, by the previews' ids.
    forbidden
        Why they may not apply it; empty where they may.
    """

    where: SeenProject
    group: PreviewGroup
    runs: Mapping[str, Run]
    forbidden: str

    @property
    def state(self) -> str:
        if not self.group.waiting:
            return "applied"
        if self.group.expires_at <= clock.now():
            return "expired"
        return "forbidden" if self.forbidden else "open"


class GroupConfirmation(PersonPage):
    """The page of previews that are confirmed together."""

    async def get(self, project: str, group: str) -> None:
        """Show every effect, what has become of each, and what to do about the rest."""
        self._show(await self.ask(lambda: _look(self.app, self.ctx, project, group)))

    async def post(self, project: str, group: str) -> None:
        """Apply all that are not applied yet."""
        fault = changed = ""
        try:
            await self.recorded(self._apply(project, group))
            return
        except ConfirmationNeeded as exc:
            self.set_status(exc.status)
            fault = "That is not the project's name. Nothing was changed."
        except PlanChanged as exc:
            self.set_status(exc.status)
            changed = f"{exc.message}. Nothing was changed."
        shown = await self.ask(lambda: _look(self.app, self.ctx, project, group))
        self._show(shown, fault=fault, changed=changed)

    async def _apply(self, project: str, group: str) -> None:
        self.check_form(_purpose(group))
        hash_ = self.get_body_argument("hash", "")
        confirm = self.get_body_argument("confirm", "").strip() or None
        groups = self.app.preview_groups
        done = await self.ask(
            lambda: groups.apply(self.ctx, project, group, hash=hash_, confirm=confirm)
        )
        name = done.previews[0].plan.project_name
        self.redirect(f"{PREFIX}/projects/{name}/preview-groups/{done.id}", status=303)

    def _show(self, shown: _Shown, *, fault: str = "", changed: str = "") -> None:
        group = shown.group
        actions = dict.fromkeys(each.plan.action for each in group.previews)
        self.show(
            "preview_group.html",
            **shown.where.values,
            group=group,
            runs=shown.runs,
            actions=list(actions),
            state=shown.state,
            forbidden=shown.forbidden,
            fault=fault,
            changed=changed,
            undos=list(dict.fromkeys(UNDO_OF[each] for each in actions if each in UNDO_OF)),
            ticket=self.ticket(_purpose(group.id)),
            xsrf=self.xsrf,
        )


def _look(app: ApiApp, ctx: CallContext, project: str, group_id: str) -> _Shown:
    where = see(app, ctx, project, Permission.RESOURCE_READ)
    group = app.preview_groups.shown(ctx, project, group_id)
    begun = [each.run_id for each in group.previews if each.run_id is not None]
    # Whoever was shown them may see their Runs: the same people see previews and Runs.
    by_id = {run.id: run for run in app.runs.load_unchecked(begun)}
    runs = {each.id: by_id[each.run_id] for each in group.previews if each.run_id in by_id}
    try:
        for action in {each.plan.action for each in group.previews}:
            ctx.require(app.runs.permission_of(action), where.roles)
    except Forbidden as exc:
        return _Shown(where, group, runs, f"{exc.message}. {exc.mend}")
    return _Shown(where, group, runs, "")


def _purpose(group_id: str) -> str:
    return f"group {group_id}"
