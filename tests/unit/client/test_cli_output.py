"""What the command line writes, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from appliance_double.objects import (
    NOW,
    point_json,
    project_json,
    resource_json,
    run_json,
    step_json,
)
from appliance_double.server import TOKEN, Appliance, Reply, pages, problem
from mavis_kernel import errors
from mavis_kernel.cli import tables, times
from mavis_kernel.cli.root import PLACES, root
from mavis_kernel.cli.tables import Column

Cli = Callable[..., Result]
Spawn = Callable[..., subprocess.Popen[bytes]]

RECORD = {
    "id": "rec_1",
    "time": NOW,
    "kind": "audit",
    "phase": "outcome",
    "action": "recovery_point.create",
    "person": "olga",
    "object": "web-1",
    "outcome": "ok",
    "summary": "A recovery point.",
    "correlation_id": "cor_1",
    "source": "10.0.0.1",
    "origin": "observed",
    "stream": None,
    "sequence": None,
    "data": {},
}


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mavis_kernel.cli import main; sys.argv = ['mavis', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('httpx', 'ssl', 'boto3', 'pandas', 'mavis_kernel.client',"
        " 'mavis_kernel.models', 'mavis_core') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "[]"


def test_the_package_offers_the_clients_and_nothing_else() -> None:
    import mavis_kernel

    assert mavis_kernel.__all__ == ["AsyncMavis", "Mavis"]
    assert mavis_kernel.Mavis.__name__ == "Mavis"
    with pytest.raises(AttributeError):
        _ = mavis_kernel.Mavs


def test_the_help_of_the_root_says_what_the_commands_say() -> None:
    context = click.Context(root)
    for name, place in PLACES.items():
        command = root.get_command(context, name)
        assert command is not None, name
        assert (command.help or "").split("\n")[0] == place.help


def _commands(group: click.Group, *above: str) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += _commands(command, *above, name)
        else:
            found.append((*above, name))
    return found


@pytest.mark.parametrize("words", _commands(root), ids=" ".join)
def test_every_command_explains_itself_without_a_login(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(root, [*words, "--help"])
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: root {' '.join(words)}")
    if words != ("completion",):
        assert "--debug" in done.stdout


def test_the_help_shows_every_exit_code() -> None:
    shown = CliRunner().invoke(root, ["-h"]).stdout
    for code, meaning in errors.EXIT_CODES.items():
        assert f"{code:>3}  {meaning}" in shown


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["resorce"], "Did you mean 'resource'?"),
        (["snapshot", "list"], "Did you mean 'recovery-point'?"),
        (["backup", "list"], "Did you mean 'backup-plan'?"),
        (["resource", "lst"], "Did you mean 'list'?"),
        (["resource", "xyzzy"], "There are list, show, discover, start, stop, tag."),
    ],
)
def test_an_unknown_command_suggests_the_nearest(words: list[str], hint: str) -> None:
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 2
    assert hint in done.stderr
    assert done.stdout == ""


def test_a_list_is_a_table_and_its_sum_is_no_data(appliance: Appliance, cli: Cli) -> None:
    items = [
        resource_json("web-1"),
        resource_json("a-longer-name", kind="volume", state="in-use"),
        resource_json("", cloud_id="i-9", gone=True),
    ]
    appliance.on("GET", "/projects/shop/resources", pages(items))
    done = cli("resource", "list", "-p", "shop")
    assert done.exit_code == 0
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    assert [[cell.strip() for cell in line if cell.strip()][:4] for line in lines] == [
        ["NAME", "KIND", "STATE", "CLOUD ID"],
        ["web-1", "instance", "running", "i-web-1"],
        ["a-longer-name", "volume", "in-use", "i-a-longer-name"],
        ["-", "instance", "gone", "i-9"],
    ]
    assert len({line.index("eu-west-1") for line in done.stdout.splitlines()[1:]}) == 1
    assert done.stderr == "3 resources in project shop\n"
    appliance.on("GET", "/projects/shop/resources", pages(items[:1]))
    assert cli("resource", "list", "-p", "shop").stderr == "1 resource in project shop\n"


def test_json_is_the_objects_of_the_api(appliance: Appliance, cli: Cli) -> None:
    items = [resource_json(extra="new in a later version", name="größer")]
    appliance.on("GET", "/projects/shop/resources", pages(items))
    done = cli("resource", "list", "-p", "shop", "-o", "json")
    assert json.loads(done.stdout) == items
    assert done.stderr == ""


def test_ids_are_one_a_line(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/resources", pages([resource_json("a"), resource_json("b")]))
    done = cli("resource", "list", "-p", "shop", "-o", "id")
    assert (done.stdout, done.stderr) == ("res_a\nres_b\n", "")


@pytest.mark.parametrize(
    ("words", "path", "says"),
    [
        (["project", "list"], "/projects", "You are in no project yet."),
        (["project", "members"], "/projects/shop/members", "mavis project grant user:NAME"),
        (["key", "list"], "/keys", "mavis key add NAME"),
        (["environment", "list"], "/projects/shop/environments", "mavis environment add NAME"),
        (["resource", "list"], "/projects/shop/resources", "Nothing has been discovered"),
        (
            ["resource", "list", "-q", "x"],
            "/projects/shop/resources",
            "No resource of project shop matches",
        ),
        (
            ["recovery-point", "list"],
            "/projects/shop/recovery-points",
            "mavis recovery-point create INSTANCE",
        ),
        (
            ["backup-plan", "list"],
            "/projects/shop/backup-plans",
            "mavis backup-plan create NAME --preset bronze --dry-run -p shop",
        ),
        (["restore", "list"], "/projects/shop/restores", "mavis restore volumes POINT --dry-run"),
        (
            ["restore", "list", "--kind", "in_place"],
            "/projects/shop/restores",
            "No restore of project shop matches",
        ),
        (["run", "list"], "/projects/shop/runs", "has no Runs yet"),
        (
            ["run", "list", "--state", "failed"],
            "/projects/shop/runs",
            "No Run of project shop is failed",
        ),
        (["record", "list"], "/projects/shop/records", "There are no records of project shop yet"),
        (
            ["record", "list", "--since", "1h"],
            "/projects/shop/records",
            "No record of project shop matches",
        ),
        (["record", "list", "--all-projects"], "/records", "There are no records of all projects"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_empty_list_says_why_and_what_to_do(
    appliance: Appliance,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    path: str,
    says: str,
) -> None:
    monkeypatch.setenv("MAVIS_PROJECT", "shop")
    appliance.on("GET", path, pages([]))
    done = cli(*words)
    assert (done.exit_code, done.stdout) == (0, "")
    assert says in done.stderr
    assert cli(*words, "-o", "json").stdout == "[]\n"


def test_a_limit_tells_that_there_is_more(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/runs", pages([run_json(id=f"run_{i}") for i in range(9)]))
    done = cli("run", "list", "-p", "shop", "--limit", "3", "-o", "id")
    assert done.stdout.split() == ["run_0", "run_1", "run_2"]
    assert "There are more than these 3" in done.stderr
    done = cli("run", "list", "-p", "shop", "--limit", "0", "-o", "id")
    assert len(done.stdout.split()) == 9
    assert done.stderr == ""


def test_one_object_is_shown_with_labels_as_json_and_as_id(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/resources/web-1", Reply(resource_json()))
    shown = cli("resource", "show", "web-1", "-p", "shop").stdout
    assert "volumes        vol-1, vol-2\n" in shown
    assert "tag Name       web-1\n" in shown
    assert "2026-07-01 12:00:00 UTC" in shown
    assert json.loads(cli("resource", "show", "web-1", "-p", "shop", "-o", "json").stdout) == (
        resource_json()
    )
    assert cli("resource", "show", "web-1", "-p", "shop", "-o", "id").stdout == "res_web-1\n"


def test_times_are_relative_in_a_table_and_absolute_in_json(appliance: Appliance, cli: Cli) -> None:
    moment = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    appliance.on("GET", "/projects/shop/recovery-points", pages([point_json(taken_at=moment)]))
    assert "5 min ago" in cli("recovery-point", "list", "-p", "shop").stdout
    assert moment in cli("recovery-point", "list", "-p", "shop", "-o", "json").stdout


def test_the_filters_of_records_reach_the_appliance(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/records", pages([RECORD]))
    words = ["--since", "2h", "--until", "2026-07-01T14:00:00+02:00", "--person", "olga", "-q", "x"]
    done = cli("record", "list", "-p", "shop", *words)
    assert "A recovery point." in done.stdout
    query = appliance.asked[0].query
    assert (query["person"], query["q"], query["until"]) == (
        "olga",
        "x",
        "2026-07-01T12:00:00.000000Z",
    )
    ago = datetime.now(UTC) - datetime.fromisoformat(query["since"])
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)


@pytest.mark.parametrize("text", ["soon", "5", "1y", "2026-13-01", "99999999999w"])
def test_a_moment_that_is_none_is_wrong_usage(cli: Cli, text: str) -> None:
    done = cli("record", "list", "-p", "shop", "--since", text)
    assert done.exit_code == 2
    assert "--since" in done.stderr
    assert "1h" in done.stderr


def test_an_error_says_what_the_mend_and_the_request(appliance: Appliance, cli: Cli) -> None:
    reply = problem(400, "invalid_input", "regions\x1b[2J is empty", field="regions")
    appliance.on("POST", "/projects/shop/environments", reply)
    done = cli("environment", "add", "x", "--account", "1", "--region", "r", "-p", "shop")
    assert done.exit_code == 8
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "mavis: regions\\u001b[2J is empty",
        "  Mend:     Do the other thing.",
        "  Field:    regions",
        "  Request:  req_0000",
    ]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem(401, "unauthenticated"), 3),
        (problem(403, "forbidden"), 4),
        (problem(404, "not_found"), 5),
        (problem(409, "conflict"), 6),
        (problem(503, "unavailable", retry_after_s=9999), 7),
        (problem(400, "invalid_input"), 8),
        (problem(500, "internal"), 1),
    ],
)
def test_each_error_has_its_exit_code(
    appliance: Appliance, cli: Cli, reply: Reply, code: int
) -> None:
    appliance.on("GET", "/projects/shop", reply)
    assert cli("project", "show", "shop").exit_code == code


def test_debug_shows_where_an_error_comes_from_and_nothing_else_does(
    appliance: Appliance, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance.on("GET", "/me", problem(403, "forbidden"))
    assert "Traceback" not in cli("whoami").stderr
    for words in (["whoami", "--debug"], ["--debug", "whoami"]):
        shown = cli(*words).stderr
        assert "Traceback" in shown
        assert TOKEN not in shown
    monkeypatch.setenv("MAVIS_DEBUG", "1")
    assert "Traceback" in cli("whoami").stderr


def test_a_bug_is_one_line_and_an_exit_code_of_its_own(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object) -> None:
        raise ZeroDivisionError(TOKEN)

    monkeypatch.setattr("mavis_kernel.client.Mavis.me", broken)
    done = cli("whoami")
    assert done.exit_code == 70
    assert "a bug in this command: ZeroDivisionError" in done.stderr
    assert TOKEN not in done.stderr


def test_without_a_login_the_mend_is_to_log_in() -> None:
    for words in (["resource", "list"], ["whoami"], ["resource", "list", "-p", "shop"]):
        done = CliRunner().invoke(root, words)
        assert done.exit_code == 3
        assert "Log in: mavis login" in done.stderr


def test_without_a_project_the_mend_is_to_choose_one(cli: Cli) -> None:
    done = cli("resource", "list")
    assert done.exit_code == 2
    assert "mavis project use NAME" in done.stderr


def test_a_project_is_kept_and_an_option_goes_before_it(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop", Reply(project_json("shop")))
    for name in ("shop", "other", "third"):
        appliance.on("GET", f"/projects/{name}/recovery-points", pages([]))
    assert cli("project", "use", "shop").exit_code == 0
    assert "project shop" in cli("recovery-point", "list").stderr.lower()
    assert "Project other" in cli("recovery-point", "list", "-p", "other").stderr
    assert (
        "Project third"
        in CliRunner()
        .invoke(root, ["recovery-point", "list"], env={"MAVIS_PROJECT": "third"})
        .stderr
    )
    assert cli("project", "use", "nowhere").exit_code == 5
    assert "Project shop" in cli("recovery-point", "list").stderr


def test_nobody_answering_ends_with_7(
    cli: Cli, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mavis_kernel.transport.RetryPolicy.wait_s", lambda *_: None)
    appliance.on("GET", "/me", Reply(drop=True))
    done = cli("whoami")
    assert done.exit_code == 7
    assert "does not answer" in done.stderr


def test_the_version_is_shown_with_and_without_an_appliance(
    appliance: Appliance, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    appliance.on("GET", "/health", Reply({"status": "ok", "version": "9.8.7"}))
    assert "Appliance  9.8.7" in cli("version").stdout
    assert "Authorization" not in appliance.asked[0].headers
    assert json.loads(cli("version", "-o", "json").stdout)["appliance"] == "9.8.7"
    monkeypatch.delenv("MAVIS_URL")
    done = cli("version")
    assert done.exit_code == 0
    assert "No appliance is named" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    done = CliRunner().invoke(root, ["completion", shell])
    assert done.exit_code == 0
    assert "_MAVIS_COMPLETE" in done.stdout


def test_completion_knows_the_commands(spawn: Spawn) -> None:
    words = {
        "COMP_WORDS": "mavis resource st",
        "COMP_CWORD": "2",
        "_MAVIS_COMPLETE": "bash_complete",
    }
    process = spawn(stdout=subprocess.PIPE, env={**os.environ, **words})
    out, _ = process.communicate(timeout=20)
    assert out.decode().split() == ["plain,start", "plain,stop"]


def test_a_reader_that_goes_away_ends_the_command_quietly(
    appliance: Appliance, cli: Cli, spawn: Spawn
) -> None:
    appliance.on("GET", "/projects/shop/runs", pages([run_json()] * 2000))
    process = spawn(
        *("run", "list", "-p", "shop", "--limit", "0", "-o", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"[\n"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(20) == 141


def test_what_the_cloud_named_cannot_steer_the_terminal(appliance: Appliance, cli: Cli) -> None:
    name = "a\x1b[31mb\n\x9b2Jc\u202etxt"
    appliance.on("GET", "/projects/shop/resources", pages([resource_json(name)]))
    for form in ("table", "json"):
        shown = cli("resource", "list", "-p", "shop", "-o", form).stdout
        assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
    assert json.loads(shown)[0]["name"] == name
    assert len(cli("resource", "list", "-p", "shop").stdout.splitlines()) == 2


def test_a_terminal_that_lacks_a_letter_gets_an_escape(
    appliance: Appliance, cli: Cli, spawn: Spawn
) -> None:
    appliance.on("GET", "/projects/shop/resources", pages([resource_json("日ö")]))
    process = spawn(
        *("resource", "list", "-p", "shop"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"\\u65e5\xf6" in out


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        ({"seconds": 1}, "just now"),
        ({"seconds": 42}, "42 s ago"),
        ({"minutes": 3}, "3 min ago"),
        ({"hours": 5}, "5 h ago"),
        ({"days": 3}, "3 d ago"),
        ({"hours": -11}, "in 11 h"),
        ({"days": 90}, "2026-04-02"),
    ],
)
def test_a_relative_time(ago: dict[str, float], text: str) -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert times.relative(now - timedelta(**ago), now) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (-3, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
        (51 * 3600, "2 d 03 h"),
    ],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert times.duration(seconds) == text


def test_a_table_aligns_wide_letters_and_numbers() -> None:
    columns = [
        Column[tuple[str, int]]("NAME", lambda row: row[0]),
        Column[tuple[str, int]]("N", lambda row: str(row[1]), right=True),
    ]
    assert tables.table(columns, [("日本", 7), ("ab", 100)]) == [
        "NAME    N",
        "日本    7",
        "ab    100",
    ]


def test_a_table_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    columns = [
        Column[str]("ID", lambda _: "run_0123456789"),
        Column[str]("TEXT", lambda row: row, shrinks=True),
    ]
    heading, line = tables.table(columns, ["a long text that does not fit into it"])
    assert heading == "ID              TEXT"
    assert line == "run_0123456789  a long text t…"


def test_a_step_that_failed_shows_in_the_run(appliance: Appliance, cli: Cli) -> None:
    failure = {"code": "cloud_vanished", "message": "vol-1 is gone.", "mend": "Discover again."}
    steps = [step_json("find volumes"), step_json("take", "failed", detail="vol-1")]
    appliance.on(
        "GET", "/projects/shop/runs/run_1", Reply(run_json("failed", steps=steps, error=failure))
    )
    done = cli("run", "show", "run_1", "-p", "shop")
    assert done.exit_code == 0  # showing worked
    for text in ("failed (vol-1)", "vol-1 is gone.", "Discover again.", "2.5 s"):
        assert text in done.stdout


def test_docs_of_settings_name_real_paths(clean_home: Path) -> None:
    assert clean_home.parts[-3:] == (".config", "mavis", "credentials.json")
