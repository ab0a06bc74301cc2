"""Fixtures for conformance suites.

- `url`: the address of a new, empty database; a test that asks for it runs once on SQLite and
  once on a real PostgreSQL
- `shop_core`: every service of the core over such a database and the shipped fake cloud
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core_double import Core, sqlite_url
from mavis_core.testing.cloud import FakeCloud
from postgres_server import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as address:
        yield address


@pytest.fixture
def shop_core(url: str, cloud: FakeCloud) -> Iterator[Core]:
    core = Core(url, cloud)
    yield core
    core.close()
