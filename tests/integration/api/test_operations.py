"""Every operation of the API: who may call it, and what everybody else is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from core_double import KERNEL, PERSON, PLATFORM, plan_document
from mavis_core.access import PERMISSIONS, Permission, Role, Scope
from mavis_ext.answers import Needs
from mavis_ext.app import operations
from public_keys import public_key
from rest_service import Answer, RestService, caller


@dataclass(frozen=True)
class Operation:
    """An operation at its address."""

    id: str
    method: str
    path: str
    needs: Permission | Needs


ALL = tuple(Operation(each.id, each.method, path, each.needs) for path, each in operations())
IN_PROJECT = [each for each in ALL if each.path.startswith("/projects/{project}")]
BY_ROLE = [
    each
    for each in IN_PROJECT
    if isinstance(each.needs, Permission) and PERMISSIONS[each.needs].roles
]
OF_NO_PROJECT = [
    each for each in ALL if isinstance(each.needs, Permission) and not PERMISSIONS[each.needs].roles
]
OF_PLATFORM = [
    each for each in OF_NO_PROJECT if PERMISSIONS[Permission(each.needs)].scope is Scope.ADMIN
]
OWN = [each for each in OF_NO_PROJECT if each not in OF_PLATFORM]
"""What everybody does with what is theirs, where the token is not a notebook's."""
OPEN = {each.path for each in ALL if each.needs is Needs.NOTHING}
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}],
}
CELL = {
    "code": "1",
    "sha256": "0" * 64,
    "started_at": "2026-11-27T22:15:00Z",
    "ended_at": "2026-11-27T22:15:01Z",
    "status": "ok",
    "stream": "kernel-1",
    "sequence": 1,
}
BODIES: dict[str, dict[str, object]] = {
    "POST /device-logins": {"client_id": "mavis", "client_name": "laptop"},
    "POST /device-logins/token": {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "of nobody",
        "client_id": "mavis",
    },
    "POST /keys": {
        "name": "another",
        "kind": "fake",
        "value": {"access_key_id": "A", "secret_access_key": "B"},
    },
    "POST /keys/{key}/rotation": {"confirm": "spare"},
    "POST /records/sql": {"sql": "SELECT 1"},
    "POST /projects": {"name": "another"},
    "PUT /projects/{project}": {"title": "The shop", "production": False},
    "PUT /projects/{project}/members/{subject}": {"role": "viewer"},
    "POST /projects/{project}/environments": {
        "name": "another",
        "kit": "fake",
        "account": "1",
        "regions": ["here-1"],
    },
    "POST /projects/{project}/discoveries": {},
    "POST /projects/{project}/previews": {"action": "resource.stop", "resource": "web-1"},
    "POST /projects/{project}/previews/{preview}/apply": {"hash": "", "confirm": "shop"},
    "POST /projects/{project}/backup-plans": {"name": "another", "definition": plan_document()},
    "PUT /projects/{project}/backup-plans/{plan}": {"definition": plan_document()},
    "POST /projects/{project}/backup-plans/{plan}/runs": {},
    "POST /projects/{project}/recovery-points": {"resource": "web-1"},
    "POST /projects/{project}/recovery-points/{point}/copies": {"region": "here-1"},
    "POST /projects/{project}/recovery-points/{point}/verifications": {},
    "PUT /projects/{project}/recovery-points/{point}/hold": {"reason": "case 7"},
    "DELETE /projects/{project}/recovery-points/{point}/hold": {"reason": "case 7"},
    "PUT /projects/{project}/recovery-points/{point}/lock": {"for": "1d"},
    "POST /projects/{project}/restores": {"point": "rp_none", "kind": "volumes"},
    "POST /projects/{project}/dashboards": {"name": "another", "notebook": NOTEBOOK},
    "POST /projects/{project}/dashboards/{dashboard}/versions/{version}/activate": {},
    "POST /projects/{project}/dashboards/{dashboard}/unpublish": {},
    "POST /projects/{project}/runs/{run}/cancel": {},
    "POST /projects/{project}/records": {
        "records": [{"action": "deploy.finish", "time": "2026-11-27T22:15:00Z"}]
    },
    "POST /projects/{project}/cells": {"cells": [CELL]},
    "POST /me/ssh-keys": {"name": "another", "public": public_key()},
    "POST /me/ssh-certificates": {"public": public_key()},
    "POST /projects/{project}/devices": {"name": "another", "address": "10.0.0.8"},
    "POST /projects/{project}/devices/{device}/access-services": {
        "name": "another",
        "login": "al",
    },
    "POST /projects/{project}/devices/{device}/access-services/{service}/host-keys": {
        "fingerprint": "SHA256:none"
    },
    "POST /projects/{project}/sessions": {"device": "router-1"},
    "POST /projects/{project}/sessions/{session}/return": {},
    "POST /projects/{project}/sessions/{session}/watch": {},
    "POST /projects/{project}/sessions/{session}/end": {"reason": "case 7"},
    "POST /projects/{project}/record-holds": {"reason": "case 7"},
    "POST /projects/{project}/record-holds/{hold}/release": {"reason": "case 7 ended"},
}


def name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def ask(
    rest: RestService,
    operation: Operation,
    things: Mapping[str, str],
    token: str | None,
    **other: str,
) -> Answer:
    """Call an operation on things that are there, with a good body."""
    body = BODIES.get(name(operation))
    if body is not None and "hash" in body:
        body = {**body, "hash": things["hash"]}
    return rest.ask(operation.method, operation.path.format(**things | other), token, body)


def test_every_operation_has_an_id_of_its_own_and_a_body_here_where_it_takes_one() -> None:
    assert len({each.id for each in ALL}) == len(ALL)
    changing = {name(each) for each in ALL if each.method in ("POST", "PUT")}
    assert changing <= set(BODIES) <= {name(each) for each in ALL}


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_nobody_is_told_anything(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    for token in (None, "unknown", "", "x" * 300):
        answer = ask(rest, operation, things, token)
        if operation.needs is Needs.NOTHING:
            assert answer.status == (400 if operation.id == "collect_device_login" else 200)
            continue
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mavis"'


@pytest.mark.parametrize("operation", IN_PROJECT, ids=name)
def test_a_project_of_others_is_a_project_that_is_none(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    told = []
    for project in ("shop", "nope"):
        answer = ask(rest, operation, things, "eve", project=project)
        assert (answer.status, answer.code) == (404, "not_found")
        body = {k: v for k, v in answer.json.items() if k != "request_id"}
        headers = {k: v for k, v in answer.headers.items() if k not in ("X-Request-Id", "Date")}
        headers.pop("Content-Length")
        told.append(json.dumps([body, headers]).replace(f"'{project}'", "'…'"))
    assert told[0] == told[1]


@pytest.mark.parametrize("operation", BY_ROLE, ids=name)
def test_a_lower_role_is_refused_and_the_lowest_good_one_is_not(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    permission = Permission(operation.needs)
    grant = PERMISSIONS[permission]
    for role in Role:
        if role in grant.roles:
            continue
        answer = ask(rest, operation, things, f"as-{role}")
        assert (answer.status, answer.code) == (403, "forbidden"), role
        assert answer.json["detail"].startswith(f"{permission} needs the role ")
    if operation.method == "GET":
        whose = 404 if operation.id == "get_preview" else 200  # it is ada's
        for role in grant.roles:
            assert ask(rest, operation, things, f"as-{role}").status == whose


@pytest.mark.parametrize("operation", BY_ROLE + OF_NO_PROJECT, ids=name)
def test_a_token_without_the_scope_is_refused_whatever_the_role(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    permission = Permission(operation.needs)
    lacking = PLATFORM - {PERMISSIONS[permission].scope}
    rest.tokens.known["lacking"] = caller("ada", lacking)
    answer = ask(rest, operation, things, "lacking")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert answer.json["detail"].startswith(f"{permission} needs the scope ")


@pytest.mark.parametrize("operation", OF_PLATFORM, ids=name)
def test_what_is_the_platforms_is_for_its_administrators(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    for token in ("olga", "kernel", "vera"):
        assert ask(rest, operation, things, token).status == 403


@pytest.mark.parametrize("operation", OWN, ids=name)
def test_what_is_ones_own_is_for_everybody_and_for_no_notebook(
    rest: RestService, things: dict[str, str], operation: Operation
) -> None:
    assert ask(rest, operation, things, "kernel").status == 403
    assert ask(rest, operation, things, "vera").status in (200, 201, 204, 404)


def test_applying_asks_for_the_permission_of_the_action(rest: RestService) -> None:
    for token, action, needs in (
        ("vera", "recovery_point.create", "recovery_point.create needs the role"),
        ("vera", "resource.stop", "resource.stop needs the role"),
        ("kernel", "resource.stop", "resource.stop needs the scope custom:mavis:destroy"),
    ):
        shown = rest.ask(
            "POST", "/projects/shop/previews", token, {"action": action, "resource": "web-1"}
        ).json
        body = {"hash": shown["hash"], "confirm": "shop"}
        path = f"/projects/shop/previews/{shown['id']}/apply"
        answer = rest.ask("POST", path, token, body)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.json["detail"].startswith(needs)
    assert not [run for run in _runs(rest) if run["kind"] == "resource.stop"]


def _runs(rest: RestService) -> list[dict[str, object]]:
    items: list[dict[str, object]] = rest.ask("GET", "/projects/shop/runs").json["items"]
    return items


def test_a_kernels_token_reads_previews_and_operates(rest: RestService) -> None:
    assert rest.ask("GET", "/projects/shop/resources", "kernel").status == 200
    assert rest.ask("POST", "/projects/shop/discoveries", "kernel", {}).status == 202
    me = rest.ask("GET", "/me", "kernel").json
    assert me["scopes"] == [Scope.OPERATE, Scope.READ]
    assert me["platform_admin"] is False
    assert rest.ask("GET", "/me", "ada").json["platform_admin"] is True
    assert Scope.DESTROY in PERSON


def test_a_kernels_token_opens_sessions_of_its_person_and_decides_nothing_about_devices(
    rest: RestService, things: dict[str, str]
) -> None:
    place, device = "/projects/shop/sessions", "/projects/shop/devices/router-1"
    asked = rest.ask("POST", place, "kernel", {"device": "router-1", "entrance": "notebook"})
    assert asked.status == 201
    told = asked.json["session"]
    assert (told["person"], told["entrance"], told["state"]) == ("olga", "notebook", "asked")
    assert "key" not in asked.content.decode()
    assert rest.ask("POST", f"{place}/{told['id']}/end", "kernel", {}).status == 200
    recording = rest.ask("GET", f"{place}/{things['session']}/recording", "kernel")
    assert recording.code == "forbidden", "an operator replays nothing, nor does their notebook"
    assert rest.ask("POST", f"{place}/{things['session']}/end", "kernel", {}).code == "forbidden"
    assert rest.ask("POST", f"{place}/{things['session']}/watch", "kernel", {}).code == "forbidden"
    approval = {"fingerprint": "SHA256:" + "A" * 43}
    ways = f"{device}/access-services"
    for path, body in (
        ("/projects/shop/devices", {"name": "web-9", "address": "10.0.0.9"}),
        (ways, {"login": "root"}),
        (f"{ways}/ssh/host-keys", approval),
        ("/me/ssh-keys", {"name": "laptop-2", "public": "ssh-ed25519 AAAA"}),
    ):
        assert rest.ask("POST", path, "kernel", body).code == "forbidden", path
    rest.tokens.known["auditor's kernel"] = caller("as-auditor", KERNEL)
    replayed = rest.ask("GET", f"{place}/{things['session']}/recording", "auditor's kernel")
    assert replayed.status == 200
    read = rest.record_of(replayed)
    assert read is not None
    assert (read["action"], read["person"]) == ("recording.read", "as-auditor")
    assert read["object"] == things["session"]


def test_a_preview_says_which_run_carries_it_out(rest: RestService) -> None:
    asked = {"action": "resource.stop", "resource": "web-1"}
    shown = rest.ask("POST", "/projects/shop/previews", "kernel", asked).json
    assert shown["run"] is None
    address = f"/projects/shop/previews/{shown['id']}"
    confirmed = {"hash": shown["hash"], "confirm": "shop"}
    assert rest.ask("POST", f"{address}/apply", "kernel", confirmed).code == "forbidden"
    run = rest.ask("POST", f"{address}/apply", "olga", confirmed).json["id"]
    assert rest.ask("GET", address, "kernel").json["run"] == run


def test_every_refused_change_has_a_record_before_its_answer(
    rest: RestService, things: dict[str, str]
) -> None:
    for operation in ALL:
        if operation.method == "GET" or operation.needs is Needs.NOTHING:
            continue
        who = "eve" if operation in IN_PROJECT else "kernel" if operation in OWN else "vera"
        answer = ask(rest, operation, things, who)
        assert answer.status in (403, 404)
        record = rest.record_of(answer)
        assert record is not None, name(operation)
        assert (record["action"], record["outcome"]) == ("api.refused", "refused")
        assert record["error_code"] == answer.code
        assert record["person"] == ("olga" if who == "kernel" else who)
        assert record["object"].startswith(f"{operation.method} /services/mavis/api/v1/")


@pytest.mark.parametrize("path", sorted({each.path for each in ALL}))
def test_a_method_that_an_address_does_not_take_is_405_with_those_that_it_takes(
    rest: RestService, things: dict[str, str], path: str
) -> None:
    taken = [each.method for each in ALL if each.path == path]
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        if method in taken:
            continue
        answer = rest.ask(method, path.format(**things))
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == ", ".join(taken)
        if path not in OPEN:
            assert rest.ask(method, path.format(**things), None).status == 401


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nope", "/projects/", "/projects//members", "/projects/shop/nope", "/me/", "/v2"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_that_is_none_is_404_for_those_who_are_known(
    rest: RestService, method: str, path: str
) -> None:
    answer = rest.ask(method, path)
    assert (answer.status, answer.code) == (404, "not_found")
    assert rest.ask(method, path, None).code == "unauthenticated"
    assert (rest.record_of(answer) is not None) == (method != "GET")
