"""The client stands alone: a laptop has Python, click, httpx, PyYAML, and nothing else of ours."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import mavis_kernel

FOLDER = Path(mavis_kernel.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))


def _imported(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, module
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


IN_NOTEBOOKS = {
    "dashboards.py": {"ipywidgets"},
    "frames.py": {"pandas"},
    "models": {"pandas"},  # the name of a type only
    "notebook": {"IPython", "pandas", "tornado"},  # which ipykernel brings
    "widgets": {"anywidget", "traitlets"},
}
"""What packages that only a notebook loads import besides."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_the_standard_library_click_httpx_and_yaml_only(module: Path) -> None:
    besides = IN_NOTEBOOKS.get(module.relative_to(FOLDER).parts[0], set())
    ours = {"mavis_kernel", "click", "httpx", "yaml"}
    assert _imported(module) - sys.stdlib_module_names <= ours | besides


def test_httpx_is_imported_in_modules_that_are_loaded_late() -> None:
    users = {str(module.relative_to(FOLDER)) for module in MODULES if "httpx" in _imported(module)}
    assert users == {"answers.py", "aio/exchange.py", "exchange.py", "certificates.py"}
