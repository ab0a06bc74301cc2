"""Restores at the command line: made, put in place, undone while there is time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result

from appliance_double.objects import preview_json, restore_json, run_json
from appliance_double.server import Appliance, Reply, pages
from mavis_kernel.cli.restores import undo_text
from mavis_kernel.models import Restore

Cli = Callable[..., Result]
RESTORES = "/projects/shop/restores"
PREVIEWS = "/projects/shop/previews"
RUN = "/projects/shop/runs/run_1"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FAILURE = {"code": "cloud_quota", "message": "No room for more.", "mend": "Ask for more."}
BEFORE = {"instance_id": "i-1", "devices": {"/dev/xvda": "vol-1"}, "ran": True, "disks": "new"}


def in_place(**more: Any) -> dict[str, Any]:
    return restore_json(
        **{
            "kind": "in_place",
            "before": BEFORE,
            "undo_until": (NOW + timedelta(hours=3)).isoformat(),
            **more,
        }
    )


@pytest.fixture
def restoring(appliance: Appliance) -> Appliance:
    """An appliance at which everything that is begun succeeds."""
    appliance.on("POST", RESTORES, Reply(run_json("queued"), 202))
    appliance.on("POST", PREVIEWS, Reply(preview_json(severity="destroys"), 201))
    appliance.on("POST", f"{PREVIEWS}/pre_1/apply", Reply(run_json("queued"), 202))
    appliance.on("GET", RUN, Reply(run_json("succeeded", result={"restore": "rst_1"})))
    appliance.on("GET", f"{RESTORES}/rst_1", Reply(restore_json()))
    return appliance


def test_a_restore_is_a_line_of_its_list(appliance: Appliance, cli: Cli) -> None:
    launched = restore_json(
        id="rst_2",
        kind="instance",
        created_at="2001-02-03T04:05:06Z",
        made={"volumes": {"vol-1": "vol-8", "vol-2": "vol-9"}, "instance_id": "i-9"},
    )
    later = datetime.now(UTC) + timedelta(hours=3, minutes=1)
    appliance.on("GET", RESTORES, pages([in_place(undo_until=later.isoformat()), launched]))
    words = ("--point", "rp_1", "--kind", "instance", "--state", "complete")
    done = cli("restore", "list", "-p", "shop", *words)
    first, second = done.stdout.splitlines()[1:]
    assert re.match(r"rst_1 +in_place +complete +rp_1 +1 volume +in 3 h ", first)
    assert re.match(r"rst_2 +instance +complete +rp_1 +i-9, 2 volumes +- +2001-02-03 +olga", second)
    query = appliance.asked[0].query
    del query["limit"]
    assert query == {"point": "rp_1", "kind": "instance", "state": "complete"}


def test_a_restore_shows_what_came_of_what(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", f"{RESTORES}/rst_1", Reply(in_place(state="failed", error=FAILURE)))
    shown = cli("restore", "show", "rst_1", "-p", "shop").stdout
    told = {tuple(re.split(" {2,}", line.strip(), maxsplit=1)) for line in shown.splitlines()}
    assert told >= {
        ("State", "failed"),
        ("Kind", "in_place"),
        ("Region", "eu-west-1"),
        ("vol-1", "as vol-9"),
        ("At instance", "i-1"),
        ("/dev/xvda was", "vol-1"),
        ("Disks now", "new"),
        ("Error", "No room for more."),
        ("Mend", "Ask for more."),
    }
    assert "Undo" not in shown
    assert cli("restore", "show", "rst_1", "-p", "shop", "-o", "id").stdout == "rst_1\n"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "possible for 3 h 00 min more, until 2026-07-01 15:00 UTC: "),
        ({"undo_until": "2026-07-01T11:00:00Z"}, "not possible any more: it was until 2026-07-01"),
        ({"state": "stranded", "undo_until": None}, "possible for as long as it takes: mavis"),
        ({"state": "undone"}, ""),
        ({"kind": "volumes"}, ""),
        ({"before": None}, ""),
    ],
    ids=["in time", "too late", "stranded", "undone", "volumes", "nothing touched"],
)
def test_an_undo_is_told_with_the_time_that_is_left(more: dict[str, Any], says: str) -> None:
    text = undo_text(Restore.from_json(in_place(**more)), "shop", NOW)
    assert text.startswith(says) if says else text == ""
    if "possible for" in says:
        assert text.endswith("mavis restore undo rst_1 -p shop")


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("volumes", "rp_1"), {"kind": "volumes"}),
        (
            (
                *("volumes", "rp_1", "--environment", "dr", "--region", "us-1", "--zone", "us-1a"),
                *("--volume", "vol-1", "--volume", "vol-2", "--attach-to", "web-1"),
                *("--kms-key", "alias/dr"),
            ),
            {
                "kind": "volumes",
                "environment": "dr",
                "region": "us-1",
                "zone": "us-1a",
                "volumes": ["vol-1", "vol-2"],
                "attach_to": "web-1",
                "kms_key": "alias/dr",
            },
        ),
        (
            (
                *("instance", "rp_1", "--instance-type", "m7.large", "--subnet", "subnet-1"),
                *("--security-group", "sg-1", "--key-name", "ops", "--instance-profile", "web"),
                *("--name", "web-2"),
            ),
            {
                "kind": "instance",
                "instance_type": "m7.large",
                "subnet": "subnet-1",
                "security_groups": ["sg-1"],
                "key_name": "ops",
                "profile": "web",
                "name": "web-2",
            },
        ),
    ],
    ids=["volumes", "volumes with all options", "instance with all options"],
)
def test_new_things_are_made_and_the_restore_is_shown(
    restoring: Appliance, cli: Cli, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    done = cli("restore", *words, "-p", "shop")
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^Restore +rst_1$", done.stdout, re.MULTILINE)
    assert restoring.to("POST", RESTORES)[0].body == {"point": "rp_1", **body}
    assert cli("restore", *words, "-p", "shop", "-o", "id").stdout == "rst_1\n"
    restoring.on("POST", RESTORES, Reply(preview_json(confirm=None)))
    assert "Plan pre_1" in cli("restore", *words, "--dry-run", "-p", "shop").stdout
    assert restoring.to("POST", RESTORES)[-1].body == {"point": "rp_1", **body, "dry_run": True}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("in-place", "rp_1"), ("restore.in_place", "rp_1", {})),
        (
            ("in-place", "rp_1", "--environment", "dr", "--volume", "vol-1"),
            ("restore.in_place", "rp_1", {"environment": "dr", "volumes": ["vol-1"]}),
        ),
        (("undo", "rst_1"), ("restore.undo", "rst_1", {})),
    ],
    ids=["in place", "in place with options", "undo"],
)
def test_what_replaces_something_is_confirmed(
    restoring: Appliance, cli: Cli, words: tuple[str, ...], asked: tuple[str, str, object]
) -> None:
    refused = cli("restore", *words, "-p", "shop")
    assert refused.exit_code == 6
    assert "Plan pre_1" in refused.stderr
    assert "Plan pre_1" in cli("restore", *words, "--dry-run", "-p", "shop").stdout
    assert restoring.to("POST", f"{PREVIEWS}/pre_1/apply") == []
    done = cli("restore", *words, "--yes", "-p", "shop")
    assert done.exit_code == 0, done.stderr
    assert "rst_1" in done.stdout
    (applied,) = restoring.to("POST", f"{PREVIEWS}/pre_1/apply")
    assert applied.body["confirm"] == "shop"
    body = restoring.to("POST", PREVIEWS)[0].body
    assert (body["action"], body["resource"], body["arguments"]) == asked


def test_a_restore_in_place_ends_with_how_to_undo_it(restoring: Appliance, cli: Cli) -> None:
    later = datetime.now(UTC) + timedelta(hours=24)
    restoring.on("GET", f"{RESTORES}/rst_1", Reply(in_place(undo_until=later.isoformat())))
    done = cli("restore", "in-place", "rp_1", "--yes", "-p", "shop")
    assert "mavis restore undo rst_1 -p shop" in done.stdout


def test_a_restore_that_nobody_waits_for_says_how_to_watch_it(
    restoring: Appliance, cli: Cli
) -> None:
    done = cli("restore", "volumes", "rp_1", "--no-wait", "-p", "shop", "-o", "json")
    assert json.loads(done.stdout)["state"] == "queued"
    assert "mavis run watch run_1 -p shop" in done.stderr


def test_a_restore_that_fails_shows_its_run_and_ends_with_1(restoring: Appliance, cli: Cli) -> None:
    restoring.on("GET", RUN, Reply(run_json("failed", error=FAILURE)))
    done = cli("restore", "instance", "rp_1", "-p", "shop")
    assert done.exit_code == 1
    assert re.search(r"^Run +run_1$", done.stdout, re.MULTILINE)
    assert "No room for more." in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("volumes",),
        ("volumes", "rp_1", "--subnet", "subnet-1"),
        ("instance", "rp_1", "--attach-to", "web-1"),
        ("in-place",),
        ("in-place", "rp_1", "--region", "us-1"),
        ("undo",),
        ("show",),
        ("list", "--kind", "beside"),
        ("list", "--state", "lost"),
    ],
    ids=" ".join,
)
def test_wrong_usage_sends_nothing(appliance: Appliance, cli: Cli, words: tuple[str, ...]) -> None:
    done = cli("restore", *words, "-p", "shop")
    assert (done.exit_code, done.stdout, appliance.asked) == (2, "", [])
