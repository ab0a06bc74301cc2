"""A frame into what it says: RFC 5424, and the older form of RFC 3164, marked as that. Pure.

Every pattern is read from left to right without a second try, so that no message takes longer than
its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mavis_core import clock

__all__ = ["FACILITIES", "SEVERITIES", "Form", "Message", "Unreadable", "parse", "text_of"]

# RFC 5424, section 6.2.1, in the words of syslog.conf(5).
FACILITIES = (
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "audit",
    "alert",
    "clock",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
)
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")

_PRIORITY = re.compile(rb"<(0|[1-9]\d{0,2})>")
_TOKEN = rb"([\x21-\x7e]{1,255})"
_HEADER = re.compile(rb"1 (-|[0-9TZ:.+-]{1,40}) " + rb" ".join([_TOKEN] * 4) + rb" ")
_ELEMENT = re.compile(rb"\[([^\x00-\x20=\]\"\x7f-\xff]{1,64})")
_PARAMETER = re.compile(rb" ([^\x00-\x20=\]\"\x7f-\xff]{1,64})=\"((?:[^\"\\\]]|\\.)*)\"", re.DOTALL)
_ESCAPED = re.compile(rb"\\([\"\\\]])")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_OLD_TIME = re.compile(
    rb"(?:([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)"
    rb"|(\d{4}-\d\d-\d\dT[0-9:.]{8,15}(?:Z|[+-]\d\d:\d\d))) "
)
_OLD_HOST = re.compile(rb"([\x21-\x39\x3b-\x5a\x5c\x5e-\x7e]{1,255}) ")  # neither colon nor bracket
_OLD_TAG = re.compile(
    rb"([\x21-\x39\x3b-\x5a\x5c\x5e-\x7e]{1,64})(?:\[([\x21-\x5c\x5e-\x7e]{1,64})\])?:"
)
_BOM = b"\xef\xbb\xbf"
_MAX_ELEMENTS = 64


class Form(StrEnum):
    """Which standard a message follows."""

    RFC5424 = "rfc5424"
    RFC3164 = "rfc3164"


class Unreadable(Exception):
    """A frame is no message of syslog; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody's syslog says.

    Parameters
    ----------
    time
        By the sender's clock; None where it gave none, or one without a year.
    time_text
        A time without year and zone, as it was written.
    structured
        Values by element and name; a name that comes again has all its values.
    """

    form: Form
    facility: str
    severity: str
    text: str
    time: datetime | None = None
    time_text: str | None = None
    host: str | None = None
    app: str | None = None
    process: str | None = None
    message_id: str | None = None
    structured: dict[str, dict[str, str | list[str]]] = field(default_factory=dict)


def parse(frame: bytes) -> Message:
    """Return what `frame` says.

    Raises
    ------
    Unreadable
        It has no priority, or says that it follows RFC 5424 and does not.
    """
    found = _PRIORITY.match(frame)
    if found is None:
        raise Unreadable("it does not begin with a priority, as in <13>")
    facility, severity = divmod(int(found[1]), 8)
    if facility >= len(FACILITIES):
        raise Unreadable(f"there is no priority {int(found[1])}; the highest is 191")
    names = FACILITIES[facility], SEVERITIES[severity]
    if frame.startswith(b"1 ", found.end()):
        return _modern(frame, found.end(), *names)
    return _old(frame, found.end(), *names)


def _modern(frame: bytes, at: int, facility: str, severity: str) -> Message:
    head = _HEADER.match(frame, at)
    if head is None:
        raise Unreadable("its header is not that of RFC 5424, which it says it is")
    stamp, *names = (_ascii(each) for each in head.groups())
    structured, at = _structured(frame, head.end())
    if at < len(frame) and frame[at : at + 1] != b" ":
        raise Unreadable("nothing but a space may follow the structured data")
    host, app, process, message_id = names
    return Message(
        form=Form.RFC5424,
        facility=facility,
        severity=severity,
        time=_time(stamp) if stamp else None,
        host=host,
        app=app,
        process=process,
        message_id=message_id,
        structured=structured,
        text=text_of(frame[at + 1 :].removeprefix(_BOM)),
    )


def _structured(frame: bytes, at: int) -> tuple[dict[str, dict[str, str | list[str]]], int]:
    """Return the structured data that begins at `at`, and where it ends."""
    if frame.startswith(b"-", at):
        return {}, at + 1
    elements: dict[str, dict[str, str | list[str]]] = {}
    while (element := _ELEMENT.match(frame, at)) is not None:
        values = elements.setdefault(element[1].decode("ascii"), {})
        at = element.end()
        while (parameter := _PARAMETER.match(frame, at)) is not None:
            _add(values, parameter[1].decode("ascii"), text_of(_ESCAPED.sub(rb"\1", parameter[2])))
            at = parameter.end()
        if not frame.startswith(b"]", at):
            raise Unreadable("its structured data is not that of RFC 5424, section 6.3")
        at += 1
        if len(elements) > _MAX_ELEMENTS:
            raise Unreadable(f"it has more than {_MAX_ELEMENTS} elements of structured data")
    if not elements:
        raise Unreadable("it has neither structured data nor a - in its place")
    return elements, at


def _add(values: dict[str, str | list[str]], name: str, value: str) -> None:
    before = values.get(name)
    if before is None:
        values[name] = value
    else:
        values[name] = [*([before] if isinstance(before, str) else before), value]


def _old(frame: bytes, at: int, facility: str, severity: str) -> Message:
    time_text, time, host = None, None, None
    if (stamp := _OLD_TIME.match(frame, at)) is not None:
        time_text = stamp[1].decode("ascii") if stamp[1] else None
        time = _time(stamp[2].decode("ascii")) if stamp[2] else None
        at = stamp.end()
        if (name := _OLD_HOST.match(frame, at)) is not None:
            host, at = name[1].decode("ascii"), name.end()
    app, process = None, None
    if (tag := _OLD_TAG.match(frame, at)) is not None:
        app, process = (each.decode("ascii") if each else None for each in tag.groups())
        at = tag.end()
    return Message(
        form=Form.RFC3164,
        facility=facility,
        severity=severity,
        time=time,
        time_text=time_text,
        host=host,
        app=app,
        process=process,
        text=text_of(frame[at:].removeprefix(b" ")),
    )


def _time(stamp: str) -> datetime:
    try:
        if _STAMP.match(stamp):
            return clock.parse(stamp)
    except (ValueError, OverflowError):  # the year 1 of another zone
        pass
    raise Unreadable(f"{stamp!r} is no time of RFC 5424, section 6.2.3")


def _ascii(token: bytes) -> str | None:
    return None if token == b"-" else token.decode("ascii")


def text_of(data: bytes) -> str:
    r"""Return `data` as text; zero bytes and bytes that are not UTF-8 are written as ``\xff``."""
    return data.rstrip(b"\r\n\0").decode("utf-8", "backslashreplace").replace("\0", "\\x00")
