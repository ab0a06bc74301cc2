"""Regular expressions of questions, as RE2 has them (https://github.com/google/re2/wiki/Syntax).

RE2 looks at each letter of a text once, whatever the expression: none can keep the log busy as it
could a matcher that goes back. Letters are the same in any case, and ``^`` and ``$`` are the ends
of each field.
"""

from __future__ import annotations

from contextlib import suppress

import duckdb

from mavis_core.errors import InvalidInput

__all__ = ["check_expression", "pattern_of"]

_LINES, _ANY_CASE = "(?m)", "(?im)"
_ALIKE = "invalid input error: "  # what DuckDB puts before what RE2 says


def pattern_of(expression: str) -> str:
    """Return what DuckDB's ``regexp_matches`` takes for `expression`, over a text in small letters.

    An expression without capital letters needs not look for them, which takes RE2 a third of the
    time.
    """
    return (_LINES if expression == expression.lower() else _ANY_CASE) + expression


def check_expression(cursor: duckdb.DuckDBPyConnection, expression: str) -> None:
    """Return where RE2 takes `expression`.

    Raises
    ------
    InvalidInput
        It does not; the message says where.
    """
    try:
        cursor.execute("SELECT regexp_matches('', ?)", [pattern_of(expression)]).fetchall()
    except duckdb.InvalidInputException as exc:
        raise _refused(expression, str(exc)) from exc


def _refused(expression: str, told: str) -> InvalidInput:
    if told.lower().startswith(_ALIKE):
        told = told[len(_ALIKE) :]
    reason, _, part = told.partition(": ")
    part = part.removeprefix(_LINES).removeprefix(_ANY_CASE)
    where = ""
    with suppress(ValueError):
        where = f" at character {expression.index(part) + 1}: {part}" if part else ""
    return InvalidInput(
        f"The regular expression cannot be read: {reason}{where}",
        mend=r"Write it as RE2 does, with a backslash before what stands for itself: web\.1 \(a\)",
        field="regex",
    )
