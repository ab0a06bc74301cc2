"""The job ``restore.instance``: the instance as new, beside the old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mavis_core.access import Permission
from mavis_core.changes.model import Plan, Severity
from mavis_core.contract import Disk, Instance, InstanceState, Launch
from mavis_core.errors import CloudVanished, InvalidInput
from mavis_core.protection.points.manifests import PREFIX
from mavis_core.protection.prices import PricedInstance, PricedVolume
from mavis_core.protection.restore import disks, machines
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.found import remember, remember_instance
from mavis_core.protection.restore.job import RestoreJob, Work, order_of, parts_of, warnings_of
from mavis_core.protection.restore.model import Made, RestoreKind
from mavis_core.protection.restore.request import Arguments, Part, Source, source_of
from mavis_core.protection.restore.site import Site
from mavis_core.scheduling.jobs import PlanRequest

__all__ = ["Machine", "RestoreInstanceJob", "launched_disks", "machine_of", "priced"]

_OVERRIDES = ("instance_type", "subnet", "security_groups", "key_name", "profile", "name")
_KNOWN = ("environment", "region", *_OVERRIDES)
_MAX_TAGS = 50
_OURS = 10  # room for Mavis's own tags and the name


@dataclass(frozen=True, slots=True)
class Machine:
    """What is launched around the disks of a recovery point.

    Parameters
    ----------
    subnet_id, security_groups
        None and empty: of the default network of the place.
    """

    instance_type: str
    architecture: str
    subnet_id: str | None = None
    security_groups: tuple[str, ...] = ()
    key_name: str | None = None
    profile: str | None = None
    boot_mode: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        value = {name: getattr(self, name) for name in Machine.__slots__}
        return {**value, "security_groups": list(self.security_groups)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Machine:
        """Return what `to_json` wrote."""
        return cls(**{**value, "security_groups": tuple(value["security_groups"])})

    @property
    def words(self) -> str:
        """What it is, for a reader."""
        groups = ", ".join(self.security_groups) or "the default group"
        rest = [f"key {self.key_name}"] if self.key_name else []
        rest += [f"profile {self.profile}"] if self.profile else []
        where = self.subnet_id or "the default network"
        return ", ".join([self.instance_type, f"in {where}", f"with {groups}", *rest])

    def launch(self, parts: Sequence[Part], *, ends_with_it: frozenset[str]) -> Launch:
        """Return the launch of it with the disks of a recovery point.

        Parameters
        ----------
        ends_with_it
            Devices whose volumes go when the instance is terminated.
        """
        return Launch(
            self.instance_type,
            self.architecture,
            tuple(
                Disk(
                    part.disk.device,
                    part.snapshot_id,
                    part.disk.type,
                    part.disk.iops,
                    part.disk.throughput_mibps,
                    part.disk.device in ends_with_it,
                )
                for part in parts
            ),
            subnet_id=self.subnet_id,
            security_groups=self.security_groups,
            key_name=self.key_name,
            profile=self.profile,
            boot_mode=self.boot_mode,
        )


class RestoreInstanceJob(RestoreJob):
    """Launch the instance of a recovery point as new."""

    action = "restore.instance"
    permission = Permission.RESTORE_CREATE
    kind = RestoreKind.INSTANCE

    def plan(self, tx: sa.Connection, request: PlanRequest) -> Plan:
        arguments = Arguments(request, self.action, _KNOWN)
        source = source_of(tx, request, arguments)
        machine, missing = machine_of(source, arguments)
        tags, dropped = _tags(source)
        name = arguments.text("name") or f"{source.instance_label}-restored"[:255]
        launched = source.effect("create", "instance", machine.words, name=name)
        created = [
            source.effect("create", "volume", f"{part.words}, for {name}", name=name)
            for part in source.parts
        ]
        cost = self._means.prices.estimate(priced(source, machine)).sentence
        return Plan(
            self.action,
            request.project.id,
            request.project.name,
            source.point.label,
            Severity.CREATES,
            (launched, *created),
            order_of(
                source,
                source.parts,
                machine=machine.to_json(),
                name=name,
                tags=tags,
            ),
            warnings_of(source, cost, *missing, *dropped),
        )

    def work(self) -> Sequence[tuple[str, Work]]:
        return [
            ("Launch the instance", self._launch),
            ("Wait until it runs", self._wait),
            ("Check", self._check),
        ]

    def _launch(self, site: Site) -> None:
        _, parts = parts_of(site)
        arguments = site.restore.arguments
        launch = Machine.from_json(arguments["machine"]).launch(parts, ends_with_it=frozenset())
        machines.launch(site, launch, arguments["tags"], arguments["name"])

    def _wait(self, site: Site) -> None:
        machines.await_state(
            site,
            site.restore.made.instance_id or "",
            InstanceState.RUNNING,
            shows_within_s=site.means.shows_within_s,
        )

    def _check(self, site: Site) -> Mapping[str, Any]:
        point, parts = parts_of(site)
        instance = machines.described(site, site.restore.made.instance_id or "")
        made = launched_disks(site, instance, parts)
        machine = Machine.from_json(site.restore.arguments["machine"]).to_json()
        details = {name: value for name, value in machine.items() if value}
        root = {"root_device": point.manifest.configuration.get("root_device")}
        remember_instance(site, instance, {**details, **root})
        remember(site, parts, made, None)
        site.write(lambda tx, restore: restores.note_made(tx, restore.id, Made(made)))
        return self.complete(site)


def launched_disks(site: Site, instance: Instance, parts: Sequence[Part]) -> dict[str, str]:
    """Return by the original's id each volume of an instance that was launched with `parts`.

    Raises
    ------
    CloudError
        It lacks one, or the cloud gave one up: an instance may run without its data.
    """
    if lost := [part for part in parts if part.disk.device not in instance.devices]:
        raise CloudVanished(
            f"{instance.cloud_id} was launched without the volume {lost[0].words}",
            mend="Look at the instance in the cloud's console, then ask for it again.",
        )
    made = {part.disk.volume_id: instance.devices[part.disk.device] for part in parts}
    disks.await_there(site, list(made.values()))
    return made


def machine_of(source: Source, arguments: Arguments) -> tuple[Machine, tuple[str, ...]]:
    """Return what is launched, and in words what of the original cannot be taken over."""
    kept = source.point.manifest.configuration
    instance_type = arguments.text("instance_type") or str(kept.get("instance_type") or "")
    _check_known(source, instance_type)
    same_account = source.copy.account == source.point.account
    groups = tuple(kept.get("security_groups") or ())
    traits: dict[
        str, tuple[Any, Any, bool]
    ] = {  # what is asked for, what it was, and whether that is known in this place
        "subnet": (arguments.text("subnet"), kept.get("subnet_id"), source.at_home),
        "security groups": (arguments.texts("security_groups"), groups, source.at_home),
        "key pair": (arguments.text("key_name"), kept.get("key_name"), source.at_home),
        "profile": (arguments.text("profile", limit=2048), kept.get("profile"), same_account),
    }
    taken = {
        name: asked or (old if known else None) for name, (asked, old, known) in traits.items()
    }
    missing = [
        f"{name} ({_listed(old)})"
        for name, (_, old, _known) in traits.items()
        if old and not taken[name]
    ]
    machine = Machine(
        instance_type,
        str(kept.get("architecture") or "x86_64"),
        taken["subnet"] or None,
        taken["security groups"] or (),
        taken["key pair"] or None,
        taken["profile"] or None,
        kept.get("boot_mode"),
    )
    return machine, _words(source, missing)


def _check_known(source: Source, instance_type: str) -> None:
    if not instance_type:
        raise InvalidInput(
            f"{source.point.id} does not say which type the instance was: name one",
            field="arguments.instance_type",
        )
    if not all(part.disk.device for part in source.parts):
        raise InvalidInput(
            f"{source.point.id} does not say under which device names its volumes hung",
            mend="Restore the volumes and attach them by hand.",
            field="resource",
        )


def priced(source: Source, machine: Machine) -> list[PricedInstance | PricedVolume]:
    """Return what the price list is asked for."""
    volumes = [part.priced(source.region) for part in source.parts]
    return [PricedInstance(source.region, machine.instance_type), *volumes]


def _listed(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _words(source: Source, missing: Sequence[str]) -> tuple[str, ...]:
    words = []
    if missing:
        words.append(
            f"Not in {source.environment.name} / {source.region} and not taken over:"
            f" {'; '.join(missing)}. Without others it gets the defaults of that place."
        )
    if private_ip := source.point.manifest.configuration.get("private_ip"):
        words.append(f"It gets an address of its own; the original had {private_ip}.")
    if excluded := source.point.manifest.excluded:
        words.append(f"Volumes that the plan left out are not there: {_listed(excluded)}.")
    return tuple(words)


def _tags(source: Source) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the original's own tags so far as there is room, and words about the others."""
    own = {
        name: text
        for name, text in sorted(source.point.manifest.tags.items())
        if not name.lower().startswith((PREFIX, "aws:")) and name != "Name"
    }
    room = _MAX_TAGS - _OURS
    dropped = list(own)[room:]
    words = (f"There is no room for the tags {', '.join(dropped)}.",) if dropped else ()
    return dict(list(own.items())[:room]), words
