"""Commands that change something: the plan, the confirmation, the Run that follows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from appliance_double.objects import (
    NOW,
    plan_json,
    preview_json,
    project_json,
    run_json,
    step_json,
)
from appliance_double.server import Appliance, Asked, Reply, pages, problem
from appliance_double.terminal import Terminal

Cli = Callable[..., Result]
Spawn = Callable[..., subprocess.Popen[bytes]]

STOP = ("resource", "stop", "web-1", "-p", "shop")
APPLY = "/projects/shop/previews/pre_1/apply"
FAILURE = {"code": "cloud_vanished", "message": "vol-1 is gone.", "mend": "Discover again."}


@pytest.fixture
def stoppable(appliance: Appliance) -> Appliance:
    appliance.on("POST", "/projects/shop/previews", Reply(preview_json(), 201))
    appliance.on("POST", APPLY, Reply(run_json("queued"), 202))
    appliance.on(
        "GET", "/projects/shop/runs/run_1", Reply(run_json()), Reply(run_json("succeeded"))
    )
    return appliance


def test_a_dry_run_shows_the_plan_and_changes_nothing(stoppable: Appliance, cli: Cli) -> None:
    done = cli(*STOP, "--dry-run")
    assert done.exit_code == 0
    assert "Plan pre_1: resource.stop web-1 (i-1) · interrupts" in done.stdout
    assert re.search(r"stop +instance +web-1 +i-1 +prod +111122223333 +eu-west-1", done.stdout)
    assert "Warning: Its public address changes." in done.stdout
    assert stoppable.to("POST", APPLY) == []


def test_the_dry_run_and_the_question_show_the_same_text(stoppable: Appliance, cli: Cli) -> None:
    plan = cli(*STOP, "--dry-run").stdout
    assert cli(*STOP, "--yes").stderr.startswith(plan)


@pytest.mark.parametrize(("form", "text"), [("json", '"hash": "abc123"'), ("id", "pre_1\n")])
def test_a_dry_run_has_the_other_forms_too(
    stoppable: Appliance, cli: Cli, form: str, text: str
) -> None:
    done = cli(*STOP, "--dry-run", "-o", form)
    assert text in done.stdout
    assert done.stderr == ""


def test_without_a_terminal_and_without_yes_it_refuses(stoppable: Appliance, cli: Cli) -> None:
    done = cli(*STOP, stdin="shop\n")
    assert done.exit_code == 6
    assert done.stdout == ""
    assert "Plan pre_1" in done.stderr
    assert "there is no terminal to ask on. Nothing was changed." in done.stderr
    assert "--yes" in done.stderr
    assert stoppable.to("POST", APPLY) == []


def test_yes_confirms_what_the_plan_asks_for(stoppable: Appliance, cli: Cli) -> None:
    done = cli(*STOP, "--yes")
    assert done.exit_code == 0
    (asked,) = stoppable.to("POST", APPLY)
    assert asked.body == {"hash": "abc123", "confirm": "shop"}
    assert re.search(r"^State +succeeded$", done.stdout, re.MULTILINE)


def test_a_plan_that_asks_for_nothing_is_applied_at_once(stoppable: Appliance, cli: Cli) -> None:
    preview = preview_json(action="resource.tag", severity="changes", confirm=None)
    stoppable.on("POST", "/projects/shop/previews", Reply(preview, 201))
    done = cli("resource", "tag", "web-1", "team=ops", "note=a=b", "-p", "shop", "-o", "id")
    assert (done.exit_code, done.stdout) == (0, "run_1\n")
    (asked,) = stoppable.to("POST", "/projects/shop/previews")
    assert asked.body["arguments"] == {"tags": {"team": "ops", "note": "a=b"}}
    assert stoppable.to("POST", APPLY)[0].body == {"hash": "abc123"}


def test_a_tag_of_the_wrong_form_is_wrong_usage(cli: Cli) -> None:
    done = cli("resource", "tag", "web-1", "team", "-p", "shop")
    assert done.exit_code == 2
    assert "'team' is not NAME=VALUE" in done.stderr


def test_no_wait_shows_the_run_and_how_to_watch_it(stoppable: Appliance, cli: Cli) -> None:
    done = cli(*STOP, "--yes", "--no-wait", "-o", "json")
    assert json.loads(done.stdout)["state"] == "queued"
    assert "mavis run watch run_1 -p shop" in done.stderr
    assert stoppable.to("GET", "/projects/shop/runs/run_1") == []


def test_without_a_terminal_each_change_of_a_run_is_a_line(stoppable: Appliance, cli: Cli) -> None:
    half = [step_json("find"), step_json("stop", "running", progress_percent=50, detail="i-1")]
    full = [step_json("find"), step_json("stop")]
    stoppable.on(
        "GET",
        "/projects/shop/runs/run_1",
        Reply(run_json("queued")),
        Reply(run_json(steps=half)),
        Reply(run_json("succeeded", steps=full)),
    )
    done = cli("run", "watch", "run_1", "-p", "shop")
    assert done.exit_code == 0
    lines = [line.split("] ")[1] for line in done.stderr.splitlines()]
    assert lines == [
        "resource.stop web-1 (i-1) (run_1): queued",
        "resource.stop web-1 (i-1) (run_1): running",
        "find: done",
        "stop: running 50 % (i-1)",
        "stop: done",
        "resource.stop web-1 (i-1) (run_1): succeeded",
    ]
    assert re.match(r"\[ *2\.5 s\] ", done.stderr.splitlines()[-1])
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("form", ["table", "json", "id"])
def test_a_run_that_fails_ends_with_1_and_its_data(
    stoppable: Appliance, cli: Cli, form: str
) -> None:
    stoppable.on("GET", "/projects/shop/runs/run_1", Reply(run_json("failed", error=FAILURE)))
    done = cli("run", "watch", "run_1", "-p", "shop", "-o", form)
    assert done.exit_code == 1
    assert "run_1" in done.stdout
    assert "Run run_1 failed: vol-1 is gone." in done.stderr
    assert "Discover again." in done.stderr


def test_a_discovery_is_followed(stoppable: Appliance, cli: Cli) -> None:
    stoppable.on("POST", "/projects/shop/discoveries", Reply(run_json("queued"), 202))
    done = cli("resource", "discover", "--environment", "prod", "-p", "shop")
    assert done.exit_code == 0
    assert stoppable.to("POST", "/projects/shop/discoveries")[0].body == {"environment": "prod"}


def test_a_run_is_cancelled_without_a_question(appliance: Appliance, cli: Cli) -> None:
    cancelled = Reply(run_json(cancelled_by="olga"), 202)
    appliance.on("POST", "/projects/shop/runs/run_1/cancel", cancelled)
    done = cli("run", "cancel", "run_1", "-p", "shop")
    assert done.exit_code == 0
    assert re.search(r"^State +running$", done.stdout, re.MULTILINE)
    assert re.search(r"^Cancelled by +olga$", done.stdout, re.MULTILINE)
    assert "mavis run watch run_1 -p shop" in done.stderr
    assert cli("run", "cancel", "run_1", "-p", "shop", "-o", "id").stdout == "run_1\n"


def test_cancelling_what_has_ended_does_not_fit(appliance: Appliance, cli: Cli) -> None:
    ended = problem(409, "conflict", "The Run run_1 has ended: it is succeeded")
    appliance.on("POST", "/projects/shop/runs/run_1/cancel", ended)
    done = cli("run", "cancel", "run_1", "-p", "shop")
    assert (done.exit_code, done.stdout) == (6, "")
    assert "it is succeeded" in done.stderr


def test_a_run_that_somebody_cancels_ends_the_watch_with_1(appliance: Appliance, cli: Cli) -> None:
    why = {"code": "cancelled", "message": "ada cancelled resource.stop of web-1", "mend": ""}
    appliance.on(
        "GET",
        "/projects/shop/runs/run_1",
        Reply(run_json(cancelled_by="ada")),
        Reply(run_json("cancelled", cancelled_by="ada", error=why)),
    )
    done = cli("run", "watch", "run_1", "-p", "shop")
    assert done.exit_code == 1
    assert re.search(r"^State +cancelled$", done.stdout, re.MULTILINE)
    assert "Run run_1 cancelled: ada cancelled resource.stop of web-1" in done.stderr


REMOVALS: list[tuple[tuple[str, ...], str]] = [
    (("environment", "remove", "prod", "-p", "shop"), "/projects/shop/environments/prod"),
    (("key", "remove", "main"), "/keys/main"),
    (("project", "revoke", "user:al", "-p", "shop"), "/projects/shop/members/user:al"),
]


@pytest.mark.parametrize(("words", "path"), REMOVALS, ids=[" ".join(case[0]) for case in REMOVALS])
def test_a_removal_needs_yes_where_nobody_can_be_asked(
    appliance: Appliance, cli: Cli, words: tuple[str, ...], path: str
) -> None:
    appliance.on("DELETE", path, Reply(None, 204))
    refused = cli(*words, stdin="y\n")
    assert refused.exit_code == 6
    assert "Nothing was changed" in refused.stderr
    assert appliance.asked == []
    assert cli(*words, "--yes").exit_code == 0
    assert len(appliance.to("DELETE", path)) == 1


def test_a_role_is_granted(appliance: Appliance, cli: Cli) -> None:
    member = {"subject": "user:al", "role": "viewer", "added_at": NOW, "added_by": "ada"}
    appliance.on("PUT", "/projects/shop/members/user:al", Reply(member))
    done = cli("project", "grant", "user:al", "viewer", "-p", "shop")
    assert done.exit_code == 0
    assert done.stderr == "user:al is viewer of project shop now.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [(("al", "viewer"), "user:al or group:al"), (("user:al", "king"), "operator")],
)
def test_a_wrong_grant_is_wrong_usage(cli: Cli, words: tuple[str, ...], says: str) -> None:
    done = cli("project", "grant", *words, "-p", "shop")
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_project_is_made(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", "/projects", Reply(project_json(), 201))
    done = cli("project", "create", "shop", "--title", "The shop")
    assert done.exit_code == 0
    assert appliance.asked[0].body == {"name": "shop", "title": "The shop"}


def test_an_environment_is_connected(appliance: Appliance, cli: Cli) -> None:
    def made(asked: Asked) -> Reply:
        more = {
            "id": "env_1",
            "project": "shop",
            "state": "new",
            "created_at": NOW,
            "created_by": "ada",
        }
        return Reply({**asked.body, **more}, 201)

    appliance.on("POST", "/projects/shop/environments", made)
    done = cli(
        *("environment", "add", "prod", "-p", "shop", "--account", "111122223333"),
        *("--region", "eu-west-1", "--region", "eu-north-1", "--key", "main"),
        *("--option", "role_arn=arn:aws:iam::1:role/x=y"),
    )
    assert done.exit_code == 0
    body = appliance.asked[0].body
    assert body["regions"] == ["eu-west-1", "eu-north-1"]
    assert body["options"] == {"role_arn": "arn:aws:iam::1:role/x=y"}
    assert "mavis resource discover --environment prod" in done.stderr


SECRET = "wJalrXUtnFEMI-never-shown"
KEY = {
    "id": "key_1",
    "name": "main",
    "kind": "aws",
    "fields": ["access_key_id"],
    "created_at": NOW,
    "created_by": "ada",
}


def test_a_key_comes_from_stdin(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", "/keys", Reply(KEY, 201))
    value = {"access_key_id": "AKIA", "secret_access_key": SECRET}
    done = cli("key", "add", "main", "--stdin", stdin=json.dumps(value))
    assert done.exit_code == 0
    assert appliance.asked[0].body == {"name": "main", "kind": "aws", "value": value}
    assert SECRET not in done.output


def test_a_key_comes_from_the_environment(
    appliance: Appliance, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance.on("POST", "/keys", Reply(KEY, 201))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    done = cli("key", "add", "main", "--from-env")
    assert done.exit_code == 2
    assert "AWS_SECRET_ACCESS_KEY" in done.stderr
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert cli("key", "add", "main", "--from-env").exit_code == 0
    value = {"access_key_id": "AKIA", "secret_access_key": SECRET}
    assert appliance.asked[-1].body["value"] == value


@pytest.mark.parametrize(
    "text", [f'{{"secret_access_key": "{SECRET}"', f'["{SECRET}"]', '{"a": 1}']
)
@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["plain", "debug"])
def test_a_key_that_cannot_be_read_is_not_quoted(
    cli: Cli, text: str, debug: tuple[str, ...]
) -> None:
    done = cli("key", "add", "main", "--stdin", *debug, stdin=text)
    assert done.exit_code == 2
    assert SECRET not in done.output


def test_a_key_is_never_an_argument_and_needs_somebody_to_ask(cli: Cli) -> None:
    assert cli("key", "add", "main", SECRET).exit_code == 2
    done = cli("key", "add", "main")
    assert done.exit_code == 2
    assert "--from-env or --stdin" in done.stderr


@pytest.mark.parametrize(
    ("typed", "code", "applied"),
    [("shop\n", 0, 1), ("\n", 6, 0), ("Shop\n", 6, 0), ("yes\n", 6, 0), ("\x03", 130, 0)],
    ids=["the name", "nothing", "another name", "yes", "ctrl-c"],
)
def test_in_a_terminal_the_projects_name_is_typed(
    stoppable: Appliance, cli: Cli, spawn: Spawn, typed: str, code: int, applied: int
) -> None:
    terminal = Terminal(spawn, *STOP)
    terminal.wait_for("Type the project's name (shop)")
    if typed == "\x03":
        terminal.process.send_signal(signal.SIGINT)
    else:
        terminal.type(typed)
    assert terminal.end() == code
    assert "Plan pre_1" in terminal.shown
    assert len(stoppable.to("POST", APPLY)) == applied


def test_in_a_terminal_a_run_is_redrawn_in_place(
    stoppable: Appliance, cli: Cli, spawn: Spawn
) -> None:
    steps = [step_json("stop", "running", progress_percent=40)]
    stoppable.on(
        "GET",
        "/projects/shop/runs/run_1",
        *[Reply(run_json(steps=steps))] * 3,
        Reply(run_json("succeeded", steps=[step_json("stop", finished_at=NOW)])),
    )
    terminal = Terminal(spawn, "run", "watch", "run_1", "-p", "shop", NO_COLOR="1")
    assert terminal.end() == 0
    assert "\x1b[2A\x1b[J" in terminal.shown  # up over both lines, and drawn again
    assert "• stop  running 40 %" in terminal.shown
    assert "✓ stop  done" in terminal.shown


def test_ctrl_c_leaves_the_run_and_says_how_to_watch_it_again(
    appliance: Appliance, cli: Cli, spawn: Spawn
) -> None:
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json()))
    process = spawn(
        *("run", "watch", "run_1", "-p", "shop"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    assert b"running" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == b""
    assert b"The Run run_1 goes on" in err
    assert b"mavis run watch run_1 -p shop" in err
    assert b"Traceback" not in err


def test_in_a_terminal_a_secret_is_typed_unseen(
    appliance: Appliance, cli: Cli, spawn: Spawn
) -> None:
    appliance.on("POST", "/keys", Reply(KEY, 201))
    terminal = Terminal(spawn, "key", "add", "main")
    answers: dict[str, Any] = {
        "Access key id": "AKIA\n",
        "Secret access key": f"{SECRET}\n",
        "Session token": "\n",
    }
    for question, answer in answers.items():
        terminal.wait_for(question)
        terminal.type(answer)
    assert terminal.end() == 0
    assert SECRET not in terminal.shown
    assert appliance.asked[0].body["value"] == {
        "access_key_id": "AKIA",
        "secret_access_key": SECRET,
    }


def test_what_a_run_came_to_is_told_in_words(appliance: Appliance, cli: Cli) -> None:
    result = {
        "recovery_points": {"complete": 2, "failed": 0},
        "began": {"retention": "run_2"},
        "deleted": ["vol-1", "vol-2"],
    }
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("succeeded", result=result)))
    shown = cli("run", "show", "run_1", "-p", "shop").stdout
    assert re.search(r"^recovery_points +2 complete, 0 failed$", shown, re.MULTILINE)
    assert re.search(r"^began +retention run_2$", shown, re.MULTILINE)
    assert re.search(r"^deleted +vol-1, vol-2$", shown, re.MULTILINE)


def test_one_of_several_words_is_counted_as_one(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/backup-plans", pages([plan_json()]))
    assert cli("backup-plan", "list", "-p", "shop").stderr == "1 backup plan in project shop\n"
