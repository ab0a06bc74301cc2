"""The command line against the appliance's own API: the core, a database and the shipped cloud."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from core_double import ACCOUNT, REGION, Core, wait_until

Cli = Callable[..., Result]


def _done(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def test_the_way_from_an_empty_appliance_to_a_recovery_point(core: Core, cli: Cli) -> None:
    web = core.cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    _done(cli("ada", "project", "create", "shop", "--title", "Web shop"))
    _done(cli("ada", "project", "grant", "user:olga", "operator"))
    value = json.dumps({"access_key_id": "AKIA", "secret_access_key": "hidden-value"})
    _done(cli("ada", "key", "add", "main", "--kind", "fake", "--stdin", stdin=value))
    assert "main" in _done(cli("ada", "key", "list")).stdout
    place = ("--kit", "fake", "--account", ACCOUNT, "--region", REGION)
    _done(cli("ada", "environment", "add", "prod", *place))
    assert "user:olga" in _done(cli("olga", "project", "members")).stdout
    assert "Nothing has been discovered" in _done(cli("olga", "resource", "list")).stderr

    found = _done(cli("olga", "resource", "discover"))
    assert "succeeded" in found.stderr
    shown = _done(cli("olga", "resource", "list", "--kind", "instance"))
    assert web.id in shown.stdout
    assert web.id in _done(cli("olga", "resource", "show", "web-1")).stdout
    assert "ok" in _done(cli("olga", "environment", "list")).stdout

    plan = _done(cli("olga", "recovery-point", "create", "web-1", "--dry-run"))
    assert "recovery_point.create" in plan.stdout
    assert "(new)" in plan.stdout
    created = cli("olga", "recovery-point", "create", "web-1", "-o", "json")
    made = json.loads(_done(created).stdout)
    assert made["state"] == "complete"
    assert (made["volumes"], made["size_gib"]) == (2, 28)
    assert len(made["copies"][0]["members"]) == 2
    narrow = ("--instance", "web-1", "--state", "complete", "--region", REGION)
    assert made["id"] in _done(cli("olga", "recovery-point", "list", *narrow)).stdout
    assert "completed" in _done(cli("olga", "recovery-point", "show", made["id"])).stdout
    assert "recovery_point.create" in _done(cli("olga", "run", "list")).stdout
    assert made["run_id"] in _done(cli("olga", "run", "watch", made["run_id"], "-o", "id")).stdout


def test_a_run_that_waits_for_the_cloud_is_cancelled(core: Core, cli: Cli) -> None:
    core.cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    core.shop()
    _done(cli("olga", "resource", "discover"))
    core.cloud.snapshots_complete = False
    begun = _done(cli("olga", "recovery-point", "create", "web-1", "--no-wait", "-o", "id"))
    run = begun.stdout.strip()
    running = ("recovery-point", "list", "--state", "running", "-o", "id")
    wait_until(lambda: bool(_done(cli("olga", *running)).stdout))
    assert run in _done(cli("olga", "run", "cancel", run)).stdout
    watched = cli("olga", "run", "watch", run)
    assert watched.exit_code == 1
    assert f"Run {run} cancelled: olga cancelled recovery_point.create" in watched.stderr
    assert run in _done(cli("olga", "run", "list", "--state", "cancelled")).stdout
    assert run in _done(cli("olga", "run", "cancel", run)).stdout, "again changes nothing"
    looked = _done(cli("olga", "run", "list", "--state", "succeeded", "-o", "id")).stdout
    assert cli("olga", "run", "cancel", looked.split()[0]).exit_code == 6, "it has ended well"


def test_a_stop_is_refused_unconfirmed_and_done_confirmed(core: Core, cli: Cli) -> None:
    core.cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
    core.shop()
    _done(cli("olga", "resource", "discover"))  # the worker's to do: there is only one
    refused = cli("olga", "resource", "stop", "web-1")
    assert refused.exit_code == 6
    assert "web-1" in refused.stderr
    assert "running" in _done(cli("olga", "resource", "show", "web-1")).stdout
    _done(cli("olga", "resource", "stop", "web-1", "--yes"))
    assert "stop" in _done(cli("olga", "resource", "show", "web-1")).stdout
    _done(cli("olga", "resource", "tag", "web-1", "team=ops"))
    assert "tag team" in _done(cli("olga", "resource", "show", "web-1")).stdout


def test_a_plan_that_was_shown_is_applied_later_and_what_it_does_is_followed(
    core: Core, cli: Cli
) -> None:
    core.cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8,))
    core.shop()
    _done(cli("olga", "resource", "discover"))
    plan = _done(cli("olga", "resource", "stop", "web-1", "--dry-run", "-o", "id")).stdout.strip()
    assert "stop" in _done(cli("olga", "preview", "show", plan)).stdout
    assert cli("ada", "preview", "show", plan).exit_code == 5, "it was shown to somebody else"
    begun = _done(cli("olga", "preview", "apply", plan, "--yes", "--no-wait", "-o", "id"))
    told = _done(cli("olga", "run", "show", begun.stdout.strip(), "--watch", "-o", "json"))
    states = [json.loads(line)["state"] for line in told.stdout.splitlines()]
    assert states[-1] == "succeeded"
    versions = [json.loads(line)["version"] for line in told.stdout.splitlines()]
    assert versions == sorted(set(versions))


def test_lists_are_sorted_and_told_in_part(core: Core, cli: Cli) -> None:
    for name in ("web-2", "web-1", "db-1"):
        core.cloud.launch(ACCOUNT, REGION, name, sizes=(8,))
    core.shop()
    _done(cli("olga", "resource", "discover"))
    words = ("resource", "list", "--kind", "instance", "--fields", "name,state", "-o", "json")
    told = json.loads(_done(cli("olga", *words, "--sort=-name")).stdout)
    assert [each["name"] for each in told] == ["web-2", "web-1", "db-1"]
    assert set(told[0]) == {"name", "state"}
    wrong = cli("olga", "resource", "list", "--fields", "name,colour")
    assert wrong.exit_code == 8
    assert "colour" in wrong.stderr


@pytest.mark.parametrize(
    ("person", "words", "code"),
    [
        ("nobody", ("whoami",), 3),
        ("vera", ("resource", "discover"), 4),
        ("olga", ("key", "list"), 4),
        ("eve", ("resource", "list"), 5),
        ("olga", ("resource", "show", "no-such"), 5),
        ("olga", ("resource", "show", "a/../b"), 5),
        ("olga", ("run", "show", "run_0"), 5),
        ("olga", ("run", "cancel", "run_0"), 5),
        ("vera", ("run", "cancel", "run_0"), 4),
        ("olga", ("recovery-point", "show", "rp_0"), 5),
        ("vera", ("recovery-point", "create", "web-1"), 4),
        ("ada", ("project", "create", "shop"), 6),
        ("ada", ("project", "create", "No Good"), 8),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_goes_wrong_has_its_exit_code_and_its_mend(
    core: Core, cli: Cli, person: str, words: tuple[str, ...], code: int
) -> None:
    core.shop()
    done = cli(person, *words)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "  Mend:  " in done.stderr
    assert "Traceback" not in done.stderr
