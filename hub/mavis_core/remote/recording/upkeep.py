"""What all recorders of a process share: a thread that writes what waits, and one that syncs."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from mavis_core.errors import MavisError
from mavis_core.remote.recording.recorder import Recorder

__all__ = ["Upkeep"]

logger = logging.getLogger(__name__)

_TEND_S = 0.1
_SYNC_S = 2.5  # and no round of it may last longer, for what is promised of a power cut
_SYNCERS = 4


class Upkeep:
    """Tends recorders until they are concluded.

    Parameters
    ----------
    tend_s, sync_s
        Seconds between two rounds.
    """

    def __init__(self, *, tend_s: float = _TEND_S, sync_s: float = _SYNC_S) -> None:
        self._recorders: set[Recorder] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._some = threading.Event()  # there are recorders; without any nobody wakes up
        self._pool = ThreadPoolExecutor(_SYNCERS, thread_name_prefix="recording-sync")
        self._threads = [
            threading.Thread(target=self._rounds, args=(name, every_s), name=name, daemon=True)
            for name, every_s in (("recording-tend", tend_s), ("recording-sync", sync_s))
        ]

    @property
    def recorders(self) -> tuple[Recorder, ...]:
        """Those that are being tended."""
        with self._lock:
            return tuple(self._recorders)

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def add(self, recorder: Recorder) -> None:
        """Tend one more."""
        with self._lock:
            self._recorders.add(recorder)
            self._some.set()

    def stop(self) -> None:
        """End; what was closed is synced."""
        self._stopping.set()
        self._some.set()
        for each in self._threads:
            if each.is_alive():
                each.join()
        self._sync()
        self._pool.shutdown()

    def _rounds(self, name: str, every_s: float) -> None:
        work = self._tend if name == "recording-tend" else self._sync
        pause_s = every_s
        while not self._stopping.wait(pause_s):
            self._some.wait()
            begin = time.monotonic()
            try:
                work()
            except Exception:  # the edge of the thread; it must go on
                logger.exception("recording.upkeep_failed")
            pause_s = max(every_s / 10, every_s - (time.monotonic() - begin))

    def _tend(self) -> None:
        for each in self.recorders:
            each.tend()
            if each.concluded:
                with self._lock:
                    self._recorders.discard(each)
                    if not self._recorders and not self._stopping.is_set():
                        self._some.clear()

    def _sync(self) -> None:
        # several at a time: the journal of the file system makes them durable together
        for _ in self._pool.map(_synced, self.recorders):
            pass


def _synced(recorder: Recorder) -> None:
    try:
        recorder.sync()
    except MavisError as exc:  # its `on_failure` has it
        logger.error("recording.sync_failed error=%s", exc.message)  # noqa: TRY400 - it says all
