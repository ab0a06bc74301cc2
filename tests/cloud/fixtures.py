"""pytest fixtures of the simulator; ``pytest_plugins = ["cloud.fixtures"]`` brings them.

- `simulator_process`: one simulator for the whole run
- `simulator`: the same, empty and without faults at the beginning of the test
- `aws_environment`: the process's AWS configuration leads to the simulator, and nothing else of
  the machine's AWS configuration is seen
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.client import Simulator, running, write_aws_config

# so that a failed assertion of the suite shows its values; before anybody imports it
pytest.register_assert_rewrite("mavis_core.testing.cloud_conformance")


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Iterator[Simulator]:
    simulator_process.reset()
    yield simulator_process
    simulator_process.clear_faults()


@pytest.fixture
def aws_environment(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the AWS configuration file."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    path = write_aws_config(tmp_path / "aws-config", simulator.url, ["ops"])
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    return path
