"""Following a Run by what the appliance tells of it, and by asking where it tells nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_double.objects import run_json
from appliance_double.server import Appliance, Reply, events, problem
from mavis_kernel import errors
from mavis_kernel.client import Mavis
from mavis_kernel.events import Event, EventReader, run_of

RUN = "/projects/shop/runs/run_1"
EVENTS = f"{RUN}/events"
QUEUED = run_json("queued", version=1)
RUNNING = run_json("running", version=2)
DONE = run_json("succeeded", version=3)


def _no_wait(_seconds: float) -> None:
    """Go on at once."""


def _watch(mavis: Mavis, **more: Any) -> list[tuple[str, int]]:
    return [(r.state, r.version) for r in mavis.runs.watch("shop", "run_1", wait=_no_wait, **more)]


def test_a_run_is_followed_by_its_events_alone(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", EVENTS, events(QUEUED, RUNNING, DONE))
    assert _watch(mavis) == [("queued", 1), ("running", 2), ("succeeded", 3)]
    (asked,) = appliance.asked
    assert asked.headers["Accept"] == "text/event-stream"
    assert "Last-Event-Id" not in asked.headers


@pytest.mark.parametrize("drop", [True, False], ids=["broken off", "ended"])
def test_a_stream_that_ends_before_the_run_is_taken_up_again(
    appliance: Appliance, mavis: Mavis, drop: bool
) -> None:
    appliance.on("GET", EVENTS, events(QUEUED, drop=drop), events(RUNNING, DONE))
    appliance.on("GET", RUN, Reply(QUEUED))
    assert _watch(mavis) == [("queued", 1), ("running", 2), ("succeeded", 3)]
    assert [each.headers.get("Last-Event-Id") for each in appliance.to("GET", EVENTS)] == [
        None,
        "1",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        problem(404, "not_found"),
        Reply("<html>It works!</html>", headers={"Content-Type": "text/html"}),
        problem(503, "unavailable"),
        Reply(drop=True),
        Reply(stream=("event: run\ndata: {no json\n\n",)),
    ],
    ids=["unknown", "a page", "down", "dropped", "no JSON"],
)
def test_where_nothing_is_told_the_run_is_asked_for(
    appliance: Appliance, mavis: Mavis, reply: Reply
) -> None:
    appliance.on("GET", EVENTS, reply)
    appliance.on("GET", RUN, Reply(QUEUED), Reply(RUNNING), Reply(DONE))
    assert _watch(mavis) == [("queued", 1), ("running", 2), ("succeeded", 3)]
    assert len(appliance.to("GET", EVENTS)) == 1


def test_a_run_that_ended_while_nobody_looked_is_asked_for_once(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", EVENTS, events(RUNNING, drop=True), Reply(status=204))
    appliance.on("GET", RUN, Reply(DONE))
    assert _watch(mavis) == [("running", 2), ("succeeded", 3)]


def test_what_ends_a_stream_for_a_reason_ends_the_watch(appliance: Appliance, mavis: Mavis) -> None:
    told = json.dumps(problem(401, "unauthenticated", "The token was revoked.").body)
    ended = Reply(stream=(*(events(QUEUED).stream or ()), f"event: problem\ndata: {told}\n\n"))
    appliance.on("GET", EVENTS, ended)
    watching = mavis.runs.watch("shop", "run_1", wait=_no_wait)
    assert next(watching).state == "queued"
    with pytest.raises(errors.NotLoggedIn, match="The token was revoked"):
        next(watching)


def test_a_run_that_is_not_there_is_not_found(appliance: Appliance, mavis: Mavis) -> None:
    with pytest.raises(errors.NotFound):
        _watch(mavis)


def test_waiting_tells_of_each_change(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", EVENTS, events(QUEUED, RUNNING, DONE))
    told: list[int] = []
    ended = mavis.runs.wait("shop", "run_1", on_change=lambda run: told.append(run.version))
    assert (ended.state, told) == ("succeeded", [1, 2, 3])


def test_who_stops_following_closes_the_stream(appliance: Appliance, mavis: Mavis) -> None:
    appliance.on("GET", EVENTS, events(QUEUED, RUNNING, DONE))
    watching = mavis.runs.watch("shop", "run_1")
    assert next(watching).state == "queued"
    watching.close()  # type: ignore[attr-defined]  # a generator, which nobody needs to know
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(DONE))
    assert mavis.runs.get("shop", "run_1").succeeded


STREAM = (
    "\ufeff: a comment\n\nevent: run\nid: 7\ndata: one\ndata:two\n\n"
    "data: plain \u2028 text\r\n\r\nid: x\0y\revent: empty\r\rdata\n\ndata: not whole"
).encode()
TOLD = [Event("run", "one\ntwo", "7"), Event("message", "plain \u2028 text", "7")]
TOLD += [Event("message", "", "7")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    pieces = [STREAM[begin:end] for begin, end in pairwise(places)]
    assert [event for piece in pieces for event in reader.feed(piece)] == TOLD


def test_a_line_without_an_end_is_an_error() -> None:
    reader = EventReader()
    mebibyte = b"x" * 1024 * 1024
    for _ in range(8):
        assert list(reader.feed(mebibyte)) == []
    with pytest.raises(errors.UnexpectedAnswer, match="without an end"):
        list(reader.feed(mebibyte))


def test_an_event_that_is_new_is_left_out() -> None:
    assert run_of(Event("weather", "sunny", "")) is None
