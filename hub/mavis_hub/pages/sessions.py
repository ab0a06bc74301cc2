"""Sessions of a project: who is, or was, at which device; a terminal; a recording to replay.

A page of a terminal holds the ticket with which its script comes to the gateway. It is given only
to a page that the browser shows in a window of its own (`mavis_hub.pages.forms`): to no script, no
frame and no token.
"""

from __future__ import annotations

from mavis_core.access import Permission
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from mavis_core.remote.alarms import Alarm
from mavis_core.remote.model import Session, SessionState, terminal_path
from mavis_core.remote.replays import Found
from mavis_core.remote.sessions import Asked
from mavis_ext.app import PREFIX
from mavis_ext.downloads import send_pieces
from mavis_ext.handlers.recordings import CAST
from mavis_hub.pages.forms import is_window
from mavis_hub.pages.handlers import PersonPage
from mavis_hub.pages.seen import SeenProject, see

__all__ = ["CastFile", "FoundPage", "SessionPage", "SessionsPage", "TerminalPage", "WatchPage"]

_AT_A_TIME = 50
_CSP = (
    # xterm.js draws by style elements of its own, to which nobody can give a nonce
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'nonce-{nonce}';"
    " connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


_CSP_PLAYER = _CSP.replace("script-src", "script-src 'wasm-unsafe-eval'")
"""The player draws by WebAssembly, which comes with its script."""


class SessionsPage(PersonPage):
    """The sessions of a project, the newest first; the address says which."""

    async def get(self, project: str) -> None:
        """Show them."""
        state = _state(self.get_query_argument("state", ""))
        want = PageRequest(_AT_A_TIME, self.get_query_argument("cursor", None))

        def look() -> tuple[SeenProject, object]:
            where = see(self.app, self.ctx, project, Permission.SESSION_READ)
            return where, self.app.sessions.list(self.ctx, where.project.id, want, state=state)

        where, found = await self.ask(look)
        alarms, fault = await self._alarms(where)
        self.show(
            "sessions.html",
            **where.values,
            found=found,
            alarms=alarms,
            fault=fault,
            replays=self.ctx.may(Permission.RECORDING_READ, where.roles),
            state=state,
            states=(SessionState.OPEN, SessionState.ENDED),
        )

    async def _alarms(self, where: SeenProject) -> tuple[tuple[Alarm, ...], str]:
        """Return what stands in the way of recordings, or why that is not known."""
        if not self.ctx.may(Permission.SESSION_END, where.roles):
            return (), ""
        try:
            # in threads of its own: a gateway that hangs holds nobody else up
            found = await self.site.services.sql.run(
                lambda: self.app.replays.alarms(self.ctx, where.project.id)
            )
        except Unavailable as exc:
            return (), f"{exc.message}. {exc.mend}"
        return found, ""


class SessionPage(PersonPage):
    """One session: who, where, how it ended; to watch it, to end it."""

    async def get(self, project: str, session: str) -> None:
        """Show it."""
        await self._show(project, session)

    async def post(self, project: str, session: str) -> None:
        """End it."""
        try:
            await self.recorded(self._end(project, session))
        except (Conflict, Forbidden) as exc:
            self.set_status(exc.status)
            await self._show(project, session, fault=f"{exc.message}. {exc.mend}")

    async def _end(self, project: str, session: str) -> None:
        self.check_form(_ending(session))
        await self.ask(lambda: self.app.sessions.end(self.ctx, project, session))
        self.redirect(f"{PREFIX}/projects/{project}/sessions/{session}", status=303)

    async def _show(self, project: str, session: str, *, fault: str = "") -> None:
        def look() -> tuple[SeenProject, Session]:
            where = see(self.app, self.ctx, project, Permission.SESSION_READ)
            return where, self.app.sessions.get(self.ctx, where.project.id, session)

        where, found = await self.ask(look)
        self.set_header("Content-Security-Policy", _CSP_PLAYER.format(nonce=self.nonce))
        own = found.person == self.ctx.principal.name
        going = found.state is not SessionState.ENDED
        ends = going and self.ctx.may(
            Permission.SESSION_OPEN if own else Permission.SESSION_END, where.roles
        )
        watches = found.state is SessionState.OPEN and self.ctx.may(
            Permission.SESSION_WATCH, where.roles
        )
        self.show(
            "session.html",
            **where.values,
            session=found,
            own=own,
            fault=fault,
            replays=found.recording and self.ctx.may(Permission.RECORDING_READ, where.roles),
            ending=self.ticket(_ending(session)) if ends else None,
            watching=self.ticket(_watching(session)) if watches else None,
            xsrf=self.xsrf,
        )


class CastFile(PersonPage):
    """The recording of a session, for the player of its page or to be kept as a file."""

    async def get(self, project: str, session: str) -> None:
        """Send it."""
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        await send_pieces(
            self,
            self.site.services,
            self.ctx.principal.name,
            lambda: self.app.replays.cast(self.ctx, project, session),
            media=CAST,
            name=f"{session}.cast",
        )


class FoundPage(PersonPage):
    """Lines of recordings of a project that have a text, each with the way to its second."""

    async def get(self, project: str) -> None:
        """Show them."""
        words = self.get_query_argument("words", "").strip()
        fault = ""
        where = await self.ask(lambda: see(self.app, self.ctx, project, Permission.RECORDING_READ))
        found: tuple[Found, ...] = ()
        if words:
            try:
                found = await self.site.services.sql.run(
                    lambda: self.app.replays.search(self.ctx, where.project.id, words)
                )
            except (InvalidInput, Unavailable) as exc:
                self.set_status(exc.status)
                fault = f"{exc.message}. {exc.mend}"
        self.show("recordings.html", **where.values, words=words, found=found, fault=fault)


class TerminalPage(PersonPage):
    """The terminal of a session of one's own."""

    async def get(self, project: str, session: str) -> None:
        """Show it, with the ticket that opens the session or comes back to it."""
        if not is_window(self) or self.has_token:
            raise Forbidden(
                "A terminal is a page in a window of its own", mend="Open it in a browser."
            )
        asked = await self.ask(lambda: self.app.sessions.enter(self.ctx, project, session))
        await _show_terminal(self, asked, watching=False)


class WatchPage(PersonPage):
    """A look into a session of somebody's."""

    async def post(self, project: str, session: str) -> None:
        """Show it; that is recorded."""
        await self.recorded(self._watch(project, session))

    async def _watch(self, project: str, session: str) -> None:
        self.check_form(_watching(session))
        asked = await self.ask(lambda: self.app.sessions.watch(self.ctx, project, session))
        await _show_terminal(self, asked, watching=True)


async def _show_terminal(page: PersonPage, asked: Asked, *, watching: bool) -> None:
    session = asked.session
    where = await page.ask(
        lambda: see(page.app, page.ctx, session.project_id, Permission.SESSION_READ)
    )
    page.set_header("Content-Security-Policy", _CSP.format(nonce=page.nonce))
    page.show(
        "terminal.html",
        **where.values,
        session=session,
        watching=watching,
        ticket=asked.ticket,
        address=terminal_path(session.shard),
    )


def _state(text: str) -> SessionState | None:
    try:
        return SessionState(text) if text else None
    except ValueError:
        raise NotFound(f"No session is {text[:40]!r}") from None


def _ending(session: str) -> str:
    return f"end of session {session}"


def _watching(session: str) -> str:
    return f"look into session {session}"
