"""What there is to judge by: Mavis's rows, read by plain SQL, and the cloud, by plain boto3."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cloud.witness import Seen, SeenThing
from integration.matrix.cases import reads
from integration.matrix.lanes import Lane
from integration.matrix.orders import Facts


@dataclass(frozen=True, slots=True)
class RunRow:
    """A Run, as Mavis tells of it."""

    id: str
    kind: str
    state: str
    attempt: int
    code: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A volume of a copy, as Mavis tells of it."""

    volume_id: str
    cloud_id: str | None
    state: str


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A copy of a recovery point, as Mavis tells of it; `disks` are what it should have."""

    id: str
    point_id: str
    run_id: str | None
    instance_id: str
    role: str
    account: str
    region: str
    state: str
    disks: tuple[str, ...]
    members: tuple[MemberRow, ...]


@dataclass(frozen=True, slots=True)
class RestoreRow:
    """A restore, as Mavis tells of it.

    Parameters
    ----------
    volumes
        By the original's id the new volume's.
    """

    id: str
    kind: str
    state: str
    volumes: Mapping[str, str]
    instance_id: str | None
    group_id: str | None

    @property
    def made(self) -> set[str]:
        """Ids of everything that it says it has made and not taken away."""
        return {*self.volumes.values(), self.instance_id or "", self.group_id or ""} - {""}


@dataclass(frozen=True, slots=True)
class Done:
    """A call that came to the cloud, as the simulator's log has it."""

    action: str
    account: str
    region: str
    params: Mapping[str, str]
    code: str
    fault: str | None
    happened: bool
    made: tuple[str, ...]

    @property
    def took_effect(self) -> bool:
        """Whether the cloud did it, whatever the client was told."""
        told_otherwise = self.fault in ("error500_after", "lost_reply")
        return self.happened and (not self.code or told_otherwise)


class Evidence:
    """Everything at one moment; looked at when it is first asked for.

    Parameters
    ----------
    lane
        Where to look.
    facts
        What is known of the world.
    before
        Ids of what was in the cloud before the Run began.
    may_go
        Ids of those of them that may have been deleted until now.
    """

    def __init__(
        self, lane: Lane, facts: Facts, before: frozenset[str], *, may_go: frozenset[str]
    ) -> None:
        self._simulator = lane.simulator
        self._database = lane.database
        self._witness = lane.witness
        self.facts = facts
        self.before = before
        self.may_go = may_go

    @cached_property
    def calls(self) -> list[Done]:
        """All calls so far, from the simulator's log."""
        return [
            Done(
                each["action"],
                each["account"],
                each["region"],
                each["params"],
                each["code"],
                each["fault"],
                each["happened"],
                tuple(each["made"]),
            )
            for each in self._simulator.calls()
        ]

    @cached_property
    def snapshots(self) -> dict[str, Seen]:
        """All volume snapshots by id."""
        return {
            one.snapshot_id: one
            for place in self.facts.places
            for one in self._witness.snapshots(*place)
        }

    @cached_property
    def things(self) -> dict[str, SeenThing]:
        """All volumes, instances, images and security groups by id."""
        witness = self._witness
        looks = (witness.volumes, witness.instances, witness.images, witness.groups)
        return {
            one.id: one for place in self.facts.places for look in looks for one in look(*place)
        }

    @property
    def there(self) -> set[str]:
        """Ids of everything that is in the cloud."""
        return {*self.snapshots, *self.things}

    @property
    def shared(self) -> set[str]:
        """Ids of snapshots that another account of the scenario may read."""
        places = self.facts.places
        return {
            one
            for account, region in places
            for other in {there for there, _ in places} - {account}
            for one in self._witness.shared(account, region, other)
        }

    @cached_property
    def locked(self) -> set[str]:
        """Ids of snapshots that are locked."""
        return {one for place in self.facts.places for one in self._witness.locked(*place)}

    @cached_property
    def disks(self) -> dict[str, dict[str, str]]:
        """By instance, by device name the volume that hangs there."""
        found: dict[str, dict[str, str]] = {}
        for place in self.facts.places:
            found |= self._witness.disks(*place)
        return found

    def written_on(self, machine: str) -> tuple[list[str], bool]:
        """Return what scripts wrote on a machine, in order, and whether it is frozen."""
        folder = self._simulator.folder(machine)
        log = folder / "log"
        lines = log.read_text(encoding="utf-8").split() if log.exists() else []
        return lines, (folder / "frozen").exists()

    def bytes_of(self, instance_id: str) -> dict[str, str]:
        """Return by device name the digest of what an instance has there."""
        hanging = self.disks.get(instance_id, {})
        return {device: self.digest(volume) for device, volume in hanging.items()}

    def digest(self, one: str) -> str:
        """Return the digest of the bytes of a volume or snapshot; empty where it is gone."""
        return self._simulator.digest(one) if one in self.there else ""

    @cached_property
    def runs(self) -> list[RunRow]:
        """All Runs."""

        def read(row: sqlite3.Row) -> RunRow:
            error = json.loads(row["error"]) if row["error"] else {}
            code = error.get("code", "")
            return RunRow(row["id"], row["kind"], row["state"], row["attempt"], code)

        return self._rows("SELECT * FROM runs ORDER BY id", read)

    @property
    def blind(self) -> bool:
        """Whether the cloud has refused a look."""
        return any(call.fault == "deny" and reads(call.action) for call in self.calls)

    def refused(self, action: str) -> bool:
        """Whether the cloud has refused a call of an action."""
        return any(call.fault == "deny" and call.action == action for call in self.calls)

    @property
    def run(self) -> RunRow:
        """The Run that the scenario is about."""
        return next(run for run in self.runs if run.id == self.facts.run_id)

    @cached_property
    def copies(self) -> list[CopyRow]:
        """All copies of all recovery points."""
        members: dict[str, list[MemberRow]] = {}
        for copy_id, *rest in self._rows(
            "SELECT copy_id, volume_id, cloud_id, state FROM copy_members", tuple
        ):
            members.setdefault(copy_id, []).append(MemberRow(*rest))
        sql = (
            "SELECT c.*, p.instance_id, p.manifest, p.run_id AS point_run FROM copies c"
            " JOIN recovery_points p ON p.id = c.point_id ORDER BY c.id"
        )

        def read(row: sqlite3.Row) -> CopyRow:
            return CopyRow(
                row["id"],
                row["point_id"],
                row["point_run"],
                row["instance_id"],
                row["role"],
                row["account"],
                row["region"],
                row["state"],
                tuple(disk["volume_id"] for disk in json.loads(row["manifest"])["disks"]),
                tuple(members.get(row["id"], ())),
            )

        return self._rows(sql, read)

    @cached_property
    def intents(self) -> Counter[str]:
        """How many records there are, by action, of what was to be done."""
        asked = "SELECT action, count(*) FROM records WHERE phase = 'intent' GROUP BY action"
        return Counter(dict(self._rows(asked, tuple)))

    @cached_property
    def locks(self) -> set[str]:
        """Ids of the recovery points that are locked."""
        return set(self._rows("SELECT id FROM recovery_points WHERE lock IS NOT NULL", _first))

    @cached_property
    def proofs(self) -> list[bool]:
        """Whether the proofs that stand on recovery points are good ones."""
        sql = "SELECT proof FROM recovery_points WHERE proof IS NOT NULL"
        return [bool(json.loads(proof)["ok"]) for (proof,) in self._rows(sql, tuple)]

    @cached_property
    def restores(self) -> list[RestoreRow]:
        """All restores."""

        def read(row: sqlite3.Row) -> RestoreRow:
            made = json.loads(row["made"])
            return RestoreRow(
                row["id"],
                row["kind"],
                row["state"],
                made.get("volumes", {}),
                made.get("instance_id"),
                made.get("group_id"),
            )

        return self._rows("SELECT * FROM restores ORDER BY id", read)

    @property
    def restore(self) -> RestoreRow | None:
        """The restore that the scenario is about: there is one at most."""
        return self.restores[0] if self.restores else None

    @cached_property
    def open_intents(self) -> list[str]:
        """Lines of the ledger that nobody has closed."""
        sql = "SELECT action, target FROM intents WHERE state = 'open'"
        return [f"{action} of {target}" for action, target in self._rows(sql, tuple)]

    def _rows(self, sql: str, read: Callable[[Any], Any]) -> list[Any]:
        with closing(sqlite3.connect(self._database)) as database:
            database.row_factory = sqlite3.Row
            return [read(row) for row in database.execute(sql)]


def _first(row: sqlite3.Row) -> Any:
    return row[0]


def ids_in(lane: Lane, facts: Facts) -> frozenset[str]:
    """Return the ids of everything that is in the cloud now."""
    none: frozenset[str] = frozenset()
    return frozenset(Evidence(lane, facts, none, may_go=none).there)


def twice(values: Iterable[Any]) -> list[Any]:
    """Return what is there more than once."""
    seen: set[Any] = set()
    return [each for each in values if each in seen or seen.add(each)]  # type: ignore[func-returns-value]
