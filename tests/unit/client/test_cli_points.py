"""Recovery points at the command line: listed, shown in words, and taken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from appliance_double.objects import (
    copy_json,
    detail_json,
    explanation_json,
    point_json,
    preview_json,
    proof_json,
    run_json,
)
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
    point = detail_json(
        copies=copies,
        hold={"by": "ada", "at": LONG_AGO, "reason": "case 7"},
        lock={"mode": "compliance", "until": "2999-01-01T00:00:00Z"},
        proof=proof_json(at=LONG_AGO),
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
            {"proof": proof_json(ok=False, at=LONG_AGO, why="it did not boot")},
            "Proof",
            "NOT proven at 2001-02-03 04:05:06 UTC: it did not boot",
        ),
        ({"lock": {"mode": "governance", "until": LONG_AGO}}, "Lock", "governance, ended "),
        ({"plan": "nightly", "rule": "daily", "slot": "S"}, "Plan", "nightly daily S"),
        ({"error": {"code": "x", "message": "No.", "mend": "Ask."}}, "Mend", "Ask."),
    ],
    ids=["proof that failed", "lock that ended", "plan", "error"],
)
def test_what_a_recovery_point_has_beside_is_told_in_words(
    appliance: Appliance, cli: Cli, more: dict[str, object], label: str, text: str
) -> None:
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(detail_json(**more)))
    shown = cli("recovery-point", "show", "rp_1", "-p", "shop").stdout
    assert re.search(rf"^{label} +{re.escape(text)}", shown, re.MULTILINE)


def test_a_recovery_point_is_made_and_shown(appliance: Appliance, cli: Cli) -> None:
    appliance.on("POST", "/projects/shop/recovery-points", Reply(run_json("queued"), 202))
    ended = run_json("succeeded", result={"recovery_point": "rp_1"})
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(ended))
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(detail_json()))
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
    appliance.on("GET", "/projects/shop/recovery-points/rp_1", Reply(detail_json(state="failed")))
    done = cli("recovery-point", "create", "web-1", "-p", "shop")
    assert done.exit_code == 1
    assert re.search(r"^State +failed$", done.stdout, re.MULTILINE)
    assert "vol-1 is gone." in done.stderr


def test_a_dry_run_of_a_recovery_point_shows_the_plan(appliance: Appliance, cli: Cli) -> None:
    new = {"verb": "create", "kind": "recovery_point", "cloud_id": "", "name": "web-1"}
    effect = {**preview_json()["effects"][0], **new}
    preview = preview_json(
        action="recovery_point.create", severity="creates", effects=[effect], confirm=None
    )
    appliance.on("POST", "/projects/shop/recovery-points", Reply(preview))
    done = cli("recovery-point", "create", "web-1", "-p", "shop", "--dry-run")
    assert re.search(r"create +recovery_point +web-1 +\(new\)", done.stdout)
    assert appliance.asked[0].body["dry_run"] is True


def test_each_copy_says_why_it_stays_and_when_it_goes(appliance: Appliance, cli: Cli) -> None:
    by_hand = explanation_json(
        copy="cop_2",
        role="copy",
        region="us-1",
        fate="expire",
        reasons=[
            {"code": "unwanted", "sentence": "no rule of the plan wants it"},
            {"code": "x", "sentence": "and another"},
        ],
        goes_at=None,
        sentence="goes now",
    )
    path = "/projects/shop/recovery-points/rp_1/explanation"
    appliance.on("GET", path, pages([explanation_json(), by_hand]))
    words = ("recovery-point", "explain", "rp_1", "-p", "shop")
    lines = [re.split(" {2,}", line.strip()) for line in cli(*words).stdout.splitlines()]
    assert lines == [
        ["Primary", "prod / eu-west-1, complete"],
        ["Now", "stays"],
        ["Because", "daily: the last one of 2026-07-01 (1 of 7)"],
        ["Then", "goes on 2026-07-08 02:30 at the earliest, if the plan runs as scheduled"],
        ["Goes at", lines[4][1]],
        ["Copy", "prod / us-1, complete"],
        ["Now", "goes"],
        ["Because", "no rule of the plan wants it"],
        ["Because", "and another"],
        ["Then", "goes now"],
    ]
    assert lines[4][1].startswith("2026-07-08 00:30:00 UTC")
    assert cli(*words, "-o", "id").stdout == "cop_1\ncop_2\n"
    assert json.loads(cli(*words, "-o", "json").stdout) == [explanation_json(), by_hand]


def test_a_point_that_no_plan_decides_about_says_so(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/recovery-points/rp_1/explanation", pages([]))
    done = cli("recovery-point", "explain", "rp_1", "-p", "shop")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "has no copies that a plan decides about" in done.stderr


def test_a_copy_is_begun_and_followed(appliance: Appliance, cli: Cli) -> None:
    path = "/projects/shop/recovery-points/rp_1/copies"
    appliance.on("POST", path, Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("succeeded")))
    words = ("recovery-point", "copy", "rp_1", "--region", "us-1", "--kms-key", "k", "-p", "shop")
    assert cli(*words, "-o", "id").stdout == "run_1\n"
    body = {"region": "us-1", "kms_key": "k"}
    assert appliance.to("POST", path)[0].body == body
    appliance.on("POST", path, Reply(preview_json(confirm=None)))
    assert "Plan pre_1" in cli(*words, "--dry-run").stdout
    assert appliance.to("POST", path)[1].body == body | {"dry_run": True}


def test_a_proof_is_shown_on_the_point_also_where_it_failed(
    appliance: Appliance, cli: Cli, tmp_path: Path
) -> None:
    script = tmp_path / "smoke.sh"
    script.write_text("curl -f localhost\n")
    path = "/projects/shop/recovery-points/rp_1"
    appliance.on("POST", f"{path}/verifications", Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("failed", error=FAILURE)))
    proof = proof_json(ok=False, at=LONG_AGO, why="it did not boot")
    appliance.on("GET", path, Reply(detail_json(proof=proof)))
    words = ("recovery-point", "verify", "rp_1", "-p", "shop")
    more = ("--check-file", str(script), "--without-agent", "fail", "--blocks", "0")
    done = cli(*words, *more, "--timeout", "600")
    assert done.exit_code == 1
    assert "NOT proven at 2001-02-03 04:05:06 UTC: it did not boot" in done.stdout
    assert "vol-1 is gone." in done.stderr
    assert appliance.to("POST", f"{path}/verifications")[0].body == {
        "check": "curl -f localhost\n",
        "without_agent": "fail",
        "blocks": 0,
        "timeout": 600,
    }
    assert json.loads(cli(*words, "--no-wait", "-o", "json").stdout)["state"] == "queued"
    appliance.on("POST", f"{path}/verifications", Reply(preview_json(confirm=None)))
    assert "Plan pre_1" in cli(*words, "--dry-run").stdout


@pytest.mark.parametrize(
    ("verb", "method"), [("hold", "PUT"), ("release", "DELETE")], ids=["hold", "release"]
)
def test_a_hold_comes_and_goes_for_a_reason(
    appliance: Appliance, cli: Cli, verb: str, method: str
) -> None:
    path = "/projects/shop/recovery-points/rp_1/hold"
    appliance.on(method, path, Reply(detail_json()))
    words = ("recovery-point", verb, "rp_1", "-p", "shop")
    assert cli(*words, "--reason", "case 7", "-o", "id").stdout == "rp_1\n"
    assert appliance.to(method, path)[0].body == {"reason": "case 7"}
    assert cli(*words).exit_code == 2
    assert len(appliance.asked) == 1


@pytest.mark.parametrize(
    ("words", "action", "arguments"),
    [
        (("lock", "--for", "7d"), "recovery_point.lock", {"mode": "governance", "for": "7d"}),
        (
            ("lock", "--until", "2999-01-31", "--mode", "compliance"),
            "recovery_point.lock",
            {"mode": "compliance", "until": "2999-01-31T00:00:00+00:00"},
        ),
        (("unlock",), "recovery_point.unlock", {}),
        (("delete",), "recovery_point.delete", {}),
    ],
    ids=["for a time", "until a day", "unlock", "delete"],
)
def test_what_locks_or_deletes_shows_its_plan_first(
    appliance: Appliance, cli: Cli, words: tuple[str, ...], action: str, arguments: object
) -> None:
    previews = "/projects/shop/previews"
    appliance.on("POST", previews, Reply(preview_json(action=action, severity="destroys"), 201))
    appliance.on("POST", f"{previews}/pre_1/apply", Reply(run_json("queued"), 202))
    appliance.on("GET", "/projects/shop/runs/run_1", Reply(run_json("succeeded")))
    verb, *options = words
    call = ("recovery-point", verb, "rp_1", *options, "-p", "shop")
    assert cli(*call).exit_code == 6
    assert "Plan pre_1" in cli(*call, "--dry-run").stdout
    assert appliance.to("POST", f"{previews}/pre_1/apply") == []
    assert cli(*call, "--yes", "-o", "id").stdout == "run_1\n"
    body = appliance.to("POST", previews)[0].body
    assert body == {"action": action, "resource": "rp_1", "arguments": arguments}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("copy", "rp_1"), "--region, --environment, or both"),
        (("lock", "rp_1"), "either --for LENGTH or --until WHEN"),
        (("lock", "rp_1", "--for", "7d", "--until", "2999-01-01"), "either --for"),
        (("lock", "rp_1", "--until", "someday"), "is no moment"),
        (("lock", "rp_1", "--until", "2001-01-01"), "is over"),
        (("lock", "rp_1", "--for", "7d", "--mode", "gentle"), "gentle"),
        (("verify", "rp_1", "--timeout", "1"), "--timeout"),
        (("verify", "rp_1", "--blocks", "-1"), "--blocks"),
        (("verify", "rp_1", "--without-agent", "hope"), "--without-agent"),
        (("verify", "rp_1", "--check-file", "/nowhere/x.sh"), "does not exist"),
        (("verify", "rp_1", "--check-file", "BINARY"), "cannot be read as text"),
        (("delete",), "POINT_ID"),
        (("unlock",), "POINT_ID"),
        (("explain",), "POINT_ID"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_sends_nothing(
    appliance: Appliance, cli: Cli, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\x00")
    call = [str(binary) if word == "BINARY" else word for word in words]
    done = cli("recovery-point", *call, "-p", "shop")
    assert (done.exit_code, done.stdout, appliance.asked) == (2, "", [])
    assert says in done.stderr
