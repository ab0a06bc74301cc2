"""The folders of the state folder: one table of owner and mode, and what brings it about.

Modes are chosen so that nobody reads what is not theirs: 0711 lets a person through to their
home or to the certificate and shows them nothing on the way.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_hub.ownership import Owner

__all__ = ["Folder", "ensure_folders", "folders", "secret_owners"]

_SECRET_HOLDERS = {
    "hub": None,
    "supervisor": None,
    "api": "mavis-api",
    "prefect": "mavis-prefect",
    "worker": "mavis-worker",
    "logs": "mavis-logs",
    "dashboards": "mavis-dashboards",
    "syslog": "mavis-syslog",
    "gateway": "mavis-gateway",
    "authority": None,
}


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder.

    Parameters
    ----------
    user, group
        Unix names on an isolated appliance; None: root and root.
    """

    path: Path
    mode: int
    user: str | None = None
    group: str | None = None

    def owner(self, config: Config) -> Owner:
        """Return whose it is under these settings."""
        if not config.isolated:
            return Owner()
        return Owner(self.user or "root", self.group or self.user or "root")


def folders(config: Config) -> tuple[Folder, ...]:
    """Return the table, parents before children."""
    home, run, edge = config.home, config.run, config.home / "edge"
    return (
        Folder(home, 0o711),
        Folder(config.secrets, 0o711),
        *(
            Folder(config.secrets / process, 0o700, user)
            for process, user in _SECRET_HOLDERS.items()
        ),
        Folder(run, 0o711),
        Folder(run / "worker", 0o750, "mavis-worker", "mavis"),
        Folder(run / "logs", 0o750, "mavis-logs", "mavis-db"),
        Folder(run / "reports", 0o2750, "mavis-logs", "mavis-syslog"),
        Folder(config.syslog_run, 0o2750, "mavis-syslog", config.syslog.local_group or None),
        Folder(config.dashboards_run, 0o700, "mavis-dashboards"),
        Folder(run / "gateway", 0o2750, "mavis-gateway", "mavis-api"),
        Folder(home / "db", 0o2770, "mavis-api", "mavis-db"),
        Folder(config.journal, 0o700, "mavis-logs"),
        Folder(config.objects_folder, 0o711),
        Folder(config.objects_folder / "logs", 0o700, "mavis-logs"),
        Folder(config.objects_folder / "recordings", 0o700, "mavis-gateway"),
        Folder(config.syslog_folder, 0o750, None, "mavis-syslog"),
        Folder(home / "hub", 0o700),
        Folder(home / "api", 0o700, "mavis-api"),
        Folder(home / "prefect", 0o700, "mavis-prefect"),
        Folder(home / "worker", 0o700, "mavis-worker"),
        Folder(home / "gateway", 0o700, "mavis-gateway"),
        *(
            Folder(config.recordings_spool(shard), 0o700, "mavis-gateway")
            for shard in range(config.remote.processes)
        ),
        Folder(home / "aws", 0o750, None, "mavis-worker"),
        Folder(edge, 0o711),
        Folder(edge / "tls", 0o711),
        Folder(edge / "dynamic", 0o750, None, "mavis-edge"),
        Folder(edge / "acme", 0o700, "mavis-edge"),
        Folder(home / "log", 0o700),
        Folder(home / "homes", 0o711),
    )


def secret_owners(config: Config) -> dict[str, Owner]:
    """Return the owner of each process's secrets."""
    if not config.isolated:
        return {}
    return {
        process: Owner(user or "root", user or "root") for process, user in _SECRET_HOLDERS.items()
    }


def ensure_folders(config: Config) -> None:
    """Make what is missing and set owners and modes right.

    Raises
    ------
    Unavailable
        A folder cannot be made or changed.
    """
    for folder in folders(config):
        try:
            _ensure(folder, folder.owner(config))
        except OSError as exc:
            raise Unavailable(
                f"The folder {folder.path} cannot be made ready: {exc.strerror}",
                mend="Free the path, or set MAVIS_HOME to a folder that you may write to.",
            ) from exc
    settings = config.home / "mavis.toml"
    if config.isolated and settings.exists():
        Owner("root", "mavis").give(settings)
        settings.chmod(0o640)


def _ensure(folder: Folder, owner: Owner) -> None:
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found, (uid, gid) = folder.path.stat(), owner.ids
    moved = uid not in (-1, found.st_uid)
    if moved or gid not in (-1, found.st_gid):
        owner.give(folder.path)
    if moved and found.st_uid != 0:
        _move(folder.path, found.st_uid, owner)
    if stat.S_IMODE(found.st_mode) != folder.mode or moved:
        folder.path.chmod(folder.mode)


def _move(top: Path, old_uid: int, owner: Owner) -> None:
    """Give what the service's former user number owned to its present one.

    Numbers change where service users were removed and made again, or where the state folder
    comes from another machine's backup.
    """
    for folder, names, files in os.walk(top):
        for name in (*names, *files):
            path = Path(folder, name)
            if path.lstat().st_uid == old_uid:
                owner.give(path)
