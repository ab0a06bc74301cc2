"""A request that is sent again is answered again and not done again, on both databases."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core_double import PLATFORM, Core, at_once, call
from mavis_core import clock
from mavis_core.changes.replies import LIFETIME, Reply
from mavis_core.db import tables
from mavis_core.db.paging import PageRequest
from mavis_core.errors import Conflict, IdempotencyKeyReused, InvalidInput
from mavis_core.testing.cloud import FakeCloud
from postgres_server import PostgresServer

ROUNDS = 8
ADA, OLGA = call("ada", PLATFORM), call("olga", PLATFORM)


# A process that has the effect, and is killed where it is told to be.
DYING = """
import os, signal, sys
from mavis_core.access import CallContext, Principal, Scope
from mavis_core.changes.replies import Replies, Reply
from mavis_core.db import open_database
from mavis_core.projects.service import Projects

url, point = sys.argv[1:]
database = open_database(url)
ctx = CallContext(Principal("ada", frozenset()), frozenset(Scope), source="test")

def reach(here):
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)

def act():
    Projects(database).create(ctx, name="one", title="")
    reach("before the answer")
    return Reply(201, {}, "{}")

with database.together():
    Replies(database).once(ctx, "k1", "f1", act)
    reach("before the end")
reach("after the end")
"""


def creates(core: Core, name: str) -> Callable[[], Reply]:
    """Return what makes a project and answers with its id."""

    def act() -> Reply:
        made = core.projects.create(ADA, name=name, title="").project
        return Reply(201, {"Location": f"/projects/{name}"}, f'{{"id":"{made.id}","ü":"\\u0000"}}')

    return act


def projects(core: Core) -> list[str]:
    return [each.project.name for each in core.projects.list(ADA, PageRequest(200)).items]


def keys(core: Core) -> list[str]:
    with core.database.read() as tx:
        table = tables.replies
        return list(tx.scalars(sa.select(table.c.key).order_by(table.c.created_at)))


def test_the_second_answer_is_the_first_and_nothing_is_done_again(shop_core: Core) -> None:
    first, replayed = shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    assert not replayed
    records = len(shop_core.records())
    again, replayed = shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "two"))
    assert replayed
    assert again == first
    assert (again.status, dict(again.headers)) == (201, {"Location": "/projects/one"})
    assert projects(shop_core) == ["one"]
    assert len(shop_core.records()) == records


def test_a_key_is_for_one_request(shop_core: Core) -> None:
    shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    with pytest.raises(IdempotencyKeyReused) as caught:
        shop_core.replies.once(ADA, "k1", "f2", creates(shop_core, "two"))
    assert (caught.value.status, caught.value.field) == (409, "Idempotency-Key")
    assert "k1" not in caught.value.message
    assert projects(shop_core) == ["one"]


def test_everybody_has_keys_of_their_own(shop_core: Core) -> None:
    shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    _, replayed = shop_core.replies.once(OLGA, "k1", "f1", creates(shop_core, "two"))
    assert not replayed
    assert projects(shop_core) == ["one", "two"]


@pytest.mark.parametrize("key", ["", "a\tb", "a\nb", "x" * 201, "\ud800"])
def test_a_key_is_a_short_text_that_can_be_printed(shop_core: Core, key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        shop_core.replies.once(ADA, key, "f1", creates(shop_core, "one"))
    assert caught.value.field == "Idempotency-Key"
    assert projects(shop_core) == []


def test_a_key_may_be_long_and_in_any_letters(shop_core: Core) -> None:
    for key in ("x" * 200, "ü 漢"):
        first, _ = shop_core.replies.once(ADA, key, "f1", lambda: Reply(204, {}, ""))
        assert shop_core.replies.once(ADA, key, "f1", creates(shop_core, "no")) == (first, True)


def test_what_raises_keeps_neither_effect_nor_reply(shop_core: Core) -> None:
    def half() -> Reply:
        creates(shop_core, "one")()
        raise Conflict("in the middle")

    with pytest.raises(Conflict, match="in the middle"):
        shop_core.replies.once(ADA, "k1", "f1", half)
    assert (projects(shop_core), keys(shop_core), shop_core.records()) == ([], [], [])
    _, replayed = shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    assert not replayed


@pytest.mark.parametrize(
    ("point", "done"),
    [("before the answer", False), ("before the end", False), ("after the end", True)],
)
def test_a_kill_leaves_effect_and_answer_or_neither(
    shop_core: Core, url: str, point: str, done: bool
) -> None:
    killed = subprocess.run([sys.executable, "-c", DYING, url, point], timeout=50, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert projects(shop_core) == (["one"] if done else [])
    _, replayed = shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    assert replayed is done
    assert projects(shop_core) == ["one"]


def test_of_many_at_once_one_acts_and_all_get_its_answer(shop_core: Core) -> None:
    for number in range(ROUNDS):
        name = f"twin-{number}"
        answers = at_once(
            *[
                lambda n=name: shop_core.replies.once(ADA, n, "f1", creates(shop_core, n))
                for _ in range(4)
            ]
        )
        told = [answer for answer in answers if isinstance(answer, tuple)]
        assert len(told) == 4, answers
        assert sorted(replayed for _, replayed in told) == [False, True, True, True]
        assert len({reply.body for reply, _ in told}) == 1
    assert len(projects(shop_core)) == ROUNDS


def test_the_next_one_acts_where_the_first_fails_while_it_waits(shop_core: Core) -> None:
    inside, go = threading.Event(), threading.Event()

    def fails() -> Reply:
        creates(shop_core, "one")()
        inside.set()
        go.wait(10)
        raise Conflict("in the end")

    def second() -> tuple[Reply, bool]:
        inside.wait(10)
        go.set()
        return shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))

    failed, answered = at_once(lambda: shop_core.replies.once(ADA, "k1", "f1", fails), second)
    assert isinstance(failed, Conflict)
    assert isinstance(answered, tuple), answered
    assert answered[1] is False
    assert projects(shop_core) == ["one"]


def test_other_keys_do_not_wait_for_one_another_on_postgresql(
    postgres: PostgresServer, cloud: FakeCloud
) -> None:
    with postgres.database() as url, closing(Core(url, cloud)) as core:
        _two_keys_at_once(core)


def _two_keys_at_once(core: Core) -> None:
    second_done = threading.Event()

    def waits() -> Reply:
        assert second_done.wait(10), "the other one waits for this one"
        return Reply(200, {}, "")

    def second() -> None:
        core.replies.once(ADA, "k2", "f1", lambda: Reply(200, {}, ""))
        second_done.set()

    first, other = at_once(lambda: core.replies.once(ADA, "k1", "f1", waits), second)
    assert (first, other) == ((Reply(200, {}, ""), False), None)


def test_after_a_day_a_key_is_new(shop_core: Core) -> None:
    shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    now = clock.now()
    with clock.set_clock(lambda: now + LIFETIME - timedelta(minutes=1)):
        assert shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "two"))[1]
    with clock.set_clock(lambda: now + LIFETIME + timedelta(seconds=1)):
        _, replayed = shop_core.replies.once(ADA, "k1", "f2", creates(shop_core, "two"))
        assert not replayed
        assert shop_core.replies.once(ADA, "k1", "f2", creates(shop_core, "no"))[1]
    assert projects(shop_core) == ["one", "two"]
    assert keys(shop_core) == ["k1"]


def test_of_many_at_once_after_a_day_one_acts(shop_core: Core) -> None:
    shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "one"))
    then = clock.now() + LIFETIME + timedelta(seconds=1)
    with clock.set_clock(lambda: then):
        answers = at_once(
            *[lambda: shop_core.replies.once(ADA, "k1", "f1", creates(shop_core, "two"))] * 4
        )
    told = [answer for answer in answers if isinstance(answer, tuple)]
    assert len(told) == 4, answers
    assert sorted(replayed for _, replayed in told) == [False, True, True, True]
    assert projects(shop_core) == ["one", "two"]


def test_old_replies_go_a_few_at_a_time(shop_core: Core) -> None:
    def keep(key: str) -> None:
        shop_core.replies.once(ADA, key, "f1", lambda: Reply(204, {}, ""))

    for number in range(50):
        keep(f"old-{number}")
    then = clock.now() + LIFETIME + timedelta(hours=2)
    left = []
    with clock.set_clock(lambda: then):
        for number in range(4):
            keep(f"new-{number}")
            left.append(sum(key.startswith("old-") for key in keys(shop_core)))
    assert left == [30, 10, 0, 0]
    assert len(keys(shop_core)) == 4
