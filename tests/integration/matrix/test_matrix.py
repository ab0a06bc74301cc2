"""Every call to the cloud, times everything that may go wrong with it: nothing is left behind,
nothing is there twice, nothing is lost, and what Mavis says is true.

A sample of the matrix for every day, the same each time; all of it where there is time.
"""

from __future__ import annotations

import pytest

from integration.matrix.cases import FAULTS, Case, matrix, sample
from integration.matrix.scenarios import SCENARIOS
from integration.matrix.trial import Trial

_SAMPLED = 6  # of each scenario


def _all_well(trial: Trial, cases: list[Case]) -> None:
    outcomes = [each.result() for each in [trial.begin(case) for case in cases]]
    wrong = [str(outcome) for outcome in outcomes if outcome.wrong]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(cases)} cases:", *wrong])


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_whatever_goes_wrong_with_some_calls_the_cloud_is_as_mavis_says(
    trial: Trial, scenario: str
) -> None:
    calls = trial.world(scenario).result().prepared.calls
    _all_well(trial, sample(matrix(scenario, calls, FAULTS), _SAMPLED))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_whatever_goes_wrong_with_any_call_the_cloud_is_as_mavis_says(
    trial: Trial, scenario: str, fault: str
) -> None:
    calls = trial.world(scenario).result().prepared.calls
    _all_well(trial, matrix(scenario, calls, [fault]))
