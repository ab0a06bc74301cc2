"""Fixtures for the kernel, each for a whole module.

- `service`: the REST API with a project ``shop``; a worker carries out each Run
- `kernel`: a kernel of the kernelspec ``mavis``, as the operator olga's own server starts it
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from rest_service import RestService, serving

_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    with serving(tmp_path_factory.mktemp("api") / "home", logs=True) as made:
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.02):
                made.core.carry_out()

        working = threading.Thread(target=work, name="worker")
        working.start()
        try:
            yield made
        finally:
            made.cloud.snapshots_complete = True
            over.set()
            working.join(30)


@dataclass
class Cell:
    """What one cell showed.

    Parameters
    ----------
    bundles
        Displays and the result, by media type; one that was updated as it is at last.
    error
        The lines of an error; empty where there was none.
    """

    printed: str = ""
    bundles: list[dict[str, Any]] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    updates: int = 0

    @property
    def text(self) -> str:
        """The last of what it showed, as text."""
        return str(self.bundles[-1]["text/plain"])

    @property
    def html(self) -> str:
        """The same as HTML."""
        return str(self.bundles[-1]["text/html"])


class Kernel:
    """A running kernel and a person at its notebook."""

    def __init__(self, manager: Any, client: BlockingKernelClient) -> None:
        self._manager = manager
        self.client = client

    def run(self, code: str, *, on_display: Any = None) -> Cell:
        """Return what a cell shows; `on_display` is called at each display."""
        cell = Cell()
        displays: dict[str, dict[str, Any]] = {}

        def hook(message: dict[str, Any]) -> None:
            content, kind = message["content"], message["msg_type"]
            if kind == "stream":
                cell.printed += content["text"]
            elif kind == "error":
                cell.error = content["traceback"]
            elif kind in ("execute_result", "display_data", "update_display_data"):
                self._keep(cell, displays, content, is_update=kind.startswith("update"))
                if on_display is not None:
                    on_display(content["data"])

        reply = self.client.execute_interactive(code, output_hook=hook, timeout=_TIMEOUT_S)
        assert reply["content"]["status"] == "ok" or cell.error
        return cell

    @staticmethod
    def _keep(
        cell: Cell, displays: dict[str, dict[str, Any]], content: dict[str, Any], *, is_update: bool
    ) -> None:
        name = content.get("transient", {}).get("display_id", "")
        if is_update:
            cell.updates += 1
            displays[name].update(content["data"])
        else:
            displays[name] = content["data"]
            cell.bundles.append(content["data"])

    def complete(self, text: str) -> list[str]:
        """Return what the Tab key offers at the end of `text`, at its second press at last."""
        for _ in range(2):
            reply = self.client.complete(text, reply=True, timeout=_TIMEOUT_S)["content"]
            assert reply["status"] == "ok"
            if reply["matches"]:
                break
        start, end = reply["cursor_start"], reply["cursor_end"]
        return [text[:start] + each + text[end:] for each in reply["matches"]]

    def interrupt(self) -> None:
        """Press the stop button."""
        self._manager.interrupt_kernel()


@pytest.fixture(scope="module")
def kernel(service: RestService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("home")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MAVIS_")}
    environ |= {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(home / "rt"),
        "MAVIS_URL": f"http://127.0.0.1:{service.port}/services/mavis",
        "JUPYTERHUB_API_TOKEN": "kernel",
        "TZ": "UTC",
    }
    manager, client = start_new_kernel(
        startup_timeout=_TIMEOUT_S, kernel_name="mavis", env=environ, cwd=str(home)
    )
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def home(kernel: Kernel) -> Path:
    return Path(kernel.run("import os; print(os.environ['HOME'])").printed.strip())
