"""What is done to a recovery point over REST: copied, proven, held, locked, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core_double import ACCOUNT
from rest_service import Answer, RestService

POINTS = "/projects/shop/recovery-points"
ELSEWHERE = "there-1"


@pytest.fixture
def point(rest: RestService) -> str:
    """A new recovery point of web-1."""
    begun = rest.ask("POST", POINTS, "olga", {"resource": "web-1"})
    assert begun.status == 202
    assert rest.core.carry_out() is None
    newest: str = rest.ask("GET", f"{POINTS}?limit=1").json["items"][0]["id"]
    return newest


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(rest: RestService) -> None:
    """Another environment, in another region."""
    body = {"name": "dr", "kit": "fake", "account": ACCOUNT, "regions": [ELSEWHERE]}
    assert rest.ask("POST", "/projects/shop/environments", body=body).status == 201


def told(rest: RestService, point: str) -> Any:
    answer = rest.ask("GET", f"{POINTS}/{point}", "vera")
    assert answer.status == 200, answer.content
    return answer.json


def carried_out(rest: RestService, answer: Answer) -> Any:
    """Return the Run that an answer began, when it has succeeded."""
    assert answer.status == 202, answer.content
    assert rest.core.carry_out() is None
    run = rest.ask("GET", f"/projects/shop/runs/{answer.json['id']}").json
    assert run["state"] == "succeeded"
    return run


def apply(rest: RestService, shown: Any, token: str = "ada") -> Answer:
    """Apply a preview with the project's name."""
    body = {"hash": shown["hash"], "confirm": "shop"}
    return rest.ask("POST", f"/projects/shop/previews/{shown['id']}/apply", token, body)


def test_a_copy_is_shown_made_and_found(rest: RestService, point: str) -> None:
    path, body = f"{POINTS}/{point}/copies", {"environment": "dr", "region": ELSEWHERE}
    shown = rest.ask("POST", path, "olga", body | {"dry_run": True})
    assert shown.status == 200
    assert [(each["verb"], each["kind"]) for each in shown.json["effects"]] == [("create", "copy")]
    assert len(told(rest, point)["copies"]) == 1
    carried_out(rest, rest.ask("POST", path, "olga", body))
    copies = told(rest, point)["copies"]
    assert [(each["role"], each["region"], each["state"]) for each in copies] == [
        ("primary", "here-1", "complete"),
        ("copy", ELSEWHERE, "complete"),
    ]
    again = rest.ask("POST", path, "olga", body)
    assert (again.status, again.code) == (409, "conflict")
    explained = rest.ask("GET", f"{POINTS}/{point}/explanation").json["items"]
    assert [each["region"] for each in explained] == ["here-1", ELSEWHERE]


def test_a_restore_uses_the_copy_that_is_named(rest: RestService, point: str) -> None:
    place = {"environment": "dr", "region": ELSEWHERE}
    carried_out(rest, rest.ask("POST", f"{POINTS}/{point}/copies", "olga", place))
    body = {"point": point, "kind": "volumes", "zone": f"{ELSEWHERE}a", **place}
    run = carried_out(rest, rest.ask("POST", "/projects/shop/restores", "olga", body))
    restored = rest.ask("GET", f"/projects/shop/restores/{run['result']['restore']}").json
    assert restored["arguments"]["region"] == ELSEWHERE
    assert restored["copy_id"] == told(rest, point)["copies"][1]["id"]


def test_a_proof_is_begun_and_stands_on_the_point(rest: RestService, point: str) -> None:
    path = f"{POINTS}/{point}/verifications"
    shown = rest.ask("POST", path, "olga", {"dry_run": True})
    assert {"read", "create", "delete"} <= {each["verb"] for each in shown.json["effects"]}
    assert told(rest, point)["proof"] is None
    run = carried_out(rest, rest.ask("POST", path, "olga", {"blocks": 4}))
    proof = told(rest, point)["proof"]
    assert (proof["ok"], proof["left"], proof["run"]) == (True, 0, run["id"])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"blocks": -1}, "blocks"),
        ({"timeout": 1}, "timeout"),
        ({"without_agent": "hope"}, "without_agent"),
        ({"check": ""}, "check"),
        ({"zone": "x"}, "zone"),
    ],
    ids=str,
)
def test_a_proof_that_cannot_be_is_refused(
    rest: RestService, things: dict[str, str], more: dict[str, Any], field: str
) -> None:
    answer = rest.ask("POST", f"{POINTS}/{things['point']}/verifications", "olga", more)
    assert (answer.status, answer.json["field"]) == (400, field)


def test_a_point_that_is_held_is_deleted_only_when_it_is_released(
    rest: RestService, point: str
) -> None:
    path = f"{POINTS}/{point}/hold"
    held = rest.ask("PUT", path, "as-auditor", {"reason": "case 7"})
    assert held.status == 200
    assert (held.json["hold"]["by"], held.json["hold"]["reason"]) == ("as-auditor", "case 7")
    again = rest.ask("PUT", path, "ada", {"reason": "another"})
    assert again.json["hold"] == held.json["hold"], "the first one stands"
    delete = {"action": "recovery_point.delete", "resource": point}
    refused = rest.ask("POST", "/projects/shop/previews", "ada", delete)
    assert refused.status in (409, 502)
    assert "a legal hold of as-auditor: case 7" in refused.json["detail"]
    free = rest.ask("DELETE", path, "as-auditor", {"reason": "case closed"})
    assert (free.status, free.json["hold"]) == (200, None)
    record = next(
        each
        for each in rest.core.records_ever()
        if each["action"] == "recovery_point.release" and each["object"] == point
    )
    assert record["summary"].endswith("case closed")
    shown = rest.ask("POST", "/projects/shop/previews", "ada", delete)
    assert (shown.status, shown.json["severity"]) == (201, "destroys")
    carried_out(rest, apply(rest, shown.json))
    assert told(rest, point)["state"] == "gone"


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "a\u0000"}])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_hold_begins_and_ends_for_a_reason(
    rest: RestService, things: dict[str, str], method: str, body: dict[str, str]
) -> None:
    answer = rest.ask(method, f"{POINTS}/{things['point']}/hold", "ada", body)
    assert (answer.status, answer.json["field"]) == (400, "reason")


def test_a_governance_lock_is_set_and_taken_away(rest: RestService, point: str) -> None:
    path = f"{POINTS}/{point}/lock"
    shown = rest.ask("PUT", path, "ada", {"for": "2d", "dry_run": True})
    assert (shown.status, shown.json["severity"], shown.json["confirm"]) == (200, "changes", None)
    carried_out(rest, rest.ask("PUT", path, "ada", {"for": "2d"}))
    lock = told(rest, point)["lock"]
    left = datetime.fromisoformat(lock["until"]) - datetime.now(UTC)
    assert lock["mode"] == "governance"
    assert timedelta(days=1) < left <= timedelta(days=2)
    assert rest.ask("DELETE", path, "ada", {"dry_run": True}).json["severity"] == "changes"
    carried_out(rest, rest.ask("DELETE", path, "ada"))
    assert told(rest, point)["lock"] is None
    assert rest.ask("DELETE", path, "ada").code == "conflict"


def test_a_compliance_lock_asks_for_the_projects_name(rest: RestService, point: str) -> None:
    path = f"{POINTS}/{point}/lock"
    body = {"mode": "compliance", "for": "1d"}
    refused = rest.ask("PUT", path, "ada", body)
    assert (refused.status, refused.code) == (409, "confirmation_needed")
    assert told(rest, point)["lock"] is None
    shown = rest.ask("PUT", path, "ada", body | {"dry_run": True})
    assert (shown.json["severity"], shown.json["confirm"]) == ("destroys", "shop")
    assert any("nobody can delete it" in warning for warning in shown.json["warnings"])
    carried_out(rest, apply(rest, shown.json))
    assert told(rest, point)["lock"]["mode"] == "compliance"
    assert rest.ask("DELETE", path, "ada").code == "conflict"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"for": "soon"}, "for"),
        ({"for": "1h"}, "for"),
        ({"until": "tomorrow"}, "until"),
        ({"until": "2001-01-01T00:00:00Z"}, "until"),
        ({"until": "2999-01-01T00:00:00"}, "until"),
        ({"mode": "gentle", "for": "1d"}, "mode"),
        ({"length": "1d"}, "length"),
    ],
    ids=str,
)
def test_a_lock_that_cannot_be_is_refused(
    rest: RestService, things: dict[str, str], body: dict[str, str], field: str
) -> None:
    answer = rest.ask("PUT", f"{POINTS}/{things['point']}/lock", "ada", body)
    assert (answer.status, answer.json["field"]) == (400, field)


def test_a_lock_needs_one_end(rest: RestService, things: dict[str, str]) -> None:
    path = f"{POINTS}/{things['point']}/lock"
    for body in ({}, {"for": "1d", "until": "2999-01-01T00:00:00Z"}):
        answer = rest.ask("PUT", path, "ada", body)
        assert (answer.status, answer.code) == (400, "invalid_input")
        assert "either until or for" in answer.json["detail"]
        assert "field" not in answer.json
