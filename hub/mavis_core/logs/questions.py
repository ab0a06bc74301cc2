"""A question in SQL and its answer. Pure: no database, no HTTP.

*Asked of*: the records that a question can reach, and no others: those of some projects, or all,
in some time. `mavis_core.logs.extract` takes them out; SQL sees nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mavis_core import clock
from mavis_core.errors import InvalidInput
from mavis_core.logs.query import Query

__all__ = ["MAX_SQL", "SqlAnswer", "SqlColumn", "SqlQuestion"]

MAX_SQL = 20_000
"""Characters that a question may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuestion:
    """One statement, and what it is asked of.

    Parameters
    ----------
    sql
        One SELECT of DuckDB, as a person wrote it.
    projects
        The names of projects by their ids. None: all records, those of the platform included.
        There is no default, so that nobody reaches all by mistake.
    since, until
        From this moment on; before this moment.

    Raises
    ------
    InvalidInput
        A value is out of its bounds; `field` names it.
    """

    sql: str
    projects: Mapping[str, str] | None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.sql) <= MAX_SQL:
            raise InvalidInput(f"A question has 1 to {MAX_SQL:,} characters", field="sql")
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in self.sql):
            raise InvalidInput("A question holds no NUL and no half of a letter", field="sql")
        # One place says what ids and moments are good.
        ids = None if self.projects is None else frozenset(self.projects)
        Query(projects=ids, since=self.since, until=self.until)

    def to_json(self) -> dict[str, Any]:
        """Return the question as JSON values."""
        return {
            "sql": self.sql,
            "projects": None if self.projects is None else dict(self.projects),
            "since": self.since and clock.iso(self.since),
            "until": self.until and clock.iso(self.until),
        }

    @classmethod
    def from_json(cls, value: Any) -> SqlQuestion:
        """Return the question that `to_json` wrote.

        Raises
        ------
        InvalidInput
            A member is missing, unknown, or of another type.
        """
        try:
            moments = {name: value[name] and clock.parse(value[name]) for name in _MOMENTS}
            projects = value["projects"]
            named = None if projects is None else {str(k): str(v) for k, v in projects.items()}
            return cls(sql=str(value["sql"]), projects=named, **moments)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidInput(f"not a question: {type(exc).__name__}") from exc


_MOMENTS = ("since", "until")


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column of an answer; the type is DuckDB's word for it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What a question gave.

    Parameters
    ----------
    columns
        Their names differ.
    rows
        JSON values, one for each column. What no JSON number can say (not a number, infinity) is
        None; moments, intervals and bytes are DuckDB's text.
    records
        Of how many records it was asked.
    """

    columns: tuple[SqlColumn, ...]
    rows: Sequence[Sequence[Any]]
    records: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SqlAnswer:
        """Return the answer as the log process tells it."""
        columns = tuple(SqlColumn(str(name), str(kind)) for name, kind in value["columns"])
        return cls(columns, value["rows"], int(value["records"]))
