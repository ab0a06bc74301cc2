"""The bytes of the in-memory cloud's snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mavis_core.contract import Block, BlockList
from mavis_core.errors import InvalidInput
from mavis_core.testing.cloud.door import Door
from mavis_core.testing.cloud.things import FakeSnapshot
from mavis_core.testing.cloud.volumes import usable_snapshot

__all__ = ["FakeBlocks"]


class FakeBlocks:
    """Fulfils `mavis_core.contract.Blocks`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def layout(self, region: str, snapshot_id: str) -> BlockList:
        cloud = self._door.cloud

        def effect() -> BlockList:
            found = usable_snapshot(self._door, region, snapshot_id)
            return BlockList(cloud.block_size, found.what.size_gib)

        return self._door.call("blocks.layout", region, {"snapshot_id": snapshot_id}, effect)

    def blocks(self, region: str, snapshot_id: str) -> Iterator[Sequence[Block]]:
        def effect() -> list[Block]:
            found = usable_snapshot(self._door, region, snapshot_id)
            return [_block(found, index) for index in sorted(found.blocks)]

        listed = self._door.call("blocks.blocks", region, {"snapshot_id": snapshot_id}, effect)
        yield from self._door.pages(listed)

    def changed(
        self, region: str, first_id: str, second_id: str
    ) -> Iterator[Sequence[tuple[int, Block | None]]]:
        def effect() -> list[tuple[int, Block | None]]:
            first = usable_snapshot(self._door, region, first_id)
            second = usable_snapshot(self._door, region, second_id)
            if first.what.volume_id != second.what.volume_id:
                raise InvalidInput(f"{first_id} and {second_id} are not of one volume")
            return [
                (index, _block(second, index) if index in second.blocks else None)
                for index in sorted({*first.blocks, *second.blocks})
                if first.blocks.get(index) != second.blocks.get(index)
            ]

        arguments = {"first_id": first_id, "second_id": second_id}
        found = self._door.call("blocks.changed", region, arguments, effect)
        yield from self._door.pages(found)

    def read(self, region: str, snapshot_id: str, block: Block) -> bytes:
        cloud = self._door.cloud

        def effect() -> bytes:
            found = usable_snapshot(self._door, region, snapshot_id)
            if block.index not in found.blocks or block != _block(found, block.index):
                raise InvalidInput(f"The token opens no block of the snapshot {snapshot_id}")
            return found.blocks[block.index].ljust(cloud.block_size, b"\0")

        arguments = {"snapshot_id": snapshot_id, "index": block.index}
        return self._door.call("blocks.read", region, arguments, effect)


def _block(snapshot: FakeSnapshot, index: int) -> Block:
    return Block(index, f"{snapshot.id}:{index}")
