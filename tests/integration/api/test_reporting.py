"""What others saw comes into the log as what it is: reported, by whom, when it came, once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from core_double import KERNEL, wait_until
from integration.api.test_operations import CELL
from mavis_core import clock
from mavis_core.access import Role
from mavis_core.ids import new_id
from mavis_ext.base import MAX_BODY
from rest_service import Answer, RestService, caller

SHOP = "/projects/shop"
DEPLOY = {"action": "deploy.finish", "time": "2026-11-27T22:15:00Z", "object": "shop 4.2"}
_streams = (f"stream-{number}" for number in range(1000))


@pytest.fixture
def stream() -> str:
    return next(_streams)


def report(rest: RestService, *records: dict[str, Any], token: str = "", **headers: str) -> Answer:
    body = {"records": list(records)}
    return rest.ask("POST", f"{SHOP}/records", *([token] if token else []), body=body, **headers)


def found(rest: RestService, **filters: object) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in filters.items())
    items: list[dict[str, Any]] = rest.ask("GET", f"{SHOP}/records?limit=200&{asked}").json["items"]
    return items


def of_stream(rest: RestService, stream: str, action: str = "reported.") -> list[dict[str, Any]]:
    """Return the records of a stream, the oldest first, once the log process shows them."""
    return [each for each in reversed(found(rest, action=action)) if each["stream"] == stream]


def test_a_report_is_kept_as_one(rest: RestService, stream: str) -> None:
    story, before = new_id("cor"), clock.now()
    given = {
        **DEPLOY,
        "summary": "Release 4.2 is live",
        "outcome": "ok",
        "data": {"commit": "1f2e", "reported_time": "a lie"},
        "correlation_id": story,
    }
    records = [given | {"stream": stream, "sequence": number} for number in (1, 2)]
    answer = report(rest, *records)
    assert (answer.status, answer.json) == (200, {"accepted": 2})
    wait_until(lambda: len(of_stream(rest, stream)) == 2)
    one, two = of_stream(rest, stream)
    assert (one["sequence"], two["sequence"]) == (1, 2)
    assert before <= datetime.fromisoformat(one["time"]) < datetime.fromisoformat(two["time"])
    for name in ("id", "time", "request_id", "sequence"):
        one.pop(name)
    assert one == {
        "kind": "operation",
        "phase": "event",
        "origin": "reported",
        "action": "reported.deploy.finish",
        "project": "shop",
        "person": "ada",
        "object": "shop 4.2",
        "outcome": "ok",
        "error_code": None,
        "summary": "Release 4.2 is live",
        "correlation_id": story,
        "source": "127.0.0.1",
        "stream": stream,
        "data": {"commit": "1f2e", "reported_time": "2026-11-27T22:15:00.000000Z"},
    }


@pytest.mark.parametrize("action", ["cloud.DeleteSnapshot", "run.cancel", "cell.run", "key.open"])
def test_an_action_of_ours_cannot_be_imitated(rest: RestService, stream: str, action: str) -> None:
    record = DEPLOY | {"action": action, "stream": stream, "sequence": 1}
    assert report(rest, record).status == 200
    wait_until(lambda: len(of_stream(rest, stream)) == 1)
    assert of_stream(rest, stream)[0]["action"] == f"reported.{action}"
    assert of_stream(rest, stream, action) == []


def test_what_comes_again_is_kept_once(rest: RestService, stream: str) -> None:
    numbered = [DEPLOY | {"stream": stream, "sequence": number} for number in (1, 2, 3)]
    for sent in (numbered, numbered[1:], numbered):
        assert report(rest, *sent).json == {"accepted": len(sent)}
    other = DEPLOY | {"stream": stream, "sequence": 3, "object": "another"}
    assert report(rest, other).status == 200  # not the same: it shows
    wait_until(lambda: len(of_stream(rest, stream)) == 4)
    story = new_id("cor")
    plain = DEPLOY | {"correlation_id": story}
    for key in ("one", "one", "two"):
        assert report(rest, plain, plain, Idempotency_Key=key).json == {"accepted": 2}
    report(rest, plain)
    wait_until(lambda: len(found(rest, correlation_id=story)) == 5)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        pytest.param({"action": ""}, "records.1.action", id="no action"),
        pytest.param({"action": "a b"}, "records.1.action", id="two words"),
        pytest.param({"time": "yesterday"}, "records.1.time", id="no moment"),
        pytest.param({"time": "2026-01-01T00:00:00"}, "records.1.time", id="no zone"),
        pytest.param({"time": "1969-12-31T23:59:59Z"}, "records.1.time", id="too early"),
        pytest.param({"summary": "x" * 1001}, "records.1.summary", id="too long"),
        pytest.param({"outcome": "well"}, "records.1.outcome", id="no outcome"),
        pytest.param({"stream": "s"}, "records.1", id="a stream without a number"),
        pytest.param({"sequence": 1}, "records.1", id="a number without a stream"),
        pytest.param({"stream": "s", "sequence": 0}, "records.1.sequence", id="number zero"),
        pytest.param({"correlation_id": "mine"}, "records.1.correlation_id", id="no story"),
        pytest.param({"person": "bob"}, "records.1.person", id="another person"),
        pytest.param({"origin": "observed"}, "records.1.origin", id="another origin"),
        pytest.param({"id": new_id("rec")}, "records.1.id", id="an id"),
        pytest.param({"kind": "audit"}, "records.1.kind", id="another kind"),
        pytest.param({"data": {"x": "y" * 300_000}}, "records.1", id="too large"),
    ],
)
def test_what_cannot_be_kept_is_named_and_nothing_else_is(
    rest: RestService, wrong: dict[str, object], field: str
) -> None:
    story = new_id("cor")
    answer = report(rest, DEPLOY | {"correlation_id": story}, DEPLOY | wrong)
    assert (answer.status, answer.code) == (400, "invalid_input")
    assert answer.json["field"] == field
    if wrong.keys() != {"data"}:
        assert found(rest, correlation_id=story) == []


def test_a_call_has_bounds(rest: RestService) -> None:
    assert report(rest).status == 400
    assert report(rest, *[DEPLOY] * 501).status == 400
    large = DEPLOY | {"data": {"x": "y" * MAX_BODY}}
    assert report(rest, large).status == 413


@pytest.mark.parametrize("role", list(Role))
def test_a_kernel_may_report_and_whoever_only_looks_may_not(
    rest: RestService, stream: str, role: Role
) -> None:
    token = f"kernel of {role}"
    rest.tokens.known[token] = caller(f"as-{role}", KERNEL)
    may = 200 if role in (Role.OPERATOR, Role.ADMIN) else 403
    cell = CELL | {"stream": stream}
    assert report(rest, DEPLOY, token=token).status == may
    assert rest.ask("POST", f"{SHOP}/cells", token, {"cells": [cell]}).status == may


def test_a_cell_is_kept_with_what_it_ran(rest: RestService, stream: str) -> None:
    cell = CELL | {
        "code": "\nmavis.recovery_points.create('shop', 'web-1')\n",
        "status": "failed",
        "error": "Conflict",
        "output": "it did not go",
        "count": 7,
        "notebook": "runbooks/web.ipynb",
        "correlation_id": new_id("cor"),
        "stream": stream,
        "lost": 2,
    }
    for _ in range(2):
        answer = rest.ask("POST", f"{SHOP}/cells", body={"cells": [cell]})
        assert (answer.status, answer.json) == (200, {"accepted": 1, "wanted": True})
    wait_until(lambda: len(of_stream(rest, stream, "cell.run")) == 1)
    (kept,) = of_stream(rest, stream, "cell.run")
    assert kept["origin"] == "reported"
    assert kept["object"] == "runbooks/web.ipynb"
    assert kept["outcome"] == "failed"
    assert kept["correlation_id"] == cell["correlation_id"]
    assert kept["summary"] == (
        "Cell 7 ran, which ended with Conflict: mavis.recovery_points.create('shop', 'web-1')"
    )
    assert kept["data"]["code"] == cell["code"]
    assert kept["data"]["lost"] == 2
    assert found(rest, q="recovery_points.create")[0]["id"] == kept["id"]


def test_an_administrator_can_do_without_cells(
    rest: RestService, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest.app.reporting, "wants_cells", False)
    answer = rest.ask("POST", f"{SHOP}/cells", body={"cells": [CELL | {"stream": stream}]})
    assert (answer.status, answer.json) == (200, {"accepted": 0, "wanted": False})
    assert of_stream(rest, stream, "cell.run") == []


def test_calls_of_one_story_carry_its_id(rest: RestService) -> None:
    story = new_id("cor")
    begun = rest.ask(
        "POST",
        f"{SHOP}/discoveries",
        body={},
        X_Correlation_Id=story,
        Idempotency_Key=new_id("req"),
    )
    assert begun.status == 202
    wait_until(lambda: found(rest, correlation_id=story) != [])
    assert {each["action"] for each in found(rest, correlation_id=story)} == {"inventory.discover"}
    for wrong in ("mine", "cor_1", new_id("run"), ""):
        answer = rest.ask("GET", SHOP, X_Correlation_Id=wrong)
        assert (answer.status, answer.json["field"]) == (400, "X-Correlation-Id")
