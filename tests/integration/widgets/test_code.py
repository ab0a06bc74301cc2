"""The widgets' TypeScript is sound: types, and what a linter finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "tests" / "js" / "node_modules"
SOURCES = ROOT / "mavis_kernel" / "js"


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("typescript/bin/tsc", ["--project", str(SOURCES)]),
        ("oxlint/bin/oxlint", ["--deny-warnings", str(SOURCES / "src")]),
    ],
    ids=["tsc", "oxlint"],
)
def test_nothing_is_found(program: str, arguments: list[str]) -> None:
    assert (PROGRAMS / program).is_file(), "run `make tests/js/node_modules/.package-lock.json`"
    node = Path(sys.executable).with_name("node")
    done = subprocess.run(
        [node, PROGRAMS / program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_text_of_the_appliance_becomes_markup() -> None:
    for source in SOURCES.rglob("src/**/*.ts"):
        text = source.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"):
            assert word not in text, f"{source.name}: {word}"
