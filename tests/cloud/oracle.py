"""The oracle: every call that reached the simulator, with what it really did."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

_MADE = re.compile(r"\b(?:snap|vol|ami|vpc|i)-[0-9a-f]{8,17}\b")
_CODE = re.compile(r"<Code>([\w.]+)</Code>")
_MAKERS = ("Create", "Run", "Register", "Copy", "Import")
_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass
class Call:
    """One call.

    Parameters
    ----------
    seq
        Counts up from 1.
    access_key_id, account
        Who called; moto's account of that key.
    params
        The call's parameters as they were sent (``InstanceId.1``).
    status, code
        What the client was answered; 0 where it got no answer, None where it still waits.
    happened
        Whether it came to the cloud itself; a fault that comes instead keeps it away.
    made
        Ids of what the call made, whatever the client was told.
    fault
        The fault that it met, or None.
    """

    seq: int
    time: str
    service: str
    action: str
    region: str
    access_key_id: str
    account: str
    params: Mapping[str, str]
    user_agent: str
    status: int | None = None
    code: str = ""
    happened: bool = False
    made: list[str] = field(default_factory=list)
    fault: str | None = None


def scope(authorization: str) -> tuple[str, str, str]:
    """Return access key id, region and service of a SigV4 header; empty where there is none."""
    form = _SCOPE.search(authorization)
    return (form.group(1), form.group(2), form.group(3)) if form else ("", "", "")


def made_by(action: str, params: Mapping[str, str], body: str) -> list[str]:
    """Return the ids of an answer that were not in the question, where `action` makes things."""
    if not action.startswith(_MAKERS) or action == "CreateTags":
        return []
    asked = set(_MADE.findall(" ".join(params.values())))
    return [one for one in dict.fromkeys(_MADE.findall(body)) if one not in asked]


def error_code(response: Response) -> str:
    """Return the code of an answer that says no; empty for others."""
    if response.status_code < 300:
        return ""
    said = response.headers.get("x-amzn-errortype")
    form = _CODE.search(response.get_data(as_text=True))
    return said or (form.group(1) if form else "")


class Oracle:
    """The log. Safe for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: list[Call] = []
        self._seq = 0

    def begin(self, **known: Any) -> Call:
        """Log a call at its arrival."""
        with self._changed:
            self._seq += 1
            call = Call(self._seq, datetime.now(UTC).isoformat(), **known)
            self._calls.append(call)
            self._changed.notify_all()
            return call

    def note(self, call: Call, **known: Any) -> None:
        """Add what became of a call."""
        with self._changed:
            for name, value in known.items():
                setattr(call, name, value)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._calls = []

    def listing(
        self, *, action: str | None, since: int, at_least: int, timeout_s: float
    ) -> list[dict[str, Any]]:
        """Return the calls of `action` after `since`, as soon as there are `at_least` so many.

        A call counts when its effect has happened, though its answer may still be held.
        """
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = [
                    asdict(call)
                    for call in self._calls
                    if call.seq > since and action in (None, call.action)
                ]
                done = sum(call["status"] is not None or call["happened"] for call in found)
                left = end - time.monotonic()
                if done >= at_least or left <= 0:
                    return found
                self._changed.wait(left)
