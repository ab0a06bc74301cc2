"""Every call to the cloud, and every write to the disk, times everything that may go wrong.

Nothing is left behind, nothing is there twice, nothing is lost, and what Mavis says is true.

A sample of the matrix for every day, the same each time; all of it where there is time.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from integration.matrix.cases import DISK_FAULTS, FAULTS, Fault, reads
from integration.matrix.conftest import Outcomes
from integration.matrix.outcomes import Outcome
from integration.matrix.scenarios import SCENARIOS
from integration.matrix.trial import Trial
from mavis_core.kits.aws.operations import OPERATIONS


def _wrong(outcomes: Sequence[Outcome]) -> str:
    wrong = [str(outcome) for outcome in outcomes if outcome.wrong]
    return "\n".join([f"{len(wrong)} of {len(outcomes)} cases:", *wrong] if wrong else [])


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_whatever_goes_wrong_with_some_calls_the_cloud_is_as_mavis_says(
    outcomes: Outcomes, scenario: str
) -> None:
    found = outcomes(scenario, None)
    assert not _wrong(found), _wrong(found)


def test_every_call_that_changes_something_is_in_the_matrix(trial: Trial) -> None:
    worlds = [trial.world(scenario) for scenario in SCENARIOS]
    met = {call.action for world in worlds for call in world.result().prepared.calls}
    assert {name for name in OPERATIONS if not reads(name)} - met == {
        "RevokeSecurityGroupIngress"  # a new group lets nothing in
    }


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("fault", [*FAULTS, *DISK_FAULTS], ids=lambda fault: fault.name)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_whatever_goes_wrong_with_any_call_the_cloud_is_as_mavis_says(
    outcomes: Outcomes, scenario: str, fault: Fault
) -> None:
    found = outcomes(scenario, fault)
    assert not _wrong(found), _wrong(found)
