"""A call: who asks, where, when, and what fate a fault has for what it makes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloud.overlay.shell import Shells
    from cloud.overlay.store import Store

Ask = Mapping[str, Any]
Reply = dict[str, Any]
FOREVER = 1e12  # later than anything, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Settings:
    """How this cloud behaves; to be changed at run time.

    Parameters
    ----------
    snapshot_s, instance_s, volume_s
        Seconds from a snapshot's beginning to its end, between two states of an instance, and
        until a volume is there.
    latency_s
        Seconds that every call takes longer.
    volume_rate
        Whether a volume takes one snapshot in 15 seconds only, as in AWS.
    copy_limit
        Copies of snapshots that a destination region carries out at the same time.
    """

    snapshot_s: float = 0.3
    instance_s: float = 0.2
    volume_s: float = 0.1
    latency_s: float = 0.0
    volume_rate: bool = False
    copy_limit: int = 20


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of the things that a call makes.

    Parameters
    ----------
    hidden_s
        Seconds until they are seen.
    broken
        Whether they end in ``error``.
    """

    hidden_s: float = 0.0
    broken: bool = False


@dataclass(slots=True)
class Call:
    """One call inside of its transaction.

    Parameters
    ----------
    made
        Collects the ids of what it makes.
    after
        Collects what is to be done when the transaction is over.
    """

    store: Store
    shells: Shells
    account: str
    region: str
    now: float
    settings: Settings
    fate: Fate = Fate()
    made: list[str] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)

    @property
    def origin(self) -> dict[str, Any]:
        """What every thing has that this call makes."""
        return {"account": self.account, "region": self.region, "born": self.now}


Action = Callable[[Call, Ask], Reply]


def new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(9)[:17]
