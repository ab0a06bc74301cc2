"""Following a Run by server-sent events."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from core_double import wait_until
from mavis_core.access import Role
from mavis_ext import following as streams
from mavis_ext.app import API
from rest_service import RestService


@dataclass(frozen=True)
class Told:
    """One event."""

    event: str
    id: int
    data: Any


class Following:
    """A stream that is read event by event."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response
        self.heartbeats = 0

    def __iter__(self) -> Iterator[Told]:
        fields: dict[str, str] = {}
        for line in self.response:
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.heartbeats += 1
            elif text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Told(fields["event"], int(fields.get("id", 0)), json.loads(fields["data"]))
                fields = {}


@contextmanager
def following(
    rest: RestService, run: str, token: str = "olga", **headers: str
) -> Iterator[Following]:
    connection = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=30)
    sent = {"Authorization": f"token {token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", f"{API}/projects/shop/runs/{run}/events", headers=sent)
    try:
        yield Following(connection.getresponse())
    finally:
        connection.close()


def begun(rest: RestService) -> str:
    answer = rest.ask("POST", "/projects/shop/discoveries", "olga", {})
    return str(answer.json["id"])


def test_a_run_is_told_as_it_is_then_at_each_change_until_it_is_final(rest: RestService) -> None:
    run = begun(rest)
    with following(rest, run) as stream:
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        told = iter(stream)
        first = next(told)
        assert (first.event, first.data["state"]) == ("run", "queued")
        assert first.id == first.data["version"]
        assert rest.core.carry_out() is None
        rest_of_it = list(told)
    last = rest_of_it[-1]
    assert last.data == rest.ask("GET", f"/projects/shop/runs/{run}").json
    assert last.data["state"] == "succeeded"
    versions = [first.id, *[each.id for each in rest_of_it]]
    assert versions == sorted(set(versions))


def test_whoever_comes_back_hears_of_what_is_new_alone(rest: RestService) -> None:
    run = begun(rest)
    version = rest.ask("GET", f"/projects/shop/runs/{run}").json["version"]
    with following(rest, run, Last_Event_ID=str(version)) as stream:
        assert rest.core.carry_out() is None
        told = list(stream)
    assert told[0].id > version
    assert told[-1].data["state"] == "succeeded"
    with following(rest, run, Last_Event_ID=str(version)) as stream:
        assert [each.id for each in stream] == [told[-1].id]
    with following(rest, run, Last_Event_ID=str(told[-1].id)) as stream:
        assert (stream.response.status, stream.response.read()) == (204, b"")


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 19, "²"])
def test_an_id_of_no_event_is_refused(rest: RestService, text: str) -> None:
    answer = rest.ask(
        "GET",
        f"/projects/shop/runs/{begun(rest)}/events",
        Last_Event_ID=text.encode().decode("latin-1"),
    )
    assert (answer.status, answer.json["field"]) == (400, "Last-Event-ID")
    assert rest.core.carry_out() is None


def test_a_revoked_token_ends_the_stream_and_so_does_a_role_that_is_taken_away(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(streams, "_LOOK_EVERY_S", 0.2)
    run = begun(rest)
    rest.tokens.known["passing"] = rest.tokens.known["olga"]
    with following(rest, run, "passing") as stream:
        told = iter(stream)
        next(told)
        del rest.tokens.known["passing"]
        (problem,) = list(told)
    assert (problem.event, problem.data["code"]) == ("problem", "unauthenticated")
    path = "/projects/shop/members/user:as-viewer"
    with following(rest, run, "as-viewer") as stream:
        told = iter(stream)
        next(told)
        assert rest.ask("DELETE", path).status == 204
        (problem,) = list(told)
    assert (problem.event, problem.data["code"]) == ("problem", "not_found")
    assert rest.ask("PUT", path, body={"role": Role.VIEWER}).status == 200
    assert rest.core.carry_out() is None


def test_who_stays_hears_that_the_stream_is_alive(
    rest: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_CHECK_EVERY_S", 0.05)
    monkeypatch.setattr(streams, "_LOOK_EVERY_S", 0.1)
    with following(rest, begun(rest)) as stream:
        told = iter(stream)
        next(told)
        heard = threading.Thread(target=lambda: list(told))
        heard.start()
        wait_until(lambda: stream.heartbeats >= 3)
        assert rest.core.carry_out() is None
        heard.join(10)
        assert not heard.is_alive()


def test_a_listener_that_has_gone_is_forgotten(rest: RestService) -> None:
    run = begun(rest)
    with following(rest, run) as stream:
        next(iter(stream))
        assert rest.events.listening == 1
    wait_until(lambda: rest.events.listening == 0)
    assert rest.core.carry_out() is None


def test_hundreds_hear_of_the_same_end(rest: RestService) -> None:
    run = begun(rest)
    with ThreadPoolExecutor(200) as pool:

        def last(_: int) -> str:
            with following(rest, run) as stream:
                *_, end = stream
                return str(end.data["state"])

        heard = [pool.submit(last, number) for number in range(200)]
        wait_until(lambda: rest.events.listening == 200)
        assert rest.core.carry_out() is None
        assert {each.result(30) for each in heard} == {"succeeded"}
    wait_until(lambda: rest.events.listening == 0)


def test_too_many_are_told_to_come_back(rest: RestService, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(rest)
    path = f"/projects/shop/runs/{run}/events"
    with following(rest, run) as stream:
        next(iter(stream))
        monkeypatch.setattr(rest.events.seats, "most_of_one", 1)
        answer = rest.ask("GET", path, "olga")
        assert (answer.status, answer.code) == (429, "too_many_requests")
        assert answer.headers["Retry-After"] == "30"
        monkeypatch.setattr(rest.events.seats, "most", 1)
        answer = rest.ask("GET", path, "ada")
        assert (answer.status, answer.code) == (503, "unavailable")
    assert rest.core.carry_out() is None
