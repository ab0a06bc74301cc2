"""Who comes in at the gateway's door, by Hub token and by registered key, and what is recorded."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from gateway_scene import ADA, Scene, until
from ssh_client import Client


@pytest.fixture
def own(scene: Scene, tmp_path: Path) -> Client:
    """An SSH client of olga's, with a key that is registered."""
    return scene.client(tmp_path)


def test_a_registered_key_lets_in_and_all_is_recorded(scene: Scene, own: Client) -> None:
    done = own.ssh("cat; echo oh >&2; exit 5", given=b"\x00typed")
    assert (done.stdout, done.stderr, done.returncode) == (b"\x00typed", b"oh\n", 5)
    session = scene.newest()
    assert (session.person, session.entrance, session.kind) == ("olga", "door", "command")
    ended = scene.ended(session.id)
    assert (ended.exit_status, ended.reason) == (5, "exited")
    records = until(
        lambda: {each.action: each for each in scene.records(session.id)}.get("session.command"),
        "the command is recorded",
    )
    assert records.data["command"] == "cat; echo oh >&2; exit 5"  # type: ignore[union-attr]  # it is one
    assert b"oh" in scene.cast(session.id)


def test_a_file_is_recorded_with_its_digest(scene: Scene, own: Client, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    done = own.sftp(f"put {tmp_path}/data sent", "ls -l sent")
    assert done.returncode == 0, done.stderr
    session = scene.newest()
    sent = until(
        lambda: {each.action: each for each in scene.records(session.id)}.get("session.transfer"),
        "the file is recorded",
    )
    assert sent is not None
    assert sent.data["sha256"] == hashlib.sha256(b"x" * 100_000).hexdigest()
    assert (sent.data["direction"], sent.data["size_bytes"]) == ("upload", 100_000)


@pytest.mark.parametrize(
    "login", ["ada:web-1", "eve:web-1", "olga:nothing", "olga", "olga:blog/web-1"]
)
def test_a_key_is_for_its_person_and_their_devices(scene: Scene, own: Client, login: str) -> None:
    own.login = login
    done = own.ssh("echo reached")
    assert b"reached" not in done.stdout
    assert done.returncode != 0


def test_a_person_whom_the_hub_does_not_know_any_more_stays_out(
    scene: Scene, own: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.ssh("true").returncode == 0
    left = {k: v for k, v in scene.hub.known.items() if v.principal.name != "olga"}
    monkeypatch.setattr(scene.hub, "known", left)
    assert own.ssh("true").returncode == 255


def test_what_somebody_else_ends_is_told_at_the_door(scene: Scene, own: Client) -> None:
    said: list[bytes] = []

    def work() -> None:
        done = own.ssh("-tt", "echo begun-$((40+2)); sleep 60")
        said.append(done.stdout + done.stderr)

    thread = threading.Thread(target=work)
    thread.start()
    session = until(
        lambda: next((s for s in [scene.newest()] if s.state == "open"), None), "it is open"
    )
    assert session is not None
    until(lambda: b"begun-42" in scene.cast(session.id), "it has begun")
    scene.sessions.end(ADA, "shop", session.id)
    thread.join(20)
    assert not thread.is_alive()
    assert b"ada ended it" in said[0]
    assert scene.ended(session.id).reason == "terminated"
