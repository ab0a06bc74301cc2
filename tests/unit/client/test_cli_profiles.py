"""Several logins at the command line, and plans that are applied later."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance_double.objects import preview_json, project_json, run_json
from appliance_double.server import TOKEN, Appliance, Reply, pages
from mavis_kernel.cli.root import root
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile, credentials_path, load, save

Cli = Callable[..., Result]
FAILURE = {"code": "x", "message": "m", "mend": ""}
FAILED = '{"code": "x", "message": "m", "mend": ""}'
LATER = datetime(2999, 1, 1, tzinfo=UTC)


def _call(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(root, words, env=environment, prog_name="mavis")


@pytest.fixture
def two(appliance: Appliance, clean_home: Path) -> Appliance:
    """Two logins, of which the one called work is at the appliance."""
    save(
        Profile(url="https://one.example/services/mavis", token=Secret("t1"), username="olga"),
        credentials_path(),
    )
    work = Profile(url=appliance.url, token=Secret(TOKEN), expires_at=LATER, project="shop")
    save(work, credentials_path(profile="work"))
    appliance.on("GET", "/projects", pages([project_json()]))
    return appliance


def test_logins_are_listed_without_their_tokens(two: Appliance) -> None:
    done = _call("profile", "list")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["NAME", "IN"],
        ["default", "yes"],
        ["work", two.url],
    ]
    assert TOKEN not in done.output
    told = json.loads(_call("profile", "list", "-o", "json").stdout)
    assert [(each["name"], each["in_use"], each["project"]) for each in told] == [
        ("default", True, None),
        ("work", False, "shop"),
    ]
    assert TOKEN not in json.dumps(told)
    assert _call("profile", "list", "-o", "id").stdout == "default\nwork\n"


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("--profile", "work", "project", "list"), {}),
        (("project", "list", "--profile", "work"), {}),
        (("project", "list"), {"MAVIS_PROFILE": "work"}),
        (("project", "list", "--profile", "work"), {"MAVIS_PROFILE": "default"}),
        (("project", "list", "--profile", "work"), {"MAVIS_URL": "https://lab.example"}),
    ],
)
def test_a_call_uses_the_login_that_it_names(
    two: Appliance, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    done = _call(*words, "-o", "id", **environment)
    assert (done.exit_code, done.stdout) == (0, "prj_shop\n"), done.stderr
    assert "MAVIS_PROFILE" not in os.environ


def test_a_login_is_kept_under_its_name(appliance: Appliance, clean_home: Path) -> None:
    me = {"name": "olga", "groups": [], "scopes": [], "platform_admin": False, "projects": []}
    appliance.on("GET", "/health", Reply({"status": "ok", "version": "1"}))
    appliance.on("GET", "/hub/api/user", Reply({"name": "olga", "token_id": "a1"}))
    appliance.on("GET", "/me", Reply(me))
    words = ("login", "--url", appliance.host, "--token-stdin", "--profile", "work")
    done = CliRunner().invoke(root, words, input=f"{TOKEN}\n", prog_name="mavis")
    assert done.exit_code == 0, done.stderr
    assert "mavis profile use work" in done.stderr
    assert load(credentials_path(profile="work")).token == Secret(TOKEN)
    assert not clean_home.exists(), "the login without a name is another one"
    assert _call("whoami", "--profile", "work", "-o", "id").stdout == "olga\n"
    assert _call("whoami").exit_code == 3


def test_the_login_in_use_changes_and_a_login_is_forgotten(two: Appliance) -> None:
    assert _call("profile", "use", "work").exit_code == 0
    assert _call("project", "list", "-o", "id").stdout == "prj_shop\n"
    refused = _call("profile", "remove", "work")
    assert refused.exit_code == 6
    assert credentials_path(profile="work").exists()
    done = _call("profile", "remove", "work", "--yes")
    assert done.stderr == "The login work is forgotten. Calls use the login default.\n"
    assert _call("profile", "list", "-o", "id").stdout == "default\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ("profile", "use", "nobody"),
            5,
            "There is no profile 'nobody'; there are: default, work.",
        ),
        (("profile", "remove", "nobody", "--yes"), 5, "mavis login --profile nobody"),
        (("project", "list", "--profile", "../x"), 2, "cannot be the name of a profile"),
        (("project", "list", "--profile", "nobody"), 3, "mavis login"),
    ],
)
def test_a_login_that_is_none_says_what_to_do(
    two: Appliance, words: tuple[str, ...], code: int, says: str
) -> None:
    done = _call(*words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert says in done.stderr
    assert "  Mend:  " in done.stderr


def test_who_has_no_login_yet_is_told_how_to_make_one(clean_home: Path) -> None:
    done = _call("profile", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "mavis login" in done.stderr


def test_a_plan_that_was_shown_is_applied_later(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/previews/pre_1", Reply(preview_json()))
    path = "/projects/shop/previews/pre_1/apply"
    appliance.on("POST", path, Reply(run_json("queued"), 202))
    assert "stop" in cli("preview", "show", "pre_1", "-p", "shop").stdout
    refused = cli("preview", "apply", "pre_1", "-p", "shop", "--no-wait")
    assert refused.exit_code == 6, "it interrupts, and nobody typed the project's name"
    assert appliance.to("POST", path) == []
    done = cli("preview", "apply", "pre_1", "-p", "shop", "--no-wait", "--yes", "-o", "id")
    assert (done.exit_code, done.stdout) == (0, "run_1\n")
    assert appliance.to("POST", path)[0].body == {"hash": "abc123", "confirm": "shop"}


def test_some_fields_make_a_table_and_a_document(appliance: Appliance, cli: Cli) -> None:
    some = {"id": "run_1", "state": "failed", "error": FAILURE, "slot": None}
    appliance.on("GET", "/projects/shop/runs", pages([some]))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(some))
    words = ("--fields", "id, state,error,slot", "-p", "shop")
    assert cli("run", "list", *words).stdout.splitlines() == [
        f"ID     STATE   {'ERROR':{len(FAILED)}}  SLOT",
        f"run_1  failed  {FAILED}",
    ]
    assert appliance.asked[0].query["fields"] == "id,state,error,slot"
    assert json.loads(cli("run", "list", *words, "-o", "json").stdout) == [some]
    shown = cli("run", "show", "run_1", *words)
    assert shown.stdout.splitlines() == ["id     run_1", "state  failed", f"error  {FAILED}"]
    wrong = cli("run", "list", "--fields", ",", "-p", "shop")
    assert wrong.exit_code == 2
