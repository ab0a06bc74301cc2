"""Sessions as the api process knows them: asked for, listed, watched and ended.

What happens in a session is the gateway's (`mavis_core.remote.desk`); the two meet in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database
from mavis_core.db.paging import Order, Page, PageRequest, fetch
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound, TooManyRequests
from mavis_core.ids import new_id
from mavis_core.projects.model import Project
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.remote import rows
from mavis_core.remote.model import (
    AccessService,
    Device,
    Policy,
    Session,
    SessionKind,
    SessionState,
)
from mavis_core.remote.tickets import LIFETIME, Purpose, give_ticket

__all__ = ["MOST_OF_A_PERSON", "Asked", "Sessions", "check_kind", "new_session"]

MOST_OF_A_PERSON = 50
"""Sessions that one person may have at a time."""
_LONGEST_COMMAND = 65_536
_SESSIONS = rows.SESSIONS
_ORDER = Order(_SESSIONS.c.id, newest_first=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A session with the ticket that opens it.

    Parameters
    ----------
    ticket
        Good once.
    expires_at
        Until when.
    """

    session: Session
    ticket: str
    expires_at: datetime


class Sessions:
    """The sessions of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    gateways
        How many processes of the gateway there are.
    """

    SORTS = _ORDER.sorts

    def __init__(self, database: Database, projects: Projects, *, gateways: int = 1) -> None:
        self._database, self._projects, self._gateways = database, projects, gateways

    def ask(
        self,
        ctx: CallContext,
        reference: str,
        device: str,
        *,
        service: str | None = None,
        kind: SessionKind = SessionKind.TERMINAL,
        command: str | None = None,
        entrance: str = "browser",
    ) -> Asked:
        """Return a new session of the caller, and the ticket that opens it at the gateway.

        Parameters
        ----------
        service
            The access service; None: the only one, or that of the name ``ssh``.
        command
            What to run, with the kind `COMMAND`.

        Raises
        ------
        NotFound
            The project has no such device, or the device no such way in.
        Forbidden
            The policy does not allow it.
        TooManyRequests
            There are too many sessions by this way, or of this person.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_OPEN).project
        _check_command(kind, command)
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            way = rows.service_in(tx, found, service)
            made = new_session(
                tx,
                ctx,
                project,
                found,
                way,
                kind=kind,
                entrance=entrance,
                command=command,
                shard=self._idlest(tx),
            )
            ticket = give_ticket(
                tx, made.id, Purpose.OPEN, person=ctx.principal.name, source=ctx.source
            )
            summary = f"{ctx.principal.name} asked for a {kind} at {found.name} as {way.login}"
            records.write(tx, audit(ctx, "session.ask", made.id, summary, project=project.id))
        return Asked(made, ticket, made.asked_at + LIFETIME)

    def list(
        self,
        ctx: CallContext,
        reference: str,
        want: PageRequest,
        *,
        person: str | None = None,
        device: str | None = None,
        state: SessionState | None = None,
    ) -> Page[Session]:
        """Return the sessions of a project, the newest first."""
        project = self._projects.authorize(ctx, reference, Permission.SESSION_READ).project
        query = rows.session_query().where(_SESSIONS.c.project_id == project.id)
        for column, value in (("person", person), ("device", device), ("state", state)):
            if value is not None:
                query = query.where(_SESSIONS.c[column] == value)
        with self._database.read() as tx:
            return fetch(tx, query, _ORDER, want, rows.session_of)

    def get(self, ctx: CallContext, reference: str, session_id: str) -> Session:
        """Return one session.

        Raises
        ------
        NotFound
            The project has none with this id.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_READ).project
        with self._database.read() as tx:
            return _load(tx, project, session_id)

    def come_back(self, ctx: CallContext, reference: str, session_id: str) -> Asked:
        """Return a ticket with which the caller comes back to a session of theirs.

        Raises
        ------
        NotFound
            The project has none with this id that is the caller's.
        Conflict
            It has ended.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_OPEN).project
        with self._database.write() as tx:
            found = _load(tx, project, session_id)
            if found.person != ctx.principal.name:
                raise NotFound(f"No session {session_id[:60]!r} of {ctx.principal.name}")
            return self._ticket(tx, ctx, found, Purpose.RETURN)

    def enter(self, ctx: CallContext, reference: str, session_id: str) -> Asked:
        """Return a ticket for a session of the caller: to open it, or to come back to it.

        Raises
        ------
        NotFound
            The project has none with this id that is the caller's.
        Conflict
            It has ended.
        """
        session = self.get(ctx, reference, session_id)
        if session.state is not SessionState.ASKED:
            return self.come_back(ctx, session.project_id, session.id)
        self._projects.authorize(ctx, session.project_id, Permission.SESSION_OPEN)
        person, source = ctx.principal.name, ctx.source
        if session.person != person:
            raise NotFound(f"No session {session_id[:60]!r} of {person}")
        with self._database.write() as tx:
            ticket = give_ticket(tx, session.id, Purpose.OPEN, person=person, source=source)
        return Asked(session, ticket, clock.now() + LIFETIME)

    def watch(self, ctx: CallContext, reference: str, session_id: str) -> Asked:
        """Return a ticket with which the caller looks on; the watching is recorded.

        Raises
        ------
        NotFound
            The project has none with this id.
        Conflict
            It has ended.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_WATCH).project
        with self._database.write() as tx:
            found = _load(tx, project, session_id)
            asked = self._ticket(tx, ctx, found, Purpose.WATCH)
            summary = f"{ctx.principal.name} watches {found.person} at {found.device}"
            records.write(tx, audit(ctx, "session.watch", found.id, summary, project=project.id))
        return asked

    def end(self, ctx: CallContext, reference: str, session_id: str, reason: str = "") -> Session:
        """Ask for the end of a session: of one's own, or of anybody's where the role says so.

        Raises
        ------
        NotFound
            The project has none with this id.
        Forbidden
            It is somebody else's.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_READ).project
        with self._database.write() as tx:
            found = _load(tx, project, session_id)
            own = found.person == ctx.principal.name
            needed = Permission.SESSION_OPEN if own else Permission.SESSION_END
            self._projects.authorize(ctx, project.id, needed)
            if found.state is SessionState.ENDED or found.end_asked_by is not None:
                return found
            tx.execute(
                sa.update(_SESSIONS)
                .where(_SESSIONS.c.id == found.id)
                .values(end_asked_by=ctx.principal.name)
            )
            why = f": {reason}" if reason else ""
            summary = f"{ctx.principal.name} ends the session of {found.person} at {found.device}"
            records.write(
                tx, audit(ctx, "session.end_ask", found.id, summary + why, project=project.id)
            )
            return _load(tx, project, session_id)

    def _idlest(self, tx: sa.Connection) -> int:
        """Return the number of the gateway process that has the fewest sessions."""
        if self._gateways == 1:
            return 0
        return min(
            range(self._gateways),
            key=lambda shard: rows.active_sessions(tx, _SESSIONS.c.shard == shard),
        )

    def _ticket(
        self, tx: sa.Connection, ctx: CallContext, session: Session, purpose: Purpose
    ) -> Asked:
        if session.state is not SessionState.OPEN:
            asked = session.state is SessionState.ASKED
            raise Conflict(
                f"The session {session.id} {'is not open yet' if asked else 'has ended'}",
                mend="Wait for its person." if asked else "Open another one.",
            )
        person, source = ctx.principal.name, ctx.source
        ticket = give_ticket(tx, session.id, purpose, person=person, source=source)
        return Asked(session, ticket, clock.now() + LIFETIME)


def new_session(
    tx: sa.Connection,
    ctx: CallContext,
    project: Project,
    device: Device,
    service: AccessService,
    *,
    kind: SessionKind,
    entrance: str,
    command: str | None,
    shard: int,
) -> Session:
    """Write a new session of the caller, where the policy and the limits allow it.

    Raises
    ------
    Forbidden
        The policy does not allow it.
    TooManyRequests
        There are too many sessions by this way, or of this person.
    """
    check_kind(service.policy, kind, device)
    _check_room(tx, ctx, device, service)
    made = Session(
        id=new_id("ses"),
        project_id=project.id,
        project=project.name,
        device_id=device.id,
        device=device.name,
        access_service_id=service.id,
        access_service=service.name,
        protocol=service.protocol,
        login=service.login,
        kind=kind,
        entrance=entrance,
        person=ctx.principal.name,
        source=ctx.source,
        correlation_id=ctx.correlation_id,
        state=SessionState.ASKED,
        asked_at=clock.now(),
        opened_at=None,
        ended_at=None,
        reason=None,
        detail="",
        exit_status=None,
        command=command,
        recording=False,
        end_asked_by=None,
        shard=shard,
    )
    tx.execute(
        sa.insert(_SESSIONS).values(
            **rows.session_row(made),
            request_id=ctx.request_id,
            groups=sorted(ctx.principal.groups),
            scopes=sorted(ctx.scopes),
        )
    )
    return made


def check_kind(policy: Policy, kind: SessionKind, device: Device) -> None:
    """Return where `policy` allows sessions of a kind.

    Raises
    ------
    Forbidden
        It does not.
    """
    allowed = {
        SessionKind.TERMINAL: policy.shell,
        SessionKind.COMMAND: policy.commands,
        SessionKind.TRANSFER: policy.transfers.upload or policy.transfers.download,
        SessionKind.FORWARDING: policy.forwarding,
        SessionKind.CONNECTION: True,  # what is in it is asked for by itself
    }[kind]
    if not allowed:
        raise Forbidden(
            f"The policy of this way into {device.name} allows no {kind}",
            mend="An administrator sets it: `mavis device allow`.",
        )


def _check_room(
    tx: sa.Connection, ctx: CallContext, device: Device, service: AccessService
) -> None:
    by_service = rows.active_sessions(tx, _SESSIONS.c.access_service_id == service.id)
    if by_service >= service.policy.sessions:
        raise TooManyRequests(
            f"{device.name} has {by_service} sessions by {service.name}, which is the most that its"
            " policy allows",
            mend="End one of them, or have the policy changed: `mavis session list`.",
            retry_after_s=10,
        )
    own = rows.active_sessions(tx, _SESSIONS.c.person == ctx.principal.name)
    if own >= MOST_OF_A_PERSON:
        raise TooManyRequests(
            f"{ctx.principal.name} has {own} sessions, which is the most",
            mend="End some of them: `mavis session list`.",
            retry_after_s=10,
        )


def _check_command(kind: SessionKind, command: str | None) -> None:
    if kind not in (SessionKind.TERMINAL, SessionKind.COMMAND):
        raise InvalidInput(f"A session of kind {kind} is not asked for here", field="kind")
    if (kind is SessionKind.COMMAND) != bool(command):
        raise InvalidInput("A command is given with the kind `command`, and there", field="command")
    if command is not None and ("\0" in command or len(command) > _LONGEST_COMMAND):
        raise InvalidInput(
            f"A command has at most {_LONGEST_COMMAND} characters, none of them NUL",
            field="command",
        )


def _load(tx: sa.Connection, project: Project, session_id: str) -> Session:
    query = rows.session_query().where(
        _SESSIONS.c.project_id == project.id, _SESSIONS.c.id == session_id
    )
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(
            f"{project.name} has no session {session_id[:60]!r}",
            mend="`mavis session list` shows them.",
        )
    return rows.session_of(dict(row))
