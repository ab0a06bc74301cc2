"""Promises of the bytes of snapshots."""

# ruff: noqa: S101  assertions are what a suite is made of
from __future__ import annotations

from dataclasses import replace

import pytest

from mavis_core.contract import Block, Connection
from mavis_core.errors import CloudVanished, InvalidInput
from mavis_core.testing.cloud_bench import Bench
from mavis_core.testing.cloud_conformance.promises import Promises, completed

__all__ = ["BlockPromises"]

_GONE = "snap-0123456789abcdef0"


class BlockPromises(Promises):
    """What `Blocks` promises."""

    def test_a_snapshot_is_laid_out_in_blocks(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        (taken,) = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        layout = connection.blocks.layout(region, taken)
        assert layout.size_gib == 8
        assert layout.block_size > 0

    def test_blocks_are_those_that_were_written_in_order_with_their_bytes(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        written = {11: b"eleventh", 0: b"first", 300: b"far away"}
        bench.write(region, made.volumes[0], written)
        (taken,) = completed(connection, region, made)
        size = connection.blocks.layout(region, taken).block_size
        blocks = _blocks(connection, region, taken)
        assert [block.index for block in blocks] == [0, 11, 300]
        for block in blocks:
            data = connection.blocks.read(region, taken, block)
            assert data == written[block.index].ljust(size, b"\0")

    def test_many_blocks_come_in_pages(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.write(region, made.volumes[0], {number: b"%d" % number for number in range(1100)})
        (taken,) = completed(connection, region, made)
        pages = list(connection.blocks.blocks(region, taken))
        assert len(pages) > 1
        assert [block.index for page in pages for block in page] == list(range(1100))

    def test_an_empty_volume_has_no_blocks(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        (taken,) = completed(connection, region, bench.launch(region, "db-1", (8,), {}))
        assert _blocks(connection, region, taken) == []

    def test_changed_blocks_are_those_that_differ(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.write(region, made.volumes[0], {0: b"same", 1: b"old"})
        (first,) = completed(connection, region, made)
        bench.write(region, made.volumes[0], {1: b"new", 2: b"more"})
        (second,) = completed(connection, region, made)
        found = [one for page in connection.blocks.changed(region, first, second) for one in page]
        assert [index for index, _ in found] == [1, 2]
        read = [
            connection.blocks.read(region, second, block).rstrip(b"\0")
            for _, block in found
            if block is not None
        ]
        assert read == [b"new", b"more"]
        same = [one for page in connection.blocks.changed(region, second, second) for one in page]
        assert same == []

    def test_a_token_opens_its_own_block_only(
        self, connection: Connection, bench: Bench, region: str
    ) -> None:
        made = bench.launch(region, "db-1", (8,), {})
        bench.write(region, made.volumes[0], {0: b"first", 1: b"second"})
        (taken,) = completed(connection, region, made)
        first, second = _blocks(connection, region, taken)
        with pytest.raises(InvalidInput):
            connection.blocks.read(region, taken, replace(first, token=second.token))

    def test_what_is_gone_has_no_blocks(self, connection: Connection, region: str) -> None:
        with pytest.raises(CloudVanished, match=_GONE):
            connection.blocks.layout(region, _GONE)
        with pytest.raises(CloudVanished, match=_GONE):
            _blocks(connection, region, _GONE)


def _blocks(connection: Connection, region: str, snapshot_id: str) -> list[Block]:
    return [block for page in connection.blocks.blocks(region, snapshot_id) for block in page]
