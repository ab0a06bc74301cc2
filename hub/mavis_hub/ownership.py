"""Files with an owner and a mode, from the moment at which they exist."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Owner", "write_private"]

_KEEP = -1


@dataclass(frozen=True, slots=True)
class Owner:
    """A Unix user and group by name; None leaves it as it is."""

    user: str | None = None
    group: str | None = None

    @property
    def ids(self) -> tuple[int, int]:
        """Numbers for chown; -1 leaves it as it is."""
        uid = _KEEP if self.user is None else pwd.getpwnam(self.user).pw_uid
        gid = _KEEP if self.group is None else grp.getgrnam(self.group).gr_gid
        return uid, gid

    def give(self, path: Path) -> None:
        """Make this the owner of `path`; a link itself is given, never what it points to."""
        if self.user is not None or self.group is not None:
            os.chown(path, *self.ids, follow_symlinks=False)


def write_private(path: Path, text: str, owner: Owner, mode: int = 0o600) -> None:
    """Write `text` to `path` in one step; no reader ever sees half of it or a wider mode."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # is 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        owner.give(temporary)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
