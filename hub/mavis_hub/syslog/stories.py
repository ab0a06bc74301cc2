"""What one connection has sent, as records: numbered, so that one that is lost shows.

A connection's first record says who sends and its last how many messages came, so that an end that
never came shows, too; one that has sent nothing has no records. All of them are reports: the
receiver saw the message, and what it says is the client's word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mavis_core import clock
from mavis_core.ids import new_id
from mavis_core.records import Kind, Origin, Outcome, Phase, Record
from mavis_hub.syslog.framing import Frame
from mavis_hub.syslog.messages import Message, Unreadable, parse, text_of

__all__ = ["ACTION", "PREFIX", "Refused", "Source", "Story"]

ACTION = "reported.syslog"
PREFIX = "syslog:"
"""What names of clients begin with, where records have a person or a process."""
_SUMMARY = 200
_BEGINNING = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends.

    Parameters
    ----------
    name
        The client's, as in its certificate.
    project
        The id of the project whose log it writes to.
    address
        Where it is: an address of the network, or a Unix user.
    """

    name: str
    project: str
    address: str

    @property
    def label(self) -> str:
        """The client's name among persons and processes."""
        return f"{PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that cannot be read, for the quarantine."""

    reason: str
    data: bytes


class Story:
    """Makes the records of one connection, in their order.

    Parameters
    ----------
    source
        Who sends.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._correlation_id = new_id("cor")
        self._stream = f"{source.label}:{self._correlation_id.removeprefix('cor_')}"
        self._sequence = 0
        self.messages = 0

    def told(self, frames: Sequence[Frame], **about: object) -> tuple[list[Record], list[Refused]]:
        """Return the records of `frames`, and what is for the quarantine besides.

        Before the first of all comes the one of the beginning.

        Parameters
        ----------
        about
            What else is known of the sender of these.
        """
        told = self._opened() if frames else []
        refused: list[Refused] = []
        for frame in frames:
            self.messages += 1
            cut = {"cut_from_bytes": frame.size_bytes} if frame.cut else {}
            try:
                told.append(self._message(parse(frame.data), {**about, **cut}))
            except Unreadable as exc:
                refused.append(Refused(str(exc), frame.data))
                beginning = text_of(frame.data)[:_BEGINNING]
                told.append(self._unreadable(str(exc), text=beginning, **about, **cut))
        return told, refused

    def broken(self, reason: str, data: bytes) -> tuple[list[Record], list[Refused]]:
        """Return the records of `data`, in which no message begins, and what is put aside."""
        beginning = text_of(data)[:_BEGINNING]
        return [*self._opened(), self._unreadable(reason, text=beginning)], [Refused(reason, data)]

    def closed(self, reason: str) -> list[Record]:
        """Return the record of the end, where there is one of the beginning."""
        if not self._sequence:
            return []
        summary = f"{self.source.label} ended after {self.messages} messages: {reason}"
        data = {"messages": self.messages, "reason": reason}
        return [self._record(f"{ACTION}.close", "a connection", summary, data)]

    def _opened(self) -> list[Record]:
        if self._sequence:
            return []
        summary = f"{self.source.label} sends from {self.source.address}"
        return [self._record(f"{ACTION}.open", "a connection", summary, {})]

    def _unreadable(self, reason: str, **about: object) -> Record:
        summary = f"A message of {self.source.label} cannot be read and is in quarantine: {reason}"
        return self._record(
            f"{ACTION}.unreadable",
            "a message",
            summary,
            {"reason": reason, **about},
            Outcome.FAILED,
        )

    def _message(self, message: Message, about: dict[str, object]) -> Record:
        told = {
            "form": message.form.value,
            "facility": message.facility,
            "severity": message.severity,
            "host": message.host,
            "app": message.app,
            "process": message.process,
            "message_id": message.message_id,
            "reported_time": None if message.time is None else clock.iso(message.time),
            "time_text": message.time_text,
            "structured": message.structured or None,
        }
        place = "/".join(filter(None, (message.host, message.app))) or self.source.name
        words = _CONTROL.sub(" ", message.text).strip()
        summary = f"{message.app}: {words}" if message.app else words
        data = {name: value for name, value in told.items() if value is not None}
        return self._record(
            ACTION, place, summary or "(empty)", {**data, **about, "text": message.text}
        )

    def _record(
        self,
        action: str,
        thing: str,
        summary: str,
        data: dict[str, Any],
        outcome: Outcome | None = None,
    ) -> Record:
        self._sequence += 1
        cut = summary if len(summary) <= _SUMMARY else f"{summary[:_SUMMARY]}…"
        return Record(
            kind=Kind.OPERATION,
            phase=Phase.EVENT,
            origin=Origin.REPORTED,
            action=action,
            project=self.source.project,
            person=self.source.label,
            object=thing,
            outcome=outcome,
            summary=cut,
            correlation_id=self._correlation_id,
            source=self.source.label,
            stream=self._stream,
            sequence=self._sequence,
            data={"address": self.source.address, **data},
        )
