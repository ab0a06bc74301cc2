"""Terminals and commands through the gateway: a real process, a real sshd, a real database."""

from __future__ import annotations

import json

import pytest

from gateway_scene import ADA, OLGA, Scene, until
from mavis_core.errors import Forbidden
from mavis_core.remote.model import EndReason, SessionKind, SessionState


def test_a_terminal_shows_what_the_device_shows_and_ends_with_it(scene: Scene) -> None:
    with scene.terminal("web-1", columns=101, rows=31) as viewer:
        assert "recorded" in viewer.until_told("notice")
        told = viewer.until_told("open")
        viewer.type("stty size; printf '\\u00fc\\u20ac\\n'\n")
        viewer.until_shown("31 101")
        viewer.until_shown("ü€")
        viewer.say(size=[80, 24])
        viewer.type("stty size\n")
        viewer.until_shown("24 80")
        viewer.type("exit 7\n")
        ended = viewer.until_told("ended")
    assert (ended["reason"], ended["exit_status"]) == ("exited", 7)
    session = scene.ended(told["session"])
    assert (session.state, session.reason, session.exit_status) == (
        SessionState.ENDED,
        EndReason.EXITED,
        7,
    )
    assert [each.action for each in scene.records(session.id)] == [
        "session.ask",
        "session.open",
        "session.end",
    ]


def test_a_command_has_its_streams_and_its_status_apart(scene: Scene) -> None:
    asked = scene.sessions.ask(
        OLGA, "shop", "web-1", kind=SessionKind.COMMAND, command="cat; echo oh >&2; exit 3"
    )
    with scene.come(asked) as viewer:
        viewer.until_told("open")
        viewer.type(b"\x00\xffbytes\n")
        viewer.say(end_input=True)
        ended = viewer.until_told("ended")
    assert (viewer.shown, viewer.errors) == (b"\x00\xffbytes\n", b"oh\n")
    assert ended["exit_status"] == 3


def test_a_broken_connection_is_come_back_to_and_nothing_is_lost(scene: Scene) -> None:
    with scene.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        viewer.type("echo before-$((40+2)); for i in $(seq 5); do sleep .2; echo line-$i; done\n")
        viewer.until_shown("before-42")
        drawn = viewer.drawn
    back = scene.sessions.come_back(OLGA, "shop", session)
    with scene.come(back, **{"from": drawn}) as again:
        assert again.until_told("open")["session"] == session
        again.until_shown("line-5")
        assert [b"line-%d" % number in again.shown for number in range(1, 6)] == [True] * 5
        assert b"before-42" not in again.shown
        again.say(end=True)
        assert again.until_told("ended")["reason"] == "closed"


def test_a_page_without_its_screen_gets_the_last_of_it(scene: Scene) -> None:
    with scene.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        viewer.type("echo here-$((40+2))\n")
        viewer.until_shown("here-42")
    with scene.come(scene.sessions.come_back(OLGA, "shop", session)) as again:
        again.until_shown("here-42")
        again.say(end=True)
        again.until_told("ended")


def test_what_nobody_draws_holds_the_device_back_and_ctrl_c_comes_through(scene: Scene) -> None:
    with scene.terminal("web-1") as viewer:
        viewer.until_told("open")
        viewer.confirms = False
        viewer.type("yes 0123456789abcdef\n")
        while len(viewer.shown) < 200_000:
            assert viewer.take()
        viewer.until_quiet()
        assert len(viewer.shown) < 600_000
        viewer.type(b"\x03")
        viewer.type("echo stopped-$((40+2))\n")
        viewer.confirms = True
        viewer.say(drawn=viewer.drawn)
        viewer.until_shown("stopped-42")
        assert len(viewer.shown) < 2_000_000
        viewer.say(end=True)
        viewer.until_told("ended")


def test_somebody_watches_and_ends_it(scene: Scene) -> None:
    with scene.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        viewer.type("echo seen-$((40+2))\n")
        viewer.until_shown("seen-42")
        with scene.come(scene.sessions.watch(ADA, "shop", session)) as watcher:
            assert watcher.until_told("open")["watching"]
            watcher.until_shown("seen-42")
            viewer.type("echo more-$((40+2))\n")
            watcher.until_shown("more-42")
            watcher.type("echo never\n")
            assert watcher.until_told("problem")["code"] == "invalid_input"
        scene.sessions.end(ADA, "shop", session, "maintenance")
        ended = viewer.until_told("ended")
    assert (ended["reason"], ended["detail"]) == ("terminated", "ada ended it")
    assert b"never" not in viewer.shown


def test_a_host_key_that_nobody_approved_or_that_changed_opens_nothing(scene: Scene) -> None:
    session = scene.newest()
    assert session.device == "web-1"
    first = [each for each in scene.records(session.id) if each.action == "session.end"]
    assert first  # of the sessions before
    refused = until(
        lambda: [
            each for each in scene.records("web-1/ssh") if each.action.startswith("host_key.")
        ],
        "the host key was recorded",
    )
    assert [each.action for each in refused] == ["host_key.see", "host_key.approve"]


@pytest.mark.parametrize(
    "first",
    ["no JSON", "[]", '{"ticket": 1}', '{"ticket": "guess"}', '{"ticket":"x","columns":"y"}', b"x"],
)
def test_who_has_no_ticket_is_told_so_and_goes(scene: Scene, first: str | bytes) -> None:
    with scene.stranger() as stranger:
        stranger.send(first)
        assert stranger.until_told("problem")["code"] in ("unauthenticated", "invalid_input")
        stranger.until_closed()


def test_a_recording_is_replayed_searched_and_tells_what_was_run(scene: Scene) -> None:
    with scene.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        viewer.until_shown("$")
        viewer.type("echo need-$((40+2))-le\n")
        viewer.until_shown("need-42-le")
        until(lambda: b"need-42-le" in scene.cast(session), "what is shown can be replayed")
        viewer.type("exit\n")
        viewer.until_told("ended")
    scene.ended(session)
    whole = scene.cast(session)
    header, *events = whole.splitlines()
    assert json.loads(header)["version"] == 2
    shown = "".join(text for _, kind, text in map(json.loads, events) if kind == "o")
    assert shown.encode() == viewer.shown
    found = until(lambda: scene.replays.search(ADA, "shop", "NEED-42"), "its text is found")
    assert [(each.session_id, each.person, each.device) for each in found] == [
        (session, "olga", "web-1")
    ]
    commands = until(
        lambda: [each for each in scene.records(session) if each.action == "session.command"],
        "commands are recorded",
    )
    assert commands[0].data["command"] == "echo need-$((40+2))-le"
    assert commands[0].data["output"].strip() == "need-42-le"
    assert commands[0].data["seen"] == "screen"
    with pytest.raises(Forbidden):
        scene.replays.cast(OLGA, "shop", session)
    actions = [each.action for each in scene.records(session)]
    assert actions.count("recording.read") >= 2


def test_what_one_command_was_is_known_exactly(scene: Scene) -> None:
    asked = scene.sessions.ask(
        OLGA, "shop", "web-1", kind=SessionKind.COMMAND, command="seq 3000; false"
    )
    with scene.come(asked) as viewer:
        assert viewer.until_told("ended")["exit_status"] == 1
    (record,) = until(
        lambda: [
            each for each in scene.records(asked.session.id) if each.action == "session.command"
        ],
        "the command is recorded",
    )
    assert record.data["command"] == "seq 3000; false"
    assert (record.data["seen"], record.data["exit_status"]) == ("exactly", 1)
    assert record.data["output"].startswith("1\n2\n3\n")
    assert (len(record.data["output"]), record.data["cut"]) == (4096, True)
