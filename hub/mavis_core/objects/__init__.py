"""The object store: segments of the log, recordings, and what else is large and never changes."""

from mavis_core.objects.folder import FolderObjects
from mavis_core.objects.model import Damage, Lock, Objects, Settings, StoredObject
from mavis_core.objects.opening import open_store
from mavis_core.objects.store import ObjectStore

__all__ = [
    "Damage",
    "FolderObjects",
    "Lock",
    "ObjectStore",
    "Objects",
    "Settings",
    "StoredObject",
    "open_store",
]
