"""Server-sent events, read from bytes as they come.

The form is that of the HTML standard, 9.2.6
(https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mavis_kernel.errors import UnexpectedAnswer, from_problem
from mavis_kernel.models import Record, Run

__all__ = ["Event", "EventReader", "arrival_of", "run_of"]

_LARGEST = 8 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """One event.

    Parameters
    ----------
    id
        What to send as ``Last-Event-ID`` to hear only of what comes after it; empty for none.
    """

    kind: str
    data: str
    id: str


@dataclass
class EventReader:
    """Makes events of the bytes of a stream, however they are cut."""

    _rest: bytes = b""
    _kind: str = ""
    _id: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, content: bytes) -> Iterator[Event]:
        """Yield the events that are whole with `content`.

        Raises
        ------
        UnexpectedAnswer
            A line does not end.
        """
        text = (self._rest + content).replace(b"\r\n", b"\n")
        # A carriage return at the end may be half of the end of a line.
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = text.removesuffix(held).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        if len(self._rest) > _LARGEST:
            raise UnexpectedAnswer("The appliance's stream of events has a line without an end.")
        for line in lines:
            event = self._take(line.decode("utf-8", "replace").removeprefix("\ufeff"))
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            return self._whole()
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _whole(self) -> Event | None:
        kind, data = self._kind or "message", "\n".join(self._data)
        has_data = bool(self._data)
        self._kind, self._data = "", []
        return Event(kind, data, self._id) if has_data else None


def run_of(event: Event) -> Run | None:
    """Return the Run that `event` tells of; None where it tells of something that is new.

    Raises
    ------
    ApiError
        It tells why the stream ends before the Run does.
    UnexpectedAnswer
        Its data is no JSON, or no Run.
    """
    data = _data_of(event, "run")
    return None if data is None else Run.from_json(data)


def arrival_of(event: Event) -> Record | int | None:
    """Return the record that `event` tells of, or how many it says were missed; None for neither.

    Raises
    ------
    ApiError
        It tells why the stream ends.
    UnexpectedAnswer
        Its data is no JSON, or no record.
    """
    data = _data_of(event, "record", "missed")
    if data is None:
        return None
    if event.kind == "record":
        return Record.from_json(data)
    count = data.get("count") if isinstance(data, dict) else None
    return count if isinstance(count, int) else None


def _data_of(event: Event, *kinds: str) -> Any:
    """Return the data of an event of `kinds`; None for any other that is no problem."""
    if event.kind not in (*kinds, "problem"):
        return None
    try:
        data = json.loads(event.data)
    except ValueError as exc:
        raise UnexpectedAnswer(f"An event {event.kind!r} of the appliance is no JSON.") from exc
    if event.kind in kinds:
        return data
    told = data if isinstance(data, dict) else {}
    status = told.get("status")
    raise from_problem(status if isinstance(status, int) else 500, told)
