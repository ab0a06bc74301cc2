"""Backup plans at the command line: from files and presets, edited, run and foreseen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from appliance_double.objects import (
    calendar_json,
    check_json,
    plan_json,
    preview_json,
    run_json,
    slots_json,
)
from appliance_double.server import Appliance, Reply, pages, problem
from mavis_kernel.cli.plan_files import changed, setting

Cli = Callable[..., Result]
PLANS = "/projects/shop/backup-plans"
NIGHTLY = f"{PLANS}/nightly"
DEFINITION = plan_json()["definition"]
GOLD = {"selection": {"match": "tag:backup = gold"}, "rules": [{"name": "h", "cron": "0 * * * *"}]}
LEAST = {"selection": {}, "rules": [{"name": "d", "cron": "c"}]}
FULL = {
    **DEFINITION,
    "selection": {"resources": ["web-1", "db-1"], "exclude": "tag:no = yes"},
    "rules": [{"name": "daily", "cron": "30 2 * * *", "keep": {"within": "2d", "weekly": 4}}],
    "keep": {},
    "blackouts": [{"days": ["mon", "tue"], "from": "08:00", "to": "18:00"}],
    "jitter": "10m",
    "catch_up": False,
    "grace": "20m",
    "rpo": "26h",
    "hooks": {"pre": "sync", "post": "true", "on_failure": "skip"},
    "copies": [{"environment": "dr", "region": "us-1", "rules": ["daily"], "kms_key": "k"}],
    "lock": {"mode": "governance", "for": "7d"},
    "verification": {"cron": "0 5 * * SUN"},
    "max_delete_share": 0.25,
}


def told(shown: str) -> set[tuple[str, ...]]:
    """Return label and text of each line."""
    lines = [re.split(" {2,}", line.strip(), maxsplit=1) for line in shown.splitlines()]
    return {tuple(line) for line in lines}


def test_a_plan_is_a_line_of_its_list(appliance: Appliance, cli: Cli) -> None:
    paused = plan_json(name="later", definition={**DEFINITION, "enabled": False, "keep": None})
    appliance.on("GET", PLANS, pages([plan_json(updated_at="2001-02-03T04:05:06Z"), paused]))
    done = cli("backup-plan", "list", "-p", "shop")
    assert re.search(
        r"^nightly +enabled +daily 30 2 \* \* \* +daily 7 +Europe/Berlin +ada +3 +2001-02-03$",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(r"^later +paused .* everything ", done.stdout, re.MULTILINE)
    assert done.stderr == "2 backup plans in project shop\n"
    assert cli("backup-plan", "list", "-p", "shop", "-o", "id").stdout == "nightly\nlater\n"


def test_a_plan_is_shown_in_words(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json(definition=FULL)))
    assert told(cli("backup-plan", "show", "nightly", "-p", "shop").stdout) >= {
        ("Backup plan", "nightly"),
        ("State", "enabled"),
        ("Selects", "machines web-1, db-1; but not those with tag:no = yes"),
        ("Rule daily", "30 2 * * * (Europe/Berlin); keeps all within 2d, weekly 4"),
        ("Keeps", "everything"),
        ("Not in", "mon tue 08:00 to 18:00"),
        ("Begins", "up to 10m later, spread"),
        ("Missed slots", "left out; on time is within 20m"),
        ("Promise", "the newest recovery point is never older than 26h"),
        ("Copy to dr / us-1", "rules daily; keeps the same; encrypted with k"),
        ("Lock", "governance, for 7d"),
        ("Hooks", "pre and post; on failure skip"),
        ("Proven", "by a restore, 0 5 * * SUN"),
        ("One run deletes", "at most 25%"),
        ("Runs as", "ada"),
    }


@pytest.mark.parametrize(
    ("more", "label", "text"),
    [
        ({"removed_at": "2001-02-03T04:05:06Z"}, "State", "removed"),
        ({"definition": {**LEAST, "enabled": False}}, "State", "paused"),
        ({"definition": LEAST}, "Selects", "every machine of the project"),
        ({"definition": LEAST}, "Rule d", "c (UTC)"),
        ({"definition": LEAST}, "Missed slots", "caught up once; on time is within 15m"),
    ],
    ids=["removed", "paused", "everything", "no zone", "nothing said"],
)
def test_what_a_plan_does_not_say_is_told_by_its_defaults(
    appliance: Appliance, cli: Cli, more: dict[str, Any], label: str, text: str
) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json(**more)))
    assert (label, text) in told(cli("backup-plan", "show", "nightly", "-p", "shop").stdout)


def test_what_show_prints_as_json_is_what_create_takes(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json()))
    appliance.on("POST", PLANS, Reply(plan_json(name="again"), 201))
    shown = cli("backup-plan", "show", "nightly", "-p", "shop", "-o", "json").stdout
    done = cli("backup-plan", "create", "again", "-f", "-", "-p", "shop", stdin=shown)
    assert done.exit_code == 0
    (asked,) = appliance.to("POST", PLANS)
    assert asked.body == {"name": "again", "definition": DEFINITION}
    assert "mavis backup-plan calendar again -p shop" in done.stderr


TOML = """
zone = "Europe/Berlin"
selection = { match = "tag:a = b" }
blackouts = [{ days = ["mon"], from = 08:00:00, to = 18:30:00 }, { from = 2026-12-24T00:00:00 }]
[[rules]]
name = "daily"
cron = "30 2 * * *"
"""


@pytest.mark.parametrize(
    ("name", "text", "definition"),
    [
        ("plan.json", json.dumps(GOLD), GOLD),
        ("plan", json.dumps(GOLD), GOLD),
        (
            "plan.toml",
            TOML,
            {
                "zone": "Europe/Berlin",
                "selection": {"match": "tag:a = b"},
                "blackouts": [
                    {"days": ["mon"], "from": "08:00", "to": "18:30"},
                    {"from": "2026-12-24T00:00"},
                ],
                "rules": [{"name": "daily", "cron": "30 2 * * *"}],
            },
        ),
    ],
)
def test_a_plan_comes_from_a_file(
    appliance: Appliance, cli: Cli, tmp_path: Path, name: str, text: str, definition: object
) -> None:
    (tmp_path / name).write_text(text)
    appliance.on("POST", PLANS, Reply(plan_json(), 201))
    done = cli("backup-plan", "create", "nightly", "-f", str(tmp_path / name), "-p", "shop")
    assert done.exit_code == 0, done.stderr
    assert appliance.to("POST", PLANS)[0].body["definition"] == definition


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("plan.json", b"{", "holds no JSON"),
        ("plan.json", b"[1]", "holds no object"),
        ("plan.json", b"\xff\xfe", "holds no JSON"),
        ("plan.toml", b"a = ", "holds no TOML"),
        ("plan.toml", b'{"a": 1}', "holds no TOML"),
        ("missing.json", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_plan_is_wrong_usage(
    appliance: Appliance, cli: Cli, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for words in (("create", "nightly"), ("edit", "nightly")):
        done = cli("backup-plan", *words, "-f", str(path), "-p", "shop")
        assert done.exit_code == 2
        assert says in done.stderr
    assert appliance.asked == [], "nothing was sent"


def test_a_preset_is_taken_and_changed(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", f"{PLANS}/presets", pages([{"name": "gold", "definition": GOLD}]))
    appliance.on("POST", PLANS, Reply(plan_json(), 201))
    words = ("backup-plan", "create", "nightly", "--preset", "gold", "-p", "shop")
    assert cli(*words, "--set", "zone=Europe/Berlin").exit_code == 0
    assert appliance.to("POST", PLANS)[0].body["definition"] == {**GOLD, "zone": "Europe/Berlin"}
    unknown = cli("backup-plan", "create", "n", "--preset", "tin", "-p", "shop")
    assert unknown.exit_code == 5
    assert "There are gold" in unknown.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("create", "nightly"),
        ("create", "nightly", "--preset", "gold", "-f", "-"),
        ("create", "nightly", "--preset", "gold", "--set", "zone"),
        ("create", "nightly", "--preset", "gold", "--set", "keep..daily=1"),
        ("create", "nightly", "--preset", "gold", "--set", "rules[x]=1"),
        ("create",),
        ("edit", "nightly"),
        ("edit", "nightly", "--version", "three", "--set", "zone=UTC"),
        ("run",),
        ("slots", "nightly", "--limit", "0"),
        ("slots", "nightly", "--limit", "101"),
        ("calendar", "nightly", "--days", "0"),
        ("calendar", "nightly", "--days", "5000"),
        ("calendar", "nightly", "-o", "id"),
        ("retention",),
        ("delete",),
        ("show",),
        ("list", "--limit", "-1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_sends_nothing(appliance: Appliance, cli: Cli, words: tuple[str, ...]) -> None:
    done = cli("backup-plan", *words, "-p", "shop")
    assert done.exit_code == 2
    assert (done.stdout, appliance.asked) == ("", [])


def test_a_dry_run_shows_the_machines_and_those_left_out(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", PLANS, Reply(check_json()))
    words = ("backup-plan", "create", "nightly", "-f", "-", "--dry-run", "-p", "shop")
    done = cli(*words, stdin=json.dumps(GOLD))
    assert re.search(r"^create +recovery_point +web-1 +\(new\)", done.stdout, re.MULTILINE)
    assert "It selects 1 of 2 machines as they are now." in done.stderr
    assert "Left out: db-1 (i-2)" in done.stderr
    assert "Nothing was kept" in done.stderr
    assert appliance.asked[0].body["dry_run"] is True
    assert cli(*words, "-o", "id", stdin=json.dumps(GOLD)).stdout == "web-1\n"
    assert json.loads(cli(*words, "-o", "json", stdin=json.dumps(GOLD)).stdout) == check_json()
    appliance.on("POST", PLANS, Reply(check_json(effects=[], left_out=[])))
    assert "It selects no machine now." in cli(*words, stdin=json.dumps(GOLD)).stdout


def test_an_edit_changes_what_it_names_of_the_version_that_it_has_read(
    appliance: Appliance, cli: Cli
) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json(), headers={"ETag": '"v3"'}))
    appliance.on("PUT", NIGHTLY, Reply(plan_json(version=4)))
    done = cli(
        "backup-plan",
        "edit",
        "nightly",
        *("--set", "keep.weekly=8", "--set", "rules[0].cron=0 3 * * *", "--set", "title="),
        *("-p", "shop"),
    )
    assert done.exit_code == 0, done.stderr
    (asked,) = appliance.to("PUT", NIGHTLY)
    assert asked.headers["If-Match"] == '"v3"'
    assert asked.body["definition"] == {
        **{name: value for name, value in DEFINITION.items() if name != "title"},
        "keep": {"daily": 7, "weekly": 8},
        "rules": [{"name": "daily", "cron": "0 3 * * *"}],
    }


def test_an_edit_from_a_file_asks_for_the_version_that_is_named(
    appliance: Appliance, cli: Cli
) -> None:
    appliance.on("PUT", NIGHTLY, Reply(plan_json()))
    words = ("backup-plan", "edit", "nightly", "-f", "-", "-p", "shop")
    assert cli(*words, stdin=json.dumps(GOLD)).exit_code == 0
    assert cli(*words, "--version", "2", stdin=json.dumps(GOLD)).exit_code == 0
    assert [each.body for each in appliance.asked] == [
        {"definition": GOLD},
        {"definition": GOLD, "version": 2},
    ]


@pytest.mark.parametrize(
    "refused", [problem(412, "precondition_failed"), problem(409, "plan_changed")]
)
def test_an_edit_that_comes_too_late_ends_with_6(
    appliance: Appliance, cli: Cli, refused: Reply
) -> None:
    read = Reply(plan_json(), headers={"ETag": '"v3"'})
    appliance.on("GET", NIGHTLY, read, Reply(plan_json(updated_by="olga")))
    appliance.on("PUT", NIGHTLY, refused)
    done = cli("backup-plan", "edit", "nightly", "--set", "zone=UTC", "-p", "shop")
    assert done.exit_code == 6
    what = "olga has edited the backup plan nightly since you have read it. Nothing was changed."
    assert done.stderr.splitlines() == [
        f"mavis: {what}",
        "  Mend:     See what it says now, then call again: mavis backup-plan show nightly -p shop",
        "  Request:  req_0000",
    ]


def test_a_dry_run_of_an_edit_changes_nothing(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json()))
    appliance.on("POST", PLANS, Reply(check_json()))
    words = ("backup-plan", "edit", "nightly", "--set", "zone=UTC", "--dry-run", "-p", "shop")
    assert cli(*words).exit_code == 0
    (asked,) = appliance.to("POST", PLANS)
    assert (asked.body["definition"]["zone"], asked.body["dry_run"]) == ("UTC", True)
    assert appliance.to("PUT", NIGHTLY) == []


@pytest.mark.parametrize(
    ("texts", "after"),
    [
        (["a=1"], {"a": 1, "l": [{"n": 1}], "o": {"k": "v"}}),
        (["a=x=y"], {"a": "x=y", "l": [{"n": 1}], "o": {"k": "v"}}),
        (["a=true"], {"a": True, "l": [{"n": 1}], "o": {"k": "v"}}),
        (['a="1"'], {"a": "1", "l": [{"n": 1}], "o": {"k": "v"}}),
        (["o="], {"l": [{"n": 1}]}),
        (["o.k=null"], {"l": [{"n": 1}], "o": {}}),
        (["l[0].n=2"], {"l": [{"n": 2}], "o": {"k": "v"}}),
        (["l[1].n=2"], {"l": [{"n": 1}, {"n": 2}], "o": {"k": "v"}}),
        (["l[0]="], {"l": [], "o": {"k": "v"}}),
        (["m[0].k.z=3"], {"l": [{"n": 1}], "o": {"k": "v"}, "m": [{"k": {"z": 3}}]}),
        (['l=["a"]', "o={}"], {"l": ["a"], "o": {}}),
    ],
    ids=" ".join,
)
def test_a_setting_goes_where_its_path_leads(texts: list[str], after: dict[str, Any]) -> None:
    before = {"l": [{"n": 1}], "o": {"k": "v"}}
    assert changed(before, [setting(text) for text in texts]) == after
    assert before == {"l": [{"n": 1}], "o": {"k": "v"}}


@pytest.mark.parametrize("text", ["l[2].n=1", "l.n=1", "o[0]=1", "o.k.z=1", "none=", "l[7]="])
def test_a_setting_whose_path_leads_nowhere_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.UsageError, match="The plan has no"):
        changed({"l": [{"n": 1}], "o": {"k": "v"}}, [setting(text)])


def test_a_plan_ends_when_that_is_confirmed(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", NIGHTLY, Reply(plan_json()))
    appliance.on("DELETE", NIGHTLY, Reply(None, 204))
    refused = cli("backup-plan", "delete", "nightly", "-p", "shop")
    assert refused.exit_code == 6
    assert appliance.to("DELETE", NIGHTLY) == []
    done = cli("backup-plan", "delete", "nightly", "--yes", "-p", "shop")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "mavis recovery-point list --plan bpl_1 -p shop" in done.stderr


def test_a_plan_runs_and_is_followed(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", f"{NIGHTLY}/runs", Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("succeeded")))
    words = ("backup-plan", "run", "nightly", "-p", "shop")
    assert cli(*words, "-o", "id").stdout == "run_1\n"
    assert cli(*words, "--rule", "daily", "--no-wait").exit_code == 0
    bodies = [each.body for each in appliance.to("POST", f"{NIGHTLY}/runs")]
    assert bodies == [{}, {"rule": "daily"}]
    appliance.on("POST", f"{NIGHTLY}/runs", Reply(preview_json(confirm=None)))
    assert "Plan pre_1" in cli(*words, "--dry-run").stdout


def test_slots_are_one_line_of_time(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", f"{NIGHTLY}/slots", Reply(slots_json()))
    words = ("backup-plan", "slots", "nightly", "-p", "shop")
    done = cli(*words, "--limit", "5")
    _, begun, ahead = done.stdout.splitlines()
    assert re.match(r"2026-07-01T02:30 +daily +2026-07-01 00:30:00 UTC .*on time +run_1$", begun)
    assert re.match(r"2999-01-02T02:30 +daily +2999-01-02 01:30:00 UTC +-$", ahead)
    assert done.stderr == "1 have begun, the next 1 are to come.\n"
    assert appliance.asked[0].query == {"limit": "5"}
    assert cli(*words, "-o", "id").stdout == "run_1\n"
    assert json.loads(cli(*words, "-o", "json").stdout) == slots_json()


def test_a_plan_without_slots_says_what_to_do(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", f"{NIGHTLY}/slots", Reply(slots_json(upcoming=[], begun=[])))
    done = cli("backup-plan", "slots", "nightly", "-p", "shop")
    assert done.stdout == ""
    assert "mavis backup-plan edit nightly --set enabled=true" in done.stderr


def test_a_calendar_has_a_line_a_day_and_totals(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", f"{NIGHTLY}/calendar", Reply(calendar_json()))
    words = ("backup-plan", "calendar", "nightly", "-p", "shop")
    done = cli(*words, "--days", "2")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["DAY", "MADE", "GOES", "STAYS", "WHICH"],
        ["Wed", "2026-07-01", "0", "0", "7"],
        *[["Thu", "2026-07-02", "1", "1", "7", "+", "daily", "02:30", "-", "2026-06-25", "02:30"]],
    ]
    assert "In 2 days 1 are made and 1 go; 7 are there at the end." in done.stderr
    assert "Keeps daily 7. Days and times are of Europe/Berlin." in done.stderr
    assert "--instance NAME" in done.stderr
    assert json.loads(cli(*words, "-o", "json").stdout) == calendar_json()


def test_many_of_a_day_are_told_by_their_number(appliance: Appliance, cli: Cli) -> None:
    made = [
        {"rule": rule, "taken_at": "2026-07-02T00:30:00Z", "local": f"2026-07-02T{hour:02}:00"}
        for hour in range(24)
        for rule in ("hourly",)
    ]
    made.append({"rule": "daily", "taken_at": "2026-07-02T00:30:00Z", "local": "2026-07-02T02:30"})
    goes = [
        {"taken_at": "2026-06-30T00:00:00Z", "local": f"2026-06-30T{hour:02}:00"}
        for hour in range(24)
    ]
    day = {"date": "2026-07-02", "made": made, "goes": goes, "left": 49}
    calendar = calendar_json(days=[day], instance="i-1")
    appliance.on("GET", f"{NIGHTLY}/calendar", Reply(calendar))
    done = cli("backup-plan", "calendar", "nightly", "--instance", "web-1", "-p", "shop")
    (_, line) = done.stdout.splitlines()
    assert line.endswith(
        "+ daily 02:30  + 24 hourly  - 24 from 2026-06-30 00:00 to 2026-06-30 23:00"
    )
    assert "--instance" not in done.stderr
    assert appliance.asked[0].query == {"days": "30", "instance": "web-1"}


def test_what_is_kept_no_longer_goes_when_that_is_confirmed(appliance: Appliance, cli: Cli) -> None:
    preview = preview_json(action="retention.apply", severity="destroys")
    appliance.on("POST", "/projects/shop/previews", Reply(preview, 201))
    appliance.on("POST", "/projects/shop/previews/pre_1/apply", Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("succeeded")))
    words = ("backup-plan", "retention", "nightly", "-p", "shop")
    assert cli(*words).exit_code == 6
    assert "Plan pre_1" in cli(*words, "--dry-run").stdout
    assert appliance.to("POST", "/projects/shop/previews/pre_1/apply") == []
    assert cli(*words, "--yes").exit_code == 0
    assert appliance.to("POST", "/projects/shop/previews/pre_1/apply")[0].body["confirm"] == "shop"
    body = appliance.to("POST", "/projects/shop/previews")[0].body
    assert (body["action"], body["resource"]) == ("retention.apply", "nightly")


def test_nobody_is_asked_where_nothing_is_due(appliance: Appliance, cli: Cli) -> None:
    preview = preview_json(action="retention.apply", severity="destroys", effects=[])
    appliance.on("POST", "/projects/shop/previews", Reply(preview, 201))
    done = cli("backup-plan", "retention", "nightly", "-p", "shop")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "Nothing is due: the backup plan nightly keeps all that there is.\n"
