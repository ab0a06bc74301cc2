"""Evaluating a selection against the inventory as it is now."""

from __future__ import annotations

import sqlalchemy as sa

from mavis_core.inventory.model import Resource
from mavis_core.protection.plans.selection import Machine, Selection
from mavis_core.protection.plans.targets import Target, instances_of, targets_of

__all__ = ["machine_of", "selected"]


def machine_of(resource: Resource) -> Machine:
    """Return what an expression sees of a resource."""
    return Machine(
        id=resource.id,
        cloud_id=resource.cloud_id,
        name=resource.name,
        environment=resource.environment,
        account=resource.account,
        region=resource.region,
        state=resource.state,
        tags=resource.tags,
        details=resource.details,
    )


def selected(
    tx: sa.Connection, project_id: str, selection: Selection
) -> tuple[list[Target], list[Resource]]:
    """Return what a selection takes now, and the instances of the project that it leaves out."""
    instances = instances_of(tx, project_id)
    taken = [each for each in instances if selection.selects(machine_of(each))]
    chosen = {each.id for each in taken}
    targets = targets_of(
        tx,
        project_id,
        taken,
        takes_volume=lambda volume: selection.takes_volume(machine_of(volume)),
    )
    return targets, [each for each in instances if each.id not in chosen]
