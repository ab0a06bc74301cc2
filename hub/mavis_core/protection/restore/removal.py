"""Taking away what a restore has made, from wherever it was left, and proving that nothing is.

What is deleted carries the tag of the restore *and* stands in the ledger as made by its Run:
volumes that were there before never do, also where an earlier restore has made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from mavis_core.changes import intents
from mavis_core.changes.ledger import TAG, Effects
from mavis_core.changes.model import Call, Intent, IntentState, Outcome
from mavis_core.contract import (
    Connection,
    Instance,
    InstanceState,
    Isolation,
    ResourceKind,
    Volume,
)
from mavis_core.db import tables
from mavis_core.errors import CloudInUse, Internal
from mavis_core.protection.restore import disks, machines
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import Made
from mavis_core.protection.restore.site import RESTORE_TAG, Site

__all__ = ["ISOLATE", "LOOKS", "instances_made", "isolate", "left", "remove_all", "volumes_made"]

ISOLATE = "cloud.CreateSecurityGroup"


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the ledger has of the calls by which a Run made something."""

    intents: Sequence[Intent]
    unclear: frozenset[str]  # of which nobody knows whether they had their effect

    def made(self, action: str) -> set[str]:
        """Return the ids of what calls of `action` made, as far as that is known."""
        return {made for one in self.intents if one.call.action == action for made in one.made}

    def of(self, action: str) -> list[Intent]:
        """Return the intents of `action`."""
        return [one for one in self.intents if one.call.action == action]


def isolate(site: Site, subnet_id: str | None) -> Isolation:
    """Have a group made that lets nothing pass; find it where an earlier attempt made it."""

    def make(_target: str, intent: str) -> Sequence[str]:
        name = _group_name(site)
        place = site.connection.networks.isolate(
            site.region, subnet_id=subnet_id, name=name, tags=site.tags(intent, name)
        )
        return (place.security_group, place.subnet_id)

    def note(tx: sa.Connection, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.made:
                restores.note_made(tx, site.restore.id, Made(group_id=outcome.made[0]))

    (outcome,) = site.do(ISOLATE, [site.restore.id], make, note=note)
    return Isolation(security_group=outcome.made[0], subnet_id=outcome.made[1])


def remove_all(site: Site, subnet_id: str | None = None) -> None:
    """Remove everything that the Run of a restore has made.

    Parameters
    ----------
    subnet_id
        Where a group was asked for.

    Raises
    ------
    CloudError
        Something could not be removed; the restore's `made` has what is left.
    """
    ledger = _read(site)
    if not ledger.intents:
        return
    _settle(site, ledger)
    ledger = _read(site)
    ours = {intent.id for intent in ledger.intents}
    found = [one.cloud_id for one in _instances(site) if one.tags.get(TAG) in ours]
    machines.terminate(site, {*ledger.made(machines.LAUNCH), *found})
    machines.clean(site, [intent.id for intent in ledger.of(machines.LAUNCH)])
    _remove_volumes(site, ledger.made(disks.CREATE), ours)
    if ledger.of(ISOLATE):
        _remove_groups(site, ledger, subnet_id)
    site.write(lambda tx, restore: restores.update(tx, restore.id, made={}))


def left(site: Site) -> list[str]:
    """Return the ids of everything that carries the restore's tag still."""
    images = [
        image.cloud_id
        for page in site.connection.inventory.discover(site.region, ResourceKind.IMAGE)
        for image in page
        if image.tags.get(RESTORE_TAG) == site.restore.id
    ]
    machines_ = [instance.cloud_id for instance in _instances(site)]
    volumes = [volume.cloud_id for volume in _volumes(site)]
    return [*machines_, *volumes, *images, *_groups(site)]


def _settle(site: Site, ledger: _Ledger) -> None:
    """Give what an earlier attempt may have begun its time to show."""
    for action, look in LOOKS.items():
        open_ = [one for one in ledger.of(action) if one.state is IntentState.OPEN]
        if open_:
            how = look(site.connection)
            site.means.ledger.resolve(site.ctx, site.run.work, open_, how, site.progress.say)


def _remove_volumes(site: Site, known: Collection[str], ours: Collection[str]) -> None:
    found = {one.cloud_id for one in _volumes(site) if one.tags.get(TAG) in ours}
    held = disks.there(site, {*known, *found})
    foreign = [
        one.cloud_id
        for one in held.values()
        if one.attached_to is not None and not _going(site, one.attached_to)
    ]
    disks.detach(site, foreign)
    disks.free(site, list(held))
    disks.delete(site, held)
    site.until(
        lambda: None if disks.there(site, held) else True, f"{len(held)} volumes are being deleted"
    )


def _going(site: Site, instance_id: str) -> bool:
    """Return whether volumes leave an instance by themselves, because it ends."""
    return machines.described(site, instance_id).state is InstanceState.GONE


def _remove_groups(site: Site, ledger: _Ledger, subnet_id: str | None) -> None:
    """Remove groups; where nobody knows whether one was made and none shows, have it first.

    Its name is taken only once in a network, so that a call which is still on its way makes none.
    """
    ours = ledger.of(ISOLATE)
    tags = [intent.id for intent in ours]
    groups = {intent.made[0] for intent in ours if intent.made}
    groups |= set(site.connection.networks.find(site.region, tag=TAG, values=tags))
    if not groups and any(intent.id in ledger.unclear for intent in ours):
        groups = {isolate(site, subnet_id).security_group}

    def make(group_id: str, _intent: str) -> Sequence[str]:
        site.connection.networks.remove(site.region, group_id)
        return (group_id,)

    def look() -> bool | None:
        try:
            site.do("cloud.DeleteSecurityGroup", sorted(groups), make)
        except CloudInUse:  # the instance is gone, and its interface not yet
            return None
        return None if groups.intersection(_groups(site)) else True

    if groups:
        site.until(look, f"{', '.join(sorted(groups))} is being removed")


def _read(site: Site) -> _Ledger:
    """Return what the ledger has of what this restore's Run made."""
    table = tables.intents
    query = (
        sa.select(table)
        .where(
            table.c.run_id == site.restore.run_id,
            table.c.action.in_((disks.CREATE, machines.LAUNCH, ISOLATE)),
        )
        .order_by(table.c.id)
    )
    with site.means.database.read() as tx:
        rows = tx.execute(query).all()
    unclear = {
        row.id
        for row in rows
        if row.state == IntentState.OPEN or (row.error or {}).get("code") == "cloud_unreachable"
    }
    return _Ledger([intents.intent_of(row) for row in rows], frozenset(unclear))


def volumes_made(connection: Connection) -> Effects:
    """Return how to find volumes by the intents that they carry."""
    return Effects(
        _finding(lambda region, ids: connection.volumes.find(region, tag=TAG, values=ids)), _never
    )


def instances_made(connection: Connection) -> Effects:
    """Return how to find instances by the intents that they carry."""
    return Effects(
        _finding(lambda region, ids: connection.instances.find(region, tag=TAG, values=ids)), _never
    )


def groups_made(connection: Connection) -> Effects:
    """Return how to find isolated groups by the intents that they carry."""

    def look(wanted: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
        find = connection.networks.find
        return {one.id: find(one.call.region, tag=TAG, values=[one.id]) for one in wanted}

    return Effects(look, _never)


LOOKS: Mapping[str, Callable[[Connection], Effects]] = {
    disks.CREATE: volumes_made,
    machines.LAUNCH: instances_made,
    ISOLATE: groups_made,
}
"""How to find what the calls of a restore have made, by action."""


def _finding(
    find: Callable[[str, Sequence[str]], Sequence[Volume] | Sequence[Instance]],
) -> Callable[[Sequence[Intent]], Mapping[str, Sequence[str]]]:
    """Return a look for what carries intents, with one call for each region."""

    def look(wanted: Sequence[Intent]) -> Mapping[str, Sequence[str]]:
        regions: dict[str, list[str]] = defaultdict(list)
        for intent in wanted:
            regions[intent.call.region].append(intent.id)
        made: dict[str, list[str]] = defaultdict(list)
        for region, ids in regions.items():
            for one in find(region, ids):
                made[one.tags[TAG]].append(one.cloud_id)
        return made

    return look


def _volumes(site: Site) -> Sequence[Volume]:
    values = [site.restore.id]
    return site.connection.volumes.find(site.region, tag=RESTORE_TAG, values=values)


def _instances(site: Site) -> Sequence[Instance]:
    values = [site.restore.id]
    return site.connection.instances.find(site.region, tag=RESTORE_TAG, values=values)


def _groups(site: Site) -> Sequence[str]:
    values = [site.restore.id]
    return site.connection.networks.find(site.region, tag=RESTORE_TAG, values=values)


def _group_name(site: Site) -> str:
    return f"mavis-{site.restore.id}"


def _never(call: Call, _intent: str) -> Sequence[str]:
    raise Internal(f"{call.action} of {call.target} is only looked for")
