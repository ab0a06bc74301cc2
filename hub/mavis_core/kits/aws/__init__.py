"""The AWS kit: EC2 instances, volumes, snapshots, images and VPCs of one account.

Endpoints, proxies, certificates and the number of attempts come from standard AWS
configuration (``AWS_CONFIG_FILE``, ``AWS_ENDPOINT_URL``); credentials come from the environment's
key or from the profile that it names, and from nowhere else.
"""

from mavis_core.kits.aws.kit import AwsKit
from mavis_core.kits.aws.retries import RetryPolicy

__all__ = ["AwsKit", "RetryPolicy", "kit"]


def kit() -> AwsKit:
    """Return the kit, for the entry point ``aws``."""
    return AwsKit()
