"""What all promises share: the fixtures, and short words for common steps."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest

from mavis_core.contract import (
    Connection,
    Found,
    ResourceKind,
    SnapshotState,
    VolumeSnapshot,
)
from mavis_core.errors import CloudUnreachable
from mavis_core.testing.cloud_bench import ALICE, TAG, Bench, Launched, Paces, Waits

__all__ = [
    "Promises",
    "answered",
    "completed",
    "create",
    "discovered",
    "eventually",
    "marked",
    "ready",
]

T = TypeVar("T")
_PATIENCE_S = 20.0


class Promises:
    """The fixtures; ``bench`` is brought by the kit's tests."""

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("bring a fixture `bench`")

    @pytest.fixture
    def waits(self) -> Waits:
        return Waits()

    @pytest.fixture
    def paces(self) -> Paces:
        return Paces()

    @pytest.fixture
    def connection(self, bench: Bench, waits: Waits, paces: Paces) -> Iterator[Connection]:
        connection = bench.kit.connect(bench.here, bench.key, ALICE, on_wait=waits, pace=paces)
        yield connection
        connection.close()

    @pytest.fixture
    def partner(self, bench: Bench) -> Iterator[Connection]:
        """Give a connection to the other account."""
        connection = bench.kit.connect(bench.elsewhere, bench.elsewhere_key, ALICE)
        yield connection
        connection.close()

    @pytest.fixture
    def region(self, bench: Bench) -> str:
        return bench.here.regions[0]


def marked(value: str = "one") -> dict[str, str]:
    """Return tags of things that the suite makes."""
    return {TAG: value, "Name": "conformance"}


def eventually(look: Callable[[], T | None]) -> T:
    """Return what `look` returns as soon as it is something."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"it did not come about in {_PATIENCE_S} s")
        time.sleep(0.05)


def answered(call: Callable[[], T]) -> T:
    """Call until there is an answer, as one may where repeating is harmless."""
    for _ in range(3):
        try:
            return call()
        except CloudUnreachable:
            continue
    return call()


def discovered(connection: Connection, region: str, kind: ResourceKind) -> dict[str, Found]:
    """Return everything of a kind by id."""
    return {
        one.cloud_id: one for page in connection.inventory.discover(region, kind) for one in page
    }


def create(
    connection: Connection,
    region: str,
    instance_id: str,
    volume_ids: Sequence[str],
    *,
    value: str = "one",
) -> Sequence[VolumeSnapshot]:
    """Begin snapshots."""
    return connection.snapshots.create(
        region,
        instance_id,
        volume_ids=volume_ids,
        description="conformance",
        tags=marked(value),
    )


def completed(
    connection: Connection, region: str, made: Launched, *, value: str = "one"
) -> list[str]:
    """Take snapshots of all volumes of an instance and return their ids when complete."""
    taken = create(connection, region, made.id, made.volumes, value=value)
    by_volume = {one.volume_id: one.cloud_id for one in taken}
    ids = [by_volume[volume] for volume in made.volumes]
    ready(connection, region, ids)
    return ids


def ready(connection: Connection, region: str, ids: Sequence[str]) -> None:
    """Wait until snapshots are complete."""

    def look() -> bool:
        states = [one.state for one in connection.snapshots.describe(region, ids)]
        assert SnapshotState.ERROR not in states
        return set(states) == {SnapshotState.COMPLETED}

    eventually(look)
