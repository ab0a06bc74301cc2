"""SQL over the records: who reaches what, how it is recorded, and what callers are told."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest

from core_double import PLATFORM, wait_until
from mavis_core.access import Confinement, Role, Scope
from mavis_ext.app import API
from rest_service import Answer, Caller, RestService, caller

ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r"
PROJECTS = "SELECT DISTINCT project FROM records ORDER BY ALL"


def ask(rest: RestService, token: str | None, sql: str, **more: Any) -> Answer:
    return rest.ask("POST", "/records/sql", token, {"sql": sql, **more})


def told(rest: RestService, token: str, sql: str, **more: Any) -> list[Any]:
    answer = ask(rest, token, sql, **more)
    assert answer.status == 200, answer.content
    rows: list[Any] = answer.json["rows"]
    return rows


@pytest.fixture(scope="module", autouse=True)
def blog(rest: RestService) -> None:
    """A second project, of ada alone, whose records have come to the log."""
    assert rest.ask("POST", "/projects", "ada", {"name": "blog"}).status == 201
    assert rest.ask("POST", "/projects/shop/discoveries", "olga", {}).status == 202
    assert rest.ask("DELETE", "/keys/none", "olga").status == 403
    for path in (
        "/projects/blog/records?action=project.create",
        "/projects/shop/records?action=inventory.discover",
        "/records?action=api.refused",
    ):
        wait_until(lambda path=path: bool(rest.ask("GET", path, "ada").json["items"]))  # type: ignore[misc]  # a default has no type


def records_of(rest: RestService, answer: Answer) -> list[dict[str, Any]]:
    """Return the records that a call has left, as they lie in the database at this moment."""
    request_id = answer.headers["X-Request-Id"]
    return [each for each in rest.core.records_ever() if each["request_id"] == request_id]


def test_a_question_is_answered_with_columns_and_rows(rest: RestService) -> None:
    answer = ask(rest, "olga", "SELECT project, count(*) AS n FROM records GROUP BY ALL")
    assert answer.status == 200
    assert answer.json["columns"] == [
        {"name": "project", "type": "VARCHAR"},
        {"name": "n", "type": "BIGINT"},
    ]
    assert answer.json["rows"] == [["shop", answer.json["records"]]]


def test_each_person_reaches_the_projects_whose_records_they_may_read(rest: RestService) -> None:
    assert told(rest, "olga", PROJECTS) == [["shop"]]
    assert told(rest, "kernel", PROJECTS) == [["shop"]]
    rest.tokens.known["plain-ada"] = caller("ada", frozenset({Scope.READ}))
    assert told(rest, "plain-ada", PROJECTS) == [["blog"], ["shop"]]
    assert told(rest, "plain-ada", PROJECTS, projects=["blog"]) == [["blog"]]
    rows = told(rest, "ada", "SELECT DISTINCT project_id FROM records")
    assert [None] in rows  # the platform's own, for those who may read all
    assert len(rows) == 3


def test_a_project_of_others_is_refused_as_one_that_is_none(rest: RestService) -> None:
    for project in ("blog", "nope"):
        answer = ask(rest, "olga", "SELECT 1", projects=["shop", project])
        assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("role", Role)
def test_the_role_decides(rest: RestService, role: Role) -> None:
    allowed = role in (Role.AUDITOR, Role.OPERATOR, Role.ADMIN)
    rest.tokens.known["somebody"] = caller(f"as-{role}", frozenset({Scope.READ}))
    for more in ({}, {"projects": ["shop"]}):
        answer = ask(rest, "somebody", "SELECT 1", **more)
        assert answer.status == (200 if allowed else 403)
        if not allowed:
            assert "record.read needs the role admin or auditor" in answer.json["detail"]


def test_the_scope_decides_too(rest: RestService) -> None:
    rest.tokens.known["lacking"] = caller("ada", PLATFORM - {Scope.READ, Scope.ADMIN})
    for more in ({}, {"projects": ["shop"]}):
        answer = ask(rest, "lacking", "SELECT 1", **more)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert answer.json["detail"].startswith("record.read needs the scope ")
    assert ask(rest, None, "SELECT 1").status == 401


def test_a_token_of_one_project_reaches_no_other(rest: RestService) -> None:
    shop = rest.ask("GET", "/projects/shop", "ada").json["id"]
    known = rest.tokens.known
    for role, status in ((Role.AUDITOR, 200), (Role.VIEWER, 403)):
        confined = Confinement(shop, frozenset({role}))
        known["confined"] = Caller(known["ada"].principal, PLATFORM, confined)
        answer = ask(rest, "confined", PROJECTS)
        assert answer.status == status
        assert status != 200 or answer.json["rows"] == [["shop"]]
        assert ask(rest, "confined", PROJECTS, projects=["blog"]).status == 404


def test_the_time_bounds_what_is_asked(rest: RestService) -> None:
    count = "SELECT count(*) FROM records"
    assert told(rest, "olga", count, since="2100-01-01T00:00:00Z") == [[0]]
    assert told(rest, "olga", count, until="2100-01-01T00:00:00Z") != [[0]]


def test_a_question_is_recorded_in_each_project_before_its_answer(rest: RestService) -> None:
    answer = ask(rest, "plain-ada", PROJECTS, since="2026-01-01T00:00:00Z")
    made = records_of(rest, answer)
    assert {each["action"] for each in made} == {"record.query"}
    assert len({each["project"] for each in made}) == 2
    for each in made:
        assert (each["kind"], each["outcome"], each["person"]) == ("audit", "ok", "ada")
        data = json.loads(each["data"]) if isinstance(each["data"], str) else each["data"]
        assert (data["sql"], data["rows"]) == (PROJECTS, 2)
        assert data["since"] == "2026-01-01T00:00:00.000000Z"
    (of_platform,) = records_of(rest, ask(rest, "ada", "SELECT 1"))
    assert of_platform["project"] is None


def test_the_text_is_kept_up_to_four_kilobytes(rest: RestService) -> None:
    (made,) = records_of(rest, ask(rest, "olga", f"SELECT 'ä' -- {'ü' * 5000}"))
    data = json.loads(made["data"]) if isinstance(made["data"], str) else made["data"]
    assert 4090 < len(data["sql"].encode()) <= 4096


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("DROP TABLE records", "invalid_input", "can be read only"),
        ("SELECT nope FROM records", "invalid_input", "LINE 1: SELECT nope"),
        ("FROM read_text('/etc/passwd')", "invalid_input", "disabled by configuration"),
        ("FROM range(1_000_000)", "over_limit", "more than 100,000 rows"),
    ],
)
def test_what_is_refused_is_told_and_recorded_once(
    rest: RestService, sql: str, code: str, words: str
) -> None:
    answer = ask(rest, "olga", sql)
    assert (answer.status, answer.code) == (400, code)
    assert words in answer.json["detail"]
    assert answer.json["field"] == "sql"
    (made,) = records_of(rest, answer)
    assert (made["action"], made["outcome"]) == ("record.query", "refused")
    assert made["error_code"] == code


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sql": ""},
        {"sql": "x" * 20_001},
        {"sql": 1},
        {"sql": "SELECT 1", "projects": "shop"},
        {"sql": "SELECT 1", "since": "yesterday"},
        {"sql": "SELECT 1", "projects": ["shop"] * 51},
        {"sql": "SELECT '\0'"},
        {"sql": "SELECT '\ud800'"},
    ],
    ids=str,
)
def test_a_body_that_is_no_question_is_refused(rest: RestService, body: dict[str, Any]) -> None:
    answer = rest.ask("POST", "/records/sql", "olga", body)
    assert (answer.status, answer.code) == (400, "invalid_input")


def test_an_idempotency_key_keeps_no_answer(rest: RestService) -> None:
    count, counted = "SELECT count(*) FROM records WHERE action = 'record.query'", []
    for _ in range(2):
        answer = rest.ask("POST", "/records/sql", "olga", {"sql": count}, Idempotency_Key="one")
        assert "Idempotent-Replayed" not in answer.headers
        counted.append(answer.json["rows"][0][0])
        wait_until(lambda: told(rest, "olga", count)[0][0] > counted[0])
    assert counted[1] > counted[0]


def test_what_nobody_waits_for_is_ended(rest: RestService) -> None:
    def under_way() -> bool:
        everybody = psutil.Process().children(recursive=True)
        return any("child.py" in word for each in everybody for word in _words(each))

    with closing(HTTPConnection("127.0.0.1", rest.port, timeout=30)) as connection:
        sent = {"Authorization": "token olga", "Content-Type": "application/json"}
        body = json.dumps({"sql": ENDLESS})
        connection.request("POST", f"{API}/records/sql", body, sent)
        wait_until(under_way)
    wait_until(lambda: not under_way(), timeout_s=5)

    def recorded() -> bool:
        return any(
            each["action"] == "record.query" and each["error_code"] == "cancelled"
            for each in rest.core.records_ever()
        )

    wait_until(recorded)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
