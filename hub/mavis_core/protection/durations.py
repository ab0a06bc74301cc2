"""Lengths of time as people write them: ``90s``, ``15m``, ``36h``, ``7d``, ``8w``.

A day is 24 hours here and a week seven of them, whatever clocks do.
"""

from __future__ import annotations

import re
from datetime import timedelta

from mavis_core.errors import InvalidInput

__all__ = ["duration", "written"]

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"([0-9]{1,12})([wdhms])")


def duration(
    text: str,
    *,
    field: str,
    least: timedelta = timedelta(0),
    most: timedelta = timedelta(days=36_600),
) -> timedelta:
    """Return the length of time that `text` says, a whole number of seconds.

    Raises
    ------
    InvalidInput
        It is of another form, shorter than `least` or longer than `most`.
    """
    form = _FORM.fullmatch(text)
    if not form:
        raise InvalidInput(
            f"{field}: {text[:40]!r} is no length of time",
            mend="Write a number and a unit: 90s, 15m, 36h, 7d or 8w.",
            field=field,
        )
    seconds = int(form[1]) * _SECONDS[form[2]]
    if not least.total_seconds() <= seconds <= most.total_seconds():
        raise InvalidInput(
            f"{field}: {text} is not from {written(least)} to {written(most)}",
            mend=f"Choose a length from {written(least)} to {written(most)}.",
            field=field,
        )
    return timedelta(seconds=seconds)


def written(length: timedelta) -> str:
    """Return the canonical text of `length`: its largest unit that leaves no rest.

    48 hours are ``2d`` and 36 hours ``36h``. Parts of a second are left out.
    """
    seconds = length // timedelta(seconds=1)
    for name, unit in _SECONDS.items():
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return "0s"
