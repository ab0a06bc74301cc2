"""A key of devices gets a new value: asked for by the API, done by the gateway, on real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_scene import ADA, Scene, call_of, until
from mavis_core.errors import ConfirmationNeeded, Conflict, Forbidden, InvalidInput
from mavis_core.remote.model import KEY_FIELDS
from mavis_core.remote.rotations import KeyRotations, Rotation, RotationState, WayState
from person_double import Person, api_of
from ssh_servers import Server, User, keygen, ssh_server, unix_user


@pytest.fixture(scope="module")
def admin(scene: Scene, folder: Path) -> Iterator[Person]:
    """The administrator at the command line."""
    home = folder / "admin"
    home.mkdir()
    with api_of(scene) as port:
        yield Person(home, f"http://127.0.0.1:{port}/services/mavis", "ada")


@pytest.fixture(scope="module")
def rotations(scene: Scene) -> KeyRotations:
    return KeyRotations(scene.database)


@contextmanager
def shared_key(
    scene: Scene, folder: Path, name: str, users: int, server: Server
) -> Iterator[list[User]]:
    """Make Unix users that one key opens, each a device of the name and a number."""
    with ExitStack() as stack:
        made = [stack.enter_context(unix_user(folder)) for _ in range(users)]
        private = keygen(folder / f"private-{name}")
        for user in made:
            user.authorized_keys.write_text(f"# ours\n{public_of(private)}\n", "ascii")
        value = {"private_key": private.read_text("ascii")}
        scene.vault.store(ADA, name=name, kind="ssh-key", value=value, known=KEY_FIELDS)
        for number, user in enumerate(made):
            scene.add(f"{name}-{number}", server.port, user.name, name)
            scene.approve(f"{name}-{number}")
        yield made


def public_of(private: Path) -> str:
    return private.with_suffix(".pub").read_text("ascii").strip()


def lines(user: User) -> list[str]:
    """Return the keys that let in as `user`, without the comment that is not ours."""
    return [each for each in user.authorized_keys.read_text("ascii").splitlines() if each[0] != "#"]


def works(scene: Scene, device: str) -> bool:
    """Whether somebody who opens a terminal there reaches a shell."""
    with scene.terminal(device) as viewer:
        viewer.type("echo it-$((40+2))\n")
        while b"it-42" not in viewer.shown:
            if not viewer.take():
                return False
        viewer.type("exit\n")
        viewer.until_closed()
    return True


def ended(rotations: KeyRotations, key: str) -> Rotation:
    def look() -> Rotation | None:
        found = rotations.get(ADA, key)
        return found if found.ended_at else None

    return until(look, "the rotation has ended")  # type: ignore[return-value]  # it is one


def actions(scene: Scene, about: str) -> list[tuple[str, str]]:
    return [(each.action, each.outcome.value) for each in scene.records(about)]


def test_a_command_rotates_a_key_on_every_device_that_it_opens(
    scene: Scene, admin: Person, folder: Path, server: Server
) -> None:
    with shared_key(scene, folder, "fleet", 2, server) as users:
        old = lines(users[0])
        refused = admin.mavis("key", "rotate", "fleet")
        assert refused.returncode == 6  # nobody could be asked
        assert b"fleet-1" in refused.stderr
        assert [lines(each) for each in users] == [old, old]
        done = admin.mavis("key", "rotate", "fleet", "--yes", "-o", "json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["state"] == "done"
        assert [(each["device"], each["state"]) for each in told["ways"]] == [
            ("fleet-0", "done"),
            ("fleet-1", "done"),
        ]
        assert b"fleet-0/ssh: done" in done.stderr
        (new,) = lines(users[0])
        assert new != old[0]
        assert lines(users[1])[0].split()[1] == new.split()[1]
        assert users[0].authorized_keys.read_text("ascii").startswith("# ours\n")
        assert works(scene, "fleet-1")
        assert actions(scene, "fleet-0/ssh")[-1] == ("key.rotate_way", "ok")
        assert ("key.rotate_end", "ok") in actions(scene, "fleet")
        with scene.database.read() as tx:
            content = "\n".join(
                str(row) for row in tx.exec_driver_sql("SELECT * FROM key_rotations")
            )
        assert "PRIVATE KEY" not in content


def test_where_a_device_fails_its_old_key_works_and_the_next_go_does_the_rest(
    scene: Scene, admin: Person, folder: Path, server: Server, rotations: KeyRotations
) -> None:
    with shared_key(scene, folder, "half", 2, server) as users:
        (old,) = lines(users[1])
        file = users[1].authorized_keys
        content = file.read_text("ascii")
        file.write_text(f'restrict,command="exit 9" {old}\n', "ascii")  # nothing runs there
        done = admin.mavis("key", "rotate", "half", "--yes")
        assert done.returncode == 1, done.stdout
        assert b"1 of 2 ways in" in done.stderr
        failed = rotations.get(ADA, "half")
        assert failed.state is RotationState.FAILED
        assert [each.state for each in failed.ways] == [WayState.DONE, WayState.FAILED]
        assert "the old one still works" in failed.ways[1].detail
        assert lines(users[0])[0].split()[1] != old.split()[1]
        assert old in lines(users[1])[0]
        assert works(scene, "half-0")  # with the new one, though the key is not there yet
        file.write_text(content, "ascii")
        assert works(scene, "half-1")  # with the old one
        again = admin.mavis("key", "rotate", "half", "--yes")
        assert again.returncode == 0, again.stderr
        assert lines(users[1])[0].split()[1] == lines(users[0])[0].split()[1]
        assert works(scene, "half-0")
        assert works(scene, "half-1")


def test_a_password_is_rotated_and_is_nowhere_in_the_clear(
    scene: Scene, admin: Person, folder: Path, server: Server
) -> None:
    with unix_user(folder) as user:
        value = {"password": user.password}
        scene.vault.store(
            ADA, name="secret-word", kind="device-password", value=value, known=KEY_FIELDS
        )
        scene.add("word", server.port, user.name, "secret-word")
        scene.approve("word")
        assert works(scene, "word")
        done = admin.mavis("key", "rotate", "secret-word", "--yes")
        assert done.returncode == 0, done.stderr
        assert works(scene, "word")
        assert user.password.encode() not in done.stdout + done.stderr


def test_a_gateway_that_is_killed_in_the_middle_leaves_a_rotation_that_goes_on(
    scene: Scene, folder: Path, rotations: KeyRotations
) -> None:
    with (
        ssh_server(folder / "slow") as slow,
        shared_key(scene, folder, "killed", 1, slow) as users,
    ):
        slow.pause()
        rotations.ask(ADA, "killed", confirm="killed")
        until(lambda: rotations.get(ADA, "killed").state is RotationState.RUNNING, "it has begun")
        with pytest.raises(Conflict, match="being rotated"):
            rotations.ask(ADA, "killed", confirm="killed")
        scene.kill()
        slow.go_on()
        scene.start()
        left = ended(rotations, "killed")
        assert left.state is RotationState.FAILED
        assert "rotate again" in left.ways[0].detail
        assert works(scene, "killed-0")
        rotations.ask(ADA, "killed", confirm="killed")
        assert ended(rotations, "killed").state is RotationState.DONE
        assert len(lines(users[0])) == 1
        assert works(scene, "killed-0")


def test_a_rotation_is_for_administrators_who_confirm_it_and_for_keys_of_devices(
    scene: Scene, rotations: KeyRotations
) -> None:
    with pytest.raises(ConfirmationNeeded):
        rotations.ask(ADA, "key-web-1", confirm="another")
    for ask in (rotations.get, rotations.ways):
        with pytest.raises(Forbidden):
            ask(call_of("olga"), "key-web-1")
    with pytest.raises(Forbidden):
        rotations.ask(call_of("olga"), "key-web-1", confirm="key-web-1")
    scene.vault.store(ADA, name="cloud", kind="aws", value={"a": "b"}, known={"aws": {"a": True}})
    with pytest.raises(InvalidInput, match="none of devices"):
        rotations.ask(ADA, "cloud", confirm="cloud")
    scene.vault.store(
        ADA, name="unused", kind="device-password", value={"password": "x"}, known=KEY_FIELDS
    )
    with pytest.raises(Conflict, match="No way into a device"):
        rotations.ask(ADA, "unused", confirm="unused")
