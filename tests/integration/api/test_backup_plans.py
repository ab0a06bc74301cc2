"""Backup plans as programs see them: looked at, kept, edited by one of two, run and foreseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core_double import plan_document
from mavis_core import clock
from mavis_core.protection.plans.document import definition_of
from mavis_core.protection.plans.presets import PRESETS
from rest_service import Answer, RestService

PLANS = "/projects/shop/backup-plans"
KEEP = {"daily": 3}


def make(rest: RestService, name: str, **document: Any) -> Answer:
    """Make a plan as the administrator."""
    body = {"name": name, "definition": plan_document(**document)}
    answer = rest.ask("POST", PLANS, body=body)
    assert answer.status == 201, answer.content
    return answer


def told(rest: RestService, path: str) -> Any:
    answer = rest.ask("GET", path, "vera")
    assert answer.status == 200, answer.content
    return answer.json


def test_a_plan_is_made_and_found_where_its_location_says(rest: RestService) -> None:
    made = make(rest, "weekly", keep=KEEP)
    path = made.headers["Location"].removeprefix("/services/mavis/api/v1")
    assert told(rest, path) == made.json
    assert (made.json["version"], made.json["owner"], made.json["project"]) == (1, "ada", "shop")
    by_id = told(rest, f"{PLANS}/{made.json['id']}")
    assert by_id == made.json
    assert "weekly" in [each["name"] for each in told(rest, PLANS)["items"]]


def test_a_definition_comes_back_as_one_that_can_be_sent_again(rest: RestService) -> None:
    made = make(rest, "again", keep=KEEP, hooks={"pre": "sync"}, jitter="10m").json
    again = rest.ask(
        "PUT", f"{PLANS}/again", body={"definition": made["definition"], "version": 1}
    ).json
    assert again["definition"] == made["definition"]
    assert again["version"] == 2
    assert definition_of(made["definition"]).to_json() == made["definition"]


def test_a_dry_run_shows_the_machines_and_keeps_nothing(rest: RestService) -> None:
    document = plan_document(selection={"match": "name = web-1"})
    for token in ("olga", "vera"):
        body = {"name": "only-looked-at", "definition": document, "dry_run": True}
        answer = rest.ask("POST", PLANS, token, body)
        assert answer.status == 200, "who may see the machines may see what a plan would take"
        (effect,) = answer.json["effects"]
        assert (effect["verb"], effect["kind"], effect["name"]) == (
            "create",
            "recovery_point",
            "web-1",
        )
        assert answer.json["left_out"] == []
        assert answer.json["definition"]["zone"] == "Europe/Berlin"
    assert rest.ask("GET", f"{PLANS}/only-looked-at").status == 404


def test_a_dry_run_tells_its_first_slots_in_its_own_zone(rest: RestService) -> None:
    for enabled in (True, False):
        document = plan_document(enabled=enabled, verification={"cron": "0 5 * * SUN"})
        body = {"name": "only-looked-at", "definition": document, "dry_run": True}
        slots = rest.ask("POST", PLANS, "olga", body).json["upcoming"]
        if not enabled:
            assert slots == []
            continue
        assert len(slots) == 60
        assert {slot["rule"] for slot in slots} == {"daily", "verification"}
        assert all("T02:30" in slot["slot"] for slot in slots if slot["rule"] == "daily")
        assert [slot["due_at"] for slot in slots] == sorted(slot["due_at"] for slot in slots)


def test_a_dry_run_tells_which_machines_are_left_out(rest: RestService) -> None:
    document = plan_document(selection={"match": "name = nobody"})
    body = {"name": "empty", "definition": document, "dry_run": True}
    answer = rest.ask("POST", PLANS, "vera", body).json
    assert answer["effects"] == []
    assert [label.startswith("web-1 (") for label in answer["left_out"]] == [True]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"rules": [{"name": "daily", "cron": "often"}]}, "definition.rules[0].cron"),
        ({"surprise": 1}, "definition.surprise"),
        ({"name": "x"}, "definition.name"),
        ({"keep": {"daily": -1}}, "definition.keep.daily"),
        ({"zone": "Europe/Atlantis"}, "definition.zone"),
        ({"copies": [{"region": "r", "environment": "none"}]}, "definition.copies[0].environment"),
        ({"selection": {"environments": ["none"]}}, "definition.selection.environments[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_fault_in_a_definition_is_named_where_it_is_in_the_body(
    rest: RestService, things: dict[str, str], document: dict[str, Any], field: str
) -> None:
    definition = plan_document(**document)
    for method, path, more in (
        ("POST", PLANS, {"name": "faulty"}),
        ("POST", PLANS, {"name": "faulty", "dry_run": True}),
        ("PUT", f"{PLANS}/{things['plan']}", {}),
        ("PUT", f"{PLANS}/{things['plan']}", {"dry_run": True}),
    ):
        answer = rest.ask(method, path, body={"definition": definition, **more})
        assert (answer.status, answer.code) == (400, "invalid_input")
        assert answer.json["field"] == field
    assert rest.ask("GET", f"{PLANS}/faulty").status == 404


@pytest.mark.parametrize("name", ["No Good", "presets", "", "x" * 41])
def test_a_plan_needs_a_name_that_is_free_and_good(rest: RestService, name: str) -> None:
    answer = rest.ask("POST", PLANS, body={"name": name, "definition": plan_document()})
    assert (answer.status, answer.json["field"]) == (400, "name")


def test_a_name_is_given_once(rest: RestService, things: dict[str, str]) -> None:
    body = {"name": things["plan"], "definition": plan_document()}
    answer = rest.ask("POST", PLANS, body=body)
    assert (answer.status, answer.code) == (409, "conflict")


def test_of_two_who_edit_the_second_hears_of_the_first(rest: RestService) -> None:
    make(rest, "contested")
    path = f"{PLANS}/contested"
    tag = rest.ask("GET", path).headers["ETag"]
    body = {"definition": plan_document(keep=KEEP)}
    first = rest.ask("PUT", path, body=body, If_Match=tag)
    assert (first.status, first.headers["ETag"]) == (200, rest.ask("GET", path).headers["ETag"])
    second = rest.ask("PUT", path, body=body, If_Match=tag)
    assert (second.status, second.code) == (412, "precondition_failed")
    second = rest.ask("PUT", path, body=body | {"version": 1})
    assert (second.status, second.code) == (409, "plan_changed")
    assert "ada has edited it" in second.json["detail"]
    assert rest.ask("DELETE", path, If_Match=tag).status == 412
    assert told(rest, path)["version"] == 2
    third = rest.ask("PUT", path, body=body, If_Match=f'"x", {first.headers["ETag"]}')
    assert (third.status, third.json["version"]) == (200, 3)
    assert rest.ask("PUT", path, body=body, If_Match="*").json["version"] == 4
    last = rest.ask("GET", path).headers["ETag"]
    assert rest.ask("DELETE", path, If_Match=last).status == 204


@pytest.mark.parametrize("tag", ["1", 'W/"1"', '"x"', '"1", "2"', ""])
def test_an_entity_tag_of_something_else_changes_nothing(
    rest: RestService, things: dict[str, str], tag: str
) -> None:
    before = told(rest, f"{PLANS}/{things['plan']}")
    body = {"definition": plan_document()}
    answer = rest.ask("PUT", f"{PLANS}/{things['plan']}", body=body, If_Match=tag)
    assert (answer.status, answer.code) == (412, "precondition_failed")
    assert told(rest, f"{PLANS}/{things['plan']}") == before


def test_what_has_not_changed_is_not_sent_again(rest: RestService, things: dict[str, str]) -> None:
    path = f"{PLANS}/{things['plan']}"
    tag = rest.ask("GET", path).headers["ETag"]
    again = rest.ask("GET", path, If_None_Match=tag)
    assert (again.status, again.content) == (304, b"")


def test_a_dry_run_of_an_edit_changes_nothing(rest: RestService, things: dict[str, str]) -> None:
    path = f"{PLANS}/{things['plan']}"
    before = told(rest, path)
    body = {"definition": plan_document(keep=KEEP), "dry_run": True}
    shown = rest.ask("PUT", path, "vera", body)
    assert shown.status == 200
    assert shown.json["definition"]["keep"]["daily"] == 3
    assert told(rest, path) == before
    assert rest.ask("PUT", f"{PLANS}/nobody", "vera", body).status == 404


def test_a_plan_that_is_removed_leaves_its_name_free(rest: RestService) -> None:
    first = make(rest, "short-lived").json
    assert rest.ask("DELETE", f"{PLANS}/short-lived").status == 204
    assert rest.ask("DELETE", f"{PLANS}/short-lived").status == 404
    gone = told(rest, f"{PLANS}/{first['id']}")
    assert gone["removed_at"] is not None
    assert "short-lived" not in [each["name"] for each in told(rest, PLANS)["items"]]
    assert make(rest, "short-lived").json["id"] != first["id"]


def test_the_presets_are_plans_that_can_be_kept(rest: RestService) -> None:
    items = told(rest, f"{PLANS}/presets")["items"]
    assert {each["name"] for each in items} == set(PRESETS)
    for each in items:
        body = {"name": f"my-{each['name']}", "definition": each["definition"]}
        assert rest.ask("POST", PLANS, body=body).status == 201


def test_a_plan_runs_when_it_is_asked_to(rest: RestService) -> None:
    make(rest, "on-demand", selection={"match": "name = web-1"})
    path = f"{PLANS}/on-demand/runs"
    shown = rest.ask("POST", path, "olga", {"rule": "daily", "dry_run": True})
    assert shown.status == 200
    assert [each["name"] for each in shown.json["effects"]] == ["web-1"]
    begun = rest.ask("POST", path, "olga", {"rule": "daily"}, Idempotency_Key="run-it")
    assert begun.status == 202
    assert begun.headers["Location"].endswith(f"/runs/{begun.json['id']}")
    again = rest.ask("POST", path, "olga", {"rule": "daily"}, Idempotency_Key="run-it")
    assert again.json["id"] == begun.json["id"]
    assert rest.core.carry_out() is None
    (point,) = told(rest, "/projects/shop/recovery-points?plan=on-demand")["items"]
    assert (point["state"], point["rule"], point["instance_name"]) == ("complete", "daily", "web-1")


def test_a_rule_that_the_plan_does_not_have_is_named(
    rest: RestService, things: dict[str, str]
) -> None:
    for dry_run in (False, True):
        body = {"rule": "hourly", "dry_run": dry_run}
        answer = rest.ask("POST", f"{PLANS}/{things['plan']}/runs", "olga", body)
        assert (answer.status, answer.json["field"]) == (400, "rule")
        assert "it has daily" in answer.json["detail"]


def test_slots_to_come_are_told_with_their_local_time(
    rest: RestService, things: dict[str, str]
) -> None:
    found = told(rest, f"{PLANS}/{things['plan']}/slots?limit=3")
    assert [each["rule"] for each in found["upcoming"]] == ["daily"] * 3
    moments = [datetime.fromisoformat(each["due_at"]) for each in found["upcoming"]]
    assert datetime.now(UTC) < moments[0] < moments[1] < moments[2]
    assert all(each["slot"].endswith("T02:30") for each in found["upcoming"])
    assert len(told(rest, f"{PLANS}/{things['plan']}/slots")["upcoming"]) == 20


def test_a_slot_that_has_begun_leads_to_its_run(rest: RestService) -> None:
    make(rest, "every-minute", rules=[{"name": "often", "cron": "* * * * *"}])
    later = datetime.now(UTC) + timedelta(minutes=2)
    with clock.set_clock(lambda: later):
        rest.core.timetable.tick()
    rest.core.drop_queued()
    (begun, *_) = told(rest, f"{PLANS}/every-minute/slots")["begun"]
    assert begun["rule"] == "often"
    run = told(rest, f"/projects/shop/runs/{begun['run']}")
    assert (run["kind"], run["subject"]) == ("backup.run", "every-minute")
    assert run["slot"].endswith(begun["slot"])


def test_a_calendar_says_what_each_day_makes_and_loses(rest: RestService) -> None:
    make(rest, "foreseen", keep=KEEP)
    found = told(rest, f"{PLANS}/foreseen/calendar?days=10")
    assert (found["plan"], found["zone"], found["instance"]) == ("foreseen", "Europe/Berlin", None)
    assert found["keep"]["daily"] == 3
    assert "within" not in found["keep"]
    days = found["days"]
    assert len(days) == 10
    whole = days[5]
    assert [each["rule"] for each in whole["made"]] == ["daily"]
    assert whole["made"][0]["local"] == f"{whole['date']}T02:30"
    assert [each["local"][:10] for each in whole["goes"]] == [days[2]["date"]]
    assert whole["left"] == 3


def test_a_calendar_of_a_machine_begins_with_what_it_has(rest: RestService) -> None:
    make(rest, "of-web", keep={"last": 1}, selection={"match": "name = web-1"})
    assert rest.ask("POST", f"{PLANS}/of-web/runs", "olga", {"rule": "daily"}).status == 202
    assert rest.core.carry_out() is None
    instance = told(rest, "/projects/shop/recovery-points?plan=of-web")["items"][0]["instance_id"]
    of_new = told(rest, f"{PLANS}/of-web/calendar?days=2")
    for name in ("web-1", instance):
        found = told(rest, f"{PLANS}/of-web/calendar?days=2&instance={name}")
        assert found["instance"] == instance
        assert sum(len(each["goes"]) for each in found["days"]) == 1 + sum(
            len(each["goes"]) for each in of_new["days"]
        )


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("days=0", 400, "days"),
        ("days=2000", 400, "days"),
        ("instance=nobody", 404, None),
        ("instance=vol", 400, "instance"),
    ],
)
def test_a_calendar_of_nothing_is_refused(
    rest: RestService, things: dict[str, str], query: str, status: int, field: str | None
) -> None:
    volumes = told(rest, "/projects/shop/resources?kind=volume")["items"]
    query = query.replace("=vol", f"={volumes[0]['id']}")
    answer = rest.ask("GET", f"{PLANS}/{things['plan']}/calendar?{query}")
    assert answer.status == status
    assert answer.json.get("field") == field


def test_why_a_point_stays_is_told_for_each_copy(rest: RestService, things: dict[str, str]) -> None:
    (by_hand,) = told(rest, f"/projects/shop/recovery-points/{things['point']}/explanation")[
        "items"
    ]
    assert by_hand["fate"] == "keep"
    assert [reason["code"] for reason in by_hand["reasons"]] == ["by_hand"]
    make(rest, "explained", keep={"daily": 2}, selection={"match": "name = web-1"})
    assert rest.ask("POST", f"{PLANS}/explained/runs", "olga", {"rule": "daily"}).status == 202
    assert rest.core.carry_out() is None
    (point,) = told(rest, "/projects/shop/recovery-points?plan=explained")["items"]
    (copy,) = told(rest, f"/projects/shop/recovery-points/{point['id']}/explanation")["items"]
    assert (copy["copy"], copy["role"], copy["state"]) == (
        point["copies"][0]["id"],
        "primary",
        "complete",
    )
    assert {"last_good", "daily"} <= {reason["code"] for reason in copy["reasons"]}
    assert datetime.fromisoformat(copy["goes_at"]) > datetime.now(UTC)
    assert copy["sentence"].startswith("goes on ")


def test_what_a_plan_keeps_no_longer_goes_after_a_preview(rest: RestService) -> None:
    make(rest, "kept-one", keep={"last": 1}, selection={"match": "name = web-1"})
    for _ in range(3):
        rest.ask("POST", f"{PLANS}/kept-one/runs", "olga", {"rule": "daily"})
        rest.core.carry_out_only("backup.run")
        rest.core.drop_queued()
    body = {"action": "retention.apply", "resource": "kept-one"}
    shown = rest.ask("POST", "/projects/shop/previews", body=body).json
    assert (shown["severity"], shown["confirm"]) == ("destroys", "shop")
    (effect,) = shown["effects"]
    assert (effect["verb"], effect["kind"]) == ("delete", "recovery_point")
    assert "1 more are due" in json.dumps(shown["warnings"])
    path = f"/projects/shop/previews/{shown['id']}/apply"
    unconfirmed = rest.ask("POST", path, body={"hash": shown["hash"]})
    assert unconfirmed.code == "confirmation_needed"
    applied = rest.ask("POST", path, body={"hash": shown["hash"], "confirm": "shop"})
    assert applied.status == 202
    assert rest.core.carry_out() is None
    assert told(rest, f"/projects/shop/recovery-points/{effect['cloud_id']}")["state"] == "gone"
