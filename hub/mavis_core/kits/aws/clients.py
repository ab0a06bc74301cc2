"""Clients of one session, one for each service and region, opened when first used.

botocore's clients are safe for threads, its sessions are not: opening goes through a lock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

from mavis_core.contract import EnvironmentSettings, Waiting
from mavis_core.errors import CloudRegion
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.retries import RetryPolicy, attach

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_sts import STSClient

__all__ = ["Clients"]

PAGE_SIZE = 200


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
    retries, on_wait
        When calls are sent again, and who is told.
    """

    def __init__(
        self,
        session: Session,
        settings: EnvironmentSettings,
        *,
        config: Config,
        retries: RetryPolicy,
        on_wait: Waiting | None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._config = config
        self._retries = retries
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], BaseClient] = {}

    def ec2(self, region: str) -> EC2Client:
        """Return the EC2 client of one of the environment's regions.

        Raises
        ------
        CloudRegion
            The environment does not have `region`.
        """
        if region not in self._settings.regions:
            raise CloudRegion(
                f"The environment {self._settings.name} does not include the region"
                f" {region[:40]!r}; it has {', '.join(self._settings.regions)}"
            )
        return self.ec2_anywhere(region)

    def ec2_anywhere(self, region: str) -> EC2Client:
        """Return the EC2 client of a region that need not be the environment's."""
        return cast("EC2Client", self._client("ec2", region))

    def sts(self, region: str) -> STSClient:
        """Return the STS client of a region."""
        return cast("STSClient", self._client("sts", region))

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
        attach(client, self._retries, self._on_wait)
        return client

    def close(self) -> None:
        """Close the connections of all clients."""
        with self._lock:
            clients, self._open = list(self._open.values()), {}
        for client in clients:
            client.close()
