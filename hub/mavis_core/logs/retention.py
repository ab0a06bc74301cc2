"""How long records are kept: a period for each class, and others for single projects. Pure.

*Class*: what somebody else reports (`Origin.REPORTED`), else the kind of a record. *Cut-off*: a
class of a project, and the moment before which its records are over their period. Cut-offs are
beginnings of months (UTC), so that a segment is written anew once a month at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mavis_core.errors import InvalidInput
from mavis_core.logs.statements import Condition
from mavis_core.records.model import Kind, Origin

__all__ = ["CLASS", "CutOff", "RecordClass", "Retention", "class_of", "parse_exceptions"]


class RecordClass(StrEnum):
    """What periods are set for."""

    AUDIT = "audit"
    OPERATION = "operation"
    REPORTED = "reported"


CLASS = f"CASE WHEN origin = '{Origin.REPORTED}' THEN '{RecordClass.REPORTED}' ELSE kind END"
"""The SQL of a record's class."""

_EXCEPTION = re.compile(r"(prj_[0-9a-z]{26})\s*:\s*(.+)", re.DOTALL)
_PERIOD = re.compile(r"(audit|operation|reported)\s*=\s*(\d{1,5})")


def class_of(kind: Kind, origin: Origin) -> RecordClass:
    """Return the class of a record."""
    return RecordClass.REPORTED if origin == Origin.REPORTED else RecordClass(kind)


@dataclass(frozen=True, slots=True)
class CutOff:
    """Which records are over their period.

    Parameters
    ----------
    kind
        Their class.
    before
        Those of an earlier time are.
    project
        Theirs; None: all but those of `others`, and of the platform.
    others
        Projects that have a period of their own for this class.
    """

    kind: RecordClass
    before: datetime
    project: str | None = None
    others: tuple[str, ...] = ()

    def holds_for(self, project: str | None) -> bool:
        """Return whether it is about records of `project`."""
        if self.project is not None:
            return project == self.project
        return project not in self.others

    @property
    def condition(self) -> Condition:
        """What holds for a row that is over its period."""
        text = f"({CLASS}) = ? AND time < ?::TIMESTAMP"
        values = (str(self.kind), self.before.astimezone(UTC).replace(tzinfo=None))
        if self.project is not None:
            return Condition(f"{text} AND project = ?", (*values, self.project))
        other = "coalesce(project NOT IN (SELECT unnest(?::VARCHAR[])), true)"
        return Condition(f"{text} AND {other}", (*values, [*self.others]))


_Days = Mapping[RecordClass, int]


@dataclass(frozen=True, slots=True)
class Retention:
    """Periods.

    Parameters
    ----------
    days
        By class; 0, or none: always.
    projects
        By the id of a project: what is not as in `days`.
    """

    days: _Days = field(default_factory=dict)
    projects: Mapping[str, _Days] = field(default_factory=dict)

    @property
    def shortest(self) -> timedelta | None:
        """The shortest period there is; None where all is kept always."""
        days = [*self.days.values(), *(n for own in self.projects.values() for n in own.values())]
        return timedelta(days=min(filter(None, days))) if any(days) else None

    def cut_offs(self, now: datetime) -> tuple[CutOff, ...]:
        """Return what is over its period at `now`."""
        found = []
        for kind in RecordClass:
            own = {name: days[kind] for name, days in self.projects.items() if kind in days}
            if general := self.days.get(kind, 0):
                found.append(CutOff(kind, _before(now, general), others=tuple(sorted(own))))
            found += [CutOff(kind, _before(now, n), name) for name, n in sorted(own.items()) if n]
        return tuple(found)


def _before(now: datetime, days: int) -> datetime:
    over = now.astimezone(UTC) - timedelta(days=days)
    return over.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def parse_exceptions(text: str) -> dict[str, dict[RecordClass, int]]:
    """Return the periods of single projects, in days, from the text of a setting.

    Raises
    ------
    InvalidInput
        It is none.

    Examples
    --------
    >>> parse_exceptions("prj_01jd3k5v7m8q2x4c6e9g0r1s2t: reported=30, audit=0")
    {'prj_01jd3k5v7m8q2x4c6e9g0r1s2t': {<RecordClass.REPORTED: 'reported'>: 30,\
 <RecordClass.AUDIT: 'audit'>: 0}}
    """
    found: dict[str, dict[RecordClass, int]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        named = _EXCEPTION.fullmatch(part)
        periods = [_PERIOD.fullmatch(each.strip()) for each in named[2].split(",")] if named else []
        if named is None or named[1] in found or not all(periods):
            raise InvalidInput(
                f"No periods of a project: {part!r}",
                mend="Write prj_…: audit=DAYS, operation=DAYS, reported=DAYS; a semicolon between"
                " projects; 0 days: always.",
            )
        found[named[1]] = {RecordClass(it[1]): int(it[2]) for it in periods if it}
    return found
