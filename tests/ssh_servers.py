"""Debian's OpenSSH server on loopback, for tests: with settings, keys and users of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mavis_core.remote.model import Credential, Endpoint, HostKey
from mavis_core.remote.ssh import fingerprint

SSHD = "/usr/sbin/sshd"

OLD = """
KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1
HostKeyAlgorithms ssh-rsa
PubkeyAcceptedAlgorithms ssh-rsa
Ciphers aes128-cbc,3des-cbc
MACs hmac-sha1,hmac-md5
"""
"""What a network device of 2008 speaks, and nothing newer."""


@dataclass(frozen=True)
class User:
    """A Unix user that exists while the tests run."""

    name: str
    password: str
    home: Path

    @property
    def authorized_keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"


@dataclass
class Server:
    """An OpenSSH server that runs."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def host_key(self, kind: str = "ed25519") -> HostKey:
        words = (self.folder / f"host_{kind}.pub").read_text(encoding="ascii").split()
        return HostKey(words[0], fingerprint(words[1]), words[1])

    def endpoint(
        self,
        login: str,
        credential: Credential,
        *,
        kind: str = "ed25519",
        algorithms: tuple[str, ...] = (),
    ) -> Endpoint:
        keys = (self.host_key(kind),)
        return Endpoint("web-1", "127.0.0.1", self.port, login, credential, keys, algorithms)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


def free_port(also: int = 0) -> int:
    """Return a port that is free, and so are `also` more after it."""
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(first.getsockname()[1])
        try:
            for number in range(1, also + 1):
                stack.enter_context(socket.create_server(("127.0.0.1", port + number)))
        except (OSError, OverflowError):
            return free_port(also)
        return port


def keygen(path: Path, kind: str = "ed25519", *options: str) -> Path:
    """Make a key pair at `path`, without a passphrase unless `options` has one."""
    given = options if "-N" in options else (*options, "-N", "")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-C", "", *given, "-f", str(path)], check=True)
    return path


@contextmanager
def ssh_server(
    folder: Path,
    settings: str = "",
    kinds: tuple[str, ...] = ("ed25519",),
    *,
    inside: tuple[str, ...] = (),
    address: str = "127.0.0.1",
) -> Iterator[Server]:
    """Start an OpenSSH server that keeps its files in `folder`.

    Parameters
    ----------
    inside
        The words of a command that runs it in a place of its own.
    address
        At which it listens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    for kind in kinds:
        keygen(folder / f"host_{kind}", kind)
    lines = [
        f"Port {port}",
        f"ListenAddress {address}",
        *(f"HostKey {folder}/host_{kind}" for kind in kinds),
        f"PidFile {folder}/pid",
        "Subsystem sftp internal-sftp",
        "LogLevel VERBOSE",
        "AcceptEnv LANG LC_*",
        "MaxStartups 100",
        "MaxSessions 100",
        settings,
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin yes",
    ]
    config = folder / "config"
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    process = subprocess.Popen(
        [*inside, SSHD, "-D", "-f", str(config), "-E", str(folder / "log")],
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_for(address, port, process)
        yield Server(port, folder, process)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


def _wait_for(address: str, port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((address, port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "sshd has ended"
            assert time.monotonic() < until, "sshd does not listen"
            time.sleep(0.05)


@contextmanager
def unix_user(folder: Path) -> Iterator[User]:
    """Make a Unix user with a password, for as long as it is needed."""
    name = f"mavis-t-{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(12)
    home = folder / name
    command = ["useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/bash", name]
    subprocess.run(command, check=True)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
        user = User(name, password, home)
        user.authorized_keys.parent.mkdir(mode=0o700)
        user.authorized_keys.touch(mode=0o600)
        owner = pwd.getpwnam(name)
        for path in (user.authorized_keys.parent, user.authorized_keys):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        yield user
    finally:
        for process in psutil.process_iter(["uids"]):
            if process.info["uids"] and process.info["uids"].real == pwd.getpwnam(name).pw_uid:
                process.kill()
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def sign_user_key(
    authority: Path, public: Path, *principals: str, options: tuple[str, ...] = ()
) -> str:
    """Return the certificate of `authority` over the key at `public`."""
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", ",".join(principals)]
        + (["-V", "+10m"] if "-V" not in options else [])
        + [*options, str(public)],
        check=True,
    )
    made = public.with_name(public.name.removesuffix(".pub") + "-cert.pub")
    return made.read_text(encoding="ascii")
