"""A Jupyter server with Lab and Voila, whose kernels know a test's API, and a browser on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, expect

from core_double import wait_until

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    # What would leave the machine finds no address; `Visit.outside` notes it all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_SLOW_MS = 20_000


@dataclass(frozen=True)
class Jupyter:
    """The running server."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook, and return its name."""
        made = [
            {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "id": f"c{at}"}
            | {"execution_count": None}
            for at, cell in enumerate(cells)
        ]
        spec = {"name": "python3", "display_name": "Python 3"}
        document = {"cells": made, "metadata": {"kernelspec": spec}}
        path = self.folder / f"{name}.ipynb"
        path.write_text(json.dumps({**document, "nbformat": 4, "nbformat_minor": 5}))
        return path.name


@contextmanager
def jupyter(folder: Path, environ: Mapping[str, str], *extensions: str) -> Iterator[Jupyter]:
    """Run a Jupyter server for whoever is on loopback, as tests are.

    Parameters
    ----------
    extensions
        Which it has beside Lab and Voila.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "jupyter_server_config.py"
    wanted = ("jupyterlab", "voila.server_extension", *extensions)
    switched = {**dict.fromkeys(wanted, True), "mavis_ext.lab": False}
    config.write_text(
        f"c.ServerApp.jpserver_extensions = {switched!r}\n"
        "c.IdentityProvider.token = ''\n"
        f"c.ServerApp.port = {port}\n"
        "c.ServerApp.ip = '127.0.0.1'\n"
        "c.ServerApp.port_retries = 0\n"
        "c.ServerApp.open_browser = False\n"
        "c.ServerApp.allow_root = True\n"
        f"c.ServerApp.root_dir = {str(folder / 'notebooks')!r}\n"
        "c.LabApp.news_url = None\n"
        "c.LabApp.check_for_updates_class ="
        " 'jupyterlab.handlers.announcements.NeverCheckForUpdate'\n"
        "c.LabApp.extension_manager = 'readonly'\n"
        "c.VoilaConfiguration.extension_allowlist = ['@voila-dashboards/widgets-manager8',"
        " '@jupyter-widgets/jupyterlab-manager', 'anywidget']\n"
        "c.VoilaConfiguration.theme = 'dark'\n",
        encoding="utf-8",
    )
    (folder / "notebooks").mkdir()
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        **environ,
    }
    log = folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "jupyter_server", f"--config={config}"]
        process = subprocess.Popen(command, env=given, stdout=output, stderr=subprocess.STDOUT)
    found = Jupyter(port, folder / "notebooks")

    def is_up() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            return httpx.get(f"{found.url}/api", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(is_up, timeout_s=40)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@dataclass
class Visit:
    """A page of the browser, and what it did that it should not."""

    page: Page
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(_SLOW_MS)
        expect.set_options(timeout=_SLOW_MS)
        self.page.on("request", lambda asked: self._note(asked.url))
        self.page.on("websocket", lambda opened: self._note(opened.url))
        self.page.on(
            "console",
            lambda m: self.errors.append(f"{m.text} {m.location}") if m.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.hostname != "127.0.0.1" and parts.scheme not in ("data", "blob", "about"):
            self.outside.append(url)

    @property
    def widget(self) -> Locator:
        """The widgets in sight."""
        return self.page.locator(".mavis")

    def run(self, code: str) -> Locator:
        """Run `code` in the first cell of the open notebook to its end, and return its widget."""
        self.start(code)
        expect(self.page.locator(".jp-InputPrompt").first).not_to_have_text("[*]:")
        return self.widget

    def start(self, code: str, cell: int = 0) -> None:
        """Begin to run `code` in a cell."""
        editor = self.page.locator(".jp-Notebook .jp-Cell .cm-content").nth(cell)
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")

    def faults(self, selector: str = ".mavis") -> list[str]:
        """Return what axe-core finds wrong below `selector`, and is serious."""
        self.page.evaluate("() => document.fonts.ready")
        self.page.add_script_tag(path=AXE)
        found = self.page.evaluate(
            "async at => (await axe.run(at, { resultTypes: ['violations'] })).violations",
            selector,
        )
        return [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


def picture(widget: Locator | Page, name: str) -> None:
    """Keep a picture of a widget where pictures are wanted."""
    folder = os.environ.get("MAVIS_SCREENSHOTS")
    if folder:
        widget.screenshot(path=Path(folder, f"{name}.png"))


def opened(context: BrowserContext, url: str) -> Visit:
    """Open a page."""
    visit = Visit(context.new_page())
    visit.page.goto(url)
    return visit
