"""Legal holds: while one stands nobody deletes, and both its ends are on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from copy_scene import Template, freeze, scene, take
from core_double import Core, Project, call
from mavis_core.access import Role
from mavis_core.errors import Conflict, Forbidden, InvalidInput, NotFound
from mavis_core.protection.points.holds import Holds
from mavis_core.protection.points.model import RecoveryPoint
from mavis_core.testing.cloud import FakeCloud


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return freeze(tmp_path_factory.mktemp("base"), _taken)


@pytest.fixture
def shop(base: Template, tmp_path: Path) -> Iterator[Project]:
    made = base.copy(tmp_path / "shop")
    yield made
    made.core.close()


@pytest.fixture
def cloud(shop: Project) -> FakeCloud:
    return shop.core.cloud


def _taken(core: Core, cloud: FakeCloud) -> None:
    take(scene(core, cloud))


@pytest.fixture
def point(shop: Project) -> RecoveryPoint:
    return shop.points()[0]


@pytest.fixture
def holds(shop: Project) -> Holds:
    return Holds(shop.core.database, shop.core.projects)


def story(shop: Project) -> list[tuple[str, str]]:
    return [
        (record.action, record.summary)
        for record in shop.core.records()
        if record.action.startswith("recovery_point.hold") or record.action.endswith("release")
    ]


def delete(shop: Project, point: RecoveryPoint) -> None:
    shop.core.runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
    )


def test_a_hold_says_who_when_and_why_and_is_on_record(
    shop: Project, point: RecoveryPoint, holds: Holds
) -> None:
    held = holds.place(shop.ada, "shop", point.id, "case 4711")
    assert held.hold is not None
    assert (held.hold.by, held.hold.reason) == ("ada", "case 4711")
    released = holds.release(shop.ada, "shop", point.id, "case closed")
    assert released.hold is None
    assert story(shop) == [
        ("recovery_point.hold", f"ada placed a legal hold on {point.id}: case 4711"),
        ("recovery_point.release", f"ada released the legal hold on {point.id}: case closed"),
    ]


def test_doing_it_again_changes_nothing(shop: Project, point: RecoveryPoint, holds: Holds) -> None:
    first = holds.place(shop.ada, "shop", point.id, "case 4711")
    assert holds.place(shop.ada, "shop", point.id, "another reason") == first
    holds.release(shop.ada, "shop", point.id, "closed")
    holds.release(shop.ada, "shop", point.id, "closed")
    assert len(story(shop)) == 2


def test_nobody_deletes_what_is_held(shop: Project, point: RecoveryPoint, holds: Holds) -> None:
    holds.place(shop.ada, "shop", point.id, "case 4711")
    with pytest.raises(Conflict, match="legal hold of ada: case 4711"):
        delete(shop, point)
    holds.release(shop.ada, "shop", point.id, "closed")
    delete(shop, point)


def test_a_hold_that_comes_before_the_first_deletion_stops_it(
    shop: Project, point: RecoveryPoint, holds: Holds, cloud: FakeCloud
) -> None:
    runs = shop.core.runs
    shown = runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
    )
    runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    holds.place(shop.ada, "shop", point.id, "just in time")
    shop.core.carry_out()
    assert len(cloud.snapshots) == 2
    assert shop.points()[0].state == "complete"


def test_what_is_deleted_cannot_be_held(shop: Project, point: RecoveryPoint, holds: Holds) -> None:
    runs = shop.core.runs
    shown = runs.preview(
        shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
    )
    runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    shop.core.carry_out()
    with pytest.raises(Conflict, match="cannot be held any more"):
        holds.place(shop.ada, "shop", point.id, "too late")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        pytest.param(Role.AUDITOR, True, id="auditor"),
        pytest.param(Role.ADMIN, True, id="administrator"),
        pytest.param(Role.OPERATOR, False, id="operator"),
        pytest.param(Role.VIEWER, False, id="viewer"),
    ],
)
def test_holds_have_a_permission_of_their_own(
    shop: Project, point: RecoveryPoint, holds: Holds, role: Role, may: bool
) -> None:
    shop.core.projects.put_member(shop.ada, "shop", "user:paul", role)
    if may:
        assert holds.place(call("paul"), "shop", point.id, "audit").hold is not None
    else:
        with pytest.raises(Forbidden):
            holds.place(call("paul"), "shop", point.id, "audit")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\x1b[2Jb"])
def test_a_hold_needs_a_reason_that_can_be_read(
    shop: Project, point: RecoveryPoint, holds: Holds, reason: str
) -> None:
    with pytest.raises(InvalidInput):
        holds.place(shop.ada, "shop", point.id, reason)


def test_a_point_that_is_not_there_is_not_found(shop: Project, holds: Holds) -> None:
    with pytest.raises(NotFound):
        holds.place(shop.ada, "shop", "rp_unknown", "case 4711")
