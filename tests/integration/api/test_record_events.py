"""Following the records by server-sent events."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from core_double import PLATFORM, call, wait_until
from mavis_core import records
from mavis_core.access import Permission, Role
from mavis_core.records import Kind, Outcome, Phase, Record
from mavis_ext import record_following
from mavis_ext.app import API
from rest_service import RestService


@dataclass(frozen=True)
class Told:
    """One event."""

    event: str
    id: int
    data: Any


@contextmanager
def following(
    rest: RestService, path: str, token: str = "olga", **headers: str
) -> Iterator[Iterator[Told]]:
    """Yield the events at a path of the API, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=30)
    sent = {"Authorization": f"token {token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", API + path, headers=sent)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    assert response.headers["Content-Type"] == "text/event-stream"
    try:
        yield _events(response)
    finally:
        connection.close()


def _events(response: http.client.HTTPResponse) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        fields[name] = value
        if not name and "data" in fields:
            yield Told(fields["event"], int(fields.get("id", 0)), json.loads(fields["data"]))
            fields = {}


def named(told: Iterator[Told], event: str) -> Told:
    """Return the next event of a name."""
    return next(each for each in told if each.event == event)


def happen(rest: RestService, *objects: str, project: str = "shop") -> list[Record]:
    """Let something happen to each of `objects` in a project, or on the platform for none."""
    found = (
        project
        and rest.core.projects.authorize(
            call("ada", PLATFORM), project, Permission.PROJECT_READ
        ).project.id
    )
    made = [
        Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            outcome=Outcome.OK,
            action="test.happen",
            person="alice",
            project=found or None,
            object=each,
            summary=f"Something happened to {each}",
            correlation_id="cor_1",
        )
        for each in objects
    ]
    with rest.core.database.write() as tx:
        records.write(tx, *made)
    return made


def test_what_happens_is_told_as_it_happens_to_those_who_may_see_it(rest: RestService) -> None:
    shop = "/projects/shop/records/events?action=test."
    with (
        following(rest, shop) as of_shop,
        following(rest, f"{shop}&object=two") as of_two,
        following(rest, f"{shop}&words=happened%20tw*") as by_words,
        following(rest, "/records/events?action=test.", "ada") as of_all,
    ):
        for each in (of_shop, of_two, by_words, of_all):
            assert next(each).event == "waiting"
        made = happen(rest, "one", "two")
        happen(rest, "three", project="")
        told = [named(of_shop, "record") for _ in range(2)]
        assert [each.data["id"] for each in told] == [each.id for each in made]
        listed = rest.ask("GET", "/projects/shop/records?object=one").json["items"]
        assert [each.data for each in told[:1]] == listed
        assert told[0].id < told[1].id
        assert named(of_two, "record") == told[1]
        assert named(by_words, "record") == told[1]
        everywhere = [named(of_all, "record").data for _ in range(3)]
        assert [each["object"] for each in everywhere] == ["one", "two", "three"]
        assert everywhere[0]["project"] == made[0].project


def test_whoever_comes_back_misses_nothing_and_hears_nothing_twice(rest: RestService) -> None:
    path = "/projects/shop/records/events?object=back"
    with following(rest, path) as told:
        begun = next(told)
    happen(rest, "back", "other", "back")
    with following(rest, path, Last_Event_ID=str(begun.id)) as told:
        first, second = named(told, "record"), named(told, "record")
    with following(rest, path, Last_Event_ID=str(first.id)) as told:
        assert named(told, "record") == second
    with following(rest, path, Last_Event_ID="9" * 18) as told:  # of a log that was lost, say
        assert next(told).id >= second.id


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 19])
def test_an_id_of_no_event_is_refused(rest: RestService, text: str) -> None:
    answer = rest.ask("GET", "/projects/shop/records/events", Last_Event_ID=text)
    assert (answer.status, answer.json["field"]) == (400, "Last-Event-ID")


def test_a_bad_question_is_refused_before_anything_is_told(rest: RestService) -> None:
    for asked, field in (("regex=(", "regex"), ("words=%2B", "words"), ("kind=x", "kind")):
        answer = rest.ask("GET", f"/projects/shop/records/events?{asked}")
        assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_input", field)


def test_a_revoked_token_ends_the_stream_and_so_does_a_role_that_is_taken_away(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_following, "_CHECK_EVERY_S", 0.0)
    monkeypatch.setattr(record_following, "_LOOK_EVERY_S", 0.0)
    path = "/projects/shop/records/events?object=nothing"
    rest.tokens.known["passing"] = rest.tokens.known["olga"]
    with following(rest, path, "passing") as told:
        next(told)
        del rest.tokens.known["passing"]
        assert named(told, "problem").data["code"] == "unauthenticated"
    member = "/projects/shop/members/user:as-auditor"
    with following(rest, path, "as-auditor") as told:
        next(told)
        assert rest.ask("PUT", member, body={"role": Role.VIEWER}).status == 200
        assert named(told, "problem").data["code"] == "forbidden"
        assert list(told) == []
    assert rest.ask("PUT", member, body={"role": Role.AUDITOR}).status == 200


def test_seats_are_given_back_and_too_many_are_told_to_come_back(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seats = "/projects/shop/records/events", rest.services.record_seats
    wait_until(lambda: seats.taken == 0)
    with following(rest, path) as told:
        next(told)
        assert seats.taken == 1
        monkeypatch.setattr(seats, "most_of_one", 1)
        assert rest.ask("GET", path, "olga").code == "too_many_requests"
        monkeypatch.setattr(seats, "most", 1)
        answer = rest.ask("GET", path, "ada")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "30"
    wait_until(lambda: seats.taken == 0)


def test_that_somebody_follows_is_recorded(rest: RestService) -> None:
    rest.tokens.known["follower"] = rest.tokens.known["as-admin"]
    with following(rest, "/projects/shop/records/events", "follower") as told:
        next(told)
    looks = [each for each in rest.core.records_ever() if each["action"] == "record.read"]
    assert "as-admin" in {each["person"] for each in looks}


def test_while_the_log_process_is_away_the_stream_goes_on(rest: RestService) -> None:
    with following(rest, "/projects/shop/records/events?object=late") as told:
        next(told)
        rest.end_logs()
        (late,) = happen(rest, "late")
        rest.start_logs()
        assert named(told, "record").data["id"] == late.id
