"""Fixtures of the fault matrix.

- `trial`: lanes in which cases are tried; its outcomes are told at the end of the test run and in
  ``tests/artifacts/fault-matrix.txt``, of a sample in ``fault-matrix-sample.txt``
- `outcomes`: those of a scenario and a fault, or of a scenario's sample; what the tests of this run
  ask for is begun at once, so that no lane waits for a test
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from integration.matrix.cases import DISK_FAULTS, FAULTS, Case, Fault, matrix, sample
from integration.matrix.lanes import Prepared
from integration.matrix.outcomes import Outcome, Tally
from integration.matrix.trial import Choice, Trial
from integration.matrix.trial import trial as open_trial

Outcomes = Callable[[str, Fault | None], list[Outcome]]
_SAMPLED, _SAMPLED_WRITES = 3, 2  # cases of each scenario
_TALLY = pytest.StashKey[Tally]()
_ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"


@pytest.fixture(scope="package")
def trial(
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
) -> Iterator[Trial]:
    with open_trial(tmp_path_factory.mktemp("matrix")) as made:
        pytestconfig.stash[_TALLY] = made.tally
        yield made
    if not made.tally.empty:
        made.tally.write(_ARTIFACTS / _report(request.session.items))


def _report(items: Sequence[pytest.Item]) -> str:
    """Return the name of the report: a sample never overwrites what a whole run has told."""
    whole = any(item.get_closest_marker("slow") for item in items)
    return "fault-matrix.txt" if whole else "fault-matrix-sample.txt"


@pytest.fixture(scope="package")
def outcomes(trial: Trial, request: pytest.FixtureRequest) -> Outcomes:
    asked = [
        (item.callspec.params["scenario"], item.callspec.params.get("fault"))
        for item in request.session.items
        if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames
    ]
    begun = {(scenario, fault): trial.begin(scenario, _choice(fault)) for scenario, fault in asked}
    return lambda scenario, fault: begun[scenario, fault].result()


def _choice(fault: Fault | None) -> Choice:
    def choose(world: Prepared) -> list[Case]:
        name = world.scenario
        if fault is None:
            calls = sample(matrix(name, world.calls, FAULTS), _SAMPLED)
            return calls + sample(matrix(name, world.writes, DISK_FAULTS), _SAMPLED_WRITES)
        return matrix(name, (*world.calls, *world.writes), [fault])

    return choose


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash.get(_TALLY, None)
    if tally is not None and not tally.empty:
        terminalreporter.section("fault matrix")
        terminalreporter.write_line(tally.table())
