"""The object store is down while sessions run: nothing is lost, people are told, and all goes up.

The store is a SeaweedFS, at the end of a way that the tests cut.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_scene import ADA, OLGA, Scene, make_scene, until
from mavis_core.config import Config
from mavis_core.errors import Forbidden
from mavis_core.remote.alarms import Hindrance
from mavis_core.remote.model import EndReason
from mavis_hub.health import SocketCheck, check
from relay import Relay, relay_to
from seaweed_server import SeaweedServer, seaweed_server
from ssh_client import HOST
from ssh_servers import Server, User

SPOOL_MB = 64
WAITS_MB = 44  # as if so much of earlier sessions waited: not yet an alarm, nor far from it


@pytest.fixture(scope="module")
def store() -> Iterator[SeaweedServer]:
    with seaweed_server() as made:
        made.make_bucket("mavis")
        yield made


@pytest.fixture(scope="module")
def way(store: SeaweedServer) -> Iterator[Relay]:
    with relay_to(int(store.url.rpartition(":")[2])) as made:
        yield made


@pytest.fixture(scope="module")
def down(
    folder: Path, server: Server, user: User, key: Path, store: SeaweedServer, way: Relay
) -> Iterator[Scene]:
    """A gateway whose store is an S3 at the end of `way`, and whose spool is small."""

    def prepare(config: Config) -> None:
        store.account_file(config.secret_file("gateway", "objects-account"))
        with (config.recordings_spool() / "waits").open("wb") as file:
            file.truncate(WAITS_MB << 20)

    with make_scene(
        folder / "down",
        prepare=prepare,
        OBJECTS_URL="s3://mavis/appliance",
        OBJECTS_ENDPOINT_URL=f"http://127.0.0.1:{way.port}",
        REMOTE_SPOOL_MB=str(SPOOL_MB),
    ) as made:
        made.device("web-1", server.port, user.name, key, sessions=50)
        yield made


def shown_in(cast: bytes) -> str:
    """Return what a recording shows."""
    _, *events = cast.splitlines()
    return "".join(text for _, kind, text in map(json.loads, events) if kind == "o")


def alarms(scene: Scene) -> set[str]:
    return {each["what"] for each in scene.health()["alarms"]}


def stored(scene: Scene) -> bool:
    """Whether nothing waits for the store."""
    left = [each for each in scene.config.recordings_spool().iterdir() if each.is_dir()]
    return not left and scene.health()["recording"]["waiting"] == 0


def test_sessions_go_on_while_the_spool_has_room_and_all_goes_up_when_the_store_is_back(
    down: Scene, way: Relay, tmp_path: Path
) -> None:
    client = down.client(tmp_path)
    with down.terminal("web-1") as quiet, down.terminal("web-1") as busy:
        quiet_id = quiet.until_told("open")["session"]
        busy_id = busy.until_told("open")["session"]
        way.cut()
        busy.type("head -c 9000000 /dev/urandom | base64; echo over-$((40+2))\n")
        busy.until_shown("over-42")
        until(lambda: alarms(down) == {"store", "spool"}, "people are told")
        _told_to_people(down)
        with down.terminal("web-1") as another:  # there is room for it
            third_id = another.until_told("open")["session"]
            another.type("echo in-$((40+2))\n")
            another.until_shown("in-42")

            flood = subprocess.run(
                ["ssh", "-F", str(client.config), HOST, "base64 /dev/urandom"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=False,
                timeout=120,
            )
            assert (
                b"ends: It could not be recorded any more: The spool of recordings" in flood.stderr
            )
            assert b"is full" in flood.stderr
            flood_id = down.newest().id
            for viewer in (quiet, busy, another):
                viewer.type("echo never-$((40+2))\n")
                ended = viewer.until_told("ended")
                assert ended["reason"] == "unrecorded"
                assert "of 64 MiB wait for the object store" in ended["detail"]
                assert b"never-42" not in viewer.shown
        refused = down.sessions.ask(OLGA, "shop", "web-1")
        with down.come(refused) as nobody:
            problem = nobody.until_told("problem")
        assert problem["code"] == "unavailable"
        assert "is full" in problem["title"]
        assert "Bring the object store back" in problem["mend"]
        assert down.ended(refused.session.id).reason is EndReason.REFUSED
    way.mend()
    until(lambda: stored(down) and not alarms(down), "all is stored, and people are told", 60)
    for session in (quiet_id, busy_id, third_id, flood_id):
        assert down.ended(session).reason is EndReason.UNRECORDED
        (end,) = [each for each in down.records(session) if each.action == "session.end"]
        assert end.outcome == "failed"
    # The gateway compares what it sends with what it has signed, and breaks off where it differs.
    assert shown_in(down.cast(busy_id)).encode().startswith(busy.shown)
    assert "in-42" in shown_in(down.cast(third_id))
    assert len(down.cast(flood_id)) > 4 << 20
    with down.terminal("web-1") as viewer:
        viewer.until_told("open")
        viewer.say(end=True)
        viewer.until_told("ended")
    for what in ("store", "spool"):
        told = [(each.action, each.outcome) for each in down.records(f"recordings/{what}")]
        assert told == [("recording.alarm", "failed"), ("recording.alarm_end", "ok")], what


def _told_to_people(scene: Scene) -> None:
    health = SocketCheck(scene.config.gateway_socket(), "/health", ("gateway", "gateway-token"))
    said = check(health, scene.config)
    assert said.well  # a start anew would mend nothing
    assert "The object store takes no recordings" in said.trouble
    assert "what waits goes there by itself" in said.trouble
    found = {each.what: each for each in scene.replays.alarms(ADA, "shop")}
    assert set(found) == {Hindrance.STORE, Hindrance.SPOOL}
    assert "of 64 MiB" in found[Hindrance.SPOOL].text
    with pytest.raises(Forbidden):
        scene.replays.alarms(OLGA, "shop")
