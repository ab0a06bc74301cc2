"""Recordings over a spool and a store in one folder, for tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.errors import Unavailable
from mavis_core.objects import FolderObjects, ObjectStore, StoredObject
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import RecordingHeader, Recordings, recorder, verify
from mavis_core.remote.recording.packing import unpack

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
HEADER = RecordingHeader(
    session_id="ses_01jd3k5v7m8q2x4c6e9g0r1s2t",
    project_id="prj_01jd3k5v7m8q2x4c6e9g0r1s2t",
    project="shop",
    person="alice",
    device="web-1",
    access_service="ssh",
    login="admin",
    kind="terminal",
    entrance="browser",
    source="192.0.2.7",
    started_at=datetime(2032, 6, 15, 9, tzinfo=UTC),
)
PREFIX = f"{HEADER.project_id}/{HEADER.session_id}/"


class Objects(FolderObjects):
    """A folder that can be told not to answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.down = False

    def put(
        self, key: str, source: Path, sha256: str, *, keep_until: datetime | None
    ) -> StoredObject:
        if self.down:
            raise Unavailable("The store is down")
        return super().put(key, source, sha256, keep_until=keep_until)


class Scene:
    """Recordings with a spool and a store below one folder."""

    def __init__(self, folder: Path, *, spool_bytes: int = 1 << 30) -> None:
        self.spool = folder / "spool"
        self.objects = Objects(folder / "store")
        self.store = ObjectStore(self.objects)
        self.alarms: list[bool] = []
        self.stored: list[str] = []
        self.recordings = Recordings(
            self.spool,
            self.store,
            KEY,
            spool_bytes=spool_bytes,
            on_alarm=self.alarms.append,
            on_stored=lambda header: self.stored.append(header.session_id),
        )
        self.found = self.recordings.start()

    def chunks(self, prefix: str = PREFIX) -> list[tuple[int, bytes]]:
        return chunks_of(self.store, prefix)

    def manifest(self, prefix: str = PREFIX) -> bytes:
        wait_for(lambda: prefix.split("/")[1] in self.stored)
        return self.store.read(f"{prefix}manifest.jsonl")

    def cast(self) -> bytes:
        assert verify(self.manifest(), self.chunks(), KEY.public_key()) == ()
        return b"".join(content for _, content in self.chunks())


def chunks_of(store: ObjectStore, prefix: str) -> list[tuple[int, bytes]]:
    return [
        (int(key.rpartition("/")[2].split(".")[0]), unpack(store.read(key)))
        for key in store.keys(prefix)
        if key.endswith(".cast.zst")
    ]


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


def events(cast: bytes, kind: str = "o") -> list[str]:
    return [text for _, it, text in map(json.loads, cast.splitlines()[1:]) if it == kind]


@contextmanager
def small_chunks(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "CHUNK_BYTES", size)
        yield


def recorded(scene: Scene) -> tuple[bytes, list[tuple[int, bytes]]]:
    with small_chunks(100):
        it = scene.recordings.open(HEADER)
        for number in range(5):
            it.marker(f"{number}" * 100)
        it.close(0, EndReason.EXITED)
    manifest = scene.manifest()
    return manifest, scene.chunks()
