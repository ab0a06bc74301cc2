"""The examples of ``docs/api.md`` run, in their order, and answer what stands below them.

A block of shell is run by bash, in one folder and with the variables and functions of the blocks
before. A block of JSON or text after it is what comes out: in JSON what is named must be there and
more may be, and ``…`` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mavis_ext.app import API
from rest_service import RestService, serving

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_SETTING = re.compile(r"^export (API|TOKEN)=", flags=re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A block of shell and, where it says so, what comes out."""

    shell: str
    kind: str
    expected: str


def examples() -> list[Example]:
    blocks = _FENCE.findall(GUIDE.read_text(encoding="utf-8"))
    found = []
    for at, (kind, text) in enumerate(blocks):
        if kind != "sh" or _SETTING.search(text):
            continue
        after = blocks[at + 1] if at + 1 < len(blocks) else ("sh", "")
        found.append(Example(text, *(("", "") if after[0] == "sh" else after)))
    return found


EXAMPLES = examples()


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("…"))), flags=re.DOTALL)


def differs(wanted: Any, found: Any, where: str = "") -> list[str]:
    """Return where what was found is not what the guide says."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{where}.{name} is missing" for name in wanted if name not in found]
        both = [name for name in wanted if name in found]
        return missing + [
            each for name in both for each in differs(wanted[name], found[name], f"{where}.{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [each for at, (w, f) in pairs for each in differs(w, f, f"{where}[{at}]")]
    if isinstance(wanted, str) and isinstance(found, str):
        return [] if pattern(wanted).fullmatch(found) else [f"{where}: {found!r}, not {wanted!r}"]
    return [] if wanted == found else [f"{where}: {found!r}, not {wanted!r}"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    """Serve the API with a worker that does each Run."""
    with serving(tmp_path_factory.mktemp("guide")) as found:
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.1):
                found.core.carry_out()

        working = threading.Thread(target=work)
        working.start()
        yield found
        over.set()
        working.join(20)


@pytest.fixture(scope="module")
def outputs(service: RestService, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what each example has written."""
    folder = tmp_path_factory.mktemp("outputs")
    script = ["set -euo pipefail"]
    for at, example in enumerate(EXAMPLES):
        script += [f"exec >{at}", example.shell]
    address = f"http://127.0.0.1:{service.port}{API}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "API": address, "TOKEN": "ada"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    files = [folder / str(at) for at in range(len(EXAMPLES))]
    told = [file.read_text(encoding="utf-8") for file in files if file.exists()]
    assert done.returncode == 0, f"{done.stderr}\n{EXAMPLES[len(told) - 1].shell}\n{told[-1]}"
    return told


@pytest.mark.parametrize("at", range(len(EXAMPLES)))
def test_an_example_answers_what_the_guide_says(outputs: list[str], at: int) -> None:
    example, found = EXAMPLES[at], outputs[at]
    if example.kind == "json":
        assert differs(json.loads(example.expected), json.loads(found)) == []
    elif example.kind == "text":
        lines = found.replace("\r\n", "\n").strip()
        assert pattern(example.expected.strip()).fullmatch(lines), lines
    else:
        assert found == "", "the guide does not say what comes out"


def test_the_guide_has_examples_and_a_comparison_sees_what_is_missing_and_what_is_other() -> None:
    assert len([each for each in EXAMPLES if each.expected]) > 10
    wanted = {"a": "run_…", "b": [{"c": None}]}
    assert differs(wanted, {"a": "run_1", "b": [{"c": None, "d": 1}], "e": 2}) == []
    assert differs(wanted, {"a": "rp_1", "b": [{}]}) == [
        ".a: 'rp_1', not 'run_…'",
        ".b[0].c is missing",
    ]
    assert differs(wanted, {"a": "run_1", "b": []}) == [".b: [], not [{'c': None}]"]
