"""The documents say what is there."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from mavis_core.config import load, settings
from mavis_core.protection.plans.document import definition_of
from mavis_hub.processes import processes
from mavis_kernel.notebook.loading import CELL_MAGICS, MAGICS

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def packages() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "hub/mavis_core").glob("*/__init__.py"))


@pytest.mark.parametrize("package", packages())
def test_every_package_of_the_core_is_in_the_tree(package: str) -> None:
    assert f"{package}/" in ARCHITECTURE


def test_every_process_is_in_the_table_with_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAVIS_APPLIANCE_ISOLATION", "users")
    for process in processes(load()):
        assert f"| {process.name} |" in ARCHITECTURE
        assert (process.user or "root") in ARCHITECTURE


@pytest.mark.parametrize(
    "document",
    [
        *("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"),
        *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")),
    ],
)
def test_every_command_and_link_of_a_document_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    code = re.findall(r"^```.*?^```|`[^`]+`", text, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(
        r"^`?(?:[$#] )?make (?:-C \S+ )?([a-z-]+)", "\n".join(code), flags=re.MULTILINE
    ):
        assert target in targets, f"{document}: make {target}"
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / document).parent.joinpath(link).exists(), f"{document}: {link}"


def test_the_guide_to_notebooks_has_every_magic_with_options_that_it_takes() -> None:
    guide = (ROOT / "docs/notebooks.md").read_text(encoding="utf-8")
    called = re.findall(r"%(\w+)([^#`\n]*)", guide)
    magics = {**MAGICS, **CELL_MAGICS}
    assert set(magics) <= {name for name, _ in called}
    for name, line in called:
        if name in magics and name != "mavis":  # that one takes what the command line takes
            module, attribute = magics[name]
            command: click.Command = getattr(import_module(module), attribute)
            taken = {
                option for each in command.params for option in (*each.opts, *each.secondary_opts)
            }
            assert set(re.findall(r"--[a-z-]+", line)) - {"--help"} <= taken, f"%{name}{line}"


def test_every_picture_is_on_a_page_and_small() -> None:
    pages = "".join(each.read_text(encoding="utf-8") for each in ROOT.glob("docs/**/*.md"))
    pictures = list(ROOT.glob("docs/images/*"))
    assert pictures
    for each in pictures:
        assert f"images/{each.name})" in pages, f"no page shows {each.name}"
        assert each.stat().st_size < 200_000, each.name


def test_every_setting_is_explained_in_a_sentence() -> None:
    for setting in settings():
        assert setting.help.endswith("."), setting.key


def test_the_plan_in_the_guide_is_one() -> None:
    guide = (ROOT / "docs/protection.md").read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    assert block is not None
    definition = definition_of(tomllib.loads(block.group(1)))
    assert [rule.name for rule in definition.rules] == ["hourly", "daily"]


def test_no_tracked_file_names_a_registry_or_a_folder_of_somebody() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    names = re.compile(r"(files\.pythonhosted|pypi\.org|registry\.npmjs|/home/[a-z]+/)")
    for name in filter(None, tracked):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        found = names.search(path.read_bytes().decode("utf-8", "replace"))
        assert found is None, f"{name}: {found and found.group()}"


@pytest.mark.parametrize("folder", ["extensions/assets", "mavis_kernel/js", "tests/js"])
def test_what_comes_from_npm_is_pinned_by_digest_and_by_no_address(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in text
    assert "://" not in text, "run `make npm-lock`"
    packages = {name: each for name, each in json.loads(text)["packages"].items() if name}
    assert packages
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    settings = (ROOT / folder / ".npmrc").read_text(encoding="utf-8").splitlines()
    assert "ignore-scripts=true" in settings
