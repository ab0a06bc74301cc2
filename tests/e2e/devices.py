"""A device that a session opens a terminal at: an OpenSSH server of Debian's on loopback."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mavis_kernel import Mavis
from ssh_servers import keygen, ssh_server, unix_user

__all__ = ["new_device"]


@contextmanager
def new_device(admin: Mavis, project: str, name: str) -> Iterator[str]:
    """Add a device, whose host key nobody has approved; give its login name."""
    folder = Path(tempfile.mkdtemp(prefix="mavis-device-"))
    folder.chmod(0o755)
    with unix_user(folder) as user, ssh_server(folder / "sshd") as server:
        key = keygen(folder / "key")
        user.authorized_keys.write_text(key.with_suffix(".pub").read_text("ascii"), "ascii")
        stored = f"key-{name}"
        admin.keys.add(stored, {"private_key": key.read_text("ascii")}, kind="ssh-key")
        admin.devices.add(project, name, "127.0.0.1", title="Web server")
        admin.devices.allow(project, name, user.name, port=server.port, key=stored)
        yield user.name
    shutil.rmtree(folder)
