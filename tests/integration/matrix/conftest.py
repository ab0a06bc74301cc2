"""Fixtures of the fault matrix.

- `trial`: lanes in which cases are tried; its outcomes are told at the end of the test run and in
  ``tests/artifacts/fault-matrix.txt``
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.matrix.outcomes import Tally
from integration.matrix.trial import Trial
from integration.matrix.trial import trial as open_trial

_TALLY = pytest.StashKey[Tally]()
_REPORT = Path(__file__).resolve().parents[2] / "artifacts" / "fault-matrix.txt"


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Trial]:
    with open_trial(tmp_path_factory.mktemp("matrix")) as made:
        pytestconfig.stash[_TALLY] = made.tally
        yield made
    if not made.tally.empty:
        made.tally.write(_REPORT)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash.get(_TALLY, None)
    if tally is not None and not tally.empty:
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(tally.table())
