"""What the AWS kit does for protection in its own way; the common promises are the suite's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud import accounts
from cloud.client import Simulator
from cloud.witness import Witness
from cloud_benches import AwsBench
from mavis_core.contract import (
    Block,
    Connection,
    Disk,
    Launch,
    LockMode,
    NewVolume,
    ResourceKind,
    SnapshotLock,
)
from mavis_core.errors import (
    CloudDenied,
    CloudError,
    CloudInUse,
    CloudUnreachable,
    InvalidInput,
)
from mavis_core.kits.aws.forms import check_token
from mavis_core.kits.aws.operations import OPERATIONS
from mavis_core.kits.aws.sessions import moment
from mavis_core.testing.cloud_bench import ALICE, Launched, Waits
from mavis_core.testing.cloud_conformance.promises import completed, discovered, eventually, marked

REGION = "eu-central-1"


@pytest.fixture
def bench(simulator: Simulator, aws_environment: Path) -> Iterator[AwsBench]:
    with ExitStack() as stack:
        yield AwsBench(simulator, stack)


@pytest.fixture
def connection(bench: AwsBench) -> Iterator[Connection]:
    connection = bench.kit.connect(bench.here, bench.key, ALICE)
    yield connection
    connection.close()


@pytest.fixture
def machine(bench: AwsBench) -> Launched:
    return bench.launch(REGION, "web-1", (8,), {})


@pytest.fixture
def source(connection: Connection, machine: Launched) -> str:
    (taken,) = completed(connection, REGION, machine)
    return taken


def _launch(source: str, **change: Any) -> Launch:
    return Launch("t3.small", "x86_64", (Disk("/dev/sda1", source),), **change)


def _calls(simulator: Simulator, action: str) -> int:
    return len([c for c in simulator.calls(action) if "mavis person/" in c["user_agent"]])


# what is sent again


@pytest.mark.parametrize(
    ("action", "act"),
    [
        pytest.param(
            "CreateVolume",
            lambda c, source: c.volumes.create(
                REGION, NewVolume(source, "eu-central-1a"), tags=marked(), token="token-1"
            ),
            id="CreateVolume",
        ),
        pytest.param(
            "RunInstances",
            lambda c, source: c.instances.launch(
                REGION, _launch(source), tags=marked(), token="token-1"
            ),
            id="RunInstances",
        ),
        pytest.param(
            "DeleteSnapshot", lambda c, source: c.snapshots.delete(REGION, source), id="delete"
        ),
        pytest.param(
            "ModifySnapshotAttribute",
            lambda c, source: c.copies.share(REGION, [source], "222222222222"),
            id="share",
        ),
        pytest.param(
            "LockSnapshot",
            lambda c, source: c.locks.lock(
                REGION,
                source,
                SnapshotLock(LockMode.GOVERNANCE, datetime.now(UTC) + timedelta(days=2)),
            ),
            id="lock",
        ),
    ],
)
def test_a_call_that_harms_nothing_twice_is_sent_again(
    simulator: Simulator,
    connection: Connection,
    source: str,
    action: str,
    act: Callable[[Connection, str], object],
) -> None:
    simulator.fault(action, "lost_reply")
    act(connection, source)
    assert _calls(simulator, action) == 2


@pytest.mark.parametrize(
    ("action", "act"),
    [
        pytest.param(
            "RegisterImage",
            lambda c, source: c.instances.launch(
                REGION, _launch(source), tags=marked(), token="token-1"
            ),
            id="RegisterImage",
        ),
        pytest.param(
            "CreateSecurityGroup",
            lambda c, source: c.networks.isolate(
                REGION, subnet_id=None, name="closed", tags=marked()
            ),
            id="CreateSecurityGroup",
        ),
        pytest.param(
            "CopySnapshot",
            lambda c, source: c.copies.copy(
                REGION,
                source_region=REGION,
                source_id=source,
                description="x",
                tags=marked(),
                kms_key=None,
            ),
            id="CopySnapshot",
        ),
    ],
)
def test_a_call_that_makes_something_is_sent_once_when_its_answer_is_lost(
    simulator: Simulator,
    connection: Connection,
    source: str,
    action: str,
    act: Callable[[Connection, str], object],
) -> None:
    simulator.fault(action, "lost_reply")
    with pytest.raises(CloudUnreachable):
        act(connection, source)
    assert _calls(simulator, action) == 1


def test_a_launch_whose_image_was_registered_unheard_goes_on_with_it(
    simulator: Simulator, connection: Connection, bench: AwsBench, source: str
) -> None:
    simulator.fault("RegisterImage", "lost_reply")
    with pytest.raises(CloudUnreachable):
        connection.instances.launch(REGION, _launch(source), tags=marked(), token="token-1")
    connection.instances.launch(REGION, _launch(source), tags=marked(), token="token-1")
    images = [one for one in bench.made(REGION) if one.startswith("ami-")]
    assert len(images) == 1


def test_a_group_that_was_made_unheard_is_closed_by_the_next_call(
    simulator: Simulator, connection: Connection, bench: AwsBench
) -> None:
    simulator.fault("CreateSecurityGroup", "lost_reply")
    with pytest.raises(CloudUnreachable):
        connection.networks.isolate(REGION, subnet_id=None, name="closed", tags=marked())
    place = connection.networks.isolate(REGION, subnet_id=None, name="closed", tags=marked())
    assert bench.ways(REGION, place.security_group) == 0


@pytest.mark.parametrize("effect", ["lost_reply", "error500_after"])
def test_an_unlock_whose_answer_is_lost_is_sent_again_and_finds_it_done(
    simulator: Simulator, connection: Connection, source: str, effect: str
) -> None:
    until = datetime.now(UTC) + timedelta(days=2)
    connection.locks.lock(REGION, source, SnapshotLock(LockMode.GOVERNANCE, until))
    simulator.fault("UnlockSnapshot", effect)
    connection.locks.unlock(REGION, source)
    assert connection.locks.locks(REGION, [source]) == {}
    assert _calls(simulator, "UnlockSnapshot") == 2


def test_a_group_that_cannot_be_closed_does_not_stay(
    simulator: Simulator, connection: Connection
) -> None:
    before = _groups(simulator)
    simulator.fault("RevokeSecurityGroupEgress", "deny")
    with pytest.raises(CloudDenied):
        connection.networks.isolate(REGION, subnet_id=None, name="closed", tags=marked())
    assert _groups(simulator) == before


def test_a_group_that_can_neither_be_closed_nor_removed_is_one_of_which_nobody_knows(
    simulator: Simulator, connection: Connection
) -> None:
    simulator.fault("RevokeSecurityGroupEgress", "deny")
    simulator.fault("DeleteSecurityGroup", "deny")
    with pytest.raises(CloudUnreachable, match="nor could sg-"):
        connection.networks.isolate(REGION, subnet_id=None, name="closed", tags=marked())


def _groups(simulator: Simulator) -> set[str]:
    return {one.id for one in Witness(simulator.url).groups(accounts.MAIN, REGION)}


# what is not shown at once


def test_an_image_that_is_not_shown_yet_is_waited_for(
    simulator: Simulator, bench: AwsBench, source: str
) -> None:
    waits = Waits()
    simulator.fault("RegisterImage", "invisible", seconds=0.2)
    connection = bench.kit.connect(bench.here, bench.key, ALICE, on_wait=waits)
    made = connection.instances.launch(REGION, _launch(source), tags=marked(), token="token-1")
    connection.close()
    assert made.cloud_id
    assert waits.told
    assert all("token-1" in reason for _, reason in waits.told)


def test_a_group_that_is_not_shown_yet_is_closed_all_the_same(
    simulator: Simulator, connection: Connection, bench: AwsBench
) -> None:
    simulator.fault("CreateSecurityGroup", "invisible", seconds=0.2)
    place = connection.networks.isolate(REGION, subnet_id=None, name="closed", tags=marked())
    assert bench.ways(REGION, place.security_group) == 0


# launches


def test_an_image_of_somebody_else_is_not_launched_from(
    connection: Connection, bench: AwsBench, source: str
) -> None:
    bench._ec2(REGION).register_image(
        Name="token-1",
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": source}}],
    )
    with pytest.raises(CloudInUse, match="token-1"):
        connection.instances.launch(REGION, _launch(source), tags=marked(), token="token-1")
    assert not connection.instances.find(REGION, tag="mavis:conformance", values=["one"])


def test_an_option_that_the_kit_does_not_know_is_named(
    connection: Connection, simulator: Simulator, source: str
) -> None:
    launch = _launch(source, options={"colour": "red"})
    with pytest.raises(InvalidInput, match="colour") as caught:
        connection.instances.launch(REGION, launch, tags=marked(), token="token-1")
    assert caught.value.field == "options"
    assert _calls(simulator, "RegisterImage") == 0


def test_a_token_is_for_one_launch(connection: Connection, source: str) -> None:
    launch = connection.instances.launch
    first = launch(REGION, _launch(source), tags=marked(), token="token-1")
    with pytest.raises(CloudError, match="token-1"):
        launch(REGION, _launch(source, key_name="other"), tags=marked(), token="token-1")
    assert [
        one.cloud_id
        for one in connection.instances.find(REGION, tag="mavis:conformance", values=["one"])
    ] == [first.cloud_id]


@pytest.mark.parametrize("token", ["", "ab", "x" * 65, "zoë-1", "a b c", "tok\n"])
def test_a_token_of_another_form_is_invalid(token: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_token(token)
    assert caught.value.field == "token"


@pytest.mark.parametrize("token", ["int_01jd3k4m5n6p7q8r9s0t1v2w3x", "a.b/c@d-e", "x" * 64])
def test_a_token_of_the_right_form_stays_as_it_is(token: str) -> None:
    assert check_token(token) == token


# volumes, locks, blocks


def test_speed_that_ec2_shows_and_does_not_take_is_left_out(
    connection: Connection, source: str
) -> None:
    new = NewVolume(source, "eu-central-1a", "gp2", iops=100, throughput_mibps=128)
    made = connection.volumes.create(REGION, new, tags=marked(), token="token-1")
    found = discovered(connection, REGION, ResourceKind.VOLUME)[made.cloud_id]
    assert found.details["type"] == "gp2"


def test_a_short_lock_lasts_a_day(connection: Connection, source: str) -> None:
    now = datetime.now(UTC)
    lock = SnapshotLock(LockMode.GOVERNANCE, now + timedelta(hours=1))
    connection.locks.lock(REGION, source, lock)
    until = connection.locks.locks(REGION, [source])[source].until
    assert timedelta(days=1) <= until - now < timedelta(days=1, hours=1)


def test_a_lock_that_is_long_enough_is_left_alone(
    simulator: Simulator, connection: Connection, source: str
) -> None:
    lock = SnapshotLock(LockMode.GOVERNANCE, datetime.now(UTC) + timedelta(days=5))
    for _ in range(3):
        connection.locks.lock(REGION, source, lock)
    assert len(simulator.calls("LockSnapshot")) == 1


def test_bytes_that_do_not_fit_their_checksum_are_refused(
    connection: Any, bench: AwsBench, machine: Launched
) -> None:
    bench.write(REGION, machine.volumes[0], {0: b"first"})
    (taken,) = completed(connection, REGION, machine)
    ((block,),) = connection.blocks.blocks(REGION, taken)
    assert isinstance(block, Block)

    def damage(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Checksum"] = "AAAA"

    events = connection._clients.ebs(REGION).meta.events
    events.register("after-call.ebs.GetSnapshotBlock", damage)
    with pytest.raises(CloudUnreachable, match="damaged"):
        connection.blocks.read(REGION, taken, block)


def test_a_volume_with_a_lost_key_vanishes(
    connection: Connection, bench: AwsBench, source: str
) -> None:
    new = NewVolume(source, "eu-central-1a", kms_key=bench.lost_key(REGION))
    connection.volumes.create(REGION, new, tags=marked(), token="token-1")
    eventually(lambda: not connection.volumes.find(REGION, tag="mavis:conformance", values=["one"]))


# the table and the clock of answers


def test_every_operation_has_a_known_service_and_group() -> None:
    assert {row.service for row in OPERATIONS.values()} == {"sts", "ec2", "ssm", "ebs"}
    assert {row.group for row in OPERATIONS.values()} == {
        *("read", "write", "snapshot", "copy", "launch", "delete", "command", "block")
    }
    once = {name for name, row in OPERATIONS.items() if not row.repeatable}
    assert once == {
        *("CreateSnapshots", "CopySnapshot", "RegisterImage", "SendCommand"),
        "CreateSecurityGroup",
    }


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        pytest.param(
            "2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), id="EC2"
        ),
        pytest.param("2026-01-02T03:04:05+00:00", datetime(2026, 1, 2, 3, 4, 5, 0, UTC), id="ISO"),
        pytest.param(1767323045.5, datetime(2026, 1, 2, 3, 4, 5, 500000, UTC), id="JSON"),
        pytest.param("1767323045", datetime(2026, 1, 2, 3, 4, 5, 0, UTC), id="number as text"),
        pytest.param(
            "Fri, 02 Jan 2026 03:04:05 GMT", datetime(2026, 1, 2, 3, 4, 5, 0, UTC), id="HTTP"
        ),
    ],
)
def test_moments_are_read_in_every_form_that_aws_writes(said: Any, meant: datetime) -> None:
    assert moment(said) == meant
    assert moment(said).utcoffset() == timedelta(0)
