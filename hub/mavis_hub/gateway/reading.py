"""Reads along in one session, and tells what was run: off the screen of a terminal, or exactly."""

from __future__ import annotations

import threading
import time

from mavis_core.remote.model import Session
from mavis_core.remote.recording import CommandReader
from mavis_hub.gateway.notes import Notes, command_record, screen_record

__all__ = ["Reading"]

_EXCERPT_BYTES = 4096


class Reading:
    """One session's. Any thread may call it.

    Parameters
    ----------
    notes
        Takes the records.
    terminal
        Whether commands are typed at a shell, and not given beforehand.
    """

    def __init__(
        self, session: Session, notes: Notes, *, terminal: bool, columns: int = 80
    ) -> None:
        self._session, self._notes = session, notes
        self._began, self._lock = time.monotonic(), threading.Lock()
        self._excerpt = bytearray()
        self._reader = (
            CommandReader(lambda seen: notes.add(screen_record(session, seen)), columns)
            if terminal
            else None
        )

    def shown(self, data: bytes) -> None:
        """Look at what the device showed."""
        with self._lock:
            if self._reader is not None:
                self._reader.output(data, time.monotonic() - self._began)
            elif len(self._excerpt) <= _EXCERPT_BYTES:
                self._excerpt += data[: _EXCERPT_BYTES + 1 - len(self._excerpt)]

    def typed(self, data: bytes) -> None:
        """Look at what was typed."""
        if self._reader is not None:
            with self._lock:
                self._reader.input(data, time.monotonic() - self._began)

    def resize(self, columns: int) -> None:
        """Take note of another width."""
        if self._reader is not None:
            with self._lock:
                self._reader.resize(columns)

    def end(self) -> None:
        """Tell the last command of a terminal."""
        if self._reader is not None:
            with self._lock:
                self._reader.end()

    def tell_command(self, exit_status: int | None) -> None:
        """Tell the one command of a session that had one."""
        with self._lock:
            excerpt = bytes(self._excerpt[:_EXCERPT_BYTES]).decode("utf-8", "replace")
            made = command_record(
                self._session,
                exit_status,
                excerpt.replace("\0", "\N{REPLACEMENT CHARACTER}"),
                cut=len(self._excerpt) > _EXCERPT_BYTES,
                lasted_s=time.monotonic() - self._began,
            )
        self._notes.add(made)
