"""Retention: which recovery points stay, which go, and why.

*Keep*: what a plan asks for. *Point*: what retention sees of a recovery point.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mavis_core.errors import InvalidInput

__all__ = ["Keep"]


@dataclass(frozen=True, slots=True)
class Keep:
    """How many points stay; ``Keep()`` keeps every one.

    The rules add up: a point stays as long as one of them wants it.

    Parameters
    ----------
    last
        The newest so many points, whenever they were taken.
    hourly, daily, weekly, monthly, yearly
        The last point of each of the newest so many hours, days, ISO weeks, months or years that
        have a point, in the plan's zone. 0 means that the rule is not used.
    within
        Every point that is not older than this, counted back from the newest usable one and not
        from now: a plan that stands still loses nothing. None means that the rule is not used.

    Raises
    ------
    InvalidInput
        A count below 0, or a `within` of nothing.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
            if getattr(self, name) < 0:
                raise InvalidInput(
                    f"cannot keep {getattr(self, name)} {name} points",
                    mend="Give a number of 0 or more; 0 switches the rule off.",
                    field=name,
                )
        if self.within is not None and self.within <= timedelta(0):
            raise InvalidInput(
                "`within` is not a span of time",
                mend="Give more than nothing, such as 48h, or leave it out.",
                field="within",
            )

    @property
    def everything(self) -> bool:
        """Whether no rule is used, so that every point stays."""
        return self == Keep()
