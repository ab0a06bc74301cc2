"""Fixtures: `config` is a try-out's settings with its state folder in a temporary place;
`isolated` the same as a service per Unix user."""

from pathlib import Path

import pytest

from mavis_core.config import Config, load


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(tmp_path / "mavis", environ={}, flags={"appliance.isolation": "none"})


@pytest.fixture
def isolated(tmp_path: Path) -> Config:
    return load(tmp_path / "mavis", environ={}, flags={"appliance.isolation": "users"})
