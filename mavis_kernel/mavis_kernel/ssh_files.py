"""What `mavis ssh login` leaves behind: a key pair, its certificate, and the door's host key.

``$XDG_CONFIG_HOME/mavis/ssh/PROFILE``, mode 0700, of each login its own. The private key is made
here, by OpenSSH's own ``ssh-keygen``, and never leaves this folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mavis_kernel.errors import BadSettings
from mavis_kernel.models import IssuedCertificate
from mavis_kernel.profile import chosen, folder

__all__ = ["ALIAS", "Held", "SshFiles", "program"]

ALIAS = "mavis-door"
"""The name that the door has in the file of host keys, wherever it is reached."""
_SOON = timedelta(minutes=2)
_LONG_S = 60


@dataclass(frozen=True)
class Held:
    """A certificate that lies here.

    Parameters
    ----------
    url, person
        The appliance, and who one is there.
    """

    id: str
    serial: int
    url: str
    person: str
    expires_at: str

    @property
    def ends(self) -> datetime:
        """When it is over."""
        return datetime.fromisoformat(self.expires_at)

    @property
    def ends_soon(self) -> bool:
        """Whether it is over, or will be before a connection is there."""
        return self.ends - _SOON <= datetime.now(UTC)


class SshFiles:
    """The files of one login.

    Parameters
    ----------
    place
        The folder; it need not exist.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.key = place / "id_ed25519"
        self.public = place / "id_ed25519.pub"
        self.certificate = place / "id_ed25519-cert.pub"
        self.known_hosts = place / "known_hosts"
        self._held = place / "certificate.json"

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ, profile: str | None = None) -> SshFiles:
        """Return the files of a profile; None: of the one in use."""
        return cls(folder(environ) / "ssh" / (profile or chosen(environ)))

    def held(self, url: str | None = None) -> Held | None:
        """Return the certificate that lies here, where it is one for the appliance at `url`."""
        try:
            found = Held(**json.loads(self._held.read_text(encoding="utf-8")))
            there = self.key.exists() and self.certificate.exists()
            good = bool(found.ends.tzinfo) and there
        except (OSError, ValueError, TypeError):
            return None
        return found if good and url in (None, found.url) else None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other call change the files inside the block."""
        with _told(self.place):
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.place.chmod(0o700)
            lock = os.open(self.place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def public_line(self) -> str:
        """Return the public key; the pair is made where there is none.

        Raises
        ------
        BadSettings
            No OpenSSH is installed, or the folder cannot be written.
        """
        with _told(self.place):
            if not (self.key.exists() and self.public.exists()):
                self._make_pair()
            self.key.chmod(0o600)
            return self.public.read_text(encoding="ascii").strip()

    def keep(self, issued: IssuedCertificate, url: str, person: str) -> Held:
        """Keep a certificate of the key."""
        told = issued.certificate
        held = Held(told.id, told.serial, url, person, told.expires_at.isoformat())
        self._write(self.certificate, issued.line.strip() + "\n")
        self._write(self._held, json.dumps(asdict(held)) + "\n")
        return held

    def pin(self, host_key: str) -> None:
        """Let the door be known by `host_key` alone."""
        line = f"{ALIAS} {host_key}\n"
        try:
            if self.known_hosts.read_text(encoding="ascii") == line:
                return
        except (OSError, UnicodeDecodeError):
            pass
        self._write(self.known_hosts, line)

    def remove(self) -> None:
        """Forget key and certificate."""
        shutil.rmtree(self.place, ignore_errors=True)

    def _make_pair(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.place) as made:
            path = Path(made) / self.key.name
            command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "mavis"]
            done = subprocess.run(  # noqa: S603 - the program was looked up
                [*command, "-f", str(path)], capture_output=True, check=False, timeout=_LONG_S
            )
            if done.returncode:
                said = done.stderr.decode("utf-8", "replace").strip()[-300:]
                raise BadSettings(f"ssh-keygen could not make a key pair: {said}.")
            path.with_name(self.public.name).replace(self.public)
            path.replace(self.key)

    def _write(self, path: Path, text: str) -> None:
        with _told(path):
            # mkstemp opens with mode 0600, whatever the umask says.
            descriptor, name = tempfile.mkstemp(dir=self.place, prefix=".new-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(name).replace(path)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    Path(name).unlink()
                raise


def program(name: str) -> str:
    """Return where a program of OpenSSH is.

    Raises
    ------
    BadSettings
        It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise BadSettings(
            f"There is no {name} on this machine.",
            mend="Install OpenSSH's client: apt install openssh-client, dnf install"
            " openssh-clients, or what your system calls it.",
        )
    return found


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BadSettings(f"{path} cannot be written: {exc.strerror}.") from exc
