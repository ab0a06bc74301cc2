"""Describe calls: ids, filters and pages, in SQL.

A page begins after the last thing of the page before, whatever was made or deleted meanwhile. A
token says that, and which question it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cloud.overlay.context import Ask, Call
from cloud.overlay.refusals import Kind, Refusal, combination, invalid
from cloud.overlay.store import Table
from cloud.overlay.things import Thing

T = TypeVar("T", bound=Thing)
_PAGING = ("MaxResults", "NextToken", "DryRun")
_MOST = 1000
_LEAST = 5


@dataclass
class Selection(Generic[T]):
    """A question for things of one table, put together bit by bit.

    Parameters
    ----------
    columns
        SQL by filter name; ``{now}`` is the time.
    identity
        The filter that names ids.
    """

    call: Call
    table: Table[T]
    columns: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    _parts: list[str] = field(default_factory=list)
    _values: list[Any] = field(default_factory=list)
    _narrow: bool = False

    def where(self, part: str, *values: Any) -> None:
        self._parts.append(part)
        self._values += values

    def ids(self, wanted: Sequence[str], kind: Kind) -> None:
        """Keep `wanted` only, which must all be there; to be said after whose things they are.

        Raises
        ------
        Refusal
            One of them is not there, or is no id at all.
        """
        if not wanted:
            return
        for one in wanted:
            kind.check(one)
        self._narrow = True
        self.where(f"id IN ({marks(wanted)})", *wanted)
        there = {thing.id for thing in self.all()}
        for one in wanted:
            if one not in there:
                raise kind.missing(one)

    def here(self) -> None:
        """Keep what belongs to the caller, in the region of the call."""
        self.where("@account = ? AND @region = ?", *self._place)

    def filters(self, asked: Sequence[Ask]) -> None:
        """Keep what fits all of AWS's filters."""
        for each in asked:
            name, values = str(each.get("Name", "")), [str(one) for one in each.get("Values", ())]
            if name.startswith("tag:"):
                self._tagged("key = ? AND ", [name.removeprefix("tag:")], "value", values)
            elif name == "tag-key":
                self._tagged("", [], "key", values)
            elif name in self.columns:
                part, fitting = fits(self.columns[name].format(now=self.call.now), values)
                self._narrow = self._narrow or name == self.identity
                self.where(part, *fitting)
            else:
                raise invalid(f"The filter '{name}' is invalid")

    def all(self) -> list[T]:
        return [thing for _, thing in self._rows(0, None)]

    def page(self, ask: Ask, ids: str = "") -> tuple[list[T], str | None]:
        """Return one page, and the token of the next; `ids` is the parameter that names ids."""
        if ask.get("MaxResults") and ids and ask.get(ids):
            raise combination(f"The parameter {ids} cannot be used with the parameter maxResults")
        limit, token = page_limit(ask), ask.get("NextToken")
        if limit is None:
            return self.all(), None
        rows = self._rows(int(read_token(token, ask)) if token else 0, limit + 1)
        page = rows[:limit]
        more = len(rows) > limit
        return [thing for _, thing in page], new_token(str(page[-1][0]), ask) if more else None

    @property
    def _place(self) -> tuple[str, str]:
        return self.call.account, self.call.region

    def _tagged(self, begin: str, keys: list[str], column: str, values: Sequence[str]) -> None:
        part, fitting = fits(column, values)
        self._narrow = True
        self.where(
            f"id IN (SELECT id FROM tag WHERE account = ? AND region = ? AND {begin}{part})",
            *self._place,
            *keys,
            *fitting,
        )

    def _rows(self, after: int, limit: int | None) -> list[tuple[int, T]]:
        now = self.call.now
        where = " AND ".join(f"({part})" for part in (*self._parts, "shown <= ?", "gone > ?"))
        sql = f"SELECT n, {self.table.columns} FROM {self.table.name} WHERE {where}"
        values = [*self._values, now, now]
        if after:
            sql, values = sql + " AND @n > ?", [*values, after]
        sql += " ORDER BY @n"
        if limit is not None:
            sql, values = sql + " LIMIT ?", [*values, limit]
        # a plus before a column keeps SQLite from using its index, where ids are narrower
        rows = self.call.store.rows(sql.replace("@", "+" if self._narrow else ""), values)
        return [(row[0], self.table.thing(row[1:])) for row in rows]


def fits(column: str, values: Sequence[str]) -> tuple[str, list[str]]:
    """Return SQL for "is one of these"; ``*`` and ``?`` are AWS's wildcards."""
    plain = [value for value in values if not set(value) & set("*?\\")]
    parts = [f"{column} IN ({marks(plain)})"] if plain or not values else []
    patterns = [_glob(value) for value in values if value not in plain]
    parts += [f"{column} GLOB ?" for _ in patterns]
    return " OR ".join(parts), plain + patterns


def _glob(value: str) -> str:
    found, escaped = "", False
    for letter in value:
        if escaped:
            found += f"[{letter}]" if letter in "*?[" else letter
        elif letter != "\\":
            found += "[[]" if letter == "[" else letter
        escaped = letter == "\\" and not escaped
    return found


def marks(values: Sequence[Any]) -> str:
    """Return a question mark for each of `values`."""
    return ", ".join("?" * len(values))


def _question(ask: Ask) -> str:
    rest = {name: value for name, value in ask.items() if name not in _PAGING}
    text = json.dumps(rest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def new_token(last: str, ask: Ask) -> str:
    """Return the token of the page after `last`."""
    return base64.urlsafe_b64encode(f"{_question(ask)}:{last}".encode()).decode()


def read_token(token: str, ask: Ask) -> str:
    """Return the last of the page before."""
    try:
        question, _, last = base64.urlsafe_b64decode(token).decode().partition(":")
    except (ValueError, binascii.Error) as exc:
        raise Refusal("InvalidNextToken", "The specified NextToken is not valid.") from exc
    if question != _question(ask):
        raise Refusal("InvalidNextToken", "The NextToken is of another request.")
    return last


def page_limit(ask: Ask) -> int | None:
    """Return how many things a page has at most; None where the call wants no pages."""
    limit: int | None = ask.get("MaxResults")
    if limit is not None and not _LEAST <= limit <= _MOST:
        raise invalid(
            f"Value ( {limit} ) for parameter maxResults is invalid."
            f" Expecting a value between {_LEAST} and {_MOST}."
        )
    return limit or (_MOST if ask.get("NextToken") else None)
