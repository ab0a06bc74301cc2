"""A person with a browser: login, JupyterLab, start page, Prefect. Nothing leaves the machine.

With ``MAVIS_SCREENSHOTS=DIR`` the pictures of this module are kept in that folder.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from appliance_double.terminal import Terminal
from cloud.accounts import ec2
from cloud.seed import Machine
from e2e.appliance import Appliance
from e2e.browsing import SLOW_MS, picture
from mavis_kernel import Mavis
from mavis_kernel.device_login import begin, fetch
from mavis_kernel.errors import NotLoggedIn
from mavis_kernel.settings import Trust

CELL = """\
from mavis_kernel import Mavis

mavis = Mavis()
for each in mavis.resources.list("shop", kind="instance"):
    print(f"{each.name:12}{each.state:10}{each.environment:10}{each.region}")

run = mavis.runs.wait("shop", mavis.recovery_points.create("shop", "db-1").id)
point = mavis.recovery_points.made_by("shop", run)
print("\\n", run.state, point.id, *(each.cloud_id for each in point.members), sep="\\n")
"""
TABLE = """\
from mavis_kernel.widgets import InstanceTable

InstanceTable("shop", query="payments")
"""

# What a page in Lab does: it calls the API through its own server, and follows a Run there.
ASK = """\
async run => {
  const { baseUrl } = JSON.parse(document.getElementById('jupyter-config-data').textContent);
  const xsrf = document.cookie.match(/\\b_xsrf=([^;]*)/)[1];
  const api = `${baseUrl}mavis/api/v1`;
  const asked = await fetch(`${api}/me`, { headers: { 'X-XSRFToken': xsrf } });
  const refused = await fetch(`${api}/me`);
  const event = await new Promise((resolve, reject) => {
    const feed = new EventSource(`${api}/projects/shop/runs/${run}/events?_xsrf=${xsrf}`);
    feed.addEventListener('run', told => { feed.close(); resolve(JSON.parse(told.data)); });
    feed.addEventListener('error', () => { feed.close(); reject(new Error('no events')); });
  });
  return { me: (await asked.json()).name, refused: refused.status, state: event.state };
}
"""


@dataclass(frozen=True)
class Laptop:
    """A machine of somebody's own, with the command line on it."""

    home: Path
    ca_file: Path

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("MAVIS_", "JUPYTER"))}
        environ |= {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}
        environ |= {"MAVIS_CA_FILE": str(self.ca_file), "TERM": "xterm"}
        command = [sys.executable, "-m", "mavis_kernel", *words]
        return subprocess.Popen(command, **{**options, "env": environ})

    def run(self, *words: str) -> str:
        """Return what a command says."""
        with self.start(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            said = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 0, said
        return said

    def token(self) -> str:
        kept = json.loads((self.home / "config" / "mavis" / "credentials.json").read_text())
        return str(kept["token"])


@pytest.fixture
def laptop(appliance: Appliance, tmp_path: Path) -> Laptop:
    return Laptop(tmp_path, appliance.config.ca_file)


def test_the_login_page_says_no_in_words(appliance: Appliance, visit: Callable[..., Any]) -> None:
    with visit(None, "/") as page:
        picture(page, "login")
        page.get_by_label("Username").fill("demo-operator")
        page.get_by_label("Password").fill("a guess")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Invalid username or password")).to_be_visible()


def test_lab_opens_and_a_cell_takes_a_recovery_point(
    appliance: Appliance, operator: Mavis, shop: str, visit: Callable[..., Any]
) -> None:
    with visit("demo-operator", "/hub/spawn") as page:
        card = page.locator('.jp-LauncherCard[data-category="Notebook"]').first
        card.click()
        expect(page.get_by_text("| Idle")).to_be_visible()
        cell = page.locator(".jp-Notebook .jp-Cell .cm-content").first
        cell.click()
        page.keyboard.insert_text(CELL)
        page.keyboard.press("Shift+Enter")
        output = page.locator(".jp-OutputArea-output").first
        expect(output).to_contain_text("succeeded", timeout=SLOW_MS)
        assert "payments-1  running   partner   eu-central-1" in output.inner_text()
        expect(page.get_by_text("| Idle")).to_be_visible()
        expect(page.get_by_text("Jupyter news")).to_have_count(0)
        picture(page, "lab")
        page.keyboard.insert_text(TABLE)
        page.keyboard.press("Shift+Enter")
        row = page.locator(".mavis").get_by_role("row").filter(has_text="payments-1")
        expect(row).to_contain_text("partner")
        (run,) = operator.runs.list(shop, limit=1)
        told = page.evaluate(ASK, run.id)
    assert told == {"me": "demo-operator", "refused": 401, "state": "succeeded"}
    machine = appliance.world.machine("db-1")
    seen = appliance.witness.tagged(machine.account, machine.region, "mavis:run", run.id)
    assert len(seen) == len(machine.volume_ids)


def test_the_first_tutorial_runs_as_a_new_person_finds_it(
    operator: Mavis, shop: str, visit: Callable[..., Any]
) -> None:
    broken: list[str] = []
    with visit("demo-operator", "/hub/spawn") as page:
        page.on("pageerror", lambda error: broken.append(str(error)))
        # In a workspace of its own, so that no other notebook's kernel is the one that is idle.
        workspace = "/user/demo-operator/lab/workspaces/tutorial"
        page.goto(f"{workspace}/tree/tutorials/first_recovery_point.ipynb")
        expect(page.get_by_text("Mavis (Python) | Idle")).to_be_visible(timeout=SLOW_MS)
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        story = page.get_by_role("group", name=re.compile(r"^\d+ records\.$"))
        expect(story).to_contain_text("cloud.CreateSnapshots", timeout=SLOW_MS)
        expect(story.get_by_role("link").first).to_have_attribute(
            "href", re.compile(r"/services/mavis/stories/cor_\w+$")
        )
        point = page.locator(".mavis-d").filter(has_text="Recovery point")
        point.scroll_into_view_if_needed()
        expect(point.get_by_text("complete", exact=True).first).to_be_visible()
        picture(page, "notebook")
        (run,) = operator.runs.list(shop, limit=1)
        with page.expect_popup() as opened:
            point.get_by_role("link", name=run.id).click()
        expect(opened.value.get_by_text(run.id).first).to_be_visible()
    assert broken == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("home", {"color_scheme": "light", "viewport": {"width": 1280, "height": 400}}),
        ("home-dark", {"color_scheme": "dark", "viewport": {"width": 1280, "height": 400}}),
        ("home-390", {"viewport": {"width": 390, "height": 700}}),
    ],
)
def test_the_start_page_shows_one_s_projects(
    shop: str, visit: Callable[..., Any], name: str, options: dict[str, Any]
) -> None:
    broken: list[str] = []
    with visit("demo-operator", "/services/mavis/", **options) as page:
        page.on("console", lambda m: broken.append(m.text) if m.type == "error" else None)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        projects = page.get_by_role("region", name="Your projects")
        expect(projects.get_by_role("row").filter(has_text=shop)).to_contain_text("operator")
        expect(page.get_by_role("link", name="JupyterLab")).to_be_visible()
        assert page.get_by_role("link", name="Prefect").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        picture(page, name)
    assert broken == []


def test_an_operator_stops_a_machine_on_the_page_of_its_plan(
    appliance: Appliance, operator: Mavis, shop: str, visit: Callable[..., Any]
) -> None:
    machine = appliance.world.machine("web-2")
    shown = operator.previews.create(shop, "resource.stop", "web-2")
    broken: list[str] = []
    with visit("demo-operator", f"/services/mavis/projects/{shop}/previews/{shown.id}") as page:
        page.on("console", lambda m: broken.append(m.text) if m.type == "error" else None)
        expect(page.get_by_role("heading", level=1)).to_contain_text("resource.stop web-2")
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        expect(page.get_by_role("row").filter(has_text=machine.instance_id)).to_contain_text("stop")
        picture(page, "confirmation")
        page.get_by_label("Type the project's name").fill("web-2")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was changed")
        assert _state_of(appliance, machine) == "running"
        broken.clear()  # Chromium tells the console of the page's status
        page.get_by_label("Type the project's name").fill(shop)
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**/runs/run_*")
        expect(page.locator("#state")).to_have_text("succeeded", timeout=SLOW_MS)
        expect(page.locator("#log")).to_contain_text("resource.stop of web-2")
        picture(page, "run")
        run = operator.runs.get(shop, page.url.rpartition("/")[2])
        page.get_by_role("link", name="All that this request set off").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("All that one request")
        expect(page.get_by_role("region", name="Records")).to_contain_text("demo-operator")
        page.get_by_role("link", name=shop, exact=True).first.click()
        expect(page.get_by_role("heading", name="Last Runs")).to_be_visible()
        picture(page, "project")
        page.goto(f"/services/mavis/projects/{shop}/previews/{shown.id}")
        expect(page.get_by_text("This plan has been applied")).to_be_visible()
    assert broken == []
    assert _state_of(appliance, machine) == "stopped"
    assert (run.person, run.kind, run.state) == ("demo-operator", "resource.stop", "succeeded")
    start = operator.previews.create(shop, "resource.start", "web-2")
    operator.runs.wait(shop, operator.previews.apply(shop, start).id)
    assert _state_of(appliance, machine) == "running"
    # The inventory has it as the start left it: on its way.
    operator.runs.wait(shop, operator.environments.discover(shop).id)


def _state_of(appliance: Appliance, machine: Machine) -> str:
    """Return the state of a machine, as its cloud says."""
    with ec2(appliance.simulator.url, machine.account, machine.region) as client:
        found = client.describe_instances(InstanceIds=[machine.instance_id])
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


def test_an_end_user_finds_the_way_to_dashboards_and_no_other(
    shop: str, visit: Callable[..., Any]
) -> None:
    with visit("demo-enduser", "/services/mavis/") as page:
        expect(page.get_by_role("heading", name="Your dashboards")).to_be_visible()
        expect(page.get_by_role("main").get_by_text(shop).first).to_be_visible()
        assert page.get_by_role("link", name="JupyterLab").count() == 0
        picture(page, "home-enduser")
        for path in ("", "/schedules", "/runs/run_x", "/previews/pre_x"):
            answer = page.goto(f"/services/mavis/projects/{shop}{path}")
            assert answer is not None
            assert answer.status == 403


def test_the_api_is_described_to_whoever_is_logged_in(visit: Callable[..., Any]) -> None:
    with visit("demo-operator", "/services/mavis/") as page:
        page.get_by_role("link", name="REST API").click()
        expect(page.locator("#operations-projects-list_projects")).to_be_visible()
        picture(page, "api")
    with visit(None, "/services/mavis/docs") as page:
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_command_line_is_logged_in_with_the_browser(
    appliance: Appliance,
    tokens: dict[str, str],
    visit: Callable[..., Any],
    laptop: Laptop,
) -> None:
    terminal = Terminal(laptop.start, "login", "--url", appliance.url)
    terminal.wait_for("left. Ctrl-C ends it.")
    address = re.search(r"https://\S+/services/mavis/login\?user_code=(\S+)", terminal.shown)
    assert address is not None
    assert f"shows this code: {address[1]}" in terminal.shown
    with visit("demo-operator", address[0]) as page:
        # Logged in at the Hub, and back with the code.
        expect(page.get_by_text(address[1], exact=True)).to_be_visible()
        expect(page.get_by_text("just started it yourself")).to_be_visible()
        expect(page.get_by_role("definition").filter(has_text=platform.node())).to_be_visible()
        expect(page.get_by_role("button", name="Deny")).to_be_focused()
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_role("heading", name="Allowed")).to_be_visible()
    assert terminal.end() == 0, terminal.shown
    assert "as demo-operator until" in terminal.shown
    with appliance.client(tokens["demo-operator"]) as client:
        assert json.loads(laptop.run("whoami", "-o", "json"))["scopes"] == list(client.me().scopes)
    token = laptop.token()
    with appliance.http(token) as http:
        assert http.get("/hub/api/user").status_code == 200
        assert "Logged out of" in laptop.run("logout")
        assert http.get("/hub/api/user").status_code == 403


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("login-page", {"color_scheme": "light", "viewport": {"width": 1000, "height": 720}}),
        ("login-page-dark", {"color_scheme": "dark", "viewport": {"width": 1000, "height": 720}}),
        ("login-page-390", {"viewport": {"width": 390, "height": 960}}),
    ],
)
def test_the_page_of_a_login_works_without_scripts(
    appliance: Appliance, visit: Callable[..., Any], name: str, options: dict[str, Any]
) -> None:
    trust = Trust(ca_file=str(appliance.config.ca_file))
    begun = begin(appliance.url, trust, "olgas-laptop")
    broken: list[str] = []
    with visit("demo-operator", begun.page, java_script_enabled=False, **options) as page:
        page.on("console", lambda m: broken.append(m.text) if m.type == "error" else None)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("heading", name="olgas-laptop")).to_be_visible()
        picture(page, name)
        width = options["viewport"]["width"]
        for box in (each.bounding_box() for each in page.locator("main *").all()):
            assert box is None or box["x"] + box["width"] <= width
        page.keyboard.press("Enter")  # the focus is on "Deny"
        expect(page.get_by_role("heading", name="Denied")).to_be_visible()
        page.goto("/services/mavis/login")
        page.get_by_label("Code").fill(begun.user_code.replace("-", " ").lower())
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", name="Denied")).to_be_visible()
    assert broken == []
    with pytest.raises(NotLoggedIn, match="demo-operator has denied"):
        fetch(appliance.url, trust, begun, wait=lambda _: None)


def test_prefect_shows_an_administrator_the_runs(
    operator: Mavis, shop: str, visit: Callable[..., Any]
) -> None:
    run = next(iter(operator.runs.list(shop, limit=1)))
    with visit("demo-admin", "/services/mavis/") as page:
        picture(page, "home-admin")
        page.get_by_role("link", name="Prefect").click()
        expect(page.get_by_text("Flow Runs").first).to_be_visible(timeout=30_000)  # it is large
        picture(page, "prefect")
        page.goto("/services/mavis/prefect/v2/runs")
        row = page.get_by_role("link", name=f"{run.subject} #1").first
        expect(row).to_be_visible(timeout=30_000)
        expect(page.get_by_role("link", name=run.kind).first).to_be_visible()
        picture(page, "prefect-runs")


def test_prefect_is_closed_to_an_operator(visit: Callable[..., Any]) -> None:
    with visit("demo-operator", "/services/mavis/") as page:
        answer = page.goto("/services/mavis/prefect/")
        assert answer is not None
        assert answer.status == 403
        assert "Ask an administrator" in page.content()
        sent = page.request.post("/services/mavis/prefect/api/flow_runs/filter", data={})
        assert sent.status == 403


def test_no_page_asked_another_machine(outside: list[str], visit: Callable[..., Any]) -> None:
    assert outside == []
    with visit("demo-operator", "/services/mavis/") as page:  # so that the line above can fail
        page.goto("about:blank")
        page.evaluate("fetch('https://cdn.example.org/x.js').catch(() => null)")
    assert outside == ["https://cdn.example.org/x.js"]
