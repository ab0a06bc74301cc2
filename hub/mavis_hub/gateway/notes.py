"""Operation records of sessions: what was run, and the beginning of what came of it.

They wait for a moment, so that many become one commit. What a single command was is known exactly;
what somebody typed at a shell is read from the screen, and says so.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

from mavis_core import records
from mavis_core.remote.desk import Desk
from mavis_core.remote.model import Session
from mavis_core.remote.recording import ScreenCommand
from mavis_hub.gateway.door.ports import Direction, Transfer

__all__ = ["Notes", "command_record", "screen_record", "transfer_record"]

logger = logging.getLogger(__name__)

_EVERY_S = 0.5
_MOST_WAITING = 10_000
_SUMMARY = 120


class Notes:
    """Writes operation records, a few at a time. Any thread may add some.

    Parameters
    ----------
    desk
        Takes them.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: list[records.Record] = []
        self._some, self._stopping = threading.Condition(), False
        self._thread = threading.Thread(target=self._write, name="session-notes", daemon=True)
        self._thread.start()

    def add(self, record: records.Record) -> None:
        """Write a record soon; waits where too many wait."""
        with self._some:
            self._some.wait_for(lambda: self._stopping or len(self._waiting) < _MOST_WAITING)
            self._waiting.append(record)
            self._some.notify_all()

    def stop(self) -> None:
        """Write what is left, and end."""
        with self._some:
            self._stopping = True
            self._some.notify_all()
        self._thread.join()

    def _write(self) -> None:
        while True:
            with self._some:
                self._some.wait_for(lambda: self._stopping or self._waiting)
                if self._stopping and not self._waiting:
                    return
                if not self._stopping:
                    self._some.wait(_EVERY_S)
                taken, self._waiting = self._waiting, []
                self._some.notify_all()
            self._give(taken)

    def _give(self, taken: list[records.Record]) -> None:
        try:
            self._desk.record(taken)
        except Exception:  # the edge of the thread; it must go on, and tries again until its end
            logger.exception("session.notes_unwritten count=%d", len(taken))
            with self._some:
                if not self._stopping:
                    self._waiting[:0] = taken


def screen_record(session: Session, seen: ScreenCommand) -> records.Record:
    """Return the record of a command that was read from the screen of a terminal."""
    return _record(
        "session.command",
        session,
        seen.command,
        records.Outcome.OK,
        {
            "command": seen.command,
            "prompt": seen.prompt,
            "output": seen.output,
            "cut": seen.cut,
            "at_s": round(seen.at_s, 3),
            "lasted_s": round(seen.lasted_s, 3),
            "seen": "screen",
        },
    )


def command_record(
    session: Session, exit_status: int | None, output: str, *, cut: bool, lasted_s: float
) -> records.Record:
    """Return the record of a session that ran one command."""
    outcome = records.Outcome.OK if exit_status == 0 else records.Outcome.FAILED
    return _record(
        "session.command",
        session,
        session.command or "",
        outcome,
        {
            "command": session.command,
            "exit_status": exit_status,
            "output": output,
            "cut": cut,
            "lasted_s": round(lasted_s, 3),
            "seen": "exactly",
        },
    )


def transfer_record(session: Session, transfer: Transfer) -> records.Record:
    """Return the record of a file that went."""
    went = "to" if transfer.direction is Direction.UPLOAD else "from"
    outcome = records.Outcome.OK if transfer.complete else records.Outcome.FAILED
    made = _record(
        "session.transfer",
        session,
        transfer.path,
        outcome,
        {
            "direction": transfer.direction,
            "path": transfer.path,
            "size_bytes": transfer.size_bytes,
            "sha256": transfer.sha256,
            "offset": transfer.offset,
            "complete": transfer.complete,
        },
    )
    summary = f"{session.person}: {transfer.path} {went} {session.device}"
    return replace(made, summary=summary)


def _record(
    action: str, session: Session, command: str, outcome: records.Outcome, data: dict[str, Any]
) -> records.Record:
    line = " ".join(command.split())
    shown = line if len(line) <= _SUMMARY else f"{line[:_SUMMARY]}…"
    return records.Record(
        kind=records.Kind.OPERATION,
        phase=records.Phase.EVENT,
        outcome=outcome,
        action=action,
        person=session.person,
        object=session.id,
        summary=f"{session.person} at {session.device} as {session.login}: {shown}",
        project=session.project_id,
        correlation_id=session.correlation_id,
        source=session.source,
        data={"device": session.device, "login": session.login, **data},
    )
