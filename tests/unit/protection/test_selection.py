"""Selections: which machines and volumes a plan takes."""

from __future__ import annotations

import pytest

from mavis_core.protection.plans.selection import VOLUME_ATTRIBUTES, Machine, Selection, parse


def machine(name: str, environment: str = "prod", **tags: str) -> Machine:
    return Machine(
        f"res_{name}", f"i-{name}", name, environment, "1", "eu-central-1", "running", tags, {}
    )


WEB = machine("web", env="production")
CACHE = machine("cache", env="production", role="cache")
TEST = machine("test", environment="lab", env="test")
NAMELESS = Machine("res_4", "i-4", "", "lab", "1", "eu-central-1", "running", {}, {})
ALL = (WEB, CACHE, TEST, NAMELESS)

production = parse("tag:env = production", field="match")
caches = parse("tag:role = cache", field="match")


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        pytest.param(Selection(), ALL, id="nothing said is the whole project"),
        pytest.param(Selection(exclude=caches), (WEB, TEST, NAMELESS), id="all but"),
        pytest.param(Selection(match=production), (WEB, CACHE), id="by expression"),
        pytest.param(Selection(match=production, exclude=caches), (WEB,), id="expression but"),
        pytest.param(Selection(resources=("res_web",)), (WEB,), id="by Mavis's id"),
        pytest.param(Selection(resources=("i-web",)), (WEB,), id="by the cloud's id"),
        pytest.param(Selection(resources=("web", "test")), (WEB, TEST), id="by name"),
        pytest.param(Selection(environments=("lab",)), (TEST, NAMELESS), id="by environment"),
        pytest.param(
            Selection(match=caches, resources=("web",), environments=("lab",)),
            ALL,
            id="the ways add up",
        ),
        pytest.param(
            Selection(resources=("cache", "web"), exclude=caches), (WEB,), id="exclusion wins"
        ),
        pytest.param(Selection(resources=("gone",)), (), id="what is gone is not all"),
    ],
)
def test_what_is_selected(selection: Selection, taken: tuple[Machine, ...]) -> None:
    assert tuple(each for each in ALL if selection.selects(each)) == taken


def test_volumes_are_left_out_by_name_id_or_tag() -> None:
    scratch = parse("name ~ *-scratch or has tag:nobackup", field="f", attributes=VOLUME_ATTRIBUTES)
    selection = Selection(exclude_volumes=scratch)
    assert selection.takes_volume(machine("web-root"))
    assert not selection.takes_volume(machine("web-scratch"))
    assert not selection.takes_volume(machine("web-data", nobackup=""))
    assert Selection().takes_volume(machine("web-scratch"))
