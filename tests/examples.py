"""Examples of the documents: blocks of shell, and what comes out of them.

A block of shell is run by bash, in one folder and with the variables and functions of the blocks
before it. A block of JSON or text after it is what comes out: in JSON what is named must be there
and more may be, and ``…`` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rest_service import RestService, serving

DOCS = Path(__file__).parents[1] / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A block of shell and, where it says so, what comes out."""

    shell: str
    kind: str
    expected: str

    def differences(self, found: str) -> list[str]:
        """Return where what came out is not what stands there."""
        if self.kind == "json":
            return _differences(json.loads(self.expected), json.loads(found))
        lines = found.replace("\r\n", "\n").strip()
        wanted = _pattern(self.expected.strip())
        return [] if wanted.fullmatch(lines) else [f"{lines}\n\nis not\n\n{self.expected}"]


def examples(page: Path, without: re.Pattern[str] | None = None) -> list[Example]:
    """Return the examples of a page, in their order.

    Parameters
    ----------
    without
        Blocks in which this is found are for the reader only.
    """
    blocks = _FENCE.findall(page.read_text(encoding="utf-8"))
    found = []
    for at, (kind, text) in enumerate(blocks):
        if kind != "sh" or (without is not None and without.search(text)):
            continue
        after = blocks[at + 1] if at + 1 < len(blocks) else ("sh", "")
        said = after if after[0] in ("json", "text") else ("", "")
        found.append(Example(text, *said))
    return found


def outputs(of: Sequence[Example], folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Run examples in a folder, and return what each has written; all must end well."""
    script = ["set -euo pipefail"]
    for at, example in enumerate(of):
        script += [f"exec >.output-{at}", example.shell]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    files = [folder / f".output-{at}" for at in range(len(of))]
    told = [file.read_text(encoding="utf-8") for file in files if file.exists()]
    assert done.returncode == 0, f"{done.stderr}\n{of[len(told) - 1].shell}\n{told[-1]}"
    return told


@contextmanager
def at_work(home: Path, **options: Any) -> Iterator[RestService]:
    """Serve the API with a worker that does each Run."""
    with serving(home, **options) as found:
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.1):
                found.core.carry_out()

        working = threading.Thread(target=work)
        working.start()
        try:
            yield found
        finally:
            over.set()
            working.join(20)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("…"))), flags=re.DOTALL)


def _differences(wanted: Any, found: Any, where: str = "") -> list[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{where}.{name} is missing" for name in wanted if name not in found]
        both = [name for name in wanted if name in found]
        return missing + [
            each
            for name in both
            for each in _differences(wanted[name], found[name], f"{where}.{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [each for at, (w, f) in pairs for each in _differences(w, f, f"{where}[{at}]")]
    if isinstance(wanted, str) and isinstance(found, str):
        return [] if _pattern(wanted).fullmatch(found) else [f"{where}: {found!r}, not {wanted!r}"]
    return [] if wanted == found else [f"{where}: {found!r}, not {wanted!r}"]
