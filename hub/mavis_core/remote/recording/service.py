"""All recordings that one process makes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.errors import MavisError
from mavis_core.objects import ObjectStore
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording.library import Running
from mavis_core.remote.recording.model import Ending, RecordingHeader
from mavis_core.remote.recording.recorder import Recorder
from mavis_core.remote.recording.spool import Room, SessionFolder, Spool
from mavis_core.remote.recording.upkeep import Upkeep
from mavis_core.remote.recording.uploading import Uploader

__all__ = ["Health", "Interrupted", "Recordings", "close_interrupted"]

_KILLED = "The gateway was killed; this is what was recorded until then"
_SHORTENED = "The machine lost power; parts of what was recorded last are lost"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """How recording goes.

    Parameters
    ----------
    used_bytes, limit_bytes
        Of the spool.
    alarm
        Whether more than four fifths of it are taken.
    waiting
        Sessions of which something is to be stored.
    error
        Why the object store takes nothing now, or None.
    troubles
        By session: why its recording cannot be stored, though the store answers.
    """

    used_bytes: int
    limit_bytes: int
    alarm: bool
    waiting: int
    error: str | None
    troubles: dict[str, str]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A recording that a kill of the process left open, and that was closed at its next start."""

    session_id: str
    project_id: str
    ended_at: datetime
    duration_s: float


class Recordings:
    """Records sessions. Any thread may call it.

    Parameters
    ----------
    spool
        A folder of this process alone.
    store
        For recordings: ``<project id>/<session id>/…`` are its keys.
    key
        Signs the manifests.
    spool_bytes
        How much may wait for the object store; what comes then is refused.
    on_alarm
        Told True when four fifths of that are taken, False when it is well again.
    on_stored
        Told whose it is when a recording is signed and stored.

    Raises
    ------
    Conflict
        Another process has the spool.
    """

    def __init__(
        self,
        spool: Path,
        store: ObjectStore,
        key: Ed25519PrivateKey,
        *,
        spool_bytes: int = 1 << 30,
        on_alarm: Callable[[bool], None] | None = None,
        on_stored: Callable[[RecordingHeader], None] | None = None,
        upload_threads: int = 2,
    ) -> None:
        self._store = store
        self._spool = Spool(spool, Room(spool_bytes, on_alarm))
        self._uploader = Uploader(store, key, threads=upload_threads, on_stored=on_stored)
        self._upkeep = Upkeep()

    def adopt(self, other: Path) -> None:
        """Take over the spool of a process that there is no more; before `start`.

        Raises
        ------
        Conflict
            There is such a process: it still has that spool.
        """
        self._spool.adopt(other)

    def start(self) -> tuple[Interrupted, ...]:
        """Begin, and return what was left open by an earlier process; see `close_interrupted`."""
        found, folders = close_interrupted(self._spool)
        for each in folders:
            self._uploader.add(each)
        self._uploader.start()
        self._upkeep.start()
        return found

    def open(
        self, header: RecordingHeader, *, on_failure: Callable[[MavisError], None] | None = None
    ) -> Recorder:
        """Return the recorder of a session that begins; its first line is written.

        Parameters
        ----------
        on_failure
            Told once when the session cannot be recorded any more and must end. Whichever thread
            finds that out calls it; it must not call the recorder, and not wait.

        Raises
        ------
        Unavailable
            The spool is full or cannot be written: no session may begin.
        Conflict
            The session is being recorded.
        """
        folder = self._spool.new(header)
        try:
            recorder = Recorder(
                folder, on_chunk=lambda it: self._uploader.add(it.folder), on_failure=on_failure
            )
        except MavisError:
            folder.remove()
            raise
        self._upkeep.add(recorder)
        return recorder

    def running(self, session_id: str) -> Running:
        """Return what reads the recording of a session that is not all in the store.

        Raises
        ------
        NotFound
            It is not being recorded here.
        """
        return Running(self._spool.path(session_id), self._store)

    @property
    def health(self) -> Health:
        """How it goes."""
        room, uploader = self._spool.room, self._uploader
        return Health(
            room.used_bytes,
            room.limit_bytes,
            room.alarm,
            uploader.waiting,
            uploader.error,
            dict(uploader.troubles),
        )

    def close(self) -> None:
        """End. Recorders that are open are closed as interrupted; the spool keeps what is left."""
        for each in self._upkeep.recorders:
            each.close(None, EndReason.INTERRUPTED, "The gateway was ended")
        self._upkeep.stop()
        self._uploader.stop()
        self._spool.close()


def close_interrupted(spool: Spool) -> tuple[tuple[Interrupted, ...], tuple[SessionFolder, ...]]:
    """Close what an earlier process left open, and return that, and all that is to be stored.

    Killed at any moment, the next call does the rest. What cannot be read is left as it is.
    """
    found, folders = [], []
    for path in spool.left():
        try:
            folder = SessionFolder.load(path, spool.room)
            if folder.ending is None:
                folder.end(_interrupted(folder))
                logger.warning("recording.interrupted session=%s", path.name)
            folders.append(folder)
            if folder.ending is not None and folder.ending.reason is EndReason.INTERRUPTED:
                found.append(_told(folder, folder.ending))
        except (MavisError, OSError) as exc:
            logger.error("recording.unreadable session=%s error=%s", path.name, exc)  # noqa: TRY400 - it says all
    return tuple(found), tuple(folders)


def _interrupted(folder: SessionFolder) -> Ending:
    last_us = folder.entries[-1].last_us if folder.entries else 0
    return Ending(
        folder.header.started_at + timedelta(microseconds=last_us),
        EndReason.INTERRUPTED,
        detail=_SHORTENED if folder.shortened else _KILLED,
    )


def _told(folder: SessionFolder, ending: Ending) -> Interrupted:
    header = folder.header
    last_us = folder.entries[-1].last_us if folder.entries else 0
    return Interrupted(header.session_id, header.project_id, ending.ended_at, last_us / 1e6)
