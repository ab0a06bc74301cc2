"""The bytes of snapshots, through EBS direct.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mavis_core.contract import Block, BlockList
from mavis_core.errors import CloudUnreachable
from mavis_core.kits.aws.clients import Clients
from mavis_core.kits.aws.errors import translated

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ebs.type_defs import (
        ListChangedBlocksRequestTypeDef,
        ListSnapshotBlocksRequestTypeDef,
    )

__all__ = ["AwsBlocks"]

_PAGE_SIZE = 1000
_SMALLEST_PAGE = 100


class AwsBlocks:
    """Fulfils `mavis_core.contract.Blocks`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def layout(self, region: str, snapshot_id: str) -> BlockList:
        ebs = self._clients.ebs(region)
        with translated(region, f"snapshot {snapshot_id}"):
            answer = ebs.list_snapshot_blocks(SnapshotId=snapshot_id, MaxResults=_SMALLEST_PAGE)
        return BlockList(answer["BlockSize"], answer["VolumeSize"])

    def blocks(self, region: str, snapshot_id: str) -> Iterator[Sequence[Block]]:
        ebs = self._clients.ebs(region)
        request: ListSnapshotBlocksRequestTypeDef = {
            "SnapshotId": snapshot_id,
            "MaxResults": _PAGE_SIZE,
        }
        with translated(region, f"snapshot {snapshot_id}"):
            while True:
                answer = ebs.list_snapshot_blocks(**request)
                yield [Block(item["BlockIndex"], item["BlockToken"]) for item in answer["Blocks"]]
                if not answer.get("NextToken"):
                    return
                request["NextToken"] = answer["NextToken"]

    def changed(
        self, region: str, first_id: str, second_id: str
    ) -> Iterator[Sequence[tuple[int, Block | None]]]:
        ebs = self._clients.ebs(region)
        request: ListChangedBlocksRequestTypeDef = {
            "FirstSnapshotId": first_id,
            "SecondSnapshotId": second_id,
            "MaxResults": _PAGE_SIZE,
        }
        with translated(region, f"snapshots {first_id} and {second_id}"):
            while True:
                answer = ebs.list_changed_blocks(**request)
                yield [
                    (item["BlockIndex"], _block(item["BlockIndex"], item.get("SecondBlockToken")))
                    for item in answer["ChangedBlocks"]
                ]
                if not answer.get("NextToken"):
                    return
                request["NextToken"] = answer["NextToken"]

    def read(self, region: str, snapshot_id: str, block: Block) -> bytes:
        ebs = self._clients.ebs(region)
        with translated(region, f"block {block.index} of snapshot {snapshot_id}"):
            answer = ebs.get_snapshot_block(
                SnapshotId=snapshot_id, BlockIndex=block.index, BlockToken=block.token
            )
            data = answer["BlockData"].read()
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if answer["ChecksumAlgorithm"] != "SHA256" or answer["Checksum"] != checksum:
            raise CloudUnreachable(
                f"Block {block.index} of snapshot {snapshot_id} in {region} arrived damaged",
                mend="Read it again; where that does not help, look for what alters the traffic.",
            )
        return data


def _block(index: int, token: str | None) -> Block | None:
    return None if token is None else Block(index, token)
