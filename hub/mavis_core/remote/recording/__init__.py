"""Recordings of remote sessions: made from the first byte, chained, signed, stored and replayed.

`model` has the words. `Recordings` is what a gateway process has; a `Recorder` is one session's.
"""

from mavis_core.remote.recording.manifests import Fault, Finding, read_manifest, verify
from mavis_core.remote.recording.model import ChunkEntry, Ending, Manifest, RecordingHeader
from mavis_core.remote.recording.recorder import Recorder
from mavis_core.remote.recording.service import Health, Interrupted, Recordings

__all__ = [
    "ChunkEntry",
    "Ending",
    "Fault",
    "Finding",
    "Health",
    "Interrupted",
    "Manifest",
    "Recorder",
    "RecordingHeader",
    "Recordings",
    "read_manifest",
    "verify",
]
