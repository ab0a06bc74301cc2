"""The wheel, installed elsewhere, carries everything and needs nothing of the tree.

*Elsewhere*: a new virtual environment that sees packages of this one, but none of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mavis_core", "mavis_hub", "mavis_ext", "mavis_flows", "mavis_kernel")


@dataclass(frozen=True)
class Elsewhere:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def packages(self) -> Path:
        return self.folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"

    def see(self, lines: Iterable[str]) -> None:
        """Let it see packages of other folders, after its own."""
        path = self.packages / "others.pth"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "MAVIS_HOME": str(self.folder / "state"),
            "MAVIS_APPLIANCE_ISOLATION": "none",  # no Unix users for a test of files
        }
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def uv() -> str:
    """Return the Makefile's uv, or the one on the path."""
    own = ROOT / ".boot" / "bin" / "uv"
    found = str(own) if own.is_file() else shutil.which("uv")
    assert found, "uv is missing; `make venv` gets it"
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from a copy of the tree, so that nothing is written there."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    leave = shutil.ignore_patterns(".*", "__pycache__", "tests", "build", "dist", "node_modules")
    shutil.copytree(ROOT, copy, ignore=leave)
    shutil.copy(ROOT / ".gitignore", copy)  # what is not committed is left out, but for artifacts
    made = folder / "made"
    _uv("build", "--quiet", "--wheel", "--out-dir", str(made), str(copy))
    (found,) = made.glob("*.whl")
    return found


def _uv(*arguments: str) -> None:
    environ = {name: v for name, v in os.environ.items() if name != "VIRTUAL_ENV"}
    environ["UV_SYSTEM_CERTS"] = "true"
    done = subprocess.run(
        [uv(), *arguments], env=environ, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Elsewhere]:
    def install() -> Elsewhere:
        folder = tmp_path_factory.mktemp("elsewhere")
        _uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
        made = Elsewhere(folder / "venv")
        python = str(made.folder / "bin" / "python")
        _uv("pip", "install", "--quiet", "--no-deps", "--python", python, str(wheel))
        return made

    return install


@pytest.fixture(scope="module")
def elsewhere(install: Callable[[], Elsewhere]) -> Elsewhere:
    """With everything that the appliance needs. A path line brings no .pth files of its folder."""
    made = install()
    made.see([sysconfig.get_path("purelib")])
    return made


@pytest.fixture(scope="module")
def bare(install: Callable[[], Elsewhere], tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """With the client's own dependencies and theirs, and nothing else."""
    folder = tmp_path_factory.mktemp("client")
    names = ("click", "httpx", "httpcore", "h11", "anyio", "idna", "certifi", "typing_extensions")
    for name in names:
        for file in distribution(name).files or ():
            source, target = Path(file.locate()), folder / file
            if ".." not in file.parts and (source.suffix == ".py" or file.name == "METADATA"):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
    made = install()
    made.see([str(folder)])
    return made


def test_every_module_is_in_it(wheel: Path) -> None:
    tree = {
        str(path.relative_to(package.parent))
        for name in PACKAGES
        for package in ROOT.glob(f"*/{name}")
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    carried = set(zipfile.ZipFile(wheel).namelist())
    assert len(tree) > 100
    assert tree - carried == set()
    tops = {name.split("/")[0] for name in carried}
    assert {top for top in tops if not top.startswith("mavis_ops-")} == set(PACKAGES)


def test_what_pages_load_is_in_it_with_its_licences(wheel: Path) -> None:
    folder = "mavis_ext/static/swagger-ui/"
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(folder)}
    wanted = {"swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE"}
    assert {folder + name for name in wanted} <= carried, "run `make assets`"


def test_the_bundles_of_the_widgets_are_in_it(wheel: Path) -> None:
    folder = "mavis_kernel/static/"
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(folder)}
    sources = ROOT / "mavis_kernel" / "js" / "src"
    wanted = {each.name for each in sources.glob("*.css")}
    wanted |= {f"{each.stem}.js" for each in sources.glob("*.ts")}
    wanted |= {"terminal.js.LEGAL.txt", "terminal.css.LEGAL.txt"}
    wanted |= {"xterm.LICENSE", "asciinema-player.LICENSE"}
    assert {folder + name for name in wanted} == carried, "run `make assets`"


def test_the_hub_s_configuration_and_the_notebooks_are_in_it(wheel: Path) -> None:
    carried = {name.partition(".data/data/")[2]: name for name in zipfile.ZipFile(wheel).namelist()}
    wanted = {"share/mavis/jupyterhub_config.py"} | {
        f"share/mavis/{path.relative_to(ROOT)}" for path in ROOT.glob("notebooks/**/*.ipynb")
    }
    assert wanted - set(carried) == set()


def test_jupyter_finds_the_kernel_where_it_is_installed(elsewhere: Elsewhere) -> None:
    listed = elsewhere.run("python", "-m", "jupyter_client.kernelspecapp", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    kernel = json.loads(listed.stdout)["kernelspecs"]["mavis"]
    assert kernel["resource_dir"] == str(
        elsewhere.folder / "share" / "jupyter" / "kernels" / "mavis"
    )
    assert kernel["spec"]["display_name"] == "Mavis (Python)"
    assert kernel["spec"]["metadata"]["debugger"] is True
    assert {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"} <= {
        each.name for each in Path(kernel["resource_dir"]).iterdir()
    }


def test_people_s_servers_load_the_way_to_the_api_where_it_is_installed(
    elsewhere: Elsewhere,
) -> None:
    listed = elsewhere.run("python", "-m", "jupyter_server.extension.serverextension", "list")
    assert listed.returncode == 0, listed.stderr
    lines = [line.split() for line in f"{listed.stdout}{listed.stderr}".splitlines()]
    ours = [line for line in lines if line[:1] == ["mavis_ext.lab"]]
    states = [re.sub(r"\x1b\[\d+m", "", line[-1]) for line in ours]
    assert states == ["enabled", "OK"]


def test_the_commands_run(elsewhere: Elsewhere) -> None:
    help_ = elsewhere.run("mavis", "--help")
    assert help_.returncode == 0, help_.stderr
    assert "recovery-point" in help_.stdout
    shown = elsewhere.run("mavisctl", "version")
    assert (shown.returncode, shown.stdout.strip()) == (0, version("mavis-ops"))
    checked = elsewhere.run("mavisctl", "config", "check")
    assert checked.returncode == 0, checked.stderr
    nothing = elsewhere.run("mavisctl", "status")
    assert (nothing.returncode, nothing.stdout.strip()) == (4, "Mavis is not running.")


def test_the_client_says_its_version(elsewhere: Elsewhere) -> None:
    shown = elsewhere.run("mavis", "version")
    assert version("mavis-ops") in shown.stdout


def test_nothing_comes_from_the_tree(elsewhere: Elsewhere) -> None:
    code = (
        "import importlib, json, sys\n"
        f"names = {PACKAGES!r}\n"
        "from mavis_hub.installation import config_file\n"
        "files = [importlib.import_module(name).__file__ for name in names]\n"
        "print(json.dumps([*files, str(config_file())]))"
    )
    done = elsewhere.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    *files, config = json.loads(done.stdout)
    assert {Path(file).parent.parent for file in files} == {elsewhere.packages}
    assert Path(config) == elsewhere.folder / "share" / "mavis" / "jupyterhub_config.py"


def test_migrations_run_from_the_wheel(elsewhere: Elsewhere) -> None:
    done = elsewhere.run("mavisctl", "database", "migrate")
    assert done.returncode == 0, done.stderr
    assert (elsewhere.folder / "state" / "db" / "mavis.sqlite").is_file()


def test_the_bare_install_is_the_client(bare: Elsewhere) -> None:
    done = bare.run("mavis", "--help")
    assert done.returncode == 0, done.stderr
    loaded = bare.run("python", "-c", "from mavis_kernel import Mavis; import httpx; print(Mavis)")
    assert loaded.returncode == 0, loaded.stderr


def test_the_bare_install_names_what_the_appliance_lacks(bare: Elsewhere) -> None:
    done = bare.run("mavisctl", "status")
    assert done.returncode == 1
    assert "pip install 'mavis-ops[appliance]'" in done.stderr
    assert "Traceback" not in done.stderr
