"""``/projects`` and their members."""

from __future__ import annotations

from pydantic import ConfigDict

from mavis_core.access import Permission, Role
from mavis_core.projects.service import Projects as ProjectService
from mavis_ext import schemas
from mavis_ext.answers import Created, Needs
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Line, Name
from mavis_ext.operation import operation
from mavis_ext.pages import listing, page
from mavis_ext.queries import Listing, sorting

__all__ = ["Member", "Members", "Project", "Projects"]


class NewProject(Body):
    """A project to be made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "web-shop", "title": "The web shop"}]}
    )

    name: Name
    """2 to 40 lower-case letters, digits and hyphens, a letter first."""
    title: Line = ""
    """What people read; the name where nothing is said."""
    production: bool = False
    """Whether people depend on it; everything that shows it says so."""


class EditedProject(Body):
    """What a project shall be from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "The web shop", "production": True}]}
    )

    title: Line
    """What people read; the name where it is empty."""
    production: bool
    """Whether people depend on it; everything that shows it says so."""


class MemberRole(Body):
    """The role of a member."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "operator"}]})

    role: Role


class ProjectQuery(Listing):
    """Which projects."""

    sort: str | None = sorting(ProjectService.SORTS)


class Projects(ApiHandler):
    """All projects of the caller."""

    @operation("list_projects", Needs.LOGIN)
    def get(self, *, query: ProjectQuery) -> schemas.Page[schemas.Project]:
        """List the projects in which the caller has a role."""
        return page(schemas.Project, self.app.projects.list(self.ctx, query.page))

    @operation("create_project", Permission.PROJECT_CREATE)
    def post(self, *, body: NewProject) -> Created[schemas.Project]:
        """Make a project; the caller becomes its administrator."""
        made = self.app.projects.create(
            self.ctx, name=body.name, title=body.title, production=body.production
        )
        return Created(schemas.Project.of(made), f"/projects/{made.project.name}")


class Project(ApiHandler):
    """One project."""

    @operation("get_project", Permission.PROJECT_READ)
    def get(self, project: str) -> schemas.Project:
        """Show a project, by name or id."""
        found = self.app.projects.authorize(self.ctx, project, Permission.PROJECT_READ)
        return schemas.Project.of(found)

    @operation("put_project", Permission.PROJECT_WRITE)
    def put(self, project: str, *, body: EditedProject) -> schemas.Project:
        """Give a project another title, and say whether it is in production."""
        return schemas.Project.of(
            self.app.projects.edit(self.ctx, project, title=body.title, production=body.production)
        )


class Members(ApiHandler):
    """Who has which role in a project."""

    @operation("list_members", Permission.PROJECT_READ)
    def get(self, project: str) -> schemas.Page[schemas.Member]:
        """List the members of a project."""
        return listing(schemas.Member, self.app.projects.members(self.ctx, project))


class Member(ApiHandler):
    """One member of a project."""

    @operation("get_member", Permission.PROJECT_READ)
    def get(self, project: str, subject: str) -> schemas.Member:
        """Show the role of a person or group."""
        return schemas.Member.of(self.app.projects.member(self.ctx, project, subject))

    @operation("put_member", Permission.MEMBER_WRITE)
    def put(self, project: str, subject: str, *, body: MemberRole) -> schemas.Member:
        """Give a person (`user:alice`) or a Hub group (`group:ops`) a role."""
        self.app.projects.put_member(self.ctx, project, subject, body.role)
        return schemas.Member.of(self.app.projects.member(self.ctx, project, subject))

    @operation("delete_member", Permission.MEMBER_WRITE)
    def delete(self, project: str, subject: str) -> None:
        """Take a member's role away; the last administrator stays."""
        self.app.projects.remove_member(self.ctx, project, subject)
