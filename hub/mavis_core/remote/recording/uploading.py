"""What brings recordings from the spool to the object store, while their sessions run and after.

A few threads for all sessions; each takes one session at a time, and does all that can be done
for it. While the store does not answer, closed chunks are packed where they are, so that the spool
holds about ten times as much; one thread at a time tries the store again, with growing pauses.
While much is being recorded they wait, for a while and as long as the spool has room; see `rush`.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.errors import Conflict, Damaged, MavisError, Unavailable
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording.manifests import (
    MANIFEST,
    fingerprint,
    session_prefix,
    signed,
)
from mavis_core.remote.recording.model import ChunkEntry, Manifest, RecordingHeader, chunk_name
from mavis_core.remote.recording.packing import pack, unpack
from mavis_core.remote.recording.spool import SessionFolder
from mavis_core.remote.recording.text_spool import TextSpool

__all__ = ["Uploader"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_TROUBLE_S = 60.0
_PATIENCE_S = 20.0
_LOOK_S = 0.25
_ROOMY = 0.5  # of the spool


class Uploader:
    """Brings what is closed to the store, and signs what has ended.

    Parameters
    ----------
    store
        For recordings.
    key
        Signs the manifests.
    threads
        How many work at a time.
    patience_s
        How long a session waits at most while much is being recorded.
    on_stored
        Told whose it is when all of a recording is stored.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: Ed25519PrivateKey,
        *,
        threads: int = 2,
        patience_s: float = _PATIENCE_S,
        on_stored: Callable[[RecordingHeader], None] | None = None,
    ) -> None:
        self._store, self._key, self._on_stored = store, key, on_stored
        self._condition = threading.Condition()
        self._patience_s = patience_s
        self._queue: dict[SessionFolder, float] = {}  # in turn, and since when they wait
        self._busy: set[SessionFolder] = set()
        self._again: set[SessionFolder] = set()
        self._later: dict[SessionFolder, float] = {}
        self._next_try, self._pause_s = 0.0, _FIRST_PAUSE_S
        self._texts: dict[SessionFolder, TextSpool] = {}
        self._stopping = False
        self.error: str | None = None
        """Why the store does not take anything now; None while it does."""
        self.troubles: dict[str, str] = {}
        """By session: why its recording cannot be stored, though the store answers."""
        self._threads = [
            threading.Thread(target=self._run, name=f"recording-upload-{n}", daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End after what is at hand; the spool keeps the rest."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        for each in self._threads:
            if each.is_alive():
                each.join()

    def add(self, folder: SessionFolder) -> None:
        """Look at a session: it has a closed chunk more, or has ended."""
        with self._condition:
            if folder in self._busy:
                self._again.add(folder)
            elif folder not in self._queue:
                self._later.pop(folder, None)
                self._queue[folder] = time.monotonic()
                self._condition.notify()

    @property
    def waiting(self) -> int:
        """How many sessions have something to be stored."""
        with self._condition:
            return len(self._queue) + len(self._busy) + len(self._later)

    # Threads

    def _run(self) -> None:
        while (folder := self._take()) is not None:
            later_s: float | None = None
            try:
                self.work(folder)
                self.troubles.pop(folder.path.name, None)
            except Unavailable as exc:
                later_s = self._unavailable(exc)
            except MavisError as exc:
                later_s = self._trouble(folder, exc.message)
            except Exception as exc:  # the edge of the thread; the others must go on
                logger.exception("recording.upload_failed session=%s", folder.path.name)
                later_s = self._trouble(folder, type(exc).__name__)
            self._put_back(folder, later_s)

    def _take(self) -> SessionFolder | None:
        with self._condition:
            while not self._stopping:
                now = time.monotonic()
                for each in [each for each, at in self._later.items() if at <= now]:
                    del self._later[each]
                    self._queue[each] = now
                if (folder := self._due(now)) is not None:
                    del self._queue[folder]
                    self._busy.add(folder)
                    return folder
                soonest = min(self._later.values(), default=None)
                wait_s = None if soonest is None else max(0.01, soonest - now)
                if self._queue:
                    wait_s = _LOOK_S if wait_s is None else min(wait_s, _LOOK_S)
                self._condition.wait(wait_s)
            return None

    def _due(self, now: float) -> SessionFolder | None:
        """Return the first session in turn, where it need not wait."""
        for folder, since in self._queue.items():
            room = folder.room
            if room.rush.on and room.part < _ROOMY and now - since < self._patience_s:
                return None
            return folder
        return None

    def _put_back(self, folder: SessionFolder, later_s: float | None) -> None:
        with self._condition:
            self._busy.discard(folder)
            again = folder in self._again
            self._again.discard(folder)
            if later_s is not None:
                self._later[folder] = time.monotonic() + later_s
            elif again:
                self._queue[folder] = time.monotonic()
            self._condition.notify()

    def _unavailable(self, exc: Unavailable) -> float:
        with self._condition:
            if self.error is None:
                logger.error("recording.store_unavailable error=%s", exc.message)
            self.error = exc.message
            now = time.monotonic()
            if now >= self._next_try:
                self._next_try = now + self._pause_s
                self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
            return max(0.05, self._next_try - now)

    def _trouble(self, folder: SessionFolder, message: str) -> float:
        if self.troubles.get(folder.path.name) != message:
            logger.error("recording.not_stored session=%s error=%s", folder.path.name, message)
        self.troubles[folder.path.name] = message
        return _TROUBLE_S

    # One session

    def work(self, folder: SessionFolder) -> None:
        """Do all that can be done for a session now. One thread at a time may for one session.

        Raises
        ------
        Unavailable
            The store does not answer; what waits was packed.
        Damaged
            The spool does not have what was recorded.
        """
        if not (folder.path / "header.json").exists():
            return
        ending, entries = folder.ending, tuple(folder.entries)
        if not (folder.path / MANIFEST).exists():
            text = self._text(folder)
            self._chunks(folder, entries, text)
            if ending is None:
                return
            text.end()
            self._parts(folder, text)
            manifest = Manifest(folder.header, ending, entries, fingerprint(self._key.public_key()))
            folder.write(MANIFEST, signed(manifest, self._key))
        self._put(folder, MANIFEST, (folder.path / MANIFEST).read_bytes())
        folder.remove()
        self._texts.pop(folder, None)
        if self._on_stored is not None:
            self._on_stored(folder.header)

    def _text(self, folder: SessionFolder) -> TextSpool:
        if folder not in self._texts:
            self._texts[folder] = TextSpool(folder)
        return self._texts[folder]

    def _parts(self, folder: SessionFolder, text: TextSpool) -> None:
        for path in text.parts:
            with suppress(Conflict):  # it is there, though packed by another release of zstd
                self._put(folder, path.name, path.read_bytes())
            folder.drop(path)

    def _chunks(
        self, folder: SessionFolder, entries: tuple[ChunkEntry, ...], text: TextSpool
    ) -> None:
        for number, path in sorted(folder.files().items()):
            if number > len(entries):
                continue
            entry = entries[number - 1]
            packed, content = _packed(entry, path)
            try:
                text.add(number, content)
            except OSError as exc:  # the disk is full: evidence goes first, and leaves room
                logger.warning("recording.no_text chunk=%d error=%s", number, exc.strerror)
            try:
                self._put(folder, chunk_name(number), packed, entry)
            except Unavailable:
                self._keep_packed(folder, entries, text)
                raise
            folder.sync()  # the entry must outlast the chunk that it tells of
            folder.drop(path)
        self._parts(folder, text)

    def _keep_packed(
        self, folder: SessionFolder, entries: tuple[ChunkEntry, ...], text: TextSpool
    ) -> None:
        for number, path in sorted(folder.files().items()):
            if number > len(entries) or path != folder.chunk(number):
                continue
            packed, content = _packed(entries[number - 1], path)
            try:
                text.add(number, content)
                folder.write(chunk_name(number), packed)
            except OSError:  # the disk is full; the plain ones are there
                return
            folder.sync()
            folder.drop(path)

    def _put(
        self, folder: SessionFolder, name: str, content: bytes, entry: ChunkEntry | None = None
    ) -> None:
        if self.error is not None and time.monotonic() < self._next_try:
            raise Unavailable(self.error)
        header = folder.header
        key = session_prefix(header.project_id, header.session_id) + name
        try:
            self._store.put_bytes(key, content)
        except Conflict:  # it is there: what another release of zstd packed, say
            if entry is None or _digest(unpack(self._store.read(key))) != entry.sha256:
                raise
        except OSError as exc:  # no room for the copy on its way
            raise Unavailable(f"{key} cannot be sent: {exc.strerror}") from exc
        with self._condition:
            if self.error is not None:
                logger.warning("recording.store_available")
            self.error, self._pause_s = None, _FIRST_PAUSE_S


def _packed(entry: ChunkEntry, path: Path) -> tuple[bytes, bytes]:
    """Return a chunk as its entry says it is, packed and plain."""
    read = path.read_bytes()
    packed, content = (read, unpack(read)) if path.suffix == ".zst" else (pack(read), read)
    if _digest(content) != entry.sha256:
        raise Damaged(
            f"The chunk {path} is not what was recorded",
            mend="Somebody or something changed it; the session's other chunks are kept.",
        )
    return packed, content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
