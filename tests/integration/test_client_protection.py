"""Protection at the command line against the appliance's own API, the whole way."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from core_double import ACCOUNT, PLATFORM, REGION, Core, call, plan_document, wait_until
from mavis_kernel.errors import EXIT_CODES

Cli = Callable[..., Result]
ELSEWHERE = "there-1"


@pytest.fixture
def web(core: Core, cli: Cli) -> str:
    """The id of web-1, which is to be protected, in the project ``shop``."""
    instance = core.cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20), tags={"backup": "bronze"})
    core.shop()
    core.environments.create(
        call("ada", PLATFORM),
        "shop",
        name="dr",
        kit="fake",
        account=ACCOUNT,
        regions=[ELSEWHERE],
        key=None,
        options={},
    )
    _done(cli("olga", "resource", "discover"))
    return instance.id


def _done(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def _json(result: Result) -> Any:
    return json.loads(_done(result).stdout)


def _point(cli: Cli) -> str:
    made = _json(cli("olga", "recovery-point", "create", "web-1", "-o", "json"))
    return str(made["id"])


def test_a_plan_from_nothing_to_its_calendar_and_its_end(cli: Cli, web: str) -> None:
    assert "unprotected" in _done(cli("vera", "report", "protection")).stdout
    assert cli("vera", "report", "protection", "--check").exit_code == 9
    create = ("backup-plan", "create", "nightly", "--preset", "bronze")
    zone = ("--set", "zone=Europe/Berlin")
    dry = _done(cli("ada", *create, *zone, "--dry-run"))
    assert "web-1" in dry.stdout
    assert "It selects 1 of 1 machines" in dry.stderr
    assert "no backup plans yet" in _done(cli("olga", "backup-plan", "list")).stderr
    assert "Europe/Berlin" in _done(cli("ada", *create, *zone)).stdout
    assert "never_backed_up" in _done(cli("vera", "report", "protection")).stdout

    edited = _done(cli("ada", "backup-plan", "edit", "nightly", "--set", "keep.daily=2"))
    assert "daily 2, weekly 4" in edited.stdout
    shown = _json(cli("vera", "backup-plan", "show", "nightly", "-o", "json"))
    assert shown["keep"]["daily"] == 2
    again = cli("ada", "backup-plan", "create", "again", "-f", "-", stdin=json.dumps(shown))
    assert _done(again)
    _done(cli("ada", "backup-plan", "delete", "again", "--yes"))
    assert _done(cli("vera", "backup-plan", "list", "-o", "id")).stdout == "nightly\n"

    planned = _done(cli("olga", "backup-plan", "run", "nightly", "--rule", "daily", "--dry-run"))
    assert web in planned.stdout
    _done(cli("olga", "backup-plan", "run", "nightly", "--rule", "daily"))
    report = _done(cli("vera", "report", "protection", "--all", "--check"))
    assert re.search(r"^ok +web-1 .* nightly ", report.stdout, re.MULTILINE)
    assert "All is well in project shop" in report.stderr
    rows = list(csv.reader(io.StringIO(_done(cli("vera", *REPORT_CSV)).stdout)))
    assert [row[0] for row in rows] == ["finding", "ok"]

    slots = _done(cli("vera", "backup-plan", "slots", "nightly", "--limit", "2")).stdout
    assert len(re.findall(r"T02:30 +daily ", slots)) == 2
    for instance in ((), ("--instance", "web-1")):
        words = ("backup-plan", "calendar", "nightly", "--days", "5", *instance)
        days = _done(cli("vera", *words))
        assert len(days.stdout.splitlines()) == 6
        assert "Days and times are of Europe/Berlin." in days.stderr


REPORT_CSV = ("report", "protection", "--all", "-o", "csv")


def test_retention_deletes_what_a_plan_keeps_no_longer(cli: Cli, web: str) -> None:
    definition = json.dumps(plan_document(max_delete_share=1))
    _done(cli("ada", "backup-plan", "create", "brief", "-f", "-", stdin=definition))
    for _ in range(3):
        _done(cli("olga", "backup-plan", "run", "brief", "--rule", "daily"))
    wait_until(lambda: _idle(cli))  # what follows a run by itself is over
    retention = ("backup-plan", "retention", "brief")
    assert "Nothing is due" in _done(cli("ada", *retention)).stderr
    _done(cli("ada", "backup-plan", "edit", "brief", "--set", "keep.last=1"))
    shown = _done(cli("ada", *retention, "--dry-run"))
    assert len(re.findall(r"^delete +recovery_point ", shown.stdout, re.MULTILINE)) == 2
    assert cli("ada", *retention).exit_code == 6
    assert "succeeded" in _done(cli("ada", *retention, "--yes")).stderr
    left = _done(cli("vera", "recovery-point", "list", "--plan", "brief", "-o", "id")).stdout
    assert len(left.split()) == 1
    assert web


def _idle(cli: Cli) -> bool:
    states = [cli("vera", "run", "list", "--state", each) for each in ("queued", "running")]
    return not any(_done(found).stdout for found in states)


def test_a_point_is_copied_held_locked_proven_and_at_last_deleted(cli: Cli, web: str) -> None:
    point = _point(cli)
    place = ("--environment", "dr", "--region", ELSEWHERE)
    assert (
        "(new)" in _done(cli("olga", "recovery-point", "copy", point, *place, "--dry-run")).stdout
    )
    _done(cli("olga", "recovery-point", "copy", point, *place))
    explained = _done(cli("vera", "recovery-point", "explain", point)).stdout
    assert f"dr / {ELSEWHERE}, complete" in explained
    assert "taken by hand" in explained

    proven = _done(cli("olga", "recovery-point", "verify", point, "--blocks", "2"))
    assert "restored and proven" in proven.stdout
    _done(cli("ada", "recovery-point", "hold", point, "--reason", "case 7"))
    delete = ("recovery-point", "delete", point)
    refused = cli("ada", *delete, "--yes")
    assert refused.exit_code in EXIT_CODES.keys() - {0, 70}
    assert "a legal hold of ada: case 7" in refused.stderr
    _done(cli("ada", "recovery-point", "release", point, "--reason", "closed"))

    _done(cli("ada", "recovery-point", "lock", point, "--for", "1d"))
    assert "governance, until" in _done(cli("vera", "recovery-point", "show", point)).stdout
    assert "it is locked until" in cli("ada", *delete, "--yes").stderr
    _done(cli("ada", "recovery-point", "unlock", point))
    assert cli("ada", *delete).exit_code == 6
    _done(cli("ada", *delete, "--yes"))
    assert "has no recovery points yet" in _done(cli("vera", "recovery-point", "list")).stderr
    assert web


def test_a_point_is_restored_in_every_way_and_undone(core: Core, cli: Cli, web: str) -> None:
    point = _point(cli)
    beside = _json(cli("olga", "restore", "volumes", point, "-o", "json"))
    assert (beside["state"], len(beside["made"]["volumes"])) == ("complete", 2)
    anew = _json(cli("olga", "restore", "instance", point, "--name", "web-2", "-o", "json"))
    assert core.cloud.instances[anew["made"]["instance_id"]]

    before = dict(core.cloud.instances[web].devices)
    assert cli("olga", "restore", "in-place", point).exit_code == 6
    placed = _done(cli("olga", "restore", "in-place", point, "--yes"))
    undo = re.search(r"mavis restore undo (rst_\w+) -p shop", placed.stdout)
    assert undo is not None
    assert "possible for" in placed.stdout
    assert core.cloud.instances[web].devices != before
    assert undo[1] in _done(cli("vera", "restore", "list", "--kind", "in_place")).stdout
    back = _done(cli("olga", "restore", "undo", undo[1], "--yes"))
    assert re.search(r"^State +undone$", back.stdout, re.MULTILINE)
    assert core.cloud.instances[web].devices == before


@pytest.mark.parametrize(
    ("person", "words", "code"),
    [
        ("vera", ("backup-plan", "create", "new", "-f", "PLAN"), 4),
        ("olga", ("backup-plan", "create", "new", "-f", "PLAN"), 4),
        ("eve", ("backup-plan", "list"), 5),
        ("ada", ("backup-plan", "create", "No Good", "-f", "PLAN"), 8),
        ("ada", ("backup-plan", "create", "new", "-f", "PLAN", "--set", "rules[0].cron=often"), 8),
        ("ada", ("backup-plan", "create", "new", "--preset", "tin"), 5),
        ("ada", ("backup-plan", "edit", "nobody", "--set", "zone=UTC"), 5),
        ("ada", ("backup-plan", "delete", "nobody", "--yes"), 5),
        ("olga", ("backup-plan", "run", "nobody"), 5),
        ("vera", ("backup-plan", "run", "nobody"), 4),
        ("olga", ("backup-plan", "slots", "nobody"), 5),
        ("olga", ("backup-plan", "calendar", "nobody"), 5),
        ("olga", ("backup-plan", "retention", "nobody"), 5),
        ("olga", ("recovery-point", "explain", "rp_0"), 5),
        ("olga", ("recovery-point", "copy", "rp_0", "--region", REGION), 5),
        ("olga", ("recovery-point", "verify", "rp_0"), 5),
        ("olga", ("recovery-point", "hold", "rp_0", "--reason", "x"), 4),
        ("ada", ("recovery-point", "release", "rp_0", "--reason", "x"), 5),
        ("ada", ("recovery-point", "lock", "rp_0", "--for", "7d"), 5),
        ("ada", ("recovery-point", "unlock", "rp_0"), 5),
        ("ada", ("recovery-point", "delete", "rp_0"), 5),
        ("olga", ("restore", "volumes", "rp_0"), 5),
        ("vera", ("restore", "instance", "rp_0"), 4),
        ("olga", ("restore", "in-place", "rp_0"), 5),
        ("olga", ("restore", "undo", "rst_0"), 5),
        ("olga", ("restore", "show", "rst_0"), 5),
        ("eve", ("report", "protection"), 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_goes_wrong_has_its_exit_code_and_its_mend(
    core: Core, cli: Cli, tmp_path: Path, person: str, words: tuple[str, ...], code: int
) -> None:
    core.shop()
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(plan_document()))
    done = cli(person, *(str(plan) if word == "PLAN" else word for word in words))
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "  Mend:  " in done.stderr
    assert "Traceback" not in done.stderr


def test_of_two_who_edit_a_plan_the_second_hears_of_the_first(cli: Cli, web: str) -> None:
    plan = json.dumps(plan_document())
    _done(cli("ada", "backup-plan", "create", "shared", "-f", "-", stdin=plan))
    edit = ("backup-plan", "edit", "shared", "-f", "-", "--version", "1")
    _done(cli("ada", *edit, stdin=plan))
    late = cli("ada", *edit, stdin=plan)
    assert late.exit_code == 6
    assert "ada has edited the backup plan shared since" in late.stderr
    assert web
