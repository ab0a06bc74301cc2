"""Folders whose changes survive a crash of the machine (fsync(2), on the folder too)."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["private_folder", "sync_folder", "write_whole"]


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def private_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, for their owner only, durable on return."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Let the file `path` hold `content`, for its owner only: after a crash, or what was before."""
    fresh = path.with_name(f"{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
