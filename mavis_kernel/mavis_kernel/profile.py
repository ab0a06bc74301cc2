"""The credentials file: what `mavis login` leaves behind.

``$XDG_CONFIG_HOME/mavis/credentials.json``, mode 0600 in a folder of mode 0700, one JSON object.
It is replaced as a whole, so that nobody ever reads half of it, and it is not read at all where
another user of the machine could have.

Whoever has several logins names them: that file is the profile ``default``, others are beside it
in ``profiles/NAME.json``, and the file ``profile`` says which one is in use.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mavis_kernel.errors import BadSettings
from mavis_kernel.masking import Secret

__all__ = ["DEFAULT", "Profile", "chosen", "credentials_path", "folder", "load", "remove", "save"]

DEFAULT = "default"
"""The profile of whoever names none."""

_VERSION = 1
_OTHERS = "profiles"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Profile:
    """A login and the person's choices.

    Parameters
    ----------
    url
        The appliance, ending in ``/services/mavis``. The token is sent there only.
    username, token
        The login.
    expires_at
        When the token ends; None where that is not known.
    certificate
        The pinned certificate of the appliance, PEM.
    ca_file
        Certificates of the authorities to trust instead of the system's.
    project
        The default project.
    """

    url: str | None = None
    username: str | None = None
    token: Secret | None = None
    expires_at: datetime | None = None
    certificate: str | None = None
    ca_file: str | None = None
    project: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the token's time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


def credentials_path(environ: Mapping[str, str] = os.environ, profile: str | None = None) -> Path:
    """Return where the credentials file of `profile` is, whether or not it exists.

    Raises
    ------
    BadSettings
        The profile's name cannot be one.
    """
    name = profile or chosen(environ)
    if not _NAME.fullmatch(name):
        raise BadSettings(
            f"{name[:80]!r} cannot be the name of a profile.",
            mend="Letters, digits, dots, hyphens and underscores make one, such as work.",
        )
    if name == DEFAULT:
        return folder(environ) / "credentials.json"
    return folder(environ) / _OTHERS / f"{name}.json"


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where this client keeps what is the person's."""
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification: a path that is not absolute is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "mavis"


def chosen(environ: Mapping[str, str] = os.environ) -> str:
    """Return the name of the profile: of ``MAVIS_PROFILE``, else the one that is in use."""
    if name := environ.get("MAVIS_PROFILE"):
        return name
    try:
        return (folder(environ) / "profile").read_text(encoding="utf-8").strip() or DEFAULT
    except OSError:
        return DEFAULT


def load(path: Path) -> Profile:
    """Return the profile in the file at `path`; an empty one where there is no file.

    Raises
    ------
    BadSettings
        Others may read the file, or it is not what `save` writes.
    """
    try:
        with path.open(encoding="utf-8") as file:
            _refuse_shared(path, os.fstat(file.fileno()))
            data = json.load(file)
    except FileNotFoundError:
        return Profile()
    except OSError as exc:
        raise BadSettings(f"{path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:  # the text is not shown: it may hold a token
        raise _damaged(path) from exc
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise _damaged(path)
    return _from_json(data, path)


def save(profile: Profile, path: Path) -> None:
    """Replace the file at `path` by `profile`, for its owner's eyes only."""
    try:
        # Only the last folder of a path that is made gets the mode, so each is made by itself.
        for each in (
            (path.parent.parent, path.parent) if path.parent.name == _OTHERS else (path.parent,)
        ):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp opens with mode 0600, whatever the umask says.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(_to_json(profile), file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as exc:
        raise BadSettings(f"{path} cannot be written: {exc.strerror}.") from exc


def remove(path: Path) -> None:
    """Remove the file at `path`, where there is one."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _refuse_shared(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise BadSettings(
            f"{path} has mode {mode:04o}: other users of this machine may have read your token.",
            mend="Log in again, which replaces it: mavis login."
            " End the old token on the token page of the Hub.",
        )
    if status.st_uid != os.geteuid():
        raise BadSettings(
            f"{path} belongs to user {status.st_uid}, not to you ({os.geteuid()}).",
            mend="Set XDG_CONFIG_HOME to a folder of your own, or remove the file.",
        )


def _from_json(data: Mapping[str, object], path: Path) -> Profile:
    def text(name: str) -> str | None:
        value = data.get(name)
        if value is not None and not isinstance(value, str):
            raise _damaged(path)
        return value

    token, ends = text("token"), text("expires_at")
    try:
        expires_at = datetime.fromisoformat(ends).astimezone(UTC) if ends else None
    except ValueError as exc:
        raise _damaged(path) from exc
    return Profile(
        url=text("url"),
        username=text("username"),
        token=Secret(token) if token else None,
        expires_at=expires_at,
        certificate=text("certificate"),
        ca_file=text("ca_file"),
        project=text("project"),
    )


def _to_json(profile: Profile) -> dict[str, object]:
    return {
        "version": _VERSION,
        "url": profile.url,
        "username": profile.username,
        "token": profile.token.reveal() if profile.token else None,
        "expires_at": profile.expires_at.isoformat() if profile.expires_at else None,
        "certificate": profile.certificate,
        "ca_file": profile.ca_file,
        "project": profile.project,
    }


def _damaged(path: Path) -> BadSettings:
    return BadSettings(
        f"{path} is not a credentials file of this version of mavis.",
        mend=f"Remove it and log in again: rm {path}; mavis login.",
    )
