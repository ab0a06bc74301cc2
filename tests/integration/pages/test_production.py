"""A project in production says so, by a word and a colour, wherever somebody acts on it."""

from __future__ import annotations

from pages_service import PagesService

SHOP = "/projects/shop"
MARK = '<strong class="production">production</strong>'


def mark(site: PagesService, production: bool, person: str = "ada") -> int:
    body = {"title": "Web shop", "production": production}
    return site.rest.ask("PUT", SHOP, person, body).status


def test_production_is_marked_on_every_page_of_the_project_and_in_the_list(
    site: PagesService,
) -> None:
    body = {"action": "resource.stop", "resource": "web-1"}
    preview = site.rest.ask("POST", f"{SHOP}/previews", "olga", body).json["id"]
    pages = ("/", SHOP, f"{SHOP}/runs", f"{SHOP}/recovery-points", f"{SHOP}/previews/{preview}")
    assert all(MARK.encode() not in site.get("olga", path).content for path in pages)
    assert mark(site, True) == 200
    assert all(MARK.encode() in site.get("olga", path).content for path in pages)
    assert "People depend on this project." in site.text(site.get("olga", pages[-1]))
    assert b'<header class="in-production">' in site.get("vera", SHOP).content
    (record,) = [each for each in site.rest.core.records_ever() if each["action"] == "project.edit"]
    assert "is in production" in record["summary"]
    assert mark(site, False) == 200
    assert all(MARK.encode() not in site.get("olga", path).content for path in pages)


def test_only_an_administrator_with_a_login_marks_it(site: PagesService) -> None:
    assert mark(site, True, "olga") == 403
    assert mark(site, True, "notebook") == 403
    assert mark(site, True, "vera") == 403
    assert mark(site, True, "eve") == 404
    assert MARK.encode() not in site.get("olga", SHOP).content
