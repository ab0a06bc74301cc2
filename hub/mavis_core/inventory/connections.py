"""Opening connections to environments: the only way from a Run to a cloud.

The key is opened here, in the platform worker, and handed to the kit; nothing else keeps it. An
appliance without isolation keeps no walls between people, so it talks to loopback only.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from mavis_core import clock
from mavis_core.access import CallContext
from mavis_core.changes.budget import Budget
from mavis_core.contract import Connection, Kit, OnBehalf
from mavis_core.db import Database
from mavis_core.errors import InvalidInput, IsolationRequired
from mavis_core.projects.environments import environment_by_id
from mavis_core.projects.model import Environment
from mavis_core.scheduling.jobs import Progress
from mavis_core.vault.service import Vault

__all__ = ["Clouds"]

_IDLE = timedelta(minutes=1)
_MAX_IDLE = 32


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
    budget
        Lets calls begin.

    Notes
    -----
    A connection that a step has left stays open for a minute, for the next step of the same
    Run: proving a key costs two calls to the cloud.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        kits: Mapping[str, Kit],
        *,
        isolated: bool,
        budget: Budget,
    ) -> None:
        self._database = database
        self._vault = vault
        self._kits = kits
        self._isolated = isolated
        self._budget = budget
        self._lock = threading.Lock()
        self._idle: list[_Open] = []

    @contextmanager
    def connect(
        self, ctx: CallContext, environment_id: str, progress: Progress
    ) -> Iterator[tuple[Environment, Connection]]:
        """Open a connection on behalf of the person in `ctx`, and leave it after the block.

        Raises
        ------
        CloudError
            The cloud refuses the key, or it opens another account.
        IsolationRequired
            The appliance has no isolation and the environment is not on this machine.
        """
        with self._database.read() as tx:
            environment = environment_by_id(tx, environment_id)
        open_ = self._take(ctx, environment) or self._open(ctx, environment, progress)
        open_.voice.progress = progress
        try:
            yield environment, open_.connection
        except BaseException:
            open_.connection.close()  # whatever went wrong, the next step begins anew
            raise
        self._leave(open_)

    def close(self) -> None:
        """Close every connection that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for open_ in idle:
            open_.connection.close()

    def _take(self, ctx: CallContext, environment: Environment) -> _Open | None:
        """Return an idle connection of the same Run; close those that nobody came back for."""
        fresh_until = clock.now() - _IDLE
        wanted = _key(ctx, environment)
        with self._lock:
            old = [open_ for open_ in self._idle if open_.left_at < fresh_until]
            self._idle = [open_ for open_ in self._idle if open_ not in old]
            found = next((open_ for open_ in self._idle if open_.key == wanted), None)
            if found is not None:
                self._idle.remove(found)
        for open_ in old:
            open_.connection.close()
        return found

    def _leave(self, open_: _Open) -> None:
        open_.left_at = clock.now()
        with self._lock:
            self._idle.append(open_)
            over = [self._idle.pop(0)] if len(self._idle) > _MAX_IDLE else []
        for each in over:
            each.connection.close()

    def _open(self, ctx: CallContext, environment: Environment, progress: Progress) -> _Open:
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
        voice = _Voice(progress)
        connection = kit.connect(
            settings,
            key,
            OnBehalf(ctx.principal.name, ctx.correlation_id),
            on_wait=voice.on_wait,
            pace=_Pace(self._budget, environment, voice),
        )
        return _Open(_key(ctx, environment), connection, voice)


class _Pace:
    """Asks the budget for one environment, and tells it of refusals."""

    def __init__(self, budget: Budget, environment: Environment, voice: _Voice) -> None:
        self._budget = budget
        self._account = f"{environment.kit}:{environment.account}"
        self._project = environment.project_id
        self._voice = voice

    def __call__(self, region: str, group: str) -> None:
        self._budget.acquire(
            self._account, region, group, project=self._project, on_wait=self._voice.on_wait
        )

    def refused(self, region: str, group: str) -> None:
        self._budget.penalise(self._account, region, group)


class _Voice:
    """Says what a connection waits for to whoever uses it now."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_wait(self, seconds: float, reason: str) -> None:
        self.progress.waiting(f"{reason}; {seconds:.0f} s")


_Key = tuple[object, ...]


@dataclass(eq=False, slots=True)
class _Open:
    """An open connection, and for whom it may be used again."""

    key: _Key
    connection: Connection
    voice: _Voice
    left_at: datetime = field(default_factory=clock.now)


def _key(ctx: CallContext, environment: Environment) -> _Key:
    """Return what must be the same for a connection to serve again: the Run and the settings."""
    return (
        ctx.principal.name,
        ctx.correlation_id,
        environment.id,
        environment.key_id,
        environment.regions,
        tuple(sorted(environment.options.items())),
    )


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
