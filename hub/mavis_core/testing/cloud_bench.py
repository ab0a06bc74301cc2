"""What a kit's tests bring to the conformance suite of clouds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mavis_core.contract import EnvironmentSettings, Kit, OnBehalf
from mavis_core.errors import InvalidInput

__all__ = ["ALICE", "TAG", "Bench", "Launched", "Paces", "Waits"]

ALICE = OnBehalf("alice", "cor_01jd3k0000000000000000test")
TAG = "mavis:conformance"


@dataclass(frozen=True, slots=True)
class Launched:
    """An instance that the bench made; volumes in attachment order, the root volume first."""

    id: str
    volumes: tuple[str, ...]


class Bench(Protocol):
    """What a kit's tests bring. Actions are words such as ``snapshots.create``."""

    kit: Kit
    here: EnvironmentSettings
    """An environment with two regions."""
    elsewhere: EnvironmentSettings
    """Another account with the first region of `here`."""
    key: Mapping[str, str]
    """The key of `here`."""
    elsewhere_key: Mapping[str, str]
    """The key of `elsewhere`."""
    default_key: str
    """A word for the account's own key of encryption, which cannot be shared."""
    machine: str
    """A type of instance to launch."""

    def launch(
        self,
        region: str,
        name: str,
        sizes: Sequence[int],
        tags: Mapping[str, str],
        *,
        kms_key: str | None = None,
    ) -> Launched:
        """Make a running instance in `here` with an agent; encrypted where there is a key."""

    def shared_key(self, region: str) -> str:
        """Return a new key of encryption of `here` that `elsewhere` may use, too."""

    def lost_key(self, region: str) -> str:
        """Return a key of encryption in `region` that nobody can use."""

    def terminate(self, region: str, instance_id: str) -> None: ...

    def detach(self, region: str, volume_id: str) -> None: ...

    def write(self, region: str, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        """Write the beginnings of blocks of a volume, by index; the rest of each is zeros."""

    def content(self, region: str, cloud_id: str) -> Hashable:
        """Return something that is equal for volumes and snapshots of `here` with equal bytes."""

    def hold_snapshots(self) -> None:
        """Let snapshots and copies that begin from now on stay pending."""

    def limit_copies(self, limit: int) -> None:
        """Let a region take so many pending copies only."""

    def made(self, region: str) -> Sequence[str]:
        """Return the ids of all that carries `TAG` in `here`, of whatever kind, sorted."""

    def count(self, region: str) -> int:
        """Count all snapshots of `here` in a region that carry the tag `TAG`, with any value."""

    def open_group(self, region: str, name: str) -> None:
        """Make a group of somebody else's in the default network of `here`."""

    def ways(self, region: str, group: str) -> int:
        """Count the rules by which a group of `here` lets something in or out."""

    def throttle(self, action: str, times: int) -> None:
        """Refuse the next `times` tries."""

    def lose_reply(self, action: str) -> None:
        """Let the next call have its effect and no answer."""

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


class Paces:
    """Remembers for which calls `pace` was asked, and which were refused.

    Parameters
    ----------
    closed
        The group whose calls may not begin; None: all may.
    """

    def __init__(self, closed: str | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refusals: list[tuple[str, str]] = []
        self._closed = closed

    def __call__(self, region: str, group: str, /) -> None:
        if group == self._closed:
            raise InvalidInput("no more today")
        self.asked.append((region, group))

    def refused(self, region: str, group: str, /) -> None:
        self.refusals.append((region, group))
