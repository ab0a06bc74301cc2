"""Copies in other regions and accounts: whole or not counted, once, and nothing stays shared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from copy_scene import (
    AWAY,
    OTHER,
    Killed,
    Template,
    add_environment,
    calls_of,
    carry_on,
    copies,
    copy_to,
    freeze,
    kill,
    later,
    made_in,
    nth,
    scene,
    shared,
    take,
)
from core_double import ACCOUNT, REGION, Core, Project, finish
from mavis_core import clock
from mavis_core.bootstrap import _parts, make_work
from mavis_core.changes.model import IntentState
from mavis_core.config import WorkerConfig, load
from mavis_core.contract import SnapshotState
from mavis_core.db import tables
from mavis_core.errors import CloudDenied, CloudQuota, CloudUnreachable, CloudVanished
from mavis_core.protection.copies.progress import MOST_PENDING
from mavis_core.protection.copies.queue import queue
from mavis_core.protection.plans.definition import Copy as Target
from mavis_core.protection.points.manifests import unpack
from mavis_core.protection.points.model import MemberState, PointState, RecoveryPoint
from mavis_core.scheduling.execution import LEASE
from mavis_core.scheduling.model import RunState
from mavis_core.testing.cloud import (
    DEFAULT_KEY,
    Call,
    FakeCloud,
    FakeKit,
    Rule,
    broken,
    during,
    lose_reply,
    refuse,
    throttle,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return freeze(tmp_path_factory.mktemp("base"), scene)


@pytest.fixture
def shop(base: Template, tmp_path: Path) -> Iterator[Project]:
    made = base.copy(tmp_path / "shop")
    yield made
    made.core.close()


@pytest.fixture
def cloud(shop: Project) -> FakeCloud:
    return shop.core.cloud


def enqueue(
    shop: Project, points: Sequence[RecoveryPoint], *environments: str, region: str = AWAY
) -> None:
    """Put copies into the queue, as a backup plan does."""
    with shop.core.database.write() as tx:
        queue(tx, points, [Target(environment, region) for environment in environments])


def encrypt(cloud: FakeCloud, kms_key: str) -> None:
    """Let every volume be encrypted with a key."""
    for volume in cloud.volumes.values():
        volume.kms_key = kms_key


def open_intents(shop: Project) -> list[str]:
    table = tables.intents
    with shop.core.database.read() as tx:
        rows = tx.execute(sa.select(table).where(table.c.state == IntentState.OPEN))
        return [f"{row.action} {row.target}" for row in rows]


def test_a_copy_in_another_region_is_whole_and_tells_what_it_is(
    shop: Project, cloud: FakeCloud
) -> None:
    point = take(shop)
    run = copy_to(shop, point, "away")
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    assert run.result == {"copies": {"complete": 1, "failed": 0}}
    (copy,) = copies(shop)
    assert (copy.state, copy.place, copy.account) == ("complete", "away / there-1", ACCOUNT)
    assert {m.cloud_id for m in copy.members} == set(made_in(cloud, ACCOUNT))
    assert [m.size_gib for m in copy.members] == [m.size_gib for m in point.primary.members]
    sources = {m.cloud_id: m.volume_id for m in point.primary.members}
    for made in made_in(cloud, ACCOUNT):
        tags = cloud.snapshots[made].what.tags
        assert unpack(tags) == point.manifest
        assert (tags["mavis:role"], tags["mavis:copy"]) == ("copy", copy.id)
        assert sources[tags["mavis:source"]] == tags["mavis:volume"]
        assert tags["app"] == "shop"
    assert cloud.called("copies.share") == []


def test_another_account_may_read_only_while_it_copies(shop: Project, cloud: FakeCloud) -> None:
    point = take(shop)
    run = copy_to(shop, point, "dr")
    assert run.state is RunState.SUCCEEDED
    assert len(made_in(cloud, OTHER)) == 2
    (share,), (unshare,) = cloud.called("copies.share"), cloud.called("copies.unshare")
    assert (share.account, share.arguments["account"]) == (ACCOUNT, OTHER)
    assert unshare.arguments == share.arguments
    assert shared(cloud) == []
    assert open_intents(shop) == []


def test_a_key_of_the_destination_encrypts_the_copy(shop: Project, cloud: FakeCloud) -> None:
    encrypt(cloud, "alias/shop")
    copy_to(shop, take(shop), "dr", kms_key="alias/dr")
    assert {cloud.snapshots[one].kms_key for one in made_in(cloud, OTHER)} == {"alias/dr"}
    assert copies(shop)[0].kms_key == "alias/dr"


def test_a_key_that_cannot_be_used_fails_the_copy_with_the_clouds_own_words(
    shop: Project, cloud: FakeCloud
) -> None:
    encrypt(cloud, "alias/shop")
    cloud.unusable_keys.add("alias/dr")
    run = copy_to(shop, take(shop), "dr", kms_key="alias/dr")
    assert run.state is RunState.FAILED
    (copy,) = copies(shop)
    assert copy.state is PointState.FAILED
    assert copy.error is not None
    assert "Given key ID is not accessible" in copy.error["message"]
    assert "dr / there-1" in (run.error or {})["message"]
    assert shop.points()[0].state is PointState.COMPLETE, "the point itself is as good as before"
    assert shared(cloud) == []


def test_what_cannot_be_shared_fails_before_anything_is_copied(
    shop: Project, cloud: FakeCloud
) -> None:
    encrypt(cloud, DEFAULT_KEY)
    assert copy_to(shop, take(shop), "dr").state is RunState.FAILED
    assert (copies(shop)[0].error or {})["code"] == "cloud_denied"
    assert cloud.called("copies.copy") == []
    assert (shared(cloud), open_intents(shop)) == ([], [])


def test_one_member_that_is_refused_makes_the_set_partial_and_it_never_counts(
    shop: Project, cloud: FakeCloud
) -> None:
    rule = refuse("copies.copy", CloudDenied("may not ec2:CopySnapshot"))
    rule.skip = 1
    cloud.rules.append(rule)
    assert copy_to(shop, take(shop), "away").state is RunState.FAILED
    (copy,) = copies(shop)
    assert copy.state is PointState.PARTIAL
    assert sorted(m.state for m in copy.members) == [MemberState.COMPLETED, MemberState.ERROR]
    assert (copy.error or {})["code"] == "cloud_denied"


def test_a_broken_copy_is_asked_for_again_and_its_remains_go(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(broken("copies.copy", "it broke"))
    point = take(shop)
    assert copy_to(shop, point, "away").state is RunState.FAILED
    assert len(made_in(cloud, ACCOUNT)) == 2
    run = copy_to(shop, point, "away")
    assert run.state is RunState.SUCCEEDED
    assert [copy.state for copy in copies(shop)] == [PointState.GONE, PointState.COMPLETE]
    assert {m.cloud_id for m in copies(shop)[1].members} == set(made_in(cloud, ACCOUNT))


def test_a_second_copy_to_the_same_place_is_refused(shop: Project) -> None:
    point = take(shop)
    copy_to(shop, point, "away")
    with pytest.raises(Exception, match="has a copy in away / there-1 already"):
        copy_to(shop, point, "away")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param({"environment": "mars"}, "No environment 'mars'", id="environment"),
        pytest.param({"region": "mars-1"}, "no region 'mars-1'", id="region"),
        pytest.param({"kms_key": 7}, "takes the texts", id="number for text"),
        pytest.param({"speed": "fast"}, "takes the texts", id="unknown argument"),
        pytest.param({}, "already: it is complete", id="home"),
    ],
)
def test_what_cannot_be_copied_is_told_when_it_is_asked_for(
    shop: Project, arguments: dict[str, object], word: str
) -> None:
    with pytest.raises(Exception, match=word):
        shop.start("recovery_point.copy", take(shop).id, **arguments)


def test_no_more_are_under_way_than_the_cloud_takes(shop: Project, cloud: FakeCloud) -> None:
    cloud.launch(ACCOUNT, REGION, "db-1", sizes=(4, 4, 4))
    shop.discover()
    points = [take(shop, name) for name in ("web-1", "db-1")]
    cloud.copy_limit, cloud.snapshots_complete = 2, False
    most: list[int] = []

    def look(_: Call) -> None:
        pending = [one for one in cloud.snapshots.values() if one.what.state == "pending"]
        most.append(len(pending))
        for one in pending:
            cloud.complete(one.id)

    cloud.rules.append(during("snapshots.find", look, region=AWAY, times=100))
    enqueue(shop, points, "away")
    run = shop.start("copies.run")
    assert shop.core.carry_out() is None
    assert shop.run(run).result == {"copies": {"complete": 2, "failed": 0}}
    assert max(most) == 2
    assert len(made_in(cloud, ACCOUNT)) == 5


def test_the_queue_takes_the_oldest_copy_first_and_twenty_at_a_time(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.launch(ACCOUNT, REGION, "db-1", sizes=(1,) * 12)
    shop.discover()
    points = [take(shop, "db-1"), take(shop, "db-1")]
    cloud.snapshots_complete = False

    def look(call: Call) -> None:
        for one in list(call.cloud.snapshots):
            call.cloud.complete(one)

    cloud.rules.append(during("snapshots.find", look, region=AWAY, times=9))
    enqueue(shop, points, "away")
    shop.start("copies.run")
    assert shop.core.carry_out() is None
    assert [copy.state for copy in copies(shop)] == [PointState.COMPLETE] * 2
    actions = [call.action for call in cloud.calls]
    first = actions.index("copies.copy")
    assert actions[first:].index("snapshots.find") == 20
    begun = cloud.called("copies.copy")
    of_oldest = [c for c in begun if _tags(c)["mavis:copy"] == copies(shop)[0].id]
    assert all(call in begun[:20] for call in of_oldest)


def _tags(call: Call) -> Mapping[str, str]:
    tags = call.arguments["tags"]
    assert isinstance(tags, Mapping)
    return tags


def test_queueing_twice_plans_one_copy(shop: Project) -> None:
    points = [take(shop)]
    enqueue(shop, points, "away", "dr")
    enqueue(shop, points, "dr", "away")
    assert len(copies(shop)) == 2


@pytest.mark.parametrize(
    ("environment", "region", "code", "word"),
    [
        pytest.param("mars", AWAY, "not_found", "no environment 'mars'", id="environment"),
        pytest.param("away", "mars-1", "cloud_region", "does not include mars-1", id="region"),
    ],
)
def test_a_place_that_cannot_be_had_is_a_copy_that_failed_and_says_so(
    shop: Project, environment: str, region: str, code: str, word: str
) -> None:
    enqueue(shop, [take(shop)], environment, region=region)
    (copy,) = copies(shop)
    assert (copy.state, (copy.error or {})["code"]) == (PointState.FAILED, code)
    assert word in (copy.error or {})["message"]
    enqueue(shop, shop.points(), environment, region=region)
    assert len(copies(shop)) == 1


def test_a_machine_that_fails_keeps_no_other_copy_from_being_made(
    shop: Project, cloud: FakeCloud
) -> None:
    points = [take(shop), take(shop)]
    enqueue(shop, points, "away", "dr")
    cloud.rules.append(
        Rule("connect", before=_closed, times=99, when=lambda call: call.account == OTHER)
    )
    run = shop.start("copies.run")
    shop.core.carry_out()
    assert shop.run(run).state is RunState.FAILED
    assert {(c.environment, c.state) for c in copies(shop)} == {
        ("away", PointState.COMPLETE),
        ("dr", PointState.FAILED),
    }
    assert (shared(cloud), open_intents(shop)) == ([], [])


def _closed(_: Call) -> None:
    raise CloudDenied("the key is not good")


def test_a_share_that_does_not_show_at_once_is_waited_for(shop: Project, cloud: FakeCloud) -> None:
    cloud.rules.append(refuse("copies.copy", CloudVanished("not shared"), times=2))
    assert copy_to(shop, take(shop), "dr").state is RunState.SUCCEEDED
    assert len(made_in(cloud, OTHER)) == 2


def test_throttling_and_a_full_cloud_are_waited_for_and_told(
    shop: Project, cloud: FakeCloud
) -> None:
    seen: list[tuple[str, str]] = []
    point = take(shop)
    run = shop.start("recovery_point.copy", point.id, environment="away", region=AWAY)
    cloud.rules.append(throttle("copies.copy"))
    cloud.rules.append(refuse("copies.copy", CloudQuota("20 copies are under way"), times=2))

    def watch(_: Call) -> None:
        step = shop.run(run).steps[0]
        seen.append((step.state, step.detail))

    cloud.rules.append(during("copies.copy", watch))
    assert shop.core.carry_out() is None
    assert copies(shop)[0].state is PointState.COMPLETE
    (waiting,) = seen
    assert waiting[0] == "waiting"
    assert "wait: 20 copies are under way" in waiting[1]


def test_no_more_copies_are_under_way_than_the_setting_says(
    shop: Project, cloud: FakeCloud, tmp_path: Path
) -> None:
    """Two points of two volumes each, into one place that takes twenty, three at a time."""
    home = tmp_path / "home"
    settings = load(home, environ={"MAVIS_WORKER_PENDING_COPIES": "3"})
    stop, vault, kits = shop.core.stop, shop.core.vault, {"fake": FakeKit(cloud)}
    shop.core.jobs = make_work(_parts(settings, shop.core.database, vault, kits, stop)).jobs
    enqueue(shop, [take(shop), take(shop)], "dr")
    shop.start("copies.run")
    cloud.snapshots_complete = False
    most: list[int] = []

    def look(_: Call) -> None:
        pending = [
            one.id for one in cloud.snapshots.values() if one.what.state is SnapshotState.PENDING
        ]
        most.append(len(pending))
        cloud.complete(pending[0])

    cloud.rules.append(Rule("snapshots.find", before=look, region=AWAY, times=4))
    assert shop.core.carry_out() is None
    assert {copy.state for copy in copies(shop)} == {PointState.COMPLETE}
    assert max(most) == 3


def test_the_default_is_what_the_cloud_grants() -> None:
    assert WorkerConfig().pending_copies == MOST_PENDING


def test_copies_that_find_no_room_stay_in_the_queue(shop: Project, cloud: FakeCloud) -> None:
    cloud.copy_limit = 0
    enqueue(shop, [take(shop)], "dr")
    run = shop.start("copies.run")
    start, ticks = clock.now(), itertools.count()
    with clock.set_clock(lambda: start + timedelta(seconds=2 * next(ticks))):
        shop.core.carry_out()
    assert (shop.run(run).error or {})["code"] == "cloud_quota"
    (copy,) = copies(shop)
    assert (copy.state, copy.run_id) == (PointState.PLANNED, None)
    assert shared(cloud) == []
    cloud.copy_limit = 20
    shop.start("copies.run")
    assert shop.core.carry_out() is None
    assert copies(shop)[0].state is PointState.COMPLETE


def test_lost_answers_make_neither_orphan_nor_double(shop: Project, cloud: FakeCloud) -> None:
    point = take(shop)
    for action in ("copies.share", "copies.copy", "copies.copy", "copies.unshare"):
        cloud.rules.append(lose_reply(action))
    run = copy_to(shop, point, "dr")
    assert copies(shop)[0].state is PointState.COMPLETE
    assert {m.cloud_id for m in copies(shop)[0].members} == set(made_in(cloud, OTHER))
    shop.start("ledger.reconcile")
    shop.core.carry_out()
    assert run.state in (RunState.SUCCEEDED, RunState.FAILED)
    assert (shared(cloud), open_intents(shop)) == ([], [])


def test_a_member_that_turns_out_to_be_on_its_way_is_followed(
    shop: Project, cloud: FakeCloud
) -> None:
    """One of two was begun, of the other nobody knew, until the ledger finds it."""
    point = take(shop)
    cloud.snapshots_complete = False
    cloud.rules.append(Rule("copies.copy", after=lose_reply("copies.copy").after, skip=1))
    cloud.rules.append(refuse("snapshots.find", CloudDenied("no"), region=AWAY))
    assert copy_to(shop, point, "dr").state is RunState.FAILED
    assert (copies(shop)[0].state, len(open_intents(shop))) == (PointState.RUNNING, 1)
    shop.start("ledger.reconcile")
    assert shop.core.carry_out() is None
    assert (copies(shop)[0].state, open_intents(shop)) == (PointState.RUNNING, [])
    for one in made_in(cloud, OTHER):
        cloud.complete(one)
    shop.start("copies.run")
    assert shop.core.carry_out() is None
    (copy,) = copies(shop)
    assert (copy.state, copy.error) == (PointState.COMPLETE, None)
    assert copy.completed_at is not None


def test_a_copy_that_the_run_may_not_look_at_is_followed_by_the_next(
    shop: Project, cloud: FakeCloud
) -> None:
    """The look was refused, and that was no end: the cloud goes on with it."""
    cloud.rules.append(refuse("snapshots.find", CloudDenied("no"), region=AWAY))
    point = take(shop)
    cloud.snapshots_complete = False
    run = copy_to(shop, point, "dr")
    assert (run.state, (run.error or {})["code"]) == (RunState.FAILED, "cloud_denied")
    assert copies(shop)[0].state is PointState.RUNNING
    for one in made_in(cloud, OTHER):
        cloud.complete(one)
    (begun,) = (shop.run_of(run_id) for run_id in shop.core.timetable.tick())
    assert begun.kind == "copies.run"
    assert shop.core.carry_out() is None
    (copy,) = copies(shop)
    assert (copy.state, copy.error) == (PointState.COMPLETE, None)
    assert (shared(cloud), open_intents(shop)) == ([], [])


def test_a_cancelled_copy_that_nobody_may_look_at_is_partial_until_it_is_seen(
    shop: Project, cloud: FakeCloud
) -> None:
    """One member was begun, of the other nobody knows; both turn out to be on their way."""
    point = take(shop)
    cloud.snapshots_complete = False
    run = shop.start("recovery_point.copy", point.id, environment="dr", region=AWAY)
    cloud.rules.append(Rule("copies.copy", after=lose_reply("copies.copy").after, skip=1))
    cloud.rules.append(Rule("snapshots.find", before=kill, region=AWAY))
    start = clock.now()
    with pytest.raises(Killed):
        finish(shop.core.begin(shop.core.worker()))
    shop.core.runs.cancel(shop.olga, "shop", run.id)
    cloud.rules.append(refuse("snapshots.find", CloudDenied("no"), region=AWAY))
    with clock.set_clock(lambda: start + 3 * LEASE):
        shop.core.carry_out()
    assert shop.run(run).state is RunState.FAILED
    assert copies(shop)[0].state is PointState.PARTIAL
    with clock.set_clock(lambda: start + 4 * LEASE):
        shop.start("ledger.reconcile")
        assert shop.core.carry_out() is None
        assert (copies(shop)[0].state, open_intents(shop)) == (PointState.RUNNING, [])
        for one in made_in(cloud, OTHER):
            cloud.complete(one)
        shop.core.timetable.tick()
        assert shop.core.carry_out() is None
    (copy,) = copies(shop)
    assert (copy.state, copy.error) == (PointState.COMPLETE, None)
    assert {m.cloud_id for m in copy.members} == set(made_in(cloud, OTHER))
    assert shared(cloud) == []


def test_a_share_that_cannot_be_taken_back_is_owed_until_it_is(
    shop: Project, cloud: FakeCloud
) -> None:
    cloud.rules.append(refuse("copies.unshare", CloudUnreachable("no answer"), times=2))
    run = copy_to(shop, take(shop), "dr")
    assert run.state is RunState.FAILED, "somebody should know that it is shared"
    assert copies(shop)[0].state is PointState.COMPLETE
    assert len(shared(cloud)) == 2
    assert [each.split()[0] for each in open_intents(shop)] == ["cloud.ShareSnapshots"]
    shop.start("ledger.reconcile")
    assert shop.core.carry_out() is None
    assert (shared(cloud), open_intents(shop)) == ([], [])


def test_what_another_run_still_reads_stays_shared_until_that_one_has_ended(
    shop: Project, cloud: FakeCloud
) -> None:
    add_environment(shop, "dr-home", OTHER, "here-1")
    point = take(shop)
    first = shop.start("recovery_point.copy", point.id, environment="dr", region=AWAY)
    second = shop.start("recovery_point.copy", point.id, environment="dr-home", region="here-1")
    seen: list[list[str]] = []

    def meanwhile(_: Call) -> None:
        finish(shop.core.begin(shop.core.worker()))
        seen.append(shared(cloud))

    cloud.rules.append(during("copies.copy", meanwhile, region=AWAY))
    finish(shop.core.begin(shop.core.worker()))
    assert [len(each) for each in seen] == [2]
    assert {shop.run(run).state for run in (first, second)} == {RunState.SUCCEEDED}
    assert (shared(cloud), open_intents(shop)) == ([], [])


def test_a_cancelled_copy_leaves_nothing_behind(shop: Project, cloud: FakeCloud) -> None:
    point = take(shop)
    cloud.snapshots_complete = False
    run = shop.start("recovery_point.copy", point.id, environment="dr", region=AWAY)
    cloud.rules.append(
        during(
            "snapshots.find",
            lambda _: shop.core.runs.cancel(shop.olga, "shop", run.id),
            region=AWAY,
        )
    )
    shop.core.carry_out()
    assert shop.run(run).state is RunState.CANCELLED
    assert copies(shop)[0].state is PointState.GONE
    assert made_in(cloud, OTHER) == []
    assert (shared(cloud), open_intents(shop)) == ([], [])
    assert shop.points()[0].state is PointState.COMPLETE


def test_a_queue_whose_run_was_given_up_goes_on_with_the_next(
    shop: Project, cloud: FakeCloud
) -> None:
    enqueue(shop, [take(shop)], "away", "dr")
    first = shop.start("copies.run")
    cloud.snapshots_complete = False
    attempt = shop.core.begin(shop.core.worker())
    cloud.rules.append(during("snapshots.find", kill, region=AWAY))
    with pytest.raises(Killed):
        attempt.perform(0)
    attempt.fail(CloudUnreachable("interrupted again and again"))
    assert {copy.state for copy in copies(shop)} == {PointState.RUNNING}
    for one in cloud.snapshots:
        cloud.complete(one)
    shop.start("copies.run")
    assert shop.core.carry_out() is None
    assert {copy.state for copy in copies(shop)} == {PointState.COMPLETE}
    assert {copy.run_id for copy in copies(shop)} != {first.id}
    shop.start("ledger.reconcile")
    shop.core.carry_out()
    assert (shared(cloud), open_intents(shop)) == ([], [])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Return a project that has been asked for a copy in another account."""

    def prepare(core: Core, cloud: FakeCloud) -> None:
        shop = scene(core, cloud)
        shop.start("recovery_point.copy", take(shop).id, environment="dr", region=AWAY)

    return freeze(tmp_path_factory.mktemp("asked"), prepare)


def test_a_worker_that_is_killed_at_any_call_leaves_one_whole_copy(
    asked: Template, tmp_path: Path
) -> None:
    calls = calls_of(asked, tmp_path / "clean")
    assert [call.action for call in calls].count("copies.copy") == 2
    for position, moment in itertools.product(range(len(calls)), ("before", "after")):
        shop = asked.copy(tmp_path / f"{position}-{moment}")
        cloud, where = shop.core.cloud, f"killed {moment} {calls[position].action} ({position})"
        cloud.rules.append(nth(calls, position, **{moment: kill}))
        assert carry_on(shop) == 1, where
        (copy,) = copies(shop)
        assert copy.state is PointState.COMPLETE, where
        assert sorted(m.cloud_id or "" for m in copy.members) == sorted(made_in(cloud, OTHER)), (
            where
        )
        assert (shared(cloud), open_intents(shop)) == ([], []), where
        shop.core.close()


def test_a_worker_that_is_killed_while_it_cleans_up_leaves_nothing(
    asked: Template, tmp_path: Path
) -> None:
    def cancelled(folder: Path) -> Project:
        shop = asked.copy(folder)
        shop.core.cloud.snapshots_complete = False
        cloud = shop.core.cloud
        cloud.rules.append(during("snapshots.find", kill, region=AWAY))
        with pytest.raises(Killed):
            finish(shop.core.begin(shop.core.worker()))
        (run,) = shop.core.runs.list(shop.olga, "shop", shop.page(), state="running").items
        shop.core.runs.cancel(shop.olga, "shop", run.id)
        cloud.calls.clear()
        return shop

    shop = cancelled(tmp_path / "clean")
    with later(3 * LEASE):
        shop.core.carry_out()
    calls = list(shop.core.cloud.calls)
    assert shop.core.cloud.called("snapshots.delete")
    for position, moment in itertools.product(range(len(calls)), ("before", "after")):
        shop = cancelled(tmp_path / f"{position}-{moment}")
        cloud, where = shop.core.cloud, f"killed {moment} {calls[position].action} ({position})"
        cloud.rules.append(nth(calls, position, **{moment: kill}))
        with later(3 * LEASE):
            assert carry_on(shop) == 1, where
        assert (made_in(cloud, OTHER), shared(cloud)) == ([], []), where
        assert not [each for each in open_intents(shop) if "Share" in each], where
        assert copies(shop)[0].state is PointState.GONE, where
        shop.core.close()
