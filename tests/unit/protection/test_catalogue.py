"""The catalogue is made anew from the clouds: whole sets count, others never, nothing twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from copy_scene import (
    AWAY,
    OTHER,
    Template,
    calls_of,
    carry_on,
    copies,
    copy_to,
    freeze,
    kill,
    later,
    nth,
    scene,
    take,
)
from core_double import ACCOUNT, REGION, Core, Project
from mavis_core import clock
from mavis_core.contract import LockMode, SnapshotState, VolumeSnapshot
from mavis_core.db import tables
from mavis_core.errors import CloudDenied, Forbidden
from mavis_core.ids import time_of
from mavis_core.projects.model import Environment, EnvironmentState
from mavis_core.protection.catalogue.found_sets import Seen, gather
from mavis_core.protection.catalogue.rows import new_copy
from mavis_core.protection.points.manifests import Disk, Manifest, pack
from mavis_core.protection.points.model import Copy, CopyRole, PointState, RecoveryPoint
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import FakeCloud, Rule

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return freeze(tmp_path_factory.mktemp("base"), _protected)


@pytest.fixture
def shop(base: Template, tmp_path: Path) -> Iterator[Project]:
    made = base.copy(tmp_path / "shop")
    yield made
    made.core.close()


@pytest.fixture
def cloud(shop: Project) -> FakeCloud:
    return shop.core.cloud


def _protected(core: Core, cloud: FakeCloud) -> None:
    """A plan's point with copies in two accounts, and one that a person asked for."""
    made = scene(core, cloud)
    made.plan(
        copies=[
            {"environment": "away", "region": AWAY},
            {"environment": "dr", "region": AWAY, "kms_key": "alias/dr"},
        ]
    )
    assert made.back_up(rule="daily").state is RunState.SUCCEEDED
    made.start("recovery_point.create", "web-1", description="before the upgrade")
    assert core.carry_out() is None


def rebuild(shop: Project) -> dict[str, Any]:
    """Rebuild an hour later, when every cloud shows what there is."""
    with later(HOUR):
        run = shop.core.runs.start(
            shop.ada,
            "shop",
            action="catalogue.rebuild",
            resource=None,
            arguments={},
        )
        shop.core.carry_out()
    done = shop.run(run)
    assert done.state is RunState.SUCCEEDED, done.error
    result: dict[str, Any] = dict(done.result["catalogue"])
    return result


def forget(shop: Project) -> None:
    """Lose every row of recovery points and of what was called."""
    with shop.core.database.write() as tx:
        for table in (
            tables.copy_members,
            tables.copies,
            tables.recovery_points,
            tables.intents,
        ):
            tx.execute(sa.delete(table))


def told(point: RecoveryPoint) -> RecoveryPoint:
    """Return a point without what no tag tells."""
    made = time_of(point.id)  # a moment before the row's own, on a busy machine more than one
    assert timedelta(0) <= point.created_at - made < timedelta(seconds=30)
    return replace(
        point,
        created_at=made,
        completed_at=None,
        copies=tuple(sorted((_told(copy) for copy in point.copies), key=lambda c: c.role)),
    )


def _told(copy: Copy) -> Copy:
    own = copy.id if copy.role is CopyRole.COPY else ""
    started = clock.parse("2000-01-01T00:00:00Z")
    return replace(copy, id=own, run_id=None, created_at=started, completed_at=None)


def test_what_was_lost_comes_back_field_by_field(shop: Project) -> None:
    before = shop.points()
    forget(shop)
    assert shop.points() == []
    assert rebuild(shop) == {
        "found": 2,
        "added": 2,
        "repaired": 0,
        "left_alone": [],
        "unread": [],
    }
    assert [told(point) for point in shop.points()] == [told(point) for point in before]
    assert {point.description for point in shop.points()} >= {"before the upgrade"}


def test_copies_tell_whether_the_machine_was_at_rest_which_is_known_later_than_the_tags(
    shop: Project,
) -> None:
    shop.plan(
        "frozen",
        hooks={"pre": "freeze", "post": "thaw"},
        copies=[{"environment": "dr", "region": AWAY}],
    )
    shop.back_up("frozen")
    point = shop.points()[0]
    assert point.manifest.configuration["consistency"]["level"] == "application"
    assert len(point.copies) == 2
    assert rebuild(shop)["left_alone"] == []
    forget(shop)
    assert rebuild(shop)["left_alone"] == []
    again = shop.points()[0]
    assert (again.manifest, len(again.copies)) == (point.manifest, 2)


def test_repeating_it_changes_nothing(shop: Project) -> None:
    forget(shop)
    rebuild(shop)
    before = shop.points()
    again = rebuild(shop)
    assert (again["added"], again["repaired"], again["left_alone"]) == (0, 0, [])
    assert shop.points() == before


def test_a_catalogue_that_knows_all_stays_as_it_is(shop: Project) -> None:
    before = shop.points()
    assert rebuild(shop) == {
        "found": 2,
        "added": 0,
        "repaired": 0,
        "left_alone": [],
        "unread": [],
    }
    assert shop.points() == before


def test_what_came_back_can_be_deleted_for_the_ledger_knows_it(
    shop: Project, cloud: FakeCloud
) -> None:
    forget(shop)
    rebuild(shop)
    for point in shop.points():
        shown = shop.core.runs.preview(
            shop.ada, "shop", action="recovery_point.delete", resource=point.id, arguments={}
        )
        shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm="shop")
    assert shop.core.carry_out() is None
    assert cloud.snapshots == {}


def test_locks_come_back_and_legal_holds_do_not(shop: Project, cloud: FakeCloud) -> None:
    point = shop.points()[0]
    shown = shop.core.runs.preview(
        shop.ada,
        "shop",
        action="recovery_point.lock",
        resource=point.id,
        arguments={"mode": "governance", "for": "7d"},
    )
    shop.core.runs.apply(shop.ada, "shop", shown.id, hash=shown.hash, confirm=None)
    shop.core.carry_out()
    lock = shop.points()[0].lock
    assert lock is not None
    assert lock.mode is LockMode.GOVERNANCE
    forget(shop)
    rebuild(shop)
    assert [each.lock for each in shop.points()] == [lock, None]


def test_a_set_that_lacks_a_member_is_partial(shop: Project, cloud: FakeCloud) -> None:
    lost = shop.points()[0].primary.members[0].cloud_id or ""
    forget(shop)
    cloud.vanish(lost)
    rebuild(shop)
    point = shop.points()[0]
    assert (point.state, point.primary.state) == (PointState.PARTIAL, PointState.PARTIAL)
    assert "The set lacks" in (point.error or {})["message"]


def test_a_point_of_which_only_copies_are_left_comes_back_with_them(
    shop: Project, cloud: FakeCloud
) -> None:
    before = shop.points()[1]
    for member in before.primary.members:
        cloud.vanish(member.cloud_id or "")
    forget(shop)
    rebuild(shop)
    point = shop.points()[1]
    assert point.state is PointState.COMPLETE
    assert point.primary.state is PointState.GONE
    assert [copy.state for copy in copies(shop)] == [PointState.COMPLETE] * 2
    assert (point.region, point.account, point.environment) == (REGION, ACCOUNT, "main")
    assert (point.taken_at, point.instance_id) == (before.taken_at, before.instance_id)


def test_members_that_vanished_make_a_copy_partial_and_the_rest_stays(
    shop: Project, cloud: FakeCloud
) -> None:
    before = shop.points()
    (away,) = [copy for copy in copies(shop) if copy.environment == "away"]
    cloud.vanish(away.members[0].cloud_id or "")
    assert rebuild(shop)["repaired"] == 1
    (now,) = [copy for copy in copies(shop) if copy.environment == "away"]
    assert now.state is PointState.PARTIAL
    assert [m.state for m in now.members] == ["missing", "completed"]
    assert shop.points()[0] == before[0]
    assert rebuild(shop)["repaired"] == 0


def test_a_copy_that_the_catalogue_lost_is_added_to_its_point(shop: Project) -> None:
    point, lost = shop.points()[1], copies(shop)[0]
    with shop.core.database.write() as tx:
        tx.execute(sa.delete(tables.copy_members).where(tables.copy_members.c.copy_id == lost.id))
        tx.execute(sa.delete(tables.copies).where(tables.copies.c.id == lost.id))
    assert rebuild(shop)["repaired"] == 1
    assert _told(lost) in [_told(copy) for copy in copies(shop)]
    assert told(shop.points()[1]) == told(point)


def test_a_copy_that_was_called_failed_and_is_whole_after_all_is_complete(shop: Project) -> None:
    copy = copies(shop)[0]
    with shop.core.database.write() as tx:
        members, table = tables.copy_members, tables.copies
        tx.execute(
            sa.update(members)
            .where(members.c.copy_id == copy.id)
            .values(cloud_id=None, state="error")
        )
        tx.execute(sa.update(table).where(table.c.id == copy.id).values(state="failed"))
    assert rebuild(shop)["repaired"] == 1
    assert copies(shop)[0].state is PointState.COMPLETE
    assert copies(shop)[0].members == copy.members


def retag(cloud: FakeCloud, cloud_id: str, **tags: str | None) -> None:
    """Let somebody change the tags of a snapshot; None takes one away."""
    one = cloud.snapshots[cloud_id]
    changed = {**one.what.tags, **{f"mavis:{k.replace('_', '-')}": v for k, v in tags.items()}}
    one.what = replace(one.what, tags={k: v for k, v in changed.items() if v is not None})


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        pytest.param({"manifest": None}, "no whole manifest", id="no manifest"),
        pytest.param({"manifest": f"1 {'0' * 64}"}, "manifest", id="checksum"),
        pytest.param({"recovery_point": "rp_x'; --"}, "not an id", id="no id"),
        pytest.param({"project": "bakery"}, "1 volume snapshots belong", id="another project"),
    ],
)
def test_what_was_altered_is_told_and_left_out(
    shop: Project, cloud: FakeCloud, tags: dict[str, str | None], word: str
) -> None:
    snapshot = shop.points()[0].primary.members[0].cloud_id or ""
    forget(shop)
    retag(cloud, snapshot, **tags)
    result = rebuild(shop)
    assert any(word in reason for reason in result["left_alone"]), result
    assert shop.points()[0].state is PointState.PARTIAL
    assert snapshot in cloud.snapshots


def test_where_the_catalogue_knows_better_altered_tags_change_nothing(
    shop: Project, cloud: FakeCloud
) -> None:
    before = shop.points()
    for member in before[0].primary.members:
        manifest = Manifest(disks=(Disk("vol-evil", "/dev/sda1", 1),))
        forged = pack({}, manifest)
        retag(
            cloud, member.cloud_id or "", **{k.removeprefix("mavis:"): v for k, v in forged.items()}
        )
    result = rebuild(shop)
    assert "is not the one in the catalogue" in result["left_alone"][0]
    assert shop.points() == before


def test_tags_that_were_taken_away_do_not_make_a_point_incomplete(
    shop: Project, cloud: FakeCloud
) -> None:
    before = shop.points()
    snapshot = before[0].primary.members[0].cloud_id or ""
    cloud.snapshots[snapshot].what = replace(cloud.snapshots[snapshot].what, tags={})
    result = rebuild(shop)
    assert result["left_alone"] == [f"{snapshot}: there, and without our tags"]
    assert shop.points() == before


def test_what_is_made_just_now_and_does_not_show_is_not_called_missing(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.vanish(shop.points()[0].primary.members[0].cloud_id or "")
    shop.core.runs.start(
        shop.ada,
        "shop",
        action="catalogue.rebuild",
        resource=None,
        arguments={},
    )
    shop.core.carry_out()
    assert shop.points()[0].state is PointState.COMPLETE


def test_a_set_that_is_still_made_waits_for_the_next_time(shop: Project, cloud: FakeCloud) -> None:
    snapshot = shop.points()[0].primary.members[0].cloud_id or ""
    forget(shop)
    cloud.progress(snapshot, 40)
    result = rebuild(shop)
    assert result["added"] == 1
    assert any("is still being made" in reason for reason in result["left_alone"])
    cloud.complete(snapshot)
    assert rebuild(shop)["added"] == 1
    assert {point.state for point in shop.points()} == {PointState.COMPLETE}


def test_an_environment_that_cannot_be_read_is_told_and_nothing_there_is_called_missing(
    shop: Project, cloud: FakeCloud
) -> None:
    before = shop.points()
    cloud.rules.append(
        Rule("snapshots.all", before=_denied, times=9, when=lambda call: call.account == OTHER)
    )
    run = shop.core.runs.start(
        shop.ada,
        "shop",
        action="catalogue.rebuild",
        resource=None,
        arguments={},
    )
    with later(HOUR):
        shop.core.carry_out()
    assert "not read: dr: may not" in (shop.run(run).error or {})["message"]
    assert shop.points() == before


def _denied(_: object) -> None:
    raise CloudDenied("may not")


def test_one_double_is_told_and_the_set_has_the_other(shop: Project, cloud: FakeCloud) -> None:
    one = cloud.snapshots[shop.points()[0].primary.members[0].cloud_id or ""]
    double = replace(one.what, cloud_id="snap-double", started_at=clock.now())
    cloud.snapshots["snap-double"] = replace(one, id="snap-double", what=double)
    forget(shop)
    result = rebuild(shop)
    assert [reason.partition(":")[0] for reason in result["left_alone"]] == ["snap-double"]
    assert shop.points()[0].state is PointState.COMPLETE
    assert one.id in {m.cloud_id for m in shop.points()[0].primary.members}


def test_an_operator_may_not_rebuild(shop: Project) -> None:
    with pytest.raises(Forbidden):
        shop.start("catalogue.rebuild")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return a project that has lost its catalogue and has been asked to rebuild it."""

    def prepare(core: Core, cloud: FakeCloud) -> None:
        made = scene(core, cloud)
        copy_to(made, take(made), "dr")
        take(made)
        forget(made)
        core.runs.start(
            made.ada,
            "shop",
            action="catalogue.rebuild",
            resource=None,
            arguments={},
        )

    return freeze(tmp_path_factory.mktemp("asked"), prepare)


def test_a_worker_that_is_killed_at_any_call_leaves_a_whole_catalogue(
    asked: Template, tmp_path: Path
) -> None:
    calls = calls_of(asked, tmp_path / "clean")
    for position, moment in itertools.product(range(len(calls)), ("before", "after")):
        shop = asked.copy(tmp_path / f"{position}-{moment}")
        where = f"killed {moment} {calls[position].action} ({position})"
        shop.core.cloud.rules.append(nth(calls, position, **{moment: kill}))
        assert carry_on(shop) == 1, where
        assert [point.state for point in shop.points()] == [PointState.COMPLETE] * 2, where
        assert len(copies(shop)) == 1, where
        shop.core.close()


MAIN = Environment(
    id="env_main",
    project_id="prj_shop",
    project="shop",
    name="main",
    kit="fake",
    account=ACCOUNT,
    regions=(REGION,),
    options={},
    key=None,
    key_id=None,
    state=EnvironmentState.OK,
    checked_at=None,
    error=None,
    created_at=clock.parse("2026-01-01T00:00:00Z"),
    created_by="ada",
)


def snapshot(number: int, manifest: Manifest, state: SnapshotState) -> VolumeSnapshot:
    head = {"project": "shop", "recovery-point": "rp_01jd3k00000000000000000000"}
    return VolumeSnapshot(
        f"snap-{number}",
        REGION,
        f"vol-{number}",
        state,
        100,
        clock.parse("2026-01-02T00:00:00Z"),
        8,
        pack(head, manifest),
    )


@settings(max_examples=60)
@given(
    disks=st.integers(1, 12),
    data=st.data(),
)
def test_whatever_members_are_missing_or_broken_the_set_is_never_complete(
    disks: int, data: st.DataObject
) -> None:
    manifest = Manifest(
        {"instance_type": "small"},
        {"Name": "web-1"},
        tuple(Disk(f"vol-{number}", f"/dev/sd{number}", 8) for number in range(disks)),
    )
    there = data.draw(st.sets(st.integers(0, disks - 1), min_size=1))
    broken = data.draw(st.sets(st.sampled_from(sorted(there))))
    members = [
        snapshot(n, manifest, SnapshotState.ERROR if n in broken else SnapshotState.COMPLETED)
        for n in sorted(there)
    ]
    order = data.draw(st.permutations(members))
    (point,) = gather([Seen(MAIN, one) for one in order], "shop").points
    copy = new_copy(point.sets[0], point)
    whole = len(there) == disks and not broken
    assert (copy.state is PointState.COMPLETE) == whole
    assert len(copy.members) == disks
