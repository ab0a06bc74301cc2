"""Reading a snapshot's bytes: every block proven by the kit against its checksum, one digest.

The digest is SHA-256 over, for each block that was ever written, in order of index: the index as
eight bytes, most significant first, and the SHA-256 of the block. Two snapshots with the same
bytes have the same digest.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mavis_core.contract import Block, Blocks
from mavis_core.errors import CloudUnreachable, Interrupted

__all__ = ["BlockProof", "read_blocks"]

_TRIES = 3  # of one block that arrives damaged


@dataclass(frozen=True, slots=True)
class BlockProof:
    """What was read of one volume snapshot.

    Parameters
    ----------
    blocks, total
        How many were read, and how many it has.
    size_bytes
        Of those that were read.
    digest
        See the module; in hex.
    """

    volume_id: str
    snapshot_id: str
    blocks: int
    total: int
    size_bytes: int
    digest: str

    @property
    def sampled(self) -> bool:
        """Whether only some of its blocks were read."""
        return self.blocks < self.total

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "volume": self.volume_id,
            "snapshot": self.snapshot_id,
            "blocks": self.blocks,
            "of": self.total,
            "bytes": self.size_bytes,
            "digest": self.digest,
            "sampled": self.sampled,
        }


def read_blocks(
    cloud: Blocks,
    region: str,
    *,
    volume_id: str,
    snapshot_id: str,
    limit: int,
    threads: int,
    stop: threading.Event,
    say: Callable[[int, int], None],
) -> BlockProof:
    """Read a snapshot's blocks and return the proof.

    Parameters
    ----------
    limit
        Blocks at most, taken evenly from all; 0: all.
    threads
        Reads at a time; twice as many blocks are in memory at most.
    say
        Told how many of how many are read; what it raises ends the reading.

    Raises
    ------
    CloudUnreachable
        A block arrived damaged again and again, or not at all.
    Interrupted
        `stop` was set.
    """
    total = sum(len(page) for page in cloud.blocks(region, snapshot_id))
    wanted = min(total, limit) if limit else total
    chosen = _evenly(cloud, region, snapshot_id, total, wanted)
    digest, size = hashlib.sha256(), 0

    def read(block: Block) -> tuple[int, bytes, int]:
        content = _read(cloud, region, snapshot_id, block)
        return block.index, hashlib.sha256(content).digest(), len(content)

    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="blocks") as pool:
        for index, proof, length in _in_order(pool, read, chosen, 2 * threads):
            if stop.is_set():
                raise Interrupted(f"Stopped while reading {snapshot_id}")
            digest.update(struct.pack(">Q", index) + proof)
            size, done = size + length, done + 1
            say(done, wanted)
    return BlockProof(volume_id, snapshot_id, done, total, size, digest.hexdigest())


def _evenly(
    cloud: Blocks, region: str, snapshot_id: str, total: int, wanted: int
) -> Iterator[Block]:
    """Yield `wanted` of a snapshot's `total` blocks, at even distances, the first among them."""
    number = 0
    for page in cloud.blocks(region, snapshot_id):
        for block in page:
            if number * wanted // total != (number - 1) * wanted // total:
                yield block
            number += 1


def _in_order(
    pool: ThreadPoolExecutor,
    read: Callable[[Block], tuple[int, bytes, int]],
    blocks: Iterator[Block],
    ahead: int,
) -> Iterator[tuple[int, bytes, int]]:
    """Yield what `read` returns for each block, in their order, some of them read ahead."""
    flying: deque[Future[tuple[int, bytes, int]]] = deque()
    try:
        for block in blocks:
            flying.append(pool.submit(read, block))
            if len(flying) >= ahead:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()
    finally:
        for future in flying:
            future.cancel()


def _read(cloud: Blocks, region: str, snapshot_id: str, block: Block) -> bytes:
    for _ in range(_TRIES - 1):
        try:
            return cloud.read(region, snapshot_id, block)
        except CloudUnreachable:
            continue  # damaged on the way: reading again is harmless
    return cloud.read(region, snapshot_id, block)
