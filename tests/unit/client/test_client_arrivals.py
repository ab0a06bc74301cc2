"""Following the records by what the appliance tells of them as they arrive."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from typing import Any

import pytest

from appliance_double.objects import record_json
from appliance_double.server import TOKEN, Appliance, Reply, arrivals, pages, problem
from mavis_kernel import errors
from mavis_kernel.client import Mavis

Spawn = Callable[..., subprocess.Popen[str]]
EVENTS = "/projects/shop/records/events"
ONE, TWO, THREE = (record_json(name) for name in ("one", "two", "three"))


def _watch(mavis: Mavis, count: int, **more: Any) -> list[str | None]:
    with closing(mavis.records.watch("shop", wait=lambda _: None, **more)) as arriving:
        return [each.object for each in islice(arriving, count)]


def test_records_come_as_they_arrive_over_streams_that_end(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on(
        "GET",
        EVENTS,
        arrivals(ONE),
        problem(503, "unavailable"),
        arrivals(TWO, first=2, drop=True),
        arrivals(THREE, first=3),
    )
    troubles: list[errors.ApiError] = []
    found = _watch(mavis, 3, on_trouble=troubles.append, person="olga", query="x")
    assert found == ["one", "two", "three"]
    asked = appliance.to("GET", EVENTS)
    assert [each.headers.get("Last-Event-Id") for each in asked] == [None, "1", "1", "2"]
    assert {json.dumps(each.query) for each in asked} == {'{"person": "olga", "q": "x"}'}
    assert [each.code for each in troubles[:1]] == ["unavailable"]


def test_the_last_ones_come_first_and_none_of_them_twice(
    appliance: Appliance, mavis: Mavis
) -> None:
    appliance.on("GET", EVENTS, arrivals(TWO, THREE))
    appliance.on("GET", "/projects/shop/records", pages([TWO, ONE]))
    assert _watch(mavis, 3, last=2) == ["one", "two", "three"]
    # The stream stands before the list is asked for: nothing falls between the two.
    assert [each.path.rpartition("/")[2] for each in appliance.asked] == ["events", "records"]


def test_what_was_missed_is_told(appliance: Appliance, mavis: Mavis) -> None:
    missed = 'event: missed\nid: 7\ndata: {"count": 7}\n\n'
    other = "event: of a later release\nid: 7\ndata: {no json\n\n"
    stream = (missed, other, *(arrivals(ONE, first=8).stream or ()))
    appliance.on("GET", EVENTS, Reply(stream=stream))
    told: list[int] = []
    assert _watch(mavis, 1, on_missed=told.append) == ["one"]
    assert told == [7]


def test_a_stream_that_the_appliance_ends_for_good_is_an_error(
    appliance: Appliance, mavis: Mavis
) -> None:
    gone = 'event: problem\ndata: {"status": 403, "code": "forbidden", "detail": "No"}\n\n'
    appliance.on("GET", EVENTS, Reply(stream=(gone,)))
    with pytest.raises(errors.Forbidden):
        _watch(mavis, 1)
    appliance.on("GET", EVENTS, problem(503, "unavailable"))
    with pytest.raises(errors.Unavailable):
        _watch(mavis, 1, patience_s=0.0)


def test_the_command_writes_a_line_for_each_record(
    appliance: Appliance, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAVIS_URL", appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    odd = record_json("odd", outcome="failed", error_code="denied", summary="a\x1b[31m\nb")
    appliance.on("GET", EVENTS, arrivals(TWO, odd))
    appliance.on("GET", "/projects/shop/records", pages([TWO, ONE]))
    pipe = subprocess.PIPE
    process = spawn("record", "list", "--follow", stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(3)]
    assert [each.split("  ")[1:] for each in told] == [
        ["olga", "resource.stop", "ok", "Stopped one\n"],
        ["olga", "resource.stop", "ok", "Stopped two\n"],
        ["olga", "resource.stop", "failed", "[denied] a\\u001b[31m b\n"],
    ]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_what_arrives_has_no_end(cli: Callable[..., Any], appliance: Appliance) -> None:
    done = cli("record", "list", "--follow", "--until", "1h", "-p", "shop")
    assert done.exit_code != 0
    assert "Leave out --until" in done.stderr
    assert appliance.asked == []
