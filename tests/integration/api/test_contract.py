"""What the description shows is what the API does: every example, and every good answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from contract import Operation, contract
from core_double import PLATFORM, call, wait_until
from mavis_core import clock
from mavis_core.db import tables
from mavis_core.ids import new_id
from mavis_core.kits.aws import kit
from mavis_core.remote.model import HostKey
from mavis_core.remote.rows import see_host_key
from public_keys import public_key
from rest_service import Answer, RestService, serving

CONTRACT = contract()
JSON = "application/json"
PARTIAL = "application/vnd.mavis.partial+json"
SHOP = "/projects/shop"
EXAMPLES = [
    pytest.param(operation, example["value"], id=f"{operation.id} {name}")
    for operation in CONTRACT.operations
    if "requestBody" in operation.told
    for name, example in operation.told["requestBody"]["content"][JSON]["examples"].items()
]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    """Serve the API with the kit that the examples speak of."""
    with serving(tmp_path_factory.mktemp("contract"), logs=True, kits={"aws": kit()}) as service:
        service.core.environments.create(
            call("ada", PLATFORM),
            "shop",
            name="vault",
            kit="fake",
            account="222222222222",
            regions=["eu-west-1"],
            key=None,
            options={},
        )
        yield service


def made(answer: Answer) -> dict[str, Any]:
    assert answer.status in (200, 201, 202), answer.json["detail"]
    told: dict[str, Any] = answer.json
    return told


def a_preview(rest: RestService) -> dict[str, str]:
    body = {"action": "resource.stop", "resource": "web-1"}
    shown = made(rest.ask("POST", f"{SHOP}/previews", body=body))
    return {"preview": shown["id"], "hash": shown["hash"]}


def a_run(rest: RestService) -> dict[str, str]:
    return {"run": made(rest.ask("POST", f"{SHOP}/discoveries", body={}))["id"]}


def a_point(rest: RestService) -> dict[str, str]:
    made(rest.ask("POST", f"{SHOP}/recovery-points", body={"resource": "web-1"}))
    assert rest.core.carry_out() is None
    return {"point": rest.ask("GET", f"{SHOP}/recovery-points").json["items"][0]["id"]}


def a_locked_point(rest: RestService) -> dict[str, str]:
    point = a_point(rest)
    made(rest.ask("PUT", f"{SHOP}/recovery-points/{point['point']}/lock", body={"for": "24h"}))
    assert rest.core.carry_out() is None
    return point


def a_key(rest: RestService) -> dict[str, str]:
    value = {"access_key_id": "AKIA0000000000000000", "secret_access_key": "of-the-test"}
    answer = rest.ask("POST", "/keys", body={"name": "production", "kind": "aws", "value": value})
    assert answer.status in (201, 409)
    return {}


def an_allowed_login(rest: RestService) -> dict[str, str]:
    begun = made(
        rest.ask("POST", "/device-logins", None, {"client_id": "mavis", "client_name": "x"})
    )
    ada = call("ada", PLATFORM)
    login = rest.core.logins.look(ada, begun["user_code"])
    rest.core.logins.allow(ada, login.id, b"of ada")
    return {"device_code": begun["device_code"]}


def a_password(rest: RestService) -> None:
    """Make the key of the examples of devices."""
    web = {"name": "web", "kind": "device-password", "value": {"password": "of-the-test"}}
    assert rest.ask("POST", "/keys", body=web).status in (201, 409)


def a_device(rest: RestService) -> dict[str, str]:
    """Make a device of the name of the examples, and one that no way leads into."""
    a_password(rest)
    device = {"name": "web-1", "address": "10.0.3.17"}
    assert rest.ask("POST", f"{SHOP}/devices", body=device).status in (201, 409)
    ways = f"{SHOP}/devices/web-1/access-services"
    assert rest.ask("POST", ways, body={"login": "admin", "key": "web"}).status in (201, 409)
    bare = f"bare-{new_id('dev')[-12:]}"
    made(rest.ask("POST", f"{SHOP}/devices", body={"name": bare, "address": "10.0.3.18"}))
    return {"device": bare}


def a_seen_host_key(rest: RestService) -> dict[str, str]:
    """Have the device show the host key of the example, as the gateway notes it."""
    device = a_device(rest)["device"]
    way = made(
        rest.ask("POST", f"{SHOP}/devices/{device}/access-services", body={"login": "admin"})
    )
    (operation,) = (each for each in CONTRACT.operations if each.id == "approve_host_key")
    examples = operation.told["requestBody"]["content"][JSON]["examples"]
    shown = next(iter(examples.values()))["value"]["fingerprint"]
    key = HostKey("ssh-ed25519", shown, "AAAA")
    with rest.core.database.write() as tx:
        see_host_key(tx, way["id"], key, clock.now())
    return {"device": device}


def an_open_session(rest: RestService) -> dict[str, str]:
    """Have a session be open, as the gateway notes it."""
    a_device(rest)
    told = made(rest.ask("POST", f"{SHOP}/sessions", body={"device": "web-1"}))["session"]
    table = tables.sessions
    with rest.core.database.write() as tx:
        tx.execute(sa.update(table).where(table.c.id == told["id"]).values(state="open"))
    return {"session": told["id"]}


def a_key_in_use(rest: RestService) -> dict[str, str]:
    """Have the key of the example open a way in, and no rotation of it go on."""
    a_password(rest)
    device = f"keyed-{new_id('dev')[-12:]}"
    made(rest.ask("POST", f"{SHOP}/devices", body={"name": device, "address": "10.0.3.21"}))
    ways = f"{SHOP}/devices/{device}/access-services"
    made(rest.ask("POST", ways, body={"login": "admin", "key": "web"}))
    with rest.core.database.write() as tx:  # as the gateway notes it
        tx.execute(sa.update(tables.key_rotations).values(state="done"))
    return {"key": "web"}


def no_such_key(rest: RestService) -> dict[str, str]:
    """Take the key of the example away: it is one person's, by one name."""
    rest.ask("DELETE", "/me/ssh-keys/workstation")
    return {}


FIRST: dict[str, Callable[[RestService], dict[str, str]]] = {
    "add_person_key": no_such_key,
    "apply_preview": a_preview,
    "approve_host_key": a_seen_host_key,
    "create_access_service": a_device,
    "open_session": a_device,
    "return_to_session": an_open_session,
    "watch_session": an_open_session,
    "cancel_run": a_run,
    "collect_device_login": an_allowed_login,
    "copy_recovery_point": a_point,
    "create_environment": a_key,
    "lock_recovery_point": a_point,
    "rotate_key": a_key_in_use,
    "unlock_recovery_point": a_locked_point,
}
"""What must be there before an operation, which things of its own it then works on."""


def filled(body: Any, things: Mapping[str, str]) -> Any:
    """Return an example with the ids that no example can know, by the names of their fields."""
    return {
        name: things[name] if isinstance(value, str) and value.endswith("…") else value
        for name, value in body.items()
    }


@pytest.mark.parametrize(("operation", "example"), EXAMPLES)
def test_every_example_is_taken(
    rest: RestService, things: dict[str, str], operation: Operation, example: dict[str, Any]
) -> None:
    assert CONTRACT.fits_body(operation, example)
    known = things | FIRST.get(operation.id, lambda _: {})(rest)
    path = operation.path.format(**known)
    answer = rest.ask(operation.method, path, body=filled(example, known))
    assert 200 <= answer.status < 300, answer.content
    rest.core.drop_queued()


def good_answers() -> set[tuple[str, int, str]]:
    """Return every good answer that the description tells of: operation, status, media type."""
    return {
        (operation.id, int(status), media)
        for operation in CONTRACT.operations
        for status, told in operation.told["responses"].items()
        if int(status) < 400
        for media in told.get("content", {"": None})
    }


def unchanged(rest: RestService, path: str) -> bool:
    """Whether what is at an address is told as unchanged to one who has just read it."""
    tag = rest.ask("GET", path).headers["ETag"]
    again = rest.ask("GET", path, If_None_Match=tag)
    return (again.status, again.content) == (304, b"")


def read(rest: RestService, operation: Operation, path: str) -> None:
    """Read what is at an address in every form that the description has for it."""
    assert rest.ask("GET", path).status == 200
    media = operation.told["responses"]["200"]["content"]
    if "304" in operation.told["responses"]:
        wait_until(lambda: unchanged(rest, path))  # records come in after what they tell of
    if PARTIAL in media:
        (fields,) = (each for each in operation.told["parameters"] if each.get("name") == "fields")
        for name in fields["schema"]["items"]["enum"]:
            some = rest.ask("GET", f"{path}?fields={name}").json
            for one in some["items"] if "next" in some else [some]:
                assert set(one) <= {name}
    for form in ("jsonl", "parquet"):
        if any(each.endswith(form) for each in media):
            assert rest.ask("GET", f"{path}?format={form}").status == 200
    if "text/csv" in media:
        assert rest.ask("GET", path, Accept="text/csv").status == 200
    if "text/event-stream" in media and "204" in operation.told["responses"]:
        last = rest.ask("GET", path.removesuffix("/events")).json
        assert last["state"] == "succeeded"
        events = rest.ask("GET", path).content.decode()
        newest = events.rpartition("id: ")[2].partition("\n")[0]
        assert rest.ask("GET", path, Last_Event_ID=newest).status == 204


def throwaway(rest: RestService, operation: Operation) -> dict[str, str]:
    """Make what a deletion takes away; return its name."""
    if operation.id == "revoke_person_certificate":  # its name is known afterwards
        issued = made(rest.ask("POST", "/me/ssh-certificates", body={"public": public_key()}))
        return {"sshcertificate": issued["certificate"]["id"]}
    definition = {"selection": {}, "rules": [{"name": "daily", "cron": "0 2 * * *"}]}
    one = {"name": "one", "kit": "fake", "account": "333333333333", "regions": ["here-1"]}
    value = {"access_key_id": "A", "secret_access_key": "B"}
    how: dict[str, tuple[str, str, dict[str, Any], dict[str, str]]] = {
        "delete_key": (
            "POST",
            "/keys",
            {"name": "one", "kind": "fake", "value": value},
            {"key": "one"},
        ),
        "delete_member": (
            "PUT",
            f"{SHOP}/members/user:one",
            {"role": "viewer"},
            {"subject": "user:one"},
        ),
        "delete_environment": ("POST", f"{SHOP}/environments", one, {"environment": "one"}),
        "delete_device": (
            "POST",
            f"{SHOP}/devices",
            {"name": "one", "address": "10.0.3.19"},
            {"device": "one"},
        ),
        "delete_access_service": (
            "POST",
            f"{SHOP}/devices/router-1/access-services",
            {"name": "one", "login": "admin"},
            {"service": "one"},
        ),
        "delete_person_key": (
            "POST",
            "/me/ssh-keys",
            {"name": "one", "public": public_key()},
            {"sshkey": "one"},
        ),
        "delete_backup_plan": (
            "POST",
            f"{SHOP}/backup-plans",
            {"name": "one", "definition": definition},
            {"plan": "one"},
        ),
    }
    method, path, body, named = how[operation.id]
    made(rest.ask(method, path, body=body))
    return named


def test_every_good_answer_of_the_description_is_given(
    rest: RestService, things: dict[str, str]
) -> None:
    CONTRACT.seen.clear()
    for operation in CONTRACT.operations:
        if operation.method == "GET":
            read(rest, operation, operation.path.format(**things))
        elif "requestBody" not in operation.told:
            named = throwaway(rest, operation)
            assert rest.ask(operation.method, operation.path.format(**things | named)).status == 204
        else:
            content = operation.told["requestBody"]["content"][JSON]
            example = next(iter(content["examples"].values()))["value"]
            takes_dry_run = "dry_run" in properties(content["schema"])
            ways = [{"dry_run": False}, {"dry_run": True}] if takes_dry_run else [{}]
            for body in [{**example, **way} for way in ways]:
                known = things | FIRST.get(operation.id, lambda _: {})(rest)
                path = operation.path.format(**known)
                made(rest.ask(operation.method, path, body=again(filled(body, known))))
                rest.core.drop_queued()
    assert good_answers() - CONTRACT.seen == set()


def again(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body that names something new."""
    return {**body, "name": body["name"] + "-2"} if "name" in body else body


def properties(schema: Mapping[str, Any]) -> set[str]:
    """Return the names of what a body may have."""
    found: set[str] = set()
    for each in schema.get("oneOf", [schema]):
        found |= set(CONTRACT.resolved(each)["properties"])
    return found
