"""The pages of recovery points and restores: what keeps each, when it goes, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core_double import PLATFORM, call, plan_document
from integration.pages.conftest import Scene
from mavis_core import clock
from mavis_core.db.paging import PageRequest
from mavis_core.protection.points.model import RecoveryPoint
from mavis_ext.app import PREFIX
from pages_service import PagesService

SHOP = "/projects/shop"
POINTS = f"{SHOP}/recovery-points"


@pytest.fixture
def point(site: PagesService, scene: Scene) -> Iterator[RecoveryPoint]:
    """The newest recovery point of web-1, which the plan `held-by-page` has made."""
    core, ada = site.rest.core, call("ada", PLATFORM)
    core.drop_queued()
    plans = site.rest.ask("GET", f"{SHOP}/backup-plans").json["items"]
    if not any(each["name"] == "hourly" for each in plans):
        core.backup_plans.create(ada, "shop", "hourly", plan_document(keep={"last": 2}))
    run = core.runs.start(
        call("olga"), "shop", action="backup.run", resource="hourly", arguments={}
    )
    assert core.carry_out() is None
    (made,) = [
        each
        for each in core.recovery_points.list(ada, "shop", site_page()).items
        if each.run_id == run.id
    ]
    yield made
    core.drop_queued()


def site_page() -> PageRequest:
    return PageRequest(200)


def test_the_list_says_how_old_each_is_what_keeps_it_and_when_it_goes(
    site: PagesService, point: RecoveryPoint
) -> None:
    page = site.get("vera", POINTS)
    text = site.text(page)
    assert f"{POINTS}/{point.id}" in page.content.decode()
    assert "plan hourly" in text
    assert "olga, by hand" in text, "that of the scene"
    assert "stays until somebody deletes it" in text
    assert f'datetime="{clock.iso(point.taken_at or point.created_at)}"' in page.content.decode()
    assert "never tried" in text
    only = site.text(site.get("vera", f"{POINTS}?instance=web-1&state=complete"))
    assert "plan hourly" in only
    none = site.text(site.get("vera", f"{POINTS}?instance=nothing&state=failed"))
    assert "No recovery point of nothing is failed." in none
    assert site.get("vera", f"{POINTS}?state=odd").status == 400
    assert site.get("nina", POINTS).status == 404
    assert site.get("emil", POINTS).status == 403


def test_a_hold_is_what_keeps_it(site: PagesService, point: RecoveryPoint) -> None:
    hold = {"reason": "case <7>"}
    assert site.rest.ask("PUT", f"{POINTS}/{point.id}/hold", "ada", hold).status == 200
    page = site.get("vera", f"{POINTS}/{point.id}")
    assert "held by ada: case <7>" in site.text(page)
    assert b"case <7>" not in page.content
    assert site.rest.ask("DELETE", f"{POINTS}/{point.id}/hold", "ada", hold).status == 200


@pytest.mark.parametrize(
    ("action", "effect"),
    [
        ("restore.volumes", "create volume"),
        ("restore.instance", "create instance"),
        ("restore.in_place", "stop"),
    ],
)
def test_a_button_leads_to_the_plan_of_a_restore_and_changes_nothing(
    site: PagesService, point: RecoveryPoint, action: str, effect: str
) -> None:
    path = f"{POINTS}/{point.id}"
    page = site.get("olga", path)
    assert 'value="recovery_point.delete"' not in page.content.decode(), "an operator deletes none"
    planned = site.post("olga", path, site.fields(page) | {"action": action})
    assert planned.status == 303, site.text(planned)
    shown = site.get("olga", planned.headers["Location"].removeprefix(PREFIX))
    assert action in site.text(shown)
    assert "Apply it" in site.text(shown)
    assert site.rest.ask("GET", f"{SHOP}/runs?state=queued").json["items"] == []
    assert effect.split(maxsplit=1)[0] in site.text(shown)


def test_what_cannot_be_planned_is_told_on_the_page(
    site: PagesService, point: RecoveryPoint
) -> None:
    path = f"{POINTS}/{point.id}"
    hold = {"reason": "case 7"}
    assert site.rest.ask("PUT", f"{path}/hold", "ada", hold).status == 200
    page = site.get("ada", path)
    refused = site.post("ada", path, site.fields(page) | {"action": "recovery_point.delete"})
    assert refused.status == 409
    assert "a legal hold of ada" in site.text(refused)
    assert site.rest.ask("DELETE", f"{path}/hold", "ada", hold).status == 200
    good = site.fields(page) | {"action": "recovery_point.delete"}
    assert site.post("ada", path, good | {"action": "x"}).status == 400
    assert site.post("ada", path, good | {"ticket": ""}).status == 403
    assert site.post("ada", path, good, {"Origin": "https://evil.example"}).status == 403
    assert site.post("ada", path, good).status == 303


def test_a_viewer_reads_and_has_no_button(site: PagesService, point: RecoveryPoint) -> None:
    page = site.get("vera", f"{POINTS}/{point.id}")
    assert "Operators and administrators of the project restore; you are viewer" in site.text(page)
    assert b"<form" not in page.content
    assert site.get("vera", f"{POINTS}/rp_none").status == 404


def test_restores_say_what_they_made_and_until_when_they_can_be_undone(
    site: PagesService, point: RecoveryPoint
) -> None:
    core = site.rest.core
    assert "No restore of this project is stranded" in site.text(
        site.get("vera", f"{SHOP}/restores?state=stranded")
    )
    ada = call("ada", PLATFORM)
    shown = core.runs.preview(
        ada, "shop", action="restore.in_place", resource=point.id, arguments={}
    )
    core.runs.apply(ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    assert core.carry_out() is None
    page = site.get("olga", f"{SHOP}/restores")
    text = site.text(page)
    assert "in place complete" in text
    assert re.search(r"Undo … until .*\(\s*in 24 h", text)
    (restore,) = site.rest.ask("GET", f"{SHOP}/restores?point={point.id}").json["items"]
    fields = site.fields(page) | {"undo": restore["id"]}
    planned = site.post("olga", f"{SHOP}/restores", fields)
    assert planned.status == 303, site.text(planned)
    undo = site.get("olga", planned.headers["Location"].removeprefix(PREFIX))
    assert "restore.undo" in site.text(undo)
    assert b'name="undo"' not in site.get("vera", f"{SHOP}/restores").content
    later = clock.now() + timedelta(hours=25)
    with clock.set_clock(lambda: later):
        late = site.text(site.get("olga", f"{SHOP}/restores"))
    assert "no longer" in late
    assert "Undo …" not in late
    assert point.id in site.text(site.get("olga", f"{SHOP}/restores"))
    assert "Its restores" in site.text(site.get("olga", f"{POINTS}/{point.id}"))
