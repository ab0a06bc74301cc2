"""Promises of locks."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from datetime import timedelta

import pytest

from mavis_core import clock
from mavis_core.contract import Connection, LockMode, SnapshotLock
from mavis_core.errors import CloudInUse, CloudVanished
from mavis_core.testing.cloud_bench import Bench
from mavis_core.testing.cloud_conformance.promises import Promises, completed

__all__ = ["LockPromises"]

_GONE = "snap-0123456789abcdef0"
_MOMENT = timedelta(minutes=10)


class LockPromises(Promises):
    """What `SnapshotLocks` promises."""

    @pytest.mark.parametrize("mode", list(LockMode))
    def test_what_is_locked_is_not_deleted(
        self, connection: Connection, bench: Bench, region: str, mode: LockMode
    ) -> None:
        locked, free = _pair(connection, bench, region)
        lock = _lock(mode, days=3)
        connection.locks.lock(region, locked, lock)
        with pytest.raises(CloudInUse, match=locked):
            connection.snapshots.delete(region, locked)
        connection.snapshots.delete(region, free)
        assert bench.count(region) == 1
        found = connection.locks.locks(region, [locked])
        assert _same(found[locked], lock)

    def test_what_has_no_lock_is_left_out(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        locked, free = _pair(connection, bench, region)
        connection.locks.lock(region, locked, _lock(LockMode.GOVERNANCE, days=3))
        assert set(connection.locks.locks(region, [free, locked])) == {locked}
        assert not connection.locks.locks(region, [free])
        assert not connection.locks.locks(region, [])

    def test_a_governance_lock_is_taken_away_once_and_again(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        locked, free = _pair(connection, bench, region)
        connection.locks.lock(region, locked, _lock(LockMode.GOVERNANCE, days=3))
        connection.locks.unlock(region, locked)
        connection.locks.unlock(region, locked)
        connection.locks.unlock(region, free)
        connection.locks.unlock(region, _GONE)
        assert not connection.locks.locks(region, [locked])
        connection.snapshots.delete(region, locked)
        assert bench.count(region) == 1

    def test_a_compliance_lock_is_not_taken_away(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        locked, _ = _pair(connection, bench, region)
        connection.locks.lock(region, locked, _lock(LockMode.COMPLIANCE, days=3))
        with pytest.raises(CloudInUse, match=locked):
            connection.locks.unlock(region, locked)
        assert locked in connection.locks.locks(region, [locked])

    @pytest.mark.parametrize(
        ("before", "then", "mode", "days"),
        [
            pytest.param(("governance", 5), ("governance", 5), "governance", 5, id="the same"),
            pytest.param(("governance", 5), ("governance", 3), "governance", 5, id="shorter"),
            pytest.param(("governance", 5), ("governance", 9), "governance", 9, id="longer"),
            pytest.param(("governance", 5), ("compliance", 3), "compliance", 5, id="firmer"),
            pytest.param(("compliance", 5), ("governance", 9), "compliance", 9, id="softer"),
            pytest.param(("compliance", 5), ("compliance", 3), "compliance", 5, id="firm, shorter"),
        ],
    )
    def test_a_second_lock_takes_nothing_from_the_first(
        self,
        connection: Connection,
        bench: Bench,
        region: str,
        before: tuple[str, int],
        then: tuple[str, int],
        mode: str,
        days: int,
    ) -> None:
        locked, _ = _pair(connection, bench, region)
        for word, number in (before, then):
            connection.locks.lock(region, locked, _lock(LockMode(word), days=number))
        found = connection.locks.locks(region, [locked])[locked]
        assert _same(found, _lock(LockMode(mode), days=days))

    def test_what_is_gone_cannot_be_locked(self, connection: Connection, region: str) -> None:
        with pytest.raises(CloudVanished, match=_GONE):
            connection.locks.lock(region, _GONE, _lock(LockMode.GOVERNANCE, days=3))


def _pair(connection: Connection, bench: Bench, region: str) -> tuple[str, str]:
    first, second = completed(connection, region, bench.launch(region, "db-1", (8, 20), {}))
    return first, second


def _lock(mode: LockMode, *, days: int) -> SnapshotLock:
    return SnapshotLock(mode, clock.now() + timedelta(days=days))


def _same(one: SnapshotLock, other: SnapshotLock) -> bool:
    return one.mode is other.mode and abs(one.until - other.until) < _MOMENT
