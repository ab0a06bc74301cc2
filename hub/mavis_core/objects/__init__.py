"""The object store: segments of the log, recordings, and what else is large and never changes."""

from mavis_core.objects.folder import FolderObjects
from mavis_core.objects.model import Damage, Objects, StoredObject
from mavis_core.objects.opening import Settings, open_store
from mavis_core.objects.s3 import Lock, S3Objects
from mavis_core.objects.store import ObjectStore

__all__ = [
    "Damage",
    "FolderObjects",
    "Lock",
    "ObjectStore",
    "Objects",
    "S3Objects",
    "Settings",
    "StoredObject",
    "open_store",
]
