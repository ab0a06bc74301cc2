"""Dashboards: what of a notebook is published, who may what, versions, and records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core_double import KERNEL, PERSON, PLATFORM, Core, call
from mavis_core.access import CallContext, Role, Scope
from mavis_core.dashboards.notebooks import MAX_BYTES, published_form
from mavis_core.errors import Forbidden, InvalidInput, MavisError, NotFound, TooLarge

ADA = call("ada", PLATFORM)


def notebook(*sources: str, **changes: Any) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "source": each, "metadata": {}, "outputs": [], "execution_count": 1}
        for each in sources or ("1 + 1",)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells, **changes}


@pytest.fixture
def shop(core: Core) -> Core:
    core.shop()
    for role in Role:
        core.projects.put_member(ADA, "shop", f"user:as-{role}", role)
    return core


def as_role(role: Role, scopes: frozenset[Scope] = PERSON) -> CallContext:
    return call(f"as-{role}", scopes)


# What is published


def test_nothing_of_the_publisher_s_session_is_published() -> None:
    given = notebook()
    given["metadata"] = {"widgets": {"state": "s3cret"}, "kernelspec": {"language": "python"}}
    given["cells"][0] |= {
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "s3cret"}],
        "metadata": {"tags": ["s3cret"]},
    }
    given["cells"].append({"cell_type": "raw", "source": "s3cret", "metadata": {}})
    text = published_form(given)
    assert "s3cret" not in text
    (cell,) = json.loads(text)["cells"]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_same_cells_give_the_same_text() -> None:
    lines = notebook()
    lines["cells"][0]["source"] = ["1 ", "+ 1"]
    assert published_form(lines) == published_form(notebook("1 + 1"))
    assert published_form(notebook("2")) != published_form(notebook("3"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "notebook"),
        (notebook(nbformat=3), "notebook"),
        (notebook(cells="no list"), "notebook.cells"),
        (notebook(cells=[]), "notebook.cells"),
        (notebook(" \n"), "notebook.cells"),
        (notebook(cells=[1]), "notebook.cells[0]"),
        (notebook(cells=[{"cell_type": "code"}]), "notebook.cells[0].source"),
        (notebook(cells=[{"cell_type": "film", "source": "x"}]), "notebook.cells[0].cell_type"),
        (notebook("a\x00b"), "notebook.cells[0].source"),
        (notebook("a\ud800b"), "notebook.cells[0].source"),
        (
            notebook(metadata={"kernelspec": {"language": "R"}}),
            "notebook.metadata.kernelspec",
        ),
        (notebook(metadata={"language_info": {"name": "R"}}), "notebook.metadata.language_info"),
    ],
)
def test_a_bad_notebook_is_refused_with_the_place_at_fault(given: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        published_form(given)
    assert caught.value.field == field


def test_a_notebook_is_bounded_without_its_outputs() -> None:
    fits = notebook("#" * (MAX_BYTES - 1000))
    fits["cells"][0]["outputs"] = ["x" * MAX_BYTES]
    published_form(fits)
    with pytest.raises(TooLarge):
        published_form(notebook("#" * MAX_BYTES))


# Publishing


def test_a_dashboard_goes_through_versions(shop: Core) -> None:
    olga = call("olga", KERNEL)
    first = shop.dashboards.publish(olga, "shop", name="fleet", notebook=notebook("1"), title="F")
    assert (first.version, first.title, first.created_by) == (1, "F", "olga")
    second = shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook("2"), note="two")
    assert (second.id, second.version, second.title) == (first.id, 2, "F")
    back = shop.dashboards.activate(olga, "shop", "fleet", 1)
    assert back.version == 1
    told = [
        (each.number, each.current, each.note)
        for each in shop.dashboards.versions(olga, "shop", "fleet")
    ]
    assert told == [(2, False, "two"), (1, True, "")]
    assert shop.dashboards.notebook(olga, "shop", "fleet", 2)["cells"][0]["source"] == "2"
    shop.dashboards.unpublish(olga, "shop", "fleet")
    assert shop.dashboards.get(olga, "shop", "fleet").version is None
    third = shop.dashboards.publish(olga, "shop", name="fleet", notebook=notebook("3"))
    assert third.version == 3, "a number is never given twice"


def test_every_change_leaves_its_record(shop: Core) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook(), note="new")
    shop.dashboards.activate(ADA, "shop", "fleet", 1)
    shop.dashboards.unpublish(ADA, "shop", "fleet")
    made = [each for each in shop.records_ever() if each["action"].startswith("dashboard.")]
    assert [each["action"] for each in made] == [
        "dashboard.publish",
        "dashboard.activate",
        "dashboard.unpublish",
    ]
    assert {each["person"] for each in made} == {"ada"}
    assert made[0]["data"]["version"] == 1
    assert len(made[0]["data"]["sha256"]) == 64


@pytest.mark.parametrize("name", ["status", "protection", "runs", "records"])
def test_what_mavis_brings_is_published_by_name(shop: Core, name: str) -> None:
    made = shop.dashboards.publish(ADA, "shop", name=name, shipped=name)
    assert made.title
    assert made.description
    assert shop.dashboards.versions(ADA, "shop", name)[0].shipped == name


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"shipped": "nothing"},
        {"shipped": "status", "notebook": notebook()},
        {"notebook": notebook(), "title": "x" * 201},
        {"notebook": notebook(), "note": "a\nb"},
    ],
)
def test_what_cannot_be_published_changes_nothing(shop: Core, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        shop.dashboards.publish(ADA, "shop", name="fleet", **given)
    assert shop.dashboards.list(ADA, "shop") == ()


def test_a_version_or_dashboard_that_is_none_is_not_found(shop: Core) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook())
    shop.dashboards.unpublish(ADA, "shop", "fleet")
    for act in (
        lambda: shop.dashboards.activate(ADA, "shop", "fleet", 2),
        lambda: shop.dashboards.notebook(ADA, "shop", "fleet", 0),
        lambda: shop.dashboards.get(ADA, "shop", "other"),
        lambda: shop.dashboards.unpublish(ADA, "shop", "fleet"),
    ):
        with pytest.raises(NotFound):
            act()


# Who sees what


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_what_is_published_and_some_publish(shop: Core, role: Role) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook())
    who = as_role(role)
    assert [each.name for each in shop.dashboards.list(who, "shop")] == ["fleet"]
    assert [each.name for each in shop.dashboards.gallery(who)] == ["fleet"]
    acts = (
        lambda: shop.dashboards.publish(who, "shop", name="fleet", notebook=notebook("2")),
        lambda: shop.dashboards.versions(who, "shop", "fleet"),
        lambda: shop.dashboards.notebook(who, "shop", "fleet", 1),
        lambda: shop.dashboards.activate(who, "shop", "fleet", 1),
        lambda: shop.dashboards.unpublish(who, "shop", "fleet"),
    )
    for act in acts:
        if role in (Role.OPERATOR, Role.ADMIN):
            act()
        else:
            with pytest.raises(Forbidden):
                act()


@pytest.mark.parametrize("role", Role)
def test_what_is_not_published_is_for_publishers(shop: Core, role: Role) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook())
    shop.dashboards.unpublish(ADA, "shop", "fleet")
    who = as_role(role)
    seen = role in (Role.OPERATOR, Role.ADMIN)
    assert bool(shop.dashboards.list(who, "shop")) == seen
    assert shop.dashboards.gallery(who) == ()
    if not seen:
        with pytest.raises(NotFound):
            shop.dashboards.get(who, "shop", "fleet")


def test_a_dashboard_of_others_is_one_that_is_none(shop: Core) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook())
    eve = call("eve", PLATFORM)
    assert shop.dashboards.gallery(eve) == ()
    told: list[MavisError] = []
    for project in ("shop", "nope"):
        for act in (shop.dashboards.get, shop.dashboards.versions, shop.views.open):
            with pytest.raises(NotFound) as caught:
                act(eve, project, "fleet")
            told.append(caught.value)
    assert len({each.message.replace("shop", "…").replace("nope", "…") for each in told}) == 1


def test_a_token_that_only_reads_publishes_nothing(shop: Core) -> None:
    with pytest.raises(Forbidden, match="scope"):
        shop.dashboards.publish(
            call("ada", frozenset({Scope.READ})), "shop", name="fleet", notebook=notebook()
        )
