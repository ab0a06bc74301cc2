"""``/projects`` and their members."""

from __future__ import annotations

from mavis_core.access import Permission, Role
from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body

__all__ = ["Member", "Members", "Project", "Projects"]


class ProjectBody(Body):
    """A project to be made."""

    name: str
    title: str = ""


class MemberBody(Body):
    """The role of a member."""

    role: Role


class Projects(ApiHandler):
    """All projects of the caller."""

    async def get(self) -> None:
        """List them."""
        self.filters()
        found = await self.call(self.app.projects.list, self.ctx, self.page())
        self.answer(forms.page(found, forms.project))

    async def post(self) -> None:
        """Make one; the caller becomes its administrator."""
        body = self.body(ProjectBody)
        made = await self.call(self.app.projects.create, self.ctx, name=body.name, title=body.title)
        self.set_header("Location", f"{self.request.path}/{made.project.name}")
        self.answer(forms.project(made), status=201)


class Project(ApiHandler):
    """One project."""

    async def get(self, project: str) -> None:
        """Show it."""
        found = await self.call(
            self.app.projects.authorize, self.ctx, project, Permission.PROJECT_READ
        )
        self.answer(forms.project(found))


class Members(ApiHandler):
    """Who has which role in a project."""

    async def get(self, project: str) -> None:
        """List them."""
        self.filters()
        found = await self.call(self.app.projects.members, self.ctx, project)
        self.answer(forms.listing(found, forms.member))


class Member(ApiHandler):
    """One member of a project."""

    async def put(self, project: str, subject: str) -> None:
        """Give a role."""
        role = self.body(MemberBody).role
        await self.call(self.app.projects.put_member, self.ctx, project, subject, role)
        self.answer({"subject": subject, "role": role})

    async def delete(self, project: str, subject: str) -> None:
        """Take the role away."""
        await self.call(self.app.projects.remove_member, self.ctx, project, subject)
        self.done()
