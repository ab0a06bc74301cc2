"""Fixtures for all tests.

- `core`: every service of the core over a new SQLite database and the shipped fake cloud
- `cloud`: that fake cloud
- `own_ids`: for every test; ids do not run ahead because another test had put the clock forward.
  They go on from those that the fixtures of the module have made (`ids_of_module`)
- `postgres`: a PostgreSQL server for the whole test run
- `simulator`, `aws_environment`: the AWS simulator, see `cloud.fixtures`
"""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from core_double import Core, sqlite_url
from mavis_core import ids
from mavis_core.testing.cloud import FakeCloud
from postgres_server import PostgresServer, postgres_server

pytest_plugins = ["cloud.fixtures"]
settings.register_profile("mavis", deadline=None)  # no test is about how fast this machine is
settings.load_profile("mavis")


def pytest_configure() -> None:
    """Let Ctrl-C end what tests start, also where a shell has started them in the background.

    There it is ignored, and whatever is started inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def ids_of_module() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ids, "_ids", ids.Ids())
        yield


@pytest.fixture(autouse=True)
def own_ids(ids_of_module: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_ids", copy.copy(ids._ids))


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def core(tmp_path: Path, cloud: FakeCloud) -> Iterator[Core]:
    made = Core(sqlite_url(tmp_path), cloud)
    yield made
    made.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only root can do where somebody else runs the tests; the count shows it."""
    if os.geteuid() == 0:
        return
    left_out = [item for item in items if item.get_closest_marker("root")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
