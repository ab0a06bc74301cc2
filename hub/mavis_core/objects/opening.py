"""Opens the object store that the settings name, for one area of it."""

from __future__ import annotations

from mavis_core.objects.folder import FolderObjects
from mavis_core.objects.model import Settings
from mavis_core.objects.store import ObjectStore

__all__ = ["open_store"]


def open_store(settings: Settings, area: str) -> ObjectStore:
    """Return the part of the store that is for `area`, as for ``logs``.

    Each area in a folder belongs to the Unix user of the one process that opens it.

    Raises
    ------
    Unavailable
        The account of the bucket cannot be read.
    """
    if not settings.url:
        return ObjectStore(FolderObjects(settings.folder / area))
    from mavis_core.objects.bucket import open_bucket  # noqa: PLC0415 - see there

    return ObjectStore(open_bucket(settings, area))
