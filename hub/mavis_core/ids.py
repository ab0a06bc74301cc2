"""Identifiers: a type prefix, an underscore and a ULID in lower case.

``run_01jd3k...``: sortable by time of creation, unguessable by 80 random bits, and its prefix
says what it names. A ULID is 48 bits of milliseconds and 80 random bits in Crockford's base 32
(https://github.com/ulid/spec); within one process and millisecond the random part counts up,
so that ids sort in the order in which they were made.
"""

from __future__ import annotations

import re
import secrets
import threading
from datetime import UTC, datetime

from mavis_core import clock
from mavis_core.errors import InvalidInput

__all__ = ["Ids", "check_id", "id_before", "id_of", "is_id", "new_id", "time_of"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_FORM = re.compile(r"[a-z]{2,5}_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")
_RANDOM_BITS = 80


class Ids:
    """A source of ids. One a process; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = -1
        self._last_random = 0

    def make(self, prefix: str) -> str:
        """Return a new id with `prefix`, two to five lower-case letters."""
        with self._lock:
            now_ms = int(clock.now().timestamp() * 1000)
            if now_ms > self._last_ms:
                self._last_ms, self._last_random = now_ms, secrets.randbits(_RANDOM_BITS - 1)
            else:  # the same millisecond, or a clock that was set back
                self._last_random += 1
            return f"{prefix}_{_encode(self._last_ms << _RANDOM_BITS | self._last_random)}"


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))


_ids = Ids()


def new_id(prefix: str) -> str:
    """Return a new id of this process with `prefix`."""
    return _ids.make(prefix)


def id_of(prefix: str, moment: datetime, digest: bytes) -> str:
    """Return the id with `prefix` that a digest of at least ten bytes gives a thing of `moment`.

    The same thing has the same id wherever it is made; see RFC 9562, version 8, for the idea.
    """
    number = int(moment.timestamp() * 1000) << _RANDOM_BITS | int.from_bytes(digest[:10])
    return f"{prefix}_{_encode(number)}"


def id_before(moment: datetime, prefix: str) -> str:
    """Return the lowest id with `prefix` that can be made at `moment`, for ranges."""
    return f"{prefix}_{_encode(int(moment.timestamp() * 1000) << _RANDOM_BITS)}"


def is_id(value: object, prefix: str) -> bool:
    """Return whether `value` is an id with `prefix`."""
    form = isinstance(value, str) and _FORM.match(value)
    return bool(form) and str(value).startswith(prefix + "_")


def check_id(value: str, prefix: str, *, field: str = "id") -> str:
    """Return `value` where it is an id with `prefix`.

    Raises
    ------
    InvalidInput
        `value` is of another form or names another kind of thing.
    """
    if not is_id(value, prefix):
        raise InvalidInput(
            f"{field} is not an id of the form {prefix}_…: {value[:60]!r}", field=field
        )
    return value


def time_of(value: str) -> datetime:
    """Return the moment at which an id was made, in UTC, to the millisecond."""
    number = 0
    for letter in value.rpartition("_")[2]:
        number = number << 5 | _VALUES[letter]
    return datetime.fromtimestamp((number >> _RANDOM_BITS) / 1000, tz=UTC)
