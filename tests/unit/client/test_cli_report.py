"""The report on protection at the command line: for people, spreadsheets and cron."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from appliance_double.objects import report_json, row_json
from appliance_double.server import Appliance, Asked, Reply, problem
from mavis_kernel import errors

Cli = Callable[..., Result]
REPORT = "/projects/shop/reports/protection"
SHOW = ("report", "protection", "-p", "shop")
CSV = "finding,machine\r\nunprotected,'=web\r\n"
WELL = row_json("ok", machine="db-1 (i-2)", plan="nightly", newest_at="2001-02-03T04:05:06Z")


def either(report: dict[str, Any]) -> Callable[[Asked], Reply]:
    """Return what answers as CSV where that is asked for, else with `report`."""

    def answer(asked: Asked) -> Reply:
        if asked.headers["Accept"] == "text/csv":
            return Reply(CSV, headers={"Content-Type": "text/csv; charset=utf-8"})
        return Reply(report)

    return answer


def test_a_report_says_what_is_wrong_and_how_to_mend_it(appliance: Appliance, cli: Cli) -> None:
    other = row_json("never_backed_up", plan="nightly", machine="db-1 (i-2)", mend="Wait.")
    appliance.on("GET", REPORT, Reply(report_json(row_json(), row_json(machine="b"), other)))
    done = cli(*SHOW)
    assert done.exit_code == 0, "a report that is shown is no failure"
    head, first, *_, last = done.stdout.splitlines()
    assert head.split() == [
        *("FINDING", "MACHINE", "PLAN", "ENVIRONMENT", "REGION", "NEWEST", "WHY")
    ]
    assert re.match(r"unprotected +web-1 \(i-1\) +- +prod +eu-west-1 +never +No backup", first)
    assert re.match(r"never_backed_up +db-1 \(i-2\) +nightly ", last)
    assert done.stderr.count("Mend: ") == 2, "each mend is said once"
    assert "3 findings in project shop; 1 of 2 machines have a backup plan" in done.stderr


def test_all_has_what_is_well_too(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", REPORT, Reply(report_json(WELL)))
    done = cli(*SHOW, "--all")
    assert "2001-02-03" in done.stdout
    assert "All is well in project shop: 1 of 2 machines have a backup plan" in done.stderr
    assert appliance.asked[0].query == {"everything": "true"}


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (report_json(machines=2, protected=2), "All is well in project shop: 2 of 2 machines"),
        (report_json(machines=0, protected=0), "mavis resource discover -p shop"),
    ],
    ids=["all is well", "nothing there"],
)
def test_an_empty_report_says_why(
    appliance: Appliance, cli: Cli, report: dict[str, Any], says: str
) -> None:
    appliance.on("GET", REPORT, Reply(report))
    done = cli(*SHOW)
    assert (done.exit_code, done.stdout) == (0, "")
    assert says in done.stderr


def test_csv_goes_out_as_it_came(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", REPORT, either(report_json(row_json())))
    done = cli(*SHOW, "-o", "csv", "--all")
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, CSV.encode(), "")
    (asked,) = appliance.asked
    assert asked.query == {"everything": "true"}


def test_json_is_the_report_of_the_api(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", REPORT, Reply(report_json(row_json())))
    assert json.loads(cli(*SHOW, "-o", "json").stdout) == report_json(row_json())


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize(
    ("rows", "code"),
    [((row_json(), WELL), 9), ((WELL,), 0), ((), 0)],
    ids=["something is wrong", "all is well", "nothing to tell"],
)
def test_a_check_ends_with_9_where_something_is_found(
    appliance: Appliance, cli: Cli, form: str, rows: tuple[dict[str, Any], ...], code: int
) -> None:
    appliance.on("GET", REPORT, either(report_json(*rows)))
    done = cli(*SHOW, "--check", "--all", "-o", form)
    assert done.exit_code == code
    assert ("The protection of project shop has 1 finding." in done.stderr) is (code == 9)
    assert done.stdout or not rows
    assert errors.Found("").exit_code == 9


def test_a_report_that_cannot_be_had_ends_otherwise_than_one_with_findings(
    appliance: Appliance, cli: Cli
) -> None:
    appliance.on("GET", REPORT, problem(403, "forbidden"))
    assert cli(*SHOW, "--check").exit_code == 4
    assert cli(*SHOW, "-o", "csv").exit_code == 4


@pytest.mark.parametrize("words", [("-o", "id"), ("-o", "xml"), ("--everything",), ("web-1",)])
def test_wrong_usage_sends_nothing(appliance: Appliance, cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*SHOW, *words)
    assert (done.exit_code, done.stdout, appliance.asked) == (2, "", [])
