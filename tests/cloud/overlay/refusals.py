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
    """How a kind of thing is named, and how its absence is told.

    Parameters
    ----------
    prefix
        How its ids begin.
    gone, words
        Code and message where there is none; the message has a place for the id.
    malformed, strange
        Codes of what begins like an id and is none, and of what does not even begin so.
    """

    prefix: str
    gone: str
    words: str
    malformed: str
    strange: str = "InvalidParameterValue"

    def missing(self, one: str) -> Refusal:
        return Refusal(self.gone, self.words.format(one))

    def check(self, one: str) -> None:
        """Refuse what cannot be an id of this kind."""
        if not one.startswith(self.prefix):
            words = f"Value ({one}) is invalid. Expected: '{self.prefix}...'."
            raise Refusal(self.strange, words)
        if not _HEX.fullmatch(one.removeprefix(self.prefix)):
            raise Refusal(self.malformed, f'Invalid id: "{one}"')


INSTANCE = Kind(
    "i-",
    "InvalidInstanceID.NotFound",
    "The instance ID '{}' does not exist",
    "InvalidInstanceID.Malformed",
    "InvalidInstanceID.Malformed",
)
VOLUME = Kind(
    "vol-",
    "InvalidVolume.NotFound",
    "The volume '{}' does not exist.",
    "InvalidVolumeID.Malformed",
)
SNAPSHOT = Kind(
    "snap-",
    "InvalidSnapshot.NotFound",
    "The snapshot '{}' does not exist.",
    "InvalidSnapshotID.Malformed",
)
IMAGE = Kind(
    "ami-",
    "InvalidAMIID.NotFound",
    "The image id '[{}]' does not exist",
    "InvalidAMIID.Malformed",
    "InvalidAMIID.Malformed",
)
VPC = Kind(
    "vpc-", "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist", "InvalidVpcID.Malformed"
)
SUBNET = Kind(
    "subnet-",
    "InvalidSubnetID.NotFound",
    "The subnet ID '{}' does not exist",
    "InvalidSubnetID.Malformed",
)
GROUP = Kind(
    "sg-",
    "InvalidGroup.NotFound",
    "The security group '{}' does not exist",
    "InvalidGroupId.Malformed",
    "InvalidGroupId.Malformed",
)
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
