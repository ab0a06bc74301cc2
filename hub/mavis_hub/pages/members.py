"""The members of a project: who may what in it; its administrators give and take roles here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from mavis_core.access import ROLES, CallContext, Permission, Role
from mavis_core.bootstrap import ApiApp
from mavis_core.errors import Conflict, InvalidInput, NotFound
from mavis_core.projects.model import Member
from mavis_ext.app import PREFIX
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["Members"]

_KINDS = {"user": "person", "group": "group of the Hub"}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the page shows.

    Parameters
    ----------
    may
        Whether the one who asks gives and takes roles here.
    """

    where: SeenProject
    members: tuple[Member, ...]
    may: bool

    def one(self, subject: str) -> Member | None:
        """Return a member; None where there is none of that name."""
        return next((each for each in self.members if each.subject == subject), None)


class Members(PersonPage):
    """The members of a project."""

    async def get(self, project: str) -> None:
        """Show them, and what the address asks for: another role, or none any more."""
        seen = await self.ask(lambda: _look(self.app, self.ctx, project))
        self._show(
            seen,
            changing=seen.one(self.get_query_argument("change", "")),
            leaving=seen.one(self.get_query_argument("leave", "")),
        )

    async def post(self, project: str) -> None:
        """Give a role or take one away."""
        try:
            await self.recorded(self._answer(project))
        except (Conflict, InvalidInput, NotFound) as exc:
            seen = await self.ask(lambda: _look(self.app, self.ctx, project))
            self.set_status(exc.status)
            self._show(seen, fault=f"{exc.message}. {exc.mend}")

    async def _answer(self, reference: str) -> None:
        seen = await self.ask(lambda: _look(self.app, self.ctx, reference))
        project = seen.where.project
        self.check_form(_purpose(project.id))
        match self.get_body_argument("answer", ""):
            case "give":
                subject, role = self._subject(), self._role()
                await self.ask(
                    lambda: self.app.projects.put_member(self.ctx, project.id, subject, role)
                )
            case "take":
                subject = self.get_body_argument("subject", "")
                await self.ask(
                    lambda: self.app.projects.remove_member(self.ctx, project.id, subject)
                )
            case _:
                raise InvalidInput("Neither give nor take was answered", field="answer")
        # So that a reload repeats nothing.
        place = f"{PREFIX}/projects/{project.name}/members#{quote(subject)}"
        self.redirect(place, status=303)

    def _subject(self) -> str:
        kind = self.get_body_argument("kind", "")
        if kind not in _KINDS:
            raise InvalidInput("A member is a person or a group", field="kind")
        return f"{kind}:{self.get_body_argument('name', '').strip()}"

    def _role(self) -> Role:
        try:
            return Role(self.get_body_argument("role", ""))
        except ValueError as exc:
            raise InvalidInput("There is no such role", field="role") from exc

    def _show(
        self,
        seen: _Seen,
        *,
        changing: Member | None = None,
        leaving: Member | None = None,
        fault: str = "",
    ) -> None:
        self.show(
            "members.html",
            **seen.where.values,
            seen=seen,
            changing=changing,
            leaving=leaving,
            fault=fault,
            kinds=_KINDS,
            roles=ROLES,
            ticket=self.ticket(_purpose(seen.where.project.id)) if seen.may else None,
            xsrf=self.xsrf,
        )


def _look(app: ApiApp, ctx: CallContext, reference: str) -> _Seen:
    where = see(app, ctx, reference, Permission.PROJECT_READ)
    return _Seen(
        where,
        app.projects.members(ctx, where.project.id),
        ctx.may(Permission.MEMBER_WRITE, where.roles),
    )


def _purpose(project_id: str) -> str:
    return f"members of {project_id}"
