"""`mavisctl up --foreground` by an ordinary user: the whole appliance, all six processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from mavis_core.config import load
from mavis_hub.processes import MARK, NAMES

ORDINARY_UID = 54545  # of no user on any machine that runs these tests


@dataclass
class TryOut:
    process: subprocess.Popen[str]
    home: Path
    environ: dict[str, str]
    drop: list[str]

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.drop, sys.executable, "-m", "mavis_hub.mavisctl", *arguments],
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def left(self) -> list[str]:
        """Return what still carries the mark of this appliance."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.home):
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture(scope="module")
def try_out(short_home: Path, ports: dict[str, str]) -> Iterator[TryOut]:
    drop = []
    short_home.mkdir()
    if os.geteuid() == 0:
        os.chown(short_home, ORDINARY_UID, ORDINARY_UID)
        uid = str(ORDINARY_UID)
        drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    environ = {"PATH": os.environ["PATH"], "MAVIS_HOME": str(short_home), "HOME": "/", **ports}
    process = subprocess.Popen(
        [*drop, sys.executable, "-m", "mavis_hub.mavisctl", "up", "--foreground"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = TryOut(process, short_home, environ, drop)
    yield running
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def said(try_out: TryOut) -> str:
    """Return what it said until it was up."""
    lines = []
    assert try_out.process.stdout is not None
    for line in try_out.process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    return "".join(lines)


@pytest.fixture(scope="module")
def passwords(try_out: TryOut, said: str) -> dict[str, str]:
    return dict(json.loads((try_out.home / "secrets" / "hub" / "demo-people").read_text()))


def test_it_tells_of_every_process_and_of_its_limits(said: str, try_out: TryOut, passwords) -> None:
    for name in NAMES:
        assert f"{name} " in said
    assert "single-user try-out, no isolation" in said
    assert "SHA-256" in said
    for name, password in passwords.items():
        assert f"{name}  {password}" in said


def test_status_shows_every_process_well(said: str, try_out: TryOut) -> None:
    done = try_out.run("status", "-o", "json")
    assert done.returncode == 0, done.stdout
    assert {row["name"] for row in json.loads(done.stdout)} == set(NAMES)


def test_status_needs_no_environment_to_find_the_ports(said: str, try_out: TryOut) -> None:
    bare = {"PATH": os.environ["PATH"], "MAVIS_HOME": str(try_out.home)}
    done = subprocess.run(
        [*try_out.drop, sys.executable, "-m", "mavis_hub.mavisctl", "status"],
        env=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


def test_a_second_start_is_one_line_and_a_mend(said: str, try_out: TryOut) -> None:
    done = try_out.run("up")
    assert done.returncode == 1
    assert "running already" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_another_appliance_is_told_who_has_the_port(said: str, try_out: TryOut) -> None:
    done = try_out.run("--home", f"{try_out.home}/other", "up")
    assert done.returncode == 1
    assert (
        f"Port {try_out.environ['MAVIS_EDGE_PORT']} (edge.port) is taken by traefik" in done.stderr
    )
    assert not (try_out.home / "other").exists()


def test_a_person_logs_in_and_gets_a_server(said, try_out: TryOut, passwords, visit) -> None:
    appliance = visit(load(try_out.home, environ=try_out.environ))
    token = appliance.token("demo-operator")
    appliance.start_server("demo-operator", token)
    printed = appliance.run_in_kernel("demo-operator", token, "import os; print(os.getcwd())")
    assert printed.strip() == str(try_out.home / "homes" / "demo-operator")


def test_one_person_s_password_opens_no_other_s_account(said, try_out, passwords, visit) -> None:
    appliance = visit(load(try_out.home, environ=try_out.environ))
    auth = {"username": "demo-admin", "password": passwords["demo-operator"]}
    with appliance.client() as client:
        answer = client.post("/hub/api/users/demo-admin/tokens", json={"auth": auth})
    assert answer.status_code == 403


def test_ctrl_c_ends_everything_even_when_pressed_twice(said: str, try_out: TryOut) -> None:
    assert len(try_out.left()) >= len(NAMES)
    try_out.process.send_signal(signal.SIGINT)
    try_out.process.send_signal(signal.SIGTERM)
    output, _ = try_out.process.communicate(timeout=15)
    assert try_out.process.returncode == 0, output
    assert "none is left" in output
    assert try_out.left() == []
    assert try_out.run("status").returncode == 4
