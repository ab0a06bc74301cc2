"""Restores as programs see them: shown, begun, found, and undone after a preview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mavis_core.protection.restore.model import Restore
from rest_service import RestService

RESTORES = "/projects/shop/restores"


def told(rest: RestService, path: str) -> Any:
    answer = rest.ask("GET", path, "vera")
    assert answer.status == 200, answer.content
    return answer.json


def test_new_volumes_are_made_and_told(rest: RestService, things: dict[str, str]) -> None:
    found = told(rest, f"{RESTORES}/{things['restore']}")
    assert set(found) == set(Restore.__slots__) - {"project_id"}
    assert (found["kind"], found["state"], found["point_id"]) == (
        "volumes",
        "complete",
        things["point"],
    )
    made = found["made"]
    assert (made["instance_id"], made["group_id"]) == (None, None)
    originals = {
        disk["volume_id"]
        for disk in told(rest, f"/projects/shop/recovery-points/{things['point']}")["manifest"][
            "disks"
        ]
    }
    assert set(made["volumes"]) == originals
    assert set(made["volumes"].values()) <= set(rest.cloud.volumes)
    assert (found["before"], found["undo_until"], found["proof"]) == (None, None, None)


def test_a_dry_run_names_every_effect_and_can_be_applied(
    rest: RestService, things: dict[str, str]
) -> None:
    body = {"point": things["point"], "kind": "instance", "name": "web-2", "dry_run": True}
    before = told(rest, RESTORES)
    answer = rest.ask("POST", RESTORES, "olga", body)
    assert answer.status == 200
    shown = answer.json
    assert (shown["action"], shown["severity"], shown["confirm"]) == (
        "restore.instance",
        "creates",
        None,
    )
    assert [(each["verb"], each["kind"], each["name"]) for each in shown["effects"]] == [
        ("create", "instance", "web-2"),
        ("create", "volume", "web-2"),
        ("create", "volume", "web-2"),
    ]
    assert any(warning.startswith("Cost until") for warning in shown["warnings"])
    assert told(rest, RESTORES) == before
    path = f"/projects/shop/previews/{shown['id']}/apply"
    assert rest.ask("POST", path, "olga", {"hash": shown["hash"]}).status == 202
    assert rest.core.carry_out() is None
    (newest, *_) = told(rest, f"{RESTORES}?kind=instance")["items"]
    assert (newest["state"], newest["created_by"]) == ("complete", "olga")
    assert rest.cloud.instances[newest["made"]["instance_id"]]


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"kind": "in_place"}, 400, "kind"),
        ({"kind": "verification"}, 400, "kind"),
        ({"kind": "volumes", "subnet": "s"}, 400, "subnet"),
        ({"kind": "instance", "attach_to": "web-1"}, 400, "attach_to"),
        ({"kind": "volumes", "volumes": ["vol-none"]}, 400, "volumes"),
        ({"kind": "volumes", "volumes": []}, 400, "volumes"),
        ({"kind": "volumes", "region": "there-1"}, 409, "region"),
        ({"kind": "volumes", "environment": "none"}, 409, "environment"),
        ({"kind": "volumes", "attach_to": "nobody"}, 404, None),
        ({"kind": "volumes", "point": "rp_none"}, 404, None),
        ({}, 400, "kind"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_named_where_it_is_in_the_body(
    rest: RestService,
    things: dict[str, str],
    more: dict[str, Any],
    status: int,
    field: str | None,
) -> None:
    before = told(rest, "/projects/shop/runs?limit=1")
    for dry_run in (False, True):
        body = {"point": things["point"], "dry_run": dry_run, **more}
        answer = rest.ask("POST", RESTORES, "olga", body)
        assert (answer.status, answer.json.get("field")) == (status, field), answer.json
    assert told(rest, "/projects/shop/runs?limit=1") == before


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=volumes", True),
        ("kind=instance", False),
        ("state=complete", True),
        ("state=failed", False),
        ("kind=volumes&state=complete&point={point}", True),
        ("point=rp_none", False),
    ],
)
def test_filters_narrow_the_list(
    rest: RestService, things: dict[str, str], query: str, found: bool
) -> None:
    items = told(rest, f"{RESTORES}?{query.format(**things)}")["items"]
    assert (things["restore"] in [each["id"] for each in items]) is found


def apply(rest: RestService, action: str, resource: str) -> None:
    """Preview an action, confirm it with the project's name, and carry it out."""
    body = {"action": action, "resource": resource}
    shown = rest.ask("POST", "/projects/shop/previews", "olga", body).json
    assert (shown["severity"], shown["confirm"]) == ("destroys", "shop"), shown
    path = f"/projects/shop/previews/{shown['id']}/apply"
    unconfirmed = rest.ask("POST", path, "olga", {"hash": shown["hash"]})
    assert unconfirmed.code == "confirmation_needed"
    body = {"hash": shown["hash"], "confirm": "shop"}
    assert rest.ask("POST", path, "olga", body).status == 202
    assert rest.core.carry_out() is None


def test_in_place_and_back_again(rest: RestService, things: dict[str, str]) -> None:
    apply(rest, "restore.in_place", things["point"])
    (found, *_) = told(rest, f"{RESTORES}?kind=in_place")["items"]
    assert (found["state"], found["before"]["disks"], found["before"]["ran"]) == (
        "complete",
        "new",
        True,
    )
    left = datetime.fromisoformat(found["undo_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    instance = found["before"]["instance_id"]
    assert set(rest.cloud.instances[instance].devices.values()) == set(
        found["made"]["volumes"].values()
    )
    apply(rest, "restore.undo", found["id"])
    undone = told(rest, f"{RESTORES}/{found['id']}")
    assert (undone["state"], undone["before"]["disks"]) == ("undone", "old")
    assert undone["end_run_id"] is not None
    assert rest.cloud.instances[instance].devices == found["before"]["devices"]
