"""The page on which a change is confirmed: what it says, who may send it, and what then happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core_double import KERNEL, PERSON, PLATFORM, call, plan_document
from mavis_core import clock
from mavis_core.access import Scope
from mavis_ext.app import PREFIX
from mavis_kernel import Mavis
from mavis_kernel.cli.plans import plan_text
from pages_service import PagesService
from rest_service import Answer, caller

SHOP = "/projects/shop"


@pytest.fixture(scope="module", autouse=True)
def people(site: PagesService) -> None:
    site.hub.known["oscar"] = caller("as-operator", PERSON)
    site.hub.known["notebook of oscar"] = site.hub.known["notebook"]


def previewed(site: PagesService, person: str = "olga", action: str = "resource.stop") -> str:
    """Ask for a preview as a command line or a notebook does; return its page."""
    body = {"action": action, "resource": "web-1"}
    made = site.rest.ask("POST", f"{SHOP}/previews", person, body)
    assert made.status == 201, made.content
    return f"{SHOP}/previews/{made.json['id']}"


def confirm(
    site: PagesService, path: str, typed: str = "shop", person: str = "olga", **changed: str
) -> Answer:
    """Open the page, type the name and press the button."""
    fields = site.fields(site.get(person, path))
    headers = {
        name.replace("_", "-"): value for name, value in changed.items() if name[0].isupper()
    }
    fields |= {name: value for name, value in changed.items() if not name[0].isupper()}
    return site.post(person, path, {**fields, "answer": "apply", "confirm": typed}, headers)


@pytest.fixture
def path(site: PagesService) -> Iterator[str]:
    """A preview of stopping a machine; whatever came of it is forgotten at the end."""
    yield previewed(site)
    site.rest.core.drop_queued()


def runs(site: PagesService) -> int:
    return len(site.rest.ask("GET", f"{SHOP}/runs?limit=200").json["items"])


def test_it_shows_what_the_command_line_shows(site: PagesService, path: str) -> None:
    with Mavis(f"{site.url}{PREFIX}", "olga") as client:
        lines = plan_text(client.previews.get("shop", path.rpartition("/")[2])).splitlines()
    page = site.get("olga", path)
    assert page.status == 200
    text = site.text(page)
    (row,) = [line for line in lines if line.startswith("stop")]
    assert " ".join(row.split()) in text
    for line in lines:
        if line.startswith("Warning: "):
            assert line in text
    head = [part.strip() for part in lines[0].removeprefix("Plan ").split("·")]
    identity, what = head[0].split(": ")
    assert identity in text
    assert f"{what} {head[1]}" in text
    columns = re.findall(r'<th scope="col">([^<]+)</th>', page.content.decode())
    assert [each.upper() for each in columns] == re.split(r"\s{2,}", lines[2])
    assert "Start it again: mavis resource start" in text
    assert "It interrupts. Type the project's name, shop , to go on" in text
    assert re.search(
        r'<a class="button" href="/services/mavis/projects/shop" autofocus>Cancel',
        page.content.decode(),
    )
    assert re.search(r"expires 1[45] min \d\d s", text)


def test_the_person_at_the_browser_applies_it_once(site: PagesService, path: str) -> None:
    first = confirm(site, path)
    assert first.status == 303, first.content
    assert re.fullmatch(rf"{PREFIX}{SHOP}/runs/run_\w+", first.headers["Location"])
    page = site.get("olga", path)
    assert "This plan has been applied" in site.text(page)
    assert first.headers["Location"] in page.content.decode()
    assert "ticket" not in site.fields(page)
    assert b"<form" not in page.content
    run = site.rest.ask("GET", first.headers["Location"].removeprefix(PREFIX), "olga").json
    assert (run["person"], run["kind"], run["state"]) == ("olga", "resource.stop", "queued")
    (record,) = [
        each
        for each in site.rest.core.records_ever()
        if each["correlation_id"] == run["correlation_id"]
    ]
    assert (record["person"], record["action"], record["source"]) == (
        "olga",
        "resource.stop",
        "127.0.0.1",
    )


def test_a_form_that_is_sent_twice_leads_to_the_same_run(site: PagesService, path: str) -> None:
    fields = site.fields(site.get("olga", path)) | {"answer": "apply", "confirm": "shop"}
    places = [site.post("olga", path, fields).headers["Location"] for _ in range(2)]
    assert places[0] == places[1]


@pytest.mark.parametrize("typed", ["", "Shop", "web-1", "other"])
def test_another_name_changes_nothing_and_is_asked_again(
    site: PagesService, path: str, typed: str
) -> None:
    before = runs(site)
    page = confirm(site, path, typed)
    assert page.status == 409
    assert "That is not the project's name. Nothing was changed." in site.text(page)
    assert 'aria-invalid="true"' in page.content.decode()
    assert runs(site) == before
    fields = site.fields(page) | {"answer": "apply", "confirm": " shop "}
    assert site.post("olga", path, fields).status == 303


def test_what_creates_only_asks_for_no_name(site: PagesService) -> None:
    path = previewed(site, action="recovery_point.create")
    page = site.get("olga", path)
    assert b'name="confirm"' not in page.content
    assert site.post("olga", path, site.fields(page) | {"answer": "apply"}).status == 303
    site.rest.core.drop_queued()


def test_a_backup_plan_is_written_by_the_page_alone(site: PagesService) -> None:
    """A notebook's token gets the preview; the administrator at the browser writes the plan."""
    site.hub.known["ada-notebook"] = caller("ada", KERNEL)
    ada = call("ada", PLATFORM)
    site.rest.core.backup_plans.create(ada, "shop", "kept", plan_document(keep={"daily": 7}))
    shorter = plan_document(keep={"daily": 3}, selection={"match": "tag:never = yes"})
    body = {
        "action": "backup_plan.change",
        "resource": "kept",
        "arguments": {"definition": shorter, "version": 1},
    }
    made = site.rest.ask("POST", f"{SHOP}/previews", "ada-notebook", body)
    path = f"{SHOP}/previews/{made.json['id']}"
    told = {"hash": made.json["hash"], "confirm": "shop"}
    refused = site.rest.ask("POST", f"{path}/apply", "ada-notebook", told)
    assert refused.code == "forbidden"
    page = site.get("ada", path)
    text = site.text(page)
    assert "3 daily; before: 7 daily" in text
    assert "takes 0 machines now; before: 1" in text
    assert "It interrupts. Type the project's name" in text
    assert re.search(r"Next slots .*\(\s*in \d+ h\s*\) daily", text)
    assert confirm(site, path, person="ada").status == 303
    assert site.rest.core.carry_out() is None
    written = site.rest.core.backup_plans.get(ada, "shop", "kept")
    assert (written.version, written.updated_by) == (2, "ada")
    assert Scope.DESTROY in written.scopes, "it runs with the authority of the browser's login"


def test_an_expired_plan_says_so_and_is_made_anew(site: PagesService, path: str) -> None:
    page = site.get("olga", path)
    fields = site.fields(page) | {"answer": "apply", "confirm": "shop"}
    later = clock.now() + timedelta(minutes=16)
    with clock.set_clock(lambda: later):
        late = site.post("olga", path, fields)
        assert late.status == 409
        assert re.search(r"The preview pre_\w+ has expired. Nothing was changed.", site.text(late))
        page = site.get("olga", path)
        assert "This plan has expired. Nothing was changed." in site.text(page)
        assert b'value="apply"' not in page.content
        anew = site.post("olga", path, site.fields(page) | {"answer": "again"})
        assert anew.status == 303
        fresh = anew.headers["Location"].removeprefix(PREFIX)
        assert fresh != path
        assert "Apply it" in site.text(site.get("olga", fresh))


def test_a_plan_that_is_another_by_now_is_not_applied(site: PagesService) -> None:
    core = site.rest.core
    body = {"action": "backup.run", "resource": "weekly"}
    ada = call("ada", PLATFORM)
    core.backup_plans.create(ada, "shop", "weekly", plan_document())
    made = site.rest.ask("POST", f"{SHOP}/previews", "olga", body)
    path = f"{SHOP}/previews/{made.json['id']}"
    page = site.get("olga", path)
    fields = site.fields(page) | {"answer": "apply", "confirm": "shop"}
    nothing = plan_document(selection={"match": "tag:never = yes"})
    core.backup_plans.replace(ada, "shop", "weekly", nothing, version=None)
    before = runs(site)
    changed = site.post("olga", path, fields)
    assert changed.status == 409
    assert "has changed since the preview" in site.text(changed)
    assert "Show what it would do now" in site.text(changed)
    assert runs(site) == before
    stale = site.post("olga", path, fields | {"hash": "0" * 64})
    assert stale.status == 409
    anew = site.post("olga", path, site.fields(changed) | {"answer": "again"})
    fresh = site.get("olga", anew.headers["Location"].removeprefix(PREFIX))
    assert "It changes nothing" in site.text(fresh)


def test_who_may_only_look_is_told_who_may(site: PagesService) -> None:
    path = previewed(site, "vera")
    page = site.get("vera", path)
    assert page.status == 200
    text = site.text(page)
    assert "You may look at this plan and not apply it." in text
    assert "needs the role admin or operator in this project; vera is viewer" in text
    assert b"<form" not in page.content
    made_up = {"answer": "apply", "confirm": "shop", "_xsrf": site.xsrf["vera"]}
    assert site.post("vera", path, made_up).status == 403
    stolen = site.fields(site.get("olga", previewed(site)))
    assert site.post("vera", path, {**stolen, **made_up}).status == 403


def test_a_preview_is_its_asker_s_alone(site: PagesService, path: str) -> None:
    for person, status in (("oscar", 404), ("ada", 404), ("nina", 404), ("emil", 403)):
        page = site.get(person, path)
        assert page.status == status
        assert b"web-1" not in page.content
    text = site.text(site.get("oscar", path))
    assert "No preview" in text
    assert "Ask for a new preview." in text
    assert site.get("olga", f"{SHOP}/previews/pre_none").status == 404
    assert site.get("olga", path.replace("shop", "other")).status == 404


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        pytest.param({"_xsrf": "x"}, 401, id="no XSRF token of the page"),
        pytest.param({"ticket": ""}, 403, id="no ticket"),
        pytest.param({"ticket": "2|1:0|10:1600000000|"}, 403, id="a made-up ticket"),
        pytest.param({"Origin": "https://evil.example"}, 403, id="another origin"),
        pytest.param({"Origin": "null"}, 403, id="a sandbox"),
        pytest.param({"Origin": ""}, 403, id="no origin"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, 403, id="another site"),
        pytest.param({"Sec_Fetch_Site": "same-site"}, 403, id="a sister of this host"),
        pytest.param({"Sec_Fetch_Site": ""}, 403, id="nobody says which site"),
        pytest.param({"Sec_Fetch_Mode": "cors"}, 403, id="a script"),
        pytest.param({"Authorization": "token olga"}, 403, id="a token"),
        pytest.param({"Authorization": "token notebook"}, 403, id="a notebook's token"),
    ],
)
def test_only_the_page_itself_applies(
    site: PagesService, path: str, changed: dict[str, str], status: int
) -> None:
    before = runs(site)
    refused = confirm(site, path, **changed)
    assert refused.status == status
    assert runs(site) == before
    recorded = [
        each
        for each in site.rest.core.records_ever()
        if each["action"] == "api.refused" and each["object"] == f"POST {PREFIX}{path}"
    ]
    # Where nobody is known there is nobody to name.
    assert [each["error_code"] for each in recorded] == ["forbidden"] * (status == 403)
    assert confirm(site, path).status == 303  # so that the above can fail


def test_a_ticket_is_for_one_plan_and_one_person(site: PagesService, path: str) -> None:
    other, theirs = previewed(site), previewed(site, "as-operator")
    mine = site.fields(site.get("olga", path)) | {"answer": "apply", "confirm": "shop"}
    for stolen in (site.get("olga", other), site.get("oscar", theirs)):
        ticket = site.fields(stolen)["ticket"]
        assert site.post("olga", path, mine | {"ticket": ticket}).status == 403
    assert site.post("olga", path, mine).status == 303


def test_no_ticket_is_given_to_what_is_no_window(site: PagesService, path: str) -> None:
    assert "ticket" in site.fields(site.get("olga", path))
    for dest in ("iframe", "frame", "embed", "object"):
        assert "ticket" not in site.fields(site.get("olga", path, {"Sec-Fetch-Dest": dest}))
    script = site.script("olga", path)
    assert script.status == 200
    assert "Open this page in a window of a browser to apply it" in site.text(script)
    assert "ticket" not in site.fields(script)
    assert site.script("olga", path, X_XSRFToken="x").status == 401
    for token in ("olga", "notebook"):
        answer = site.get("olga", path, {"Authorization": f"token {token}"})
        assert answer.status == 200
        assert "ticket" not in site.fields(answer)


def test_a_notebook_s_token_never_gets_that_far(site: PagesService, path: str) -> None:
    """What the page is for: with its own token a notebook can only ask for the preview."""
    told = site.rest.ask("GET", path, "notebook").json
    body = {"hash": told["hash"], "confirm": "shop"}
    assert site.rest.ask("POST", f"{path}/apply", "notebook", body).code == "forbidden"
    assert confirm(site, path).status == 303


def test_an_answer_that_is_none_is_refused(site: PagesService, path: str) -> None:
    fields = site.fields(site.get("olga", path))
    assert site.post("olga", path, fields | {"answer": "<b>"}).status == 400
    assert site.post("olga", path, fields).status == 400
