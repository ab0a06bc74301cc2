"""What the Hub may ask about notebook servers, and whom the start page offers one."""

from __future__ import annotations

from typing import Any

import pytest

from core_double import KERNEL, PLATFORM, call
from mavis_core.access import Role
from mavis_hub.asking import SERVERS
from pages_service import PagesService
from rest_service import Answer

QUESTIONS = ("may", "check", "begin", "ended")
OLGA: dict[str, Any] = {"name": "olga", "groups": []}
EMIL: dict[str, Any] = {"name": "as-enduser", "groups": []}


def ask(site: PagesService, what: str, body: object, secret: str | None = "servers") -> Answer:
    token = site.rest.config.read_secret("api", f"{secret}-token") if secret else None
    return site.rest.ask("POST", f"{SERVERS}/{what}", token, body, prefix="")


@pytest.mark.parametrize("what", QUESTIONS)
def test_the_hub_s_secret_alone_may_ask(site: PagesService, what: str) -> None:
    assert ask(site, what, OLGA).status == 200
    for secret in (None, "dashboards", "logs", "hub"):
        assert ask(site, what, OLGA, secret).status == 404
    for token in ("ada", "olga", "x" * 64):
        assert site.rest.ask("POST", f"{SERVERS}/{what}", token, OLGA, prefix="").status == 404
    for body in ({}, {"name": 1, "groups": []}, {"name": "olga"}, {"name": "", "groups": []}, []):
        assert ask(site, what, body).status == 400
    assert ask(site, what, {"name": "olga", "groups": [1]}).status == 400


def test_it_answers_for_the_roles_of_now(site: PagesService) -> None:
    assert ask(site, "may", OLGA).json == {"may": True}
    assert ask(site, "may", EMIL).json == {"may": False}
    assert ask(site, "may", {"name": "eve", "groups": ["mavis-admins"]}).json == {"may": True}
    told = ask(site, "check", EMIL)
    assert told.status == 403
    assert told.json["message"] == "as-enduser opens dashboards and has no notebook server"
    assert "administrator of shop" in told.json["mend"]
    site.rest.core.projects.put_member(
        call("ada", PLATFORM), "shop", "user:as-enduser", Role.VIEWER
    )
    assert ask(site, "check", EMIL).status == 200
    site.rest.core.projects.put_member(
        call("ada", PLATFORM), "shop", "user:as-enduser", Role.ENDUSER
    )
    assert ask(site, "begin", EMIL).status == 403


@pytest.mark.parametrize(
    ("person", "offered"),
    [("ada", True), ("olga", True), ("vera", True), ("emil", False), ("nina", False)],
)
def test_the_start_page_offers_lab_to_those_who_may_have_it(
    site: PagesService, person: str, offered: bool
) -> None:
    page = site.get(person, "/")
    assert page.status == 200
    assert (b'href="/hub/spawn"' in page.content) == offered
    assert ("Open JupyterLab" in site.text(page)) == offered


def test_a_kernel_s_token_asks_nothing_here(site: PagesService) -> None:
    assert KERNEL  # `notebook` holds it
    assert site.rest.ask("POST", f"{SERVERS}/may", "notebook", OLGA, prefix="").status == 404
