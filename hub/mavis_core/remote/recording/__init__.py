"""Recordings of remote sessions: made from the first byte, chained, signed, stored and replayed.

`model` has the words. `Recordings` is what a gateway process has; a `Recorder` is one session's.
"""

from mavis_core.remote.recording.commands import CommandReader, ScreenCommand
from mavis_core.remote.recording.expiry import Outcome, Tombstone, expire, read_tombstone
from mavis_core.remote.recording.library import Library, Running, chunk_at
from mavis_core.remote.recording.manifests import Fault, Finding, read_manifest, verify
from mavis_core.remote.recording.model import ChunkEntry, Ending, Manifest, RecordingHeader
from mavis_core.remote.recording.recorder import Recorder
from mavis_core.remote.recording.screen_text import TextLine
from mavis_core.remote.recording.search import Hit, ScreenTexts
from mavis_core.remote.recording.service import Health, Interrupted, Recordings

__all__ = [
    "ChunkEntry",
    "CommandReader",
    "Ending",
    "Fault",
    "Finding",
    "Health",
    "Hit",
    "Interrupted",
    "Library",
    "Manifest",
    "Outcome",
    "Recorder",
    "RecordingHeader",
    "Recordings",
    "Running",
    "ScreenCommand",
    "ScreenTexts",
    "TextLine",
    "Tombstone",
    "chunk_at",
    "expire",
    "read_manifest",
    "read_tombstone",
    "verify",
]
