"""Restores beside the old machine: bytes, places, what is told before, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core_double import ACCOUNT, KERNEL, REGION, call
from mavis_core import clock
from mavis_core.access import Role, Scope
from mavis_core.contract import VolumeState
from mavis_core.db.paging import PageRequest
from mavis_core.errors import (
    CloudDenied,
    CloudError,
    CloudQuota,
    CloudVanished,
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
)
from mavis_core.protection.points.model import MemberState, PointState
from mavis_core.protection.points.rows import put_members, set_copy
from mavis_core.protection.restore import rows as restores
from mavis_core.protection.restore.model import RestoreKind, RestoreState
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import Call, Rule, broken, refuse, vanishing
from restore_scene import LATER, OTHER, TAKEN, THERE, Scene, Template, make_template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def scene(template: Template, tmp_path: Path) -> Iterator[Scene]:
    made = template.copy(tmp_path)
    yield made
    made.core.close()


def blocks(scene: Scene, volumes: list[str]) -> list[dict[int, bytes]]:
    return [scene.cloud.volumes[volume].blocks for volume in volumes]


# Volumes


def test_volumes_come_back_with_their_bytes_and_as_they_were(scene: Scene) -> None:
    restore = scene.done("restore.volumes")
    made = [restore.made.volumes[volume] for volume in scene.old]
    assert blocks(scene, made) == list(TAKEN)
    assert blocks(scene, list(scene.web.volumes)) == list(LATER)
    for volume, old in zip(made, scene.point.manifest.disks, strict=True):
        new = scene.cloud.volumes[volume]
        assert (new.volume_type, new.iops, new.zone) == (old.type, old.iops, "here-1a")


def test_everything_that_is_made_carries_our_tags(scene: Scene) -> None:
    restore = scene.done("restore.volumes")
    run = scene.newest_run()
    for volume in restore.made.volumes.values():
        tags = scene.cloud.volumes[volume].tags
        assert tags["mavis:intent"].startswith("int_")
        assert {
            name: tags[f"mavis:{name}"] for name in ("restore", "run", "person", "project")
        } == {
            "restore": restore.id,
            "run": run.id,
            "person": "olga",
            "project": "shop",
        }
        assert tags["mavis:recovery-point"] == scene.point.id


def test_some_volumes_come_back_encrypted_and_in_another_zone(scene: Scene) -> None:
    restore = scene.done(
        "restore.volumes", volumes=[scene.old[1]], zone="here-1b", kms_key="alias/own"
    )
    (made,) = restore.made.volumes.values()
    volume = scene.cloud.volumes[made]
    assert (volume.zone, volume.kms_key, volume.blocks) == ("here-1b", "alias/own", TAKEN[1])


def test_device_names_are_chosen_free_and_told_in_the_plan(scene: Scene) -> None:
    scene.web.devices["/dev/sdf"] = scene.cloud.launch(ACCOUNT, REGION, "x").volumes[0]
    scene.project.discover()
    run = scene.ask("restore.volumes", attach_to="web-1")
    told = [effect.detail for effect in run.plan.effects if effect.verb == "attach"]
    assert [words.rpartition(" ")[2] for words in told] == ["/dev/sdg", "/dev/sdh"]
    assert scene.carry_out() is None
    assert list(scene.web.devices)[-2:] == ["/dev/sdg", "/dev/sdh"]


def test_what_was_restored_is_in_the_inventory_at_once(scene: Scene) -> None:
    restore = scene.done("restore.volumes", attach_to="web-1")
    known = scene.core.resources
    for origin, volume in restore.made.volumes.items():
        found = known.get(scene.project.olga, "shop", volume)
        assert found.details["attached_to"] == scene.web.id
        assert found.details["size_gib"] == scene.cloud.volumes[origin].size_gib
    web = known.get(scene.project.olga, "shop", scene.web.id)
    assert web.details["volumes"] == list(scene.web.volumes)


# Instances


def test_an_instance_comes_back_as_it_was_beside_the_old_one(scene: Scene) -> None:
    restore = scene.done("restore.instance")
    new = scene.cloud.instances[restore.made.instance_id or ""]
    assert scene.bytes_at(new) == list(TAKEN)
    assert scene.bytes_at(scene.web) == list(LATER)
    same = ("instance_type", "architecture", "zone", "subnet_id", "key_name", "profile")
    assert {name: new.details[name] for name in same} == {
        name: scene.web.details[name] for name in same
    }
    assert (new.tags["Name"], new.tags["team"]) == ("web-1-restored", "shop")
    assert not scene.cloud.images
    found = scene.core.resources.get(scene.project.olga, "shop", new.id)
    assert (found.state, found.details["volumes"]) == ("running", list(new.volumes))


def test_the_instance_takes_what_is_said_instead(scene: Scene) -> None:
    restore = scene.done(
        "restore.instance",
        instance_type="large",
        security_groups=["sg-1", "sg-2"],
        key_name="other",
        profile="db",
        name="web-2",
    )
    new = scene.cloud.instances[restore.made.instance_id or ""]
    assert new.details["instance_type"] == "large"
    assert new.details["security_groups"] == ["sg-1", "sg-2"]
    assert (new.details["key_name"], new.details["profile"]) == ("other", "db")
    assert new.tags["Name"] == "web-2"


def test_a_restored_instance_can_be_taken_and_restored_again(scene: Scene) -> None:
    first = scene.done("restore.instance")
    scene.ask("recovery_point.create", first.made.instance_id)
    assert scene.carry_out() is None
    point = scene.project.points()[0]
    assert [disk.size_gib for disk in point.manifest.disks] == [8, 20]
    second = scene.done("restore.instance", point.id)
    new = scene.cloud.instances[second.made.instance_id or ""]
    assert new.tags["mavis:restore"] == second.id
    assert scene.bytes_at(new) == list(TAKEN)


@pytest.mark.parametrize(
    ("account", "region", "told", "kept"),
    [
        pytest.param(ACCOUNT, THERE, ("subnet", "key pair"), True, id="another region"),
        pytest.param(OTHER, THERE, ("subnet", "key pair", "profile"), False, id="another account"),
    ],
)
def test_elsewhere_the_plan_says_what_cannot_be_taken_over(
    scene: Scene, account: str, region: str, told: tuple[str, ...], *, kept: bool
) -> None:
    scene.copy_to("dr", account, region)
    words = scene.warnings("restore.instance", environment="dr")
    assert all(f"{name} (" in words for name in told), words
    restore = scene.done("restore.instance", environment="dr")
    new = scene.cloud.instances[restore.made.instance_id or ""]
    assert (new.account, new.region) == (account, region)
    assert scene.bytes_at(new) == list(TAKEN)
    assert ("profile" in new.details) is kept
    assert "key_name" not in new.details
    assert new.details["subnet_id"] == f"subnet-{account}-{region}"


def test_volumes_come_back_in_another_account_through_its_copy(scene: Scene) -> None:
    scene.copy_to("dr", OTHER, THERE)
    restore = scene.done("restore.volumes", environment="dr", zone="there-1a")
    made = [restore.made.volumes[volume] for volume in scene.old]
    assert blocks(scene, made) == list(TAKEN)
    assert {scene.cloud.volumes[volume].account for volume in made} == {OTHER}


def test_a_copy_is_reached_through_another_environment_of_its_account(scene: Scene) -> None:
    scene.copy_to("dr", OTHER, THERE)
    scene.connect("dr-2", OTHER, THERE)
    scene.core.environments.remove(call("ada", frozenset(Scope)), "shop", "dr")
    restore = scene.done("restore.volumes", environment="dr", zone="there-1a")
    assert restore.state is RestoreState.COMPLETE


# What is told before


def test_the_plan_names_every_effect_and_warns_of_age_and_cost(scene: Scene) -> None:
    run = scene.ask("restore.instance")
    assert [(effect.verb, effect.kind) for effect in run.plan.effects] == [
        ("create", "instance"),
        ("create", "volume"),
        ("create", "volume"),
    ]
    words = "\n".join(run.plan.warnings)
    assert "power cut" in words
    assert "price list of" in words


def test_a_copy_is_in_use_from_the_asking_to_the_end(scene: Scene) -> None:
    copy_id = scene.point.primary.id
    seen = []

    def used(_: object = None) -> None:
        with scene.core.database.read() as tx:
            seen.append(restores.in_use(tx, [copy_id, "cop_other"]))

    used()
    scene.ask("restore.volumes")
    used()
    assert scene.carry_out() is None
    used()
    assert seen == [set(), {copy_id}, set()]


# Refusals


@pytest.mark.parametrize(
    ("action", "arguments", "error", "field"),
    [
        pytest.param("restore.volumes", {"x": 1}, InvalidInput, "arguments", id="unknown"),
        pytest.param(
            "restore.volumes",
            {"volumes": ["vol-x"]},
            InvalidInput,
            "arguments.volumes",
            id="volume",
        ),
        pytest.param(
            "restore.volumes", {"volumes": []}, InvalidInput, "arguments.volumes", id="no volume"
        ),
        pytest.param("restore.volumes", {"zone": 7}, InvalidInput, "arguments.zone", id="number"),
        pytest.param(
            "restore.volumes",
            {"zone": "here-1b", "attach_to": "web-1"},
            InvalidInput,
            "arguments.zone",
            id="zone of the instance",
        ),
        pytest.param(
            "restore.volumes", {"attach_to": "nobody"}, NotFound, None, id="no such instance"
        ),
        pytest.param(
            "restore.instance",
            {"environment": "elsewhere"},
            Conflict,
            "arguments.environment",
            id="no copy there",
        ),
        pytest.param(
            "recovery_point.verify", {"blocks": -1}, InvalidInput, "arguments.blocks", id="blocks"
        ),
        pytest.param(
            "recovery_point.verify", {"check": ""}, InvalidInput, "arguments.check", id="no script"
        ),
        pytest.param(
            "recovery_point.verify",
            {"without_agent": "hope"},
            InvalidInput,
            "arguments.without_agent",
            id="choice",
        ),
        pytest.param("restore.in_place", {"zone": "x"}, InvalidInput, "arguments", id="in place"),
    ],
)
def test_what_cannot_be_is_refused_before_anything(
    scene: Scene,
    action: str,
    arguments: dict[str, Any],
    error: type[Exception],
    field: str | None,
) -> None:
    with pytest.raises(error) as caught:
        scene.ask(action, **arguments)
    assert getattr(caught.value, "field", None) == field
    assert scene.cloud.calls == []


def test_an_incomplete_copy_is_never_chosen(scene: Scene) -> None:
    copied = scene.copy_to("dr", OTHER, THERE)
    with scene.core.database.write() as tx:
        set_copy(tx, scene.point.primary, PointState.PARTIAL)
    with pytest.raises(Conflict, match="partial") as caught:
        scene.ask("restore.volumes")
    assert copied.place in caught.value.mend
    with pytest.raises(Conflict):
        scene.ask("recovery_point.verify")
    scene.done("restore.volumes", environment="dr", zone="there-1a")


def test_another_project_has_no_such_point(scene: Scene) -> None:
    ada = call("ada", frozenset(Scope))
    scene.core.projects.create(ada, name="other", title="")
    with pytest.raises(NotFound):
        scene.core.runs.preview(
            ada, "other", action="restore.volumes", resource=scene.point.id, arguments={}
        )


@pytest.mark.parametrize(
    ("action", "scopes", "role"),
    [
        pytest.param("restore.volumes", KERNEL, Role.VIEWER, id="a viewer restores"),
        pytest.param("restore.in_place", KERNEL, Role.OPERATOR, id="a kernel replaces"),
    ],
)
def test_who_may_not_is_refused(
    scene: Scene, action: str, scopes: frozenset[Scope], role: Role
) -> None:
    scene.core.projects.put_member(call("ada", frozenset(Scope)), "shop", "user:kim", role)
    with pytest.raises(Forbidden):
        scene.core.runs.start(
            call("kim", scopes),
            "shop",
            action=action,
            resource=scene.point.id,
            arguments={},
        )


def test_replacing_asks_for_the_projects_name(scene: Scene) -> None:
    with pytest.raises(ConfirmationNeeded):
        scene.project.start("restore.in_place", scene.point.id)
    assert scene.restores() == []


def test_restores_are_listed_and_looked_at_by_who_may(scene: Scene) -> None:
    first, second = scene.done("restore.volumes"), scene.done("recovery_point.verify")
    viewer = call("vera", KERNEL, "lookers")
    page = scene.core.restores.list(viewer, "shop", PageRequest(1))
    assert [restore.id for restore in page.items] == [second.id]
    found = scene.core.restores.list(
        viewer, "shop", PageRequest(), kind="volumes", state="complete", point=scene.point.id
    )
    assert [restore.id for restore in found.items] == [first.id]
    assert scene.core.restores.get(viewer, "shop", first.id).kind is RestoreKind.VOLUMES
    with pytest.raises(NotFound):
        scene.core.restores.get(call("eve"), "shop", first.id)
    with pytest.raises(InvalidInput):
        scene.core.restores.list(viewer, "shop", PageRequest(), state="odd")


# Failures on the way


@pytest.mark.parametrize(
    ("action", "call_", "error"),
    [
        ("restore.volumes", "volumes.create", CloudQuota("no more volumes")),
        ("restore.volumes", "volumes.attach", CloudDenied("may not attach")),
        ("restore.instance", "instances.launch", CloudQuota("no more instances")),
        ("restore.instance", "instances.clean", CloudDenied("may not deregister")),
        ("recovery_point.verify", "networks.isolate", CloudDenied("may not make groups")),
        ("recovery_point.verify", "instances.launch", CloudQuota("no more instances")),
        ("recovery_point.verify", "blocks.read", CloudDenied("may not read")),
    ],
)
def test_what_the_cloud_refuses_leaves_nothing_and_is_told(
    scene: Scene, action: str, call_: str, error: CloudError
) -> None:
    scene.cloud.rules.append(refuse(call_, error))
    arguments = {"attach_to": "web-1"} if action == "restore.volumes" else {}
    scene.ask(action, **arguments)
    assert type(scene.carry_out()) is type(error)
    restore = scene.restore
    assert (restore.state, restore.made.nothing) == (RestoreState.FAILED, True)
    assert (restore.error or {})["message"] == error.message
    assert scene.newest_run().state is RunState.FAILED
    assert scene.made_by(restore) == []
    assert not scene.cloud.images
    assert not scene.cloud.groups
    assert scene.web.volumes == scene.old


def test_a_volume_that_silently_vanishes_is_told_with_its_likely_cause(scene: Scene) -> None:
    scene.cloud.rules.append(vanishing("volumes.create"))
    scene.ask("restore.volumes")
    error = scene.carry_out()
    assert isinstance(error, CloudVanished)
    assert "key" in error.mend
    assert scene.made_by(scene.restore) == []


def test_a_volume_that_the_cloud_gives_up_is_taken_back(scene: Scene) -> None:
    scene.cloud.rules.append(broken("volumes.create"))
    scene.ask("restore.volumes")
    assert isinstance(scene.carry_out(), CloudError)
    assert VolumeState.ERROR not in {one.state for one in scene.cloud.volumes.values()}
    assert scene.made_by(scene.restore) == []


@pytest.mark.parametrize("action", ["restore.instance", "recovery_point.verify"])
def test_an_instance_that_runs_without_one_of_its_volumes_is_no_restored_one(
    scene: Scene, action: str
) -> None:
    def lose(call: Call) -> None:
        cloud = call.cloud
        new = next(one for one in cloud.instances.values() if one is not scene.web)
        cloud.vanish(new.volumes[-1])

    scene.cloud.rules.append(Rule("instances.launch", after=lose))
    scene.ask(action)
    assert isinstance(scene.carry_out(), CloudVanished)
    assert scene.restore.state is RestoreState.FAILED
    assert scene.made_by(scene.restore) == []


def test_what_never_comes_about_ends_and_leaves_nothing(scene: Scene) -> None:
    scene.cloud.instances_run = False
    scene.ask("restore.instance")
    error = scene.carry_out()
    assert isinstance(error, CloudError)
    assert "not after" in error.message
    assert scene.made_by(scene.restore) == []


def test_what_cannot_be_taken_back_is_told_and_removed_later(scene: Scene) -> None:
    scene.cloud.rules += [
        refuse("volumes.attach", CloudDenied("may not attach")),
        refuse("volumes.delete", CloudDenied("may not delete"), times=9),
    ]
    scene.ask("restore.volumes", attach_to="web-1")
    error = scene.carry_out()
    assert isinstance(error, CloudDenied)
    assert "could not be taken back: may not delete" in error.message
    restore = scene.restore
    assert restore.state is RestoreState.LEFT_OVER
    assert set(restore.made.volumes.values()) == set(scene.made_by(restore))
    assert scene.core.timetable.tick() == [], "not at once"

    scene.cloud.rules.clear()
    with scene.later(timedelta(hours=2)):
        assert len(scene.core.timetable.tick()) >= 1
        assert scene.carry_out() is None
    restore = scene.restore
    assert (restore.state, restore.made.nothing) == (RestoreState.FAILED, True)
    assert scene.made_by(restore) == []
    assert scene.newest_run().person == "mavis:platform"


def test_only_what_this_run_has_made_is_ever_deleted(scene: Scene) -> None:
    kept = scene.cloud.volumes[scene.old[1]]
    scene.cloud.rules.append(refuse("volumes.attach", CloudDenied("may not attach")))
    scene.ask("restore.volumes", attach_to="web-1")
    kept.tags["mavis:restore"] = scene.restore.id  # whoever copied tags from a volume of ours
    assert isinstance(scene.carry_out(), CloudDenied)
    assert scene.made_by(scene.restore) == [kept.id]
    assert scene.web.volumes == scene.old


def test_a_member_that_is_lost_before_work_begins_stops_the_run(scene: Scene) -> None:
    scene.ask("restore.volumes")
    gone = scene.point.primary.members[0]
    with scene.core.database.write() as tx:
        lost = replace_state(gone, MemberState.MISSING)
        put_members(tx, [(scene.point.primary.id, lost)])
        set_copy(tx, scene.point.primary, PointState.PARTIAL)
    assert isinstance(scene.carry_out(), Conflict)
    assert scene.newest_run().state is RunState.REFUSED
    assert scene.restore.state is RestoreState.FAILED
    assert scene.ever_made("vol-") == 0


def replace_state(member: Any, state: MemberState) -> Any:
    return type(member)(member.volume_id, member.device, member.cloud_id, state, 0, member.size_gib)


def test_a_restore_that_waits_does_not_outlive_a_cancel(scene: Scene) -> None:
    scene.cloud.volumes_ready = False
    scene.ask("restore.volumes")
    run = scene.newest_run()
    scene.core.runs.cancel(scene.project.olga, "shop", run.id)
    scene.carry_out()
    assert scene.newest_run().state is RunState.CANCELLED
    assert scene.restore.state is RestoreState.CANCELLED
    assert scene.ever_made("vol-") == 0
    assert clock.now() >= run.created_at
