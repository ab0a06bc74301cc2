"""Verification: bytes, an isolated instance that lives, a check on it, and nothing left."""

from __future__ import annotations

import hashlib
import itertools
import struct
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core_double import ACCOUNT, REGION
from mavis_core.contract import Block, CommandResult, CommandState, EnvironmentSettings, OnBehalf
from mavis_core.errors import (
    CloudDenied,
    CloudError,
    CloudUnreachable,
    CloudVanished,
    Conflict,
    Internal,
    Interrupted,
)
from mavis_core.protection.restore.block_reading import BlockProof, read_blocks
from mavis_core.protection.restore.model import (
    STEPS,
    Before,
    Disks,
    RestoreState,
    check_restore_step,
)
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import (
    FakeCloud,
    FakeConnection,
    FakeGroup,
    FakeKit,
    broken,
    command_ends,
    during,
    lose_reply,
    refuse,
)
from restore_scene import LATER, OTHER, TAKEN, THERE, Scene, Template, make_template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def scene(template: Template, tmp_path: Path) -> Iterator[Scene]:
    made = template.copy(tmp_path)
    yield made
    made.core.close()


def digest_of(blocks: dict[int, bytes], size: int = 4096) -> str:
    """Return the digest of blocks by another way than the code's."""
    whole = b"".join(
        struct.pack(">Q", index) + hashlib.sha256(content.ljust(size, b"\0")).digest()
        for index, content in sorted(blocks.items())
    )
    return hashlib.sha256(whole).hexdigest()


def check_nothing_left(scene: Scene) -> None:
    assert scene.made_by(scene.restore) == []
    assert not scene.cloud.images
    assert not scene.cloud.groups
    assert scene.restore.made.nothing
    assert scene.bytes_at(scene.web) == list(LATER)


# What is proven


def test_the_proof_says_what_was_read_and_how_long_it_took(scene: Scene) -> None:
    restore = scene.done("recovery_point.verify")
    proof = scene.proof()
    assert (proof["ok"], proof["isolated"], proof["left"]) == (True, True, 0)
    assert (proof["restore"], proof["run"]) == (restore.id, scene.newest_run().id)
    assert [volume["digest"] for volume in proof["volumes"]] == [digest_of(one) for one in TAKEN]
    assert [(v["blocks"], v["of"], v["bytes"], v["sampled"]) for v in proof["volumes"]] == [
        (2, 2, 2 * 4096, False),
        (3, 3, 3 * 4096, False),
    ]
    assert set(proof["seconds"]) == {"blocks", "launch", "alive", "removal", "to_restore"}
    check_nothing_left(scene)


def test_it_is_launched_where_nothing_reaches_it(scene: Scene) -> None:
    seen = []

    def look(_: object) -> None:
        (one,) = (i for i in scene.cloud.instances.values() if i.id != scene.web.id)
        seen.append((one.details["security_groups"], sorted(scene.cloud.groups)))
        assert "profile" not in one.details
        assert "key_name" not in one.details

    scene.cloud.rules.append(during("instances.clean", look))
    scene.done("recovery_point.verify")
    ((groups, isolated),) = seen
    assert groups == isolated


def test_it_verifies_a_copy_in_another_account(scene: Scene) -> None:
    scene.copy_to("dr", OTHER, THERE)
    restore = scene.done("recovery_point.verify", environment="dr")
    assert scene.proof()["copy"] == restore.copy_id != scene.point.primary.id
    assert scene.proof()["region"] == THERE
    assert {
        call.account
        for call in scene.cloud.calls
        if call.action in ("instances.launch", "blocks.read")
    } == {OTHER}


def test_a_check_runs_where_the_agent_answers(scene: Scene) -> None:
    scene.cloud.isolated_agents = True
    ended = CommandResult(CommandState.SUCCEEDED, 0, "12 tables are sound")
    scene.cloud.rules.append(command_ends(ended))
    scene.done("recovery_point.verify", check="#!/bin/sh\npg_check\n")
    assert scene.proof()["checks"] == [
        {"state": "succeeded", "exit_code": 0, "output": "12 tables are sound"}
    ]
    (sent,) = scene.cloud.called("commands.send")
    assert sent.arguments["script"] == "#!/bin/sh\npg_check\n"


def test_a_check_that_cannot_run_in_isolation_is_told_and_no_failure(scene: Scene) -> None:
    scene.done("recovery_point.verify", check="true")
    (check,) = scene.proof()["checks"]
    assert check["state"] == "not run"
    assert scene.proof()["ok"] is True


# What fails, truthfully


def test_a_check_that_was_demanded_and_cannot_run_fails(scene: Scene) -> None:
    scene.ask("recovery_point.verify", check="true", without_agent="fail")
    assert isinstance(scene.carry_out(), CloudVanished)
    check_failed(scene, "No agent answers")


def test_a_check_that_fails_shows_its_output(scene: Scene) -> None:
    scene.cloud.isolated_agents = True
    scene.cloud.rules.append(command_ends(CommandResult(CommandState.FAILED, 3, "no table orders")))
    scene.ask("recovery_point.verify", check="pg_check")
    assert isinstance(scene.carry_out(), Conflict)
    check_failed(scene, "no table orders")
    assert scene.proof()["checks"][0]["exit_code"] == 3


def test_a_block_that_arrives_damaged_again_and_again_fails(scene: Scene) -> None:
    damaged = CloudUnreachable("block 5 does not fit its checksum")
    rule = refuse("blocks.read", damaged, times=3)
    rule.when = lambda call: call.arguments["index"] == 5
    scene.cloud.rules.append(rule)
    scene.ask("recovery_point.verify")
    assert isinstance(scene.carry_out(), CloudUnreachable)
    check_failed(scene, "checksum")
    assert scene.cloud.called("instances.launch") == []


def test_a_block_that_arrives_whole_at_last_does_not(scene: Scene) -> None:
    scene.cloud.rules.append(refuse("blocks.read", CloudUnreachable("damaged"), times=2))
    scene.done("recovery_point.verify")
    assert scene.proof()["ok"] is True


def test_an_instance_that_does_not_boot_fails(scene: Scene) -> None:
    scene.cloud.rules.append(broken("instances.launch"))
    scene.ask("recovery_point.verify")
    assert isinstance(scene.carry_out(), CloudError)
    check_failed(scene, "impaired")


def test_the_time_that_was_given_ends_it(scene: Scene) -> None:
    scene.cloud.instances_run = False
    scene.ask("recovery_point.verify", timeout=60)
    late = during("instances.describe", lambda _: scene.pass_time(timedelta(seconds=61)))
    scene.cloud.rules.append(late)
    with scene.later():
        assert isinstance(scene.carry_out(), CloudError)
    check_failed(scene, "60 s")


def check_failed(scene: Scene, words: str) -> None:
    """It is told as failed on the point, the restore and the Run; and nothing is left."""
    proof, restore = scene.proof(), scene.restore
    assert (proof["ok"], proof["left"]) == (False, 0)
    assert words in proof["why"]
    assert restore.state is RestoreState.FAILED
    assert scene.newest_run().state is RunState.FAILED
    check_nothing_left(scene)


def test_what_could_not_be_removed_is_counted_in_the_proof(scene: Scene) -> None:
    scene.cloud.rules.append(
        refuse("instances.terminate", CloudDenied("may not terminate"), times=9)
    )
    scene.ask("recovery_point.verify")
    assert isinstance(scene.carry_out(), CloudDenied)
    proof = scene.proof()
    assert proof["ok"] is False
    assert proof["left"] > 0
    assert scene.restore.state is RestoreState.LEFT_OVER
    scene.cloud.rules.clear()
    with scene.later(timedelta(hours=2)):
        scene.core.new_timetable().tick()
        assert scene.carry_out() is None
    check_nothing_left(scene)


def test_something_that_was_made_behind_our_back_is_found(scene: Scene) -> None:
    def add(_: object) -> None:
        volume = scene.cloud.volumes[scene.old[0]]
        volume.tags["mavis:restore"] = scene.restore.id

    scene.cloud.rules.append(during("networks.remove", add))
    scene.ask("recovery_point.verify")
    error = scene.carry_out()
    assert error is not None
    assert f"{scene.old[0]} of the verification" in error.message
    assert (scene.proof()["ok"], scene.proof()["left"]) == (False, 1)
    assert scene.old[0] in scene.cloud.volumes


def test_a_group_that_was_made_behind_our_back_is_found(scene: Scene) -> None:
    def add(_: object) -> None:
        tags = {"mavis:restore": scene.restore.id}
        scene.cloud.groups["sg-1"] = FakeGroup("sg-1", ACCOUNT, REGION, "theirs", "net", tags)

    scene.cloud.rules.append(during("instances.launch", add))
    scene.ask("recovery_point.verify")
    error = scene.carry_out()
    assert error is not None
    assert "sg-1 of the verification" in error.message
    assert (scene.proof()["ok"], scene.proof()["left"]) == (False, 1)
    assert list(scene.cloud.groups) == ["sg-1"]


@pytest.mark.parametrize("looks", [0, 1], ids=["shown", "not shown yet"])
def test_a_group_of_which_nobody_knew_goes_later(scene: Scene, looks: int) -> None:
    scene.cloud.rules += [
        lose_reply("networks.isolate", times=5),
        refuse("networks.find", CloudDenied("may not look")),
    ]
    scene.ask("recovery_point.verify")
    error = scene.carry_out()
    assert error is not None
    assert "may not look" in error.message
    (group,) = scene.cloud.groups
    assert (scene.restore.state, scene.made_by(scene.restore)) == (
        RestoreState.LEFT_OVER,
        [group],
    )
    scene.cloud.hide(group, looks)
    with scene.later(timedelta(hours=2)):
        scene.core.new_timetable().tick()
        assert scene.carry_out() is None
    check_nothing_left(scene)


# Reading blocks


@pytest.fixture
def connection() -> FakeConnection:
    cloud = FakeCloud()
    settings = EnvironmentSettings("env_1", "main", ACCOUNT, ("here-1",))
    return FakeKit(cloud).connect(settings, None, OnBehalf("olga", "cor_1"))


def read(
    connection: FakeConnection, content: dict[int, bytes], limit: int, stop: threading.Event
) -> tuple[BlockProof, list[int]]:
    """Read a snapshot of `content`; return the proof, and which blocks were read."""
    cloud = connection._door.cloud
    made = cloud.launch(ACCOUNT, "here-1", "x")
    cloud.write(made.volumes[0], content)
    (snapshot,) = connection.snapshots.create(
        "here-1", made.id, volume_ids=made.volumes, description="", tags={}
    )
    proof = read_blocks(
        connection.blocks,
        "here-1",
        volume_id=made.volumes[0],
        snapshot_id=snapshot.cloud_id,
        limit=limit,
        threads=3,
        stop=stop,
        say=lambda _done, _of: None,
    )
    indexes = [int(str(call.arguments["index"])) for call in cloud.called("blocks.read")]
    return proof, sorted(indexes)


@pytest.mark.parametrize(
    ("total", "limit", "wanted"),
    [
        pytest.param(0, 0, 0, id="an empty volume"),
        pytest.param(0, 5, 0, id="an empty volume, sampled"),
        pytest.param(7, 0, 7, id="all"),
        pytest.param(7, 7, 7, id="as many as there are"),
        pytest.param(7, 9, 7, id="more than there are"),
        pytest.param(450, 9, 9, id="a sample over several pages"),
        pytest.param(450, 449, 449, id="all but one"),
        pytest.param(450, 1, 1, id="one"),
    ],
)
def test_a_sample_is_even_and_told(
    connection: FakeConnection, total: int, limit: int, wanted: int
) -> None:
    content = {3 * number: b"%d" % number for number in range(total)}
    proof, indexes = read(connection, content, limit, threading.Event())
    assert (proof.blocks, proof.total, proof.sampled) == (wanted, total, wanted < total)
    assert proof.digest == digest_of({index: content[index] for index in indexes})
    gaps = {second - first for first, second in itertools.pairwise(indexes)}
    assert len(gaps) <= 2, "distances differ by one at most"


def test_the_digest_depends_on_every_block_and_its_place(connection: FakeConnection) -> None:
    contents = ({0: b"a", 1: b"b"}, {0: b"b", 1: b"a"}, {0: b"a", 2: b"b"}, {0: b"a"})
    digests = {read(connection, one, 0, threading.Event())[0].digest for one in contents}
    assert len(digests) == len(contents)


def test_reading_ends_when_the_process_does(connection: FakeConnection) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        read(connection, {0: b"a"}, 0, stop)


def test_a_token_of_another_block_opens_nothing(connection: FakeConnection) -> None:
    with pytest.raises(Exception, match=r"token|snapshot"):
        connection.blocks.read("here-1", "snap-1", Block(1, "odd"))


# The states


def test_what_has_ended_stays_as_it_is() -> None:
    ended = [state for state in RestoreState if not STEPS[state]]
    assert set(ended) == {
        RestoreState.FAILED,
        RestoreState.CANCELLED,
        RestoreState.UNDONE,
        RestoreState.FINAL,
    }
    for before in RestoreState:
        for after in RestoreState:
            if after in STEPS[before] or before is after:
                check_restore_step(before, after, what="it")
            else:
                with pytest.raises(Internal):
                    check_restore_step(before, after, what="it")


def test_the_order_of_disks_outlives_a_database_that_sorts_names() -> None:
    before = Before("i-1", {"/dev/xvda": "vol-2", "/dev/sdb": ""}, True, "run_1", Disks.BETWEEN)
    kept = dict(sorted(before.to_json().items()))
    assert Before.from_json(kept) == before
    assert list(Before.from_json(kept).devices) == ["/dev/xvda", "/dev/sdb"]
