"""OpenSSH's own clients, as people have them, with a file of settings of their own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HOST = "appliance"


@dataclass
class Client:
    """Runs clients of `person` to the door at `port`.

    Parameters
    ----------
    more
        Lines for the file of settings.
    """

    folder: Path
    port: int
    key: Path
    host_key: str
    login: str = "ada:web-1"
    more: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        known = self.folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {self.host_key}\n", encoding="ascii")
        path = self.folder / "ssh_config"
        lines = [
            *self.more,
            f"Host {HOST}",
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {self.login}",
            f"IdentityFile {self.key}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {known}",
            "StrictHostKeyChecking yes",
            "LogLevel ERROR",
            "ConnectTimeout 20",
        ]
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
        return path

    def run(self, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run ``ssh``, ``scp`` or ``sftp`` with `command` after its settings."""
        return subprocess.run(
            [command[0], "-F", str(self.config), *command[1:]],
            input=given,
            capture_output=True,
            check=False,
            timeout=120,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **self.environment},
        )

    def ssh(self, *command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return self.run("ssh", HOST, *command, given=given)

    def sftp(self, *lines: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(
            "sftp", "-b", "-", HOST, given="".join(f"{each}\n" for each in lines).encode()
        )

    def rsync(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["rsync", "-e", f"ssh -F {self.config}", *arguments]
        return subprocess.run(command, capture_output=True, check=False, timeout=120)
