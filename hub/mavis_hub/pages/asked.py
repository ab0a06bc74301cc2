"""What an address of the records asks for: filters, and whose records somebody may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

from mavis_core.access import CallContext, Permission
from mavis_core.bootstrap import ApiApp
from mavis_core.errors import InvalidInput, NotFound
from mavis_core.logs.query import DEFAULT_LIMIT, Query
from mavis_core.records.model import Kind, Origin, Outcome, Phase

__all__ = ["FIELDS", "WORDS", "Asked", "Reach", "asked_of", "query_of", "reach_of"]

_TEXTS = ("person", "action", "object", "error_code", "source", "q", "words", "regex")
WORDS: Mapping[str, type[StrEnum]] = {
    "kind": Kind,
    "phase": Phase,
    "outcome": Outcome,
    "origin": Origin,
}
"""Fields of which each value is one of some words."""

FIELDS = ("project", *_TEXTS, *WORDS, "since", "until")
"""What an address may say."""

Asked = Mapping[str, str]
W = TypeVar("W", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose records somebody may see.

    Parameters
    ----------
    names
        Of those projects, by id.
    everything
        Whether they see the records of the platform and of all projects, too.
    """

    names: Mapping[str, str]
    everything: bool

    def projects(self, wanted: str) -> frozenset[str] | None:
        """Return the ids of what is looked at; None: all.

        Raises
        ------
        NotFound
            A project is wanted whose records they may not see.
        """
        if not wanted:
            return None if self.everything else frozenset(self.names)
        found = frozenset(id_ for id_, name in self.names.items() if wanted in (id_, name))
        if not found:
            raise NotFound(
                f"No project {wanted[:60]!r} whose records you may see",
                mend="Its operators, auditors and administrators do.",
            )
        return found


def asked_of(argument: Callable[[str, str], str]) -> dict[str, str]:
    """Return what an address says of each of `FIELDS`; empty where it says nothing.

    Parameters
    ----------
    argument
        Returns what it says by a name, or what is given besides.
    """
    return {name: argument(name, "").strip() for name in FIELDS}


def query_of(
    projects: frozenset[str] | None,
    asked: Asked,
    *,
    cursor: str = "",
    limit: int = DEFAULT_LIMIT,
) -> Query:
    """Return the question to the log.

    Raises
    ------
    InvalidInput
        A field cannot be read.
    """
    return Query(
        projects=projects,
        since=_day(asked, "since"),
        until=_day(asked, "until", past=timedelta(days=1)),
        kind=_word(Kind, asked, "kind"),
        phase=_word(Phase, asked, "phase"),
        outcome=_word(Outcome, asked, "outcome"),
        origin=_word(Origin, asked, "origin"),
        limit=limit,
        cursor=cursor or None,
        **{name: asked[name] or None for name in _TEXTS},
    )


def _word(kind: type[W], asked: Mapping[str, str], field: str) -> W | None:
    try:
        return kind(asked[field]) if asked[field] else None
    except ValueError as exc:
        known = ", ".join(kind)
        raise InvalidInput(
            f"{field} is one of {known}: {asked[field][:60]!r}", field=field
        ) from exc


def reach_of(app: ApiApp, ctx: CallContext) -> Reach:
    """Return whose records the caller may see."""
    mine = app.projects.where(ctx, Permission.RECORD_READ)
    names = {each.project.id: each.project.name for each in mine}
    return Reach(names, ctx.may(Permission.RECORD_READ_ALL))


def _day(asked: Mapping[str, str], field: str, *, past: timedelta = timedelta()) -> datetime | None:
    """Return the beginning of a day in UTC, or what lies `past` it."""
    if not asked[field]:
        return None
    try:
        return datetime.combine(date.fromisoformat(asked[field]), time(), UTC) + past
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(
            f"{field} is no day: {asked[field][:60]!r}", mend="Write 2030-01-31.", field=field
        ) from exc
