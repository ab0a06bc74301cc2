"""Searches are saved on the page of the records, and a file is taken from it."""

from __future__ import annotations

import csv
import io
import re

import pytest

from pages_service import PagesService
from rest_service import Answer

from .conftest import Scene

SEARCHES = "/records/searches"
ASKED = "/records?person=olga&outcome=failed"


def send(site: PagesService, path: str, person: str = "olga", **fields: str) -> Answer:
    """Open a page of the records, and send one of its forms."""
    given = site.fields(site.get(person, path))
    kept = {name: given[name] for name in ("_xsrf", "ticket")}
    return site.post(person, SEARCHES, kept | fields)


def test_a_search_is_saved_by_a_name_and_found_by_it(site: PagesService, scene: Scene) -> None:
    assert "Saved" not in site.text(site.get("olga", ASKED))
    given = site.fields(site.get("olga", ASKED))
    saved = site.post("olga", SEARCHES, given | {"name": "what <b>failed</b>"})
    assert saved.status == 303
    assert saved.headers["Location"] == f"/services/mavis{ASKED}"
    page = site.get("olga", "/records").content.decode()
    (address,) = re.findall(r'<a href="([^"]+)">what &lt;b&gt;failed&lt;/b&gt;</a>', page)
    assert address.replace("&amp;", "&") == f"/services/mavis{ASKED}"
    assert "what <b>" not in page
    assert "Saved" not in site.text(site.get("ada", "/records")), "it is olga's"
    removed = send(site, "/records", remove="what <b>failed</b>")
    assert removed.status == 303
    assert "Saved" not in site.text(site.get("olga", "/records"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "", "q": "x"}, "Choose a name"),
        ({"name": "all"}, "looks for everything"),
        ({"name": "odd", "outcome": "odd"}, "outcome is one of"),
        ({"name": "odd", "since": "yesterday"}, "since is no day"),
    ],
)
def test_what_cannot_be_looked_for_is_not_saved(
    site: PagesService, scene: Scene, fields: dict[str, str], words: str
) -> None:
    refused = send(site, ASKED, **fields)
    assert refused.status == 400
    assert words in site.text(refused)
    assert "Saved" not in site.text(site.get("olga", "/records"))


def test_nobody_else_saves_a_search(site: PagesService, scene: Scene) -> None:
    given = site.fields(site.get("olga", ASKED)) | {"name": "mine"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert site.post("olga", SEARCHES, given, headers).status == 403
    assert site.post("olga", SEARCHES, given | {"ticket": ""}).status == 403
    other = given | {"ticket": site.fields(site.get("ada", ASKED))["ticket"]}
    assert site.post("olga", SEARCHES, other).status == 403
    assert "Saved" not in site.text(site.get("olga", "/records"))


def test_the_page_hands_over_what_it_looks_for(site: PagesService, scene: Scene) -> None:
    answer = site.get("olga", "/records/export?action=cloud.Create&format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert {each["action"] for each in rows} == {"cloud.CreateSnapshots"}
    assert {each["project"] for each in rows} == {"shop"}
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    taken = [each for each in site.rest.core.records_ever() if each["action"] == "record.export"]
    assert [each["person"] for each in taken] == ["olga"]
    assert site.get("vera", "/records/export").status == 404
    assert site.get("olga", "/records/export?format=xls").status == 400
    assert site.script("olga", "/records/export", **{"X-XSRFToken": ""}).status in (401, 403)


def test_what_is_around_a_record_is_shown_to_those_who_may(
    site: PagesService, scene: Scene
) -> None:
    asked = "/projects/shop/records?action=cloud.CreateSnapshots&limit=1"
    (record,) = site.rest.ask("GET", asked).json["items"]
    path = f"/records/{record['id']}"
    text = site.text(site.get("olga", path))
    assert "cloud.CreateSnapshots" in text
    assert "Backup plan nightly created" in text
    story = site.text(site.get("olga", f"{path}?within=story"))
    assert "Backup plan nightly created" not in story
    assert site.get("olga", f"{path}?within=odd").status == 400
    assert site.get("vera", path).status == 404
    assert site.get("nina", path).status == 404
