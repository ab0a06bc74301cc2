"""Views: opened and kept by a viewer, known by ticket, with a token for one project only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from core_double import PERSON, PLATFORM, Core, call
from mavis_core import clock
from mavis_core.access import Permission, Role, Scope
from mavis_core.dashboards.model import Opened, State
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Conflict, Forbidden, NotFound, TooManyRequests
from unit.core.test_dashboards import notebook

ADA = call("ada", PLATFORM)
ENDA = call("as-enduser", PERSON)
IDLE = timedelta(seconds=30)


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 27, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Iterator[Time]:
    made = Time()
    with clock.set_clock(made):
        yield made


@pytest.fixture
def shop(core: Core, time: Time) -> Core:
    core.shop()
    core.projects.create(ADA, name="other", title="")
    core.projects.put_member(ADA, "shop", "user:as-enduser", Role.ENDUSER)
    core.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook("1"))
    return core


@pytest.fixture
def opened(shop: Core) -> Opened:
    return shop.views.open(ENDA, "shop", "fleet")


def test_a_ticket_starts_one_kernel(shop: Core, opened: Opened) -> None:
    started = shop.views.start(opened.ticket)
    assert (started.view.viewer, started.dashboard.name) == ("as-enduser", "fleet")
    assert '"source":"1"' in started.notebook
    with pytest.raises(Conflict):
        shop.views.start(opened.ticket)
    with pytest.raises(NotFound):
        shop.views.start("of nobody")


def test_neither_ticket_nor_token_is_shown_or_kept(shop: Core, opened: Opened) -> None:
    started = shop.views.start(opened.ticket)
    assert opened.ticket not in repr(opened)
    assert started.token not in repr(started)
    with shop.database.read() as tx:
        kept = str(tx.exec_driver_sql("SELECT * FROM dashboard_views").all())
    assert opened.ticket not in kept
    assert started.token not in kept
    assert opened.ticket not in str(shop.records_ever())


def test_a_token_reads_its_project_as_a_viewer_and_no_other(shop: Core, opened: Opened) -> None:
    ctx = shop.views.caller(shop.views.start(opened.ticket).token)
    assert ctx is not None
    assert ctx.scopes == {Scope.READ}
    assert ctx.principal.name == "mavis:dashboard:as-enduser"
    (only,) = shop.projects.list(ctx, PageRequest()).items
    assert (only.project.name, only.roles) == ("shop", {Role.VIEWER})
    shop.projects.authorize(ctx, only.project.id, Permission.RESOURCE_READ)
    with pytest.raises(NotFound):
        shop.projects.authorize(ctx, "other", Permission.RESOURCE_READ)
    for permission in set(Permission) - {
        each
        for each in Permission
        if each.value.endswith(".read") or each is Permission.DASHBOARD_VIEW
    }:
        with pytest.raises(Forbidden):
            shop.projects.authorize(ctx, "shop", permission)
    for permission in (Permission.RECORD_READ, Permission.KEY_READ, Permission.PREFECT_READ):
        with pytest.raises(Forbidden):
            shop.projects.authorize(ctx, "shop", permission)


def test_a_platform_administrator_s_dashboard_reads_no_more(shop: Core) -> None:
    ctx = shop.views.caller(shop.views.start(shop.views.open(ADA, "shop", "fleet").ticket).token)
    assert ctx is not None
    with pytest.raises(NotFound):
        shop.projects.authorize(ctx, "other", Permission.PROJECT_READ)
    with pytest.raises(Forbidden):
        ctx.require(Permission.PROJECT_CREATE)


def test_a_view_lapses_when_nobody_keeps_it(shop: Core, opened: Opened, time: Time) -> None:
    token = shop.views.start(opened.ticket).token
    for _ in range(5):
        time.pass_(20)
        shop.views.keep(ENDA, opened.view.id)
        assert shop.views.alive([opened.view.id]) == {opened.view.id}
        assert shop.views.caller(token)
    time.pass_(31)
    assert shop.views.alive([opened.view.id]) == frozenset()
    assert shop.views.caller(token) is None
    with pytest.raises(NotFound):
        shop.views.keep(ENDA, opened.view.id)


def test_a_token_ends_a_quarter_of_an_hour_after_it_was_renewed(shop: Core, time: Time) -> None:
    shop.views._idle = timedelta(hours=1)
    opened = shop.views.open(ENDA, "shop", "fleet")
    token = shop.views.start(opened.ticket).token
    time.pass_(14 * 60 + 59)
    assert shop.views.caller(token)
    time.pass_(1)
    assert shop.views.caller(token) is None
    time.pass_(10 * 60)
    shop.views.keep(ENDA, opened.view.id)
    assert shop.views.caller(token), "keeping the view renews it"


def test_a_page_that_is_left_ends_soon_and_may_come_back(
    shop: Core, opened: Opened, time: Time
) -> None:
    shop.views.leave(ENDA, opened.view.id)
    time.pass_(5)
    assert shop.views.alive([opened.view.id])
    shop.views.keep(ENDA, opened.view.id)
    time.pass_(20)
    assert shop.views.alive([opened.view.id]), "it came back"
    shop.views.leave(ENDA, opened.view.id)
    time.pass_(7)
    assert not shop.views.alive([opened.view.id])


def test_a_view_whose_viewer_s_login_is_over_ends_now_and_comes_back_no_more(
    shop: Core, opened: Opened
) -> None:
    token = shop.views.start(opened.ticket).token
    shop.views.end(ADA, opened.view.id)
    assert shop.views.alive([opened.view.id]), "it is somebody else's"
    shop.views.end(ENDA, opened.view.id)
    assert shop.views.alive([opened.view.id]) == frozenset()
    assert shop.views.caller(token) is None
    with pytest.raises(NotFound):
        shop.views.keep(ENDA, opened.view.id)


def revoke(core: Core) -> None:
    core.projects.remove_member(ADA, "shop", "user:as-enduser")


def unpublish(core: Core) -> None:
    core.dashboards.unpublish(ADA, "shop", "fleet")


@pytest.mark.parametrize("change", [revoke, unpublish])
def test_a_viewer_who_may_no_more_loses_the_view(
    shop: Core, opened: Opened, change: Callable[[Core], None]
) -> None:
    token = shop.views.start(opened.ticket).token
    change(shop)
    with pytest.raises(NotFound):
        shop.views.keep(ENDA, opened.view.id)
    assert shop.views.alive([opened.view.id]) == frozenset()
    assert shop.views.caller(token) is None
    with pytest.raises(NotFound):
        shop.views.open(ENDA, "shop", "fleet")


def test_a_view_is_kept_and_left_by_its_viewer_only(shop: Core, opened: Opened, time: Time) -> None:
    with pytest.raises(NotFound):
        shop.views.keep(ADA, opened.view.id)
    shop.views.leave(ADA, opened.view.id)
    time.pass_(20)
    assert shop.views.alive([opened.view.id])


def test_a_page_hears_that_its_kernel_has_died(shop: Core, opened: Opened) -> None:
    shop.views.start(opened.ticket)
    shop.views.died(opened.view.id)
    assert shop.views.keep(ENDA, opened.view.id).state is State.DIED


def test_a_process_that_begins_anew_has_none_of_the_kernels(shop: Core, opened: Opened) -> None:
    waits = shop.views.open(ENDA, "shop", "fleet")
    shop.views.start(opened.ticket)
    shop.views.all_died()
    assert shop.views.keep(ENDA, opened.view.id).state is State.DIED
    assert shop.views.keep(ENDA, waits.view.id).state is State.OPEN, "it had none yet"


def test_views_of_one_viewer_are_bounded(shop: Core, time: Time) -> None:
    for _ in range(10):
        shop.views.open(ENDA, "shop", "fleet")
    with pytest.raises(TooManyRequests):
        shop.views.open(ENDA, "shop", "fleet")
    time.pass_(31)
    shop.views.open(ENDA, "shop", "fleet")


def test_a_view_shows_the_version_that_it_was_opened_with(shop: Core, opened: Opened) -> None:
    shop.dashboards.publish(ADA, "shop", name="fleet", notebook=notebook("2"))
    assert '"source":"1"' in shop.views.start(opened.ticket).notebook


def test_opening_leaves_a_record(shop: Core, opened: Opened) -> None:
    (record,) = [each for each in shop.records_ever() if each["action"] == "dashboard.open"]
    assert (record["person"], record["object"]) == ("as-enduser", "fleet")


@pytest.fixture
def records(shop: Core) -> Core:
    """The shop with the dashboard of the log, and an auditor."""
    shop.projects.put_member(ADA, "shop", "user:ann", Role.AUDITOR)
    shop.dashboards.publish(ADA, "shop", name="log", shipped="records")
    return shop


def test_what_shows_the_log_is_for_those_who_may_read_it(records: Core) -> None:
    ann = call("ann", PERSON)
    with pytest.raises(Forbidden, match=r"record\.read needs the role"):
        records.views.open(ENDA, "shop", "log")
    assert {each.name for each in records.dashboards.list(ENDA, "shop")} == {"fleet"}
    assert {each.name for each in records.dashboards.gallery(ENDA)} == {"fleet"}
    with pytest.raises(NotFound):
        records.dashboards.get(ENDA, "shop", "log")
    assert {each.name for each in records.dashboards.list(ann, "shop")} == {"fleet", "log"}
    assert {each.name for each in records.dashboards.gallery(ann)} == {"fleet", "log"}

    ctx = records.views.caller(
        records.views.start(records.views.open(ann, "shop", "log").ticket).token
    )
    assert ctx is not None
    assert (ctx.scopes, ctx.confined and ctx.confined.roles) == ({Scope.READ}, {Role.AUDITOR})
    records.projects.authorize(ctx, "shop", Permission.RECORD_READ)
    with pytest.raises(NotFound):
        records.projects.authorize(ctx, "other", Permission.RECORD_READ)
    for permission in (Permission.RECORD_HOLD, Permission.POINT_HOLD, Permission.RECORD_READ_ALL):
        with pytest.raises(Forbidden):
            records.projects.authorize(ctx, "shop", permission)


def test_a_view_of_the_log_ends_with_the_role(records: Core) -> None:
    ann = call("ann", PERSON)
    opened = records.views.open(ann, "shop", "log")
    token = records.views.start(opened.ticket).token
    records.projects.put_member(ADA, "shop", "user:ann", Role.VIEWER)
    with pytest.raises(Forbidden):
        records.views.keep(ann, opened.view.id)
    assert records.views.caller(token) is None


def test_a_notebook_of_one_s_own_never_reads_the_log(records: Core) -> None:
    ann = call("ann", PERSON)
    records.dashboards.publish(ADA, "shop", name="log", notebook=notebook("2"))
    assert {each.name for each in records.dashboards.gallery(ENDA)} == {"fleet", "log"}
    opened = records.views.open(ann, "shop", "log")
    ctx = records.views.caller(records.views.start(opened.ticket).token)
    assert ctx is not None
    with pytest.raises(Forbidden):
        records.projects.authorize(ctx, "shop", Permission.RECORD_READ)
