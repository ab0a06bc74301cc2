"""The rules of the shipped fake cloud, by which tests let calls go wrong."""

from __future__ import annotations

import pytest

from mavis_core.contract import (
    CommandResult,
    CommandState,
    Connection,
    EnvironmentSettings,
    Health,
    InstanceState,
    NewVolume,
    OnBehalf,
    SnapshotState,
    VolumeState,
)
from mavis_core.errors import CloudDenied, CloudUnreachable, CloudVanished
from mavis_core.testing.cloud import (
    ACTIONS,
    Call,
    FakeCloud,
    FakeInstance,
    FakeKit,
    Rule,
    broken,
    command_ends,
    during,
    invisible,
    lose_reply,
    refuse,
    throttle,
    vanishing,
)

ACCOUNT, HERE, THERE = "111111111111", "here-1", "there-1"


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture
def web(cloud: FakeCloud) -> FakeInstance:
    return cloud.launch(ACCOUNT, HERE, "web-1", sizes=(8, 20))


@pytest.fixture
def connection(cloud: FakeCloud) -> Connection:
    settings = EnvironmentSettings("env_1", "shop", ACCOUNT, (HERE, THERE))
    return FakeKit(cloud).connect(settings, None, OnBehalf("alice", "cor_1"))


def _take(connection: Connection, web: FakeInstance) -> list[str]:
    taken = connection.snapshots.create(
        HERE, web.id, volume_ids=web.volumes, description="", tags={"mavis:test": "1"}
    )
    return [one.cloud_id for one in taken]


def test_what_is_made_can_be_invisible_for_some_looks(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    cloud.rules.append(invisible("snapshots.create", looks=2))
    ids = _take(connection, web)
    for _ in range(2):
        assert not connection.snapshots.find(HERE, tag="mavis:test", values=["1"])
    assert len(connection.snapshots.find(HERE, tag="mavis:test", values=["1"])) == 2
    assert len(connection.snapshots.describe(HERE, ids)) == 2


def test_what_is_invisible_cannot_be_used(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    cloud.rules.append(invisible("snapshots.create", looks=1))
    first, _ = _take(connection, web)
    new = NewVolume(first, "here-1a")
    with pytest.raises(CloudVanished, match=first):
        connection.volumes.create(HERE, new, tags={}, token="t-1")
    assert connection.volumes.create(HERE, new, tags={}, token="t-1").snapshot_id == first


def test_what_is_made_can_vanish(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    cloud.rules.append(vanishing("snapshots.create"))
    ids = _take(connection, web)
    assert ids
    assert not cloud.snapshots
    with pytest.raises(CloudVanished):
        connection.snapshots.describe(HERE, ids)


def test_what_is_made_can_be_given_up(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    cloud.rules += [broken("snapshots.create", "no room", times=1), broken("volumes.create")]
    ids = _take(connection, web)
    found = connection.snapshots.describe(HERE, ids)
    assert {(one.state, one.message) for one in found} == {(SnapshotState.ERROR, "no room")}
    good, _ = _take(connection, web)
    made = connection.volumes.create(HERE, NewVolume(good, "here-1a"), tags={}, token="t-1")
    assert connection.volumes.describe(HERE, [made.cloud_id])[0].state is VolumeState.ERROR
    cloud.fail(web.id)
    assert connection.instances.describe(HERE, [web.id])[0].health is Health.IMPAIRED


def test_a_command_ends_as_the_rule_says_or_as_the_instance_does(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    def send() -> CommandResult:
        made = connection.commands.send(HERE, web.id, "freeze", timeout_s=9, comment="test")
        return connection.commands.result(HERE, web.id, made)

    late = CommandResult(CommandState.TIMED_OUT, None, "")
    assert send() == CommandResult(CommandState.SUCCEEDED, 0, "")
    cloud.rules.append(command_ends(late))
    assert send() == late
    web.runs = lambda command: CommandResult(CommandState.FAILED, 2, command.script)
    assert send() == CommandResult(CommandState.FAILED, 2, "freeze")
    assert [one.script for one in cloud.commands.values()] == ["freeze"] * 3


def test_a_rule_chooses_its_calls(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    ids = _take(connection, web)

    def second(call: Call) -> bool:
        return call.arguments["cloud_id"] == ids[1]

    denied = refuse("snapshots.delete", CloudDenied("no"))
    denied.when = second
    cloud.rules.append(denied)
    connection.snapshots.delete(HERE, ids[0])
    with pytest.raises(CloudDenied):
        connection.snapshots.delete(HERE, ids[1])
    assert list(cloud.snapshots) == [ids[1]]


def test_a_rule_lets_calls_pass_before_it_begins(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    rule = lose_reply("snapshots.create")
    rule.skip = 2
    cloud.rules.append(rule)
    _take(connection, web)
    _take(connection, web)
    with pytest.raises(CloudUnreachable):
        _take(connection, web)
    assert len(cloud.snapshots) == 6


def test_rules_see_what_was_made_and_may_change_the_cloud(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    seen: list[str] = []
    cloud.rules += [
        Rule("snapshots.create", after=lambda call: seen.extend(call.made)),
        during("snapshots.describe", lambda call: call.cloud.vanish(seen[0])),
        throttle("snapshots.find", times=2),
    ]
    ids = _take(connection, web)
    assert seen == ids == [made for made in cloud.made if made.startswith("snap-")]
    with pytest.raises(CloudVanished, match=ids[0]):
        connection.snapshots.describe(HERE, ids)
    assert cloud.tagged("mavis:test") == cloud.tagged("mavis:test", "1") == [ids[1]]
    assert [call.arguments["cloud_ids"] for call in cloud.called("snapshots.describe")] == [
        tuple(ids)
    ]


def test_what_is_new_can_take_its_time(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    good, _ = _take(connection, web)
    cloud.snapshots_complete = cloud.volumes_ready = cloud.instances_run = False
    slow, _ = _take(connection, web)
    cloud.progress(slow, 40)
    assert connection.snapshots.describe(HERE, [slow])[0].progress_percent == 40
    cloud.complete(slow)
    assert connection.snapshots.describe(HERE, [slow])[0].state is SnapshotState.COMPLETED
    volume = connection.volumes.create(HERE, NewVolume(good, "here-1a"), tags={}, token="t-1")
    assert volume.state is VolumeState.CREATING
    cloud.complete(volume.cloud_id)
    assert connection.volumes.describe(HERE, [volume.cloud_id])[0].state is VolumeState.AVAILABLE
    web.state = "pending"
    assert connection.instances.describe(HERE, [web.id])[0].state is InstanceState.PENDING
    cloud.complete(web.id)
    assert connection.instances.describe(HERE, [web.id])[0].state is InstanceState.RUNNING


def test_an_agent_in_an_isolated_place_does_not_answer(
    cloud: FakeCloud, connection: Connection, web: FakeInstance
) -> None:
    place = connection.networks.isolate(HERE, subnet_id=None, name="closed", tags={})
    web.details["security_groups"] = [place.security_group]
    assert connection.commands.reachable(HERE, [web.id]) == frozenset()
    cloud.isolated_agents = True
    assert connection.commands.reachable(HERE, [web.id]) == {web.id}


def test_every_action_has_a_group() -> None:
    assert set(ACTIONS.values()) == {
        *("read", "write", "snapshot", "copy", "launch", "delete", "command", "block")
    }
