"""Discovery, power and tags: what there is, what is gone, and what one look cannot say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from core_double import ACCOUNT, KERNEL, PLATFORM, REGION, Core, Project, call
from mavis_core import clock
from mavis_core.contract import Found, ResourceKind
from mavis_core.db.paging import PageRequest
from mavis_core.errors import (
    CloudCredentials,
    CloudDenied,
    CloudRegion,
    CloudThrottled,
    CloudUnreachable,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
)
from mavis_core.inventory.model import Resource
from mavis_core.records import Outcome, Phase
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import Call, FakeCloud, FakeThing, during, lose_reply, refuse

OTHER = "222222222222"
THERE = "there-1"


@pytest.fixture
def shop(core: Core) -> Project:
    return core.shop()


def add_environment(
    core: Core, name: str, *, account: str = ACCOUNT, regions: tuple[str, ...] = (REGION,)
) -> None:
    core.environments.create(
        call("ada", PLATFORM),
        "shop",
        name=name,
        kit="fake",
        account=account,
        regions=regions,
        key=None,
        options={},
    )


def listed(shop: Project, *, gone: bool = True, **filters: str) -> list[Resource]:
    want = PageRequest(200)
    return list(
        shop.core.resources.list(shop.olga, "shop", want, gone=gone, **filters).items  # type: ignore[arg-type]
    )


def states(shop: Project) -> dict[str, str]:
    return {e.name: e.state for e in shop.core.environments.list(shop.olga, "shop")}


# Discovery


def test_discovery_finds_everything_in_pages_and_twice_the_same(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.page_size = 3
    for number in range(10):
        cloud.launch(ACCOUNT, REGION, f"web-{number}", sizes=(1, 2))
    image = Found(ResourceKind.IMAGE, REGION, "ami-1", "base", "available", {}, {"size_gib": 8})
    cloud.things.append(FakeThing(ACCOUNT, image))
    shop.discover()
    first = listed(shop)
    assert len(first) == 10 + 20 + 1
    assert {r.cloud_id for r in first} == {*cloud.instances, *cloud.volumes, "ami-1"}
    shop.discover()
    assert {r.id for r in listed(shop)} == {r.id for r in first}, "a resource keeps its id"


def test_discovery_asks_for_the_person_who_asked(shop: Project, cloud: FakeCloud) -> None:
    run = shop.start("inventory.discover")
    shop.core.carry_out()
    assert {(c.on_behalf.person, c.on_behalf.correlation_id) for c in cloud.calls} == {
        ("olga", run.correlation_id)
    }


def test_what_is_not_seen_again_is_gone_and_comes_back(shop: Project, cloud: FakeCloud) -> None:
    web = cloud.launch(ACCOUNT, REGION, "web-1")
    shop.discover()
    cloud.terminate(web.id)
    shop.discover()
    (gone,) = [r for r in listed(shop) if r.gone]
    assert gone.cloud_id == web.id
    assert web.id not in {r.cloud_id for r in listed(shop, gone=False)}
    cloud.instances[web.id] = web
    shop.discover()
    (back,) = [r for r in listed(shop, gone=False) if r.cloud_id == web.id]
    assert back.id == gone.id


def test_a_clock_that_is_set_back_makes_nothing_gone(shop: Project, cloud: FakeCloud) -> None:
    cloud.launch(ACCOUNT, REGION, "web-1")
    shop.discover()
    back = timedelta()
    start = clock.now()

    def set_back(_: object) -> None:
        nonlocal back
        back += timedelta(seconds=3)

    # Within the worker's claim, but before every page that is written.
    with clock.set_clock(lambda: start + timedelta(seconds=20) - back):
        cloud.rules.append(during("inventory.discover", set_back, times=5))
        shop.discover()
    assert [r.cloud_id for r in listed(shop) if r.gone] == []


@pytest.mark.parametrize(
    "error", [CloudDenied("may not"), CloudUnreachable("no answer"), CloudThrottled("slow down")]
)
def test_a_region_that_fails_marks_nothing_gone_and_hides_no_other(
    shop: Project, cloud: FakeCloud, error: CloudDenied
) -> None:
    add_environment(shop.core, "both", regions=(REGION, THERE))
    here = cloud.launch(ACCOUNT, REGION, "web-here")
    there = cloud.launch(ACCOUNT, THERE, "web-there")
    shop.discover()
    new = cloud.launch(ACCOUNT, REGION, "web-new")
    cloud.terminate(there.id)
    cloud.rules.append(refuse("inventory.discover", error, region=THERE))
    run = shop.start("inventory.discover", environment="both")
    assert type(shop.core.carry_out()) is type(error)
    found = {r.cloud_id: r for r in listed(shop, environment="both")}
    assert not found[here.id].gone
    assert not found[there.id].gone, "a look that broke off says nothing"
    assert new.id in found, "what the other region showed is kept"
    done = shop.run(run)
    assert done.state is RunState.FAILED
    assert (done.error or {})["code"] == error.code
    assert error.message in (done.error or {})["message"]


def test_one_failing_environment_does_not_hide_the_others(shop: Project, cloud: FakeCloud) -> None:
    add_environment(shop.core, "locked", account=OTHER)
    add_environment(shop.core, "wrong", regions=("nowhere-1",))
    cloud.launch(ACCOUNT, REGION, "web-1")
    run = shop.start("inventory.discover")
    attempt = shop.core.begin(shop.core.worker())
    assert [step.name for step in attempt.steps] == [
        "Look at locked",
        "Look at main",
        "Look at wrong",
        "Sum up",
    ]
    cloud.rules.append(refuse("connect", CloudCredentials("the key has expired")))
    for position in (0, 1, 2):
        attempt.perform(position)
    with pytest.raises(CloudCredentials, match=r"2 of 3 .* locked: the key has expired; wrong: "):
        attempt.perform(3)
    assert states(shop) == {"locked": "failed", "main": "ok", "wrong": "failed"}
    assert {r.name for r in listed(shop, kind="instance")} == {"web-1"}
    told = {e.name: (e.error or {}).get("code") for e in _environments(shop)}
    assert told == {"locked": "cloud_credentials", "main": None, "wrong": CloudRegion.code}
    result = shop.run(run).result
    assert result["main"]["instance"] == 1
    assert result["locked"]["error"]["code"] == "cloud_credentials"


def _environments(shop: Project) -> tuple[object, ...]:
    return shop.core.environments.list(shop.olga, "shop")


def test_an_environment_that_works_again_is_ok_again(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(refuse("connect", CloudCredentials("the key has expired")))
    shop.start("inventory.discover")
    assert isinstance(shop.core.carry_out(), CloudCredentials)
    shop.discover()
    assert states(shop) == {"main": "ok"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"environment": "nope"}, NotFound),
        ({"environment": 7}, InvalidInput),
        ({"region": REGION}, InvalidInput),
    ],
)
def test_a_bad_request_for_discovery_makes_no_run(
    shop: Project, arguments: Mapping[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        shop.start("inventory.discover", **arguments)
    assert shop.core.worker().due(1) == []


def test_a_project_without_environments_says_who_adds_one(core: Core) -> None:
    ada = call("ada", PLATFORM)
    core.projects.create(ada, name="empty", title="")
    with pytest.raises(Conflict, match="no environment"):
        core.runs.start(
            ada,
            "empty",
            action="inventory.discover",
            resource=None,
            arguments={},
        )


# Looking


@pytest.fixture
def machines(shop: Project, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
    cloud.launch(ACCOUNT, REGION, "twin")
    cloud.launch(ACCOUNT, REGION, "twin")
    cloud.launch(ACCOUNT, REGION, "50%_off")
    shop.discover()
    return shop


def test_a_resource_is_found_by_id_cloud_id_and_name(machines: Project) -> None:
    (web,) = [r for r in listed(machines) if r.name == "web-1"]
    for reference in (web.id, web.cloud_id, web.name):
        assert machines.core.resources.get(machines.olga, "shop", reference) == web


def test_a_name_of_several_lists_them_by_id(machines: Project) -> None:
    twins = [r for r in listed(machines) if r.name == "twin"]
    with pytest.raises(InvalidInput) as caught:
        machines.core.resources.get(machines.olga, "shop", "twin")
    assert all(twin.id in caught.value.message for twin in twins)
    assert caught.value.field == "resource"


def test_a_name_of_very_many_does_not_list_them_all(shop: Project, cloud: FakeCloud) -> None:
    for _ in range(30):
        cloud.launch(ACCOUNT, REGION, "node")
    shop.discover()
    with pytest.raises(InvalidInput, match="and more") as caught:
        shop.core.resources.get(shop.olga, "shop", "node")
    assert len(caught.value.message) < 1000


def test_a_twin_that_is_gone_makes_no_name_ambiguous(machines: Project, cloud: FakeCloud) -> None:
    first, second = [i.id for i in cloud.instances.values() if i.tags["Name"] == "twin"]
    cloud.terminate(first)
    machines.discover()
    assert machines.core.resources.get(machines.olga, "shop", "twin").cloud_id == second


def test_resources_of_another_project_are_none(machines: Project) -> None:
    ada = call("ada", PLATFORM)
    machines.core.projects.create(ada, name="other", title="")
    (web,) = [r for r in listed(machines) if r.name == "web-1"]
    for reference in (web.id, web.cloud_id, web.name):
        with pytest.raises(NotFound):
            machines.core.resources.get(ada, "other", reference)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"kind": "instance", "text": "TWIN"}, {"twin"}),
        ({"kind": "instance", "text": "%"}, {"50%_off"}),
        ({"kind": "instance", "text": "_"}, {"50%_off"}),
        ({"kind": "instance", "region": THERE}, set()),
        ({"kind": "instance", "environment": "nope"}, set()),
        ({"kind": "image"}, set()),
    ],
)
def test_filters_leave_out_what_does_not_fit(
    machines: Project, filters: dict[str, str], names: set[str]
) -> None:
    assert {r.name for r in listed(machines, **filters)} == names


def test_an_unknown_kind_names_those_that_there_are(machines: Project) -> None:
    with pytest.raises(InvalidInput, match="volume_snapshot"):
        listed(machines, kind="toaster")


# Power and tags


def power(shop: Project, action: str) -> RunState:
    shown = shop.core.runs.preview(shop.olga, "shop", action=action, resource="web-1", arguments={})
    run = shop.core.runs.apply(shop.olga, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)
    shop.core.carry_out()
    return shop.run(run).state


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("resource.stop", "running", "stopped"), ("resource.start", "stopped", "running")],
)
def test_power_changes_the_machine_and_what_we_know_of_it(
    shop: Project, cloud: FakeCloud, action: str, before: str, after: str
) -> None:
    web = cloud.launch(ACCOUNT, REGION, "web-1", state=before)
    shop.discover()
    assert power(shop, action) is RunState.SUCCEEDED
    assert web.state == after
    assert shop.core.resources.get(shop.olga, "shop", "web-1").state == after


def slowly(cloud: FakeCloud, *states: str, look: Callable[[], None] = lambda: None) -> None:
    """Let looks at instances find them in one of `states` after the other; `look` is first."""
    for state in states:

        def turn(call: Call, state: str = state) -> None:
            look()
            for instance in call.cloud.instances.values():
                instance.state = state

        cloud.rules.append(during("instances.describe", turn))


@pytest.mark.parametrize(
    ("action", "before", "via", "after"),
    [
        ("resource.stop", "running", "stopping", "stopped"),
        ("resource.start", "stopped", "pending", "running"),
    ],
)
def test_a_run_ends_when_the_cloud_says_so_and_not_before(
    shop: Project, cloud: FakeCloud, action: str, before: str, via: str, after: str
) -> None:
    cloud.launch(ACCOUNT, REGION, "web-1", state=before)
    shop.discover()
    states: list[str] = []

    def note() -> None:
        states.append(shop.core.resources.get(shop.olga, "shop", "web-1").state)

    slowly(cloud, before, via, after, look=note)
    assert power(shop, action) is RunState.SUCCEEDED
    assert states == [after, before, via], "the inventory follows what the cloud says"
    assert shop.core.resources.get(shop.olga, "shop", "web-1").state == after
    (run,) = shop.core.runs.list(shop.olga, "shop", PageRequest(1)).items
    run = shop.run(run)
    assert run.result["after"] == after
    assert [step.name for step in run.steps][-1] == f"Wait until it is {after}"


def test_a_machine_that_does_not_stay_started_is_told_as_that(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.launch(ACCOUNT, REGION, "web-1", state="stopped")
    shop.discover()
    slowly(cloud, "pending", "stopped")
    assert power(shop, "resource.start") is RunState.FAILED
    (run,) = shop.core.runs.list(shop.olga, "shop", PageRequest(1)).items
    assert run.error is not None
    assert "did not start: it was pending and is stopped" in run.error["message"]
    assert shop.core.resources.get(shop.olga, "shop", "web-1").state == "stopped"


def test_a_machine_that_goes_while_it_is_stopped_is_gone(
    machines: Project, cloud: FakeCloud
) -> None:
    (web,) = [one for one in cloud.instances.values() if one.tags["Name"] == "web-1"]
    cloud.rules.append(during("instances.describe", lambda _call: cloud.terminate(web.id)))
    assert power(machines, "resource.stop") is RunState.FAILED
    assert machines.core.resources.get(machines.olga, "shop", web.id).gone


def test_a_machine_that_never_stops_ends_the_waiting(machines: Project, cloud: FakeCloud) -> None:
    moments = [clock.now()]
    slowly(
        cloud, *["stopping"] * 3, look=lambda: moments.append(moments[-1] + timedelta(minutes=10))
    )
    with clock.set_clock(lambda: moments[-1]):
        assert power(machines, "resource.stop") is RunState.FAILED
    (run,) = machines.core.runs.list(machines.olga, "shop", PageRequest(1)).items
    assert run.error is not None
    assert re.search(r"web-1 .* is to be stopped: not after 900 s", run.error["message"])
    assert machines.core.resources.get(machines.olga, "shop", "web-1").state == "stopping"


def test_an_answer_lost_while_stopping_is_mended_by_asking_again(
    machines: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(lose_reply("power.stop", times=2))
    assert power(machines, "resource.stop") is RunState.SUCCEEDED
    assert [c.action for c in cloud.calls].count("power.stop") == 3
    phases = [r.phase for r in machines.core.records() if r.action == "cloud.resource.stop"]
    assert phases == [Phase.INTENT] * 3 + [Phase.OUTCOME]


def test_a_kernel_may_start_and_not_stop(machines: Project) -> None:
    kernel = call("olga", KERNEL)
    for action, allowed in (("resource.start", True), ("resource.stop", False)):
        shown = machines.core.runs.preview(
            kernel, "shop", action=action, resource="web-1", arguments={}
        )
        given = {"hash": shown.hash, "confirm": shown.confirm}
        if allowed:
            machines.core.runs.apply(kernel, "shop", shown.id, **given)  # type: ignore[arg-type]
        else:
            with pytest.raises(Forbidden):
                machines.core.runs.apply(kernel, "shop", shown.id, **given)  # type: ignore[arg-type]


def test_only_instances_are_started(machines: Project, cloud: FakeCloud) -> None:
    with pytest.raises(InvalidInput, match="volume"):
        machines.start("resource.start", next(iter(cloud.volumes)))


def test_tags_are_added_and_others_stay(machines: Project, cloud: FakeCloud) -> None:
    (web,) = [i for i in cloud.instances.values() if i.tags["Name"] == "web-1"]
    machines.start("resource.tag", "web-1", tags={"team": "shop", "Name": "web-one"})
    assert machines.core.carry_out() is None
    assert web.tags == {"Name": "web-one", "team": "shop"}
    known = machines.core.resources.get(machines.olga, "shop", web.id)
    assert (known.tags, known.name) == (web.tags, "web-one")


def test_two_changes_of_tags_lose_neither(machines: Project, cloud: FakeCloud) -> None:
    (web,) = [i for i in cloud.instances.values() if i.tags["Name"] == "web-1"]
    machines.start("resource.tag", "web-1", tags={"a": "1"})
    machines.start("resource.tag", "web-1", tags={"b": "2"})
    assert machines.core.carry_out() is None
    known = machines.core.resources.get(machines.olga, "shop", "web-1")
    assert known.tags == web.tags == {"Name": "web-1", "a": "1", "b": "2"}


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({}, id="none"),
        pytest.param({f"k{n}": "" for n in range(41)}, id="too many"),
        pytest.param({"": "x"}, id="no name"),
        pytest.param({"k" * 128: "x"}, id="long name"),
        pytest.param({"k": "x" * 256}, id="long value"),
        pytest.param({"aws:x": "y"}, id="the cloud's own"),
        pytest.param({"Mavis:snapshot": "y"}, id="our own"),
        pytest.param({"k": "a\nb"}, id="control character"),
        pytest.param({"k": 7}, id="number"),
        pytest.param(["k"], id="list"),
        pytest.param(None, id="null"),
    ],
)
def test_bad_tags_make_no_run(machines: Project, tags: object) -> None:
    with pytest.raises(InvalidInput):
        machines.start("resource.tag", "web-1", tags=tags)
    assert machines.core.worker().due(1) == []


def test_a_refused_call_is_a_failed_run_with_its_reason(
    machines: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(refuse("tags.put", CloudDenied("may not ec2:CreateTags")))
    run = machines.start("resource.tag", "web-1", tags={"a": "1"})
    assert isinstance(machines.core.carry_out(), CloudDenied)
    assert (machines.run(run).error or {})["message"] == "may not ec2:CreateTags"
    outcomes = [r.outcome for r in machines.core.records() if r.phase is Phase.OUTCOME]
    assert outcomes[-2:] == [Outcome.FAILED, Outcome.FAILED]
    assert "a" not in machines.core.resources.get(machines.olga, "shop", "web-1").tags
