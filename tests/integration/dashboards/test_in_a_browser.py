"""A viewer's day with a dashboard in Chromium: it shows, works, stops, is full, and says so.

With ``MAVIS_SCREENSHOTS=DIR`` the pictures are kept in that folder.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core_double import PLATFORM, call, wait_until
from dashboards_scene import Scene
from integration.dashboards.conftest import OpenPage
from mavis_core.access import Role

SETTINGS = {"max_kernels": "4", "preheated": "1", "idle_s": "10", "cell_timeout_s": "5"}
FLEET = "/dashboards/shop/fleet/"
VIEWS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}},
}
COUNTER = """
import ipywidgets
count = 0
button, text = ipywidgets.Button(description='Count'), ipywidgets.Label('none yet')
def more(_):
    global count
    count += 1
    text.value = f'counted {count}'
button.on_click(more)
ipywidgets.HBox([button, text])
"""
ANYWIDGET = """
import anywidget, traitlets
class Hello(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
      el.textContent = "hello " + model.get("who");
    } };'''
    who = traitlets.Unicode('fleet').tag(sync=True)
Hello()
"""
SCRIPT = """
from IPython.display import HTML
HTML('''<p id="tried">trying</p><script>
const tried = [];
const attempt = async (name, act) => {
  const told = async () => { try { return await act(); } catch (error) { return error.name; } };
  tried.push(name + ": " + await told());
};
(async () => {
  await attempt("cookie", () => document.cookie);
  await attempt("storage", () => localStorage.length);
  await attempt("parent", () => parent.document.title);
  await attempt("top", () => { top.location = "/services/mavis/"; return "went"; });
  const credentials = "include";
  for (const path of ["/services/mavis/", "/services/mavis/api/v1/me", "/hub/api/user"]) {
    await attempt("fetch " + path, async () => (await fetch(path, { credentials })).status);
  }
  await attempt("elsewhere", async () => (await fetch("https://example.org/")).status);
  document.getElementById("tried").textContent = tried.join(" | ") + " | done";
})();
</script>''')
"""


@pytest.fixture(scope="module", autouse=True)
def published(made: Scene) -> None:
    made.publish("fleet", "# The fleet", COUNTER, ANYWIDGET)
    made.publish("hostile", SCRIPT)
    made.publish(
        "broken", "# Before", "secret = 's3cret'\nraise ValueError(secret)", "print('never shown')"
    )
    made.publish("slow", "import time\ntime.sleep(60)", "print('never shown')")
    made.publish("greedy", "x = bytearray(4 * 1024**3)")
    made.publish("warns", "import warnings\nwarnings.warn('s3cret')\nprint('shown')")
    made.publish("dies", COUNTER.replace("count += 1", "import os; os._exit(1)"))
    for name in ("status", "protection", "runs", "records"):
        made.rest.app.dashboards.publish(call("ada", PLATFORM), "shop", name=name, shipped=name)


def idle(made: Scene) -> None:
    """Wait until nobody has a kernel, and one waits."""
    wait_until(lambda: (made.health()["used"], made.health()["ready"]) == (0, 1), timeout_s=40)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["status", "protection", "runs"])
def test_what_comes_along_is_for_everybody(
    made: Scene, open_page: OpenPage, name: str, view: str
) -> None:
    idle(made)
    with open_page(f"/dashboards/shop/{name}/", **VIEWS[view]) as opened:
        expect(opened.frame.get_by_role("button", name="Refresh")).to_be_visible()
        expect(opened.frame.get_by_text("as of")).to_be_visible()
        opened.picture(f"{name}-{view}")
        assert opened.page.title().endswith("shop · Mavis")
        expect(opened.page.get_by_text("as-enduser")).to_be_visible()
        expect(opened.page.get_by_role("link", name="Dashboards")).to_be_visible()
        assert opened.faults() == []
        assert opened.errors == []
        assert opened.outside == []
        for frame in opened.page.frames:
            wide = frame.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, "a wide table scrolls inside itself"


@pytest.mark.parametrize("view", VIEWS)
def test_records_are_for_who_may_read_them(made: Scene, open_page: OpenPage, view: str) -> None:
    idle(made)
    path = "/dashboards/shop/records/"
    with open_page(path, "as-auditor", **VIEWS[view]) as opened:
        rows = opened.frame.get_by_role("row")
        expect(rows.filter(has_text="dashboard.open").first).to_be_visible()
        opened.picture(f"records-{view}")
        assert opened.faults() == []
        assert opened.errors == []
        assert opened.outside == []
    for name in ("as-enduser", "as-viewer"):
        with open_page("/dashboards", name) as opened:
            expect(opened.page.get_by_role("link", name=re.compile("^fleet"))).to_be_visible()
            expect(opened.page.get_by_role("link", name=re.compile("^Records"))).to_have_count(0)
        assert made.page(path, name).status in (403, 404)


@pytest.mark.parametrize("view", VIEWS)
def test_the_gallery_leads_to_a_dashboard(made: Scene, open_page: OpenPage, view: str) -> None:
    idle(made)
    with open_page("/dashboards", **VIEWS[view]) as opened:
        opened.picture(f"gallery-{view}")
        assert opened.faults() == []
        opened.page.get_by_role("link", name=re.compile("^fleet")).click()
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        opened.page.get_by_role("link", name="Dashboards").click()
        expect(opened.page.get_by_role("heading", name="Dashboards")).to_be_visible()
        assert opened.errors == [], "nor when the dashboard's page goes"


def test_the_gallery_of_somebody_without_any_says_what_to_do(open_page: OpenPage) -> None:
    with open_page("/dashboards", "eve") as opened:
        expect(opened.page.get_by_text("no dashboard for you yet")).to_be_visible()
        opened.picture("gallery-empty")
        assert opened.faults() == []


def test_widgets_work_for_each_viewer_by_themselves(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page(FLEET) as one, open_page(FLEET, "vera") as other:
        for opened in (one, other):
            expect(opened.frame.get_by_text("hello fleet")).to_be_visible()
        one.frame.get_by_role("button", name="Count").click()
        one.frame.get_by_role("button", name="Count").click()
        expect(one.frame.get_by_text("counted 2")).to_be_visible()
        expect(other.frame.get_by_text("none yet")).to_be_visible()
        assert one.errors == other.errors == []


def test_a_publisher_s_script_has_no_hold_of_its_viewer(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page("/dashboards/shop/hostile/", "ada") as opened:
        said = opened.frame.locator("#tried")
        expect(said).to_contain_text("done")
        told = dict(each.split(": ", 1) for each in said.inner_text().split(" | ")[:-1])
        assert told["cookie"] == "SecurityError"
        assert told["storage"] == "SecurityError"
        assert told["parent"] == "SecurityError"
        assert {text for name, text in told.items() if name.startswith("fetch")} == {"TypeError"}
        assert told["elsewhere"] == "TypeError"
        assert opened.page.url.endswith("/dashboards/shop/hostile/"), "it could not go elsewhere"
        assert opened.outside == []


@pytest.mark.parametrize(
    ("name", "told", "shown"),
    [
        ("broken", "an error in its code", "Before"),
        ("slow", "took more than 5 seconds", None),
        ("greedy", "an error in its code", None),
    ],
)
def test_a_cell_that_fails_says_so_and_shows_nothing_of_its_code(
    made: Scene, open_page: OpenPage, name: str, told: str, shown: str | None
) -> None:
    idle(made)
    with open_page(f"/dashboards/shop/{name}/") as opened:
        expect(opened.frame.get_by_role("alert")).to_contain_text(told)
        opened.picture(f"failed-{name}")
        if shown:
            expect(opened.frame.get_by_text(shown)).to_be_visible()
        html = opened.page.frames[1].content()
        for secret in (
            "s3cret",
            "Traceback",
            "ValueError",
            "MemoryError",
            "bytearray",
            "never shown",
        ):
            assert secret not in html
        assert opened.faults() == []


def test_warnings_are_for_the_publisher(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page("/dashboards/shop/warns/") as opened:
        expect(opened.frame.get_by_text("shown")).to_be_visible()
        assert "s3cret" not in opened.page.frames[1].content()


def test_a_banner_says_that_the_kernel_has_died_and_begins_anew(
    made: Scene, open_page: OpenPage
) -> None:
    idle(made)
    with open_page("/dashboards/shop/dies/") as opened:
        opened.frame.get_by_role("button", name="Count").click()
        banner = opened.page.get_by_role("alert")
        expect(banner).to_contain_text("its kernel has ended", timeout=20_000)
        opened.picture("banner")
        assert opened.faults() == []
        opened.page.get_by_role("button", name="Restart").click()
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        expect(banner).to_be_hidden()


def test_a_dashboard_that_is_taken_away_ends_in_open_pages(
    made: Scene, open_page: OpenPage
) -> None:
    idle(made)
    ada = call("ada", PLATFORM)
    with open_page(FLEET) as opened:
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        made.rest.app.dashboards.unpublish(ada, "shop", "fleet")
        expect(opened.page.get_by_role("alert")).to_contain_text(
            "not published any more", timeout=20_000
        )
        expect(opened.page.locator("#frame")).to_have_count(0)
    made.rest.app.dashboards.activate(ada, "shop", "fleet", 1)
    idle(made)


def test_who_loses_the_role_loses_the_open_page(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    ada = call("ada", PLATFORM)
    with open_page(FLEET, "as-viewer") as opened:
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        made.rest.core.projects.remove_member(ada, "shop", "user:as-viewer")
        expect(opened.page.get_by_role("alert")).to_be_visible(timeout=30_000)
        expect(opened.page.locator("#frame")).to_have_count(0)
    made.rest.core.projects.put_member(ada, "shop", "user:as-viewer", Role.VIEWER)
    idle(made)


def test_a_kernel_is_taken_back_when_its_page_is_closed(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page(FLEET) as opened:
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        assert made.health()["used"] == 1
    idle(made)
    run = made.rest.config.dashboards_run
    wait_until(lambda: len(list(run.iterdir())) == 1)  # the folder of the one that waits


def test_a_page_that_stays_open_keeps_its_kernel(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page(FLEET) as opened:
        expect(opened.frame.get_by_text("none yet")).to_be_visible()
        opened.page.wait_for_timeout(15_000)  # longer than `idle_s`: that is what is looked at
        opened.frame.get_by_role("button", name="Count").click()
        expect(opened.frame.get_by_text("counted 1")).to_be_visible()
        expect(opened.page.get_by_role("alert")).to_be_hidden()


def test_who_comes_when_all_places_are_taken_is_told_so(made: Scene, open_page: OpenPage) -> None:
    idle(made)
    with open_page(FLEET) as a, open_page(FLEET) as b, open_page(FLEET) as c, open_page(FLEET) as d:
        for opened in (a, b, c, d):
            expect(opened.frame.get_by_text("none yet")).to_be_visible()
        with open_page(FLEET, "vera") as late:
            expect(late.frame.get_by_role("alert")).to_contain_text("4 dashboards are open")
            late.picture("full")
            assert late.faults() == []
            a.page.close()
            wait_until(lambda: made.health()["used"] == 3, timeout_s=30)
            late.frame.get_by_role("button", name="Try again").click()
            expect(late.frame.get_by_text("none yet")).to_be_visible()
