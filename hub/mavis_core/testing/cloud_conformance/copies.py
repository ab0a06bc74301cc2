"""Promises of sharing and copying snapshots."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

import pytest

from mavis_core.contract import Connection, SnapshotState, VolumeSnapshot
from mavis_core.errors import CloudDenied, CloudInUse, CloudQuota, CloudUnreachable, CloudVanished
from mavis_core.testing.cloud_bench import TAG, Bench
from mavis_core.testing.cloud_conformance.promises import (
    Promises,
    completed,
    create,
    eventually,
    marked,
    ready,
)

__all__ = ["CopyPromises"]

_GONE = "snap-0123456789abcdef0"


class CopyPromises(Promises):
    """What `SnapshotCopies` promises."""

    def test_a_copy_in_another_region_has_bytes_tags_and_size(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        bench.write(here, made.volumes[0], {0: b"first", 9: b"ninth"})
        (source,) = completed(connection, here, made)
        copy = _copy(connection, there, here, source)
        ready(connection, there, [copy.cloud_id])
        (found,) = connection.snapshots.describe(there, [copy.cloud_id])
        assert (found.region, found.size_gib, found.tags[TAG]) == (there, 8, "copy")
        assert not found.encrypted
        assert bench.content(there, copy.cloud_id) == bench.content(here, source)
        (again,) = connection.snapshots.find(there, tag=TAG, values=["copy"])
        assert again.cloud_id == copy.cloud_id

    def test_a_copy_outlives_its_source(self, connection: Connection, bench: Bench) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        bench.write(here, made.volumes[0], {3: b"third"})
        (source,) = completed(connection, here, made)
        content = bench.content(here, source)
        copy = _copy(connection, there, here, source)
        ready(connection, there, [copy.cloud_id])
        connection.snapshots.delete(here, source)
        assert bench.content(there, copy.cloud_id) == content

    def test_a_copy_within_the_region_is_another_snapshot(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        (source,) = completed(connection, region, made)
        copy = _copy(connection, region, region, source)
        assert copy.cloud_id != source
        assert bench.count(region) == 2

    def test_a_copy_is_encrypted_with_the_key_that_is_named(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        (source,) = completed(connection, here, made)
        copy = _copy(connection, there, here, source, kms_key=bench.shared_key(there))
        ready(connection, there, [copy.cloud_id])
        assert connection.snapshots.describe(there, [copy.cloud_id])[0].encrypted

    def test_a_copy_of_what_is_encrypted_is_encrypted(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {}, kms_key=bench.default_key)
        (source,) = completed(connection, here, made)
        copy = _copy(connection, there, here, source)
        ready(connection, there, [copy.cloud_id])
        assert connection.snapshots.describe(there, [copy.cloud_id])[0].encrypted

    def test_a_copy_with_a_key_that_nobody_can_use_ends_in_error(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        (source,) = completed(connection, here, made)
        copy = _copy(connection, there, here, source, kms_key=bench.lost_key(there))

        def look() -> VolumeSnapshot | None:
            (found,) = connection.snapshots.describe(there, [copy.cloud_id])
            return found if found.state is not SnapshotState.PENDING else None

        ended = eventually(look)
        assert ended.state is SnapshotState.ERROR
        assert ended.message

    def test_what_another_account_shares_can_be_copied_and_nothing_else(
        self, connection: Connection, partner: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8, 20), {})
        bench.write(region, made.volumes[0], {1: b"shared"})
        shared, private = completed(connection, region, made)
        connection.copies.share(region, [shared], bench.elsewhere.account)
        connection.copies.share(region, [shared], bench.elsewhere.account)
        copy = _copy(partner, region, region, shared)
        ready(partner, region, [copy.cloud_id])
        assert [one.size_gib for one in partner.snapshots.describe(region, [copy.cloud_id])] == [8]
        with pytest.raises(CloudVanished):
            _copy(partner, region, region, private)

    def test_what_is_shared_no_more_cannot_be_copied(
        self, connection: Connection, partner: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        (source,) = completed(connection, region, made)
        connection.copies.share(region, [source], bench.elsewhere.account)
        for _ in range(2):
            connection.copies.unshare(region, [source], bench.elsewhere.account)
        with pytest.raises(CloudVanished):
            _copy(partner, region, region, source)

    def test_with_a_shared_key_the_other_account_copies_what_is_encrypted(
        self, connection: Connection, partner: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {}, kms_key=bench.shared_key(region))
        (source,) = completed(connection, region, made)
        connection.copies.share(region, [source], bench.elsewhere.account)
        copy = _copy(partner, region, region, source)
        ready(partner, region, [copy.cloud_id])
        assert partner.snapshots.describe(region, [copy.cloud_id])[0].encrypted

    def test_what_the_account_s_own_key_encrypts_cannot_be_shared(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {}, kms_key=bench.default_key)
        (source,) = completed(connection, region, made)
        with pytest.raises(CloudDenied):
            connection.copies.share(region, [source], bench.elsewhere.account)

    def test_sharing_what_is_gone_says_so_and_unsharing_it_is_harmless(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        with pytest.raises(CloudVanished, match=_GONE):
            connection.copies.share(region, [_GONE], bench.elsewhere.account)
        connection.copies.unshare(region, [_GONE], bench.elsewhere.account)

    def test_a_copy_of_what_is_gone_makes_nothing(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        with pytest.raises(CloudVanished, match=_GONE):
            _copy(connection, there, here, _GONE)
        assert bench.count(there) == 0

    def test_a_copy_of_what_is_not_complete_makes_nothing(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        bench.hold_snapshots()
        (source,) = create(connection, here, made.id, made.volumes)
        with pytest.raises(CloudInUse, match=source.cloud_id):
            _copy(connection, there, here, source.cloud_id)
        assert bench.count(there) == 0

    def test_more_copies_than_the_cloud_takes_are_refused_and_make_nothing(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        (source,) = completed(connection, here, made)
        bench.limit_copies(3)
        bench.hold_snapshots()
        for _ in range(3):
            _copy(connection, there, here, source)
        with pytest.raises(CloudQuota):
            _copy(connection, there, here, source)
        assert bench.count(there) == 3

    def test_a_copy_whose_answer_was_lost_is_not_sent_again_and_is_found(
        self, connection: Connection, bench: Bench
    ) -> None:
        here, there = bench.here.regions[:2]
        made = bench.launch(here, "db-1", (8,), {})
        (source,) = completed(connection, here, made)
        bench.lose_reply("copies.copy")
        with pytest.raises(CloudUnreachable):
            _copy(connection, there, here, source)
        assert bench.count(there) == 1
        assert len(connection.snapshots.find(there, tag=TAG, values=["copy"])) == 1


def _copy(
    connection: Connection,
    region: str,
    source_region: str,
    source_id: str,
    *,
    kms_key: str | None = None,
) -> VolumeSnapshot:
    return connection.copies.copy(
        region,
        source_region=source_region,
        source_id=source_id,
        description="conformance",
        tags=marked("copy"),
        kms_key=kms_key,
    )
