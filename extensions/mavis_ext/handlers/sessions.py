"""``/projects/{p}/sessions``: opened, watched and ended; what happens in them is the gateway's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_core.remote.model import SessionKind, SessionState
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Note, Word
from mavis_ext.operation import operation
from mavis_ext.pages import page
from mavis_ext.queries import Listing

__all__ = ["End", "Return", "Session", "Sessions", "Watch"]


class SessionQuery(Listing):
    """Which sessions."""

    person: Annotated[str | None, Field(description="Only of this person.")] = None
    device: Annotated[str | None, Field(description="Only at the device of this name.")] = None
    state: Annotated[SessionState | None, Field(description="Only these.")] = None


class NewSession(Body):
    """A session to be opened."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"device": "web-1"},
                {"device": "web-1", "kind": "command", "command": "uptime"},
            ]
        }
    )

    device: Word
    """Its name or id."""
    access_service: Word | None = None
    """Its name or id; none: the only one, or that of the name `ssh`."""
    kind: Literal["terminal", "command"] = "terminal"
    command: Annotated[str | None, Field(max_length=65_536)] = None
    """What to run, with the kind `command`."""
    entrance: Literal["browser", "notebook"] = "browser"
    """Where the person sits."""


class Ending(Body):
    """Why a session is ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "maintenance"}]})

    reason: Note = ""


class Coming(Body):
    """Nothing needs to be said."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Sessions(ApiHandler):
    """The sessions of a project."""

    @operation("list_sessions", Permission.SESSION_READ)
    def get(self, project: str, *, query: SessionQuery) -> schemas.Page[schemas.Session]:
        """List the sessions of a project, the newest first."""
        found = self.app.sessions.list(
            self.ctx,
            project,
            query.page,
            person=query.person,
            device=query.device,
            state=query.state,
        )
        return page(schemas.Session, found)

    @operation("open_session", Permission.SESSION_OPEN)
    def post(self, project: str, *, body: NewSession) -> Created[schemas.Ticket]:
        """Open a session at a device. The ticket lets its holder in at the gateway, once.

        The session is recorded from its first byte. It is open when somebody comes with the ticket,
        from the address that has asked for it, within a minute.
        """
        asked = self.app.sessions.ask(
            self.ctx,
            project,
            body.device,
            service=body.access_service,
            kind=SessionKind(body.kind),
            command=body.command,
            entrance=body.entrance,
        )
        told = schemas.Ticket.told(asked)
        return Created(told, f"/projects/{told.session.project}/sessions/{told.session.id}")


class Session(ApiHandler):
    """One session."""

    @operation("get_session", Permission.SESSION_READ)
    def get(self, project: str, session: str) -> schemas.Session:
        """Show a session."""
        return schemas.Session.of(self.app.sessions.get(self.ctx, project, session))


class Return(ApiHandler):
    """The way back into one."""

    @operation("return_to_session", Permission.SESSION_OPEN)
    def post(self, project: str, session: str, *, body: Coming) -> schemas.Ticket:  # noqa: ARG002  # empty
        """Get a ticket with which to come back to one's own session after a broken connection."""
        return schemas.Ticket.told(self.app.sessions.come_back(self.ctx, project, session))


class Watch(ApiHandler):
    """A look into one."""

    @operation("watch_session", Permission.SESSION_WATCH)
    def post(self, project: str, session: str, *, body: Coming) -> schemas.Ticket:  # noqa: ARG002  # empty
        """Get a ticket with which to look on, and nothing else. That is recorded."""
        return schemas.Ticket.told(self.app.sessions.watch(self.ctx, project, session))


class End(ApiHandler):
    """Its end."""

    @operation("end_session", Permission.SESSION_READ)
    def post(self, project: str, session: str, *, body: Ending) -> schemas.Session:
        """End a session: one's own, or anybody's with the role for it.

        It ends within some seconds; who is in it is told who ended it.
        """
        return schemas.Session.of(self.app.sessions.end(self.ctx, project, session, body.reason))
