"""Dashboards: first paint cold and heated, many viewers at once, memory of each; beside Voila.

What one would take instead is the command ``voila`` with a notebook in a folder: no login, no
walls, one token for all. It shows the same cells, in the same browser, on the same machine.

    python benchmarks/dashboards.py [VIEWERS]
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psutil
from playwright.async_api import Browser, Page, async_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from core_double import wait_until  # the tests are no package
from dashboards_scene import COOKIE, Scene, notebook, scene
from mavis_ext.app import PREFIX
from rest_service import Address

CELLS = (
    "# The fleet",
    "import ipywidgets, mavis_kernel, pandas\nipywidgets.Button(description='Ready')",
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    # Voila's own template asks another machine for a font: that fails at once, and delays nothing.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
TIMES = 3
PATIENCE_MS = 120_000


@contextmanager
def stock_voila() -> Iterator[tuple[str, psutil.Process]]:
    """Run ``voila`` as it comes, over the same notebook; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fleet.ipynb")
        told = notebook(*CELLS)
        told["metadata"]["kernelspec"] = {
            "name": "python3",
            "display_name": "Python",
            "language": "python",
        }
        path.write_text(json.dumps(told))
        port = 18866
        command = [sys.executable, "-m", "voila", str(path), f"--port={port}", "--no-browser"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
        ) as process:
            try:
                wait_until(lambda: _answers(port), timeout_s=60)
                yield f"http://127.0.0.1:{port}/", psutil.Process(process.pid)
            finally:
                process.terminate()
                process.wait(20)


def _answers(port: int) -> bool:
    try:
        return Address(port).ask("GET", "/voila/static/none", None, prefix="").status > 0
    except OSError:
        return False


@asynccontextmanager
async def opened(browser: Browser, url: str, cookie: str | None) -> AsyncIterator[Page]:
    """Open a page in a profile of its own, whose cache is empty."""
    context = await browser.new_context()
    if cookie is not None:
        place = {"domain": "127.0.0.1", "path": f"{PREFIX}/"}
        await context.add_cookies([{"name": COOKIE, "value": cookie, **place}])  # type: ignore[typeddict-item]
    page = await context.new_page()
    await page.goto(url, wait_until="commit", timeout=PATIENCE_MS)
    try:
        yield page
    finally:
        await context.close()


async def shown(page: Page, framed: bool) -> None:
    """Wait until the widget is there: until then nobody can do anything."""
    where = page.frame_locator("#frame") if framed else page
    await where.get_by_role("button", name="Ready").wait_for(timeout=PATIENCE_MS)


async def first_paint_s(browser: Browser, url: str, cookie: str | None) -> float:
    """Return after how many seconds a viewer who comes alone sees the widget."""
    began = time.perf_counter()
    async with opened(browser, url, cookie) as page:
        await shown(page, cookie is not None)
        return time.perf_counter() - began


async def together_s(
    browser: Browser, url: str, cookies: list[str | None], root: psutil.Process
) -> tuple[list[float], float]:
    """Return when each of several viewers saw it who came at once, and MiB for each (PSS)."""
    before = memory_mib(root)
    everybody = asyncio.Event()
    there = 0

    async def view(cookie: str | None) -> float:
        nonlocal there
        began = time.perf_counter()
        async with opened(browser, url, cookie) as page:
            await shown(page, cookie is not None)
            took = time.perf_counter() - began
            there += 1
            if there == len(cookies):
                measured.append(memory_mib(root))
                everybody.set()
            await everybody.wait()
            return took

    measured: list[float] = []
    took = await asyncio.gather(*(view(each) for each in cookies))
    return list(took), (measured[0] - before) / len(cookies)


def memory_mib(root: psutil.Process) -> float:
    """Return the memory of a process and its children, what is shared counted once (PSS)."""
    total = 0
    for each in (root, *root.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def quiet(made: Scene, ready: int) -> None:
    """Wait until no page has a kernel, and so many wait."""
    wait_until(lambda: (made.health()["used"], made.health()["ready"]) == (0, ready), timeout_s=120)


async def main(viewers: int) -> None:
    """Measure, and print."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(ARGUMENTS)
        )
        figures: dict[str, float] = {}
        address = f"{PREFIX}/dashboards/shop/fleet/"
        for name, heated in (("cold", 0), ("heated", 1)):
            with ExitStack() as stack:
                made = stack.enter_context(scene(preheated=str(heated), idle_s="10"))
                made.publish("fleet", *CELLS)
                taken = []
                for _ in range(TIMES):
                    await asyncio.to_thread(quiet, made, heated)
                    cookie = made.cookie("as-enduser")
                    taken.append(await first_paint_s(browser, made.site + address, cookie))
                figures[name] = statistics.median(taken)
                print(f"first paint, {name}: {figures[name]:.2f} s (median of {TIMES})")
        with stock_voila() as (url, _):
            taken = [await first_paint_s(browser, url, None) for _ in range(TIMES)]
            figures["voila"] = statistics.median(taken)
        print(f"first paint, voila: {figures['voila']:.2f} s (median of {TIMES})")
        print(f"  cold is {figures['cold'] / figures['voila']:.2f} of voila's")
        print(f"  heated is {figures['heated'] / figures['voila']:.2f} of voila's")
        with scene(preheated="2", max_kernels=str(viewers)) as made:
            made.publish("fleet", *CELLS)
            await asyncio.to_thread(quiet, made, 2)
            people = ["as-enduser", "as-viewer", "as-operator", "as-admin", "vera", "olga"]
            cookies: list[str | None] = [
                made.cookie(people[at % len(people)]) for at in range(viewers)
            ]
            root = psutil.Process(made.process.pid) if made.process else psutil.Process()
            ours, each_mib = await together_s(browser, made.site + address, cookies, root)
        with stock_voila() as (url, root):
            theirs, theirs_mib = await together_s(browser, url, [None] * viewers, root)
        for who, taken, mib in (("mavis", ours, each_mib), ("voila", theirs, theirs_mib)):
            print(
                f"{viewers} viewers at once, {who}: first {min(taken):.1f} s,"
                f" half {statistics.median(taken):.1f} s, last {max(taken):.1f} s;"
                f" {mib:.0f} MiB each"
            )
        print(f"  the last: {max(ours) / max(theirs):.2f} of voila's")
        print(f"  memory of each: {each_mib / theirs_mib:.2f} of voila's")
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
