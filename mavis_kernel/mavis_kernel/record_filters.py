"""What records are looked for by: the same words in lists, counts, exports and live views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from mavis_kernel.addresses import Params, segment

__all__ = ["RecordFilters", "params_of", "path_of"]

_SENT_AS = {"query": "q"}


class RecordFilters(TypedDict, total=False):
    """All that are given must hold; None is as if not given.

    Parameters
    ----------
    since, until
        Aware datetimes: from this moment on; before this one.
    person
        By this person; several with commas between them, and a backslash before a comma that is
        part of a name.
    action
        The beginning of the action, ``restore.``; several with commas between them.
    object, error_code, source, correlation_id
        Exactly this.
    kind, phase, outcome, origin
        A word of a record.
    query
        A text in the record, in any case of letters.
    words
        Words and "phrases" that it holds, all of them; ``*`` at the end of a word stands for any
        ending. Faster than `query` where there is much.
    regex
        A regular expression (RE2) that is found in such a text.
    """

    since: datetime | None
    until: datetime | None
    person: str | None
    action: str | None
    object: str | None
    kind: str | None
    phase: str | None
    outcome: str | None
    origin: str | None
    error_code: str | None
    source: str | None
    correlation_id: str | None
    query: str | None
    words: str | None
    regex: str | None


def params_of(filters: Mapping[str, object]) -> Params:
    """Return `filters` as the API has them.

    Raises
    ------
    TypeError
        There is no such filter.
    """
    if unknown := sorted(set(filters) - set(RecordFilters.__annotations__)):
        raise TypeError(f"Records are not looked for by {unknown[0]!r}")
    return {_SENT_AS.get(name, name): value for name, value in filters.items()}  # type: ignore[misc]  # the types of RecordFilters are those of Params


def path_of(project: str | None, *rest: str) -> str:
    """Return the address of the records of `project`, or of all for None, or of what is below."""
    base = "" if project is None else f"/projects/{segment(project)}"
    return "/".join((f"{base}/records", *rest))
