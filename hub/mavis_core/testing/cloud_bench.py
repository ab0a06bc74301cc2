"""What a kit's tests bring to the conformance suite of clouds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mavis_core.contract import EnvironmentSettings, Kit, OnBehalf

__all__ = ["ALICE", "TAG", "Bench", "Launched", "Waits"]

ALICE = OnBehalf("alice", "cor_01jd3k0000000000000000test")
TAG = "mavis:conformance"


@dataclass(frozen=True, slots=True)
class Launched:
    """An instance that the bench made; volumes in attachment order, the root volume first."""

    id: str
    volumes: tuple[str, ...]


class Bench(Protocol):
    """What a kit's tests bring."""

    kit: Kit
    here: EnvironmentSettings
    """An environment with two regions."""
    elsewhere: EnvironmentSettings
    """Another account with the first region of `here`."""
    key: Mapping[str, str]
    """The key of `here`."""
    elsewhere_key: Mapping[str, str]
    """The key of `elsewhere`."""

    def launch(
        self, region: str, name: str, sizes: Sequence[int], tags: Mapping[str, str]
    ) -> Launched:
        """Make a running instance in `here`."""

    def terminate(self, region: str, instance_id: str) -> None: ...

    def detach(self, region: str, volume_id: str) -> None: ...

    def count(self, region: str) -> int:
        """Count all snapshots of `here` in a region that carry the tag `TAG`, with any value."""

    def throttle(self, action: str, times: int) -> None:
        """Refuse the next `times` tries of ``snapshots.create`` or ``snapshots.find``."""

    def lose_reply(self, action: str) -> None:
        """Let the next ``snapshots.create`` have its effect and no answer."""

    def fail_before(self, action: str) -> None:
        """Let the next call have no effect and an answer that does not say so."""

    def deny(self, action: str) -> None:
        """Let the next call be forbidden to the key."""

    def expire(self, action: str) -> None:
        """Let the key be expired at the next call."""


class Waits:
    """Remembers what `on_wait` was told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def __call__(self, seconds: float, reason: str, /) -> None:
        self.told.append((seconds, reason))
