"""What an expansion kit provides: small protocols and their types.

A kit is found by its entry point in the group ``mavis.kits``; the entry point names a callable
without arguments that returns a `Kit`. Kits import this package, `mavis_core.config` and
`mavis_core.errors`, nothing else of ours.
"""

from mavis_core.contract.cloud import (
    Connection,
    EnvironmentSettings,
    Found,
    Inventory,
    Kit,
    OnBehalf,
    Power,
    PowerChange,
    ResourceKind,
    Snapshots,
    SnapshotState,
    Tags,
    VolumeSnapshot,
    Waiting,
)

__all__ = [
    "Connection",
    "EnvironmentSettings",
    "Found",
    "Inventory",
    "Kit",
    "OnBehalf",
    "Power",
    "PowerChange",
    "ResourceKind",
    "SnapshotState",
    "Snapshots",
    "Tags",
    "VolumeSnapshot",
    "Waiting",
]
