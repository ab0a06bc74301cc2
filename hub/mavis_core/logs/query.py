"""A question to the log and its answer. Pure: no database, no HTTP.

*Cursor*: the time and id of the last record of a page, opaque to callers. It names a place in
the order of records, not a count, so that records which arrive meanwhile shift nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from mavis_core import clock
from mavis_core.errors import InvalidInput
from mavis_core.ids import check_id
from mavis_core.logs.words import match_of
from mavis_core.records.model import Kind, Origin, Outcome, Phase, Record

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "MAX_PROJECTS",
    "MAX_TEXT",
    "Health",
    "Page",
    "Place",
    "Query",
    "listed",
]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_PROJECTS = 1000
MAX_TEXT = 200
_TEXTS = (
    "person",
    "action",
    "object",
    "error_code",
    "source",
    "correlation_id",
    "q",
    "words",
    "regex",
)
_CHOICES = ("kind", "phase", "outcome", "origin")
W = TypeVar("W", bound=StrEnum)
_SEVERAL = ("person", "action")
_ALL = "*"
_MOMENTS = ("last_record_time", "sealed_until")
_COMMA = re.compile(r"(?<!\\),")
_PROJECT = re.compile(r"[0-9a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of records: just after the record with this time and id."""

    time: datetime
    id: str

    def to_cursor(self) -> str:
        """Return the cursor that stands for this place."""
        text = json.dumps([clock.iso(self.time), self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")

    @classmethod
    def from_cursor(cls, cursor: str) -> Place:
        """Return the place that `cursor` stands for.

        Raises
        ------
        InvalidInput
            It is no cursor of ours.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            time, id_ = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            return cls(clock.parse(time), check_id(id_, "rec"))
        except (ValueError, TypeError, RecursionError, binascii.Error, InvalidInput) as exc:
            raise InvalidInput(
                "The cursor is not one that a page of records gave",
                mend="Ask for the first page without a cursor.",
                field="cursor",
            ) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for; all conditions must hold. Newest first.

    Parameters
    ----------
    projects
        Ids of projects whose records are looked at, at most `MAX_PROJECTS`. None: all records,
        those of the platform included. There is no default, so that nobody sees all by mistake.
    since, until
        From this moment on; before this moment.
    person
        The person's name, or several with commas between them; see `listed`.
    action
        The beginning of the action: ``restore.`` or ``cloud.Create``; or several beginnings with
        commas between them.
    object, error_code, source
        Exactly this.
    kind, phase, outcome, origin
        As a record has them.
    correlation_id
        All of one story.
    q
        Text that summary, object, person, action or data holds, in any case of letters.
    words
        Words and "phrases" that a record holds, all of them; a ``*`` at the end of a word stands
        for any ending. See `mavis_core.logs.words`.
    regex
        A regular expression that is found in that text; see `mavis_core.logs.expressions`.
    limit
        Records on a page, 1 to `MAX_LIMIT`.
    cursor
        `Page.next` of the page before; None for the first.

    Raises
    ------
    InvalidInput
        A value is out of its bounds; `field` names it.
    """

    projects: frozenset[str] | None
    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None
    action: str | None = None
    object: str | None = None
    error_code: str | None = None
    source: str | None = None
    kind: Kind | None = None
    phase: Phase | None = None
    outcome: Outcome | None = None
    origin: Origin | None = None
    correlation_id: str | None = None
    q: str | None = None
    words: str | None = None
    regex: str | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def __post_init__(self) -> None:
        if self.projects is not None and len(self.projects) > MAX_PROJECTS:
            raise InvalidInput(
                f"{len(self.projects)} projects; ask for at most {MAX_PROJECTS}", field="projects"
            )
        if bad := [item for item in self.projects or () if not _PROJECT.fullmatch(item)]:
            raise InvalidInput(f"No id of a project: {bad[0][:60]!r}", field="projects")
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise InvalidInput(f"{name} has no time zone", field=name)
        self._check_texts()
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidInput(f"limit is a number from 1 to {MAX_LIMIT}", field="limit")
        if self.cursor is not None:
            Place.from_cursor(self.cursor)

    def _check_texts(self) -> None:
        for name in _TEXTS:
            _check_text(getattr(self, name), name)
        for name in _SEVERAL:
            if getattr(self, name) is not None and not _listed(getattr(self, name)):
                raise InvalidInput(f"{name} names none", field=name)
        if self.words is not None:
            match_of(self.words)

    @property
    def after(self) -> Place | None:
        """The place where the page begins."""
        return None if self.cursor is None else Place.from_cursor(self.cursor)

    @property
    def people(self) -> tuple[str, ...]:
        """The names of `person`; empty for any."""
        return _listed(self.person)

    @property
    def actions(self) -> tuple[str, ...]:
        """The beginnings of `action`; empty for any."""
        return _listed(self.action)

    def to_params(self) -> dict[str, str]:
        """Return the query as parameters of an address."""
        names = (*_TEXTS, *_CHOICES, "cursor")
        params = {name: str(value) for name in names if (value := getattr(self, name))}
        for name in ("since", "until"):
            if (moment := getattr(self, name)) is not None:
                params[name] = clock.iso(moment)
        projects = _ALL if self.projects is None else ",".join(sorted(self.projects))
        return {**params, "projects": projects, "limit": str(self.limit)}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Query:
        """Return the query that `to_params` wrote.

        Raises
        ------
        InvalidInput
            A parameter is unknown or bad, or ``projects`` is missing.
        """
        if unknown := set(params) - {item.name for item in fields(cls)}:
            raise InvalidInput(f"There is no parameter {min(unknown)!r}", field=min(unknown))
        if "projects" not in params:
            raise InvalidInput("projects is missing", field="projects")
        listed = params["projects"]
        return cls(
            projects=None if listed == _ALL else frozenset(filter(None, listed.split(","))),
            since=_moment(params, "since"),
            until=_moment(params, "until"),
            limit=_limit(params.get("limit")),
            cursor=params.get("cursor") or None,
            kind=_word(Kind, params, "kind"),
            phase=_word(Phase, params, "phase"),
            outcome=_word(Outcome, params, "outcome"),
            origin=_word(Origin, params, "origin"),
            **{name: params.get(name) or None for name in _TEXTS},
        )


def listed(names: Iterable[str]) -> str:
    r"""Return names as `Query` takes several: commas between them, ``\,`` for one in a name."""
    return ",".join(name.replace(",", "\\,") for name in names)


def _listed(text: str | None) -> tuple[str, ...]:
    parts = (part.strip().replace("\\,", ",") for part in _COMMA.split(text or ""))
    return tuple(filter(None, parts))


def _word(kind: type[W], params: Mapping[str, str], name: str) -> W | None:
    text = params.get(name)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError as exc:
        known = ", ".join(kind)
        raise InvalidInput(f"{name} is one of {known}: {text[:60]!r}", field=name) from exc


def _check_text(value: str | None, name: str) -> None:
    if value is None:
        return
    if not 1 <= len(value) <= MAX_TEXT:
        raise InvalidInput(f"{name} has 1 to {MAX_TEXT} characters", field=name)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
        raise InvalidInput(f"{name} holds control characters", field=name)


def _moment(params: Mapping[str, str], name: str) -> datetime | None:
    text = params.get(name)
    if not text:
        return None
    try:
        return clock.parse(text)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{name} is no moment with a time zone, such as 2030-01-31T12:00:00Z: {text[:60]!r}",
            field=name,
        ) from exc


def _limit(text: str | None) -> int:
    if not text:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise InvalidInput(f"limit is a number from 1 to {MAX_LIMIT}", field="limit")
    return int(text)


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first.

    Parameters
    ----------
    next
        The cursor of the page that follows; None on the last page.
    """

    items: tuple[Record, ...]
    next: str | None = None

    @classmethod
    def of(cls, records: Iterable[Record], limit: int) -> Page:
        """Return the first `limit` of `records`, which has one more where there is more."""
        items = tuple(records)
        more = len(items) > limit
        last = items[limit - 1] if more else None
        return cls(items[:limit], Place(last.time, last.id).to_cursor() if last else None)

    def to_json(self) -> dict[str, Any]:
        """Return the page in the API's form of a list."""
        return {"items": [record.to_json() for record in self.items], "next": self.next}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Page:
        """Return the page that `to_json` wrote."""
        return cls(tuple(map(Record.from_json, value["items"])), value["next"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the log process is.

    Parameters
    ----------
    status
        ``ok``; ``starting`` while the index catches up with the journal; ``degraded`` where
        `error` says what does not work.
    backlog
        Records that wait in the database; None where it does not answer.
    indexed
        Records that queries see.
    journal_bytes
        Size of the journal's files.
    last_record_time
        Time of the newest record; None where there is none.
    damaged_lines
        Lines of the journal that a disk has changed.
    quarantined
        Things that were put aside.
    sealed_until
        When the last seal was made; None before the first.
    archived, archive_bytes
        Those of the records that lie in the archive, and the size of it.
    """

    status: str
    backlog: int | None
    indexed: int
    journal_bytes: int
    last_record_time: datetime | None
    damaged_lines: int = 0
    quarantined: int = 0
    error: str | None = None
    sealed_until: datetime | None = None
    archived: int = 0
    archive_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        told = {item.name: getattr(self, item.name) for item in fields(self)}
        return told | {name: moment and clock.iso(moment) for name, moment in self._moments()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Health:
        """Return the state that `to_json` wrote."""
        moments = {name: value[name] and clock.parse(value[name]) for name in _MOMENTS}
        return cls(**{**value, **moments})

    def _moments(self) -> Iterable[tuple[str, datetime | None]]:
        return ((name, getattr(self, name)) for name in _MOMENTS)
