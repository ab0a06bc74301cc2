"""A gateway of two processes: who is where, who falls with whom, and what is left of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gateway_scene import ADA, OLGA, Scene, call_of, make_scene, until
from mavis_core.errors import MavisError
from mavis_core.remote.model import EndReason, SessionState
from mavis_core.remote.person_keys import PersonKeys
from ssh_client import Client
from ssh_servers import Server, User, keygen

_COMERS = 24  # that all of them come to one of two processes happens once in eight million times


@pytest.fixture
def two(
    tmp_path_factory: pytest.TempPathFactory, server: Server, user: User, key: Path
) -> Iterator[Scene]:
    """A gateway of two processes."""
    with make_scene(tmp_path_factory.mktemp("g") / "h", REMOTE_PROCESSES="2") as made:
        made.device("web-1", server.port, user.name, key, sessions=100)
        yield made


def _cast(scene: Scene, session: str) -> bytes:
    with suppress(MavisError):  # it is on its way
        return scene.cast(session)
    return b""


def test_each_process_has_its_sessions_and_falls_alone(two: Scene) -> None:
    with ExitStack() as stack:
        asked = [two.sessions.ask(OLGA, "shop", "web-1") for _ in range(4)]
        assert sorted(each.session.shard or 0 for each in asked) == [0, 0, 1, 1]
        viewers = [stack.enter_context(two.come(each)) for each in asked]
        for viewer in viewers:
            viewer.until_told("open")
            viewer.type("echo mark-$((40+2))\n")
            viewer.until_shown("mark-42")
        here, there = ([n for n, e in enumerate(asked) if e.session.shard == k] for k in (0, 1))
        for number in there:  # a recording that runs is read where it is
            running = asked[number].session.id
            until(lambda running=running: b"mark-42" in _cast(two, running), "it is written")  # type: ignore[misc]  # bound now
        two.kill_one(1)
        for number in there:
            viewers[number].until_closed()
        for number in here:
            viewers[number].type("echo still-$((40+3))\n")
            viewers[number].until_shown("still-43")
        two.start_one(1)
        for number in there:
            assert two.ended(asked[number].session.id).reason is EndReason.INTERRUPTED
        states = [two.sessions.get(OLGA, "shop", asked[n].session.id).state for n in here]
        assert states == [SessionState.OPEN] * 2


def test_one_comes_back_to_the_process_that_has_the_session(two: Scene) -> None:
    asked = [two.sessions.ask(OLGA, "shop", "web-1") for _ in range(2)]
    (there,) = [each for each in asked if each.session.shard == 1]
    with two.come(there) as viewer:
        viewer.until_told("open")
        viewer.type("here=$((40+2))\n")
    back = two.sessions.come_back(OLGA, "shop", there.session.id)
    assert back.session.shard == 1
    with two.come(back) as viewer:
        viewer.type("echo it-is-$here\n")
        viewer.until_shown("it-is-42")
        viewer.say(end=True)
        viewer.until_told("ended")


def test_what_is_over_is_found_whichever_process_had_it(two: Scene) -> None:
    for number in range(2):
        with two.terminal("web-1") as viewer:
            viewer.until_told("open")
            viewer.type(f"echo needle-{number}-$((40+2))\n")
            viewer.until_shown(f"needle-{number}-42")
            viewer.say(end=True)
            viewer.until_told("ended")
        words = f"needle-{number}-42"
        until(lambda words=words: two.replays.search(ADA, "shop", words), words)  # type: ignore[misc]  # bound now


def test_those_who_come_to_the_door_are_dealt_out(two: Scene, tmp_path: Path) -> None:
    key = keygen(tmp_path / "own")
    public = key.with_suffix(".pub").read_text("ascii")
    PersonKeys(two.database).add(call_of("olga"), name="own", public=public)
    client = Client(tmp_path, two.config.remote.port, key, two.door_key, login="olga:web-1")
    shards = set()
    for _ in range(_COMERS):
        assert client.ssh("echo $((40+2))").stdout == b"42\n"
        session = two.ended(two.newest().id)
        shards.add(session.shard)
        assert b"42" in two.cast(session.id)
        if shards == {0, 1}:
            return
    assert shards == {0, 1}


def test_a_process_that_is_no_more_leaves_its_sessions_to_the_first(two: Scene) -> None:
    asked = [two.sessions.ask(OLGA, "shop", "web-1") for _ in range(2)]
    (there,) = [each for each in asked if each.session.shard == 1]
    with two.come(there) as viewer:
        viewer.until_told("open")
        viewer.type("echo left-$((40+2))\n")
        until(lambda: b"left-42" in _cast(two, there.session.id), "it is written")
        two.kill()
    spool = two.config.recordings_spool(1)
    assert (spool / there.session.id).is_dir()
    two.change(REMOTE_PROCESSES="1")
    two.start()
    ended = two.ended(there.session.id)
    assert (ended.reason, ended.shard) == (EndReason.INTERRUPTED, 0)
    assert b"left-42" in two.cast(ended.id)
    assert not spool.exists()
