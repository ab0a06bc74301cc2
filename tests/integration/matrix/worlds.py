"""What scenarios' worlds are made of: machines with bytes, the project, points, keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloud import accounts
from cloud.accounts import MAIN, PARTNER
from cloud.seed import Machine, launch, register_image
from integration.matrix.orders import Facts
from integration.matrix.stage import SHOP, Stage
from mavis_core.db import tables
from mavis_core.scheduling.model import Run

HOME, AWAY = "eu-central-1", "us-east-1"
PLAN = "nightly"
Place = tuple[str, str]
_DEVICES = ("/dev/sda1", "/dev/sdf")  # as `cloud.seed.launch` names them


@dataclass(frozen=True, slots=True)
class Fleet:
    """Machines, and the digests of what their volumes hold."""

    machines: tuple[Machine, ...]
    content: Mapping[str, str]

    def facts(
        self,
        run: Run,
        *,
        elsewhere: Sequence[Place] = (),
        later: Mapping[str, str] | None = None,
        may_go: Sequence[str] = (),
        may_go_later: Sequence[str] = (),
    ) -> Facts:
        """Return the facts of a world with these machines, and of the Run that is asked for."""
        return Facts(
            run.id,
            ((MAIN, HOME), *elsewhere),
            {
                machine.instance_id: dict(zip(_DEVICES, machine.volume_ids, strict=True))
                for machine in self.machines
            },
            self.content,
            later or {},
            frozenset(may_go),
            frozenset(may_go_later),
        )


def fleet(stage: Stage, *names: str, kms_key: str | None = None) -> Fleet:
    """Make machines with a root and a data volume, both with bytes."""
    with accounts.ec2(stage.endpoint, MAIN, HOME) as client:
        image = register_image(client, "base")
        made = [
            launch(client, MAIN, HOME, name, (8, 20), image=image, kms_key=kms_key)
            for name in names
        ]
    return Fleet(tuple(made), written(stage, made, "taken"))


def written(stage: Stage, machines: Sequence[Machine], words: str) -> dict[str, str]:
    """Write into the volumes of machines; return the digests of what they hold then."""
    return {
        volume: stage.write(volume, {0: b"boot", number: f"{volume} {words}".encode()})
        for machine in machines
        for number, volume in enumerate(machine.volume_ids, start=1)
    }


def shop(stage: Stage, *names: str, kms_key: str | None = None, partner: bool = False) -> Fleet:
    """Make the project over the main account, and machines that it has discovered.

    Parameters
    ----------
    partner
        Whether it has the other account, too.
    """
    made = fleet(stage, *names, kms_key=kms_key)
    environments: list[tuple[str, str, Sequence[str]]] = [("main", MAIN, [HOME, AWAY])]
    if partner:
        environments.append(("dr", PARTNER, [HOME]))
    stage.shop(*environments)
    stage.done("inventory.discover")
    return made


def point(stage: Stage, name: str = "web-1") -> str:
    """Take a recovery point of a machine; return its id."""
    return str(stage.done("recovery_point.create", name).result["recovery_point"])


def shared_key(stage: Stage) -> str:
    """Make a key of the main account that the other one may use; return its ARN."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{account}:root" for account in (MAIN, PARTNER)]},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return _key(stage, MAIN, policy)


def partners_key(stage: Stage) -> str:
    """Make a key of the other account; return its ARN."""
    return _key(stage, PARTNER, None)


def _key(stage: Stage, account: str, policy: str | None) -> str:
    with accounts.client("kms", stage.endpoint, account, HOME) as kms:
        made = kms.create_key(**({"Policy": policy} if policy else {}))
    return str(made["KeyMetadata"]["Arn"])


def snapshots_of(stage: Stage, run_id: str) -> list[str]:
    """Return the volume snapshots of the points that a Run made."""
    points, copies, members = tables.recovery_points, tables.copies, tables.copy_members
    query = (
        sa.select(members.c.cloud_id)
        .join(copies, copies.c.id == members.c.copy_id)
        .join(points, points.c.id == copies.c.point_id)
        .where(points.c.run_id == run_id)
    )
    with stage.database.read() as tx:
        return [one for one in tx.scalars(query) if one]


def copied_by(stage: Stage, run_id: str) -> list[str]:
    """Return the volume snapshots that a Run has copied."""
    copies, members = tables.copies, tables.copy_members
    query = (
        sa.select(members.c.cloud_id)
        .join(copies, copies.c.id == members.c.copy_id)
        .where(copies.c.run_id == run_id, copies.c.role == "copy")
    )
    with stage.database.read() as tx:
        return [one for one in tx.scalars(query) if one]


def forget_points(stage: Stage) -> None:
    """Lose what the database knows of recovery points, and of the calls that made them."""
    lost = (tables.copy_members, tables.copies, tables.recovery_points, tables.intents)
    with stage.database.write() as tx:
        for table in lost:
            tx.execute(sa.delete(table))


def queued(stage: Stage, action: str) -> Run:
    """Return the Run of an action that waits to be taken up."""
    runs = tables.runs
    query = sa.select(runs.c.id).where(runs.c.kind == action, runs.c.state == "queued")
    with stage.database.read() as tx:
        run_id = tx.execute(query).scalar_one()
    return stage.runs.get(stage.ada, SHOP, run_id)
