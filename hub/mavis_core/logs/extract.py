"""Extracts: the records that one question may reach, as Parquet files of their own.

What a person may not see is left out here, before any statement of theirs is looked at.

*Relation*: a table of records in SQL, with the values of its placeholders: the rows of the index,
or a segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from mavis_core.errors import OverLimit
from mavis_core.logs.questions import SqlQuestion

__all__ = ["Extract", "Relation"]

# As the views show them, in this order, after `project` (its name) and `project_id`.
_COLUMNS = (
    *("id", "time", "kind", "phase", "action", "person", "object", "outcome", "error_code"),
    *("summary", "correlation_id", "request_id", "source", "origin", "stream", "sequence"),
    *("number", "data"),
)
_READ = ", ".join((*_COLUMNS, "project"))
_NAMED = ", ".join(f"found.{name}" for name in _COLUMNS)
_NAMES = "(SELECT unnest(?::VARCHAR[]) AS id, unnest(?::VARCHAR[]) AS name)"
# Fast to write and to read; the file lives for seconds.
_FORM = "(FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 20480)"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table of records.

    Parameters
    ----------
    sql
        What stands after FROM: a text of ours, never of a person.
    values
        Of its placeholders.
    """

    sql: str
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """The records that a question may reach.

    Parameters
    ----------
    projects
        Names by ids; None: all records.
    most
        More records than that are not taken out.
    """

    projects: Mapping[str, str] | None
    since: datetime | None
    until: datetime | None
    most: int

    @property
    def ids(self) -> frozenset[str] | None:
        """The ids of the projects; None: all records."""
        return None if self.projects is None else frozenset(self.projects)

    @classmethod
    def of(cls, question: SqlQuestion, *, most: int) -> Extract:
        """Return what `question` may reach."""
        return cls(
            projects=question.projects, since=question.since, until=question.until, most=most
        )

    def write(
        self,
        cursor: duckdb.DuckDBPyConnection,
        relation: Relation,
        target: Path,
        *,
        before: int = 0,
    ) -> int:
        """Write the records of `relation` into the new file `target`, and return how many they are.

        Parameters
        ----------
        cursor
            Of a database that may read `relation` and write `target`.
        before
            How many were written already.

        Raises
        ------
        OverLimit
            With those they are more than `most`. There is no file then.
        duckdb.Error
            The disk is full, say.
        """
        where, given = self._where()
        found = f"SELECT {_READ} FROM {relation.sql} AS every WHERE {where}"  # noqa: S608 - texts of ours
        values = [*relation.values, *given]
        counted = f"SELECT count(*) FROM (SELECT 1 FROM ({found}) LIMIT ?)"  # noqa: S608 - texts of ours
        room = self.most - before
        count = int(cursor.execute(counted, [*values, room + 1]).fetchall()[0][0])
        if count > room:
            raise OverLimit(
                f"There are more than {self.most:,} records in that time, which is the most that"
                " SQL is asked of",
                mend="Narrow the time with `since` and `until`, or name fewer projects.",
                field="since",
            )
        names = self.projects or {}
        selected = (
            f"SELECT coalesce(names.name, found.project) AS project,"  # noqa: S608 - texts of ours
            f" found.project AS project_id, {_NAMED}"
            f" FROM ({found}) AS found LEFT JOIN {_NAMES} AS names ON names.id = found.project"
        )
        named = [list(names), list(names.values())]
        cursor.execute(f"COPY ({selected}) TO '{_quoted(target)}' {_FORM}", [*values, *named])
        return count

    def _where(self) -> tuple[str, list[object]]:
        conditions: list[tuple[str, object]] = []
        if self.projects is not None:
            conditions.append(
                ("project IN (SELECT unnest(?::VARCHAR[]))", [*sorted(self.projects)])
            )
        if self.since is not None:
            conditions.append(("time >= ?::TIMESTAMP", _utc(self.since)))
        if self.until is not None:
            conditions.append(("time < ?::TIMESTAMP", _utc(self.until)))
        text = " AND ".join(condition for condition, _ in conditions) or "true"
        return text, [value for _, value in conditions]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
