"""All sessions of this gateway process: opened, found again, and ended when they must."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mavis_core import clock
from mavis_core.bootstrap import GatewayApp
from mavis_core.errors import (
    Conflict,
    HostKeyUnknown,
    MavisError,
    TooManyRequests,
)
from mavis_core.remote.desk import Ending, Way
from mavis_core.remote.model import EndReason, HostKey, Session, SessionKind
from mavis_core.remote.recording import RecordingHeader, Recordings
from mavis_core.remote.ssh import Stream, Target, connect, fingerprint
from mavis_hub.gateway.live import Live
from mavis_hub.gateway.notes import Notes

__all__ = ["Floor", "Size", "header_of"]

logger = logging.getLogger(__name__)

Size = tuple[int, int]
"""Columns and rows."""
_LOOK_S = 1.0
_FORGET_EVERY = 30


class Floor:
    """The sessions of this process. Any thread may call it.

    Parameters
    ----------
    app
        What the gateway has.
    recordings
        Records them.
    notes
        Takes records of what is done in them.
    """

    def __init__(self, app: GatewayApp, recordings: Recordings, notes: Notes) -> None:
        self._app, self._recordings, self._notes = app, recordings, notes
        self._others: Callable[[Ending], object] = lambda _: None
        self._beside: Callable[[], int] = lambda: 0
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        self._opening = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, name="sessions", daemon=True)

    def start(self) -> None:
        """Close what an earlier process left open, and begin to look after sessions."""
        for each in self._recordings.start():
            logger.warning("session.interrupted session=%s", each.session_id)
        for session in self._app.desk.left_over():
            detail = "The gateway was killed; the recording has what was shown until then"
            self._app.desk.ended(session, EndReason.INTERRUPTED, detail)
        self._thread.start()

    def stop(self) -> None:
        """End all sessions, with a word to those who are in them."""
        self._stopping.set()
        for each in self.all():
            each.end(EndReason.TERMINATED, "The gateway is stopped; open a session again")
        self._thread.join()

    def tell_others(self, end: Callable[[Ending], object]) -> None:
        """Have what must end and is no browser's told to `end`, too."""
        self._others = end

    def count_others(self, count: Callable[[], int]) -> None:
        """Have sessions that are no browser's counted, too."""
        self._beside = count

    def check_room(self) -> None:
        """Check that there is room for one session more.

        Raises
        ------
        TooManyRequests
            There is none, or the gateway ends.
        """
        with self._lock:
            self._check_room()

    def _check_room(self) -> None:
        most = self._app.config.remote.sessions
        if self._stopping.is_set() or len(self._live) + self._opening + self._beside() >= most:
            raise TooManyRequests(
                f"The gateway has {most} sessions, which is the most",
                mend="Wait until one ends, or have `remote.sessions` set higher.",
                retry_after_s=10,
            )

    def all(self) -> tuple[Live, ...]:
        """Return the sessions that are open."""
        with self._lock:
            return tuple(self._live.values())

    def find(self, session_id: str) -> Live:
        """Return an open session.

        Raises
        ------
        Conflict
            It is not open here.
        """
        with self._lock:
            found = self._live.get(session_id)
        if found is None:
            raise Conflict(f"The session {session_id} is over", mend="Open another one.")
        return found

    def open(self, session: Session, size: Size, say: Callable[[str], None]) -> Live:
        """Return a session, open at its device and recorded; blocks for some seconds.

        Parameters
        ----------
        size
            Of the terminal.
        say
            Told what goes on, for the person who waits.

        Raises
        ------
        MavisError
            It cannot be opened; that is recorded.
        """
        try:
            with self._place():
                return self._open(session, size, say)
        except MavisError as exc:
            self._refused(session, exc)
            raise

    def _open(self, session: Session, size: Size, say: Callable[[str], None]) -> Live:
        way = self._app.desk.way(session)
        say(f"Connecting to {way.device.name} as {way.service.login}")
        remote = self._app.config.remote
        target = connect(
            way.endpoint,
            timeout_s=remote.connect_s,
            loopback=remote.loopback == "allowed",
            lost_s=remote.lost_s,
        )
        try:
            return self._begin(session, way, target, size)
        except BaseException:
            target.close()
            raise

    def _begin(self, session: Session, way: Way, target: Target, size: Size) -> Live:
        live: list[Live] = []

        def failed(error: MavisError) -> None:
            for each in live:
                each.unrecorded(error)

        terminal = session.kind is SessionKind.TERMINAL
        opened = self._app.desk.opened(session)
        recorder = self._recordings.open(header_of(opened, way, size), on_failure=failed)
        try:
            stream = _stream(target, opened, size)
            made = Live(
                opened,
                way.policy,
                target,
                stream,
                recorder,
                self._app.desk,
                self._notes,
                self._gone,
                terminal=terminal,
            )
        except MavisError as exc:
            recorder.close(None, EndReason.REFUSED, exc.message)
            raise
        live.append(made)
        with self._lock:
            self._live[opened.id] = made
        made.start()
        return made

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Have a place for a session that is being opened."""
        with self._lock:
            self._check_room()
            self._opening += 1
        try:
            yield
        finally:
            with self._lock:
                self._opening -= 1

    def _refused(self, session: Session, error: MavisError) -> None:
        desk = self._app.desk
        try:
            if isinstance(error, HostKeyUnknown):  # or another one than was approved
                seen = HostKey(error.algorithm, fingerprint(error.public), error.public)
                desk.saw(session, seen)
            desk.ended(session, EndReason.REFUSED, error.message, error=error)
        except MavisError as exc:
            logger.error("session.refusal_unrecorded session=%s error=%s", session.id, exc.message)  # noqa: TRY400 - it says all

    def _gone(self, live: Live) -> None:
        with self._lock:
            self._live.pop(live.session.id, None)

    def _look(self) -> None:
        rounds = 0
        while not self._stopping.wait(_LOOK_S):
            try:
                self._end_what_must(self._app.desk.endings())
                if rounds % _FORGET_EVERY == 0:
                    self._app.desk.forget_unopened()
                rounds += 1
            except Exception:  # the edge of the thread; it must go on
                logger.exception("sessions.look_failed")

    def _end_what_must(self, endings: tuple[Ending, ...]) -> None:
        due = (each.due() for each in self.all())
        for ending in (*endings, *(each for each in due if each is not None)):
            with self._lock:
                live = self._live.get(ending.session_id)
            if live is not None:
                live.end(ending.reason, ending.detail)
            else:
                self._others(ending)


def _stream(target: Target, session: Session, size: Size) -> Stream:
    environment = {"LANG": "C.UTF-8"}
    if session.kind is SessionKind.TERMINAL:
        columns, rows = size
        return target.shell(
            term="xterm-256color", columns=columns, rows=rows, environment=environment
        )
    return target.command(session.command or "", environment=environment)


def header_of(session: Session, way: Way, size: Size) -> RecordingHeader:
    """Return what the recording of a session says of it."""
    return RecordingHeader(
        session_id=session.id,
        project_id=session.project_id,
        project=session.project,
        person=session.person,
        device=session.device,
        access_service=session.access_service,
        login=session.login,
        kind=session.kind,
        entrance=session.entrance,
        source=session.source,
        started_at=session.opened_at or clock.now(),
        columns=size[0],
        rows=size[1],
        command=session.command,
        correlation_id=session.correlation_id,
        record_input=way.policy.record_input,
    )
