"""What pages ask of all projects at once, on both databases: never more than one may see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core_double import ACCOUNT, KERNEL, PLATFORM, REGION, Core, Project, call
from mavis_core import clock
from mavis_core.access import Permission, Role
from mavis_core.contract import ResourceKind
from mavis_core.errors import CloudDenied, Forbidden, InvalidInput, NotFound
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud, refuse


@pytest.fixture
def shop(shop_core: Core, cloud: FakeCloud) -> Project:
    cloud.launch(ACCOUNT, REGION, "web-1", sizes=(8, 20))
    project = shop_core.shop()
    project.discover()
    return project


def other(core: Core) -> str:
    """Make another project with a queued Run, to which olga does not belong; return its id."""
    ada = call("ada", PLATFORM)
    made = core.projects.create(ada, name="billing", title="Billing").project
    core.environments.create(
        ada,
        "billing",
        name="main",
        kit="fake",
        account=ACCOUNT,
        regions=[REGION],
        key=None,
        options={},
    )
    core.runs.start(ada, "billing", action="inventory.discover", resource=None, arguments={})
    return made.id


def test_projects_are_had_by_what_one_may_do_in_them(shop: Project) -> None:
    core = shop.core
    other(core)
    ada = call("ada", PLATFORM)
    core.projects.put_member(ada, "billing", "user:olga", Role.ENDUSER)
    core.projects.put_member(ada, "billing", "group:ops", Role.AUDITOR)

    def names(who: str, permission: Permission, *groups: str) -> list[str]:
        found = core.projects.where(call(who, KERNEL, *groups), permission)
        return [each.project.name for each in found]

    assert names("ada", Permission.PROJECT_READ) == ["billing", "shop"]
    assert names("olga", Permission.PROJECT_READ) == ["shop"]
    assert names("olga", Permission.RECORD_READ, "ops") == ["billing", "shop"]
    assert names("olga", Permission.RESOURCE_STOP) == [], "a kernel's token may not"
    assert names("vera", Permission.RUN_READ, "lookers") == ["shop"]
    assert names("vera", Permission.RECORD_READ, "lookers") == []
    assert names("eve", Permission.PROJECT_READ) == []
    (both,) = core.projects.where(call("olga", PLATFORM, "lookers"), Permission.RUN_READ)
    assert both.roles == {Role.OPERATOR, Role.VIEWER}


def test_runs_of_all_projects_are_those_that_one_may_see(shop: Project, cloud: FakeCloud) -> None:
    core = shop.core
    cloud.rules.append(refuse("tags.put", CloudDenied("no")))
    failed = shop.start("resource.tag", "web-1", tags={"a": "b"})
    assert core.carry_out() is not None
    queued = shop.start("inventory.discover")
    other(core)

    def ids(who: str = "olga", *groups: str, **wanted: object) -> list[str]:
        found = core.runs.across(call(who, KERNEL, *groups), **{"limit": 10, **wanted})  # type: ignore[arg-type]
        return [run.id for run in found]

    assert ids()[:2] == [queued.id, failed.id], "the newest first"
    assert ids(limit=1) == [queued.id]
    assert ids(states=(RunState.FAILED, RunState.REFUSED)) == [failed.id]
    assert ids(states=(RunState.QUEUED,)) == [queued.id]
    assert len(ids("ada", states=(RunState.QUEUED,))) == 2
    assert ids("vera", "lookers") == ids()
    assert ids("vera") == ids("eve") == []
    assert ids(since=clock.now()) == []
    assert failed.id in ids(since=clock.now() - timedelta(hours=1))
    assert ids(correlation_id=failed.correlation_id) == [failed.id]
    assert ids("eve", correlation_id=failed.correlation_id) == []


def test_resources_are_counted_by_kind(shop: Project, cloud: FakeCloud) -> None:
    resources = shop.core.resources
    counts = resources.counts(shop.olga, "shop")
    assert counts[ResourceKind.INSTANCE] == 1
    assert counts[ResourceKind.VOLUME] == 2
    listed = resources.list(shop.olga, "shop", shop.page()).items
    assert sum(counts.values()) == len(listed)
    with pytest.raises(NotFound):
        resources.counts(call("eve"), "shop")


def test_a_request_is_shown_again_as_it_would_be_now(shop: Project) -> None:
    runs = shop.core.runs
    first = runs.preview(shop.olga, "shop", action="resource.stop", resource="web-1", arguments={})
    again = runs.preview_again(shop.olga, "shop", first.id)
    assert (again.plan, again.hash) == (first.plan, first.hash)
    assert again.id != first.id
    with pytest.raises(NotFound):
        runs.preview_again(shop.ada, "shop", first.id)
    with pytest.raises(NotFound):
        runs.preview_again(call("eve"), "shop", first.id)


def test_an_action_says_what_it_takes(shop: Project) -> None:
    runs = shop.core.runs
    assert runs.permission_of("resource.stop") is Permission.RESOURCE_STOP
    with pytest.raises(InvalidInput, match="No action"):
        runs.permission_of("resource.explode")


def test_may_and_require_agree() -> None:
    for scopes in (KERNEL, PLATFORM, frozenset[object]()):
        ctx = call("olga", scopes)  # type: ignore[arg-type]
        for permission in Permission:
            for role in Role:
                try:
                    ctx.require(permission, {role})
                except Forbidden:
                    assert not ctx.may(permission, {role})
                else:
                    assert ctx.may(permission, {role})
