"""Backup plans shown before they are written: the difference in words, and what then happens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core_double import ACCOUNT, KERNEL, PERSON, REGION, Core, Project, call, plan_document
from mavis_core import clock
from mavis_core.access import CallContext, Role
from mavis_core.changes.model import Preview, Severity
from mavis_core.errors import Conflict, Forbidden, InvalidInput, MavisError, NotFound, PlanChanged
from mavis_core.protection.plans.document import definition_of
from mavis_core.protection.plans.words import differences
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    for name, tier in (("web-1", "gold"), ("web-2", "gold"), ("db-1", "silver")):
        cloud.launch(ACCOUNT, REGION, name, sizes=(8, 20), tags={"tier": tier})
    project = core.shop()
    core.projects.put_member(project.ada, "shop", "user:adam", Role.ADMIN)
    project.discover()
    return project


def adam() -> CallContext:
    """An administrator of the project, with what a login or a browser's cookie holds."""
    return call("adam", PERSON)


def show(
    shop: Project,
    action: str,
    name: str | None = "nightly",
    ctx: CallContext | None = None,
    **given: Any,
) -> Preview:
    return shop.core.runs.preview(
        ctx or adam(), "shop", action=f"backup_plan.{action}", resource=name, arguments=given
    )


def apply(shop: Project, shown: Preview, ctx: CallContext | None = None) -> Run:
    run = shop.core.runs.apply(
        ctx or adam(), "shop", shown.id, hash=shown.hash, confirm=shown.confirm
    )
    shop.core.carry_out()
    return shop.run(run)


def of_plan(shown: Preview) -> Mapping[str, str]:
    return {each.kind: each.detail for each in shown.plan.effects if each.name == "nightly"}


def machines(shown: Preview, verb: str) -> set[str]:
    return {each.name for each in shown.plan.effects if each.verb == verb}


GOLD = plan_document(selection={"match": "tag:tier = gold"}, keep={"daily": 7, "weekly": 4})


def test_a_new_plan_says_what_it_takes_when_and_what_it_keeps(shop: Project) -> None:
    shown = show(shop, "create", definition=GOLD)
    assert of_plan(shown) == {
        "backup_plan": "a new plan",
        "selection": "instances that match tag:tier = gold",
        "schedule": "daily 30 2 * * *, in Europe/Berlin",
        "retention": "7 daily, 4 weekly",
        "machines": "takes 2 machines now",
    }
    assert machines(shown, "protect") == {"web-1", "web-2"}
    assert shown.plan.severity is Severity.CREATES
    with pytest.raises(NotFound):
        shop.core.backup_plans.get(shop.ada, "shop", "nightly")
    run = apply(shop, shown)
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"plan": "nightly", "version": 1})
    plan = shop.core.backup_plans.get(shop.ada, "shop", "nightly")
    assert plan.definition == definition_of(GOLD)
    assert (plan.owner, plan.scopes) == (adam().principal, PERSON)
    (record,) = [each for each in shop.core.records() if each.summary.startswith("Backup plan")]
    assert (record.person, record.correlation_id) == ("adam", run.correlation_id)


def test_an_edit_says_what_is_different_and_nothing_else(shop: Project) -> None:
    shop.plan(**GOLD)
    wider = {
        **GOLD,
        "selection": {},
        "rpo": "26h",
        "rules": [{"name": "noon", "cron": "0 12 * * *"}],
    }
    shown = show(shop, "change", definition=wider)
    assert of_plan(shown) == {
        "selection": "every instance; before: instances that match tag:tier = gold",
        "schedule": "noon 0 12 * * *, in Europe/Berlin; before: daily 30 2 * * *, in Europe/Berlin",
        "objective (RPO)": "26h",
        "machines": "takes 3 machines now; before: 2",
    }
    assert machines(shown, "protect") == {"db-1"}
    assert (shown.plan.severity, shown.confirm) == (Severity.CHANGES, None)
    assert apply(shop, shown).result == {"plan": "nightly", "version": 2}


def test_an_edit_that_says_the_same_changes_nothing(shop: Project) -> None:
    shop.plan(**GOLD)
    shown = show(shop, "change", definition=GOLD)
    assert shown.plan.effects == ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        pytest.param({"selection": {"match": "tag:tier = silver"}}, "selection", id="selection"),
        pytest.param({"enabled": False}, "enabled", id="paused"),
    ],
)
def test_protecting_less_asks_for_the_name(
    shop: Project, changed: dict[str, Any], told: str
) -> None:
    shop.plan(**GOLD)
    shown = show(shop, "change", definition={**GOLD, **changed})
    assert told in of_plan(shown)
    assert (shown.plan.severity, shown.confirm) == (Severity.INTERRUPTS, "shop")


def test_what_a_shorter_retention_lets_go_of_is_named_and_asks_for_the_name(
    shop: Project,
) -> None:
    days = [NOON + timedelta(days=day) for day in range(4)]
    with clock.set_clock(lambda: NOON):
        shop.plan(**GOLD)
    for day in days:
        with clock.set_clock(lambda day=day: day):
            shop.back_up()
    with clock.set_clock(lambda: days[-1]):
        shown = show(shop, "change", definition={**GOLD, "keep": {"daily": 2}})
        goes = [each for each in shown.plan.effects if each.verb == "delete"]
        assert {each.name.split()[0] for each in goes} == {"web-1", "web-2"}
        oldest = {point.id for point in shop.points() if point.taken_at in days[:2]}
        assert {each.cloud_id for each in goes} == oldest
        assert len(goes) == 4
        assert of_plan(shown)["retention"] == (
            "2 daily; before: 7 daily, 4 weekly; lets go of 4 that it kept before"
        )
        assert (shown.plan.severity, shown.confirm) == (Severity.DESTROYS, "shop")
        apply(shop, shown)
        due = shop.core.runs.preview(
            shop.ada, "shop", action="retention.apply", resource="nightly", arguments={}
        )
    assert {each.cloud_id for each in due.plan.effects} <= oldest
    assert due.plan.effects


def test_removing_names_the_machines_that_it_leaves(shop: Project) -> None:
    plan = shop.plan(**GOLD)
    shown = show(shop, "remove")
    assert machines(shown, "release") == {"web-1", "web-2"}
    assert (shown.plan.severity, shown.confirm) == (Severity.INTERRUPTS, "shop")
    assert apply(shop, shown).state is RunState.SUCCEEDED
    assert shop.core.backup_plans.get(shop.ada, "shop", plan.id).removed_at is not None


def test_a_kernel_sees_the_preview_and_cannot_apply_it(shop: Project) -> None:
    kernel = call("adam", KERNEL)
    for shown in (
        show(shop, "create", ctx=kernel, definition=GOLD),
        show(shop, "create", ctx=call("olga", PERSON), definition=GOLD),
    ):
        with pytest.raises(Forbidden):
            apply(shop, shown, kernel if shown.person == "adam" else call("olga", PERSON))
    assert shop.core.worker().due(10) == []


def test_what_somebody_else_has_edited_meanwhile_is_not_written_over(shop: Project) -> None:
    shop.plan(**GOLD)
    wanted = {**GOLD, "title": "mine"}
    shown = show(shop, "change", definition=wanted)
    shop.core.backup_plans.replace(shop.ada, "shop", "nightly", {**GOLD, "title": "hers"})
    with pytest.raises(PlanChanged, match="has changed"):
        apply(shop, shown)
    with pytest.raises(PlanChanged, match="version 2, not 1: ada has edited it"):
        show(shop, "change", definition=wanted, version=1)
    shown = show(shop, "change", definition=wanted, version=2)
    run = shop.core.runs.apply(adam(), "shop", shown.id, hash=shown.hash, confirm=None)
    shop.core.backup_plans.replace(shop.ada, "shop", "nightly", {**GOLD, "title": "again"})
    error = shop.core.carry_out()
    assert isinstance(error, PlanChanged)
    assert shop.run(run).state is RunState.FAILED
    plan = shop.core.backup_plans.get(shop.ada, "shop", "nightly")
    assert plan.definition.title == "again"


@pytest.mark.parametrize("action", ["create", "change", "remove"])
def test_an_attempt_after_a_crash_finds_what_the_one_before_has_written(
    shop: Project, action: str
) -> None:
    given = {} if action == "remove" else {"definition": {**GOLD, "title": "new"}}
    if action != "create":
        shop.plan(**GOLD)
    shown = show(shop, action, **given)
    run = shop.core.runs.apply(adam(), "shop", shown.id, hash=shown.hash, confirm=shown.confirm)
    (step,) = shop.core.jobs[f"backup_plan.{action}"].steps(run)

    class Quiet:
        def say(self, detail: str, *, percent: int | None = None) -> None: ...
        def waiting(self, reason: str) -> None: ...
        def check(self) -> None: ...

    first = step.call(Quiet())
    assert step.call(Quiet()) == first
    assert shop.core.carry_out() is None
    assert shop.run(run).result == first


@pytest.mark.parametrize(
    ("action", "name", "given", "error", "field"),
    [
        ("create", "presets", {"definition": GOLD}, InvalidInput, "name"),
        ("create", "No name", {"definition": GOLD}, InvalidInput, "name"),
        ("create", None, {"definition": GOLD}, InvalidInput, "name"),
        ("create", "there", {"definition": GOLD}, Conflict, None),
        ("change", "nowhere", {"definition": GOLD}, NotFound, None),
        ("change", "there", {}, InvalidInput, "arguments.definition"),
        ("change", "there", {"definition": []}, InvalidInput, "arguments.definition"),
        ("change", "there", {"definition": GOLD, "x": 1}, InvalidInput, "arguments.x"),
        ("remove", "there", {"definition": GOLD}, InvalidInput, "arguments.definition"),
        ("remove", None, {}, InvalidInput, "resource"),
        (
            "create",
            "new",
            {"definition": {**GOLD, "rules": [{"name": "daily", "cron": "x"}]}},
            InvalidInput,
            "arguments.definition.rules[0].cron",
        ),
        (
            "create",
            "new",
            {"definition": {**GOLD, "copies": [{"environment": "moon", "region": "far-1"}]}},
            InvalidInput,
            "arguments.definition.copies[0].environment",
        ),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_place(
    shop: Project,
    action: str,
    name: str | None,
    given: dict[str, Any],
    error: type[MavisError],
    field: str | None,
) -> None:
    shop.plan("there", **GOLD)
    with pytest.raises(error) as caught:
        show(shop, action, name, **given)
    assert caught.value.field == field


def test_a_removed_plan_cannot_be_changed(shop: Project) -> None:
    plan = shop.plan(**GOLD)
    shop.core.backup_plans.remove(shop.ada, "shop", "nightly")
    for action, given in (("change", {"definition": GOLD}), ("remove", {})):
        with pytest.raises(Conflict, match="was removed"):
            show(shop, action, plan.id, **given)


def test_words_say_every_part_of_a_plan() -> None:
    everything = plan_document(
        selection={
            "match": "tag:a = b",
            "resources": ["i-1", "i-2"],
            "environments": ["main"],
            "exclude": 'name ~ "tmp-*"',
            "exclude_volumes": "tag:scratch = yes",
        },
        keep={"daily": 2, "within": "48h"},
        lock={"mode": "governance", "for": "7d"},
        hooks={"pre": "sync\nsleep 1"},
        copies=[{"region": "far-1"}, {"region": "far-2", "keep": {"daily": 1}}],
        blackouts=[{"days": ["mon", "tue"], "from": "08:00", "to": "18:00"}],
        catch_up=False,
    )
    told = {name: now for name, now, _ in differences(None, definition_of(everything))}
    assert told["retention"] == "2 daily, all younger than 2d"
    assert told["lock"] == "mode governance, for 1w"
    assert told["catch up"] == "no"
    assert "pre sync sleep 1" in told["hooks"]
    assert told["copies"].startswith("region far-1; region far-2, keep")
    assert "days mon, tue, from 08:00, to 18:00" in told["blackouts"]
    assert told["selection"].startswith("instances that match tag:a = b and i-1, i-2, in main only")
    back = {
        name: (now, was)
        for name, now, was in differences(definition_of(everything), definition_of(plan_document()))
    }
    assert back["lock"] == ("none", "mode governance, for 1w")
    assert back["retention"][0] == "every recovery point"
