"""What a backup plan protects.

*Selection*: the machines of a project that a plan takes, and the volumes of them that it leaves
out. Where nothing is asked for, it is the whole project; otherwise a machine is taken that the
expression matches, or that is named, or whose environment is named. Exclusion wins over all.
"""

from __future__ import annotations

from dataclasses import dataclass

from mavis_core.protection.plans.expression_text import parse
from mavis_core.protection.plans.expressions import (
    MACHINE_ATTRIBUTES,
    VOLUME_ATTRIBUTES,
    Expression,
    Machine,
)

__all__ = [
    "MACHINE_ATTRIBUTES",
    "VOLUME_ATTRIBUTES",
    "Expression",
    "Machine",
    "Selection",
    "parse",
]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which machines of a project a plan takes; ``Selection()`` is the whole project.

    Parameters
    ----------
    match
        Takes what it is true of; None takes nothing by itself.
    resources
        Takes instances by Mavis's id, the cloud's id or their name.
    environments
        Takes whatever is in an environment of this name.
    exclude
        Leaves out what it is true of, however it was taken; None leaves nothing out.
    exclude_volumes
        Leaves volumes out, by their name, id and tags; None takes every volume.
    """

    match: Expression | None = None
    resources: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    exclude: Expression | None = None
    exclude_volumes: Expression | None = None

    @property
    def whole_project(self) -> bool:
        """Whether nothing is asked for, so that all of the project is meant."""
        return self.match is None and not self.resources and not self.environments

    def selects(self, machine: Machine) -> bool:
        """Return whether the plan protects `machine`."""
        if self.exclude is not None and self.exclude.matches(machine):
            return False
        return self.whole_project or self._asks_for(machine)

    def takes_volume(self, volume: Machine) -> bool:
        """Return whether the plan takes this volume of a machine that it protects."""
        return self.exclude_volumes is None or not self.exclude_volumes.matches(volume)

    def _asks_for(self, machine: Machine) -> bool:
        named = {machine.id, machine.cloud_id, machine.name}
        return (
            machine.environment in self.environments
            or not named.isdisjoint(self.resources)
            or (self.match is not None and self.match.matches(machine))
        )
