"""What the pages show to whom, and what each says where there is nothing, or too little right."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from core_double import ACCOUNT, REGION
from integration.pages.conftest import Scene
from mavis_core.errors import Unavailable
from mavis_ext.app import PREFIX
from mavis_hub.pages import runs
from pages_service import PagesService

SHOP = "/projects/shop"
PAGES: dict[str, Callable[[Scene], str]] = {
    "start": lambda scene: "/",
    "project": lambda scene: SHOP,
    "Runs": lambda scene: f"{SHOP}/runs",
    "Run that succeeded": lambda scene: f"{SHOP}/runs/{scene.done}",
    "Run that failed": lambda scene: f"{SHOP}/runs/{scene.failed}",
    "Run that waits": lambda scene: f"{SHOP}/runs/{scene.queued}",
    "schedules": lambda scene: f"{SHOP}/schedules",
    "members": lambda scene: f"{SHOP}/members",
    "records": lambda scene: "/records",
    "story": lambda scene: f"/stories/{scene.story}",
}
IN_PROJECT = [name for name in PAGES if name not in ("start", "story", "records")]
ELSEWHERE = (f"{PREFIX}/prefect/", "/hub/")
"""Links to what other processes serve."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_members(site: PagesService, scene: Scene, name: str) -> None:
    path = PAGES[name](scene)
    for person in ("ada", "olga", "vera"):
        assert site.get(person, path).status == 200
    leads = site.get(None, path)
    assert leads.status == 302
    assert "/hub/api/oauth2/authorize?" in leads.headers["Location"]
    assert site.get("unknown", path).status == 302
    posted = site.post(None, path, {})
    assert posted.status in (401, 405)


@pytest.mark.parametrize("name", IN_PROJECT)
def test_a_project_s_page_is_there_for_nobody_else(
    site: PagesService, scene: Scene, name: str
) -> None:
    path = PAGES[name](scene)
    for person in ("nina", "eve"):  # eve may administer the platform
        page = site.get(person, path)
        assert page.status == 404
        assert f"No project 'shop' that {person} may see" in site.text(page)
        assert b"Web shop" not in page.content
    page = site.get("emil", path)
    assert page.status == 403
    assert "needs the role" in site.text(page)
    other = path.replace("/shop", "/other")
    assert site.get("olga", other).status == 404


def test_a_story_shows_what_its_reader_may_see(site: PagesService, scene: Scene) -> None:
    path = f"/stories/{scene.story}"
    operator, viewer = site.text(site.get("olga", path)), site.text(site.get("vera", path))
    for text in (operator, viewer):
        assert "recovery_point.create succeeded shop web-1" in text
    assert "cloud.CreateSnapshots of i-" in operator
    assert "cloud.CreateSnapshots" not in viewer
    assert "The records are for operators, auditors and administrators" in viewer
    for person in ("nina", "emil"):
        page = site.get(person, path)
        assert page.status == 404
        assert "No story" in site.text(page)
    # An administrator of the platform sees all records, and Runs of the own projects only.
    platform = site.text(site.get("eve", path))
    assert "cloud.CreateSnapshots of i-" in platform
    assert "None that you may see" in platform
    assert site.get("olga", "/stories/nothing").status == 404
    assert site.get("olga", f"/stories/{'x' * 300}").status == 400
    assert site.get("olga", "/stories/%00").status == 400


def test_an_end_user_is_led_to_dashboards_and_nowhere_else(site: PagesService) -> None:
    page = site.get("emil", "/")
    assert "There is no dashboard for you yet" in site.text(page)
    assert "Web shop (shop)" in site.text(page)
    links = set(re.findall(r'href="(/[^"?]+)', page.content.decode()))
    assert {each for each in links if "/static/" not in each} == {
        f"{PREFIX}/",
        f"{PREFIX}/dashboards",
        "/hub/logout",
    }


def test_a_published_dashboard_is_one_click_away(site: PagesService) -> None:
    made = site.rest.ask(
        "POST", f"{SHOP}/dashboards", "ada", {"name": "status", "shipped": "status"}
    )
    assert made.status == 201, made.content
    way = f'href="{PREFIX}/dashboards/shop/status/"'
    for person, path in (("emil", "/"), ("olga", SHOP), ("emil", "/dashboards")):
        page = site.get(person, path)
        assert page.status == 200
        assert way in page.content.decode()


@pytest.mark.parametrize("person", ["ada", "olga", "vera", "emil", "nina", "eve"])
def test_no_link_leads_to_where_its_reader_may_not(
    site: PagesService, scene: Scene, person: str
) -> None:
    seen: set[str] = set()
    waiting = [f"{PREFIX}/"]
    while waiting:
        path = waiting.pop()
        page = site.get(person, path.removeprefix(PREFIX))
        assert page.status == 200, path
        found = re.findall(r'<a [^>]*href="([^"?#]+)', page.content.decode())
        new = {each for each in found if not each.startswith(ELSEWHERE)} - seen
        seen |= new
        waiting += sorted(new)
    assert {"ada": 11, "olga": 10, "vera": 9}.get(person, 0) <= len(seen)


def test_the_start_page_says_what_goes_on_and_what_went_wrong(
    site: PagesService, scene: Scene
) -> None:
    text = site.text(site.get("olga", "/"))
    going, wrong = text.index("Going on now"), text.index("Went wrong in the last 3 days")
    assert going < text.index("inventory.discover queued shop main") < wrong
    assert wrong < text.index("resource.tag failed shop web-1") < text.index("Your projects")
    assert "shop Web shop operator main fake · here-1 ok" in text
    assert "Prefect" not in text
    assert "Prefect" in site.text(site.get("ada", "/"))


def test_an_empty_start_page_says_what_to_do_first(site: PagesService) -> None:
    nobody, administrator = site.text(site.get("nina", "/")), site.text(site.get("eve", "/"))
    assert "A project's administrator gives you a role in it. Tell them your name" in nobody
    assert "mavis project create" not in nobody
    for words in ("mavis project create", "mavis key add", "mavis environment add", "discover"):
        assert words in administrator


def test_the_project_page_says_how_it_is(site: PagesService, scene: Scene) -> None:
    page = site.get("olga", SHOP)
    text = site.text(page)
    assert "Web shop project shop · you are operator in it" in text
    assert "1 of 1 machines protected by a backup plan" in text
    assert "1 instance" in text
    assert "2 volumes" in text
    assert re.search(r"Backup plans .*nightly on \d{4}-\d\d-\d\d", text)
    assert "main fake 111111111111 here-1 ok" in text
    by_id = site.get("olga", f"/projects/{_id_of_shop(site)}")
    assert by_id.status == 200
    assert 'href="/services/mavis/projects/shop"' in by_id.content.decode()


def test_a_new_project_says_what_comes_first(site: PagesService) -> None:
    made = site.rest.ask("POST", "/projects", "eve", {"name": "empty", "title": "Empty"})
    assert made.status == 201
    text = site.text(site.get("eve", "/projects/empty"))
    assert "No account is connected yet" in text
    assert "mavis resource discover -p empty" in text
    assert "None yet: nothing is protected by itself" in text
    assert "Nothing was done yet" in text
    assert "No backup plan yet" in site.text(site.get("eve", "/projects/empty/schedules"))


def test_the_runs_of_a_project_are_had_by_state_and_page_by_page(
    site: PagesService, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = site.text(site.get("olga", f"{SHOP}/runs?state=failed"))
    assert "resource.tag failed web-1" in failed
    assert "recovery_point.create" not in failed
    none = site.text(site.get("olga", f"{SHOP}/runs?state=refused"))
    assert "No Run of this project is refused. See all" in none
    assert site.get("olga", f"{SHOP}/runs?state=odd").status == 400
    monkeypatch.setattr(runs, "_AT_A_TIME", 1)
    seen: list[str] = []
    path = f"{SHOP}/runs?state=succeeded"
    while path:
        html = site.get("olga", path).content.decode()
        seen += re.findall(r'<a href="[^"]+/(run_\w+)"', html)
        more = re.findall(r'href="(\?[^"]+cursor=[^"]+)"', html)
        path = f"{SHOP}/runs{more[0].replace('&amp;', '&')}" if more else ""
    assert len(seen) == len(set(seen)) >= 2
    assert scene.done in seen


def test_a_run_shows_its_steps_its_log_and_what_came_of_it(
    site: PagesService, scene: Scene
) -> None:
    text = site.text(site.get("olga", f"{SHOP}/runs/{scene.done}"))
    assert re.search(r"recovery_point.create web-1 \(i-\w+\) succeeded", text)
    assert "Take the snapshots done" in text
    assert "1 complete, 0 failed recovery point rp_" in text
    assert re.search(r"ok cloud.CreateSnapshots of i-\w+ done olga worker", text)
    assert "create recovery_point web-1 (new) main 111111111111 here-1" in text
    viewer = site.text(site.get("vera", f"{SHOP}/runs/{scene.done}"))
    assert "The records are for operators" in viewer
    assert "cloud.CreateSnapshots" not in viewer


def test_a_script_that_follows_a_run_gets_what_may_change(site: PagesService, scene: Scene) -> None:
    path = f"{SHOP}/runs/{scene.done}"
    whole, part = site.get("olga", path), site.script("olga", path)
    assert part.status == 200
    ids = [re.findall(r'id="(\w+)" data-live', page.content.decode()) for page in (whole, part)]
    assert ids[0] == ids[1] == ["state", "took", "error", "steps", "result", "log"]
    assert "What was asked for" in site.text(whole)
    assert "What was asked for" not in site.text(part)


def test_a_failed_run_says_why_and_what_to_do(site: PagesService, scene: Scene) -> None:
    page = site.get("olga", f"{SHOP}/runs/{scene.failed}")
    text = site.text(page)
    assert "may not ec2:CreateTags <b> Add the named action to the policy" in text
    assert re.search(r"Code cloud_denied , request req_\w+", text)
    assert b"<b>" not in page.content
    assert b"<i>" not in page.content
    assert b"a=&lt;i&gt;" in page.content


def test_the_schedules_say_when_and_how_the_last_one_ended(
    site: PagesService, scene: Scene
) -> None:
    text = site.text(site.get("olga", f"{SHOP}/schedules"))
    assert "nightly on When daily 30 2 * * * in Europe/Berlin In the name of ada" in text
    assert len(re.findall(r"02:30 CES?T daily", text)) == 10
    assert "None has begun yet" in text
    assert site.get("olga", f"{SHOP}/schedules?cursor=x").status == 400


def test_a_log_that_does_not_answer_is_told(
    site: PagesService, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(query: object) -> None:
        raise Unavailable("The log process does not answer")

    monkeypatch.setattr(type(site.rest.app.logs), "search", lambda self, query: search(query))
    for path in (f"{SHOP}/runs/{scene.done}", f"/stories/{scene.story}"):
        page = site.get("olga", path)
        assert page.status == 200
        assert "The log process does not answer. Wait a moment" in site.text(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_s_policy_lets_nothing_in_but_its_own(
    site: PagesService, scene: Scene, name: str
) -> None:
    first, second = (site.get("olga", PAGES[name](scene)) for _ in range(2))
    policy, html = first.headers["Content-Security-Policy"], first.content.decode()
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert nonce not in second.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=|javascript:", html)
    assert all(nonce in tag for tag in re.findall(r"<(?:script|link rel=.stylesheet)[^>]*>", html))
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in first.headers
    assert re.search(r"<title>.+</title>", html)
    assert html.count("<h1") == 1


def test_a_file_is_kept_as_long_as_its_address_says_what_is_in_it(site: PagesService) -> None:
    page = site.get("olga", "/").content.decode()
    paths = re.findall(rf'"{PREFIX}(/static/[^"]+\?v=\w+)"', page)
    assert len(paths) == 2
    for path in paths:
        file = site.get(None, path)
        assert file.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert file.headers["Content-Type"].startswith(("text/css", "text/javascript"))
        assert site.get(None, path + "0").headers["Cache-Control"] == "private, no-cache"
    assert site.get(None, "/static/handlers.py").status == 404


def test_an_error_is_a_page_with_what_to_do(site: PagesService) -> None:
    page = site.get("olga", "/projects/%3Cb%3E")
    assert page.status == 404
    assert "&lt;b&gt;" in page.content.decode()
    assert "<b>" not in page.content.decode()
    assert "<code>mavis project list</code> shows yours" in page.content.decode()
    assert page.headers["X-Request-Id"] in page.content.decode()


def test_machines_with_the_same_trouble_share_a_line(site: PagesService, scene: Scene) -> None:
    cloud = site.rest.cloud
    for name in ("web-2", "web-3"):
        cloud.launch(ACCOUNT, REGION, name)
    discovered = site.rest.ask("POST", f"{SHOP}/discoveries", "olga", {})
    assert discovered.status == 202
    site.rest.core.carry_out_only("inventory.discover")
    text = site.text(site.get("olga", SHOP))
    assert re.search(
        r"never backed up web-1 \(i-\w+\), web-2 \(i-\w+\), web-3 \(i-\w+\) nightly", text
    )


def _id_of_shop(site: PagesService) -> str:
    found = site.rest.ask("GET", "/projects/shop", "olga")
    return str(found.json["id"])
