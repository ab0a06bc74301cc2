"""Instances of a restore: stopped, started, launched from snapshots, terminated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from mavis_core import clock
from mavis_core.changes.ledger import TAG
from mavis_core.changes.model import Intent, Outcome
from mavis_core.contract import Instance, InstanceState, Launch
from mavis_core.errors import CloudError, CloudVanished
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Made
from mavis_core.protection.restore.site import Site

__all__ = [
    "LAUNCH",
    "await_state",
    "clean",
    "described",
    "launch",
    "shown",
    "start",
    "stop",
    "terminate",
]

LAUNCH = "cloud.RunInstances"


def described(site: Site, instance_id: str) -> Instance:
    """Return an instance as it is now, also one that is gone."""
    (instance,) = site.connection.instances.describe(site.region, [instance_id])
    return instance


def stop(site: Site, instance_id: str) -> None:
    """Have an instance stopped, and wait for it."""

    def make(target: str, _intent: str) -> Sequence[str]:
        site.connection.power.stop(site.region, target)
        return (target,)

    def find(intent: Intent) -> Sequence[str]:
        state = described(site, intent.call.target).state
        ended = state in (InstanceState.STOPPING, InstanceState.STOPPED)
        return (intent.call.target,) if ended else ()

    if described(site, instance_id).state not in (InstanceState.STOPPING, InstanceState.STOPPED):
        site.do("cloud.StopInstances", [instance_id], make, find=find)
    await_state(site, instance_id, InstanceState.STOPPED)


def start(site: Site, instance_id: str) -> None:
    """Have an instance started that is stopped or on its way to it, and wait for it."""

    def make(target: str, _intent: str) -> Sequence[str]:
        site.connection.power.start(site.region, target)
        return (target,)

    def find(intent: Intent) -> Sequence[str]:
        state = described(site, intent.call.target).state
        runs = state in (InstanceState.PENDING, InstanceState.RUNNING)
        return (intent.call.target,) if runs else ()

    if described(site, instance_id).state is InstanceState.STOPPING:
        await_state(site, instance_id, InstanceState.STOPPED)
    if described(site, instance_id).state is InstanceState.STOPPED:
        site.do("cloud.StartInstances", [instance_id], make, find=find)
    await_state(site, instance_id, InstanceState.RUNNING)


def await_state(
    site: Site, instance_id: str, state: InstanceState, *, shows_within_s: float = 0.0
) -> Instance:
    """Wait until an instance is in `state`, and return it.

    Parameters
    ----------
    shows_within_s
        For how long the cloud may not show it, because it was made just now.

    Raises
    ------
    CloudVanished
        It is gone, or went while it was waited for.
    """
    begun = clock.now()

    def look() -> Instance | None:
        instance = shown(site, instance_id, since=begun, within_s=shows_within_s)
        return instance if instance is not None and instance.state is state else None

    return site.until(look, f"{instance_id} is to be {state}")


def shown(site: Site, instance_id: str, *, since: datetime, within_s: float) -> Instance | None:
    """Return an instance that is there; None where the cloud may not show it yet.

    Parameters
    ----------
    since, within_s
        When it was made, and for how many seconds a cloud may hide that.

    Raises
    ------
    CloudVanished
        It is gone.
    """
    instance = described(site, instance_id)
    if instance.state is not InstanceState.GONE:
        return instance
    if instance.zone or (clock.now() - since).total_seconds() >= within_s:
        raise CloudVanished(f"The instance {instance_id} is gone in {site.region}")
    return None


def launch(site: Site, wanted: Launch, tags: dict[str, str], name: str) -> str:
    """Have an instance launched, and return its id as soon as the cloud has one.

    Parameters
    ----------
    tags
        Those of the original; ours are added.
    """

    def make(_target: str, intent: str) -> Sequence[str]:
        made = site.connection.instances.launch(
            site.region, wanted, tags={**tags, **site.tags(intent, name)}, token=intent
        )
        if made.state is InstanceState.GONE:
            raise CloudError(f"{made.cloud_id} was launched and is gone already")
        return (made.cloud_id,)

    def find(intent: Intent) -> Sequence[str]:
        found = site.connection.instances.find(site.region, tag=TAG, values=[intent.id])
        return [instance.cloud_id for instance in found]

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.made:
                restores.note_made(tx, site.restore.id, Made(instance_id=outcome.made[0]))

    (outcome,) = site.do(LAUNCH, [site.restore.id], make, find=find, note=note)
    clean(site, [outcome.intent_id])
    return outcome.made[0]


def clean(site: Site, launches: Collection[str]) -> None:
    """Remove what launches needed besides their instances.

    Parameters
    ----------
    launches
        Their intents, which were their tokens.
    """

    def make(target: str, _intent: str) -> Sequence[str]:
        site.connection.instances.clean(site.region, target)
        return (target,)

    site.do("cloud.DeregisterImage", sorted(launches), make)


def terminate(site: Site, instance_ids: Collection[str]) -> None:
    """Have instances terminated, and wait until they are gone."""

    def make(target: str, _intent: str) -> Sequence[str]:
        site.connection.instances.terminate(site.region, target)
        return (target,)

    def find(intent: Intent) -> Sequence[str]:
        gone = described(site, intent.call.target).state is InstanceState.GONE
        return (intent.call.target,) if gone else ()

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        gone = [outcome.call.target for outcome in outcomes if outcome.error is None]
        restores.forget_made(tx, site.restore.id, gone)

    ids = sorted(set(instance_ids))
    site.do("cloud.TerminateInstances", ids, make, find=find, note=note)

    def look() -> bool | None:
        found = site.connection.instances.describe(site.region, ids)
        return True if all(one.state is InstanceState.GONE for one in found) else None

    if ids:
        site.until(look, f"{', '.join(ids)} is being terminated")
