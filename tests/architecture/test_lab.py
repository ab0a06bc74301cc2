"""What people's servers load is small: Tornado, jupyter_server and the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "extensions" / "mavis_ext" / "lab"
MODULES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = {"tornado", "jupyter_server"}


def imported(path: Path) -> set[str]:
    """Return what a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_forwarder_imports_what_a_person_s_server_has_anyway(path: Path) -> None:
    others = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in ALLOWED | sys.stdlib_module_names
    }
    assert {name for name in others if not f"{name}.".startswith("mavis_ext.lab.")} == set()


def test_loading_it_loads_nothing_else_of_ours() -> None:
    code = (
        "import sys; import jupyter_server.serverapp; before = set(sys.modules)\n"
        "import mavis_ext.lab\n"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}))\n"
        "print(*sorted(n for n in sys.modules if n.startswith('mavis')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    more, ours = done.stdout.splitlines()
    assert set(more.split()) - {"mavis_ext", "tornado"} - set(sys.stdlib_module_names) == set()
    assert [name for name in ours.split() if not name.startswith("mavis_ext.lab")] == ["mavis_ext"]
