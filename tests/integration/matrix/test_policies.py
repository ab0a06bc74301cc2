"""Every call that Mavis makes in an account is one that the policies allow, conditions included.

The simulator writes down each call of the worlds and Runs of the matrix; `iam` tells what it asks
for, on which resource and with which tags.
"""

from __future__ import annotations

import pytest

import iam
from integration.matrix.scenarios import SCENARIOS
from integration.matrix.trial import Trial
from mavis_core.kits.aws import policies

ROLE = [part for part in policies.PARTS if part not in ("trust", "base")]
NOT_MET = {
    "LetVolumesUseTheKey": "EC2 asks for it, not Mavis",
    "PassInstanceProfiles": "the machines of the matrix have no profile",
    "TagOnRequest": "a tag that a person sets, which is no part of protection",
    "UseTheKey": "EC2 asks for it, not Mavis",
}


@pytest.fixture(scope="module")
def met() -> set[str]:
    """The statements that have allowed something."""
    return set()


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_everything_that_it_calls_is_allowed(trial: Trial, met: set[str], scenario: str) -> None:
    known = iam.statements(*map(policies.text, ROLE))
    account = iam.Account()
    log = [call for call in trial.world(scenario).result().log if call["service"] != "sts"]
    assert {"DescribeInstances"} < {call["action"] for call in log}
    for call in log:
        asked = account.asked(call)
        assert iam.refused(asked, known) == [], call
        met |= {one.sid for each in asked for one in known if one.allows(each)}


def test_every_statement_is_needed(met: set[str]) -> None:
    known = {each.sid for each in iam.statements(*map(policies.text, ROLE))}
    assert known - met == set(NOT_MET)
