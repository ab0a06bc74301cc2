"""What the forwarder says of its own has the form of what the api says."""

from __future__ import annotations

from tornado.web import HTTPError

from mavis_core.errors import all_errors
from mavis_core.ids import check_id, new_id, time_of
from mavis_ext.lab import problems
from mavis_ext.problems import CONTENT_TYPE, problem


def test_codes_that_the_api_has_too_are_the_api_s() -> None:
    theirs = {error.code: error.status for error in all_errors()}
    ours = {each.code: each.status for each in problems.Problem.__subclasses__()}
    common = ours.keys() & theirs.keys()
    assert common >= {"unauthenticated", "forbidden", "unavailable", "invalid_input", "too_large"}
    assert {code: ours[code] for code in common} == {code: theirs[code] for code in common}


def test_the_form_is_the_api_s() -> None:
    error = next(each for each in all_errors() if each.code == "unavailable")
    theirs = problem(error("What", mend="Do.", retry_after_s=2.0), "req_1")
    ours = problems.Unavailable("What", mend="Do.", retry_after_s=2.0)
    assert problems.told(ours, 503, "req_1") == theirs
    assert problems.CONTENT_TYPE == CONTENT_TYPE


def test_a_bug_tells_nothing_of_itself() -> None:
    told = problems.told(RuntimeError("inner matters"), 500, "req_1")
    assert (told["code"], told["detail"]) == ("internal", "Internal Server Error")
    assert problems.told(HTTPError(500, "inner matters"), 500, "req_1")["detail"] == told["detail"]
    assert problems.told(HTTPError(403, "said"), 403, "req_1")["detail"] == "said"


def test_request_ids_are_of_the_api_s_form() -> None:
    made = [problems.new_request_id() for _ in range(1000)]
    assert len({check_id(each, "req") for each in made}) == 1000
    assert abs((time_of(made[0]) - time_of(new_id("req"))).total_seconds()) < 60
