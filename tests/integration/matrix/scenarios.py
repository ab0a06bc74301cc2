"""The worlds and Runs that meet faults. `prepare` happens once; its last act asks for the Run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cloud.accounts import MAIN, PARTNER
from cloud.client import attached
from integration.matrix import worlds
from integration.matrix.orders import Facts
from integration.matrix.stage import Stage, ago
from integration.matrix.worlds import AWAY, HOME, PLAN, Fleet


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a worker dies in the middle of a Run, which a person cancels then.

    The calls that meet faults are those of its clean-up.

    Parameters
    ----------
    action, number
        With the answer to the so many-th call of this action on its way.
    """

    action: str
    number: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is refused in each case of a scenario, besides the fault that it meets.

    Parameters
    ----------
    action, number
        The so many-th call of this action, counted from 1.
    """

    action: str
    number: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world and a Run.

    Parameters
    ----------
    name
        The job's action, or a little more.
    prepare
        Makes the world and asks for the Run, in a process of its own.
    cut, refusal
        What happens to the Run without any fault.
    """

    name: str
    prepare: Callable[[Stage], Facts]
    cut: Cut | None = None
    refusal: Refusal | None = None

    @property
    def ends(self) -> str:
        """The state in which its Run ends without a fault."""
        if self.cut is not None:
            return "cancelled"
        return "failed" if self.refusal is not None else "succeeded"


_SCRIPTS = {
    "pre": "touch ~/frozen; echo pre >> ~/log",
    "post": "rm -f ~/frozen; echo post >> ~/log",
    "timeout": "6s",
}


def _backup(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1", "db-1")
    stage.plan(PLAN, keep={"last": 3})
    return fleet.facts(stage.ask("backup.run", PLAN))


def _backup_with_scripts(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    stage.plan(PLAN, hooks=_SCRIPTS)
    return fleet.facts(stage.ask("backup.run", PLAN))


def _backup_of_two_with_scripts(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1", "db-1")
    stage.plan(PLAN, hooks=_SCRIPTS)
    return fleet.facts(stage.ask("backup.run", PLAN))


def _create(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    return fleet.facts(stage.ask("recovery_point.create", "web-1"))


def _retention(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1", "db-1")
    stage.plan(PLAN, max_delete_share=1.0)
    old = worlds.snapshots_of(stage, stage.done("backup.run", PLAN).id)
    stage.done("backup.run", PLAN)
    stage.change_plan(PLAN, keep={"last": 1}, max_delete_share=1.0)
    with ago(timedelta(0)):  # what the cloud took just now is not in the future
        return fleet.facts(stage.ask("retention.apply", PLAN), may_go=old)


def _copy_to_region(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    stage.plan(PLAN, copies=[{"environment": "main", "region": AWAY}])
    stage.done("backup.run", PLAN, alone=True)
    run = worlds.queued(stage, "copies.run")
    return fleet.facts(run, elsewhere=[(MAIN, AWAY)])


def _copy_to_account(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1", kms_key=worlds.shared_key(stage), partner=True)
    key = worlds.partners_key(stage)
    stage.plan(PLAN, copies=[{"environment": "dr", "region": HOME, "kms_key": key}])
    stage.done("backup.run", PLAN, alone=True)
    run = worlds.queued(stage, "copies.run")
    return fleet.facts(run, elsewhere=[(PARTNER, HOME)])


def _copy(stage: Stage) -> Facts:
    """Of an earlier copy into the same place half is there; it goes first."""
    fleet, arguments = _shared_shop(stage)
    point = worlds.point(stage)
    with attached(stage.endpoint) as simulator:
        simulator.fault("CopySnapshot", "broken")
    remains = stage.failed("recovery_point.copy", point, **arguments)
    old = worlds.copied_by(stage, remains.id)
    run = stage.ask("recovery_point.copy", point, **arguments)
    return fleet.facts(run, elsewhere=[(PARTNER, HOME)], may_go=old)


def _copy_alone(stage: Stage) -> Facts:
    fleet, arguments = _shared_shop(stage)
    run = stage.ask("recovery_point.copy", worlds.point(stage), **arguments)
    return fleet.facts(run, elsewhere=[(PARTNER, HOME)])


def _shared_shop(stage: Stage) -> tuple[Fleet, dict[str, str]]:
    """Make a machine that can be copied to the other account, and say how."""
    fleet = worlds.shop(stage, "web-1", kms_key=worlds.shared_key(stage), partner=True)
    return fleet, {"environment": "dr", "region": HOME, "kms_key": worlds.partners_key(stage)}


def _lock(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    asked = {"mode": "governance", "for": "7d"}
    run = stage.ask("recovery_point.lock", worlds.point(stage), **asked)
    return fleet.facts(run)


def _unlock(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    point = worlds.point(stage)
    stage.done("recovery_point.lock", point, mode="governance", **{"for": "7d"})
    return fleet.facts(stage.ask("recovery_point.unlock", point))


def _volumes(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    run = stage.ask("restore.volumes", worlds.point(stage), attach_to="web-1")
    return fleet.facts(run)


def _instance(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    return fleet.facts(stage.ask("restore.instance", worlds.point(stage)))


def _in_place(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    point = worlds.point(stage)
    later = worlds.written(stage, fleet.machines, "later")
    old = fleet.machines[0].volume_ids
    return fleet.facts(stage.ask("restore.in_place", point), later=later, may_go_later=old)


def _undo(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    point = worlds.point(stage)
    later = worlds.written(stage, fleet.machines, "later")
    done = stage.done("restore.in_place", point)
    run = stage.ask("restore.undo", done.result["restore"])
    old, new = fleet.machines[0].volume_ids, done.result["volumes"]
    return fleet.facts(run, later=later, may_go=new, may_go_later=old)


def _forget(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    point = worlds.point(stage)
    later = worlds.written(stage, fleet.machines, "later")
    with ago(timedelta(hours=25)):
        done = stage.done("restore.in_place", point)
    run = stage.ask("restore.forget", done.result["restore"])
    return fleet.facts(run, later=later, may_go=fleet.machines[0].volume_ids)


def _delete(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    made = stage.done("recovery_point.create", "web-1")
    run = stage.ask("recovery_point.delete", made.result["recovery_point"])
    return fleet.facts(run, may_go=worlds.snapshots_of(stage, made.id))


def _verify(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    return fleet.facts(stage.ask("recovery_point.verify", worlds.point(stage)))


def _catalogue(stage: Stage) -> Facts:
    fleet = worlds.shop(stage, "web-1")
    stage.plan(PLAN, copies=[{"environment": "main", "region": AWAY}])
    stage.done("backup.run", PLAN)
    worlds.forget_points(stage)
    return fleet.facts(stage.ask("catalogue.rebuild"), elsewhere=[(MAIN, AWAY)])


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("backup.run", _backup),
        Scenario("backup.run with scripts", _backup_with_scripts),
        Scenario(
            "backup.run cancelled", _backup_of_two_with_scripts, cut=Cut("CreateSnapshots", 2)
        ),
        Scenario("recovery_point.create", _create),
        Scenario("retention.apply", _retention),
        Scenario("copies.run to a region", _copy_to_region),
        Scenario("copies.run to an account", _copy_to_account),
        Scenario("recovery_point.copy", _copy),
        Scenario("recovery_point.copy cancelled", _copy_alone, cut=Cut("CopySnapshot", 2)),
        Scenario("recovery_point.lock", _lock),
        Scenario("recovery_point.unlock", _unlock),
        Scenario("recovery_point.unlock refused", _unlock, refusal=Refusal("UnlockSnapshot", 2)),
        Scenario("recovery_point.delete", _delete),
        Scenario("restore.volumes", _volumes),
        Scenario("restore.instance", _instance),
        Scenario("restore.in_place", _in_place),
        Scenario("restore.undo", _undo),
        Scenario("restore.forget", _forget),
        Scenario("recovery_point.verify", _verify),
        Scenario("catalogue.rebuild", _catalogue),
    )
}
