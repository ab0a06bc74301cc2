"""What was recorded just before and just after one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from mavis_core.errors import InvalidInput
from mavis_core.ids import check_id
from mavis_core.logs.query import Query
from mavis_core.logs.statements import Condition
from mavis_core.records.model import Record

__all__ = ["MOST_BESIDE", "Beside", "Context", "Within", "alike"]

MOST_BESIDE = 100


class Within(StrEnum):
    """What neighbours have in common with the record."""

    PROJECT = "project"
    STORY = "story"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Which record, and which of those around it.

    Parameters
    ----------
    record
        Its id.
    projects
        Ids of the projects that are looked at; None: all records. There is no default, so that
        nobody sees all by mistake.
    within
        What the others have in common with it.
    earlier, later
        How many before it and after it, 0 to `MOST_BESIDE`.

    Raises
    ------
    InvalidInput
        A value is out of its bounds; `field` names it.
    """

    record: str
    projects: frozenset[str] | None
    within: Within = Within.PROJECT
    earlier: int = 10
    later: int = 10

    def __post_init__(self) -> None:
        check_id(self.record, "rec")
        for name in ("earlier", "later"):
            if not 0 <= getattr(self, name) <= MOST_BESIDE:
                raise InvalidInput(f"{name} is a number from 0 to {MOST_BESIDE}", field=name)

    def to_params(self) -> dict[str, str]:
        """Return it as parameters of an address."""
        projects = Query(projects=self.projects).to_params()["projects"]
        numbers = {"earlier": str(self.earlier), "later": str(self.later)}
        return {"record": self.record, "projects": projects, "within": self.within, **numbers}

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Return what `to_params` wrote.

        Raises
        ------
        InvalidInput
            A parameter is missing, unknown or bad.
        """
        names = ("record", "projects", "within", "earlier", "later")
        if odd := sorted(set(params) ^ set(names)):
            raise InvalidInput(f"{odd[0][:60]} is missing, or unknown", field=odd[0][:60])
        try:
            within = Within(params["within"])
            earlier, later = int(params["earlier"]), int(params["later"])
        except ValueError as exc:
            raise InvalidInput("within, earlier or later cannot be read", field="within") from exc
        return cls(
            record=params["record"],
            projects=Query.from_params({"projects": params["projects"]}).projects,
            within=within,
            earlier=earlier,
            later=later,
        )


@dataclass(frozen=True, slots=True)
class Context:
    """A record and those around it, each in the order of time."""

    record: Record
    earlier: tuple[Record, ...]
    later: tuple[Record, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "record": self.record.to_json(),
            "earlier": [each.to_json() for each in self.earlier],
            "later": [each.to_json() for each in self.later],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        return cls(
            Record.from_json(value["record"]),
            tuple(map(Record.from_json, value["earlier"])),
            tuple(map(Record.from_json, value["later"])),
        )


def alike(record: Record, within: Within) -> Condition:
    """Return what holds for the records that have in common with `record` what is wanted."""
    if within is Within.STORY:
        return Condition("correlation_id = ?", (record.correlation_id,))
    if within is Within.PERSON:
        return Condition("person = ?", (record.person,))
    if record.project is None:
        return Condition("project IS NULL")
    return Condition("project = ?", (record.project,))
