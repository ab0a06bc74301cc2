"""The user name of a client, which names person and device: ``ada:web-1``."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Name", "read_name"]

_LONGEST = 300
_PART = r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,99}"
_NAME = re.compile(
    rf"(?P<person>{_PART})(:((?P<project>{_PART})/)?(?P<device>{_PART})(:(?P<service>{_PART}))?)?\Z"
)


@dataclass(frozen=True, slots=True)
class Name:
    """Who wants to go where; parts that were not named are None."""

    person: str
    project: str | None = None
    device: str | None = None
    service: str | None = None


def read_name(text: str) -> Name | None:
    """Return what `text` names, or None where it names nothing.

    Its forms are ``ada``, ``ada:web-1``, ``ada:shop/web-1`` and ``ada:web-1:service``.
    """
    found = _NAME.match(text) if len(text) <= _LONGEST else None
    return Name(**found.groupdict()) if found else None
