"""A session that is open: its threads, its recording, and those who are in it or look on.

Three threads move bytes: one reads what the device shows, one the standard error of a command, and
one brings what is typed. All of it goes to the recording first; what cannot be recorded ends the
session. The event loop sends what `Outflow` has, to the person and to those who watch.
"""

from __future__ import annotations

import hmac
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from mavis_core.errors import MavisError
from mavis_core.remote.desk import Desk, Ending
from mavis_core.remote.model import EndReason, Policy, Session
from mavis_core.remote.recording import Recorder
from mavis_core.remote.ssh import Stream, Target
from mavis_hub.gateway.notes import Notes
from mavis_hub.gateway.outflow import STDERR, STDOUT, Outflow
from mavis_hub.gateway.reading import Reading

__all__ = ["AWAY", "Live", "Outcome", "Viewer"]

logger = logging.getLogger(__name__)

AWAY = timedelta(minutes=2)
"""How long a session waits for its person after a connection broke."""
_TYPED_BYTES = 64 * 1024
_EXIT_S = 5.0
_LAST_S = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended."""

    reason: EndReason
    detail: str
    exit_status: int | None = None
    signal: str | None = None


class Viewer(Protocol):
    """Who is in a session, or looks on, by one connection. Its methods are called in any thread."""

    def wake(self) -> None:
        """Look: there is something to be sent, or room for what is typed."""

    def over(self, outcome: Outcome) -> None:
        """Send what is left, and say that the session has ended."""


class Live:
    """One open session.

    Parameters
    ----------
    session
        As it was opened.
    target
        The connection to the device; it is closed with the session.
    stream
        Of what runs there.
    recorder
        Of this session.
    desk
        Told how it ended.
    notes
        Takes the records of what was run.
    gone
        Called once, in some thread, when all is over.
    """

    def __init__(
        self,
        session: Session,
        policy: Policy,
        target: Target,
        stream: Stream,
        recorder: Recorder,
        desk: Desk,
        notes: Notes,
        gone: Callable[[Live], None],
        *,
        terminal: bool,
    ) -> None:
        self.session, self.policy, self.terminal = session, policy, terminal
        self.outflow = Outflow(self._wake)
        self._target, self._stream, self._recorder = target, stream, recorder
        self._desk, self._gone = desk, gone
        self._lock = threading.Lock()
        self._reading = Reading(session, notes, terminal=terminal)
        self._person: Viewer | None = None
        self._watchers: set[Viewer] = set()
        self._typed: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._typed_bytes = 0
        self._outcome: Outcome | None = None
        self._way_back: tuple[str, str] | None = None
        now = time.monotonic()
        self._began, self._last_typed, self._away_since = now, now, now
        self._readers = [threading.Thread(target=self._read, name=f"{session.id}-out", daemon=True)]
        if not terminal:
            self._readers.append(
                threading.Thread(target=self._read_errors, name=f"{session.id}-err", daemon=True)
            )

    def start(self) -> None:
        """Begin to move bytes."""
        for each in self._readers:
            each.start()
        name = self.session.id
        threading.Thread(target=self._bring, name=f"{name}-in", daemon=True).start()
        threading.Thread(target=self._wait, name=f"{name}-end", daemon=True).start()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it goes on."""
        return self._outcome

    def enter(self, viewer: Viewer) -> Viewer | None:
        """Let the person in by a new connection; return the one whose place it takes."""
        with self._lock:
            before, self._person = self._person, viewer
        return before

    def return_by(self, source: str) -> str:
        """Return a new secret with which the person comes back from the same address, once."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._way_back = (secret, source)
        return secret

    def takes_back(self, secret: str, source: str) -> bool:
        """Whether somebody may come back with `secret`, which is good no more."""
        with self._lock:
            known, self._way_back = self._way_back, None
        if known is None:
            return False
        same = hmac.compare_digest(known[0].encode(), secret.encode())
        return same and known[1] == source

    def leave(self, viewer: Viewer) -> None:
        """Note that a connection is gone; its person has `AWAY` to come back."""
        with self._lock:
            self._watchers.discard(viewer)
            if self._person is viewer:
                self._person, self._away_since = None, time.monotonic()

    def watch(self, viewer: Viewer) -> None:
        """Let somebody look on."""
        with self._lock:
            self._watchers.add(viewer)
        self._mark("somebody watches")

    @property
    def room(self) -> bool:
        """Whether more may be typed now."""
        return self._typed_bytes < _TYPED_BYTES

    def type(self, data: bytes) -> None:
        """Bring what was typed to the device, in its turn."""
        with self._lock:
            self._last_typed = time.monotonic()
            self._typed_bytes += len(data)
        self._typed.put(data)

    def end_input(self) -> None:
        """Say that nothing more will be typed: of a command, the end of its standard input."""
        self._typed.put(None)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        if self._recorded(lambda: self._recorder.resize(columns, rows)):
            self._stream.resize(columns, rows)
            self._reading.resize(columns)

    def due(self) -> Ending | None:
        """Return why it must end now, or None."""
        now = time.monotonic()
        with self._lock:
            away = None if self._person is not None else now - self._away_since
            idle = now - self._last_typed
        if now - self._began >= self.policy.longest_s:
            hours = self.policy.longest_s / 3600
            detail = f"It was open for {hours:.3g} hours, the longest that its policy allows"
            return Ending(self.session.id, EndReason.TOO_LONG, detail)
        if self.terminal and idle >= self.policy.idle_s:
            minutes = self.policy.idle_s / 60
            return Ending(
                self.session.id, EndReason.IDLE, f"Nobody typed for {minutes:.3g} minutes"
            )
        if away is not None and away >= AWAY.total_seconds():
            return Ending(self.session.id, EndReason.CLOSED, "Its person stayed away")
        return None

    def end(self, reason: EndReason, detail: str) -> None:
        """End the session; what runs there gets a hang-up. Once is enough."""
        self._finish(Outcome(reason, detail))

    def unrecorded(self, error: MavisError) -> None:
        """End the session, since it cannot be recorded any more; never waits."""
        threading.Thread(
            target=self.end,
            args=(EndReason.UNRECORDED, f"It could not be recorded any more: {error.message}"),
            name=f"{self.session.id}-unrecorded",
            daemon=True,
        ).start()

    def _read(self) -> None:
        self._move(self._stream.receive, STDOUT)

    def _read_errors(self) -> None:
        self._move(self._stream.receive_errors, STDERR)

    def _move(self, receive: Callable[[], bytes], stream: int) -> None:
        while data := receive():
            if not self._recorded(lambda shown=data: self._recorder.output(shown)):  # type: ignore[misc]  # bound now
                return
            self._reading.shown(data)
            if not self.outflow.put(stream, data):
                return

    def _bring(self) -> None:
        while self._outcome is None:
            data = self._typed.get()
            if data is None:
                self._stream.end_input()
                continue
            if not data or not self._recorded(lambda typed=data: self._recorder.input(typed)):  # type: ignore[misc]  # bound now
                return
            self._reading.typed(data)
            try:
                self._stream.send(data)
            except MavisError:
                return  # whoever reads finds out why
            with self._lock:
                self._typed_bytes -= len(data)
            self._wake()

    def _wait(self) -> None:
        for each in self._readers:
            each.join()
        if self._outcome is not None:
            return
        exited = self._stream.wait(_EXIT_S)
        if exited is None or (exited.status is None and exited.signal is None):
            if self._target.alive and exited is None:
                self._finish(Outcome(EndReason.EXITED, "It ended without saying how"))
            else:
                self._finish(Outcome(EndReason.LOST, "The connection to the device was lost"))
            return
        said = f"status {exited.status}" if exited.signal is None else f"signal {exited.signal}"
        self._finish(
            Outcome(EndReason.EXITED, f"It exited with {said}", exited.status, exited.signal)
        )

    def _finish(self, outcome: Outcome) -> None:
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
        self.outflow.close()
        self._typed.put(b"")
        self._stream.close()
        self._target.close()
        for each in self._readers:
            if each is not threading.current_thread():
                each.join(_LAST_S)
        self._recorder.close(outcome.exit_status, outcome.reason, outcome.detail)
        self._reading.end()
        if not self.terminal:
            self._reading.tell_command(outcome.exit_status)
        try:
            self._desk.ended(
                self.session,
                outcome.reason,
                outcome.detail,
                exit_status=outcome.exit_status,
                data={"shown_bytes": self.outflow.shown},
            )
        except MavisError as exc:  # the next start of the gateway says so
            logger.error("session.end_unrecorded session=%s error=%s", self.session.id, exc.message)  # noqa: TRY400 - it says all
        with self._lock:
            viewers = [*self._watchers, *([self._person] if self._person else [])]
        for viewer in viewers:
            viewer.over(outcome)
        self._gone(self)

    def _recorded(self, record: Callable[[], None]) -> bool:
        """Record something; return False where that cannot be, and the session ends."""
        try:
            record()
        except MavisError as exc:
            if self._outcome is None:
                self.unrecorded(exc)
            return False
        return True

    def _mark(self, text: str) -> None:
        self._recorded(lambda: self._recorder.marker(text))

    def _wake(self) -> None:
        with self._lock:
            viewers = [*self._watchers, *([self._person] if self._person else [])]
        for viewer in viewers:
            viewer.wake()
