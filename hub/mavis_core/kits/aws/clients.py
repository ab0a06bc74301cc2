"""Clients of one session, one for each service and region, opened when first used.

botocore's clients are safe for threads, its sessions are not: opening goes through a lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

from mavis_core.contract import EnvironmentSettings, Pace, Waiting
from mavis_core.errors import CloudRegion, CloudUnreachable
from mavis_core.kits.aws import pacing, retries
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.retries import RetryPolicy

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ebs import EBSClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

__all__ = ["PAGE_SIZE", "SERVICES", "Clients"]

PAGE_SIZE = 200
SERVICES = ("ec2", "ssm", "ebs")
"""What is called in an environment's regions."""
_LOOKS = 40

T = TypeVar("T")


class Clients:
    """The clients of one connection.

    Parameters
    ----------
    session
        Who we are.
    settings
        The environment; other regions than its own are refused.
    config
        Settings of every client.
    policy, on_wait
        When calls are sent again, and who is told.
    pace
        Asked before every request.
    """

    def __init__(
        self,
        session: Session,
        settings: EnvironmentSettings,
        *,
        config: Config,
        policy: RetryPolicy,
        on_wait: Waiting | None,
        pace: Pace | None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._config = config
        self._policy = policy
        self._on_wait = on_wait
        self._pace = pace
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], BaseClient] = {}

    def ec2(self, region: str) -> EC2Client:
        """Return the EC2 client of one of the environment's regions.

        Raises
        ------
        CloudRegion
            The environment does not have `region`.
        """
        return cast("EC2Client", self._here("ec2", region))

    def ssm(self, region: str) -> SSMClient:
        """Return the client of Systems Manager of one of the environment's regions."""
        return cast("SSMClient", self._here("ssm", region))

    def ebs(self, region: str) -> EBSClient:
        """Return the client of EBS direct of one of the environment's regions."""
        return cast("EBSClient", self._here("ebs", region))

    def ec2_anywhere(self, region: str) -> EC2Client:
        """Return the EC2 client of a region that need not be the environment's."""
        return cast("EC2Client", self._client("ec2", region))

    def sts(self, region: str) -> STSClient:
        """Return the STS client of a region."""
        return cast("STSClient", self._client("sts", region))

    def _here(self, service: str, region: str) -> BaseClient:
        if region not in self._settings.regions:
            raise CloudRegion(
                f"The environment {self._settings.name} does not include the region"
                f" {region[:40]!r}; it has {', '.join(self._settings.regions)}"
            )
        return self._client(service, region)

    def _client(self, service: str, region: str) -> BaseClient:
        with self._lock:
            known = self._open.get((service, region))
            if known is None:
                known = self._open[service, region] = self.new(service, region)
            return known

    def new(self, service: str, region: str) -> BaseClient:
        """Return a client that the caller closes."""
        with translated(region):
            client = self._session.create_client(service, region_name=region, config=self._config)
        retries.attach(client, self._policy, self._on_wait)
        if self._pace is not None:
            pacing.attach(client, self._pace)
        return client

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Look again and again until `look` returns something, and return that.

        Parameters
        ----------
        look
            Returns None where it has to be asked again.
        what
            What is waited for, for people.

        Raises
        ------
        CloudUnreachable
            It did not come about in some ten minutes.
        """
        for number in range(1, _LOOKS + 1):
            found = look()
            if found is not None:
                return found
            wait_s = self._policy.wait_s(number)
            if self._on_wait is not None:
                self._on_wait(wait_s, what)
            time.sleep(wait_s)
        raise CloudUnreachable(f"Still waiting after {_LOOKS} looks: {what}", retry_after_s=60.0)

    def close(self) -> None:
        """Close the connections of all clients."""
        with self._lock:
            clients, self._open = list(self._open.values()), {}
        for client in clients:
            client.close()
