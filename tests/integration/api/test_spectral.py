"""The description of the API under Spectral: OpenAPI's rules, and ours of tests/js/spectral.yaml.

Spectral comes from npm (``make test`` fetches it) and runs once, over the description and over
copies of it that break a rule each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mavis_ext.openapi import committed

JS = Path(__file__).parents[2] / "js"
RULESET = JS / "spectral.yaml"
SPECTRAL = JS / "node_modules" / "@stoplight" / "spectral-cli" / "dist" / "index.js"
NODE = Path(sys.executable).with_name("node")
RULES = re.findall(r"^  (mavis-[a-z-]+):$", RULESET.read_text(encoding="utf-8"), flags=re.MULTILINE)
PROBLEM = "application/problem+json"
Document = dict[str, Any]
Broken = Callable[[Document], object]


def post(document: Document) -> Document:
    found: Document = document["paths"]["/projects"]["post"]
    return found


def parameters(document: Document) -> Document:
    found: Document = document["components"]["parameters"]
    return found


def responses(document: Document) -> Document:
    found: Document = document["components"]["responses"]
    return found


def listed(document: Document) -> Document:
    found: Document = document["components"]["schemas"]["ProjectPage"]
    return found


BREAKS: Mapping[str, Broken] = {
    "mavis-operation-id": lambda d: post(d).update(operationId="createProject"),
    "mavis-summary": lambda d: post(d).update(summary="makes a project."),
    "mavis-permission": lambda d: post(d).pop("x-mavis-permission"),
    "mavis-address": lambda d: d["paths"].update({"/projectList": d["paths"].pop("/projects")}),
    "mavis-field": lambda d: d["components"]["schemas"]["Project"]["properties"].update(
        createdAt={"type": "string"}
    ),
    "mavis-parameter": lambda d: parameters(d)["project"].pop("description"),
    "mavis-problem": lambda d: responses(d)["409"]["content"].update(
        {"text/plain": {"schema": {"type": "string"}}}
    ),
    "mavis-problem-fields": lambda d: d["components"]["schemas"]["Problem"]["required"].remove(
        "mend"
    ),
    "mavis-errors": lambda d: post(d)["responses"].pop("429"),
    "mavis-request-id": lambda d: post(d)["responses"]["201"]["headers"].pop("X-Request-Id"),
    "mavis-retry-after": lambda d: responses(d)["429"]["headers"].pop("Retry-After"),
    "mavis-location": lambda d: post(d)["responses"]["201"]["headers"].pop("Location"),
    "mavis-once": lambda d: post(d)["parameters"].clear(),
    "mavis-example": lambda d: post(d)["requestBody"]["content"]["application/json"].pop(
        "examples"
    ),
    "mavis-page": lambda d: listed(d)["required"].remove("next"),
    "mavis-schema-explained": lambda d: listed(d).pop("description"),
    # One of OpenAPI's own, so that they are known to be on.
    "oas3-valid-media-example": lambda d: post(d)["requestBody"]["content"]["application/json"][
        "examples"
    ]["example-1"].update(value={"title": 3}),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what Spectral says of each document, by its name; that of no break is ``kept``."""
    assert SPECTRAL.is_file(), "Spectral is missing; `make test` fetches it"
    folder = tmp_path_factory.mktemp("spectral")
    (folder / "kept.json").write_text(committed(), encoding="utf-8")
    for rule, broken in BREAKS.items():
        document = json.loads(committed())
        broken(document)
        (folder / f"{rule}.json").write_text(json.dumps(document), encoding="utf-8")
    command = [str(NODE), str(SPECTRAL), "lint", "--ruleset", str(RULESET), "--format", "json"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        [*command, "--fail-severity", "hint", "--quiet", f"{folder}/*.json"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    said: defaultdict[str, list[str]] = defaultdict(list)
    for each in json.loads(done.stdout):
        path = "/".join(map(str, each["path"]))
        said[Path(each["source"]).stem].append(f"{each['code']}: {each['message']} ({path})")
    return said


def test_the_description_keeps_every_rule(found: dict[str, list[str]]) -> None:
    assert found.get("kept", []) == []


@pytest.mark.parametrize("rule", [*RULES, "oas3-valid-media-example"])
def test_a_description_that_breaks_a_rule_is_found(found: dict[str, list[str]], rule: str) -> None:
    assert any(each.startswith(f"{rule}: ") for each in found[rule]), found[rule]
