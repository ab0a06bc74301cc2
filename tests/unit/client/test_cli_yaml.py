"""YAML at the command line: written for people, read by version 1.2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from hypothesis import example, given
from hypothesis import strategies as st

from appliance_double.objects import plan_json, resource_json
from appliance_double.server import Appliance, Reply, pages
from mavis_kernel.cli import yaml_text

Cli = Callable[..., Result]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # A lone surrogate is no text that YAML or UTF-8 could hold.
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(JSON)
@example({"0E0": None})  # a number in version 1.2 alone
@example(["1_000", "0x1f", "1e3", "~", "", "=", "<<"])
def test_what_is_written_is_read_again_as_it_was(value: Any) -> None:
    text = yaml_text.written(value)
    assert yaml_text.read(text) == value
    assert yaml.safe_load(text) == value, "by a reader of version 1.1, too"


@pytest.mark.parametrize("text", ["18:00", "on", "no", "2026-01-31", "1e3", "0x1f", "1_000", "007"])
def test_what_is_no_number_or_flag_in_json_is_text(text: str) -> None:
    read = yaml_text.read(f"a: {text}")["a"]
    assert read == (1000.0 if text == "1e3" else text)


@pytest.mark.parametrize("letter", ["\x1b[2J", "\u202e", "\x9b1m", "\x7f"])
def test_what_would_steer_a_terminal_is_escaped(letter: str) -> None:
    text = yaml_text.written({"name": f"web {letter} é"})
    assert letter not in text
    assert yaml_text.read(text) == {"name": f"web {letter} é"}


def test_a_list_is_one_document(appliance: Appliance, cli: Cli) -> None:
    items = [resource_json("web-1"), resource_json("db-1")]
    appliance.on("GET", "/projects/shop/resources", pages(items))
    done = cli("resource", "list", "-p", "shop", "-o", "yaml")
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout) == items
    assert done.stdout.startswith("- id: res_web-1\n  kind: instance\n")
    appliance.on("GET", "/projects/shop/resources", pages([]))
    assert cli("resource", "list", "-p", "shop", "-o", "yaml").stdout == "[]\n"


def test_a_plan_goes_out_as_yaml_and_comes_back(
    appliance: Appliance, cli: Cli, tmp_path: Path
) -> None:
    definition = {
        **plan_json()["definition"],
        "blackouts": [{"days": ["mon"], "from": "18:00", "to": "22:30"}],
        "hooks": {"pre": "set -e\nsync\n"},
    }
    appliance.on(
        "GET", "/projects/shop/backup-plans/nightly", Reply(plan_json(definition=definition))
    )
    appliance.on("POST", "/projects/shop/backup-plans", Reply(plan_json(), 201))
    shown = cli("backup-plan", "show", "nightly", "-p", "shop", "-o", "yaml").stdout
    assert "  pre: |\n    set -e\n    sync\n" in shown
    path = tmp_path / "plan.yaml"
    path.write_text(shown)
    done = cli("backup-plan", "create", "again", "-f", str(path), "-p", "shop")
    assert done.exit_code == 0, done.stderr
    (asked,) = appliance.to("POST", "/projects/shop/backup-plans")
    assert asked.body["definition"] == definition


BY_HAND = """
selection: {}
rules:
- {name: d, cron: 30 2 * * *}
blackouts:
- from: 18:00
  to: 22:30
"""


def test_a_plan_by_hand_keeps_its_times(appliance: Appliance, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "plan.yml"
    path.write_text(BY_HAND)
    appliance.on("POST", "/projects/shop/backup-plans", Reply(plan_json(), 201))
    cli("backup-plan", "create", "new", "-f", str(path), "-p", "shop")
    assert appliance.asked[0].body["definition"]["blackouts"] == [{"from": "18:00", "to": "22:30"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "holds no YAML"),
        ("!!python/object/apply:os.system ['true']", "holds no YAML"),
        ("- a list", "holds no object"),
        ("", "holds no object"),
    ],
)
def test_a_file_that_is_no_plan_is_wrong_usage(
    appliance: Appliance, cli: Cli, tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    done = cli("backup-plan", "create", "new", "-f", str(path), "-p", "shop")
    assert (done.exit_code, appliance.asked) == (2, [])
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_json_has_the_same_data(appliance: Appliance, cli: Cli) -> None:
    appliance.on("GET", "/projects/shop/resources/web-1", Reply(resource_json()))
    words = ("resource", "show", "web-1", "-p", "shop")
    as_json, as_yaml = (cli(*words, "-o", form).stdout for form in ("json", "yaml"))
    assert json.loads(as_json) == yaml.safe_load(as_yaml) == resource_json()
