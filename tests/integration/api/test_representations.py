"""What HTTP itself promises: entity tags, compression, some fields only, limits, and farewells."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tornado.web import Application

from contract import Operation, contract
from core_double import at_once, plan_document
from mavis_core.config import Config
from mavis_ext import schemas
from mavis_ext.answers import Deprecation, Needs
from mavis_ext.app import API, make_application
from mavis_ext.base import ApiHandler, Services
from mavis_ext.limits import Limits
from mavis_ext.openapi import describe
from mavis_ext.operation import operation, operations_of
from public_keys import public_key
from rest_service import Answer, RestService, serving

DATABASES = ["sqlite", "postgresql"]
SHOP = "/projects/shop"
LONG = "/openapi.json"
SHORT = f"{SHOP}/members/user:as-viewer"
GZIP = {"Accept_Encoding": "gzip"}


def takes(operation: Operation, header: str) -> bool:
    return any(header in str(each.get("$ref")) for each in operation.told["parameters"])


TAGGED = [each for each in contract().operations if takes(each, "If-None-Match")]
CONDITIONAL = [each for each in contract().operations if takes(each, "If-Match")]


@pytest.mark.parametrize("path", [LONG, f"{SHOP}/backup-plans/presets"])
def test_what_is_packed_is_another_representation_with_its_own_tag(
    rest: RestService, path: str
) -> None:
    plain, packed = rest.ask("GET", path), rest.ask("GET", path, **GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2
    assert packed.headers["ETag"] == plain.headers["ETag"].removesuffix('"') + '-gz"'
    for answer in (plain, packed):
        assert answer.headers["Vary"] == "Accept-Encoding, Authorization, Accept"
        for asked in ({}, GZIP):
            same = rest.ask("GET", path, If_None_Match=answer.headers["ETag"], **asked)
            assert (same.status, same.content) == (304, b"")
            assert same.headers["ETag"] == (packed if asked else plain).headers["ETag"]
            assert same.headers["Vary"] == answer.headers["Vary"]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("identity", False),
        ("br", False),
        ("", False),
    ],
)
def test_only_who_takes_gzip_gets_it(rest: RestService, accepted: str, packed: bool) -> None:
    answer = rest.ask("GET", LONG, Accept_Encoding=accepted)
    assert ("Content-Encoding" in answer.headers) is packed


def test_what_is_short_is_not_packed(rest: RestService) -> None:
    answer = rest.ask("GET", SHORT, **GZIP)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Authorization, Accept"


def test_an_answer_to_a_change_is_packed_and_kept_nowhere(
    rest: RestService, things: dict[str, str]
) -> None:
    rules = [{"name": f"rule-{each}", "cron": f"{each} 2 * * *"} for each in range(10)]
    definition = {**plan_document(rules=rules), "hooks": {"pre": "true\n" * 300}}
    body = {"name": "long", "definition": definition, "dry_run": True}
    answer = rest.ask("POST", f"{SHOP}/backup-plans", body=body, **GZIP)
    assert answer.headers["Content-Encoding"] == "gzip", answer.plain
    assert answer.json["definition"]["rules"] == rules
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("{tag}", True),
        ("W/{tag}", True),
        ('"other", {tag}', True),
        ("*", True),
        ('"other"', False),
        ("{tag}x", False),
        ("", False),
    ],
)
def test_a_tag_is_compared_as_http_says(rest: RestService, written: str, same: bool) -> None:
    tag = rest.ask("GET", SHORT).headers["ETag"]
    answer = rest.ask("GET", SHORT, If_None_Match=written.format(tag=tag))
    assert answer.status == (304 if same else 200)
    assert ("Content-Type" in answer.headers) is not same


def test_whoever_may_not_see_it_is_not_told_that_it_is_unchanged(rest: RestService) -> None:
    tag = rest.ask("GET", SHORT).headers["ETag"]
    assert rest.ask("GET", SHORT, "eve", If_None_Match=tag).status == 404
    assert rest.ask("GET", SHORT, None, If_None_Match=tag).status == 401


def test_some_fields_are_another_representation(rest: RestService) -> None:
    whole = rest.ask("GET", SHORT)
    some = rest.ask("GET", f"{SHORT}?fields=role,subject,role")
    assert some.headers["Content-Type"] == "application/vnd.mavis.partial+json"
    assert some.json == {name: whole.json[name] for name in ("subject", "role")}
    assert some.headers["ETag"] != whole.headers["ETag"]
    asked = rest.ask("GET", f"{SHORT}?fields=role,subject", If_None_Match=some.headers["ETag"])
    assert asked.status == 304
    assert rest.ask("GET", SHORT, If_None_Match=some.headers["ETag"]).status == 200


def test_some_fields_of_a_list_still_lead_to_its_next_page(rest: RestService) -> None:
    page = rest.ask("GET", f"{SHOP}/resources?fields=cloud_id&limit=1").json
    assert set(page) == {"items", "next"}
    assert [set(each) for each in page["items"]] == [{"cloud_id"}]
    more = rest.ask("GET", f"{SHOP}/resources?fields=cloud_id&limit=1&cursor={page['next']}").json
    assert more["items"][0] != page["items"][0]


@pytest.mark.parametrize("operation", TAGGED, ids=lambda each: each.id)
@pytest.mark.parametrize("fields", ["surprise", "", "id,surprise", "items", "__class__"])
def test_a_field_that_is_none_is_named(
    rest: RestService, things: dict[str, str], operation: Operation, fields: str
) -> None:
    answer = rest.ask("GET", f"{operation.path.format(**things)}?fields={fields}")
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_input", "fields")


@pytest.fixture
def one(rest: RestService) -> dict[str, str]:
    """Make what may be changed and taken away; what is left goes with the module."""
    value = {"access_key_id": "A", "secret_access_key": "B"}
    place = {"name": "one", "kit": "fake", "account": "333333333333", "regions": ["here-1"]}
    for method, path, body in (
        ("POST", "/keys", {"name": "one", "kind": "fake", "value": value}),
        ("PUT", f"{SHOP}/members/user:one", {"role": "viewer"}),
        ("POST", f"{SHOP}/environments", place),
        ("POST", f"{SHOP}/backup-plans", {"name": "one", "definition": plan_document()}),
        ("POST", f"{SHOP}/devices", {"name": "one", "address": "10.0.3.20"}),
        ("POST", f"{SHOP}/devices/one/access-services", {"name": "one", "login": "al"}),
        ("POST", "/me/ssh-keys", {"name": "one", "public": public_key()}),
    ):
        assert rest.ask(method, path, body=body).status in (200, 201, 409)
    issued = rest.ask("POST", "/me/ssh-certificates", body={"public": public_key()})
    names = ("key", "environment", "plan", "device", "service", "sshkey")
    return {
        "project": "shop",
        "subject": "user:one",
        "sshcertificate": issued.json["certificate"]["id"],
        **dict.fromkeys(names, "one"),
    }


BODIES: dict[str, dict[str, Any]] = {
    "put_project": {"title": "The shop", "production": True},
    "put_member": {"role": "operator"},
    "put_backup_plan": {"definition": plan_document(keep={"daily": 7})},
}


@pytest.mark.parametrize("operation", CONDITIONAL, ids=lambda each: each.id)
def test_a_change_is_made_to_what_was_read_and_to_nothing_else(
    rest: RestService, one: dict[str, str], operation: Operation
) -> None:
    path, body = operation.path.format(**one), BODIES.get(operation.id)

    def change(tag: str) -> Answer:
        return rest.ask(operation.method, path, body=body, If_Match=tag)

    before = rest.ask("GET", path)
    for stale in ('"other"', "", before.headers["ETag"].replace('"', '"x')):
        refused = change(stale)
        assert (refused.status, refused.code) == (412, "precondition_failed")
        assert rest.record_of(refused) is not None
    assert rest.ask("GET", path).content == before.content
    packed = before.headers["ETag"].removesuffix('"') + '-gz"'
    done = change(f'"other", {packed}')
    if operation.method == "DELETE":
        assert done.status == 204
        assert rest.ask("GET", path).status == 404
        assert change(before.headers["ETag"]).status == 404
        return
    assert (done.status, done.headers["ETag"]) == (200, rest.ask("GET", path).headers["ETag"])
    assert change(before.headers["ETag"]).status == 412
    assert change("*").status == 200


@pytest.mark.parametrize("operation", CONDITIONAL, ids=lambda each: each.id)
def test_of_many_who_have_read_the_same_one_changes_it(
    rest: RestService, one: dict[str, str], operation: Operation
) -> None:
    path = operation.path.format(**one)
    tag = rest.ask("GET", path).headers["ETag"]
    bodies: list[Any] = [None] * 4
    if operation.id == "put_project":
        bodies = [{"title": f"Title {each}", "production": True} for each in range(4)]
    if operation.id == "put_member":
        bodies = [{"role": role} for role in ("operator", "approver", "auditor", "admin")]
    if operation.id == "put_backup_plan":
        bodies = [{"definition": plan_document(keep={"daily": 20 + each})} for each in range(4)]
    answers = at_once(
        *(
            lambda body=body: rest.ask(operation.method, path, body=body, If_Match=tag)
            for body in bodies
        )
    )
    statuses = sorted(each.status for each in answers if isinstance(each, Answer))
    lost = 404 if operation.method == "DELETE" else 412
    assert statuses == [204 if operation.method == "DELETE" else 200, lost, lost, lost]


def test_what_has_no_tag_takes_no_condition(rest: RestService, things: dict[str, str]) -> None:
    path = f"{SHOP}/recovery-points/{things['point']}/hold"
    answer = rest.ask("PUT", path, body={"reason": "case 7"}, If_Match="*")
    assert (answer.status, answer.json["field"]) == (400, "If-Match")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_who_calls_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    clock = Clock()

    def application(_: Config, services: Services) -> Application:
        limits = Limits(0.5, 3, now=clock)
        return make_application(replace(services, limits=limits))

    with serving(tmp_path, application=application) as rest:
        assert [rest.ask("GET", "/me").status for _ in range(3)] == [200] * 3
        for method in ("GET", "POST"):
            answer = rest.ask(method, "/projects", body={"name": "late"})
            assert (answer.status, answer.code) == (429, "too_many_requests")
            assert answer.headers["Retry-After"] == "2"
            assert answer.json["retry_after_s"] == 2
        assert rest.record_of(answer) is not None
        assert rest.ask("GET", "/me", "olga").status == 200, "others go on"
        assert rest.ask("GET", "/me", None).status == 401, "who is nobody is nobody still"
        assert rest.ask("GET", "/health", None).status == 200
        clock.now_s = 2.0
        assert rest.ask("GET", "/me").status == 200
        assert rest.ask("GET", "/me").status == 429


class Old(ApiHandler):
    """Operations that will go."""

    @operation(
        "get_old",
        Needs.LOGIN,
        deprecated=Deprecation(date(2026, 3, 1), date(2027, 3, 31), "get_me"),
    )
    def get(self) -> schemas.Health:
        """Say it the old way."""
        return schemas.Health(status="ok", version="1")

    @operation("delete_old", Needs.LOGIN, deprecated=Deprecation(date(2026, 3, 1), None, "get_me"))
    def delete(self) -> None:
        """Do it the old way."""


def test_what_will_go_says_so_in_every_answer(tmp_path: Path) -> None:
    def application(_: Config, services: Services) -> Application:
        return make_application(services, ("/old", Old, {"services": services}))

    with serving(tmp_path, application=application) as rest:
        tag = rest.ask("GET", "/old", prefix="").headers["ETag"]
        for answer, status in (
            (rest.ask("GET", "/old", prefix=""), 200),
            (rest.ask("GET", "/old", prefix="", If_None_Match=tag), 304),
            (rest.ask("GET", "/old?surprise=1", prefix=""), 400),
            (rest.ask("GET", "/old", None, prefix=""), 401),
        ):
            assert answer.status == status
            assert answer.headers["Deprecation"] == "@1772323200"  # 2026-03-01T00:00:00Z
            assert answer.headers["Sunset"] == "Wed, 31 Mar 2027 00:00:00 GMT"
            link = '</services/mavis/docs#get_me>; rel="successor-version"'
            assert answer.headers["Link"] == link
        gone = rest.ask("DELETE", "/old", prefix="")
        assert (gone.status, gone.headers["Deprecation"]) == (204, "@1772323200")
        assert "Sunset" not in gone.headers
        for header in ("Deprecation", "Sunset", "Link"):
            assert header not in rest.ask("GET", "/me").headers


def test_what_will_go_is_described_so() -> None:
    told = describe([("/old", each) for each in operations_of(Old).values()], API)
    for method in ("get", "delete"):
        described = told["paths"]["/old"][method]
        assert (described["deprecated"], described["x-mavis-instead"]) == (True, "get_me")
        for status, answer in described["responses"].items():
            if int(status) < 400:
                assert {"Deprecation", "Link"} <= set(answer["headers"])
                assert ("Sunset" in answer["headers"]) is (method == "get")
