"""How many records fit a question: by what, by whom, how they ended, and when.

The SQL is about a relation that has a record's columns, so that what lies in several places is
counted in each and added up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import duckdb

from mavis_core import clock
from mavis_core.logs.buckets import Buckets
from mavis_core.logs.statements import Condition

__all__ = ["FACETS", "TOP", "Counts", "Facet", "Summary", "count", "span_of"]

FACETS = ("kind", "action", "person", "outcome", "project", "origin", "source")
TOP = 20
_MOST_VALUES = 10_000  # of one field in one relation; the others count as others
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Facet:
    """How often each value of a field comes.

    Parameters
    ----------
    values
        The `TOP` most frequent, each with how often it comes; None where the field is empty.
    other
        How often all others come together.
    """

    values: tuple[tuple[str | None, int], ...]
    other: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How many records fit a question.

    Parameters
    ----------
    first, last
        When the first and the last of them were made; None where there are none.
    facets
        By field, each of `FACETS`.
    step
        How long a bucket is; see `mavis_core.logs.buckets`.
    buckets
        When each begins, and how many records are in it; they follow each other without a gap.
    until
        When the last bucket ends.
    """

    total: int
    first: datetime | None
    last: datetime | None
    facets: Mapping[str, Facet]
    step: str
    buckets: tuple[tuple[datetime, int], ...]
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {
            "total": self.total,
            "first": self.first and clock.iso(self.first),
            "last": self.last and clock.iso(self.last),
            "facets": {
                name: {"values": each.values, "other": each.other}
                for name, each in self.facets.items()
            },
            "step": self.step,
            "buckets": [(clock.iso(begin), many) for begin, many in self.buckets],
            "until": clock.iso(self.until),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the summary that `to_json` wrote."""
        return cls(
            total=value["total"],
            first=value["first"] and clock.parse(value["first"]),
            last=value["last"] and clock.parse(value["last"]),
            facets={
                name: Facet(tuple((text, many) for text, many in told["values"]), told["other"])
                for name, told in value["facets"].items()
            },
            step=value["step"],
            buckets=tuple((clock.parse(begin), many) for begin, many in value["buckets"]),
            until=clock.parse(value["until"]),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted in one relation, or in several together.

    Parameters
    ----------
    values
        By field, how often each value comes.
    buckets
        By the number of a bucket, how many records are in it.
    """

    total: int = 0
    first: datetime | None = None
    last: datetime | None = None
    values: Mapping[str, Counter[str | None]] = field(
        default_factory=lambda: {name: Counter() for name in FACETS}
    )
    buckets: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            total=self.total + other.total,
            first=min(filter(None, (self.first, other.first)), default=None),
            last=max(filter(None, (self.last, other.last)), default=None),
            values={name: self.values[name] + other.values[name] for name in FACETS},
            buckets=self.buckets + other.buckets,
        )

    def told(self, buckets: Buckets) -> Summary:
        """Return what was counted, the most frequent first and all else as other."""
        begins = enumerate(buckets.edges[:-1])
        return Summary(
            total=self.total,
            first=self.first,
            last=self.last,
            facets={name: self._facet(name) for name in FACETS},
            step=buckets.step,
            buckets=tuple((begin, self.buckets[number]) for number, begin in begins),
            until=buckets.edges[-1],
        )

    def _facet(self, name: str) -> Facet:
        ranked = sorted(self.values[name].items(), key=lambda each: (-each[1], each[0] or ""))
        top = tuple(ranked[:TOP])
        return Facet(top, self.total - sum(many for _, many in top))


def span_of(
    cursor: duckdb.DuckDBPyConnection, relation: str, wanted: Sequence[Condition]
) -> datetime | None:
    """Return when the first record of `relation` was made for which all that is wanted holds."""
    where, values = _where(wanted)
    asked = f"SELECT min(time) FROM {relation} WHERE {where}"  # noqa: S608 - ours
    (found,) = cursor.execute(asked, values).fetchall()[0]
    return None if found is None else found.replace(tzinfo=UTC)


def count(
    cursor: duckdb.DuckDBPyConnection,
    relation: str,
    wanted: Sequence[Condition],
    buckets: Buckets,
) -> Counts:
    """Return how many records of `relation` there are for which all that is wanted holds.

    What lies before the first bucket counts in it, and what lies after the last in that.
    """
    where, values = _where(wanted)
    # DuckDB's histogram counts up to a bound, the bound included.
    bounds = [_plain(edge) - _MICROSECOND for edge in buckets.edges[1:-1]]
    counting = _counting(relation, where)
    rows = cursor.execute(counting, [*values, bounds or [datetime.max]])  # noqa: DTZ901 - as DuckDB has moments
    told: dict[str, Counter[str | None]] = defaultdict(Counter)
    for name, value, many in rows.fetchall():
        told[name][value] += many
    span = told["span"]
    return Counts(
        total=told["all"][None],
        first=_from_microseconds(span["first"]) if span else None,
        last=_from_microseconds(span["last"]) if span else None,
        values={name: told[name] for name in FACETS},
        buckets=Counter({int(number or 0): many for number, many in told["bucket"].items()}),
    )


def _counting(relation: str, where: str) -> str:
    """Return the statement that looks at each record once and yields name, value, how many."""
    facets = " UNION ALL ".join(
        f"(SELECT '{name}', {name}, count(*) FROM found GROUP BY {name}"  # noqa: S608 - ours
        f" ORDER BY count(*) DESC, {name} LIMIT {_MOST_VALUES})"
        for name in FACETS
    )
    return (
        f"WITH found AS MATERIALIZED (SELECT time, {', '.join(FACETS)} FROM {relation}"  # noqa: S608 - ours
        f" WHERE {where}) {facets}"
        " UNION ALL SELECT 'all', NULL, count(*) FROM found"
        " UNION ALL SELECT 'span', 'first', epoch_us(min(time)) FROM found HAVING count(*) > 0"
        " UNION ALL SELECT 'span', 'last', epoch_us(max(time)) FROM found HAVING count(*) > 0"
        " UNION ALL SELECT 'bucket', (generate_subscripts(counted, 1) - 1)::VARCHAR,"
        " unnest(counted)"
        " FROM (SELECT map_values(histogram(time, ?::TIMESTAMP[])) AS counted FROM found)"
    )


def _where(wanted: Sequence[Condition]) -> tuple[str, list[object]]:
    where = " AND ".join(each.text for each in wanted) or "true"
    return where, [value for each in wanted for value in each.values]


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _from_microseconds(number: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + number * _MICROSECOND
