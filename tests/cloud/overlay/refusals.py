"""What the cloud says when it says no: AWS's codes, statuses and words.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-f]{8,17}")


class Refusal(Exception):
    """An answer that says no.

    Parameters
    ----------
    code, message
        As AWS has them.
    status
        The HTTP status.
    reason
        A second code, which EBS direct has.
    """

    def __init__(self, code: str, message: str, status: int = 400, reason: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of thing is named, and how its absence is told."""

    prefix: str
    parameter: str
    gone: str
    words: str

    def missing(self, one: str) -> Refusal:
        return Refusal(self.gone, self.words.format(one))

    def check(self, one: str) -> None:
        """Refuse what cannot be an id of this kind."""
        if not one.startswith(self.prefix):
            raise invalid(
                f"Value ({one}) for parameter {self.parameter} is invalid."
                f" Expected: '{self.prefix}...'."
            )
        if not _HEX.fullmatch(one.removeprefix(self.prefix)):
            raise Refusal(f"{self.gone.split('.')[0]}.Malformed", f'Invalid id: "{one}"')


INSTANCE = Kind(
    "i-", "instanceId", "InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"
)
VOLUME = Kind("vol-", "volumeId", "InvalidVolume.NotFound", "The volume '{}' does not exist.")
SNAPSHOT = Kind(
    "snap-", "snapshotId", "InvalidSnapshot.NotFound", "The snapshot '{}' does not exist."
)
IMAGE = Kind("ami-", "imageId", "InvalidAMIID.NotFound", "The image id '[{}]' does not exist")
VPC = Kind("vpc-", "vpcId", "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist")
SUBNET = Kind(
    "subnet-", "subnetId", "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"
)
GROUP = Kind("sg-", "groupId", "InvalidGroup.NotFound", "The security group '{}' does not exist")
KINDS = (INSTANCE, VOLUME, SNAPSHOT, IMAGE, VPC, SUBNET, GROUP)


def invalid(message: str) -> Refusal:
    return Refusal("InvalidParameterValue", message)


def combination(message: str) -> Refusal:
    return Refusal("InvalidParameterCombination", message)


def missing(name: str) -> Refusal:
    return Refusal("MissingParameter", f"The request must contain the parameter {name}")


def wrong_state(message: str) -> Refusal:
    return Refusal("IncorrectState", message)


def foreign(one: str) -> Refusal:
    """Return what AWS says of somebody else's thing that the caller may see but not change."""
    return Refusal("AuthFailure", f"Not authorized for the resource {one}", 403)
