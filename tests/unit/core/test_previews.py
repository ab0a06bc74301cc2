"""Previews: what was shown is what happens, once, or nothing does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core_double import ACCOUNT, KERNEL, PLATFORM, REGION, Core, Project, call
from mavis_core import clock
from mavis_core.access import CallContext, Role
from mavis_core.changes.model import Preview
from mavis_core.changes.previews import LIFETIME
from mavis_core.db import tables
from mavis_core.errors import (
    ConfirmationNeeded,
    Conflict,
    Forbidden,
    NotFound,
    PlanChanged,
)
from mavis_core.scheduling.model import Run, RunState
from mavis_core.testing.cloud import FakeCloud


@pytest.fixture
def shop(core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = core.shop()
    project.discover()
    return project


def show(shop: Project, action: str = "resource.stop", ctx: CallContext | None = None) -> Preview:
    return shop.core.runs.preview(
        ctx or shop.olga, "shop", action=action, resource="web-1", arguments={}
    )


def apply(
    shop: Project,
    preview: Preview,
    ctx: CallContext | None = None,
    *,
    hash: str | None = None,
    confirm: str | None = "shop",
) -> Run:
    return shop.core.runs.apply(
        ctx or shop.olga,
        "shop",
        preview.id,
        hash=preview.hash if hash is None else hash,
        confirm=confirm,
    )


def nothing_happens(shop: Project) -> bool:
    return shop.core.worker().due(10) == []


def test_a_preview_says_exactly_what_happens_and_applying_it_does_that(
    shop: Project, cloud: FakeCloud
) -> None:
    shown = show(shop)
    (effect,) = shown.plan.effects
    (instance,) = cloud.instances.values()
    assert (effect.verb, effect.cloud_id, effect.region) == ("stop", instance.id, REGION)
    assert shown.confirm == "shop"
    assert nothing_happens(shop)
    run = apply(shop, shown)
    assert run.plan_hash == shown.hash
    assert shop.core.carry_out() is None
    assert instance.state == "stopped"


@pytest.mark.parametrize("confirm", [None, "", "Shop", "shop ", "yes"])
def test_what_interrupts_needs_the_projects_name(shop: Project, confirm: str | None) -> None:
    with pytest.raises(ConfirmationNeeded) as caught:
        apply(shop, show(shop), confirm=confirm)
    assert "'shop'" in caught.value.mend
    assert nothing_happens(shop)


def test_what_only_makes_needs_no_name(shop: Project) -> None:
    shown = show(shop, "recovery_point.create")
    assert shown.confirm is None
    assert apply(shop, shown, confirm=None).state is RunState.QUEUED


def test_what_interrupts_cannot_be_started_without_a_preview(shop: Project) -> None:
    with pytest.raises(ConfirmationNeeded):
        shop.start("resource.stop", "web-1")
    assert nothing_happens(shop)


def test_another_hash_is_refused(shop: Project) -> None:
    shown = show(shop)
    for other in ("", "0" * 64, shown.hash.upper(), show(shop, "recovery_point.create").hash):
        with pytest.raises(PlanChanged, match="hash"):
            apply(shop, shown, hash=other)
    assert nothing_happens(shop)


def test_an_expired_preview_is_refused(shop: Project) -> None:
    shown = show(shop)
    end = shown.created_at + LIFETIME
    with clock.set_clock(lambda: end), pytest.raises(PlanChanged, match="expired"):
        apply(shop, shown)
    with clock.set_clock(lambda: end - timedelta(microseconds=1)):
        assert apply(shop, shown).state is RunState.QUEUED


def test_a_plan_that_changed_since_is_refused(shop: Project, cloud: FakeCloud) -> None:
    shown = show(shop, "recovery_point.create")
    cloud.detach(next(iter(cloud.volumes)))
    shop.discover()
    with pytest.raises(PlanChanged, match="changed since the preview"):
        apply(shop, shown)
    assert nothing_happens(shop)


def test_a_resource_that_is_gone_since_is_refused(shop: Project, cloud: FakeCloud) -> None:
    shown = show(shop)
    cloud.terminate(next(iter(cloud.instances)))
    shop.discover()
    with pytest.raises(Conflict, match="was not there"):
        apply(shop, shown)
    assert nothing_happens(shop)


def test_applied_twice_it_is_the_same_run_even_after_it_expired(shop: Project) -> None:
    shown = show(shop)
    run = apply(shop, shown)
    assert apply(shop, shown, confirm=None).id == run.id
    shop.core.carry_out()
    with clock.set_clock(lambda: shown.expires_at):
        again = apply(shop, shown)
    assert (again.id, again.state) == (run.id, RunState.SUCCEEDED)
    with pytest.raises(PlanChanged):
        apply(shop, shown, hash="0" * 64)


def test_somebody_elses_preview_is_none(shop: Project) -> None:
    shown = show(shop)
    ada = call("ada", PLATFORM)
    with pytest.raises(NotFound) as of_others:
        apply(shop, shown, ada)
    with pytest.raises(NotFound) as unknown:
        shop.core.runs.apply(ada, "shop", "pre_none", hash="", confirm=None)
    assert of_others.value.message.replace(shown.id, "pre_none") == unknown.value.message


def test_a_preview_of_another_project_is_none(shop: Project) -> None:
    ada = call("ada", PLATFORM)
    shop.core.projects.create(ada, name="other", title="")
    shown = show(shop, ctx=ada)
    with pytest.raises(NotFound):
        shop.core.runs.apply(ada, "other", shown.id, hash=shown.hash, confirm="other")


def test_a_viewer_may_look_and_not_apply(shop: Project) -> None:
    vera = call("vera", PLATFORM, "lookers")
    shown = show(shop, ctx=vera)
    with pytest.raises(Forbidden, match="admin or operator"):
        apply(shop, shown, vera)
    assert nothing_happens(shop)


def test_a_kernels_token_may_look_and_not_interrupt(shop: Project) -> None:
    kernel = call("olga", KERNEL)
    shown = show(shop, ctx=kernel)
    with pytest.raises(Forbidden, match="custom:mavis:destroy"):
        apply(shop, shown, kernel)
    assert nothing_happens(shop)
    assert apply(shop, shown, call("olga")).person == "olga", "a login of the same person may"


def test_who_lost_the_role_since_may_not_apply(shop: Project) -> None:
    shown = show(shop)
    shop.core.projects.put_member(call("ada", PLATFORM), "shop", "user:olga", Role.VIEWER)
    with pytest.raises(Forbidden):
        apply(shop, shown)


def test_warnings_are_advice_and_do_not_change_the_hash(shop: Project) -> None:
    plan = show(shop).plan
    assert plan.warnings
    assert replace(plan, warnings=()).hash == plan.hash
    assert replace(plan, subject="another").hash != plan.hash
    for effect in plan.effects:
        assert replace(plan, effects=(replace(effect, region="x"),)).hash != plan.hash


def test_previews_that_expired_long_ago_are_forgotten(shop: Project) -> None:
    count = sa.select(sa.func.count()).select_from(tables.previews)
    old = show(shop)
    later = old.expires_at + timedelta(hours=2)
    with clock.set_clock(lambda: later):
        new = show(shop)
        with shop.core.database.read() as tx:
            assert tx.scalar(count) == 1
        with pytest.raises(NotFound):
            apply(shop, old)
        assert apply(shop, new).state is RunState.QUEUED
