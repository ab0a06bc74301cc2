"""The suite that every kit passes: inherit `CloudConformance` and bring the fixture ``bench``.

*Bench*: a kit, two environments of it, and hands in its cloud that do not go through the kit.
The kit's own things (profiles, roles, formats) are for the kit's own tests. One module holds the
promises of one part of the contract.
"""

from mavis_core.testing.cloud_bench import ALICE, TAG, Bench, Launched
from mavis_core.testing.cloud_conformance.blocks import BlockPromises
from mavis_core.testing.cloud_conformance.commands import CommandPromises
from mavis_core.testing.cloud_conformance.connecting import ConnectionPromises
from mavis_core.testing.cloud_conformance.copies import CopyPromises
from mavis_core.testing.cloud_conformance.faults import FaultPromises
from mavis_core.testing.cloud_conformance.instances import InstancePromises
from mavis_core.testing.cloud_conformance.inventory import InventoryPromises
from mavis_core.testing.cloud_conformance.locks import LockPromises
from mavis_core.testing.cloud_conformance.networks import NetworkPromises
from mavis_core.testing.cloud_conformance.snapshots import SnapshotPromises
from mavis_core.testing.cloud_conformance.volumes import VolumePromises

__all__ = ["ALICE", "TAG", "Bench", "CloudConformance", "Launched"]


class CloudConformance(
    ConnectionPromises,
    InventoryPromises,
    SnapshotPromises,
    FaultPromises,
    CopyPromises,
    LockPromises,
    VolumePromises,
    InstancePromises,
    NetworkPromises,
    CommandPromises,
    BlockPromises,
):
    """The contract of `mavis_core.contract`, as tests."""
