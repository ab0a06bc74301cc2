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
    _by_id: bool = False

    def where(self, part: str, *values: Any) -> None:
        self._parts.append(part)
        self._values += values

    def ids(self, wanted: Sequence[str], kind: Kind) -> None:
        """Keep `wanted` only; `all_there` says afterwards whether they were."""
        for one in wanted:
            kind.check(one)
        if wanted:
            self._by_id = True
            self.where(f"id IN ({_marks(wanted)})", *wanted)

    def here(self) -> None:
        """Keep what belongs to the caller, in the region of the call."""
        self.where(f"{self._plus}account = ? AND {self._plus}region = ?", *self._place)

    def filters(self, asked: Sequence[Ask]) -> None:
        """Keep what fits all of AWS's filters; must come before `here`."""
        for each in asked:
            name, values = str(each.get("Name", "")), [str(one) for one in each.get("Values", ())]
            if name.startswith("tag:"):
                self._tagged("key = ? AND ", [name.removeprefix("tag:")], "value", values)
            elif name == "tag-key":
                self._tagged("", [], "key", values)
            elif name in self.columns:
                part, fitting = _fits(self.columns[name].format(now=self.call.now), values)
                self._by_id = self._by_id or name == self.identity
                self.where(part, *fitting)
            else:
                raise invalid(f"The filter '{name}' is invalid")

    def all(self) -> list[T]:
        return [thing for _, thing in self._rows(0, None)]

    def page(self, ask: Ask, ids: str = "") -> tuple[list[T], str | None]:
        """Return one page, and the token of the next; `ids` is the parameter that names ids."""
        limit, token = ask.get("MaxResults"), ask.get("NextToken")
        if limit is not None and ids and ask.get(ids):
            raise combination(f"The parameter {ids} cannot be used with the parameter maxResults")
        if limit is not None and not _LEAST <= limit <= _MOST:
            raise invalid(
                f"Value ( {limit} ) for parameter maxResults is invalid."
                f" Expecting a value between {_LEAST} and {_MOST}."
            )
        if limit is None and not token:
            return self.all(), None
        rows = self._rows(_after(token, ask), (limit or _MOST) + 1)
        page = rows[: limit or _MOST]
        more = len(rows) > len(page)
        return [thing for _, thing in page], _token(page[-1][0], ask) if more else None

    @property
    def _place(self) -> tuple[str, str]:
        return self.call.account, self.call.region

    @property
    def _plus(self) -> str:
        """A plus before a column keeps SQLite from using its index: the ids are narrower."""
        return "+" if self._by_id else ""

    def _tagged(self, begin: str, keys: list[str], column: str, values: Sequence[str]) -> None:
        part, fitting = _fits(column, values)
        self._by_id = True
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
            sql, values = sql + f" AND {self._plus}n > ?", [*values, after]
        sql += f" ORDER BY {self._plus}n"
        if limit is not None:
            sql, values = sql + " LIMIT ?", [*values, limit]
        rows = self.call.store.rows(sql, values)
        return [(row[0], self.table.thing(row[1:])) for row in rows]


def all_there(found: Sequence[Thing], wanted: Sequence[str], kind: Kind) -> None:
    """Refuse where one of `wanted` was not found."""
    there = {thing.id for thing in found}
    for one in wanted:
        if one not in there:
            raise kind.missing(one)


def _fits(column: str, values: Sequence[str]) -> tuple[str, list[str]]:
    """Return SQL for "is one of these"; ``*`` and ``?`` are AWS's wildcards."""
    plain = [value for value in values if not set(value) & set("*?\\")]
    parts = [f"{column} IN ({_marks(plain)})"] if plain or not values else []
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


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _question(ask: Ask) -> str:
    rest = {name: value for name, value in ask.items() if name not in _PAGING}
    text = json.dumps(rest, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _token(last: int, ask: Ask) -> str:
    return base64.urlsafe_b64encode(f"{last}:{_question(ask)}".encode()).decode()


def _after(token: str | None, ask: Ask) -> int:
    if not token:
        return 0
    try:
        last, question = base64.urlsafe_b64decode(token).decode().split(":")
        after = int(last)
    except (ValueError, binascii.Error) as exc:
        raise Refusal("InvalidNextToken", "The specified NextToken is not valid.") from exc
    if question != _question(ask):
        raise Refusal("InvalidNextToken", "The NextToken belongs to another request.")
    return after
