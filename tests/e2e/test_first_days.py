"""The first days of an administrator, an operator and an end user, in a browser, in every look.

The administrator's goes from the login to the records; then each of the three sees each of their
pages, light and dark, wide and on a phone, without a serious fault. With ``MAVIS_SCREENSHOTS=DIR``
the pictures are kept in that folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.appliance import Appliance
from e2e.kernels import kernel, start_server
from e2e.looks import LOOKS, Place, faults, is_here, logged_in
from mavis_kernel import Mavis

MAVIS = "/services/mavis"
BAKERY = f"{MAVIS}/projects/bakery"
SLOW_MS = 90_000
PLAN = {"title": "Each night", "selection": {}, "rules": [{"name": "daily", "cron": "30 2 * * *"}]}
PUBLISH = """
notebook = {
    "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "mavis"}},
    "cells": [{
        "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
        "source": "from mavis_kernel import Mavis\\n"
                  "from mavis_kernel.dashboards import project, table\\n"
                  "found = Mavis().resources.list(project(), kind='instance')\\n"
                  "table(('Oven',), [(each.name,) for each in found])",
    }],
}
mavis.dashboards.publish("bakery", "ovens", notebook, title="The ovens")
"""


@dataclass(frozen=True)
class Day:
    """What the administrator has left behind.

    Parameters
    ----------
    previews
        A plan that waits, by whom it was shown to.
    """

    run: str
    story: str
    previews: dict[str, str]


@pytest.fixture(scope="module")
def states(appliance: Appliance, browser: Browser) -> dict[str, Any]:
    """The cookies of each of the three, logged in."""
    people = ("demo-admin", "demo-operator", "demo-enduser")
    return {name: logged_in(appliance, browser, name) for name in people}


@pytest.fixture(scope="module")
def day(
    appliance: Appliance,
    browser: Browser,
    states: dict[str, Any],
    tokens: dict[str, str],
    admin: Mavis,
    operator: Mavis,
    secret: str,
) -> Iterator[Day]:
    """The administrator's first day, from page to page; what no page does, a command does.

    Afterwards the others are out of the project again, as other tests expect them.
    """
    context = browser.new_context(
        ignore_https_errors=True,
        base_url=appliance.config.public_url,
        storage_state=states["demo-admin"],
        viewport={"width": 1280, "height": 900},
    )
    context.set_default_timeout(SLOW_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: None if is_here(sent.url) else wrong.append(sent.url))
    _make_the_project(page)
    _connect(appliance, admin, secret)
    run = _look_at_it(page)
    _let_people_in(page)
    _protect_and_publish(appliance, tokens, admin, page)
    story = _read_the_records(page, run)
    shown = {
        name: client.previews.create("bakery", "resource.stop", "web-1").id
        for name, client in (("admin", admin), ("operator", operator))
    }
    assert wrong == []
    context.close()
    yield Day(run, story, shown)
    for each in list(admin.members.list("bakery")):
        if each.subject != "user:demo-admin":
            admin.members.revoke("bakery", each.subject)


def _make_the_project(page: Page) -> None:
    page.goto(f"{MAVIS}/")
    ways = page.get_by_role("navigation", name="Where to go")
    ways.get_by_role("link", name="New project").click()
    page.get_by_label("Name").fill("bakery")
    page.get_by_label("Title").fill("The bakery")
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The bakery")
    expect(page.get_by_role("heading", name="No account is connected yet")).to_be_visible()
    expect(page.get_by_text("mavis environment add --help")).to_be_visible()


def _connect(appliance: Appliance, admin: Mavis, secret: str) -> None:
    """Put a key into the vault and connect an account, as at a command line."""
    world = appliance.world
    admin.keys.add("bakery", {"access_key_id": "AKIAE2E0000000000001", "secret_access_key": secret})
    admin.environments.add(
        "bakery", "oven", account=world.accounts[0], regions=world.regions, key="bakery"
    )


def _look_at_it(page: Page) -> str:
    page.goto(BAKERY)
    environments = page.get_by_role("region", name="Environments")
    expect(environments).to_contain_text("not looked at yet")
    page.get_by_role("button", name="Look again now").click()
    page.wait_for_url("**/runs/run_*")
    expect(page.locator("#state")).to_have_text("succeeded")
    run = page.url.rpartition("/")[2]
    page.get_by_role("link", name="bakery", exact=True).first.click()
    expect(environments).to_contain_text("ok")
    expect(page.get_by_role("region", name="What needs a look")).to_contain_text("web-1")
    return run


def _let_people_in(page: Page) -> None:
    page.get_by_role("link", name="Members").click()
    members = page.get_by_role("region", name="Members")
    for name, role in (("demo-operator", "viewer"), ("demo-enduser", "enduser")):
        page.get_by_label("Name at the Hub").fill(name)
        page.get_by_label("Role", exact=True).select_option(role)
        page.get_by_role("button", name="Give the role").click()
        expect(members.get_by_role("row").filter(has_text=f"user:{name}")).to_contain_text(role)
    page.get_by_role("link", name="Another role for user:demo-operator").click()
    expect(page.get_by_role("heading", name="Another role for user:demo-operator")).to_be_visible()
    page.get_by_label("Role", exact=True).select_option("operator")
    page.get_by_role("button", name="Give the role").click()
    operator = members.get_by_role("row").filter(has_text="user:demo-operator")
    expect(operator).to_contain_text("operator")
    page.get_by_role("link", name="Take away the role of user:demo-operator").click()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(operator).to_contain_text("operator")


def _protect_and_publish(
    appliance: Appliance, tokens: dict[str, str], admin: Mavis, page: Page
) -> None:
    admin.backup_plans.create("bakery", "nightly", PLAN)
    page.get_by_role("link", name="bakery", exact=True).first.click()
    page.get_by_role("navigation", name="Of this project").get_by_text("Schedules").click()
    expect(page.get_by_role("region", name="Next slots of nightly")).to_be_visible()
    start_server(appliance, "demo-admin", tokens["demo-admin"])
    with kernel(appliance, "demo-admin", tokens["demo-admin"]) as inside:
        inside.run(PUBLISH)
    admin.dashboards.publish("bakery", "protection", shipped="protection")
    page.goto(f"{MAVIS}/dashboards")
    page.get_by_role("link", name=re.compile("The ovens")).click()
    expect(page.frame_locator("#frame").get_by_text("web-1", exact=True)).to_be_visible()


def _read_the_records(page: Page, run: str) -> str:
    page.goto(f"{BAKERY}/runs/{run}")
    page.get_by_role("link", name="All that this request set off").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("All that one request")
    story = page.url.rpartition("/")[2]
    page.goto(f"{MAVIS}/records?project=bakery")
    page.get_by_label("Action begins with").fill("member.")
    page.get_by_role("button", name="Look", exact=True).click()
    rows = page.get_by_role("region", name="Records").get_by_role("row")
    expect(rows.filter(has_text="user:demo-operator is operator of bakery")).to_have_count(1)
    expect(rows.filter(has_text="user:demo-operator is viewer of bakery")).to_have_count(1)
    expect(rows.filter(has_text="demo-admin")).to_have_count(3)
    return story


def test_what_the_administrator_did_is_so(day: Day, admin: Mavis, operator: Mavis) -> None:
    roles = {each.subject: each.role for each in admin.members.list("bakery")}
    assert roles == {
        "user:demo-admin": "admin",
        "user:demo-operator": "operator",
        "user:demo-enduser": "enduser",
    }
    assert operator.runs.get("bakery", day.run).state == "succeeded"
    assert [each.name for each in operator.dashboards.list("bakery")] == ["ovens", "protection"]


def places(day: Day, name: str) -> dict[str, Place]:
    """Return every page that somebody has."""
    for_all = {
        f"{name}-start": Place(f"{MAVIS}/"),
        f"{name}-gallery": Place(f"{MAVIS}/dashboards"),
        f"{name}-dashboard": Place(f"{MAVIS}/dashboards/bakery/ovens/", "table", framed=True),
        f"{name}-protection": Place(f"{MAVIS}/dashboards/bakery/protection/", "table", framed=True),
        f"{name}-unknown": Place(f"{MAVIS}/projects/nothing", status=404),
    }
    if name == "enduser":
        return for_all | {f"{name}-refused": Place(BAKERY, status=403)}
    for_members = {
        "project": BAKERY,
        "members": f"{BAKERY}/members",
        "points": f"{BAKERY}/recovery-points",
        "restores": f"{BAKERY}/restores",
        "runs": f"{BAKERY}/runs",
        "run": f"{BAKERY}/runs/{day.run}",
        "preview": f"{BAKERY}/previews/{day.previews[name]}",
        "schedules": f"{BAKERY}/schedules",
        "story": f"{MAVIS}/stories/{day.story}",
        "records": f"{MAVIS}/records",
        "login": f"{MAVIS}/login",
    }
    found = for_all | {f"{name}-{each}": Place(path) for each, path in for_members.items()}
    if name == "admin":
        found["admin-new-project"] = Place(f"{MAVIS}/new-project")
        found["admin-leave"] = Place(f"{BAKERY}/members?leave=user:demo-operator")
    return found


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ["admin", "operator", "enduser"])
def test_each_page_is_for_everybody_in_every_look(
    appliance: Appliance, browser: Browser, states: dict[str, Any], day: Day, name: str, look: str
) -> None:
    assert faults(appliance, browser, states[f"demo-{name}"], look, places(day, name)) == []
