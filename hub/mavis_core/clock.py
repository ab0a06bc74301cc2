"""The one place that asks what time it is.

Inside Mavis a moment is an aware `datetime` in UTC with microseconds. Tests set a clock with
`set_clock`; everything else calls `now`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

__all__ = ["iso", "now", "parse", "set_clock"]


def _system() -> datetime:
    return datetime.now(UTC)


_source: list[Callable[[], datetime]] = [_system]


def now() -> datetime:
    """Return the present moment in UTC."""
    return _source[-1]()


@contextmanager
def set_clock(source: Callable[[], datetime]) -> Iterator[None]:
    """Let `now` answer from `source` inside the block. For tests."""
    _source.append(source)
    try:
        yield
    finally:
        _source.remove(source)


def iso(moment: datetime) -> str:
    """Return `moment` as RFC 3339 text in UTC with microseconds and ``Z``."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone has no place in Mavis")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def parse(text: str) -> datetime:
    """Return the moment that RFC 3339 `text` names; a missing zone is an error.

    Raises
    ------
    ValueError
        `text` is no RFC 3339 moment, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}: add Z or an offset")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
