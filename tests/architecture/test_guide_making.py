"""The documents say of operations, errors, settings and the like what the code says."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from core_double import Core
from mavis_core.access import PERMISSIONS, Role
from mavis_core.config import settings
from mavis_core.errors import all_errors
from mavis_core.logs.reporting import REPORTED
from mavis_ext.app import operations
from mavis_hub.syslog.framing import Frame
from mavis_hub.syslog.stories import Source, Story

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "api.md"
_PATHS = ("tools", "extensions", "hub", "mavis_kernel")


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guide_making", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_tables_are_what_follows_from_the_code() -> None:
    done = made("--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run `make guide`"


def test_a_table_that_is_out_of_date_is_found_and_made_anew(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    guide = tmp_path / "docs" / "api.md"
    guide.write_text(GUIDE.read_text(encoding="utf-8").replace("24 hours", "25 hours"))
    old = guide.read_text(encoding="utf-8")
    assert made("--root", str(tmp_path), "--check").returncode == 1
    assert guide.read_text(encoding="utf-8") == old
    assert made("--root", str(tmp_path)).stdout == "docs/api.md\n"
    assert made("--root", str(tmp_path), "--check").returncode == 0
    assert "| 24 hours |" in guide.read_text(encoding="utf-8")


def test_every_operation_stands_there_with_its_address_and_permission() -> None:
    lines = GUIDE.read_text(encoding="utf-8").splitlines()
    for path, operation in operations():
        found = [line for line in lines if line.startswith(f"| `{operation.id}` ")]
        assert len(found) == 1, operation.id
        assert f"`{operation.method} {path}`" in found[0]
        if operation.needs in PERMISSIONS:
            assert f"`{operation.needs.value}`" in found[0]
            roles = PERMISSIONS[operation.needs].roles  # type: ignore[index]  # it is one of them
            assert all(role.value in found[0] for role in roles)


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def test_every_setting_has_its_default_its_values_and_its_variable() -> None:
    for setting in settings():
        _, found, rest = page("settings").partition(f"### `{setting.key}`\n")
        assert found, setting.key
        about = rest.partition("###")[0]
        assert setting.help in about
        assert f"`{setting.variable}`" in about
        assert setting.allowed in about


def test_every_permission_says_which_roles_have_it() -> None:
    lines = page("access").splitlines()
    for permission, grant in PERMISSIONS.items():
        (row,) = (line for line in lines if line.startswith(f"| `{permission}` "))
        marks = [cell.strip() for cell in row.split("|")[3:-1]]
        assert marks == ["✓" if role in grant.roles else "" for role in Role]


def test_every_error_is_there() -> None:
    assert {kind.code for kind in all_errors()[1:]} <= set(
        re.findall(r"^\| `(\w+)` \| \d{3} ", page("errors"), flags=re.MULTILINE)
    )


def written() -> set[str]:
    """Return every action of a record that stands in the code."""
    found = {"api.refused", "api.failed", f"{REPORTED}…"}  # made of the outcome; of what was told
    story = Story(Source("web-1", "prj_1", "192.0.2.1"))
    told, _ = story.told([Frame(b"<13>x", 5), Frame(b"x", 1)])
    found |= {each.action for each in (*told, *story.closed("the client left"))}
    folders = (
        ROOT / "hub" / "mavis_core",
        ROOT / "hub" / "mavis_hub" / "syslog",
        ROOT / "hub" / "mavis_hub" / "gateway",
    )
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"cloud\.[A-Z]\w+( \(\w+\))?", str(node.value)
            ):
                found.add(str(node.value))
            if isinstance(node, ast.Call):
                found |= _actions_of(node)
    return found


def _actions_of(call: ast.Call) -> set[str]:
    """Return the action that a call gives to a record that it makes, where it is a text."""
    name = ast.unparse(call.func).rpartition(".")[2]
    given: list[ast.expr] = []
    if name in ("audit", "_audit", "_record", "_change"):
        given = call.args
    if name == "Record":
        given = [each.value for each in call.keywords if each.arg == "action"]
    return {
        str(each.value)
        for each in given
        if isinstance(each, ast.Constant) and re.fullmatch(r"[a-z_]+\.[a-z_]+", str(each.value))
    }


def test_the_table_of_records_has_every_action_and_no_other(core: Core) -> None:
    lines = page("records").splitlines()
    row = re.compile(r"\| `([^`]+)` \| (?:audit|operation) \|")
    told = {found[1] for line in lines if (found := row.match(line))}
    of_people = {f"cloud.{name}" for name in core.jobs if name.startswith("resource.")}
    assert told == written() | set(core.jobs) | of_people
