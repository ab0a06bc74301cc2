"""Recovery points as programs see them: their form, their filters; and cancelling a Run."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mavis_core.contract import LockMode
from mavis_core.protection.points import rows as points
from mavis_core.protection.points.model import Copy, Hold, Lock, RecoveryPoint
from rest_service import Answer, RestService

POINTS = "/projects/shop/recovery-points"
MOMENT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def told(rest: RestService, path: str) -> Any:
    answer = rest.ask("GET", path, "vera")
    assert answer.status == 200, answer.content
    return answer.json


def test_a_point_is_told_with_its_manifest_its_copies_and_their_members(
    rest: RestService, things: dict[str, str]
) -> None:
    point = told(rest, f"{POINTS}/{things['point']}")
    assert set(point) == {*RecoveryPoint.__slots__, "size_gib", "volumes"} - {"project_id"}
    assert (point["project"], point["state"], point["run_id"]) == (
        "shop",
        "complete",
        things["run"],
    )
    assert (point["volumes"], point["size_gib"]) == (2, 28)
    disks = {disk["volume_id"]: disk["size_gib"] for disk in point["manifest"]["disks"]}
    assert sorted(disks.values()) == [8, 20]
    (copy,) = point["copies"]
    assert set(copy) == set(Copy.__slots__) - {"point_id"}
    assert (copy["role"], copy["state"], copy["region"]) == ("primary", "complete", point["region"])
    members = copy["members"]
    assert {each["volume_id"]: each["size_gib"] for each in members} == disks
    assert {(each["state"], each["progress_percent"]) for each in members} == {("completed", 100)}
    for moment in (point["taken_at"], point["completed_at"], copy["completed_at"]):
        assert datetime.fromisoformat(moment).tzinfo is not None


def test_the_hash_stands_for_the_manifest(rest: RestService, things: dict[str, str]) -> None:
    manifest = told(rest, f"{POINTS}/{things['point']}")["manifest"]
    given = manifest.pop("hash")
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == given


def test_a_list_tells_all_but_the_manifest(rest: RestService, things: dict[str, str]) -> None:
    whole = told(rest, f"{POINTS}/{things['point']}")
    listed = told(rest, POINTS)["items"]
    assert [each for each in listed if each["id"] == things["point"]] == [
        {name: value for name, value in whole.items() if name != "manifest"}
    ]


def test_hold_lock_and_proof_are_told(rest: RestService, things: dict[str, str]) -> None:
    proof = {
        "ok": True,
        "at": "2026-01-31T12:00:00.000000Z",
        "run": "run_x",
        "restore": "res_x",
        "copy": "cpy_x",
        "region": "here-1",
        "volumes": [{"volume_id": "vol-1", "blocks": 16}],
        "seconds": {"launch": 4.5},
        "checks": [],
        "isolated": True,
        "left": 0,
    }
    with rest.core.database.write() as tx:
        points.update(
            tx,
            things["point"],
            hold=Hold("ada", MOMENT, "case 7"),
            lock=Lock(LockMode.GOVERNANCE, MOMENT),
            proof=proof,
        )
    point = told(rest, f"{POINTS}/{things['point']}")
    moment = "2026-07-01T12:00:00Z"
    assert point["hold"] == {"by": "ada", "at": moment, "reason": "case 7"}
    assert point["lock"] == {"mode": "governance", "until": moment}
    assert point["proof"] == {**proof, "at": "2026-01-31T12:00:00Z", "why": None, "code": None}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("instance=web-1", True),
        ("instance=web-2", False),
        ("state=complete", True),
        ("state=failed", False),
        ("region=here-1", True),
        ("region=there-1", False),
        ("plan=nightly", False),
        ("instance=web-1&state=complete&region=here-1", True),
    ],
)
def test_filters_narrow_the_list(
    rest: RestService, things: dict[str, str], query: str, found: bool
) -> None:
    ids = [each["id"] for each in told(rest, f"{POINTS}?{query}")["items"]]
    assert (things["point"] in ids) is found


def begun(rest: RestService) -> str:
    answer = rest.ask("POST", POINTS, "olga", {"resource": "web-1"})
    assert answer.status == 202, answer.content
    return str(answer.json["id"])


def cancel(rest: RestService, run: str, token: str = "olga") -> Answer:
    return rest.ask("POST", f"/projects/shop/runs/{run}/cancel", token)


def test_a_run_that_has_not_begun_is_cancelled_and_makes_nothing(rest: RestService) -> None:
    run = begun(rest)
    answer = cancel(rest, run)
    assert answer.status == 202
    assert answer.headers["Location"].endswith(f"/projects/shop/runs/{run}")
    assert answer.json["cancelled_by"] == "olga"
    assert cancel(rest, run, "ada").json["cancelled_by"] == "olga", "again changes nothing"
    before = set(rest.cloud.snapshots)
    rest.core.carry_out()
    ended = told(rest, f"/projects/shop/runs/{run}")
    assert (ended["state"], ended["cancelled_by"]) == ("cancelled", "olga")
    assert ended["error"]["code"] == "cancelled"
    assert set(rest.cloud.snapshots) == before
    assert [each["id"] for each in told(rest, "/projects/shop/runs?state=cancelled")["items"]] == [
        run
    ]


def test_a_run_that_has_ended_is_not_cancelled(rest: RestService, things: dict[str, str]) -> None:
    answer = cancel(rest, things["run"])
    assert (answer.status, answer.code) == (409, "conflict")
    assert rest.record_of(answer) is not None
    assert told(rest, f"/projects/shop/runs/{things['run']}")["state"] == "succeeded"


def test_a_run_that_a_person_asked_for_has_no_slot_and_begins_at_once(
    rest: RestService, things: dict[str, str]
) -> None:
    run = told(rest, f"/projects/shop/runs/{things['run']}")
    assert (run["slot"], run["not_before"], run["cancelled_by"]) == (None, None, None)
