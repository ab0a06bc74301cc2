"""What is left when the gateway is killed, when roles are taken, and when devices fail."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_scene import ADA, OLGA, Scene, Viewer, make_scene, until
from mavis_core.access import Role
from mavis_core.errors import MavisError
from mavis_core.remote.model import EndReason, SessionState
from ssh_servers import Server, User, ssh_server

SESSIONS = 20


@pytest.fixture
def own(
    tmp_path_factory: pytest.TempPathFactory, server: Server, user: User, key: Path
) -> Iterator[Scene]:
    """A gateway that may be killed."""
    with make_scene(tmp_path_factory.mktemp("g") / "h") as made:
        made.device("web-1", server.port, user.name, key, sessions=50)
        yield made


def test_a_killed_gateway_leaves_what_was_shown_and_says_so(own: Scene) -> None:
    shown: dict[str, bytes] = {}
    with ExitStack() as stack:
        viewers: list[Viewer] = []
        for number in range(SESSIONS):
            viewer = stack.enter_context(own.terminal("web-1"))
            session = viewer.until_told("open")["session"]
            viewer.type(f"echo mark-{number}-$((40+2))\n")
            viewer.until_shown(f"mark-{number}-42")
            viewers.append(viewer)
            shown[session] = f"mark-{number}-42".encode()
        time.sleep(1.0)  # what is older than that is promised
        own.kill()
        for viewer in viewers:
            viewer.until_closed()
    own.start()
    for session, mark in shown.items():
        ended = own.ended(session)
        assert (ended.state, ended.reason) == (SessionState.ENDED, EndReason.INTERRUPTED)
        cast = until(lambda session=session: _cast(own, session), "the recording is there")  # type: ignore[misc]  # bound now
        assert mark in cast
        for line in cast.splitlines():
            json.loads(line)
        assert [each.action for each in own.records(session)][-1] == "recording.read"
    with own.terminal("web-1") as viewer:
        viewer.until_told("open")


def _cast(scene: Scene, session: str) -> bytes:
    try:
        return scene.cast(session)
    except MavisError:
        return b""


def test_a_role_that_is_taken_ends_the_session_within_seconds(own: Scene) -> None:
    with own.terminal("web-1") as viewer:
        viewer.until_told("open")
        own.projects.put_member(ADA, "shop", "user:olga", Role.VIEWER)
        ended = viewer.until_told("ended")
    assert ended["reason"] == "terminated"
    assert "may not open sessions in shop any more" in ended["detail"]


def test_a_removed_device_ends_its_session(own: Scene) -> None:
    with own.terminal("web-1") as viewer:
        viewer.until_told("open")
        own.devices.remove(ADA, "shop", "web-1")
        assert viewer.until_told("ended")["reason"] == "terminated"


def test_a_stopped_gateway_says_so_to_those_who_are_in(own: Scene) -> None:
    with own.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        own.stop()
        assert viewer.until_told("ended")["detail"].startswith("The gateway is stopped")
    own.start()
    assert own.ended(session).reason is EndReason.TERMINATED


def test_a_device_that_dies_ends_the_session_with_a_word(
    own: Scene, tmp_path_factory: pytest.TempPathFactory, user: User, key: Path
) -> None:
    folder = tmp_path_factory.mktemp("mortal")
    with ssh_server(folder) as mortal:
        own.device("db-1", mortal.port, user.name, key)
        with own.terminal("db-1") as viewer:
            viewer.until_told("open")
            viewer.type("kill -9 $PPID\n")  # the server's process for this connection
            ended = viewer.until_told("ended")
    assert ended["reason"] in ("lost", "exited")


@pytest.mark.parametrize("fault", ["nobody listens", "silent", "wrong key"])
def test_what_cannot_be_opened_says_why_and_is_recorded(
    own: Scene, server: Server, fault: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if fault == "nobody listens":
            silent.close()
        if fault == "wrong key":
            port = server.port
        own.add("bad", port, "nobody-there", "key-web-1")
        if fault == "wrong key":
            own.approve("bad")
        asked = own.sessions.ask(OLGA, "shop", "bad")
        with own.come(asked) as viewer:
            problem = viewer.until_told("problem")
        assert problem["code"] in ("device_unreachable", "device_refused_login"), problem
        assert "bad" in problem["title"]
    ended = own.ended(asked.session.id)
    assert ended.reason is EndReason.REFUSED
    (record,) = [each for each in own.records(ended.id) if each.action == "session.end"]
    assert (record.outcome, record.error_code) == ("refused", problem["code"])


def test_there_are_no_more_sessions_than_the_gateway_has_room_for(
    tmp_path_factory: pytest.TempPathFactory, server: Server, user: User, key: Path
) -> None:
    with make_scene(tmp_path_factory.mktemp("g") / "h", REMOTE_SESSIONS="1") as scene:
        scene.device("web-1", server.port, user.name, key)
        with scene.terminal("web-1") as first:
            first.until_told("open")
            with scene.terminal("web-1") as second:
                assert second.until_told("problem")["code"] == "too_many_requests"
            first.say(end=True)
            first.until_told("ended")
        with scene.terminal("web-1") as third:
            third.until_told("open")
