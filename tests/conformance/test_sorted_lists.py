"""Every list of the services can be had in each order that it names, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core_double import ACCOUNT, REGION, Core, Project
from mavis_core.db.paging import Page, PageRequest
from mavis_core.errors import InvalidInput
from mavis_core.testing.cloud import FakeCloud

List = Callable[[PageRequest], Page[Any]]


@pytest.fixture
def shop(shop_core: Core, cloud: FakeCloud) -> Project:
    """Some of everything: what has ended and what has not, twins and names in other letters."""
    for name in ("web-1", "Web-2", "web-1", "ähm"):
        cloud.launch(ACCOUNT, REGION, name, sizes=(8,))
    project = shop_core.shop()
    project.discover()
    for name in ("weekly", "nightly", "hourly"):
        project.plan(name)
        shop_core.projects.create(project.ada, name=f"of-{name}", title="")
    for instance in cloud.instances:
        project.start("recovery_point.create", instance)
    assert shop_core.carry_out() is None
    project.start("recovery_point.create", "Web-2")
    taken, runs = project.points()[-1], shop_core.runs
    for _ in range(3):
        shown = runs.preview(
            project.ada, "shop", action="restore.volumes", resource=taken.id, arguments={}
        )
        runs.apply(project.ada, "shop", shown.id, hash=shown.hash, confirm=shown.confirm)
    return project


def lists_of(shop: Project) -> Mapping[str, tuple[List, tuple[str, ...]]]:
    """Return the lists of all services, and by what they can be sorted."""
    core, ada = shop.core, shop.ada

    def of_project(service: Any) -> tuple[List, tuple[str, ...]]:
        return (lambda want: service.list(ada, "shop", want)), service.SORTS

    return {
        "projects": (lambda want: core.projects.list(ada, want), core.projects.SORTS),
        "resources": of_project(core.resources),
        "runs": of_project(core.runs),
        "recovery points": of_project(core.recovery_points),
        "restores": of_project(core.restores),
        "backup plans": of_project(core.backup_plans),
    }


def thing(item: Any) -> Any:
    return getattr(item, "project", item) if hasattr(item, "roles") else item


def value(item: Any, name: str) -> Any:
    return getattr(thing(item), {"instance": "instance_name"}.get(name, name))


def walk(ask: List, sort: str | None) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = ask(PageRequest(2, cursor, sort))
        found += page.items
        if (cursor := page.next) is None:
            return found


def test_every_list_can_be_had_in_each_of_its_orders(shop: Project) -> None:
    for noun, (ask, sorts) in lists_of(shop).items():
        whole = list(ask(PageRequest(200)).items)
        assert len(whole) >= 3, noun
        for name in sorts:
            some = [item for item in whole if value(item, name) is not None]
            none = [item for item in whole if value(item, name) is None]
            for sort, reverse in ((name, False), (f"-{name}", True)):

                def by_value(item: Any, name: str = name) -> tuple[Any, str]:
                    return value(item, name), thing(item).id

                def by_id(item: Any) -> str:
                    return str(thing(item).id)

                wanted = sorted(some, key=by_value, reverse=reverse)
                wanted += sorted(none, key=by_id, reverse=reverse)
                assert walk(ask, sort) == wanted, f"{noun} by {sort}"


def test_lists_have_the_sorts_that_people_ask_for(shop: Project) -> None:
    assert {noun: set(sorts) for noun, (_, sorts) in lists_of(shop).items()} == {
        "projects": {"name", "created_at"},
        "resources": {"name", "kind", "region", "state", "seen_at"},
        "runs": {"created_at", "finished_at", "state"},
        "recovery points": {"created_at", "taken_at", "instance", "state"},
        "restores": {"created_at", "state"},
        "backup plans": {"name", "created_at"},
    }


def test_where_nobody_says_lists_are_as_they_were_made(shop: Project) -> None:
    newest_first = {"runs", "recovery points", "restores"}
    for noun, (ask, _) in lists_of(shop).items():
        ids = [thing(item).id for item in walk(ask, None)]
        assert ids == sorted(ids, reverse=noun in newest_first), noun


def test_an_order_that_a_list_does_not_have_is_named(shop: Project) -> None:
    for ask, sorts in lists_of(shop).values():
        with pytest.raises(InvalidInput) as caught:
            ask(PageRequest(2, None, "colour"))
        assert caught.value.field == "sort"
        assert all(f"-{name}" in caught.value.message for name in sorts)
