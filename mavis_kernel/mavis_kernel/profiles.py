"""Several logins of one person: which there are, and which one is in use."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping

from mavis_kernel.errors import BadSettings, NotFound
from mavis_kernel.profile import DEFAULT, credentials_path, folder, remove

__all__ = ["forget", "names", "use"]


def names(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the profiles that there are, the default one first."""
    base = folder(environ)
    first = [DEFAULT] if (base / "credentials.json").exists() else []
    return first + sorted(path.stem for path in (base / "profiles").glob("*.json"))


def use(name: str, environ: Mapping[str, str] = os.environ) -> None:
    """Let `name` be the profile of the calls that follow.

    Raises
    ------
    NotFound
        There is no such profile.
    """
    _find(name, environ)
    path = folder(environ) / "profile"
    try:
        path.write_text(f"{name}\n", encoding="utf-8")
    except OSError as exc:
        raise BadSettings(f"{path} cannot be written: {exc.strerror}.") from exc


def forget(name: str, environ: Mapping[str, str] = os.environ) -> None:
    """Remove the profile `name`; its token is not revoked. If it was in use, the default one is.

    Raises
    ------
    NotFound
        There is no such profile.
    """
    _find(name, environ)
    remove(credentials_path(environ, name))
    shutil.rmtree(folder(environ) / "ssh" / name, ignore_errors=True)
    chosen = folder(environ) / "profile"
    with contextlib.suppress(FileNotFoundError):
        if chosen.read_text(encoding="utf-8").strip() == name:
            chosen.unlink()


def _find(name: str, environ: Mapping[str, str]) -> None:
    if not credentials_path(environ, name).exists():
        there = ", ".join(names(environ)) or "none"
        raise NotFound(
            f"There is no profile {name!r}; there are: {there}.",
            mend=f"Make it: mavis login --profile {name}",
        )
