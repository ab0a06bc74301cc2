"""The tutorials run, cell by cell, in an operator's own kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.appliance import Appliance
from e2e.kernels import kernel, start_server

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))
TUTORIALS = [each for each in NOTEBOOKS if each.parent.name == "tutorials"]
KERNEL = {"display_name": "Mavis (Python)", "language": "python", "name": "mavis"}
EXPECTED = {
    "first_recovery_point": [
        "demo-operator at ",
        "shop, the only one",
        "web-1",
        "crash-consistent",
        "succeeded",
        "complete",
        "CreateSnapshots",
    ],
    "read_the_records": [
        "records since",
        "inventory.discover",
        "intent",
        "demo-operator        recovery_point.create",
        "Correlation",
    ],
    "recover_a_server": [
        "restore.instance",
        "nothing was changed",
        "restore.volumes",
        "succeeded",
        "restore.in_place",
        "/services/mavis/projects/shop/previews/pre_",
    ],
}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_from_top_to_bottom(
    appliance: Appliance, tokens: dict[str, str], shop: str, path: Path
) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    token = tokens["demo-operator"]
    start_server(appliance, "demo-operator", token)
    with kernel(appliance, "demo-operator", token) as inside:
        printed = "".join(inside.run(cell) for cell in cells)
    for word in EXPECTED[path.stem]:
        assert word.lower() in printed.lower()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_the_kernel_that_it_is_for(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"] == KERNEL


def test_new_notebooks_get_the_kernel_with_mavis_and_plain_python_stays(
    appliance: Appliance, tokens: dict[str, str], shop: str
) -> None:
    token = tokens["demo-operator"]
    start_server(appliance, "demo-operator", token)
    with appliance.http(token) as client:
        found = client.get("/user/demo-operator/api/kernelspecs").json()
        laid_out = client.get("/user/demo-operator/api/contents/tutorials").json()
    assert found["default"] == "mavis"
    assert set(found["kernelspecs"]) == {"mavis", "python3"}
    assert {each["name"] for each in laid_out["content"]} == {path.name for path in TUTORIALS}
