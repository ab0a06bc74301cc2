"""What bad input gets: a problem with its mend, a record, and nothing half done in the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from cloud.accounts import ec2
from cloud.seed import Machine, launch, register_image
from e2e.appliance import Appliance, until
from e2e.stories import story, without_steps
from mavis_kernel import Mavis
from mavis_kernel.errors import RunFailed
from mavis_kernel.models import Record, Run


@pytest.fixture(scope="module")
def other(admin: Mavis, shop: str) -> str:
    """A project of the administrator's own; the operator is nobody in it."""
    return admin.projects.create("other").name


def refusals() -> Iterator[Any]:
    """Yield who, method, path, request, status, code and the field at fault."""
    discover, points = "/projects/shop/discoveries", "/projects/shop/recovery-points"

    def case(what: str, *values: Any) -> Any:
        return pytest.param(*values, id=what)

    operator, enduser, admin = "demo-operator", "demo-enduser", "demo-admin"
    no_json = {"content": b'{"resource": '}
    yield case("no such project", operator, "POST", "/projects/nowhere/discoveries", {}, 404, None)
    yield case("another project", operator, "POST", "/projects/other/discoveries", {}, 404, None)
    yield case("no such address", operator, "POST", "/shops", {}, 404, None)
    yield case("no such method", operator, "DELETE", "/projects", {}, 405, None)
    yield case("an end user", enduser, "POST", points, {"json": {"resource": "web-1"}}, 403, None)
    yield case("an end user's look", enduser, "POST", discover, {}, 403, None)
    yield case("no admin", operator, "POST", "/projects", {"json": {"name": "mine"}}, 403, None)
    yield case("no JSON", operator, "POST", points, no_json, 400, None)
    yield case("no object", operator, "POST", points, {"json": ["web-1"]}, 400, None)
    yield case("NaN", operator, "POST", points, {"content": b'{"resource": NaN}'}, 400, None)
    big = {"content": b'{"resource": "' + b"x" * 10_000_000 + b'"}'}
    yield case("10 MB", operator, "POST", points, big, 413, None)
    chunked = {"content": (b"x" * 65536 for _ in range(160))}
    yield case("10 MB in chunks", operator, "POST", points, chunked, 413, None)
    extra = {"json": {"resource": "web-1", "colour": "red"}}
    yield case("an unknown field", operator, "POST", points, extra, 400, "colour")
    number = {"json": {"resource": 7}}
    yield case("a number for a name", operator, "POST", points, number, 400, "resource")
    described = {"json": {"resource": "web-1", "description": "red\x1b[31m"}}
    yield case("an escape", operator, "POST", points, described, 400, "description")
    somewhere = {"name": "x1", "kit": "aws", "account": "123456789012", "regions": ["mars-1"]}
    yield case(
        "a region",
        admin, "POST", "/projects/other/environments", {"json": somewhere}, 400, "regions[0]",
    )  # fmt: skip
    for name in ("../../etc/passwd", "web-1\x00", "web-1\n"):
        wanted = {"json": {"resource": name}}
        yield case(f"resource {name!r}", operator, "POST", points, wanted, 404, None)
    for name in ("../other", "shop\x00", "shop\n", "Shop", "x" * 41, ""):
        wanted = {"json": {"name": name}}
        yield case(f"project {name!r}", admin, "POST", "/projects", wanted, 400, "name")
        value = {"access_key_id": "AKIAE2E0000000000000", "secret_access_key": "unused"}
        key = {"json": {"name": name, "kind": "aws", "value": value}}
        yield case(f"key {name!r}", admin, "POST", "/keys", key, 400, "name")
    viewer = {"json": {"role": "viewer"}}
    for path in ("user:..%2F..%2Fetc", "..%2Fother", "nobody"):
        member = f"/projects/shop/members/{path}"
        yield case(f"member {path}", admin, "PUT", member, viewer, 400, "subject")
    for path in ("/projects/shop/members/user:a%0Ab", "/projects/shop%1B%5B31m/members/user:a"):
        yield case(f"address {path}", admin, "PUT", path, viewer, 400, None)


@pytest.mark.parametrize(("who", "method", "path", "request_", "status", "field"), list(refusals()))
def test_a_refused_change_says_why_and_leaves_a_record(
    appliance: Appliance,
    tokens: dict[str, str],
    admin: Mavis,
    other: str,
    who: str,
    method: str,
    path: str,
    request_: dict[str, Any],
    status: int,
    field: str | None,
) -> None:
    answer = appliance.ask(tokens[who], method, path, **request_)
    told = problem(answer, status)
    if field is not None:
        assert told["field"] == field

    def recorded() -> list[Record]:
        found = admin.records.list(None, action="api.refused", person=who, limit=20)
        return [each for each in found if each.request_id == told["request_id"]]

    (record,) = until(recorded, f"the record of {told['request_id']}")
    assert (record.outcome, record.error_code) == ("refused", told["code"])
    assert record.object is not None
    assert record.object.startswith(method)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/projects/nowhere/resources", 404, None),
        ("/projects/other/resources", 404, None),
        ("/projects/shop/resources?colour=red", 400, "colour"),
        ("/projects/shop/resources?kind=spaceship", 400, "kind"),
        ("/projects/shop/resources?limit=many", 400, "limit"),
        ("/projects/shop/resources?limit=0", 400, "limit"),
        ("/projects/shop/resources?cursor=%2E%2E%2F", 400, "cursor"),
        ("/projects/shop/runs?state=lost", 400, "state"),
        ("/projects/shop/runs/run_nothing", 404, None),
        ("/projects/shop/records?since=yesterday", 400, "since"),
        ("/projects/shop/records?cursor=x", 400, "cursor"),
        ("/projects/shop/resources/..%2F..%2Fother", 404, None),
        ("/records", 403, None),
        ("/keys", 403, None),
    ],
)
def test_a_bad_question_gets_a_problem(
    appliance: Appliance,
    tokens: dict[str, str],
    other: str,
    path: str,
    status: int,
    field: str | None,
) -> None:
    told = problem(appliance.ask(tokens["demo-operator"], "GET", path), status)
    assert told.get("field") == field


def test_a_nul_in_an_address_comes_nowhere(appliance: Appliance, tokens: dict[str, str]) -> None:
    """The edge proxy refuses it for all who are behind it, in its own bare form."""
    path = "/projects/shop/members/user:a%00b"
    answer = appliance.ask(tokens["demo-admin"], "PUT", path, json={"role": "viewer"})
    assert (answer.status_code, answer.text) == (400, "")


@pytest.mark.parametrize("token", [None, "0" * 32, "x" * 300, "ümlaut".encode()])
def test_strangers_are_told_nothing(appliance: Appliance, token: str | bytes | None) -> None:
    with appliance.http() as client:
        headers = {} if token is None else {b"Authorization": b"token " + _bytes(token)}
        answer = client.get("/services/mavis/api/v1/projects", headers=headers)
    told = problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert told["code"] == "unauthenticated"


def _bytes(token: str | bytes) -> bytes:
    return token if isinstance(token, bytes) else token.encode()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem details of an answer that has everything it needs."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["request_id"] == answer.headers["x-request-id"]
    assert told["code"]
    assert told["detail"]
    assert told["mend"]
    assert "Traceback" not in answer.text
    return told


# --- what the cloud refuses ----------------------------------------------------------------------


@pytest.fixture
def environment(appliance: Appliance, admin: Mavis, other: str) -> Iterator[Any]:
    """Make environments of the main account in the other project; they go after the test."""
    names = (f"env-{number}" for number in count(1))
    made: list[str] = []

    def make(*regions: str, account: str = appliance.world.accounts[0]) -> str:
        name = next(names)
        admin.environments.add(other, name, account=account, regions=regions, key="shop")
        made.append(name)
        return name

    yield make
    appliance.simulator.clear_faults()
    for name in made:
        admin.environments.remove(other, name)


def failed_look(admin: Mavis, project: str, environment: str) -> tuple[Run, Any]:
    """Discover; return the failed Run and what the environment says of it."""
    run = admin.environments.discover(project, environment)
    with pytest.raises(RunFailed):
        admin.runs.wait(project, run.id)
    run = admin.runs.get(project, run.id)
    assert run.state == "failed"
    found = admin.environments.get(project, environment)
    assert found.state == "failed"
    assert found.error is not None
    return run, found.error


def test_a_region_that_is_none(admin: Mavis, other: str, environment: Any) -> None:
    run, error = failed_look(admin, other, environment("us-east-1", "eu-mars-1"))
    assert run.error is not None
    assert (run.error.code, error.code) == ("cloud_region", "cloud_region")
    assert "eu-mars-1" in run.error.message
    assert run.error.mend
    ends = [r for r in without_steps(story(admin, run)) if r.outcome == "failed"]
    assert [(r.phase, r.error_code) for r in ends] == [("outcome", "cloud_region")]


def test_credentials_that_have_expired(
    appliance: Appliance, admin: Mavis, other: str, environment: Any
) -> None:
    name = environment("us-east-1")
    appliance.simulator.fault("DescribeInstances", "expired_credentials")
    run, error = failed_look(admin, other, name)
    assert run.error is not None
    assert (run.error.code, error.code) == ("cloud_credentials", "cloud_credentials")
    assert error.mend
    admin.runs.wait(other, admin.environments.discover(other, name).id)
    assert admin.environments.get(other, name).state == "ok"


def test_a_key_of_another_account(admin: Mavis, other: str, environment: Any) -> None:
    run, _ = failed_look(admin, other, environment("us-east-1", account="999999999999"))
    assert run.error is not None
    assert "999999999999" in run.error.message


def test_a_volume_that_vanished_since_the_discovery(
    appliance: Appliance, admin: Mavis, other: str, environment: Any
) -> None:
    place = (appliance.world.accounts[0], "ap-south-1")  # the other projects do not look there
    name = environment("ap-south-1")
    machine = _launch(appliance, *place, "short-lived")
    admin.runs.wait(other, admin.environments.discover(other, name).id)
    _remove_volume(appliance, machine, machine.volume_ids[1])
    seen = appliance.simulator.calls()[-1]["seq"]

    run = admin.recovery_points.create(other, "short-lived")
    with pytest.raises(RunFailed) as caught:
        admin.runs.wait(other, run.id)

    assert caught.value.code == "cloud_vanished"
    assert machine.volume_ids[1] in str(caught.value)
    assert caught.value.mend
    assert appliance.simulator.calls("CreateSnapshots", since=seen) == []
    assert appliance.witness.tagged(*place, "mavis:run", run.id) == []
    (point,) = admin.recovery_points.list(other, limit=1)
    assert (point.run_id, point.state) == (run.id, "failed")
    told = [(r.action, r.phase, r.outcome, r.error_code) for r in story(admin, run)]
    assert told[0] == ("recovery_point.create", "intent", None, None)
    assert told[-1] == ("recovery_point.create", "outcome", "failed", "cloud_vanished")


def _launch(appliance: Appliance, account: str, region: str, name: str) -> Machine:
    with ec2(appliance.simulator.url, account, region) as client:
        image = register_image(client, f"{name}-base")
        return launch(client, account, region, name, (8, 20), image=image)


def _remove_volume(appliance: Appliance, machine: Machine, volume_id: str) -> None:
    with ec2(appliance.simulator.url, machine.account, machine.region) as client:
        client.detach_volume(VolumeId=volume_id, InstanceId=machine.instance_id)
        client.delete_volume(VolumeId=volume_id)
