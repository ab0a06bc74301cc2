"""Networks that break between gateway and device: short cuts are outlived, long ones are told.

Gateway and device are in network namespaces of the test's own, with one way between them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_scene import OLGA, Scene, make_scene, until
from mavis_core.remote.model import EndReason
from own_network import Link, own_network
from ssh_servers import User, ssh_server

pytestmark = pytest.mark.root


@dataclass(frozen=True)
class Times:
    """How long the way is cut, and after how long without a word a device is given up."""

    cut_s: float
    lost_s: float


SHORT, AS_PEOPLE_HAVE_IT = Times(2, 6), Times(60, 120)


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with own_network() as made:
        yield made


@pytest.fixture(
    scope="module",
    params=[SHORT, pytest.param(AS_PEOPLE_HAVE_IT, marks=pytest.mark.slow)],
    ids=["short", "as people have it"],
)
def times(request: pytest.FixtureRequest) -> Times:
    made: Times = request.param
    return made


@pytest.fixture(scope="module")
def afar(folder: Path, link: Link, user: User, key: Path, times: Times) -> Iterator[Scene]:
    """A gateway with ``web-1`` at the other end of the link, and ``db-1`` beside it."""
    name = f"afar-{times.lost_s:g}"
    with (
        ssh_server(folder / f"{name}-sshd", inside=link.inside, address=link.address) as far,
        ssh_server(folder / f"{name}-beside") as beside,
        make_scene(folder / name, REMOTE_LOST_S=str(times.lost_s), REMOTE_CONNECT_S="5") as made,
    ):
        made.device("web-1", far.port, user.name, key, address=link.address)
        made.device("db-1", beside.port, user.name, key)
        yield made


def test_a_session_outlives_a_cut_that_is_shorter_than_the_limit(
    afar: Scene, link: Link, times: Times
) -> None:
    with afar.terminal("web-1") as viewer, afar.terminal("db-1") as beside:
        viewer.until_told("open")
        beside.until_told("open")
        viewer.type("echo before-$((40+2)); for i in 1 2 3; do sleep .3; echo line-$i; done\n")
        viewer.until_shown("before-42")
        link.cut()
        viewer.type("echo typed-$((40+2))\n")
        beside.type("echo goes-on-$((40+2))\n")
        beside.until_shown("goes-on-42")
        time.sleep(times.cut_s)
        link.mend()
        viewer.until_shown("line-3")
        viewer.until_shown("typed-42")
        for each in (viewer, beside):
            each.say(end=True)
            assert each.until_told("ended")["reason"] == "closed"


def test_a_longer_cut_ends_the_session_with_clear_words_and_nobody_else_s(
    afar: Scene, link: Link, times: Times
) -> None:
    with afar.terminal("web-1") as viewer, afar.terminal("db-1") as beside:
        session = viewer.until_told("open")["session"]
        beside.until_told("open")
        viewer.type("echo kept-$((40+2))\n")
        viewer.until_shown("kept-42")
        link.cut()
        try:
            viewer.type("echo lost-$((40+2))\n")
            asked = afar.sessions.ask(OLGA, "shop", "web-1")
            with afar.come(asked) as nobody:
                problem = nobody.until_told("problem", within_s=60)
            assert problem["code"] == "device_unreachable"
            ended = viewer.until_told("ended", within_s=times.lost_s + 60)
        finally:
            link.mend()
        assert (ended["reason"], ended["detail"]) == (
            "lost",
            "The connection to the device was lost",
        )
        beside.type("echo goes-on-$((40+2))\n")
        beside.until_shown("goes-on-42")
        beside.say(end=True)
        beside.until_told("ended")
    assert afar.ended(session).reason is EndReason.LOST
    (end,) = [each for each in afar.records(session) if each.action == "session.end"]
    assert end.outcome == "failed"
    cast = until(lambda: afar.cast(session), "the recording is there")
    assert b"kept-42" in cast
    assert b"lost-42" not in cast
    with afar.terminal("web-1") as viewer:  # the way is there again
        viewer.until_told("open")
        viewer.say(end=True)
        viewer.until_told("ended")
