"""Fixtures for SSH with Debian's OpenSSH server on loopback.

- `folder`: a folder that every Unix user reaches, gone at the end of the module
- `user`: a Unix user with a password (root only)
- `keys`: private keys by kind, which `user` takes
- `server`, `old_server`, `asking_server`: a modern one, one that speaks old algorithms only, and
  one that asks for the password by keyboard-interactive
- `scene`: a door before `server`, with `limits`, where ada comes in by her key; and her client
- `silent_port`: a port that takes connections and never says anything
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from door_double import Memory, Scene, opened_door
from mavis_core.remote.model import PrivateKey
from mavis_hub.gateway.door import Limits
from ssh_client import Client
from ssh_servers import OLD, Server, User, keygen, ssh_server, unix_user

KINDS = ("ed25519", "ecdsa", "rsa")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mavis-ssh-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def authority(folder: Path) -> Path:
    return keygen(folder / "authority")


@pytest.fixture(scope="module")
def user(folder: Path) -> Iterator[User]:
    with unix_user(folder) as made:
        yield made


@pytest.fixture(scope="module")
def keys(folder: Path, user: User) -> dict[str, Path]:
    made = {kind: keygen(folder / kind, kind) for kind in KINDS}
    lines = [path.with_suffix(".pub").read_text(encoding="ascii") for path in made.values()]
    user.authorized_keys.write_text("".join(lines), encoding="ascii")
    return made


@pytest.fixture(scope="module")
def server(folder: Path, authority: Path) -> Iterator[Server]:
    settings = f"TrustedUserCAKeys {authority}.pub"
    with ssh_server(folder / "modern", settings, ("ed25519", "ecdsa", "rsa")) as made:
        yield made


@pytest.fixture(scope="module")
def old_server(folder: Path) -> Iterator[Server]:
    with ssh_server(folder / "old", OLD, ("rsa",)) as made:
        yield made


@pytest.fixture(scope="module")
def asking_server(folder: Path) -> Iterator[Server]:
    settings = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes"
    with ssh_server(folder / "asking", settings) as made:
        yield made


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def scene(
    folder: Path, server: Server, user: User, keys: dict[str, Path], tmp_path: Path, limits: Limits
) -> Iterator[Scene]:
    device_key = PrivateKey(keys["ed25519"].read_text(encoding="ascii"))
    memory = Memory(server.endpoint(user.name, device_key))
    mine = keygen(tmp_path / "ada")
    memory.keys[mine.with_suffix(".pub").read_text(encoding="ascii").split()[1]] = "ada"
    with opened_door(memory, folder / "door", limits) as port:
        public = (folder / "door" / "door.pub").read_text(encoding="ascii").strip()
        yield Scene(memory, Client(tmp_path, port, mine, public), user, port, tmp_path)
    assert all(each.ended is not None or each.over.wait(20) for each in memory.kept)
