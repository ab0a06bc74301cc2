"""The recorder of one session: from bytes as they pass to chunks in the spool.

What comes is written at once where the last write was long enough ago, so that a key's echo has its
own moment; what comes within 20 ms of that is one event with it, so that bulk output costs little.
`upkeep` writes what waits, ends chunks that are old enough, and syncs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mavis_core import clock
from mavis_core.errors import Conflict, MavisError
from mavis_core.folders import sync_folder
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording.cast import Decoder, event_line, header_line
from mavis_core.remote.recording.masking import InputMask
from mavis_core.remote.recording.model import ChunkEntry, Ending, chained, encodable
from mavis_core.remote.recording.spool import (
    SessionFolder,
    full,
    sync_file,
    unwritable,
    write_all,
)

__all__ = ["CHUNK_BYTES", "CHUNK_S", "Recorder"]

logger = logging.getLogger(__name__)

CHUNK_S = 8.0
CHUNK_BYTES = 4 << 20
_TOGETHER_US = 20_000
_RETRY_US = 5_000_000
_EVENT_BYTES = 64 << 10  # more than that is more than one event


class Recorder:
    """Writes the recording of one session. Any thread may call it.

    Parameters
    ----------
    folder
        The session's, new.
    on_chunk
        Told when a chunk is closed, and when the recording is.
    on_failure
        Told once when it cannot be written any more; the session must end then. It is called by
        whichever thread finds it out, and must not call the recorder.

    Raises
    ------
    Unavailable
        Its first line cannot be written.
    """

    def __init__(
        self,
        folder: SessionFolder,
        *,
        on_chunk: Callable[[Recorder], None],
        on_failure: Callable[[MavisError], None] | None = None,
    ) -> None:
        self.folder = folder
        self._on_chunk, self._on_failure = on_chunk, on_failure
        self._lock = threading.Lock()
        self._began = time.monotonic_ns()
        self._decoders = {"o": Decoder(), "i": Decoder()}
        self._mask = InputMask(folder.header.columns) if folder.header.record_input else None
        self._kind, self._waiting, self._since_us = "o", bytearray(), 0
        self._written_us = -_TOGETHER_US
        self._failure: MavisError | None = None
        self._closed = False
        self._ending: Ending | None = None  # what could not be written yet
        self._retry_us = 0
        self._fd = -1
        self._last_us = 0
        self._unsynced: set[Path] = set()
        with self._lock, self._guard():
            self._open_chunk()
            self._put(header_line(folder.header.cast()))

    @property
    def failure(self) -> MavisError | None:
        """Why it cannot be written any more, or None."""
        return self._failure

    def output(self, data: bytes) -> None:
        """Record what the device sent.

        Raises
        ------
        Unavailable
            It cannot be recorded: end the session.
        Conflict
            The recording is closed.
        """
        with self._lock:
            now_us = self._ready()
            if self._mask is not None:
                self._mask.output(data)
                self._typed(self._mask.take(now_us / 1e6), now_us)
            self._event(now_us, "o", data)

    def input(self, data: bytes) -> None:
        """Record what was typed, where the policy says so; see `masking` for what is not.

        Raises
        ------
        Unavailable, Conflict
            As for `output`.
        """
        with self._lock:
            now_us = self._ready()
            if self._mask is not None:
                self._mask.input(data, now_us / 1e6)
                self._typed(self._mask.take(now_us / 1e6), now_us)

    def resize(self, columns: int, rows: int) -> None:
        """Record that the terminal has another size.

        Raises
        ------
        Unavailable, Conflict
            As for `output`.
        """
        with self._lock:
            if self._mask is not None:
                self._mask.resize(columns)
            self._single(self._ready(), "r", f"{max(1, columns)}x{max(1, rows)}")

    def marker(self, text: str) -> None:
        """Record a mark that players show.

        Raises
        ------
        Unavailable, Conflict
            As for `output`.
        """
        with self._lock:
            self._single(self._ready(), "m", encodable(text))

    def close(self, exit_status: int | None, reason: EndReason, detail: str = "") -> None:
        """End the recording; what was recorded is signed and goes to the object store from here.

        A second call does nothing. It never fails: what cannot be written now is ended at the next
        start, as interrupted.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._finish_events()
            except OSError as exc:
                if self._failure is None:
                    reason, detail = EndReason.UNRECORDED, unwritable(self.folder.path, exc).message
            self._ending = Ending(clock.now(), reason, exit_status, encodable(detail))
            self._conclude()

    @property
    def concluded(self) -> bool:
        """Whether all that is to be written is."""
        return self._closed and self._ending is None and not self._unsynced

    def tend(self) -> None:
        """Write what waits, and end the chunk if it is old enough. For `upkeep`; it never fails."""
        with self._lock:
            if self._closed and self._now_us() >= self._retry_us:
                self._conclude()
            if self._closed or self._failure is not None:
                return
            now_us = self._now_us()
            try:
                if self._mask is not None:
                    self._typed(self._mask.take(now_us / 1e6), now_us)
                if self._waiting and now_us - self._since_us >= _TOGETHER_US:
                    with self._guard():
                        self._write_waiting()
                self._roll(now_us)
            except MavisError:  # `on_failure` has it
                return

    def sync(self) -> None:
        """Make what was written durable. For `upkeep`.

        Raises
        ------
        Unavailable
            The disk failed; the session must end.
        """
        with self._lock:
            unsynced, self._unsynced = self._unsynced, set()
        try:
            for path in unsynced:  # without the lock: it may take long
                sync_file(path)
            if unsynced:
                sync_folder(self.folder.path)
        except FileNotFoundError:  # the object store has all of it
            return
        except OSError as exc:
            with self._lock:
                raise self._fail(unwritable(self.folder.path, exc)) from exc

    # Events

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._began) // 1000

    def _ready(self) -> int:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise Conflict(f"The recording of {self.folder.header.session_id} is closed")
        return self._now_us()

    def _event(self, now_us: int, kind: str, data: bytes | bytearray) -> None:
        if not data:
            return
        with self._guard():
            if self._waiting and kind != self._kind:
                self._write_waiting()
            if not self._waiting:
                self._kind, self._since_us = kind, now_us
            self._waiting += data
            if now_us - self._written_us >= _TOGETHER_US or len(self._waiting) >= _EVENT_BYTES:
                self._write_waiting()
                self._written_us = now_us
        self._roll(now_us)

    def _typed(self, data: bytes, now_us: int) -> None:
        if data:
            self._event(now_us, "i", data)

    def _single(self, now_us: int, kind: str, text: str) -> None:
        with self._guard():
            self._write_waiting()
            self._put_event(now_us, kind, text)
        self._roll(now_us)

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        decoder = self._decoders[self._kind]
        with decoder.kept_on_error():  # what could not be written waits, and may be at the end
            if text := decoder.feed(self._waiting):
                self._put_event(self._since_us, self._kind, text)
        self._waiting.clear()

    def _finish_events(self) -> None:
        if self._mask is not None:
            self._waiting_first("i", self._mask.end())
        self._write_waiting()
        for kind, decoder in self._decoders.items():
            if text := decoder.end():
                self._put_event(self._now_us(), kind, text)

    def _waiting_first(self, kind: str, data: bytes) -> None:
        if data:
            self._write_waiting()
            self._kind, self._since_us = kind, self._now_us()
            self._waiting += data

    # Chunks

    def _open_chunk(self) -> None:
        path = self.folder.chunk(len(self.folder.entries) + 1)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._chunk_began_us: int | None = None
        self._path, self._first_us, self._events, self._size = path, self._last_us, 0, 0
        self._digest = hashlib.sha256()

    def _put_event(self, at_us: int, kind: str, text: str) -> None:
        at_us = max(at_us, self._last_us)
        if not self._closed and self.folder.room.full:
            raise full(self.folder.path.parent, self.folder.room)
        if self._fd < 0:
            self._open_chunk()
        self._put(event_line(at_us, kind, text))
        if not self._events:
            self._first_us = at_us
        if self._chunk_began_us is None:
            self._chunk_began_us = self._now_us()
        self._last_us = at_us
        self._events += 1

    def _put(self, line: bytes) -> None:
        try:
            write_all(self._fd, line)
        except OSError:
            os.ftruncate(self._fd, self._size)  # no half of a line
            raise
        self._digest.update(line)
        self._size += len(line)
        self._unsynced.add(self._path)
        self.folder.room.came(len(line))

    def _roll(self, now_us: int) -> None:
        began = self._chunk_began_us
        if began is None or self._fd < 0:
            return
        if self._size >= CHUNK_BYTES or now_us - began >= CHUNK_S * 1e6:
            with self._guard():
                self._close_chunk()
            self._on_chunk(self)

    def _close_chunk(self) -> None:
        if self._fd < 0 or not self._size:
            return
        sha256, folder = self._digest.hexdigest(), self.folder
        folder.enter(
            ChunkEntry(
                len(folder.entries) + 1,
                self._first_us,
                self._last_us,
                self._events,
                self._size,
                sha256,
                chained(folder.chain, sha256),
            )
        )
        self._unsynced.add(folder.log)
        os.close(self._fd)
        self._fd, self._chunk_began_us = -1, None

    def _conclude(self) -> None:
        if self._ending is None:
            return
        try:
            self._close_chunk()
            self.folder.end(self._ending)
        except OSError as exc:
            logger.error(  # noqa: TRY400 - it says all, and comes again
                "recording.not_closed session=%s error=%s", self.folder.path.name, exc.strerror
            )
            self._retry_us = self._now_us() + _RETRY_US
            return
        self._ending = None
        self._on_chunk(self)

    # Failures

    def _guard(self) -> _Guard:
        return _Guard(self)

    def _fail(self, error: MavisError) -> MavisError:
        if self._failure is None:
            self._failure = error
            if self._on_failure is not None:
                self._on_failure(error)
        return self._failure


class _Guard:
    """Whatever cannot be written in its block ends the recording, by name."""

    __slots__ = ("_recorder",)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        recorder = self._recorder
        if isinstance(error, OSError):
            failure = unwritable(recorder.folder.path, error)
            raise recorder._fail(failure) from error  # noqa: SLF001 - one class in two
        if isinstance(error, MavisError):
            recorder._fail(error)  # noqa: SLF001 - as above
