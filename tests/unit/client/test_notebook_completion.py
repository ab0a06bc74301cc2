"""The Tab key in a cell: arguments of magics and of the client's calls, quickly or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from appliance_double.notebook import Notebook
from appliance_double.objects import (
    plan_json,
    point_json,
    project_json,
    resource_json,
    restore_json,
    run_json,
)
from appliance_double.server import Appliance, Reply, pages, problem
from mavis_kernel.notebook.names import Names

SHOP = "/projects/shop"


@pytest.fixture(autouse=True)
def things(appliance: Appliance) -> None:
    appliance.on("GET", "/projects", pages([project_json(), project_json("lab")]))
    appliance.on("GET", f"{SHOP}/resources", pages([resource_json("web-1"), resource_json("db 1")]))
    appliance.on("GET", f"{SHOP}/recovery-points", pages([point_json()]))
    appliance.on("GET", f"{SHOP}/runs", pages([run_json()]))
    appliance.on("GET", f"{SHOP}/restores", pages([restore_json()]))
    appliance.on("GET", f"{SHOP}/backup-plans", pages([plan_json()]))


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%project ", ["lab", "shop"]),
        ("%project s", ["shop"]),
        ("%snapshot we", ["web-1"]),
        ("point = %snapshot we", ["web-1"]),
        ("%snapshot --desc", ["--description"]),
        ("%snapshot web-1 --no", ["--no-wait"]),
        ("%snapshot -p s", ["shop"]),
        ("%restore rp", ["rp_1"]),
        ("%restore rp_1 --in", ["--instance", "--in-place"]),
        ("%watch ru", ["run_1"]),
        ("%mavis reso", ["resource"]),
        ("%mavis resource show we", ["web-1"]),
        ("%mavis run list --state fa", ["failed"]),
        ('mavis.projects.get("s', ["shop"]),
        ('mavis.resources.list("s', ["shop"]),
        ('mavis.resources.list(project="s', ["shop"]),
        ("mavis.resources.get('shop', 'we", ["web-1"]),
        ('mavis.resources.get("shop", resource="we', ["web-1"]),
        ('amavis.runs.wait("shop", "ru', ["run_1"]),
        ('mavis.restores.get("shop", "rs', ["rst_1"]),
        ('mavis.backup_plans.slots("shop", "ni', ["nightly"]),
        ('mavis.recovery_points.get("shop", "rp', ["rp_1"]),
    ],
)
def test_names_are_offered(cells: Notebook, text: str, offered: list[str]) -> None:
    assert sorted(cells.complete(text)) == sorted(offered)


def test_a_project_in_a_variable_is_followed(cells: Notebook) -> None:
    cells.run("project = 'shop'")
    assert cells.complete("mavis.resources.get(project, 'we") == ["web-1"]
    assert cells.complete("mavis.resources.get(nowhere, 'we") == ["web-1"], "the kernel's own"


def test_what_is_not_ours_is_left_to_others(cells: Notebook, appliance: Appliance) -> None:
    cells.run("thing = {}")
    assert "shop" not in cells.complete('mavis.projects.create("s')
    for text in ("thing.get('we", "%%time ", "print('we", "%snapshot 'we"):
        assert "web-1" not in cells.complete(text)
    assert "import" in cells.complete("impor")
    assert "recovery_points" in "".join(cells.complete("mavis.recov"))
    assert appliance.to("GET", f"{SHOP}/resources") == []


def test_names_are_asked_for_once_in_a_while(cells: Notebook, appliance: Appliance) -> None:
    for _ in range(3):
        assert cells.complete("%watch ru") == ["run_1"]
    assert len(appliance.to("GET", f"{SHOP}/runs")) == 1
    cells.complete("%watch run")
    assert len(appliance.to("GET", f"{SHOP}/runs")) == 2


def test_a_project_that_is_chosen_is_the_one_that_is_asked_about(
    cells: Notebook, appliance: Appliance
) -> None:
    appliance.on("GET", "/projects/lab", Reply(project_json("lab")))
    appliance.on("GET", "/projects/lab/runs", pages([run_json(id="run_lab")]))
    assert cells.complete("%watch ru") == ["run_1"]
    cells.run("%project lab")
    assert cells.complete("%watch ru") == ["run_lab"]


def test_an_appliance_that_says_no_completes_nothing(cells: Notebook, appliance: Appliance) -> None:
    appliance.on("GET", f"{SHOP}/runs", problem(503, "unavailable"))
    assert "run_1" not in cells.complete("%watch ru")


def test_an_answer_that_is_late_is_not_waited_for_and_there_the_next_time() -> None:
    answered, asked = threading.Event(), []

    def ask() -> Sequence[str]:
        asked.append("once")
        answered.wait(30)
        return ["web-1"]

    names = Names(patience_s=0.001)
    assert names.get("resources", ask) == ()
    assert names.get("resources", ask) == ()
    answered.set()
    for each in threading.enumerate():
        if each.name == "completion":
            each.join(30)
    assert names.get("resources", ask) == ["web-1"]
    assert asked == ["once"]


def test_what_failed_is_asked_for_again_after_a_while() -> None:
    answers = iter([ConnectionError("no"), ["web-1"]])

    def ask() -> Sequence[str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    names = Names(patience_s=30.0, kept_s=0.0)
    assert names.get("resources", ask) == ()
    assert names.get("resources", ask) == ["web-1"]
