"""What the gateway asks and tells: who comes with a ticket, how to reach a device, how it went.

Authority is looked at again here: between a ticket and its use, and every few seconds while a
session is open, a role may have been taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Permission, Principal, Scope
from mavis_core.db import Database
from mavis_core.errors import Conflict, Forbidden, MavisError, NotFound, Unauthenticated
from mavis_core.projects.service import Projects, audit, hold
from mavis_core.remote import rows
from mavis_core.remote.model import (
    AccessService,
    Credential,
    Device,
    Endpoint,
    EndReason,
    HostKey,
    HostKeyState,
    Policy,
    Session,
    SessionKind,
    SessionState,
    credential_of,
)
from mavis_core.remote.sessions import new_session
from mavis_core.remote.tickets import LIFETIME, Purpose, take_ticket
from mavis_core.vault.service import Vault

__all__ = ["Admitted", "Authority", "Desk", "Ending", "Way"]

_SESSIONS = rows.SESSIONS
_WITH_CALLERS = rows.session_query().add_columns(
    _SESSIONS.c.groups, _SESSIONS.c.scopes, _SESSIONS.c.request_id
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whoever came with a ticket.

    Parameters
    ----------
    person
        Who it is; of a session that is watched, not whose it is.
    """

    session: Session
    purpose: Purpose
    person: str


@dataclass(frozen=True, slots=True)
class Way:
    """How a session reaches its device.

    Parameters
    ----------
    device, service
        As they are now.
    endpoint
        With the key, for the gateway alone.
    """

    device: Device
    service: AccessService
    endpoint: Endpoint

    @property
    def policy(self) -> Policy:
        """What may be done."""
        return self.service.policy


@dataclass(frozen=True, slots=True)
class Ending:
    """A session that must end."""

    session_id: str
    reason: EndReason
    detail: str


class Authority(Protocol):
    """The appliance's own authority for logins at devices; the gateway has its key."""

    def credential(self, session: Session, service: AccessService) -> Credential:
        """Return a credential that is good for this session."""


class Desk:
    """The gateway's side of sessions.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    vault
        Opens the keys of access services.
    authority
        Makes certificates for devices that trust the appliance.
    shard
        The number of this gateway process.
    """

    def __init__(
        self,
        database: Database,
        projects: Projects,
        vault: Vault,
        authority: Authority,
        *,
        shard: int = 0,
    ) -> None:
        self._database, self._projects, self._vault = database, projects, vault
        self._authority, self._shard = authority, shard

    def admit(self, ticket: str, source: str) -> Admitted:
        """Take a ticket, and say who comes for which session.

        Raises
        ------
        Unauthenticated
            The ticket lets nobody in.
        Forbidden
            The person may not do that any more.
        Conflict
            The session has ended, or was opened already.
        """
        with self._database.write() as tx:
            taken = take_ticket(tx, ticket, source=source)  # gone, whoever brought it
        if taken is None:
            raise Unauthenticated(
                "This ticket lets nobody in: it was used, is older than a minute, or was given to"
                " another address",
                mend="Ask for the session again.",
            )
        with self._database.read() as tx:
            session, ctx = self._load(tx, taken.session_id)
        if taken.purpose is not Purpose.WATCH:
            self._projects.authorize(ctx, session.project_id, Permission.SESSION_OPEN)
        wanted = SessionState.ASKED if taken.purpose is Purpose.OPEN else SessionState.OPEN
        if session.state is not wanted:
            raise Conflict(f"The session {session.id} is {session.state}", mend="Ask for another.")
        return Admitted(session, taken.purpose, taken.person)

    def begin(
        self,
        ctx: CallContext,
        reference: str,
        device: str,
        *,
        service: str | None,
        kind: SessionKind,
        command: str | None = None,
    ) -> Session:
        """Return a new session of whoever came to the front door; see `Sessions.ask`.

        Raises
        ------
        NotFound
            The project has no such device, or the device no such way in.
        Forbidden
            The person, or the policy, does not allow it.
        TooManyRequests
            There are too many sessions.
        """
        project = self._projects.authorize(ctx, reference, Permission.SESSION_OPEN).project
        with self._database.write() as tx:
            hold(tx, project.id)
            found = rows.device_in(tx, project.id, device)
            way = rows.service_in(tx, found, service)
            return new_session(
                tx,
                ctx,
                project,
                found,
                way,
                kind=kind,
                entrance="door",
                command=command,
                shard=self._shard,
            )

    def way(self, session: Session) -> Way:
        """Return how to reach a session's device; the opening of the key is recorded.

        Raises
        ------
        NotFound
            The device, the way in or the key was removed.
        """
        with self._database.read() as tx:
            found, ctx = self._load(tx, session.id)
            device = rows.device_in(tx, found.project_id, found.device_id or "")
            service = rows.service_in(tx, device, found.access_service_id)
            keys = rows.host_keys_of(tx, service.id)
        endpoint = Endpoint(
            name=device.name,
            address=device.address,
            port=service.port,
            login=service.login,
            credential=self._credential(ctx, session, service),
            host_keys=tuple(each for each in keys if each.state is HostKeyState.APPROVED),
            algorithms=service.policy.algorithms,
        )
        return Way(device, service, endpoint)

    def opened(self, session: Session) -> Session:
        """Note, with a record, that a session is open.

        Raises
        ------
        Conflict
            It is not asked for any more.
        """
        now = clock.now()
        with self._database.write() as tx:
            changed = tx.execute(
                sa.update(_SESSIONS)
                .where(_SESSIONS.c.id == session.id, _SESSIONS.c.state == SessionState.ASKED)
                .values(state=SessionState.OPEN, opened_at=now, shard=self._shard, recording=True)
            )
            if not changed.rowcount:
                raise Conflict(f"The session {session.id} was ended before it began")
            _, ctx = self._load(tx, session.id)
            summary = (
                f"{session.person} opened a {session.kind} at {session.device} as {session.login}"
            )
            data = {
                "device": session.device,
                "access_service": session.access_service,
                "login": session.login,
                "kind": session.kind,
                "entrance": session.entrance,
                **({"command": session.command} if session.command else {}),
            }
            record = replace(
                audit(ctx, "session.open", session.id, summary, project=session.project_id),
                data=data,
            )
            records.write(tx, record)
        return replace(session, state=SessionState.OPEN, opened_at=now, recording=True)

    def ended(
        self,
        session: Session,
        reason: EndReason,
        detail: str,
        *,
        exit_status: int | None = None,
        error: MavisError | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Note, with a record, that a session has ended; a second call changes nothing.

        Parameters
        ----------
        error
            What refused it.
        data
            What the record tells besides, such as the recording's digest.
        """
        with self._database.write() as tx:
            changed = tx.execute(
                sa.update(_SESSIONS)
                .where(_SESSIONS.c.id == session.id, _SESSIONS.c.state != SessionState.ENDED)
                .values(
                    state=SessionState.ENDED,
                    ended_at=clock.now(),
                    reason=reason,
                    detail=detail,
                    exit_status=exit_status,
                )
            )
            if not changed.rowcount:
                return
            _, ctx = self._load(tx, session.id)
            records.write(tx, _end_record(ctx, session, reason, detail, exit_status, error, data))

    def saw(self, session: Session, key: HostKey) -> None:
        """Note a host key that nobody has approved, for an administrator to look at."""
        if session.access_service_id is None:
            return
        with self._database.write() as tx:
            if not rows.see_host_key(tx, session.access_service_id, key, clock.now()):
                return
            _, ctx = self._load(tx, session.id)
            summary = f"{session.device} showed the host key {key.fingerprint} ({key.algorithm})"
            thing = f"{session.device}/{session.access_service}"
            records.write(
                tx, audit(ctx, "host_key.see", thing, summary, project=session.project_id)
            )

    def record(self, made: Sequence[records.Record]) -> None:
        """Write operation records: what was done in sessions."""
        with self._database.write() as tx:
            for each in made:
                records.write(tx, each)

    def endings(self) -> tuple[Ending, ...]:
        """Return the sessions of this process that must end: somebody asked, or a right is gone."""
        query = _WITH_CALLERS.where(
            _SESSIONS.c.state == SessionState.OPEN, _SESSIONS.c.shard == self._shard
        )
        with self._database.read() as tx:
            found = [_with_caller(dict(row)) for row in tx.execute(query).mappings()]
        callers = {_right(each, ctx): (each.project_id, ctx) for each, ctx in found}
        lost = {right for right, (project, ctx) in callers.items() if not self._may(ctx, project)}
        endings = (_ending(each, lost=_right(each, ctx) in lost) for each, ctx in found)
        return tuple(each for each in endings if each is not None)

    def adopt(self, gateways: int) -> None:
        """Take over the sessions of processes that there are no more, of `gateways` in all."""
        with self._database.write() as tx:
            tx.execute(
                sa.update(_SESSIONS).where(_SESSIONS.c.shard >= gateways).values(shard=self._shard)
            )

    def left_over(self) -> tuple[Session, ...]:
        """Return the sessions that an earlier process of this number left open."""
        query = rows.session_query().where(
            _SESSIONS.c.state == SessionState.OPEN, _SESSIONS.c.shard == self._shard
        )
        with self._database.read() as tx:
            return tuple(rows.session_of(dict(row)) for row in tx.execute(query).mappings())

    def forget_unopened(self) -> int:
        """End the sessions with whose ticket nobody came; return how many they were."""
        table, now = _SESSIONS, clock.now()
        with self._database.write() as tx:
            changed = tx.execute(
                sa.update(table)
                .where(table.c.state == SessionState.ASKED, table.c.asked_at < now - 2 * LIFETIME)
                .values(
                    state=SessionState.ENDED,
                    ended_at=now,
                    reason=EndReason.NOT_OPENED,
                    detail="Nobody came with its ticket",
                )
            )
            return changed.rowcount

    def _may(self, ctx: CallContext, project_id: str) -> bool:
        try:
            self._projects.authorize(ctx, project_id, Permission.SESSION_OPEN)
        except (Forbidden, NotFound):
            return False
        return True

    def _credential(self, ctx: CallContext, session: Session, service: AccessService) -> Credential:
        if service.key_id is None:
            return self._authority.credential(session, service)
        return credential_of(
            self._vault.open(ctx, service.key_id, project_id=session.project_id, way_id=service.id)
        )

    def _load(self, tx: sa.Connection, session_id: str) -> tuple[Session, CallContext]:
        """Return a session, and the call of the person who asked for it."""
        query = _WITH_CALLERS.where(_SESSIONS.c.id == session_id)
        row = tx.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"The session {session_id} is gone")
        return _with_caller(dict(row))


def _right(session: Session, ctx: CallContext) -> tuple[object, ...]:
    """Return what a session is open by: those who have the same of it are asked about once."""
    return session.project_id, ctx.principal, ctx.scopes


def _ending(session: Session, *, lost: bool) -> Ending | None:
    if session.end_asked_by is not None:
        who = session.end_asked_by
        said = "You ended it" if who == session.person else f"{who} ended it"
        return Ending(session.id, EndReason.TERMINATED, said)
    if lost:
        detail = f"{session.person} may not open sessions in {session.project} any more"
        return Ending(session.id, EndReason.TERMINATED, detail)
    return None


def _with_caller(values: dict[str, Any]) -> tuple[Session, CallContext]:
    groups, scopes = values.pop("groups"), values.pop("scopes")
    request_id = values.pop("request_id")
    session = rows.session_of(values)
    ctx = CallContext(
        principal=Principal(session.person, frozenset(groups)),
        scopes=frozenset(Scope(each) for each in scopes),
        correlation_id=session.correlation_id,
        request_id=request_id,
        source=session.source,
    )
    return session, ctx


def _end_record(
    ctx: CallContext,
    session: Session,
    reason: EndReason,
    detail: str,
    exit_status: int | None,
    error: MavisError | None,
    data: Mapping[str, Any] | None,
) -> records.Record:
    if reason is EndReason.REFUSED:
        outcome = records.Outcome.REFUSED
    elif reason in (EndReason.EXITED, EndReason.CLOSED, EndReason.IDLE, EndReason.TERMINATED):
        outcome = records.Outcome.OK
    else:
        outcome = records.Outcome.FAILED
    return replace(
        audit(
            ctx,
            "session.end",
            session.id,
            f"The {session.kind} of {session.person} at {session.device} ended: {detail}",
            project=session.project_id,
        ),
        outcome=outcome,
        error_code=None if error is None else error.code,
        data={"reason": reason, "exit_status": exit_status, **(data or {})},
    )
