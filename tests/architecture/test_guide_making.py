"""The guide to the REST API says of operations, errors and limits what the code says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from mavis_core.access import PERMISSIONS
from mavis_ext.app import operations

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "api.md"


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guide_making", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["tools", "extensions", "hub"])},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_tables_are_what_follows_from_the_code() -> None:
    done = made("--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}run `make openapi`"


def test_a_table_that_is_out_of_date_is_found_and_made_anew(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    guide = tmp_path / "docs" / "api.md"
    guide.write_text(GUIDE.read_text(encoding="utf-8").replace("24 hours", "25 hours"))
    old = guide.read_text(encoding="utf-8")
    assert made("--root", str(tmp_path), "--check").returncode == 1
    assert guide.read_text(encoding="utf-8") == old
    assert made("--root", str(tmp_path)).returncode == 0
    assert made("--root", str(tmp_path), "--check").returncode == 0
    assert "| 24 hours |" in guide.read_text(encoding="utf-8")
    shutil.rmtree(tmp_path)


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
