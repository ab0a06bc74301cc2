"""Backup plans in the catalogue: who may write them, versions, places, clocks, and the outlook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core_double import ACCOUNT, KERNEL, REGION, Core, Project, call, plan_document
from mavis_core import clock
from mavis_core.access import Scope
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound, PlanChanged
from mavis_core.testing.cloud import FakeCloud

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20), tags={"env": "production"})
    cloud.launch(ACCOUNT, REGION, "build-1", tags={"env": "test"})
    project = core.shop()
    project.discover()
    return project


def test_a_plan_is_kept_as_it_was_written(shop: Project) -> None:
    made = shop.plan(keep={"daily": 7, "monthly": 12}, rpo="26h", jitter="10m")
    found = shop.core.backup_plans.get(shop.olga, "shop", "nightly")
    assert found == made
    assert (found.version, found.owner.name) == (1, "ada")
    (record,) = [r for r in shop.core.records() if r.action == "backup_plan.create"]
    assert (record.person, record.object) == ("ada", "nightly")


def test_check_says_what_a_definition_would_take_and_keeps_nothing(shop: Project) -> None:
    document = plan_document(selection={"match": "tag:env = production"})
    checked = shop.core.backup_plans.check(shop.olga, "shop", document)
    assert [effect.name for effect in checked.effects] == ["web-1"]
    assert [label.split()[0] for label in checked.left_out] == ["build-1"]
    assert shop.core.backup_plans.list(shop.olga, "shop", shop.page()).items == ()


@pytest.mark.parametrize(
    ("document", "field"),
    [
        pytest.param({"rules": []}, "rules", id="no rule"),
        pytest.param({"zone": "Europe/Berlinn"}, "zone", id="unknown zone"),
        pytest.param(
            {"selection": {"environments": ["mian"]}}, "selection.environments[0]", id="environment"
        ),
        pytest.param(
            {"copies": [{"environment": "dr", "region": REGION}]},
            "copies[0].environment",
            id="copy to nowhere",
        ),
        pytest.param(
            {"copies": [{"environment": "main", "region": "moon-1"}]},
            "copies[0].region",
            id="copy to an unknown region",
        ),
    ],
)
def test_a_bad_definition_is_refused_with_its_place(
    shop: Project, document: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        shop.plan(**document)
    assert caught.value.field == field


def test_a_name_is_taken_once_and_free_again_after_removal(shop: Project) -> None:
    first = shop.plan()
    with pytest.raises(Conflict):
        shop.plan()
    shop.core.backup_plans.remove(shop.ada, "shop", "nightly")
    assert shop.plan().id != first.id
    assert shop.core.backup_plans.get(shop.olga, "shop", first.id).removed_at is not None


def test_an_edit_of_what_somebody_else_has_edited_is_refused(shop: Project) -> None:
    plan, edited = shop.plan(), plan_document(title="second")
    shop.core.backup_plans.replace(shop.ada, "shop", "nightly", edited, version=plan.version)
    with pytest.raises(PlanChanged, match="version 2"):
        shop.core.backup_plans.replace(shop.ada, "shop", "nightly", edited, version=plan.version)


def test_only_the_projects_administrators_write_plans_and_never_from_a_kernel(
    shop: Project,
) -> None:
    for who in (call("olga"), call("ada", KERNEL), call("vera", frozenset(Scope), "lookers")):
        with pytest.raises(Forbidden):
            shop.core.backup_plans.create(who, "shop", "other", plan_document())
    with pytest.raises(NotFound):
        shop.core.backup_plans.create(call("mallory"), "shop", "other", plan_document())


def test_an_operator_may_run_a_plan_and_a_viewer_may_not(shop: Project) -> None:
    shop.plan()
    assert shop.back_up().state == "succeeded"
    with pytest.raises(Forbidden):
        shop.core.runs.start(
            call("vera", frozenset(Scope), "lookers"),
            "shop",
            action="backup.run",
            resource="nightly",
            arguments={},
        )


def test_a_run_of_an_unknown_rule_is_refused(shop: Project) -> None:
    shop.plan()
    with pytest.raises(InvalidInput, match="daily"):
        shop.start("backup.run", "nightly", rule="hourly")


def test_the_slots_to_come_are_those_of_all_rules_in_their_order(shop: Project) -> None:
    with clock.set_clock(lambda: NOON):
        shop.plan(
            rules=[
                {"name": "daily", "cron": "30 2 * * *"},
                {"name": "weekly", "cron": "0 3 * * 0"},
            ],
            verification={"cron": "0 5 * * 0"},
        )
        slots = shop.core.outlooks.slots(shop.olga, "shop", "nightly", limit=9)
    assert [(each.rule, each.key) for each in slots.upcoming[-4:]] == [
        ("daily", "2026-03-08T02:30"),
        ("weekly", "2026-03-08T03:00"),
        ("verification", "2026-03-08T05:00"),
        ("daily", "2026-03-09T02:30"),
    ]
    assert slots.begun == ()


def test_the_calendar_of_a_new_plan_grows_to_what_it_keeps(shop: Project) -> None:
    shop.plan(keep={"daily": 3})
    calendar = shop.core.outlooks.calendar(shop.olga, "shop", "nightly", days=10)
    assert calendar.keep.daily == 3
    assert {len(day.made) for day in calendar.days[1:]} == {1}
    assert {len(day.goes) for day in calendar.days[-3:]} == {1}


def test_the_calendar_knows_that_a_lock_keeps_what_retention_would_delete(shop: Project) -> None:
    shop.plan(keep={"last": 1}, lock={"mode": "governance", "for": "7d"})
    calendar = shop.core.outlooks.calendar(shop.olga, "shop", "nightly", days=10)
    assert {len(day.goes) for day in calendar.days[:7]} == {0}
    assert calendar.days[-1].left == 7
