"""Records in processes that are killed at a step of theirs, recovers, and compares.

A *step* is a call to the system that changes files. Of a write that is a process's last step, half
is written. ``python dying_recorder.py FOLDER`` goes through all steps and says how many there were.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.errors import Unavailable
from mavis_core.objects import FolderObjects, ObjectStore
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import RecordingHeader, recorder, verify
from mavis_core.remote.recording.packing import unpack
from mavis_core.remote.recording.recorder import Recorder
from mavis_core.remote.recording.screen_text import read_text
from mavis_core.remote.recording.service import close_interrupted
from mavis_core.remote.recording.spool import Room, Spool
from mavis_core.remote.recording.uploading import Uploader

STEPS = (
    "open",
    "write",
    "fsync",
    "mkdir",
    "rename",
    "replace",
    "unlink",
    "rmdir",
    "truncate",
    "ftruncate",
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEADER = RecordingHeader(
    session_id="ses_1",
    project_id="prj_1",
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
MARKS = [str(number) * 150 for number in range(7)]


class Folder:
    """A spool and a store below one folder; `down`: the store does not answer."""

    def __init__(self, path: Path, *, down: bool = False) -> None:
        self.path = path
        self.store = ObjectStore(FolderObjects(path / "store"))
        self.uploader = Uploader(self.store, KEY)
        self.down = down

    def upload(self, folder: Any) -> None:
        """Do what the uploader's threads do."""
        if self.down:
            self.uploader.error, self.uploader._next_try = "down", float("inf")
        try:
            self.uploader.work(folder)
        except Unavailable:
            assert self.down

    def record(self) -> None:
        """Record all marks; what was acknowledged stands in a file."""
        acknowledged = ACKNOWLEDGED(self.path / "acknowledged")
        recorder.CHUNK_BYTES = 300
        spool = Spool(self.path / "spool", Room(1 << 30))
        it = Recorder(spool.new(HEADER), on_chunk=lambda each: self.upload(each.folder))
        for each in MARKS:
            it.output(f"line {each[0]}\r\n".encode())
            it.marker(each)
            acknowledged()
        it.close(0, EndReason.EXITED)

    def recover(self) -> None:
        """Do what the next start does."""
        spool = Spool(self.path / "spool", Room(1 << 30))
        for each in close_interrupted(spool)[1]:
            self.upload(each)
        spool.close()

    def compare(self) -> str:
        """Return how the recording ended; it must be whole and have what was acknowledged."""
        try:
            acknowledged = (self.path / "acknowledged").stat().st_size
        except FileNotFoundError:
            acknowledged = 0
        keys = list(self.store.keys("prj_1/"))
        if not keys:
            assert not acknowledged
            return "nothing"
        chunks = [
            (int(key.rpartition("/")[2].split(".")[0]), unpack(self.store.read(key)))
            for key in keys
            if key.endswith(".cast.zst")
        ]
        content = self.store.read("prj_1/ses_1/manifest.jsonl")
        assert verify(content, chunks, KEY.public_key()) == ()
        lines = b"".join(content for _, content in chunks).splitlines()
        events = list(map(json.loads, lines[1:]))
        marks = [text for _, kind, text in events if kind == "m"]
        shown = [text.rstrip() for _, kind, text in events if kind == "o"]
        text = b"".join(unpack(self.store.read(key)) for key in keys if "/text-" in key)
        assert [each.text for each in read_text(text)] == shown
        assert len(marks) >= acknowledged, (len(marks), acknowledged)
        assert marks == MARKS[: len(marks)]
        left = [each.name for each in (self.path / "spool").iterdir()]
        assert left == ["lock"], left
        return str(json.loads(content.splitlines()[0])["end"]["reason"])


def ACKNOWLEDGED(path: Path) -> Callable[[], None]:  # noqa: N802 - made before steps are counted
    fd, write = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), REAL["write"]
    return lambda: write(fd, b".")


REAL: dict[str, Any] = {name: getattr(os, name) for name in STEPS}


def killed_at(step: int, work: Callable[[], None]) -> bool:
    """Return whether a process that does `work` was killed at a step; it has fewer if not."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _count_down(step)
            work()
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, status
    return status != 0


def _count_down(step: int) -> None:
    left = [step]

    def dying(name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if name == "write":
                    REAL["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return REAL[name](*args, **named)

        return call

    for name in STEPS:
        setattr(os, name, dying(name))


def main(folder: Path) -> None:
    """Go through all steps of recording, and all steps of recovering from some of them."""
    logging.disable()
    told: dict[str, int] = {}
    for down in (False, True):
        for step in count(1):
            place = Folder(folder / f"record-{down}-{step}", down=down)
            killed = killed_at(step, place.record)
            place.down = False
            place.uploader = Uploader(place.store, KEY)
            place.recover()
            place.recover()
            ended = place.compare()
            if not killed:
                break
            told[ended] = told.get(ended, 0) + 1
    for left in (45, 70):
        start = Folder(folder / f"left-{left}", down=True)
        assert killed_at(left, start.record)
        for step in count(1):
            path = folder / f"recover-{left}-{step}"
            shutil.copytree(start.path, path)
            place = Folder(path)
            killed = killed_at(step, place.recover)
            place.recover()
            assert place.compare() in ("interrupted", "exited")
            if not killed:
                break
            told["recovered"] = told.get("recovered", 0) + 1
            shutil.rmtree(path)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
