"""What a restore is asked for: arguments, read once, and which copy of a recovery point it uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mavis_core.changes.model import Effect
from mavis_core.errors import Conflict, InvalidInput
from mavis_core.projects.environments import environments_of
from mavis_core.projects.model import Environment, check_text
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.manifests import Disk
from mavis_core.protection.points.model import Copy, CopyRole, PointState, RecoveryPoint
from mavis_core.protection.prices import PricedVolume
from mavis_core.scheduling.jobs import PlanRequest

__all__ = ["Arguments", "Part", "Source", "chosen", "source_of"]

_MAX_LISTED = 60


class Arguments:
    """The arguments of a request, each read by what it must be.

    Parameters
    ----------
    request
        What somebody asks for.
    action, known
        For whom; the names that it understands.

    Raises
    ------
    InvalidInput
        There is one of another name; and from each method, where it is of another kind.
    """

    def __init__(self, request: PlanRequest, action: str, known: Collection[str]) -> None:
        self._given: Mapping[str, Any] = request.arguments
        if strange := sorted(set(self._given) - set(known)):
            raise InvalidInput(
                f"{action} has no argument {strange[0][:40]!r}; it takes"
                f" {', '.join(sorted(known)) or 'none'}",
                field="arguments",
            )

    def text(self, name: str, *, limit: int = 255) -> str | None:
        """Return a text without control characters; None where it was not given."""
        value = self._given.get(name)
        if value is None:
            return None
        field = f"arguments.{name}"
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"{name} is a text", field=field)
        return check_text(value, field=field, limit=limit)

    def script(self, name: str, *, limit: int) -> str | None:
        """Return a text of several lines; None where it was not given."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not 1 <= len(value) <= limit or "\0" in value:
            raise InvalidInput(
                f"{name} is a script of 1 to {limit} characters", field=f"arguments.{name}"
            )
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, each once; None where it was not given."""
        value = self._given.get(name)
        if value is None:
            return None
        sound = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        if not sound or not 1 <= len(value) <= _MAX_LISTED:
            raise InvalidInput(
                f"{name} is a list of 1 to {_MAX_LISTED} texts", field=f"arguments.{name}"
            )
        return tuple(
            dict.fromkeys(check_text(one, field=f"arguments.{name}", limit=255) for one in value)
        )

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """Return a whole number; None where it was not given."""
        value = self._given.get(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            raise InvalidInput(
                f"{name} is a whole number from {least} to {most}", field=f"arguments.{name}"
            )
        return value

    def choice(self, name: str, values: Sequence[str]) -> str:
        """Return one of `values`; the first where it was not given."""
        value = self._given.get(name, values[0])
        if value not in values:
            raise InvalidInput(f"{name} is {' or '.join(values)}", field=f"arguments.{name}")
        return str(value)


@dataclass(frozen=True, slots=True)
class Part:
    """A volume of a recovery point, and the snapshot in one copy that it comes back from."""

    disk: Disk
    snapshot_id: str

    def priced(self, region: str) -> PricedVolume:
        """Return what the price list is asked for."""
        return PricedVolume(region, self.disk.type or "default", self.disk.size_gib)

    @property
    def words(self) -> str:
        """What it is, for a reader: ``from snap-1 of vol-1 (8 GiB gp3, /dev/sda1)``."""
        what = " ".join(
            [f"{self.disk.size_gib} GiB", *([self.disk.type] if self.disk.type else [])]
        )
        where = f", {self.disk.device}" if self.disk.device else ""
        return f"from {self.snapshot_id} of {self.disk.volume_id} ({what}{where})"


@dataclass(frozen=True, slots=True)
class Source:
    """A complete copy of a recovery point, and the environment through which it is reached.

    Parameters
    ----------
    parts
        Its volumes, the root volume first.
    """

    point: RecoveryPoint
    copy: Copy
    environment: Environment
    parts: tuple[Part, ...]

    @property
    def region(self) -> str:
        """Where the copy is."""
        return self.copy.region

    @property
    def at_home(self) -> bool:
        """Whether the copy is in the account and region of the instance."""
        point = self.point
        return (self.copy.account, self.copy.region) == (point.account, point.region)

    @property
    def instance_label(self) -> str:
        """The instance's name, or its id where it has none."""
        return self.point.instance_name or self.point.instance_id

    def effect(self, verb: str, kind: str, detail: str, *, name: str = "", id_: str = "") -> Effect:
        """Return an effect in the copy's place."""
        return Effect(
            verb,
            kind,
            id_,
            name,
            self.environment.name,
            self.environment.account,
            self.region,
            detail,
        )


def source_of(tx: sa.Connection, request: PlanRequest, arguments: Arguments) -> Source:
    """Return the copy that a request names by `environment` and `region`.

    Without either it is the primary one.

    Raises
    ------
    InvalidInput
        No recovery point was named.
    NotFound
        The project has none of that id.
    Conflict
        The point has no such copy, it is not complete, or nothing leads to its account any more.
    """
    if not request.resource:
        raise InvalidInput("Name a recovery point by its id", field="resource")
    point = points.load(tx, request.project.id, request.resource)
    copy = _copy(point, arguments.text("environment"), arguments.text("region"))
    environment = _way_to(tx, copy, request.project.id)
    return Source(point, copy, environment, _parts(point, copy))


def chosen(source: Source, arguments: Arguments) -> tuple[Part, ...]:
    """Return the parts that the argument `volumes` names by the originals' ids; all without it."""
    wanted = arguments.texts("volumes")
    if wanted is None:
        return source.parts
    known = {part.disk.volume_id: part for part in source.parts}
    if strange := [volume for volume in wanted if volume not in known]:
        raise InvalidInput(
            f"{strange[0][:60]!r} is not in {source.point.id}; it has {', '.join(known)}",
            field="arguments.volumes",
        )
    return tuple(part for volume, part in known.items() if volume in wanted)


def _copy(point: RecoveryPoint, environment: str | None, region: str | None) -> Copy:
    """Return the one copy in a place; complete ones go before others."""
    there = [
        copy
        for copy in point.copies
        if environment in (None, copy.environment, copy.environment_id)
        and region in (None, copy.region)
        and (copy.role is CopyRole.PRIMARY or environment is not None or region is not None)
    ]
    complete = [copy for copy in there if copy.state.usable]
    known = ", ".join(copy.place for copy in point.copies if copy.state.usable) or "nowhere"
    if not there:
        raise Conflict(
            f"{point.id} has no copy in {' / '.join(one for one in (environment, region) if one)}",
            mend=f"It is complete in: {known}.",
            field="arguments.environment" if environment else "arguments.region",
        )
    if not complete:
        raise Conflict(
            f"The copy of {point.id} in {there[0].place} is {there[0].state}",
            mend=f"It is complete in: {known}. Name such a place by environment and region.",
        )
    return min(complete, key=lambda copy: (copy.role is not CopyRole.PRIMARY, copy.id))


def _way_to(tx: sa.Connection, copy: Copy, project_id: str) -> Environment:
    """Return the environment of a copy, or another one of its account where it was removed."""
    ways = [
        environment
        for environment in environments_of(tx, project_id)
        if environment.account == copy.account and copy.region in environment.regions
    ]
    if not ways:
        raise Conflict(
            f"No environment of the project leads to account {copy.account} in {copy.region}",
            mend=f"Connect {copy.environment} again, or choose another copy.",
        )
    return min(ways, key=lambda environment: environment.id != copy.environment_id)


def _parts(point: RecoveryPoint, copy: Copy) -> tuple[Part, ...]:
    """Return what a complete copy holds, in the manifest's order."""
    known = {disk.volume_id: disk for disk in point.manifest.disks}
    members = {member.volume_id: member for member in copy.members}
    for member in copy.members:
        known.setdefault(member.volume_id, Disk(member.volume_id, member.device, member.size_gib))
    parts = [
        Part(disk, members[volume].cloud_id or "")
        for volume, disk in known.items()
        if volume in members
    ]
    if not parts or not all(part.snapshot_id for part in parts):
        raise Conflict(f"The copy {copy.id} of {point.id} is {PointState.PARTIAL}")
    return tuple(parts)
