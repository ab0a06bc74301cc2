"""The examples of ``docs/api.md`` run, in their order, and answer what stands below them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from examples import DOCS, Example, at_work, examples, outputs
from mavis_ext.app import API

EXAMPLES = examples(
    DOCS / "api.md", without=re.compile(r"^export (API|TOKEN)=", flags=re.MULTILINE)
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what each example has written."""
    with at_work(tmp_path_factory.mktemp("guide")) as service:
        address = f"http://127.0.0.1:{service.port}{API}"
        folder = tmp_path_factory.mktemp("outputs")
        return outputs(EXAMPLES, folder, {"API": address, "TOKEN": "ada"})


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_an_example_answers_what_the_guide_says(told: list[str], at: int) -> None:
    if EXAMPLES[at].kind:
        assert EXAMPLES[at].differences(told[at]) == []
    else:
        assert told[at] == "", "the guide does not say what comes out"


def test_the_guide_has_examples_and_a_comparison_sees_what_is_missing_and_what_is_other() -> None:
    assert len([each for each in EXAMPLES if each.expected]) > 10
    wanted = Example("", "json", json.dumps({"a": "run_…", "b": [{"c": None}]}))
    good = {"a": "run_1", "b": [{"c": None, "d": 1}], "e": 2}
    assert wanted.differences(json.dumps(good)) == []
    assert wanted.differences(json.dumps({"a": "rp_1", "b": [{}]})) == [
        ".a: 'rp_1', not 'run_…'",
        ".b[0].c is missing",
    ]
    assert wanted.differences(json.dumps({"a": "run_1", "b": []})) == [".b: [], not [{'c': None}]"]


def test_an_example_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such file"):
        outputs([Example("echo no such file >&2; false\n", "", "")], tmp_path, {})
