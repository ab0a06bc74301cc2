"""Fixtures of the gateway: a process of its own, Debian's OpenSSH server, a Unix user.

- `folder`: a folder that every Unix user reaches
- `user`, `key`: a Unix user, and the private key that lets in as it
- `server`: an OpenSSH server
- `scene`: the gateway, with that server as the device ``web-1``
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_scene import Scene, make_scene
from ssh_servers import Server, User, keygen, ssh_server, unix_user


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="mavis-gateway-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def user(folder: Path) -> Iterator[User]:
    with unix_user(folder) as made:
        yield made


@pytest.fixture(scope="module")
def key(folder: Path, user: User) -> Path:
    made = keygen(folder / "key")
    user.authorized_keys.write_text(made.with_suffix(".pub").read_text("ascii"), "ascii")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with ssh_server(folder / "sshd") as made:
        yield made


@pytest.fixture(scope="module")
def scene(folder: Path, server: Server, user: User, key: Path) -> Iterator[Scene]:
    with make_scene(folder / "home") as made:
        made.device("web-1", server.port, user.name, key)
        yield made
