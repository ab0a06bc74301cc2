"""Reports on protection: each machine that is not as it should be, why, and what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core_double import ACCOUNT, REGION, Core, Project, call
from mavis_core import clock
from mavis_core.errors import CloudQuota, NotFound
from mavis_core.protection.reports import Finding, ReportRow, to_csv
from mavis_core.testing.cloud import FakeCloud, refuse

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> Iterator[list[datetime]]:
    moment = [NOON]
    with clock.set_clock(lambda: moment[0]):
        yield moment


@pytest.fixture
def shop(now: list[datetime], core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", tags={"env": "production"})
    cloud.launch(ACCOUNT, REGION, "build-1", tags={"env": "test"})
    project = core.shop()
    project.discover()
    return project


def findings(shop: Project, *, everything: bool = False) -> dict[str, list[str]]:
    report = shop.core.reports.protection(shop.olga, "shop", everything=everything)
    found: dict[str, list[str]] = {}
    for row in report.rows:
        found.setdefault(row.finding, []).append(row.machine.split(" ")[0] or row.plan)
    return found


def test_without_a_plan_nothing_is_protected(shop: Project) -> None:
    report = shop.core.reports.protection(shop.olga, "shop")
    assert (report.machines, report.protected) == (2, 0)
    assert findings(shop) == {"unprotected": ["build-1", "web-1"]}


def test_a_machine_goes_from_never_to_well_to_missed(shop: Project, now: list[datetime]) -> None:
    shop.plan(selection={"match": "tag:env = production"}, rpo="26h")
    assert findings(shop) == {"unprotected": ["build-1"], "never_backed_up": ["web-1"]}
    shop.back_up()
    assert findings(shop) == {"unprotected": ["build-1"]}
    assert findings(shop, everything=True)["ok"] == ["web-1"]
    now[0] += timedelta(hours=27)
    assert findings(shop)["rpo_missed"] == ["web-1"]


def test_a_failed_run_stands_there_with_its_reason_in_a_sentence(
    shop: Project, cloud: FakeCloud
) -> None:
    shop.plan(selection={"resources": ["web-1"]})
    cloud.rules.append(
        refuse("snapshots.create", CloudQuota("the account holds 100,000 snapshots"))
    )
    run = shop.back_up()
    rows = shop.core.reports.protection(shop.olga, "shop").rows
    (failed,) = [row for row in rows if row.finding is Finding.FAILED]
    assert "the account holds 100,000 snapshots" in failed.why
    assert run.id in failed.mend


def test_nobody_sees_the_report_of_a_project_that_is_not_theirs(shop: Project) -> None:
    with pytest.raises(NotFound):
        shop.core.reports.protection(call("mallory"), "shop")


def test_csv_keeps_every_value_and_runs_no_formula() -> None:
    row = ReportRow(
        Finding.UNPROTECTED,
        '=HYPERLINK("http://evil","x")',
        'a, "b"',
        "@here",
        "+plan",
        NOON,
        "two\nlines",
        "-mend",
    )
    head, read = csv.reader(io.StringIO(to_csv([row]), newline=""))
    assert head[0] == "finding"
    assert dict(zip(head, read, strict=True)) == {
        "finding": "unprotected",
        "machine": '\'=HYPERLINK("http://evil","x")',
        "environment": 'a, "b"',
        "region": "'@here",
        "plan": "'+plan",
        "newest_at": "2026-03-02T12:00:00.000000Z",
        "why": "two\nlines",
        "mend": "'-mend",
    }
