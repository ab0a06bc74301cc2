"""The tutorials run, cell by cell, in an operator's own kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.appliance import Appliance
from e2e.kernels import kernel, start_server

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))
TUTORIALS = [each for each in NOTEBOOKS if each.parent.name == "tutorials"]
EXPECTED = {
    "first_recovery_point": [
        "shop",
        "web-1",
        "crash-consistent",
        "succeeded",
        "complete",
        "CreateSnapshots",
    ]
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
