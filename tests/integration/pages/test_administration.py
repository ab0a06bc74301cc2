"""What an administrator does on pages: members, a new project, another look, the records."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from core_double import PERSON
from integration.pages.conftest import Scene
from mavis_core.access import ROLES, Role
from mavis_ext.app import PREFIX
from pages_service import PagesService
from rest_service import Answer, caller

MEMBERS = "/projects/shop/members"
GIVE = {"answer": "give", "kind": "user", "name": "nora", "role": "viewer"}


def send(site: PagesService, path: str, person: str = "ada", **fields: str) -> Answer:
    """Open a page, and send its form."""
    return site.post(person, path, site.fields(site.get(person, path)) | fields)


def members(site: PagesService) -> dict[str, str]:
    found = site.rest.ask("GET", MEMBERS, "ada").json["items"]
    return {each["subject"]: each["role"] for each in found}


def last_record(site: PagesService) -> tuple[str, str, str]:
    record = list(site.rest.core.records_ever())[-1]
    return record["action"], record["person"], record["outcome"]


def test_a_role_is_given_changed_and_taken_away(site: PagesService) -> None:
    given = send(site, MEMBERS, **GIVE)
    assert given.status == 303, given.content
    assert given.headers["Location"] == f"{PREFIX}{MEMBERS}#user%3Anora"
    assert members(site)["user:nora"] == "viewer"
    assert last_record(site) == ("member.put", "ada", "ok")
    page = site.get("ada", f"{MEMBERS}?change={quote('user:nora')}")
    assert 'value="nora"' in page.content.decode()
    assert '<option value="viewer" selected' in page.content.decode()
    assert send(site, MEMBERS, **GIVE | {"role": "operator"}).status == 303
    assert members(site)["user:nora"] == "operator"
    path = f"{MEMBERS}?leave={quote('user:nora')}"
    asks = site.get("ada", path)
    assert "Take the role of user:nora away?" in site.text(asks)
    assert "user:nora is no operator of shop any more" in site.text(asks)
    assert send(site, path, answer="take").status == 303
    assert "user:nora" not in members(site)
    assert last_record(site) == ("member.remove", "ada", "ok")


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        pytest.param({**GIVE, "name": "no ra"}, 400, "user:no ra", id="a bad name"),
        pytest.param({**GIVE, "role": "boss"}, 400, "There is no such role", id="a bad role"),
        pytest.param({**GIVE, "kind": "robot"}, 400, "a person or a group", id="a bad kind"),
        pytest.param({"answer": "no"}, 400, "Neither give nor take", id="no answer"),
        pytest.param(
            {"answer": "take", "subject": "user:nobody"}, 404, "is no member", id="no member"
        ),
        pytest.param(
            {"answer": "take", "subject": "user:ada"}, 409, "administrator", id="the last one"
        ),
        pytest.param({**GIVE, "name": "ada"}, 409, "administrator", id="the last one's role"),
    ],
)
def test_what_cannot_be_done_is_told_on_the_page_and_changes_nothing(
    site: PagesService, fields: dict[str, str], status: int, told: str
) -> None:
    for subject, role in members(site).items():  # so that ada is the last one
        assert role != "admin" or subject in ("user:ada", "user:as-admin")
    send(site, MEMBERS, answer="take", subject="user:as-admin")
    before = members(site)
    page = send(site, MEMBERS, **fields)
    assert page.status == status
    assert told in site.text(page)
    assert "Nothing was changed" in site.text(page)
    assert b'role="alert"' in page.content
    assert members(site) == before
    assert last_record(site)[1:] == ("ada", "refused")


@pytest.mark.parametrize("person", ["olga", "vera", "as-auditor"])
def test_whoever_does_not_rule_sees_members_and_no_form(site: PagesService, person: str) -> None:
    page = site.get(person, MEMBERS)
    assert page.status == 200
    assert "user:olga operator" in site.text(page)
    assert b"<form" not in page.content
    fields = {**site.fields(site.get("ada", MEMBERS)), "_xsrf": site.xsrf[person]}
    refused = site.post(person, MEMBERS, fields | GIVE)
    assert refused.status == 403
    assert "user:nora" not in members(site)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://elsewhere.example.org"}, id="another site"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site, as the browser says"),
        pytest.param({"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, id="a script"),
        pytest.param({"Authorization": "token ada"}, id="a token"),
    ],
)
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (MEMBERS, GIVE),
        ("/new-project", {"name": "theirs", "title": ""}),
        ("/projects/shop", {"answer": "discover"}),
    ],
    ids=["members", "new project", "discovery"],
)
def test_nobody_else_sends_a_form(
    site: PagesService, path: str, fields: dict[str, str], headers: dict[str, str]
) -> None:
    before = members(site), len(site.rest.ask("GET", "/projects/shop/runs", "ada").json["items"])
    given = site.fields(site.get("ada", path))
    assert given["ticket"]
    assert site.post("ada", path, given | fields, headers).status == 403
    wrong = given | {"ticket": site.fields(site.get("ada", "/new-project"))["ticket"]}
    if path != "/new-project":
        assert site.post("ada", path, wrong | fields).status == 403
    after = members(site), len(site.rest.ask("GET", "/projects/shop/runs", "ada").json["items"])
    assert after == before
    assert site.rest.ask("GET", "/projects/theirs", "ada").status == 404


def test_a_script_s_fetch_and_a_token_get_no_ticket(site: PagesService) -> None:
    for path in (MEMBERS, "/new-project", "/projects/shop"):
        site.get("ada", path)
        assert "ticket" not in site.fields(site.script("ada", path))
        assert "ticket" not in site.fields(site.get("ada", path, {"Authorization": "token ada"}))


def test_every_role_can_be_chosen_and_says_what_it_is(site: PagesService) -> None:
    text = site.text(site.get("ada", MEMBERS))
    assert set(ROLES) == set(Role)
    for role, told in ROLES.items():
        assert f"{role}: {told}" in text


def test_an_administrator_of_the_platform_makes_a_project(site: PagesService) -> None:
    made = send(site, "/new-project", "eve", name="bakery", title="The <bakery>")
    assert made.status == 303, made.content
    assert made.headers["Location"] == f"{PREFIX}/projects/bakery"
    page = site.get("eve", "/projects/bakery")
    assert "The <bakery> project bakery · you are admin in it" in site.text(page)
    again = send(site, "/new-project", "eve", name="bakery", title="Another")
    assert again.status == 409
    assert "There is a project 'bakery' already" in site.text(again)
    assert 'value="bakery"' in again.content.decode()
    wrong = send(site, "/new-project", "eve", name="Not A Name", title="", production="yes")
    assert wrong.status == 400
    assert 'value="yes" checked' in wrong.content.decode()
    assert "production" not in site.text(page)
    assert send(site, "/new-project", "eve", name="oven", title="", production="yes").status == 303
    assert '<strong class="production">' in site.get("eve", "/projects/oven").content.decode()
    assert "oven" in site.text(site.get("eve", "/projects/oven"))
    site.hub.known["paul"] = caller("paul", PERSON)
    for person in ("olga", "paul"):
        refused = site.get(person, "/new-project")
        assert refused.status == 403
        assert b"<form" not in refused.content


def test_an_operator_has_the_environments_looked_at(site: PagesService, scene: Scene) -> None:
    page = site.get("olga", "/projects/shop")
    assert "Look again now" in site.text(page)
    begun = send(site, "/projects/shop", "olga", answer="discover")
    assert begun.status == 303, begun.content
    run = site.rest.ask("GET", begun.headers["Location"].removeprefix(PREFIX), "olga").json
    assert (run["kind"], run["person"], run["state"]) == ("inventory.discover", "olga", "queued")
    assert "Look again now" not in site.text(site.get("vera", "/projects/shop"))
    site.rest.core.drop_queued()


def test_the_records_are_sought_by_what_the_address_says(site: PagesService, scene: Scene) -> None:
    text = site.text(site.get("olga", "/records?action=cloud.&project=shop"))
    assert re.search(r"shop ok cloud.CreateSnapshots of i-\w+ done olga worker Story", text)
    assert "recovery_point.create of" not in text
    page = site.get("olga", "/records?person=olga&q=CreateSnapshots").content.decode()
    assert f'href="{PREFIX}/stories/{scene.story}"' in page
    assert 'name="q" type="search" value="CreateSnapshots"' in page
    for empty in ("person=nobody", "since=2999-01-01", "until=2000-01-01"):
        text = site.text(site.get("olga", f"/records?{empty}"))
        assert "No record matches" in text
        assert "Show all" in text
    for bad in ("since=tomorrow", "until=2030-13-01", "person=" + "x" * 300, "cursor=x"):
        assert site.get("olga", f"/records?{bad}").status == 400


def test_what_is_looked_for_is_said_and_each_part_can_be_left_out(
    site: PagesService, scene: Scene
) -> None:
    asked = "person=olga&outcome=failed&regex=ec2:Create(Tags|x)&kind=audit"
    html = site.get("olga", f"/records?{asked}").content.decode()
    chips = re.findall(r'<li><a href="(\?[^"]*)"><span[^>]*>Leave out </span>([^<]*) <', html)
    assert [words for _, words in chips] == [
        *("person: olga", "expression: ec2:Create(Tags|x)", "kind: audit", "outcome: failed"),
    ]
    for address, words in chips:
        left = site.get("olga", f"/records{address.replace('&amp;', '&')}").content.decode()
        assert left.count("Leave out ") == 3
        assert f"Leave out </span>{words} " not in left
    assert "No record matches" in site.text(site.get("olga", "/records?words=nothing-so"))
    held = site.text(site.get("olga", "/records?words=olga+member*"))
    assert "words: olga member*" in held
    assert "No record matches" not in held
    for bad, words in (("regex=(a", "missing )"), ("outcome=perhaps", "outcome is one of ok")):
        answer = site.get("olga", f"/records?{bad}")
        assert answer.status == 400
        assert words in site.text(answer)


def test_what_is_counted_leads_to_what_was_counted(site: PagesService, scene: Scene) -> None:
    html = site.get("olga", "/records?kind=audit").content.decode()
    told = re.findall(r'<li><span><a href="(\?[^"]*)">([^<]*)</a></span> <b>(\d+)</b>', html)
    assert {"failed", "olga", "shop", "member.put"} <= {words for _, words, _ in told}
    for address, words, number in told:
        page = site.get("olga", f"/records{address.replace('&amp;', '&')}")
        assert f"{number} record" in site.text(page), words
    bars = re.findall(r"<title>[^<]*: (\d+)</title>", html)
    total = re.search(r"<h2>(\d+) records</h2>", html)
    assert total is not None
    assert sum(map(int, bars)) == int(total[1])


def test_a_day_is_looked_at_to_its_end(site: PagesService, scene: Scene) -> None:
    first = site.rest.ask("GET", "/projects/shop/records?limit=1", "olga").json["items"][0]
    day = first["time"][:10]
    text = site.text(site.get("olga", f"/records?since={day}&until={day}"))
    assert "No record matches" not in text
    assert "olga" in text


def test_records_come_page_by_page_and_keep_what_was_sought(
    site: PagesService, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mavis_hub.pages.audit._AT_A_TIME", 2)
    path, seen = "/records?person=olga", list[str]()
    while path and len(seen) < 6:
        html = site.get("olga", path).content.decode()
        seen += re.findall(r'datetime="([^"]+)"', html)
        more = re.search(r'href="(\?[^"]+)">Earlier ones', html)
        path = f"/records{more[1].replace('&amp;', '&')}" if more else ""
        assert not path or "person=olga" in path
    assert len(seen) == 6
    assert seen == sorted(seen, reverse=True)
    assert 'href="?person=olga">The newest' in html


def test_who_sees_which_records(site: PagesService, scene: Scene) -> None:
    assert site.rest.ask("POST", "/projects", "ada", {"name": "apart"}).status == 201
    for person, status, words in (
        ("olga", 200, "cloud.CreateSnapshots"),
        ("eve", 200, "all, and the platform's"),
        ("vera", 200, "The records are for operators, auditors and administrators"),
        ("nina", 200, "The records are for operators, auditors and administrators"),
        ("emil", 200, "The records are for operators, auditors and administrators"),
    ):
        page = site.get(person, "/records")
        assert page.status == status
        assert words in site.text(page)
    assert "apart" not in site.text(site.get("olga", "/records"))
    assert site.get("olga", "/records?project=apart").status == 404
    assert site.get("vera", "/records?project=shop").status == 404
    for path in ("/", "/projects/shop"):
        assert "/records" in site.get("olga", path).content.decode()
        assert "/records" not in site.get("vera", path).content.decode()
