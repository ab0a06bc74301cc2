"""Opening connections to environments: the only way from a Run to a cloud.

The key is opened here, in the platform worker, and handed to the kit; nothing keeps it. An
appliance without isolation keeps no walls between people, so it talks to loopback only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from mavis_core.access import CallContext
from mavis_core.contract import Connection, Kit, OnBehalf
from mavis_core.db import Database
from mavis_core.errors import InvalidInput, IsolationRequired
from mavis_core.projects.environments import environment_by_id
from mavis_core.projects.model import Environment
from mavis_core.scheduling.jobs import Progress
from mavis_core.vault.service import Vault

__all__ = ["Clouds"]


class Clouds:
    """Connections to environments, for jobs.

    Parameters
    ----------
    database
        The main database.
    vault
        Opens keys; in other processes than the worker it refuses to.
    kits
        Installed kits by name.
    isolated
        Whether people and services have Unix users of their own.
    """

    def __init__(
        self, database: Database, vault: Vault, kits: Mapping[str, Kit], *, isolated: bool
    ) -> None:
        self._database = database
        self._vault = vault
        self._kits = kits
        self._isolated = isolated

    @contextmanager
    def connect(
        self, ctx: CallContext, environment_id: str, progress: Progress
    ) -> Iterator[tuple[Environment, Connection]]:
        """Open a connection on behalf of the person in `ctx`, and close it after the block.

        Raises
        ------
        CloudError
            The cloud refuses the key, or it opens another account.
        IsolationRequired
            The appliance has no isolation and the environment is not on this machine.
        """
        with self._database.read() as tx:
            environment = environment_by_id(tx, environment_id)
        kit = self._kits.get(environment.kit)
        if kit is None:
            raise InvalidInput(
                f"{environment.name} needs the kit {environment.kit}, which is not installed",
                mend="Install the kit and restart the worker.",
            )
        settings = environment.settings()
        if not self._isolated:
            _require_loopback(environment, kit.endpoints(settings))
        key = None
        if environment.key_id is not None:
            key = self._vault.open(ctx, environment.key_id, project_id=environment.project_id)
        connection = kit.connect(
            settings,
            key,
            OnBehalf(ctx.principal.name, ctx.correlation_id),
            on_wait=lambda seconds, reason: progress.waiting(f"{reason}; {seconds:.0f} s"),
        )
        try:
            yield environment, connection
        finally:
            connection.close()


def _require_loopback(environment: Environment, endpoints: Sequence[str]) -> None:
    for endpoint in endpoints:
        host = urlsplit(endpoint).hostname or ""
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost"
        if not local:
            raise IsolationRequired(
                f"{environment.name} is at {host}: this appliance runs without isolation and"
                " talks to clouds on this machine only"
            )
