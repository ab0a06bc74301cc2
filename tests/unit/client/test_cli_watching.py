"""`--watch`: a table redrawn in a terminal, a line for each change elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import IO

import pytest
from click.testing import Result

from appliance_double.objects import point_json, resource_json, run_json, step_json
from appliance_double.server import TOKEN, Appliance, Reply, events, pages, problem
from appliance_double.terminal import Terminal

Cli = Callable[..., Result]
Spawn = Callable[..., subprocess.Popen[str]]
LIST = "/projects/shop/resources"


@pytest.fixture
def watch(
    appliance: Appliance, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.Popen[str]]:
    """Start a command that watches the project ``shop``, with pipes for a program."""
    monkeypatch.setenv("MAVIS_URL", appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)
    monkeypatch.setenv("MAVIS_PROJECT", "shop")

    def start(*words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return spawn(*words, "--watch", stdout=pipe, stderr=pipe, text=True)

    return start


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip("\n")


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    return process.returncode, errors


def test_each_change_of_a_list_is_a_line_and_nothing_else_is(
    appliance: Appliance, watch: Spawn
) -> None:
    web, other = resource_json("web-1"), resource_json("db-1")
    stopped = resource_json("web-1", state="stopped")
    same = pages([web, other])
    appliance.on("GET", LIST, same, same, pages([stopped, other]), pages([stopped]))
    process = watch("resource", "list", "-o", "json")
    told = [json.loads(_line(process.stdout)) for _ in range(3)]
    assert told == [web, other, stopped]
    assert _line(process.stderr) == "res_db-1 is not in the list any more."
    assert _ended(process)[0] == 0


def test_a_table_has_its_heading_once_and_a_row_for_each_change(
    appliance: Appliance, watch: Spawn
) -> None:
    running, done = point_json(state="running"), point_json(state="complete")
    appliance.on("GET", "/projects/shop/recovery-points", pages([running]), pages([done]))
    process = watch("recovery-point", "list")
    lines = [_line(process.stdout).split()[:3] for _ in range(3)]
    assert lines == [
        ["ID", "INSTANCE", "STATE"],
        ["rp_1", "web-1", "running"],
        ["rp_1", "web-1", "complete"],
    ]
    assert _ended(process)[0] == 0


@pytest.mark.parametrize(
    ("form", "first", "second"),
    [("id", "res_web-1", "res_db-1"), ("yaml", "---", "id: res_web-1")],
)
def test_ids_and_documents_follow_each_other(
    appliance: Appliance, watch: Spawn, form: str, first: str, second: str
) -> None:
    appliance.on("GET", LIST, pages([resource_json("web-1"), resource_json("db-1")]))
    process = watch("resource", "list", "-o", form)
    assert [_line(process.stdout), _line(process.stdout)] == [first, second]
    assert _ended(process)[0] == 0


def test_one_thing_is_told_by_what_changes_of_it(appliance: Appliance, watch: Spawn) -> None:
    appliance.on(
        "GET",
        f"{LIST}/web-1",
        Reply(resource_json("web-1")),
        Reply(resource_json("web-1", state="stopped")),
    )
    process = watch("resource", "show", "web-1")
    assert _line(process.stdout).startswith("Name: web-1; Kind: instance; State: running;")
    assert _line(process.stdout) == "State: stopped"
    assert _ended(process)[0] == 0


def test_an_appliance_that_is_down_for_a_while_is_asked_again(
    appliance: Appliance, watch: Spawn
) -> None:
    down = [problem(503, "unavailable", "The database is down.")] * 4
    appliance.on("GET", f"{LIST}/web-1", *down, Reply(resource_json("web-1")))
    process = watch("resource", "show", "web-1", "-o", "id")
    assert _line(process.stderr) == "The database is down. Asking again."
    assert _line(process.stdout) == "res_web-1"
    assert _ended(process)[0] == 0


def test_what_is_not_there_ends_the_watch(watch: Spawn) -> None:
    process = watch("resource", "show", "web-1")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "Mend:" in errors


def test_a_run_is_watched_to_its_end_as_it_is_told(appliance: Appliance, cli: Cli) -> None:
    halfway = run_json(version=2, steps=[step_json("copy", "running")])
    ended = run_json("failed", version=3, steps=[step_json("copy", "failed")])
    appliance.on("GET", "/projects/shop/runs/run_1/events", events(run_json(), halfway, ended))
    done = cli("run", "show", "run_1", "--watch", "-p", "shop", "-o", "json")
    assert done.exit_code == 0, "it shows, and shows what failed; run watch judges"
    assert [json.loads(line)["version"] for line in done.stdout.splitlines()] == [1, 2, 3]
    done = cli("run", "show", "run_1", "--watch", "-p", "shop")
    first, second, third = done.stdout.splitlines()
    assert first.startswith("Run: run_1; Project: shop;")
    assert second == "Step copy: running"
    assert third.startswith("State: failed; ")
    assert "Step copy: failed" in third


def test_in_a_terminal_the_table_is_drawn_over_the_one_before(
    appliance: Appliance, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance.on(
        "GET", LIST, pages([resource_json("web-1")]), pages([resource_json("web-1", state="busy")])
    )
    terminal = Terminal(
        spawn,  # type: ignore[arg-type]  # of text or bytes, which a terminal does not care for
        *("resource", "list", "--watch", "-p", "shop"),
        MAVIS_URL=appliance.url,
        MAVIS_TOKEN=TOKEN,
    )
    terminal.wait_for("1 resource in project shop")
    terminal.wait_for("busy")
    assert "\x1b[3A\x1b[J" in terminal.shown, "heading, row and count are drawn over"
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
