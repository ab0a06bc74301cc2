"""What a page shows of how many records fit: bars over time, and values that narrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from mavis_core.errors import Unavailable
from mavis_core.logs.query import Query, listed
from mavis_core.logs.summaries import Summary
from mavis_ext.base import Services

__all__ = ["Bar", "Counts", "Value", "counts", "narrowed"]

_HEIGHT, _WIDTH = 100, 10  # of the drawing and of a bar, in its own units
_SHOWN = 8
_UNITS = {"s": "s", "m": "min", "h": "h", "d": "day", "w": "week", "mo": "month", "y": "year"}
_COUNTED = ("day", "week", "month", "year")
_FIELDS = ("outcome", "action", "person", "project", "kind", "source", "origin")


@dataclass(frozen=True, slots=True)
class Bar:
    """How many records a stretch of time has; `x`, `y` and `height` say where it is drawn."""

    begin: datetime
    count: int
    x: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Value:
    """How often a value comes; `address` is that of the page with it alone, empty for none."""

    text: str
    count: int
    address: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What is shown of a summary.

    Parameters
    ----------
    facets
        By field, its most frequent values and how often all others come.
    most
        Records in the highest bar.
    trouble
        Why nothing was counted; empty where all is well.
    """

    total: int = 0
    step: str = ""
    bars: tuple[Bar, ...] = ()
    facets: tuple[tuple[str, tuple[Value, ...], int], ...] = ()
    most: int = 0
    trouble: str = ""

    @property
    def width(self) -> int:
        """The drawing's width in its own units."""
        return len(self.bars) * _WIDTH


async def counts(
    services: Services, query: Query, asked: Mapping[str, str], names: Mapping[str, str]
) -> Counts:
    """Return what is to be shown of how many records fit `query`.

    Parameters
    ----------
    asked
        What the address of the page says.
    names
        Of projects, by id.
    """
    try:
        found = await services.logs.run(lambda: services.app.logs.summarize(query))
    except Unavailable as exc:
        return Counts(trouble=f"{exc.message}. {exc.mend}")
    most = max((many for _, many in found.buckets), default=0)
    return Counts(
        total=found.total,
        step=_step(found.step),
        bars=tuple(_bar(number, each, most) for number, each in enumerate(found.buckets)),
        facets=tuple(_facet(name, found, asked, names) for name in _FIELDS),
        most=most,
    )


def narrowed(asked: Mapping[str, str], **changed: str) -> str:
    """Return the address of the page with other filters; an empty one is left out."""
    given = {name: text for name, text in {**asked, **changed}.items() if text}
    return f"?{urlencode(given)}"


def _step(step: str) -> str:
    """Return how long a bar is, in words: ``15 min``, ``1 day``."""
    number = step.rstrip("".join(_UNITS))
    unit = _UNITS[step[len(number) :]]
    return f"{number} {unit}{'s' if unit in _COUNTED and number != '1' else ''}"


def _bar(number: int, bucket: tuple[datetime, int], most: int) -> Bar:
    begin, many = bucket
    # What is there is seen, be it ever so little.
    height = max(many / most * _HEIGHT, 2.0) if many else 0.0
    return Bar(begin, many, number * _WIDTH, _HEIGHT - height, height)


def _facet(
    name: str, found: Summary, asked: Mapping[str, str], names: Mapping[str, str]
) -> tuple[str, tuple[Value, ...], int]:
    shown = found.facets[name].values[:_SHOWN]
    values = tuple(_value(name, text, many, asked, names) for text, many in shown)
    return name, values, found.total - sum(many for _, many in shown)


def _value(
    name: str, text: str | None, many: int, asked: Mapping[str, str], names: Mapping[str, str]
) -> Value:
    if text is None:
        return Value("platform" if name == "project" else "none yet", many, "")
    shown = names.get(text, text) if name == "project" else text
    sought = listed([shown]) if name in ("person", "action") else shown
    linked = asked[name] != sought
    return Value(shown, many, narrowed(asked, **{name: sought}) if linked else "")
