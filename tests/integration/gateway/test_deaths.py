"""What is left when the gateway is killed, when roles are taken, and when devices fail."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_scene import ADA, OLGA, Scene, Viewer, make_scene, until
from mavis_core.access import Role
from mavis_core.errors import MavisError
from mavis_core.remote.model import EndReason, SessionState
from relay import relay_to
from ssh_client import HOST
from ssh_servers import Server, User, ssh_server

SESSIONS = 20


@pytest.fixture
def own(
    tmp_path_factory: pytest.TempPathFactory, server: Server, user: User, key: Path
) -> Iterator[Scene]:
    """A gateway that may be killed."""
    with make_scene(tmp_path_factory.mktemp("g") / "h", REMOTE_CONNECT_S="2") as made:
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


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port from which nothing comes back: its queue of connections is full."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port: int = full.getsockname()[1]
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


FAULTS = {
    "nobody listens": "nothing listens there",
    "silent": "did not agree on keys within 2 s",
    "black hole": "did not answer within 2 s",
    "wrong key": "refused nobody-there with the key",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_opened_says_why_and_is_recorded(
    own: Scene, server: Server, fault: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, black_hole() as hole:
        port = {"wrong key": server.port, "black hole": hole}.get(fault, silent.getsockname()[1])
        if fault == "nobody listens":
            silent.close()
        own.add("bad", port, "nobody-there", "key-web-1")
        if fault == "wrong key":
            own.approve("bad")
        asked = own.sessions.ask(OLGA, "shop", "bad")
        with own.come(asked) as viewer:
            problem = viewer.until_told("problem")
        assert problem["code"] in ("device_unreachable", "device_refused_login"), problem
        assert "bad" in problem["title"]
        assert FAULTS[fault] in problem["title"]
    ended = own.ended(asked.session.id)
    assert ended.reason is EndReason.REFUSED
    (record,) = [each for each in own.records(ended.id) if each.action == "session.end"]
    assert (record.outcome, record.error_code) == ("refused", problem["code"])


def test_a_host_key_that_changed_is_refused_with_both_fingerprints(
    own: Scene, server: Server, user: User, key: Path, tmp_path: Path, tmp_path_factory: Any
) -> None:
    """At a terminal and at the door; who is in at another device stays there."""
    client = own.client(tmp_path)
    client.login = "olga:db-1"
    with (
        ssh_server(tmp_path_factory.mktemp("other")) as other,
        relay_to(server.port) as way,
        own.terminal("web-1") as beside,
    ):
        beside.until_told("open")
        own.device("db-1", way.port, user.name, key)
        with own.terminal("db-1") as viewer:
            viewer.until_told("open")
            viewer.say(end=True)
            viewer.until_told("ended")
        way.target = other.port
        asked = own.sessions.ask(OLGA, "shop", "db-1")
        with own.come(asked) as viewer:
            problem = viewer.until_told("problem")
        assert problem["code"] == "host_key_changed"
        told = client.ssh("echo reached")
        assert (told.returncode, told.stdout) == (255, b"")
        for each in (server, other):
            print_ = each.host_key().fingerprint
            assert print_ in problem["title"]
            assert print_.encode() in told.stderr
        beside.type("echo goes-on-$((40+2))\n")
        beside.until_shown("goes-on-42")
    ended = own.ended(asked.session.id)
    (end,) = [each for each in own.records(ended.id) if each.action == "session.end"]
    assert (end.outcome, end.error_code) == ("refused", "host_key_changed")
    seen = [each.summary for each in own.records("db-1/ssh") if each.action == "host_key.see"]
    assert other.host_key().fingerprint in seen[-1]
    keys = {k.fingerprint: k.state for k in own.devices.host_keys(ADA, "shop", "db-1", "ssh")}
    assert keys[other.host_key().fingerprint] != "approved"


def test_a_removed_device_ends_its_session_at_the_door_too(own: Scene, tmp_path: Path) -> None:
    client = own.client(tmp_path)
    command = ["ssh", "-F", str(client.config), HOST, "echo ready; sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        own.devices.remove(ADA, "shop", "web-1")
        _, said = process.communicate(timeout=30)
    assert b"This session ends: " in said
    assert own.ended(own.newest().id).reason is EndReason.TERMINATED


def test_there_are_no_more_sessions_than_the_gateway_has_room_for(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    server: Server,
    user: User,
    key: Path,
) -> None:
    with make_scene(tmp_path_factory.mktemp("g") / "h", REMOTE_SESSIONS="1") as scene:
        scene.device("web-1", server.port, user.name, key)
        with scene.terminal("web-1") as first:
            first.until_told("open")
            asked = scene.sessions.ask(OLGA, "shop", "web-1")
            with scene.come(asked) as second:
                assert second.until_told("problem")["code"] == "too_many_requests"
            told = scene.client(tmp_path).ssh("echo reached")
            assert (told.returncode, told.stdout) == (255, b"")
            assert b"The gateway has 1 sessions, which is the most. Wait until one" in told.stderr
            for refused in (asked.session.id, scene.newest().id):
                assert scene.ended(refused).reason is EndReason.REFUSED
                (end,) = [e for e in scene.records(refused) if e.action == "session.end"]
                assert (end.outcome, end.error_code) == ("refused", "too_many_requests")
            first.say(end=True)
            first.until_told("ended")
        with scene.terminal("web-1") as third:
            third.until_told("open")
