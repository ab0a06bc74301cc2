"""The shell's completion: names from the appliance, quickly and in silence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from appliance_double.objects import (
    plan_json,
    point_json,
    project_json,
    resource_json,
    restore_json,
    run_json,
)
from appliance_double.server import TOKEN, Appliance, Asked, Reply, pages, problem
from mavis_kernel.cli import complete
from mavis_kernel.cli.root import root

Complete = Callable[..., list[str]]
SHOP, IN_SHOP = "/projects/shop", "-p shop"
DEVICE: dict[str, object] = {
    "id": "dev_1",
    "project": "shop",
    "name": "web-1",
    "title": "Web server",
    "address": "10.0.0.7",
    "created_at": "2026-07-01T00:00:00Z",
    "created_by": "ada",
}


@pytest.fixture
def completed(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Return what the shell is offered after some words, the last of which is not whole."""
    monkeypatch.setenv("MAVIS_URL", appliance.url)
    monkeypatch.setenv("MAVIS_TOKEN", TOKEN)

    def ask(*words: str) -> list[str]:
        environment = {
            "_MAVIS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("mavis", *words)),
            "COMP_CWORD": str(len(words)),
        }
        done: Result = CliRunner().invoke(root, [], env=environment, prog_name="mavis")
        assert done.stderr == ""
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    return ask


@pytest.mark.parametrize(
    ("words", "path", "item", "offered"),
    [
        ("run list -p sh", "/projects", project_json(), "shop"),
        ("project use sh", "/projects", project_json(), "shop"),
        (f"resource show {IN_SHOP} we", f"{SHOP}/resources", resource_json(), "web-1"),
        (f"resource stop {IN_SHOP} i-", f"{SHOP}/resources", resource_json(), "i-web-1"),
        (f"run watch {IN_SHOP} ru", f"{SHOP}/runs", run_json(), "run_1"),
        (f"recovery-point show {IN_SHOP} rp", f"{SHOP}/recovery-points", point_json(), "rp_1"),
        (f"restore volumes {IN_SHOP} rp", f"{SHOP}/recovery-points", point_json(), "rp_1"),
        (f"restore undo {IN_SHOP} rs", f"{SHOP}/restores", restore_json(), "rst_1"),
        (f"backup-plan edit {IN_SHOP} ni", f"{SHOP}/backup-plans", plan_json(), "nightly"),
        (f"ssh {IN_SHOP} we", f"{SHOP}/devices", DEVICE, "web-1"),
    ],
)
def test_a_name_is_completed_from_what_there_is(
    appliance: Appliance,
    completed: Complete,
    words: str,
    path: str,
    item: dict[str, object],
    offered: str,
) -> None:
    appliance.on("GET", path, pages([item]))
    assert completed(*words.split()) == [offered]
    assert completed(*words.split()[:-1], "zzz") == []


def test_commands_and_options_are_completed_without_the_appliance(
    appliance: Appliance, completed: Complete
) -> None:
    assert completed("rec") == ["recovery-point", "record"]
    assert completed("run", "list", "--wa") == ["--watch"]
    assert completed("run", "list", "-o", "y") == ["yaml"]
    assert appliance.asked == []


@pytest.mark.parametrize(
    "reply", [problem(401, "unauthenticated"), problem(503, "unavailable"), Reply(drop=True)]
)
def test_what_goes_wrong_is_no_completion_and_no_word(
    appliance: Appliance, completed: Complete, reply: Reply
) -> None:
    appliance.on("GET", "/projects", reply)
    assert completed("run", "list", "-p", "") == []
    assert len(appliance.asked) == 1, "nobody waits for a second try"
    assert completed("run", "show", "") == [], "no project is chosen"


def test_who_is_not_logged_in_gets_no_completion(
    completed: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAVIS_URL")
    assert completed("run", "list", "-p", "") == []


def test_an_appliance_that_is_slow_is_not_waited_for(
    appliance: Appliance, completed: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "_PATIENCE_S", 0.2)
    answered = threading.Event()

    def slow(_asked: Asked) -> Reply:
        answered.wait(20)
        return pages([project_json()])(_asked)

    appliance.on("GET", "/projects", slow)
    began = time.monotonic()
    offered = completed("run", "list", "-p", "")
    waited_s = time.monotonic() - began
    answered.set()
    assert offered == []
    assert waited_s < 15, "it returned before there was an answer"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_calls_the_command(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mavis_kernel", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert "_MAVIS_COMPLETE" in done.stdout
    assert done.stderr == ""
