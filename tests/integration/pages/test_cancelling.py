"""Ending a Run from its page, and following it there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from core_double import call
from mavis_ext.app import PREFIX
from pages_service import COOKIE, PagesService

SHOP = "/projects/shop"


@pytest.fixture
def path(site: PagesService) -> Iterator[str]:
    """The page of a Run that nobody has taken up."""
    run = site.rest.core.runs.start(
        call("olga"), "shop", action="inventory.discover", resource=None, arguments={}
    )
    yield f"{SHOP}/runs/{run.id}"
    site.rest.core.carry_out()


def state(site: PagesService, path: str) -> tuple[str, str | None]:
    run = site.rest.ask("GET", path, "olga").json
    return run["state"], run["cancelled_by"]


def test_an_operator_ends_a_run(site: PagesService, path: str) -> None:
    fields = site.fields(site.get("olga", path))
    done = site.post("olga", path, fields)
    assert (done.status, done.headers["Location"]) == (303, PREFIX + path)
    assert state(site, path) == ("queued", "olga")
    page = site.get("olga", path)
    assert "being cancelled" in site.text(page)
    assert b"<form" not in page.content
    site.rest.core.carry_out()
    assert state(site, path) == ("cancelled", "olga")
    text = site.text(site.get("olga", path))
    assert "Cancelled by olga" in text


def test_a_run_that_has_ended_is_not_ended_again(site: PagesService, path: str) -> None:
    fields = site.fields(site.get("olga", path))
    assert site.rest.core.carry_out() is None
    late = site.post("olga", path, fields)
    assert late.status == 409
    assert "has ended: it is succeeded" in site.text(late)
    assert b"<form" not in site.get("olga", path).content


def test_a_viewer_and_a_script_end_nothing(site: PagesService, path: str) -> None:
    assert b"<form" not in site.get("vera", path).content
    fields = site.fields(site.get("olga", path))
    assert site.post("vera", path, {**fields, "_xsrf": site.xsrf["vera"]}).status == 403
    assert "ticket" not in site.fields(site.script("olga", path))
    assert site.post("olga", path, {"_xsrf": fields["_xsrf"]}).status == 403
    assert site.post("olga", path, fields, {"Sec-Fetch-Mode": "cors"}).status == 403
    assert state(site, path) == ("queued", None)
    assert site.post("olga", path, fields).status == 303


def test_the_page_s_events_take_the_cookie_with_the_page_s_token_only(
    site: PagesService, path: str
) -> None:
    site.get("olga", path)  # which gives the token
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    script["Cookie"] = f"{COOKIE}={site.cookie('olga')}; _xsrf={site.xsrf['olga']}"

    def follow(query: str, **more: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", site.rest.port, timeout=30)
        connection.request("GET", f"{PREFIX}{path}/events{query}", headers={**script, **more})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    assert site.rest.core.carry_out() is None
    good = f"?_xsrf={site.xsrf['olga']}"
    status, content = follow(good)
    assert status == 200
    (line,) = [each for each in content.splitlines() if each.startswith(b"data: ")]
    told = json.loads(line.removeprefix(b"data: "))
    assert (told["id"], told["state"]) == (path.rpartition("/")[2], "succeeded")
    assert follow(good, **{"Last-Event-ID": str(told["version"])}) == (204, b"")
    for query in ("", "?_xsrf=x"):
        assert follow(query)[0] == 401
    assert follow(good, Cookie="")[0] == 401
    missing = site.script("olga", f"{SHOP}/runs/run_none/events")
    assert missing.status == 404
    assert site.script("nina", f"{path}/events").status in (401, 404)
