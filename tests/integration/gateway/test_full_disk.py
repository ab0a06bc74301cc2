"""The disk of the spool is full: what cannot be recorded ends and says so, the rest goes on."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import pytest

from gateway_scene import OLGA, Scene, make_scene, until
from mavis_core.remote.model import EndReason
from ssh_servers import Server, User

pytestmark = pytest.mark.root

_MOUNTED = 'mount -t tmpfs -o size=4m,mode=0700 none "$0" && exec "$@"'


@pytest.fixture(scope="module")
def small(folder: Path, server: Server, user: User, key: Path) -> Iterator[Scene]:
    """A gateway that sees a disk of 4 MiB where its spool is; nobody else does."""
    home = folder / "small"
    inside = ("unshare", "--mount", "sh", "-c", _MOUNTED, str(home / "gateway" / "spool"))
    with make_scene(home, inside=inside) as made:
        made.device("web-1", server.port, user.name, key)
        yield made


def spool(scene: Scene) -> Path:
    """Return the spool as the gateway sees it."""
    assert scene.process is not None
    return Path(f"/proc/{scene.process.pid}/root{scene.config.recordings_spool()}")


@contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """Have no byte left in the spool's disk."""
    path = spool(scene) / "of-another-program"
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        deque(map(file.write, repeat(bytes(4096))), 0)
    try:
        yield
    finally:
        path.unlink()


def test_a_full_disk_ends_what_cannot_be_recorded_and_nothing_else(small: Scene) -> None:
    with small.terminal("web-1") as quiet, small.terminal("web-1") as busy:
        quiet_id = quiet.until_told("open")["session"]
        quiet.until_shown("$")
        until(
            lambda: not list((spool(small) / quiet_id).glob("*.cast*")), "what it showed is stored"
        )
        busy_id = busy.until_told("open")["session"]
        busy.type("echo kept-$((40+2))\n")
        busy.until_shown("kept-42")
        until(lambda: b"kept-42" in small.cast(busy_id), "it is written")
        with full_disk(small):
            # What comes within a quarter of a second may be shown before it is found out.
            busy.type("head -c 20000 /dev/zero | tr '\\0' x; sleep 3; echo never-$((40+2))\n")
            ended = busy.until_told("ended")
            assert ended["reason"] == "unrecorded"
            assert "No space left on device" in ended["detail"]
            refused = small.sessions.ask(OLGA, "shop", "web-1")
            with small.come(refused) as nobody:
                problem = nobody.until_told("problem")
            assert problem["code"] == "unavailable"
            assert "No space left on device" in problem["title"]
            assert problem["mend"].startswith("Free disk space")
        assert b"never-42" not in busy.shown
        quiet.type("echo goes-on-$((40+2))\n")
        quiet.until_shown("goes-on-42")
        quiet.type("exit\n")
        assert quiet.until_told("ended")["reason"] == "exited"
    ended_busy = small.ended(busy_id)
    assert ended_busy.reason is EndReason.UNRECORDED
    (end,) = [each for each in small.records(busy_id) if each.action == "session.end"]
    assert end.outcome == "failed"
    assert small.ended(refused.session.id).reason is EndReason.REFUSED
    until(lambda: not [e for e in spool(small).iterdir() if e.is_dir()], "all is stored")
    for session, mark in ((quiet_id, b"goes-on-42"), (busy_id, b"kept-42")):
        cast = small.cast(session)
        assert mark in cast
        assert [json.loads(line) for line in cast.splitlines()]
