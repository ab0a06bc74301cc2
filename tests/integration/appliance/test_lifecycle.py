"""Start, crash, stop: nothing is left behind, and nothing starts twice."""

import os
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mavis_core.config import load
from mavis_core.errors import Conflict, Unavailable
from mavis_hub import appliance as product
from mavis_hub import leftovers
from mavis_hub.processes import processes
from mavis_hub.status import rows
from mavis_hub.supervisor import State, running_pid, states

pytestmark = pytest.mark.slow


def pid_of(appliance, name: str) -> int | None:
    return next(row.pid for row in states(appliance.config) if row.name == name)


@pytest.fixture(scope="module")
def server(appliance) -> psutil.Process:
    """A single-user server with a kernel."""
    appliance.start_server("demo-operator", appliance.token("demo-operator"))
    hub = psutil.Process(pid_of(appliance, "hub"))
    return next(p for p in hub.children() if "jupyterhub-singleuser" in " ".join(p.cmdline()))


def test_a_second_start_names_the_first(appliance, launch) -> None:
    with pytest.raises(Conflict) as caught:
        launch(appliance.config.home)
    assert str(running_pid(appliance.config)) in caught.value.message
    assert "mavisctl" in caught.value.mend
    assert all(row.well for row in rows(appliance.config, processes(appliance.config, {})))


@pytest.mark.parametrize("name", ["edge", "hub", "prefect"])
def test_a_killed_process_comes_back(appliance, server, until, name: str) -> None:
    before = pid_of(appliance, name)
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        found = rows(appliance.config, processes(appliance.config, {}))
        row = next(row for row in found if row.name == name)
        return row.well and row.pid != before

    until(back, f"{name} after kill -9", 60)
    assert server.is_running()


def test_a_killed_hub_takes_its_culler_along_and_finds_its_servers(appliance, server, until):
    before = pid_of(appliance, "hub")
    (culler,) = (
        p for p in psutil.Process(before).children() if "jupyterhub_idle_culler" in p.cmdline()
    )
    os.kill(before, signal.SIGKILL)
    until(lambda: not culler.is_running(), "the end of the culler")
    until(lambda: pid_of(appliance, "hub") not in (None, before), "the Hub's return", 30)
    token = None

    def logged_in() -> bool:
        nonlocal token
        try:
            token = appliance.token("demo-operator")
        except (AssertionError, OSError):
            return False
        return True

    until(logged_in, "a login", 30)
    with appliance.client(headers={"Authorization": f"token {token}"}) as client:

        def found() -> bool:
            return client.get("/user/demo-operator/api/status").status_code == 200

        until(found, "the route to the server", 30)
    assert server.is_running()


def test_a_process_that_cannot_start_is_named_with_its_last_words(ports) -> None:
    """The first start fails, says why at once, and leaves nothing behind."""
    home = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    home.chmod(0o755)
    config = load(home, environ=ports)
    row = next(row for row in processes(config, ports) if row.name == "edge")
    command = ("/bin/sh", "-c", "echo the disk is made of cheese; exit 1")
    table = (replace(row, command=command),)
    try:
        started = product.start(config, table, ports, demo=False, report=lambda line: None)
        with pytest.raises(Unavailable, match=r"edge .*made of cheese"):
            product.wait_until_well(config, started, report=lambda line: None)
        product.stop(config)
        assert started.supervisor.wait(15) == 0
        assert leftovers.find(config) == []
    finally:
        shutil.rmtree(home)


@pytest.mark.root
def test_demo_people_are_not_taken_from_a_running_appliance(appliance, launch) -> None:
    home = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    home.chmod(0o755)
    try:
        with pytest.raises(Conflict, match=str(appliance.config.home)):
            launch(home, ("edge",))
        appliance.token("demo-operator")  # the password is what it was
    finally:
        shutil.rmtree(home)


def test_down_ends_everything_in_time(appliance, server, halt) -> None:
    pids = {process.pid for process in leftovers.find(appliance.config)}
    assert server.pid in pids
    begin = time.monotonic()
    halt(appliance)
    assert time.monotonic() - begin < 15
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert leftovers.find(appliance.config) == []
    assert running_pid(appliance.config) is None


def test_down_finds_what_a_killed_supervisor_left(appliance, launch, halt, until) -> None:
    again = launch(appliance.config.home)
    everything = {process.pid for process in leftovers.find(again.config)}
    assert len(everything) >= 4
    for pid in (running_pid(again.config), pid_of(again, "hub")):
        os.kill(pid, signal.SIGKILL)
    until(lambda: running_pid(again.config) is None, "the end of supervisor")
    assert halt(again) >= 2
    assert leftovers.find(again.config) == []


def test_the_state_outlives_a_restart(appliance, launch, halt) -> None:
    secrets = {str(p): p.read_bytes() for p in appliance.config.secrets.glob("*/*")}
    again = launch(appliance.config.home)
    try:
        assert {str(p): p.read_bytes() for p in again.config.secrets.glob("*/*")} == secrets
        assert {row.state for row in states(again.config)} == {State.RUNNING}
        again.token("demo-operator")
    finally:
        halt(again)
