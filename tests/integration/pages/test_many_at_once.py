"""Many changes on one page: one name, one story, each with its own end."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core_double import ACCOUNT, KERNEL, PERSON, PLATFORM, REGION, call
from mavis_core import clock
from mavis_core.access import Role
from mavis_ext.app import PREFIX
from pages_service import PagesService
from rest_service import Answer, caller

SHOP = "/projects/shop"
GROUP = "pgr_0" + "0" * 23


NAMES = ("app-1", "app-2", "app-3")
_numbers = itertools.count(10)


def discover(site: PagesService) -> None:
    site.rest.core.runs.start(
        call("olga"), "shop", action="inventory.discover", resource=None, arguments={}
    )
    assert site.rest.core.carry_out() is None


@pytest.fixture
def group(site: PagesService) -> Iterator[str]:
    """Three machines that are to be stopped, as a notebook of olga's asks; the id of the group."""
    there = {one.tags["Name"] for one in site.rest.cloud.instances.values()}
    for name in NAMES:
        if name not in there:
            site.rest.cloud.launch(ACCOUNT, REGION, name)
    discover(site)
    made = f"{GROUP}{next(_numbers)}"
    for name in NAMES:
        assert ask(site, made, name).status == 201
    yield made
    site.rest.core.drop_queued()
    site.rest.core.carry_out()


def ask(
    site: PagesService,
    group: str,
    name: str,
    token: str = "notebook",
    action: str = "resource.stop",
) -> Answer:
    body = {"action": action, "resource": name, "group": group}
    return site.rest.ask("POST", f"{SHOP}/previews", token, body)


def page_of(group: str) -> str:
    return f"{SHOP}/preview-groups/{group}"


def apply(
    site: PagesService, group: str, typed: str = "shop", person: str = "olga", **more: str
) -> Answer:
    page = site.get(person, page_of(group))
    fields = site.fields(page) | {"answer": "apply", "confirm": typed} | more
    return site.post(person, page_of(group), fields)


def states(site: PagesService, group: str) -> dict[str, str]:
    """Return what the page says has become of each."""
    text = site.get("olga", page_of(group)).content.decode()
    rows = re.findall(r'<tr><th scope="row">(\S+) .*?</th>\s*<td>(.*?)</td>', text, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]*>", " ", cell).split()) for name, cell in rows}


def test_one_name_lets_all_happen_in_one_story(site: PagesService, group: str) -> None:
    text = site.text(site.get("olga", page_of(group)))
    assert "resource.stop: 3 plans interrupts" in text
    for name in NAMES:
        assert f"What runs on {name} " in text
    assert "Type the project's name, shop , to go on with all 3" in text
    assert set(states(site, group).values()) == {"pending"}
    assert apply(site, group, "other").status == 409
    assert set(states(site, group).values()) == {"pending"}
    done = apply(site, group)
    assert (done.status, done.headers["Location"]) == (303, f"{PREFIX}{page_of(group)}")
    runs = site.rest.ask("GET", f"{SHOP}/runs?state=queued").json["items"]
    assert {run["subject"].split()[0] for run in runs} == set(NAMES)
    (story,) = {run["correlation_id"] for run in runs}
    assert {run["person"] for run in runs} == {"olga"}
    page = site.get("olga", page_of(group))
    assert "All of these plans have been applied." in site.text(page)
    assert f"/stories/{story}" in page.content.decode()
    assert b"<form" not in page.content


def test_what_cannot_be_done_says_why_and_holds_nothing_else_up(
    site: PagesService, group: str
) -> None:
    """One machine is gone since: it is refused alone, recorded, and the widget is told."""
    core = site.rest.core
    (victim,) = [i for i in site.rest.cloud.instances.values() if i.tags["Name"] == "app-2"]
    site.rest.cloud.vanish(victim.id)
    discover(site)
    assert apply(site, group).status == 303
    told = states(site, group)
    assert told["app-1"].startswith("Run")
    assert told["app-3"].startswith("Run")
    assert re.search(r"refused .*app-2", told["app-2"])
    page = site.text(site.get("olga", page_of(group)))
    assert "2 of 3 applied." in page
    assert "Apply the one that is left" in page
    previews = [each for each in core.records_ever() if each["data"].get("group") == group]
    assert [each["outcome"] for each in previews] == ["refused"]
    assert previews[0]["object"].startswith("app-2")
    queued = site.rest.ask("GET", f"{SHOP}/runs?state=queued").json["items"]
    assert {run["correlation_id"] for run in queued} == {previews[0]["correlation_id"]}


def test_what_was_added_since_it_was_read_is_not_done_unread(
    site: PagesService, group: str
) -> None:
    fields = site.fields(site.get("olga", page_of(group))) | {"answer": "apply", "confirm": "shop"}
    assert ask(site, group, "web-1").status == 201
    late = site.post("olga", page_of(group), fields)
    assert late.status == 409
    assert "others than those that were shown" in site.text(late)
    assert set(states(site, group).values()) == {"pending"}


def test_each_is_asked_for_its_own_permission(site: PagesService, group: str) -> None:
    """A group of what one may and what one may not is not applied as a whole from the page."""
    core = site.rest.core
    core.projects.put_member(call("ada", PLATFORM), "shop", "user:otto", Role.OPERATOR)
    site.hub.known["otto"] = caller("otto", PERSON)
    assert ask(site, group, "app-1", "otto").status == 201
    assert site.text(site.get("otto", page_of(group))).count("What runs on app-1") == 1
    fields = site.fields(site.get("otto", page_of(group))) | {"answer": "apply", "confirm": "shop"}
    core.projects.put_member(call("ada", PLATFORM), "shop", "user:otto", Role.VIEWER)
    assert site.post("otto", page_of(group), fields).status == 303
    page = site.text(site.get("otto", page_of(group)))
    assert "needs the role admin or operator" in page
    assert "You may look at these plans and not apply them" in page
    assert site.rest.ask("GET", f"{SHOP}/runs?state=queued").json["items"] == []
    core.projects.remove_member(call("ada", PLATFORM), "shop", "user:otto")


def test_only_the_page_itself_applies_them(site: PagesService, group: str) -> None:
    path = page_of(group)
    good = site.fields(site.get("olga", path)) | {"answer": "apply", "confirm": "shop"}
    assert site.post("olga", path, good | {"ticket": ""}).status == 403
    assert site.post("olga", path, good | {"_xsrf": "x"}).status == 401
    assert site.post("olga", path, good, {"Origin": "https://evil.example"}).status == 403
    assert site.post("olga", path, good, {"Authorization": "token notebook"}).status == 403
    assert b"<form" not in site.get("olga", path, {"Sec-Fetch-Dest": "iframe"}).content
    assert set(states(site, group).values()) == {"pending"}
    assert site.get("vera", path).status == 404
    assert site.get("nina", path).status == 404
    assert site.post("olga", path, good).status == 303


def test_it_expires_as_a_whole(site: PagesService, group: str) -> None:
    later = clock.now() + timedelta(minutes=16)
    with clock.set_clock(lambda: later):
        page = site.get("olga", page_of(group))
        assert "These plans have expired. Nothing was changed." in site.text(page)
        assert b"<form" not in page.content


@pytest.mark.parametrize("bad", ["x", "pre_" + "0" * 26, "pgr_" + "z" * 26, ""])
def test_a_group_has_an_id_of_its_form(site: PagesService, bad: str) -> None:
    answer = ask(site, bad, "app-1")
    assert (answer.status, answer.json["field"]) == (400, "group")


def test_a_kernel_cannot_apply_one_of_them_either(site: PagesService, group: str) -> None:
    assert KERNEL < PERSON
    shown = ask(site, group, "web-1").json
    body = {"hash": shown["hash"], "confirm": "shop"}
    path = f"{SHOP}/previews/{shown['id']}/apply"
    assert site.rest.ask("POST", path, "notebook", body).code == "forbidden"
