"""How a setting is declared: its default, its help and which values it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")
MASKED = "masked"


@dataclass(frozen=True, slots=True)
class Check:
    """Which values a setting takes.

    Parameters
    ----------
    allowed
        For people, after the word "use": ``a port from 1 to 65535``.
    allows
        Whether a value is one of them.
    """

    allowed: str
    allows: Callable[[Any], bool]


def setting(default: T, help: str, check: Check | None = None, *, secret: bool = False) -> T:
    """Declare one setting: its default, what it means, and which values it takes."""
    metadata = {"help": help, "check": check, MASKED: secret}
    return field(default=default, metadata=MappingProxyType(metadata), repr=not secret)


def one_of(*words: str) -> Check:
    """Allow these words."""
    return Check(f"one of {', '.join(words)}", lambda value: value in words)


def between(low: float, high: float) -> Check:
    """Allow numbers from `low` to `high`, both included."""
    return Check(f"a number from {low:g} to {high:g}", lambda value: low <= value <= high)


def or_empty(check: Check) -> Check:
    """Allow what `check` allows, and nothing at all."""
    return Check(
        f"{check.allowed}, or leave it empty", lambda value: not value or check.allows(value)
    )


PORT = Check("a port from 1 to 65535", lambda value: 1 <= value <= 65535)
HOST = Check(
    "a host name or an address", lambda value: bool(re.fullmatch(r"[0-9A-Za-z.:-]+", value))
)
DATABASE_URL = Check(
    "sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    lambda value: bool(re.match(r"(sqlite|postgresql\+psycopg)://", value)),
)
S3_URL = Check(
    "s3://BUCKET or s3://BUCKET/PREFIX",
    lambda value: bool(re.fullmatch(r"s3://[a-z0-9.-]{3,63}(/[A-Za-z0-9._=-]+)*/?", value)),
)
HTTP_URL = Check(
    "an address that begins with https:// or http://",
    lambda value: bool(re.fullmatch(r"https?://[0-9A-Za-z.:\[\]-]+(/[^\s?#]*)?", value)),
)
_PERIODS = r"\s*prj_[0-9a-z]{26}\s*:(\s*(audit|operation|reported)\s*=\s*\d{1,5}\s*(,|(?=;|\Z)))+"
RECORD_PERIODS = Check(
    "prj_…: audit=DAYS, operation=DAYS, reported=DAYS; prj_…: …",
    lambda value: bool(re.fullmatch(rf"{_PERIODS}(;{_PERIODS})*", value)),
)
