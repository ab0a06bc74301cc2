"""Recovery points at the command line: listed, shown in words, and taken."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from click.testing import Result

from appliance_double.objects import copy_json, point_json, preview_json, run_json
from appliance_double.server import Appliance, Reply, pages

Cli = Callable[..., Result]
LONG_AGO = "2001-02-03T04:05:06Z"
FAILURE = {"code": "cloud_vanished", "message": "vol-1 is gone.", "mend": "Discover again."}


def test_a_recovery_point_is_a_line_of_its_list(appliance: Appliance, cli: Cli) -> None:
    planned = point_json(id="rp_2", state="planned", taken_at=None, instance_name="")
    nightly = point_json(taken_at=LONG_AGO, plan="nightly", volumes=3, size_gib=120)
    appliance.on("GET", "/projects/shop/recovery-points", pages([planned, nightly]))
    words = ("--instance", "web-1", "--plan", "nightly", "--state", "complete", "--region", "r-1")
    done = cli("recovery-point", "list", "-p", "shop", *words)
    assert [line.split()[:9] for line in done.stdout.splitlines()] == [
        ["ID", "INSTANCE", "STATE", "VOLUMES", "GIB", "PLAN", "ENVIRONMENT", "REGION", "TAKEN"],
        ["rp_2", "i-1", "planned", "1", "8", "-", "prod", "eu-west-1", "-"],
        ["rp_1", "web-1", "complete", "3", "120", "nightly", "prod", "eu-west-1", LONG_AGO[:10]],
    ]
    assert done.stderr == "2 recovery points in project shop\n"
    query = appliance.asked[0].query
    del query["limit"]
    assert query == {
        "instance": "web-1",
        "plan": "nightly",
        "state": "complete",
        "region": "r-1",
    }


def test_a_list_that_is_empty_by_its_filters_says_so(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/recovery-points", pages([]))
    done = cli("recovery-point", "list", "--state", "failed", "-p", "shop")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "No recovery point of project shop matches. Leave out a filter.\n"


def test_a_recovery_point_shows_its_copies_and_what_keeps_it(
    appliance: Appliance, cli: Cli
) -> None:
    failure = {"code": "cloud_denied", "message": "No.", "mend": "Ask."}
    copies = [
        copy_json(),
        copy_json(id="cop_2", role="copy", region="us-1", state="failed", error=failure),
    ]
    point = point_json(
        copies=copies,
        hold={"by": "ada", "at": LONG_AGO, "reason": "case 7"},
        lock={"mode": "compliance", "until": "2999-01-01T00:00:00Z"},
        proof={"ok": True, "at": LONG_AGO},
    )
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(point))
    shown = cli("recovery-point", "show", "rp_1", "-p", "shop").stdout
    lines = [re.split(" {2,}", line.strip(), maxsplit=1) for line in shown.splitlines()]
    told = {tuple(line) for line in lines}
    assert told >= {
        ("Volumes", "1, 8 GiB"),
        ("Primary", "prod / eu-west-1, account 111122223333: complete"),
        ("Copy", "prod / us-1, account 111122223333: failed: No."),
        ("vol-1 (/dev/xvda)", "snap-1: completed, 100 %, 8 GiB"),
        ("Hold", "held by ada since 2001-02-03 04:05:06 UTC: case 7"),
        ("Lock", "compliance, until 2999-01-01 00:00:00 UTC"),
        ("Proof", "restored and proven at 2001-02-03 04:05:06 UTC"),
    }


@pytest.mark.parametrize(
    ("more", "label", "text"),
    [
        (
            {"proof": {"ok": False, "why": "it did not boot"}},
            "Proof",
            "NOT proven: it did not boot",
        ),
        ({"proof": {"ok": True}}, "Proof", "restored and proven"),
        ({"lock": {"mode": "governance", "until": LONG_AGO}}, "Lock", "governance, ended "),
        ({"plan": "nightly", "rule": "daily", "slot": "S"}, "Plan", "nightly daily S"),
        ({"error": {"code": "x", "message": "No.", "mend": "Ask."}}, "Mend", "Ask."),
    ],
    ids=["proof that failed", "proof alone", "lock that ended", "plan", "error"],
)
def test_what_a_recovery_point_has_beside_is_told_in_words(
    appliance: Appliance, cli: Cli, more: dict[str, object], label: str, text: str
) -> None:
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(point_json(**more)))
    shown = cli("recovery-point", "show", "rp_1", "-p", "shop").stdout
    assert re.search(rf"^{label} +{re.escape(text)}", shown, re.MULTILINE)


def test_a_recovery_point_is_made_and_shown(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", "/projects/shop/recovery-points", Reply(run_json("queued"), 202))
    ended = run_json("succeeded", result={"recovery_point": "rp_1"})
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(ended))
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(point_json()))
    words = ("recovery-point", "create", "web-1", "--description", "why", "-p", "shop")
    done = cli(*words)
    assert done.exit_code == 0
    assert "snap-1: completed, 100 %, 8 GiB" in done.stdout
    assert cli(*words, "-o", "id").stdout == "rp_1\n"
    assert appliance.to("POST", "/projects/shop/recovery-points")[0].body["description"] == "why"


def test_a_recovery_point_that_fails_shows_what_there_is_and_ends_with_1(
    appliance: Appliance, cli: Cli
) -> None:
    appliance.on("POST", "/projects/shop/recovery-points", Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("failed", error=FAILURE)))
    appliance.on("GET", "/projects/shop/recovery-points", pages([point_json(state="failed")]))
    done = cli("recovery-point", "create", "web-1", "-p", "shop")
    assert done.exit_code == 1
    assert re.search(r"^State +failed$", done.stdout, re.MULTILINE)
    assert "vol-1 is gone." in done.stderr


def test_a_dry_run_of_a_recovery_point_shows_the_plan(appliance: Appliance, cli: Cli) -> None:
    effect = {"verb": "create", "kind": "recovery_point", "cloud_id": "", "name": "web-1"}
    preview = preview_json(
        action="recovery_point.create", severity="creates", effects=[effect], confirm=None
    )
    appliance.on("POST", "/projects/shop/recovery-points", Reply(preview))
    done = cli("recovery-point", "create", "web-1", "-p", "shop", "--dry-run")
    assert re.search(r"create +recovery_point +web-1 +\(new\)", done.stdout)
    assert appliance.asked[0].body["dry_run"] is True
