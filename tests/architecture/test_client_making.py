"""What of the client is made from something else is what would be made now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mavis_kernel.cli.root import root

ROOT = Path(__file__).resolve().parents[2]
SOURCES = f"{ROOT / 'tools'}:{ROOT / 'mavis_kernel'}"


def test_the_client_is_as_it_would_be_made_now() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "client_making", "--check"],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "", "out of date; make them anew with: make client"
    assert done.returncode == 0


@pytest.mark.parametrize("late", ["models/generated.py", "models/__init__.py", "nouns/runs.py"])
def test_a_file_that_was_edited_by_hand_is_named(tmp_path: Path, late: str) -> None:
    client = tmp_path / "mavis_kernel" / "mavis_kernel"
    description = tmp_path / "extensions" / "mavis_ext" / "openapi.json"
    for path in (ROOT / "mavis_kernel" / "mavis_kernel").rglob("*.py"):
        copied = client / path.relative_to(ROOT / "mavis_kernel" / "mavis_kernel")
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    description.parent.mkdir(parents=True)
    described = ROOT / "extensions" / "mavis_ext" / "openapi.json"
    description.write_bytes(described.read_bytes())
    for name in ("pyproject.toml", "tools", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "client_making", "--root", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    (client / late).write_text("# edited\n")
    checked = subprocess.run(
        [*command, "--check"], env=environment, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (1, f"mavis_kernel/mavis_kernel/{late}\n")
    assert (client / late).read_text() == "# edited\n", "a check writes nothing"
    subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    here = ROOT / "mavis_kernel" / "mavis_kernel" / late
    assert (client / late).read_bytes() == here.read_bytes()


def test_the_page_of_the_command_line_has_every_command() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^##+ (mavis .+)$", page, flags=re.MULTILINE))
    assert headings == set(_commands(root, "mavis"))


def _commands(group: click.Group, name: str) -> Iterator[str]:
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        yield f"{name} {word}"
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} {word}")
