"""Networks that break between a page and the gateway: the page comes back, or the session ends."""

from __future__ import annotations

import time

import pytest

from gateway_scene import OLGA, Scene
from mavis_core.remote.model import EndReason
from relay import relay_to


def test_a_page_whose_way_hangs_comes_back_by_another_and_has_missed_nothing(scene: Scene) -> None:
    with (
        relay_to(scene.config.ports.gateway) as way,
        scene.come(scene.sessions.ask(OLGA, "shop", "web-1"), by=way.port) as viewer,
    ):
        told = viewer.until_told("open")
        secret = viewer.until_told("return")
        viewer.type("echo here-$((40+2)); for i in 1 2 3; do sleep .3; echo line-$i; done\n")
        viewer.until_shown("here-42")
        drawn = viewer.drawn
        way.freeze()
        first = {"session": told["session"], "return": secret, "from": drawn}
        with scene.stranger() as again:
            again.say(**first)
            assert again.until_told("open")["session"] == told["session"]
            again.until_shown("line-3")
            assert b"here-42" not in again.shown
            with scene.stranger() as thief:  # a secret is good once
                thief.say(**first)
                assert thief.until_told("problem")["code"] == "unauthenticated"
            again.say(end=True)
            again.until_told("ended")
        way.cut()  # so that nobody waits for a word of parting


@pytest.mark.slow
def test_who_stays_away_for_two_minutes_finds_the_session_ended(scene: Scene) -> None:
    with (
        relay_to(scene.config.ports.gateway) as way,
        scene.come(scene.sessions.ask(OLGA, "shop", "web-1"), by=way.port) as viewer,
    ):
        session = viewer.until_told("open")["session"]
        way.cut()
        viewer.until_closed()
    time.sleep(100)
    assert scene.sessions.get(OLGA, "shop", session).ended_at is None
    ended = scene.ended(session)
    assert (ended.reason, ended.detail) == (EndReason.CLOSED, "Its person stayed away")
