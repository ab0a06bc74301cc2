"""The judge sees what is wrong: each rule is shown a world in which one thing is not true."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from cloud import accounts
from cloud.accounts import MAIN, PARTNER
from integration.matrix import judge
from integration.matrix.evidence import Evidence
from integration.matrix.lanes import Lane, Prepared
from integration.matrix.trial import Trial
from integration.matrix.worlds import HOME

After = tuple[Prepared, frozenset[str]]
SCENARIO = "recovery_point.create"
RUN = f"kind = '{SCENARIO}'"


@dataclass(frozen=True, slots=True)
class Scene:
    """A world after a clean run, in a lane."""

    lane: Lane
    after: Prepared
    before: frozenset[str]

    def look(self) -> Evidence:
        """Return the evidence as it is now."""
        facts = self.after.facts
        return Evidence(self.lane, facts, self.before, may_go=facts.may_go)

    def sql(self, statement: str) -> None:
        """Let Mavis's rows say something else."""
        with closing(sqlite3.connect(self.lane.database)) as database, database:
            assert database.execute(statement).rowcount

    def ec2(self, act: Callable[[Any, Evidence], object]) -> None:
        """Let somebody do something in the cloud."""
        with accounts.ec2(self.lane.simulator.url, MAIN, HOME) as client:
            act(client, self.look())


@pytest.fixture(scope="module")
def afters(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], After]:
    """Return what there is after a scenario's clean run, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("judge")

    @functools.cache
    def after(scenario: str) -> After:
        world = trial.world(scenario).result()

        def carry_out(lane: Lane) -> Prepared:
            lane.clean_run(world.prepared)
            return lane.keep(scenario, world.prepared.facts, folder / scenario)

        return trial.in_a_lane(carry_out).result(), world.before

    return after


@pytest.fixture(scope="module")
def after(afters: Callable[[str], After]) -> After:
    return afters(SCENARIO)


def _judged(trial: Trial, after: After, tamper: Callable[[Scene], None]) -> list[str]:
    def judged(lane: Lane) -> list[str]:
        prepared, before = after
        lane.restore(prepared)
        scene = Scene(lane, prepared, before)
        tamper(scene)
        evidence, scenario = scene.look(), prepared.scenario
        return [*judge.wrong_now(scenario, evidence), *judge.wrong_later(scenario, evidence)]

    return trial.in_a_lane(judged).result()


def _a_snapshot(evidence: Evidence) -> Any:
    return next(one for one in evidence.snapshots.values() if "mavis:run" in one.tags)


def _machine(evidence: Evidence) -> str:
    return next(iter(evidence.facts.disks))


def _volume(evidence: Evidence) -> str:
    return evidence.facts.disks[_machine(evidence)]["/dev/sdf"]


def _delete(scene: Scene) -> None:
    scene.ec2(lambda ec2, now: ec2.delete_snapshot(SnapshotId=_a_snapshot(now).snapshot_id))


def _double(scene: Scene) -> None:
    def again(ec2: Any, now: Evidence) -> None:
        seen = _a_snapshot(now)
        tags = [{"Key": key, "Value": value} for key, value in seen.tags.items()]
        ec2.create_snapshot(
            VolumeId=seen.volume_id,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
        )

    scene.ec2(again)


def _orphan(scene: Scene) -> None:
    scene.ec2(lambda ec2, now: ec2.create_volume(AvailabilityZone=f"{HOME}a", Size=1))


def _rewritten(scene: Scene) -> None:
    volume = _volume(scene.look())
    scene.lane.simulator.write(volume, {0: b"something else"})


def _detached(scene: Scene) -> None:
    scene.ec2(lambda ec2, now: ec2.detach_volume(VolumeId=_volume(now), Force=True))


def _stopped(scene: Scene) -> None:
    scene.ec2(lambda ec2, now: ec2.stop_instances(InstanceIds=[_machine(now)]))


def _stopped_by_a_run_that_failed(scene: Scene) -> None:
    scene.sql(f"UPDATE runs SET state = 'failed' WHERE {RUN}")
    _stopped(scene)


def _stopped_and_owed(scene: Scene) -> None:
    scene.sql(
        "UPDATE intents SET action = 'cloud.StartInstances (owed)', state = 'open',"
        f" target = '{_machine(scene.look())}'"
    )
    _stopped(scene)


def _deleted_though_it_was_there(scene: Scene) -> None:
    def delete(ec2: Any, now: Evidence) -> None:
        ec2.deregister_image(ImageId=next(one for one in now.before if one.startswith("ami-")))

    scene.ec2(delete)


def _not_thawed(scene: Scene) -> None:
    folder = scene.lane.simulator.folder(_machine(scene.look()))
    (folder / "log").write_text("pre\npost\npre\n", encoding="utf-8")


def _shared(scene: Scene) -> None:
    scene.ec2(
        lambda ec2, now: ec2.modify_snapshot_attribute(
            SnapshotId=_a_snapshot(now).snapshot_id,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[PARTNER],
        )
    )


def _unlocked(scene: Scene) -> None:
    scene.ec2(lambda ec2, now: ec2.unlock_snapshot(SnapshotId=_a_snapshot(now).snapshot_id))


def _row(statement: str) -> Callable[[Scene], None]:
    return lambda scene: scene.sql(statement)


@pytest.mark.parametrize(
    ("tamper", "seen"),
    [
        pytest.param(_delete, "the cloud has no snapshot of", id="a member is gone"),
        pytest.param(_double, "has two snapshots of", id="a double"),
        pytest.param(_orphan, "is nobody's", id="an orphan"),
        pytest.param(_rewritten, "has other bytes", id="other bytes"),
        pytest.param(_detached, "has neither its old volumes nor", id="a volume is off"),
        pytest.param(_stopped, "nobody owes its start", id="the machine does not run"),
        pytest.param(
            _stopped_by_a_run_that_failed,
            "nobody owes its start",
            id="a failed Run leaves the machine stopped",
        ),
        pytest.param(
            _stopped_and_owed, "a day later: i-", id="the machine does not run a day later"
        ),
        pytest.param(_not_thawed, "out of turn", id="a machine that nobody thawed"),
        pytest.param(_deleted_though_it_was_there, "is lost", id="a thing is lost"),
        pytest.param(
            _deleted_though_it_was_there, "nobody allowed it", id="a deletion that nobody allowed"
        ),
        pytest.param(
            _row(f"UPDATE runs SET state = 'failed' WHERE {RUN}"),
            "and everything is there",
            id="a failure that is none",
        ),
        pytest.param(
            _row(f"UPDATE runs SET state = 'failed' WHERE {RUN}"),
            "does not say why",
            id="a failure without a reason",
        ),
        pytest.param(
            _row(f"UPDATE runs SET state = 'running' WHERE {RUN}"),
            "is running after 1 attempts",
            id="a Run without an end",
        ),
        pytest.param(
            _row("UPDATE copies SET state = 'failed'"),
            "the Run has succeeded, and",
            id="a success that is none",
        ),
        pytest.param(
            _row("UPDATE copies SET state = 'partial'"),
            "is partial, and every volume's snapshot is there",
            id="partial and whole",
        ),
        pytest.param(
            _row("UPDATE copies SET state = 'gone'"), "is gone, and snap-", id="gone and there"
        ),
        pytest.param(
            _row("UPDATE copies SET state = 'expiring'"), "is expiring", id="never comes to an end"
        ),
        pytest.param(
            _row("UPDATE intents SET state = 'open'"), "the ledger is open", id="an open line"
        ),
        pytest.param(
            _row("""UPDATE recovery_points SET lock = '{"mode": "governance"}'"""),
            "is locked, and snap-",
            id="a lock that is none",
        ),
        pytest.param(
            _delete, "DeleteSnapshot took effect 1 times and was recorded 0", id="no record"
        ),
    ],
)
def test_the_judge_sees(
    trial: Trial,
    after: After,
    tamper: Callable[[Scene], None],
    seen: str,
) -> None:
    found = _judged(trial, after, tamper)
    assert any(seen in each for each in found), found


@pytest.mark.parametrize(
    ("scenario", "tamper", "seen"),
    [
        pytest.param(
            "recovery_point.copy cancelled",
            _row("UPDATE copies SET state = 'partial' WHERE role = 'copy'"),
            "the Run is cancelled, and cop_",
            id="a cancelled Run left a half",
        ),
        pytest.param(
            "recovery_point.copy cancelled", _shared, "is still shared", id="it left a share"
        ),
        pytest.param(
            "recovery_point.unlock refused",
            _unlocked,
            "the Run is failed, and snap-",
            id="a refused unlock left one unlocked",
        ),
        pytest.param(
            "recovery_point.unlock refused",
            _row("UPDATE runs SET state = 'succeeded' WHERE kind = 'recovery_point.unlock'"),
            "the Run has succeeded, and rp_",
            id="a refused unlock says that it has succeeded",
        ),
    ],
)
def test_the_judge_sees_where_a_run_is_not_to_succeed(
    trial: Trial,
    afters: Callable[[str], After],
    scenario: str,
    tamper: Callable[[Scene], None],
    seen: str,
) -> None:
    found = _judged(trial, afters(scenario), tamper)
    assert any(seen in each for each in found), found


def test_a_machine_may_be_stopped_for_as_long_as_its_start_is_owed(
    trial: Trial, after: After
) -> None:
    unrecorded = "StopInstances took effect 1 times and was recorded 0 times"  # it was the test
    found = _judged(trial, after, _stopped_and_owed)
    assert unrecorded in found
    found = [each for each in found if each != unrecorded]
    assert found
    assert all(each.startswith("a day later: ") for each in found), found


def test_the_judge_finds_nothing_wrong_where_nothing_is(trial: Trial, after: After) -> None:
    assert _judged(trial, after, lambda _: None) == []
