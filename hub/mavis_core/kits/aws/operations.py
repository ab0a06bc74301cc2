"""The table of every AWS operation that this kit calls.

It says which service's permission a call needs, which quota of calls it shares with others, and
whether it may be sent again when nobody knows its outcome. Errors, pace and retries read it; so
can a policy for the environment's role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["OPERATIONS", "Operation", "operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operation.

    Parameters
    ----------
    service
        As a policy writes it: ``ec2``.
    group
        The group of calls for `mavis_core.contract.Pace`.
    repeatable
        Whether it harms nothing when it happens twice: it reads, it ends in the same state, or
        it carries a client token.
    """

    service: str
    group: str
    repeatable: bool


_ROWS: tuple[tuple[Operation, tuple[str, ...]], ...] = (
    (Operation("sts", "read", repeatable=True), ("GetCallerIdentity",)),
    (Operation("sts", "write", repeatable=True), ("AssumeRole",)),
    (
        Operation("ec2", "read", repeatable=True),
        (
            *("DescribeRegions", "DescribeInstances", "DescribeInstanceStatus"),
            *("DescribeVolumes", "DescribeSnapshots", "DescribeLockedSnapshots"),
            *("DescribeImages", "DescribeVpcs", "DescribeSubnets", "DescribeSecurityGroups"),
        ),
    ),
    (
        Operation("ec2", "write", repeatable=True),
        (
            *("CreateTags", "StartInstances", "StopInstances", "AttachVolume", "DetachVolume"),
            *("ModifySnapshotAttribute", "LockSnapshot", "UnlockSnapshot"),
            *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
        ),
    ),
    (Operation("ec2", "write", repeatable=False), ("CreateSecurityGroup",)),
    (Operation("ec2", "snapshot", repeatable=False), ("CreateSnapshots",)),
    (Operation("ec2", "copy", repeatable=False), ("CopySnapshot",)),
    (Operation("ec2", "launch", repeatable=True), ("CreateVolume", "RunInstances")),
    (Operation("ec2", "launch", repeatable=False), ("RegisterImage",)),
    (
        Operation("ec2", "delete", repeatable=True),
        (
            *("DeleteSnapshot", "DeleteVolume", "DeleteSecurityGroup"),
            *("DeregisterImage", "TerminateInstances"),
        ),
    ),
    (
        Operation("ssm", "command", repeatable=True),
        ("DescribeInstanceInformation", "GetCommandInvocation"),
    ),
    (Operation("ssm", "command", repeatable=False), ("SendCommand",)),
    (
        Operation("ebs", "block", repeatable=True),
        ("ListSnapshotBlocks", "ListChangedBlocks", "GetSnapshotBlock"),
    ),
)

OPERATIONS: Mapping[str, Operation] = {name: row for row, names in _ROWS for name in names}
_UNKNOWN = Operation("ec2", "write", repeatable=False)


def operation(name: str) -> Operation:
    """Return what is known of an operation; of one that is not in the table, the worst."""
    return OPERATIONS.get(name, _UNKNOWN)
