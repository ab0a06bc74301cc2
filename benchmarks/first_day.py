"""From the login to a Lab that can be used: Mavis beside JupyterHub as it comes, in one run.

Both are started on this machine and visited by the same Chromium, each person for the first time:
their server starts, Lab opens, a notebook's kernel becomes idle. Mavis has its TLS edge, its own
Unix users and its extensions; the other is JupyterHub with Traefik, the simple spawner and a login
that takes everybody, over plain HTTP. Whoever is first finds cold files, so each is visited once
before. Seconds are by the clock, as a person waits.

Besides: the sizes of what the widgets load.
"""

from __future__ import annotations

import gzip
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from contenders.measuring import REPOSITORY, goal
from playwright.sync_api import Browser, expect, sync_playwright

from cloud.client import running as running_simulator
from cloud.seed import seed
from e2e.appliance import running as running_appliance
from e2e.appliance import until
from e2e.test_browser import ARGUMENTS, CHROMIUM

ROUNDS = 3
_SLOW_MS = 120_000
STOCK = """
import sys
from traitlets.config import get_config
c = get_config()
home, port, hub, traefik = {home!r}, {port}, {hub}, {traefik}
c.JupyterHub.bind_url = f"http://127.0.0.1:{{port}}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{{hub}}"
c.JupyterHub.proxy_class = "traefik_file"
c.TraefikProxy.traefik_api_url = f"http://127.0.0.1:{{traefik}}"
c.TraefikProxy.traefik_api_password = "benchmark"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = home + "/homes/{{username}}"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.Authenticator.allow_all = True
"""


def main() -> None:
    """Measure and print."""
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory(prefix="mv-", dir="/tmp") as d,
    ):
        Path(d).chmod(0o755)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        with running_simulator() as simulator:
            world = seed(simulator.url)
            with running_appliance(Path(d) / "h", simulator, world) as appliance:
                people = [name for name in appliance.people if name != "demo-admin"]
                with appliance.client(appliance.token("demo-admin")) as admin:
                    admin.projects.create("shop")
                    for name in people:
                        admin.members.grant("shop", f"user:{name}", "operator")
                url = appliance.config.public_url
                mine = [first_visit(browser, url, name, appliance.people[name]) for name in people]
        with stock_hub(Path(d)) as url:
            stock = [first_visit(browser, url, f"p{number}", "x") for number in range(ROUNDS)]
        browser.close()
    told = {"mavis": mine[1:], "JupyterHub as it comes": stock[1:]}
    medians = {
        who: [statistics.median(each) for each in zip(*visits, strict=True)]
        for who, visits in told.items()
    }
    for who, (lab_s, kernel_s) in medians.items():
        print(
            f"{who}: Lab {lab_s:.1f} s after the login, a notebook's kernel idle {kernel_s:.1f} s"
        )
    own, other = (sum(each) for each in medians.values())
    goal("from login to an idle kernel beside JupyterHub's", own / other, 1.2, "x")
    sizes()


def first_visit(browser: Browser, url: str, name: str, password: str) -> tuple[float, float]:
    """Return how long it takes from the login until Lab is there, and then a notebook's kernel."""
    context = browser.new_context(ignore_https_errors=True, base_url=url)
    context.set_default_timeout(_SLOW_MS)
    page = context.new_page()
    page.goto("/hub/spawn")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    begin = time.perf_counter()
    page.get_by_role("button", name="Sign in").click()
    card = page.locator('.jp-LauncherCard[data-category="Notebook"]').first
    expect(card).to_be_visible(timeout=_SLOW_MS)
    lab = time.perf_counter()
    card.click()
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=_SLOW_MS)
    kernel = time.perf_counter()
    context.close()
    return lab - begin, kernel - lab


@contextmanager
def stock_hub(folder: Path) -> Iterator[str]:
    """Run JupyterHub with Traefik and settings that it comes with; give its address."""
    home = folder / "stock"
    (home / "homes").mkdir(parents=True)
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    port, hub, traefik = (each.getsockname()[1] for each in held)
    for each in held:
        each.close()
    config = home / "jupyterhub_config.py"
    config.write_text(STOCK.format(home=str(home), port=port, hub=hub, traefik=traefik))
    environ = {name: v for name, v in os.environ.items() if not name.startswith(("MAVIS", "JUPY"))}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    command = [sys.executable, "-m", "jupyterhub", f"--config={config}"]
    with (
        (home / "said").open("wb") as said,
        subprocess.Popen(command, cwd=home, env=environ, stdout=said, stderr=said) as process,
    ):
        try:
            until(lambda: _answers(port), "JupyterHub as it comes", within_s=60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)):
            return False
        probe.sendall(b"GET /hub/login HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return b" 200 " in probe.recv(64)


def sizes() -> None:
    """Print what a page loads for each widget."""
    for path in sorted((REPOSITORY / "mavis_kernel/mavis_kernel/static").rglob("*")):
        if path.suffix in (".js", ".css"):
            content = path.read_bytes()
            packed = len(gzip.compress(content))
            print(f"{path.name}: {len(content) / 1024:.1f} KiB, {packed / 1024:.1f} KiB compressed")


if __name__ == "__main__":
    main()
