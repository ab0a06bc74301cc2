"""Calls as programs make them: pages, filters, addresses, repeated calls, busy days."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core_double import PERSON, wait_until
from mavis_core.access import Scope
from mavis_ext.app import API
from mavis_ext.pools import Pool
from rest_service import RestService, caller, serving

LISTS = [
    "/projects",
    "/projects/shop/resources",
    "/projects/shop/runs",
    "/projects/shop/recovery-points",
    "/projects/shop/backup-plans",
    "/projects/shop/restores",
    "/projects/shop/records",
    "/records",
]


def test_every_answer_has_a_request_id_of_its_own_and_is_kept_nowhere(rest: RestService) -> None:
    answers = [
        rest.ask("GET", "/health", None),
        rest.ask("GET", "/me"),
        rest.ask("GET", "/me", None),
        rest.ask("GET", "/nope"),
        rest.ask("POST", "/projects", raw=b"{"),
        rest.ask("DELETE", "/projects"),
    ]
    ids = {answer.headers["X-Request-Id"] for answer in answers}
    assert len(ids) == len(answers)
    for answer in answers:
        kept = "private, no-cache" if answer.status == 200 else "no-store"  # asked for again
        assert answer.headers["Cache-Control"] == kept
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers


@pytest.mark.parametrize("scheme", ["token", "Token", "Bearer", "bearer"])
def test_a_token_may_come_in_both_forms(rest: RestService, scheme: str) -> None:
    assert rest.ask("GET", "/me", None, Authorization=f"{scheme} olga").json["name"] == "olga"


@pytest.mark.parametrize("header", ["olga", "Basic b2xnYTo=", "token", "token  ", "token a b"])
def test_another_kind_of_authorization_is_none(rest: RestService, header: str) -> None:
    assert rest.ask("GET", "/me", None, Authorization=header).code == "unauthenticated"


def test_a_202_leads_to_a_run_that_can_be_polled(rest: RestService) -> None:
    answer = rest.ask("POST", "/projects/shop/discoveries", "olga", {})
    assert answer.status == 202
    location = answer.headers["Location"]
    assert location == f"{API}/projects/shop/runs/{answer.json['id']}"
    assert rest.ask("GET", location, prefix="").json["state"] == "queued"
    assert rest.core.carry_out() is None
    done = rest.ask("GET", location, "vera", prefix="").json
    assert (done["state"], done["person"]) == ("succeeded", "olga")
    assert [step["state"] for step in done["steps"]] == ["done", "done"]


def test_a_repeated_call_with_its_key_gives_the_same_run(rest: RestService) -> None:
    def ask(key: str, body: object) -> tuple[int, str]:
        answer = rest.ask("POST", "/projects/shop/discoveries", body=body, Idempotency_Key=key)
        return answer.status, answer.json.get("id") or answer.code

    first = ask("once", {})
    assert first[0] == 202
    assert ask("once", {}) == first
    assert ask("once", {"environment": "main"}) == (409, "idempotency_key_reused")
    assert ask("twice", {})[1] != first[1]
    assert ask("x" * 201, {}) == (400, "invalid_input")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: ask("at once", {}), range(4)))) == 1


def test_an_answer_is_given_again_to_those_alone_who_may_still_ask(rest: RestService) -> None:
    path = "/projects/shop/discoveries"
    rest.tokens.known["reader"] = caller("olga", PERSON - {Scope.OPERATE})
    first = rest.ask("POST", path, "olga", {}, Idempotency_Key="mine")
    again = rest.ask("POST", path, "olga", {}, Idempotency_Key="mine")
    assert (again.status, again.content) == (202, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    narrower = rest.ask("POST", path, "reader", {}, Idempotency_Key="mine")
    assert (narrower.status, narrower.code) == (403, "forbidden")
    member = "/projects/shop/members/user:olga"
    role = rest.ask("GET", member).json["role"]
    assert rest.ask("DELETE", member).status == 204
    gone = rest.ask("POST", path, "olga", {}, Idempotency_Key="mine")
    assert (gone.status, gone.code) == (404, "not_found")
    assert rest.ask("PUT", member, body={"role": role}).status == 200
    admin = {"name": "kept-once"}
    assert rest.ask("POST", "/projects", body=admin, Idempotency_Key="p").status == 201
    rest.tokens.known["lesser"] = caller("ada", PERSON)
    assert rest.ask("POST", "/projects", "lesser", admin, Idempotency_Key="p").status == 403


def test_dry_run_shows_and_does_nothing(rest: RestService) -> None:
    before = rest.ask("GET", "/projects/shop/runs?limit=1").json["items"]
    answer = rest.ask(
        "POST", "/projects/shop/recovery-points", "olga", {"resource": "web-1", "dry_run": True}
    )
    assert answer.status == 200
    (effect,) = answer.json["effects"]
    assert (effect["verb"], effect["kind"]) == ("create", "recovery_point")
    assert rest.ask("GET", "/projects/shop/runs?limit=1").json["items"] == before
    applied = rest.ask(
        "POST",
        f"/projects/shop/previews/{answer.json['id']}/apply",
        "olga",
        {"hash": answer.json["hash"]},
    )
    assert applied.status == 202


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=many", "limit"),
        ("cursor=" + "x" * 201, "cursor"),
        ("cursor=../x", "cursor"),
        ("surprise=1", "surprise"),
        ("LIMIT=1", "LIMIT"),
    ],
)
def test_a_bad_query_is_named(rest: RestService, path: str, query: str, field: str) -> None:
    answer = rest.ask("GET", f"{path}?{query}")
    assert (answer.status, answer.code) == (400, "invalid_input")
    assert answer.json["field"] == field


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("/resources?kind=toaster", "kind"),
        ("/resources?gone=maybe", "gone"),
        ("/recovery-points?state=lost", "state"),
        ("/restores?state=lost", "state"),
        ("/restores?kind=lost", "kind"),
        ("/reports/protection?everything=maybe", "everything"),
        ("/reports/protection?format=pdf", "format"),
        ("/reports/protection?limit=1", "limit"),
        ("/backup-plans/presets?surprise=1", "surprise"),
        ("/recovery-points/none/explanation?surprise=1", "surprise"),
        ("/backup-plans/none/slots?limit=0", "limit"),
        ("/backup-plans/none/slots?limit=101", "limit"),
        ("/backup-plans/none/slots?cursor=x", "cursor"),
        ("/backup-plans/none/calendar?days=many", "days"),
        ("/backup-plans/none/calendar?surprise=1", "surprise"),
        ("/runs?state=asleep", "state"),
        ("/records?since=yesterday", "since"),
        ("/records?outcome=perhaps", "outcome"),
        ("/records?regex=(a", "regex"),
        ("/records?words=...", "words"),
        ("/records/summary?zone=Mars", "zone"),
        ("/records/summary?limit=5", "limit"),
        ("/records?until=2026-01-01T00:00:00", "until"),
    ],
)
def test_a_bad_filter_is_named(rest: RestService, query: str, field: str) -> None:
    answer = rest.ask("GET", f"/projects/shop{query}")
    assert answer.code == "invalid_input"
    assert answer.json["field"] == field


def test_pages_lead_on_to_the_end(rest: RestService) -> None:
    whole = rest.ask("GET", "/projects/shop/resources?limit=200").json
    assert whole["next"] is None
    seen, path = [], "/projects/shop/resources?limit=2"
    cursor: str | None = ""
    while cursor is not None:
        page = rest.ask("GET", path + (f"&cursor={cursor}" if cursor else "")).json
        seen += page["items"]
        cursor = page["next"]
    assert seen == whole["items"]


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..",
        "%00",
        "shop%00",
        "shop%0a",
        "%1b[2J",
        "shop%7f",
        "%ff",
        "%ed%a0%80",
        "%F0%9F%99%82",
        "' OR 1=1 --".replace(" ", "%20"),
        "%25",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/projects/{name}"),
        ("GET", "/projects/shop/resources/{name}"),
        ("GET", "/projects/shop/runs/{name}"),
        ("DELETE", "/keys/{name}"),
        ("DELETE", "/projects/shop/members/{name}"),
        ("DELETE", "/projects/shop/environments/{name}"),
        ("GET", "/projects/shop/recovery-points/{name}"),
        ("GET", "/projects/shop/recovery-points/{name}/explanation"),
        ("POST", "/projects/shop/recovery-points/{name}/copies"),
        ("POST", "/projects/shop/recovery-points/{name}/verifications"),
        ("DELETE", "/projects/shop/recovery-points/{name}/lock"),
        ("GET", "/projects/shop/restores/{name}"),
        ("GET", "/projects/shop/backup-plans/{name}"),
        ("DELETE", "/projects/shop/backup-plans/{name}"),
        ("GET", "/projects/shop/backup-plans/{name}/slots"),
        ("GET", "/projects/shop/backup-plans/{name}/calendar"),
        ("POST", "/projects/shop/backup-plans/{name}/runs"),
        ("POST", "/projects/shop/previews/{name}/apply"),
        ("POST", "/projects/shop/runs/{name}/cancel"),
    ],
)
def test_an_odd_name_in_an_address_is_a_problem_and_no_bug(
    rest: RestService, method: str, path: str, name: str
) -> None:
    answer = rest.ask(
        method, path.format(name=name), body={"hash": "x"} if path.endswith("/apply") else None
    )
    assert answer.status in (400, 404)
    assert answer.code in ("bad_request", "invalid_input", "not_found")
    assert len(answer.content) < 1000
    undecodable = name in ("%ff", "%ed%a0%80")  # refused before anybody is asked who calls
    assert (rest.record_of(answer) is not None) == (method != "GET" and not undecodable)


def test_records_of_a_project_are_told_with_its_name_and_to_those_who_may(
    rest: RestService,
) -> None:
    answer = rest.ask("POST", "/projects/shop/discoveries", "olga", {})
    correlation = answer.json["correlation_id"]
    assert rest.core.carry_out() is None
    asked = f"records?kind=audit&correlation_id={correlation}"  # its steps are operations
    path = f"/projects/shop/{asked}"
    wait_until(lambda: len(rest.ask("GET", path).json["items"]) == 2, timeout_s=20)
    outcome, intent = rest.ask("GET", path, "olga").json["items"]
    assert (intent["phase"], outcome["phase"]) == ("intent", "outcome")
    assert (intent["project"], intent["person"]) == ("shop", "olga")
    assert rest.ask("GET", path, "vera").status == 403
    everywhere = rest.ask("GET", f"/{asked}").json["items"]
    assert [each["id"] for each in everywhere] == [outcome["id"], intent["id"]]


def test_a_bug_is_told_as_one_without_its_inner_matters(
    rest: RestService, caplog: pytest.LogCaptureFixture
) -> None:
    answer = rest.ask("GET", "/me", "bug")
    assert (answer.status, answer.code) == (500, "internal")
    assert b"s3cret" not in answer.content
    assert b"Traceback" not in answer.content
    assert answer.headers["X-Request-Id"] in caplog.text, "the log has it with the traceback"


def test_while_the_hub_is_down_nobody_is_let_in_and_all_are_told_when_to_come_back(
    rest: RestService,
) -> None:
    answer = rest.ask("POST", "/projects/shop/discoveries", "hub-is-down", {})
    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert answer.json["retry_after_s"] == 5


def test_an_api_with_too_much_to_do_says_so_at_once(tmp_path: Path) -> None:
    pool = Pool("database", threads=1, waiting=1)
    with serving(tmp_path, database=pool) as rest, ThreadPoolExecutor(2) as threads:
        busy, go_on = threading.Event(), threading.Event()
        listed = rest.app.resources.list

        def slow(*args: Any, **options: Any) -> Any:
            busy.set()
            go_on.wait(20)
            return listed(*args, **options)

        rest.app.resources.list = slow  # type: ignore[method-assign]
        searched = "/projects/shop/resources?q=web"
        try:
            waiting = [threads.submit(rest.ask, "GET", searched) for _ in range(2)]
            assert busy.wait(10)
            wait_until(lambda: pool.inside == 2)
            for method, path in (("GET", searched), ("POST", "/projects")):
                answer = rest.ask(method, path, body={"name": "late"} if method == "POST" else None)
                assert (answer.status, answer.code) == (503, "unavailable")
                assert answer.headers["Retry-After"] == "1"
        finally:
            go_on.set()
        assert [each.result().status for each in waiting] == [200, 200]
        assert rest.ask("GET", searched).status == 200


def test_changes_that_wait_for_one_another_hold_nobody_up_who_reads(tmp_path: Path) -> None:
    with serving(tmp_path) as rest, ThreadPoolExecutor(20) as threads:
        with rest.core.database.write() as tx:
            tx.exec_driver_sql("UPDATE projects SET title = 'held'")
            waiting = [
                threads.submit(rest.ask, "POST", "/projects", body={"name": f"late-{number}"})
                for number in range(20)
            ]
            wait_until(lambda: rest.services.database.inside == 20)
            (shop,) = rest.ask("GET", "/projects").json["items"]
            assert shop["title"] == "Web shop"
            assert not any(each.done() for each in waiting)
        assert {each.result().status for each in waiting} == {201}


def test_a_database_without_its_tables_is_a_part_that_is_down(tmp_path: Path) -> None:
    with serving(tmp_path) as rest:
        with rest.core.database.write() as tx:
            tx.exec_driver_sql("DROP TABLE members")
        answer = rest.ask("GET", "/projects/shop")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("path", "sort", "field"),
    [
        ("/projects", "name", "name"),
        ("/projects/shop/resources", "region", "region"),
        ("/projects/shop/resources", "name", "name"),
        ("/projects/shop/runs", "created_at", "created_at"),
        ("/projects/shop/recovery-points", "created_at", "created_at"),
        ("/projects/shop/restores", "created_at", "created_at"),
        ("/projects/shop/backup-plans", "name", "name"),
    ],
)
def test_a_list_can_be_had_in_other_orders(
    rest: RestService, things: dict[str, str], path: str, sort: str, field: str
) -> None:
    for way in ("", "-"):
        answer = rest.ask("GET", f"{path}?sort={way}{sort}&limit=200")
        told = [each[field] for each in answer.json["items"]]
        assert told == sorted(told, reverse=way == "-")
    assert rest.ask("GET", f"{path}?sort=colour").json["field"] == "sort"
