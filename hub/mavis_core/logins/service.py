"""Logins by browser: begun by a command line, answered by a person, handed out once.

Nobody's authority lies here in clear. What a person's browser brings is sealed with a public key
whose private half is made from the device code, which only the command line has: it opens when
that asks for its login, and the login is made then. What nobody fetches was never made.

What is not asked for by somebody who is known is bounded: logins that wait by network and in
number, wrong codes by person. A login that is begun leaves no record before it is shown to
somebody, so that strangers write none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa

from mavis_core import clock, records
from mavis_core.access import CallContext, Principal
from mavis_core.db import Database
from mavis_core.errors import (
    InvalidInput,
    LoginPending,
    MavisError,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from mavis_core.ids import new_id
from mavis_core.logins import rows
from mavis_core.logins.model import (
    LIFETIME,
    DeviceLogin,
    Grant,
    State,
    hash_of,
    network_of,
    new_device_code,
    new_user_code,
    ready,
    sealing_secret,
    user_code,
)
from mavis_core.projects.model import check_text
from mavis_core.vault.sealing import Opener, Sealer, pair_of

__all__ = ["DeviceLogins"]

T = TypeVar("T")
_AT_ONCE = 10  # that wait, of one network
_AT_MOST = 10_000  # in all, those that are over for a while too
_KEPT = timedelta(minutes=10)  # so that whoever comes late is told what became of it
_GUESSES = 5
_GUESSES_WITHIN = timedelta(minutes=10)


class DeviceLogins:
    """The logins by browser of this appliance.

    Parameters
    ----------
    database
        The main database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, *, program: str, client: str, source: str) -> tuple[DeviceLogin, str]:
        """Return a new login that waits for a person, and its device code.

        Parameters
        ----------
        program, client
            What asks, and on which machine, as they call themselves.
        source
            The address that it asks from.

        Raises
        ------
        TooManyRequests
            Too many logins wait that were asked for from there.
        Unavailable
            Too many logins wait.
        """
        now, code = clock.now(), new_device_code()
        login = DeviceLogin(
            id=new_id("dvl"),
            user_code="",
            program=_word(program, "client_id"),
            client=_word(client, "client_name"),
            source=source,
            state=State.WAITING,
            person=None,
            created_at=now,
            expires_at=now + LIFETIME,
            polled_at=None,
            correlation_id=new_id("cor"),
        )
        _, seal = pair_of(sealing_secret(code))
        network = network_of(source)
        with self._database.write() as tx:
            rows.forget(tx, now - _KEPT)
            _check_room(tx, network, now)
            login = replace(login, user_code=_free_code(tx))
            rows.insert(tx, login, code_hash=hash_of(code), seal=seal, network=network)
        return login, code

    def look(self, ctx: CallContext, code: str) -> DeviceLogin:
        """Return the login with this user code, for the person who is to answer it.

        Raises
        ------
        InvalidInput
            It has not the form of a code.
        NotFound
            No login has it. That counts.
        TooManyRequests
            The person has entered too many codes that none has.
        """
        with self._database.write() as tx:
            login = self._find(tx, ctx, user_code(code))
        return _found(login)

    def deny(self, ctx: CallContext, code: str) -> DeviceLogin:
        """Return the login as it is then: denied, unless it was answered before.

        Raises
        ------
        InvalidInput, NotFound, TooManyRequests
            As `look` does.
        """
        with self._database.write() as tx:
            login = self._find(tx, ctx, user_code(code))
            if login is not None and login.state is State.WAITING:
                login = replace(login, state=State.DENIED, person=ctx.principal.name)
                rows.set_login(tx, login.id, state=login.state, person=login.person)
                records.write(tx, _record(ctx, "login.deny", login, "denied"))
        return _found(login)

    def allow(self, ctx: CallContext, login_id: str, authority: bytes) -> DeviceLogin:
        """Return the login as it is then: allowed, unless it was answered before.

        Parameters
        ----------
        authority
            With what the login is made; it is kept sealed.

        Raises
        ------
        NotFound
            There is no such login any more.
        """
        now = clock.now()
        with self._database.write() as tx:
            login = _found(rows.held(tx, rows.TABLE.c.id == login_id, now))
            if login.state is State.WAITING:
                seal, _ = rows.sealed(tx, login.id)
                kept = Sealer(seal).seal(authority, name=login.id)
                login = replace(login, state=State.ALLOWED, person=ctx.principal.name)
                rows.set_login(tx, login.id, state=login.state, person=login.person, authority=kept)
                records.write(tx, _record(ctx, "login.allow", login, "allowed"))
        return login

    def collect(
        self,
        device_code: str,
        make: Callable[[Grant], T],
        *,
        program: str,
        source: str,
        request_id: str,
    ) -> T:
        """Return what `make` makes of the login with this device code, once.

        Parameters
        ----------
        make
            Makes the login. Where it raises `Unavailable` nothing has happened, and it is called
            again when the command line asks again.
        program, source, request_id
            What asks, from which address, in which call.

        Raises
        ------
        LoginNotGiven
            There is no login for this code, or not yet; the class says which.
        """
        grant = self._claim(device_code, program)
        person = Principal(grant.person)
        ctx = CallContext(person, frozenset(), request_id=request_id, source=source)
        try:
            made = make(grant)
        except Unavailable:
            with self._database.write() as tx:
                rows.set_login(tx, grant.login.id, state=State.ALLOWED)
            raise
        except MavisError as exc:
            told = _record(ctx, "login.give", grant.login, f"was not made: {exc.code}")
            failed = replace(told, outcome=records.Outcome.FAILED, error_code=exc.code)
            self._end(grant.login, failed)
            raise
        self._end(grant.login, _record(ctx, "login.give", grant.login, "handed out"))
        return made

    def _claim(self, device_code: str, program: str) -> Grant:
        """Return what was allowed, to whoever is first."""
        now, which = clock.now(), rows.TABLE.c.code_hash == hash_of(device_code)
        try:
            with self._database.read() as tx:
                ready(rows.find(tx, which, now), program, now)
        except LoginPending:
            # Who asks too fast is told so without a write.
            with self._database.write() as tx:
                rows.set_polled(tx, which, now)
            raise
        with self._database.write() as tx:
            login = ready(rows.held(tx, which, now), program, now)
            _, authority = rows.sealed(tx, login.id)
            rows.set_login(tx, login.id, state=State.USED)
        private, _ = pair_of(sealing_secret(device_code))
        opened = Opener(private).open(authority or "", name=login.id)
        return Grant(login, login.person or "", opened)

    def _end(self, login: DeviceLogin, record: records.Record) -> None:
        with self._database.write() as tx:
            rows.set_login(tx, login.id, authority=None)
            records.write(tx, record)

    def _find(self, tx: sa.Connection, ctx: CallContext, code: str) -> DeviceLogin | None:
        """Return the login with a user code; where none has it, that counts as a wrong one."""
        now, person = clock.now(), ctx.principal.name
        wrong = rows.wrong(tx, person, now, _GUESSES_WITHIN)
        if wrong >= _GUESSES:
            raise TooManyRequests(
                f"{person} has entered {_GUESSES} wrong codes",
                mend="Wait ten minutes, then begin a new login.",
                retry_after_s=_GUESSES_WITHIN.total_seconds(),
            )
        login = rows.held(tx, rows.TABLE.c.user_code == code, now)
        if login is None:
            rows.set_wrong(tx, person, wrong + 1, now)
            if wrong + 1 == _GUESSES:
                records.write(tx, _too_many(ctx))
        elif login.state is State.WAITING and login.person is None:
            login = replace(login, person=person)
            rows.set_login(tx, login.id, person=person)
            records.write(tx, _record(ctx, "login.ask", login, f"shown to {person}"))
        return login


def _check_room(tx: sa.Connection, network: str, now: datetime) -> None:
    table = rows.TABLE
    waits = (table.c.state == State.WAITING, table.c.expires_at > now)
    if rows.number(tx, table.c.network == network, *waits) >= _AT_ONCE:
        raise TooManyRequests(
            f"{_AT_ONCE} logins by browser wait already that were asked for from {network}",
            mend="Answer one of them, or wait until they expire, which takes ten minutes at most.",
            retry_after_s=60,
        )
    if rows.number(tx) >= _AT_MOST:
        raise Unavailable(
            "Too many logins by browser wait already",
            mend="Try again in some minutes, or log in with a password.",
            retry_after_s=60,
        )


def _word(value: str, field: str) -> str:
    text = check_text(value, field=field, limit=100)
    if not text:
        raise InvalidInput(f"{field} is empty", field=field)
    return text


def _free_code(tx: sa.Connection) -> str:
    while rows.number(tx, rows.TABLE.c.user_code == (code := new_user_code())):
        pass
    return code


def _found(login: DeviceLogin | None) -> DeviceLogin:
    if login is None:
        raise NotFound(
            "No login has this code, or not any more",
            mend="Compare it with what the command line shows; a code lasts ten minutes.",
        )
    return login


def _record(ctx: CallContext, action: str, login: DeviceLogin, what: str) -> records.Record:
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        outcome=records.Outcome.OK,
        action=action,
        person=ctx.principal.name,
        object=login.id,
        summary=f"{login.program} login from {login.client} ({login.source}) {what}",
        correlation_id=login.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
        data={"client": login.client, "address": login.source},
    )


def _too_many(ctx: CallContext) -> records.Record:
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        outcome=records.Outcome.REFUSED,
        action="login.guess",
        person=ctx.principal.name,
        object="login",
        error_code=TooManyRequests.code,
        summary=f"{ctx.principal.name} has entered {_GUESSES} wrong codes of logins",
        correlation_id=ctx.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
    )
