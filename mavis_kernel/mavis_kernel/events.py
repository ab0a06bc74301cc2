"""Server-sent events, read from bytes as they come.

The form is that of the HTML standard, 9.2.6
(https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from mavis_kernel.errors import UnexpectedAnswer, from_problem
from mavis_kernel.models import Run

__all__ = ["Event", "EventReader", "run_of"]

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
    if event.kind not in ("run", "problem"):
        return None
    try:
        data = json.loads(event.data)
    except ValueError as exc:
        raise UnexpectedAnswer(f"An event {event.kind!r} of the appliance is no JSON.") from exc
    if event.kind == "run":
        return Run.from_json(data)
    told = data if isinstance(data, dict) else {}
    status = told.get("status")
    raise from_problem(status if isinstance(status, int) else 500, told)
