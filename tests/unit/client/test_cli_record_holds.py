"""``mavis record hold``, ``holds`` and ``release``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from appliance_double.server import Appliance, Reply

Cli = Callable[..., Result]
HOLDS = "/projects/shop/record-holds"
HOLD: dict[str, Any] = {
    "id": "hold_01jd3k5v7m8q2x4c6e9g0r1s2t",
    "reason": "case 7",
    "person": "alice",
    "correlation_id": None,
    "since": "2026-01-01T00:00:00Z",
    "until": None,
    "placed_by": "ann",
    "placed_at": "2026-11-01T10:00:00Z",
    "released_by": None,
    "released_at": None,
    "release_reason": None,
}
FREE = HOLD | {
    "released_by": "ada",
    "released_at": "2026-11-02T10:00:00Z",
    "release_reason": "it ended",
}


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")


def test_a_hold_says_what_it_is_about(cli: Cli, appliance: Appliance) -> None:
    appliance.on("POST", HOLDS, Reply(HOLD, status=201))
    arguments = ("--reason", "case 7", "--person", "alice", "--since", "2026-01-01T00:00:00Z")
    done = cli("record", "hold", *arguments)
    assert done.exit_code == 0, done.output
    assert HOLD["id"] in done.stdout
    assert "of alice from 2026-01-01 00:00Z" in done.stdout
    assert "by ann" in done.stdout
    assert "released" not in done.stdout
    sent = appliance.asked[-1].body
    assert sent["reason"] == "case 7"
    assert sent["since"] == "2026-01-01T00:00:00+00:00"


def test_holds_are_listed(cli: Cli, appliance: Appliance) -> None:
    appliance.on("GET", HOLDS, Reply({"items": [HOLD, FREE], "next": None}))
    done = cli("record", "holds")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [word in line for line, word in zip(lines[1:], ("stands", "released"), strict=True)]
    assert "of alice from 2026-01-01" in lines[1]


def test_where_there_is_none_the_way_to_one_is_shown(cli: Cli, appliance: Appliance) -> None:
    appliance.on("GET", HOLDS, Reply({"items": [], "next": None}))
    assert "mavis record hold --reason" in cli("record", "holds").stderr


def test_a_release_needs_a_reason(cli: Cli, appliance: Appliance) -> None:
    path = f"{HOLDS}/{HOLD['id']}/release"
    assert cli("record", "release", HOLD["id"]).exit_code == 2
    appliance.on("POST", path, Reply(FREE))
    done = cli("record", "release", HOLD["id"], "--reason", "it ended", "-o", "json")
    assert json.loads(done.stdout)["released_by"] == "ada"
    assert appliance.asked[-1].body == {"reason": "it ended"}
