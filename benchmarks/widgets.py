"""What a widget weighs, and what it adds to a call: beside ipywidgets' own, and the bare client.

Sizes are of what a page loads, in kB, as it is and as gzip sends it. A widget brings its bundle and
the style sheet along; what ipywidgets' and anywidget's extensions load, a page loads once. The
times are of the first page of 300 instances out of the API on loopback: asked by the client, and by
a page through the widget's conversation, thread and all; in turn, in one run.
"""

from __future__ import annotations

import gzip
import queue
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mavis_kernel
from mavis_kernel import Mavis
from mavis_kernel.widgets.conversation import Conversation
from mavis_kernel.widgets.instance_table import InstanceTable

TESTS = Path(__file__).parents[1] / "tests"
STATIC = Path(mavis_kernel.__file__).parent / "static"
EXTENSIONS = Path(sys.prefix) / "share" / "jupyter" / "labextensions"
MACHINES = 300
CALLS = 60
FIELDS = ("id", "name", "cloud_id", "state", "environment", "region", "seen_at")


def weigh(name: str, files: Iterable[Path]) -> None:
    """Print how large some files are."""
    contents = [path.read_bytes() for path in files]
    plain = sum(map(len, contents))
    packed = sum(len(gzip.compress(each, 9)) for each in contents)
    print(f"{name:44}{plain / 1000:9.1f}{packed / 1000:9.1f}")


def medians_ms(*calls: Callable[[], object]) -> list[float]:
    """Return how long each of `calls` takes, called in turn."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(CALLS):
        for times, call in zip(taken, calls, strict=True):
            begin = time.perf_counter()
            call()
            times.append((time.perf_counter() - begin) * 1000)
    return [statistics.median(times) for times in taken]


def through_widget(client: Mavis) -> Callable[[], object]:
    """Return what asks for the first page as a page does."""
    said: queue.Queue[dict[str, Any]] = queue.Queue()
    table = InstanceTable("shop", mavis=client)
    conversation = Conversation(said.put, table._answering())  # noqa: SLF001 - without a page
    given = {"query": "", "sort": "name", "start": 0, "size": 200, "fresh": True}

    def ask() -> object:
        conversation.hear({"id": "q", "ask": "rows", "with": given})
        while "answer" not in (message := said.get(timeout=30)):
            pass
        return message

    return ask


def main() -> None:
    """Weigh, then ask."""
    print(f"{'what a page loads':44}{'kB':>9}{'gzip':>9}")
    for path in sorted(STATIC.glob("*.js")):
        weigh(path.stem, [path])
    weigh("widgets.css, with each", [STATIC / "widgets.css"])
    weigh("all six and the style sheet", STATIC.iterdir())
    for name in ("anywidget", "@jupyter-widgets/jupyterlab-manager"):
        weigh(f"{name}, once", (EXTENSIONS / name / "static").glob("*.js"))

    sys.path.insert(0, str(TESTS))
    from core_double import ACCOUNT, REGION, Project
    from rest_service import serving

    with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "rest")) as rest:
        for at in range(MACHINES):
            rest.cloud.launch(ACCOUNT, REGION, f"app-{at:03}", sizes=(8,))
        Project(rest.core).discover()
        with Mavis(f"http://127.0.0.1:{rest.port}/services/mavis", "olga") as client:

            def bare() -> object:
                found = client.resources.list("shop", kind="instance", sort="name", fields=FIELDS)
                return [next(found) for _ in range(200)]

            ask = through_widget(client)
            ask(), bare()
            alone, asked = medians_ms(bare, ask)
    print(f"\n200 of {MACHINES} instances, median of {CALLS}: the client {alone:.1f} ms,")
    print(f"a page through the widget {asked:.1f} ms, {asked / alone:.2f} times that")


if __name__ == "__main__":
    main()
