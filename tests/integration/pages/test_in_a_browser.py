"""The pages in Chromium: for everybody, on every screen, and against scripts of the same origin.

With ``MAVIS_SCREENSHOTS=DIR`` the pictures are kept in that folder.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from core_double import PLATFORM, call, plan_document
from integration.pages.conftest import Scene
from integration.pages.test_confirmation import previewed
from mavis_core import clock, records
from mavis_core.access import Permission
from mavis_core.records import Kind, Outcome, Phase, Record
from mavis_ext.app import PREFIX
from pages_service import COOKIE, PagesService

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
SHOP = "/projects/shop"
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 800}},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 800}},
}
NOTE_VIOLATIONS = """
window.stopped = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.stopped.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
PICTURED: dict[str, tuple[str, Callable[[PagesService, Scene], str]]] = {
    "start": ("olga", lambda site, scene: "/"),
    "start-admin-empty": ("eve", lambda site, scene: "/"),
    "start-enduser": ("emil", lambda site, scene: "/"),
    "project": ("olga", lambda site, scene: SHOP),
    "preview": ("olga", lambda site, scene: previewed(site)),
    "preview-viewer": ("vera", lambda site, scene: previewed(site, "vera")),
    "preview-plan": ("ada", lambda site, scene: edited(site)),
    "preview-group": ("olga", lambda site, scene: many(site)),
    "project-production": ("ada", lambda site, scene: live(site)),
    "points": ("olga", lambda site, scene: f"{SHOP}/recovery-points"),
    "point": ("ada", lambda site, scene: restored(site)),
    "restores": ("olga", lambda site, scene: f"{SHOP}/restores"),
    "run": ("olga", lambda site, scene: f"{SHOP}/runs/{scene.done}"),
    "runs": ("olga", lambda site, scene: f"{SHOP}/runs"),
    "run-failed": ("olga", lambda site, scene: f"{SHOP}/runs/{scene.failed}"),
    "run-queued": ("olga", lambda site, scene: f"{SHOP}/runs/{scene.queued}"),
    "schedules": ("olga", lambda site, scene: f"{SHOP}/schedules"),
    "members": ("ada", lambda site, scene: f"{SHOP}/members"),
    "members-leave": ("ada", lambda site, scene: f"{SHOP}/members?leave=user:olga"),
    "members-viewer": ("vera", lambda site, scene: f"{SHOP}/members"),
    "records": ("olga", lambda site, scene: "/records"),
    "records-sought": (
        "olga",
        lambda site, scene: "/records?person=olga&outcome=failed&kind=audit&regex=Create.*",
    ),
    "records-saved": ("olga", lambda site, scene: kept(site)),
    "records-around": ("olga", lambda site, scene: around(site)),
    "records-none": ("vera", lambda site, scene: "/records"),
    "new-project": ("ada", lambda site, scene: "/new-project"),
    "story": ("olga", lambda site, scene: f"/stories/{scene.story}"),
}


def kept(site: PagesService) -> str:
    """Keep two searches; return the page of one."""
    path = "/records?person=olga&outcome=failed"
    searches = {
        "What failed": {"person": "olga", "outcome": "failed"},
        "Snapshots": {"action": "cloud.Create"},
    }
    for name, asked in searches.items():
        given = site.fields(site.get("olga", path))
        sent = {each: given[each] for each in ("_xsrf", "ticket")} | asked | {"name": name}
        assert site.post("olga", "/records/searches", sent).status == 303
    return path


def around(site: PagesService) -> str:
    """Return the page of what is around a record."""
    asked = "/projects/shop/records?action=cloud.&limit=1"
    (record,) = site.rest.ask("GET", asked).json["items"]
    return f"/records/{record['id']}"


def edited(site: PagesService) -> str:
    """Ask for the preview of another definition of a plan; return its page."""
    wanted = plan_document(
        keep={"daily": 7, "weekly": 4}, rpo="26h", selection={"match": "tag:never = yes"}
    )
    body = {
        "action": "backup_plan.change",
        "resource": "nightly",
        "arguments": {"definition": wanted},
    }
    made = site.rest.ask("POST", f"{SHOP}/previews", "ada", body)
    return f"{SHOP}/previews/{made.json['id']}"


def restored(site: PagesService) -> str:
    """Let a recovery point be restored in place, where none was; return its page."""
    core, ada = site.rest.core, call("ada", PLATFORM)
    (point, *_) = site.rest.ask("GET", f"{SHOP}/recovery-points?state=complete").json["items"]
    if not site.rest.ask("GET", f"{SHOP}/restores").json["items"]:
        shown = core.runs.preview(
            ada, "shop", action="restore.in_place", resource=point["id"], arguments={}
        )
        core.runs.apply(ada, "shop", shown.id, hash=shown.hash, confirm="shop")
        core.carry_out_only("restore.in_place")
    return f"{SHOP}/recovery-points/{point['id']}"


def live(site: PagesService) -> str:
    """Make a project that is in production, where there is none; return its page."""
    body = {"name": "live", "title": "The live shop", "production": True}
    assert site.rest.ask("POST", "/projects", "ada", body).status in (201, 409)
    return "/projects/live"


def many(site: PagesService) -> str:
    """Ask for previews of several things together; return their page."""
    group = f"pgr_0{secrets.token_hex(13)[:25]}"
    for action in ("resource.stop", "resource.start"):
        body = {"action": action, "resource": "web-1", "group": group}
        assert site.rest.ask("POST", f"{SHOP}/previews", "olga", body).status == 201
    return f"{SHOP}/preview-groups/{group}"


@dataclass
class Visit:
    """An open page, and what it did."""

    page: Page
    sent: list[Request] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def note(self, request: Request) -> None:
        self.sent.append(request)

    @property
    def outside(self) -> list[str]:
        here = urlsplit(self.page.url).netloc
        urls = [urlsplit(each.url) for each in self.sent]
        return [url.geturl() for url in urls if url.scheme != "data" and url.netloc != here]

    @property
    def stopped(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.stopped")
        return found

    def faults(self) -> list[str]:
        """Return what axe finds fault with, of moderate impact and worse."""
        # By the debugger, since the page's policy lets no other script in.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")
        return [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:120]}"
            for each in found["violations"]
            if each["impact"] != "minor"
        ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield found
        found.close()


Visits = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="module")
def visit(site: PagesService, browser: Browser) -> Visits:
    @contextmanager
    def visit(person: str, path: str, view: str = "light", **options: Any) -> Iterator[Visit]:
        context = browser.new_context(base_url=site.url, **{**VIEWS[view], **options})
        context.set_default_timeout(30_000)
        context.add_cookies(
            [{"name": COOKIE, "value": site.cookie(person), "url": f"{site.url}{PREFIX}/"}]
        )
        context.add_init_script(NOTE_VIOLATIONS)
        opened = Visit(context.new_page())
        opened.page.on("request", opened.note)
        opened.page.on("console", lambda said: opened.printed.append(said.text))
        opened.page.on("pageerror", lambda error: opened.printed.append(str(error)))
        opened.page.goto(PREFIX + path)
        yield opened
        context.close()

    return visit


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where pictures are wanted."""
    if folder := os.environ.get("MAVIS_SCREENSHOTS"):
        path = Path(folder, f"page-{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PICTURED)
def test_a_page_is_for_everybody_and_asks_nobody_else(
    site: PagesService, scene: Scene, visit: Visits, name: str, view: str
) -> None:
    person, address = PICTURED[name]
    with visit(person, address(site, scene), view) as opened:
        page = opened.page
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        picture(page, f"{name}-{view}")
        assert opened.outside == []
        assert opened.stopped == []
        assert opened.printed == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert opened.faults() == []


def test_what_is_counted_as_none_would_be_seen(scene: Scene, visit: Visits) -> None:
    with visit("olga", SHOP) as opened:
        opened.page.evaluate("fetch('https://cdn.example.org/x.js').catch(() => null)")
        opened.page.evaluate("document.querySelector('main').append(new Image())")
        assert opened.stopped == ["connect-src https://cdn.example.org/x.js"]
        assert opened.printed != []
        assert any(each.startswith("image-alt") for each in opened.faults())


def test_a_plan_is_confirmed_by_keyboard_and_leads_to_its_run_live(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    with visit("olga", previewed(site)) as opened:
        page = opened.page
        expect(page.get_by_role("link", name="Cancel")).to_be_focused()
        expect(page.get_by_role("timer")).to_contain_text("expires in 14 min 5")
        page.get_by_label("Type the project's name").fill("shoop")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("That is not the project's name")
        assert opened.faults() == []
        page.get_by_label("Type the project's name").fill("shop")
        page.get_by_role("button", name="Apply: resource.stop").click()
        page.wait_for_url("**/runs/run_*")
        expect(page.locator("#state")).to_have_text("queued")
        with working(site):
            expect(page.locator("#state")).to_have_text("succeeded")
            expect(page.locator("#steps")).to_contain_text("Stop the instance")
            expect(page.locator("#log")).to_contain_text("resource.stop of web-1")
        expect(page.get_by_role("status")).to_have_text("The Run is succeeded")
        expect(page.get_by_text("End it before it is done")).to_have_count(0)
        expect(page).to_have_title("resource.stop web-1 (i-00000000000000003): succeeded · Mavis")
        assert opened.outside == []
        assert opened.stopped == []
        assert opened.faults() == []
        page.reload()
        expect(page.locator("#state")).to_have_text("succeeded")


def test_records_are_followed_as_they_arrive(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    with visit("olga", "/records?action=tailed.") as opened:
        page = opened.page
        expect(page.locator("#found")).to_contain_text("No record matches")
        live = page.get_by_role("button", name="Follow live")
        with page.expect_response(lambda answer: "/records/events" in answer.url):
            live.focus()
            page.keyboard.press("Enter")
        expect(page.get_by_role("button", pressed=True)).to_have_text("Following live")
        shop = site.rest.core.projects.authorize(
            call("ada", PLATFORM), "shop", Permission.PROJECT_READ
        ).project
        arrived = Record(
            kind=Kind.AUDIT,
            phase=Phase.EVENT,
            outcome=Outcome.OK,
            action="tailed.thing",
            person="Doe, Jane",
            project=shop.id,
            object="thing",
            summary="Something <b>happened</b>",
            correlation_id="cor_1",
        )
        with site.rest.core.database.write() as tx:
            records.write(tx, arrived)
        expect(page.locator("#found")).to_contain_text("Something <b>happened</b>")
        expect(page.get_by_role("status")).to_have_text("One more record")
        assert opened.faults() == []
        assert opened.outside == []
        assert opened.stopped == []
        page.get_by_role("button", name="Following live").click()
        expect(page.locator("#live")).to_have_text("Follow live")
        page.get_by_role("link", name="Look again").click()
        page.get_by_role("link", name="Doe, Jane").click()
        expect(page.locator("#found")).to_contain_text("Something <b>happened</b>")
        expect(page.get_by_role("link", name="Leave out person")).to_contain_text("Doe\\, Jane")
        with page.expect_download() as taken:
            page.get_by_role("link", name="CSV").click()
        text = Path(taken.value.path()).read_text("utf-8")
        assert "Something <b>happened</b>" in text
        assert text.count("tailed.thing") == 1
        page.get_by_role("link", name="Around").click()
        expect(page.locator("tr[aria-current]")).to_contain_text("Something <b>happened</b>")


def test_the_list_is_above_the_fold(site: PagesService, scene: Scene, visit: Visits) -> None:
    kept(site)
    with visit("olga", "/records") as opened:
        row = opened.page.locator("#found tbody tr").first.bounding_box()
        assert row is not None
        assert row["y"] + row["height"] < 800
    with visit("olga", "/records", "phone") as opened:
        expect(opened.page.get_by_text("Narrow it down").first).to_be_visible()
        expect(opened.page.locator(".facets li").first).to_be_hidden()


def test_a_plan_that_expires_under_the_eye_says_so(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    path = previewed(site)
    with visit("olga", path) as opened:
        page = opened.page
        later = clock.now() + timedelta(minutes=16)
        with clock.set_clock(lambda: later):
            # What the countdown does at its end.
            page.evaluate(
                "document.querySelector('[data-told=left]').dateTime = new Date(0).toISOString()"
            )
            expect(page.get_by_role("alert")).to_contain_text("This plan has expired")
            page.get_by_role("button", name="Show what it would do now").click()
            page.wait_for_url(lambda url: path not in url)
            expect(page.get_by_role("link", name="Cancel")).to_be_visible()


def test_a_run_is_ended_from_its_page(site: PagesService, scene: Scene, visit: Visits) -> None:
    run = site.rest.core.runs.start(
        call("olga"), "shop", action="inventory.discover", resource=None, arguments={}
    )
    with visit("olga", f"{SHOP}/runs/{run.id}") as opened:
        page = opened.page
        page.get_by_text("End it before it is done").click()
        page.get_by_role("button", name="Cancel the Run").click()
        expect(page.locator("#state")).to_contain_text("being cancelled")
        with working(site):
            expect(page.locator("#state")).to_have_text("cancelled")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            {"status": 503},
            "This page hears no more of the Run, which goes on. Reload the page.",
            id="refused",
        ),
        pytest.param(
            {
                "content_type": "text/event-stream",
                "body": 'event: problem\ndata: {"detail": "No more", "mend": "Ask ada."}\n\n',
            },
            "No more. Ask ada. The Run goes on.",
            id="ended by the appliance",
        ),
        pytest.param(
            {"content_type": "text/event-stream", "body": "retry: 60000\n\n"},
            "The appliance does not answer. Asking again; the Run goes on.",
            id="broken off",
        ),
    ],
)
def test_a_page_that_hears_no_more_of_its_run_says_so(
    site: PagesService, scene: Scene, visit: Visits, answer: dict[str, Any], told: str
) -> None:
    run = site.rest.core.runs.start(
        call("olga"), "shop", action="inventory.discover", resource=None, arguments={}
    )
    with visit("olga", SHOP) as opened:
        opened.page.route("**/events?*", lambda route: route.fulfill(**answer))
        opened.page.goto(f"{PREFIX}{SHOP}/runs/{run.id}")
        expect(opened.page.get_by_role("alert")).to_have_text(told)
    site.rest.core.drop_queued()


def test_pages_work_without_scripts(site: PagesService, scene: Scene, visit: Visits) -> None:
    with visit("olga", previewed(site), java_script_enabled=False) as opened:
        page = opened.page
        page.get_by_label("Type the project's name").fill("shop")
        page.get_by_role("button", name="Apply: resource.stop").click()
        page.wait_for_url("**/runs/run_*")
        expect(page.locator("#state")).to_have_text("queued")
        page.get_by_text("End it before it is done").click()
        page.get_by_role("button", name="Cancel the Run").click()
        expect(page.locator("#state")).to_contain_text("being cancelled")


def test_times_are_in_the_reader_s_zone_and_ids_copy(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    options = {"timezone_id": "Asia/Tokyo", "locale": "en-GB"}
    permissions = ["clipboard-read", "clipboard-write"]
    with visit("olga", f"{SHOP}/schedules", permissions=permissions, **options) as opened:
        page = opened.page
        due = page.get_by_role("region", name="Next slots of nightly").get_by_role("row").nth(1)
        expect(due).to_contain_text("10:30 GMT+9")
        expect(due).to_contain_text("02:30 CE")
        told = due.locator("time").first.get_attribute("title")
        assert told is not None
        assert told.endswith(("01:30:00 UTC", "00:30:00 UTC"))
        page.goto(f"{PREFIX}{SHOP}/runs/{scene.done}")
        code = page.get_by_role("button", name=scene.done)
        code.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Copied run_")
        assert page.evaluate("navigator.clipboard.readText()") == scene.done


def test_a_long_list_of_projects_is_filtered(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    for number in range(9):
        body = {"name": f"team-{number}", "title": f"Team {number}"}
        assert site.rest.ask("POST", "/projects", "ada", body).status == 201
    with visit("ada", "/") as opened:
        page = opened.page
        rows = page.get_by_role("region", name="Your projects").locator("tbody tr:visible")
        expect(rows.filter(has_text="Team")).to_have_count(9)
        everything = rows.count()
        assert everything > 9
        page.keyboard.press("/")
        page.keyboard.type("Team 4")
        expect(rows).to_have_count(1)
        page.keyboard.type("x")
        expect(page.get_by_text("No row has this text")).to_be_visible()
        page.keyboard.press("Escape")
        expect(rows).to_have_count(everything)
        assert opened.faults() == []


ATTACK = """
async ({ page, xsrf }) => {
  const found = {};
  const looked = await fetch(page, { headers: { "X-XSRFToken": xsrf } });
  const read = await looked.text();
  found.fetched = [looked.status, read.includes('name="ticket"')];
  const frame = document.createElement("iframe");
  frame.src = page;
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  let inside = "";
  try { inside = frame.contentDocument.documentElement.outerHTML; } catch { /* not ours */ }
  found.framed = inside.includes('name="ticket"');
  const opened = window.open(page);
  await new Promise((done) => { setTimeout(done, 2000); });
  let held = "";
  try { held = opened.document.documentElement.outerHTML; } catch { /* not ours */ }
  found.held = [opened.closed, held.includes('name="ticket"')];
  const hash = read.match(/name="hash" value="([^"]+)"/)?.[1] ?? "0";
  const fields = { _xsrf: xsrf, hash, answer: "apply", confirm: "shop" };
  const sent = await fetch(page, { method: "POST", body: new URLSearchParams(fields) });
  found.sent = sent.status;
  history.replaceState({}, "", page);  // so that it looks as if the page itself had sent it
  const form = Object.assign(document.createElement("form"), { method: "post", action: page });
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(form);
  setTimeout(() => form.submit(), 0);
  return found;
}
"""


def test_a_script_of_the_same_origin_applies_nothing(
    site: PagesService, scene: Scene, visit: Visits
) -> None:
    """The worst case: a notebook's script that has the cookie's token, at the pages' own origin."""
    path = previewed(site)
    with visit("olga", path) as opened:
        page = opened.page
        (xsrf,) = [each["value"] for each in page.context.cookies() if each["name"] == "_xsrf"]
        page.goto(f"{site.url}/user/mallory/notebook")
        found = page.evaluate(ATTACK, {"page": f"{PREFIX}{path}", "xsrf": xsrf})
        refused = page.get_by_text("This answer does not come from the page that asks")
        expect(refused).to_be_visible()
    assert found["fetched"] == [200, False]
    assert found["framed"] is False
    assert found["held"] == [True, False], "a window that it opens is out of its hands"
    assert found["sent"] == 403
    told = site.rest.ask("GET", path, "olga").json
    assert told["id"] in path
    assert "This plan has been applied" not in site.text(site.get("olga", path))


@contextmanager
def working(site: PagesService) -> Iterator[None]:
    """Let a worker do what is due inside the block."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            site.rest.core.carry_out()

    worker = threading.Thread(target=work, name="worker")
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join(10)
