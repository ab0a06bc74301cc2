"""Keeps the texts of recordings at hand for search: what is stored is taken in, in its turn."""

from __future__ import annotations

import logging
import queue
import threading

from mavis_core.errors import MavisError
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording import Library, ScreenTexts

__all__ = ["Shelf"]

logger = logging.getLogger(__name__)


class Shelf:
    """Takes recordings in as they are stored, and at first what is there already.

    Parameters
    ----------
    library, texts, store
        Where recordings are read from, where their texts go, and what there is.
    """

    def __init__(self, library: Library, texts: ScreenTexts, store: ObjectStore) -> None:
        self._library, self._texts, self._store = library, texts, store
        self._some: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._some.put(True)
        self._thread = threading.Thread(target=self._take, name="recording-texts", daemon=True)
        self._thread.start()

    def stored(self, session_id: str) -> None:
        """Take note that a recording is stored; never waits."""
        del session_id  # whatever is new is taken
        self._some.put(True)

    def stop(self) -> None:
        """End when what is being taken is taken; the rest is taken at the next start."""
        self._some.put(False)
        self._thread.join()

    def _take(self) -> None:
        while self._some.get():
            try:
                self._texts.rebuild(self._store, self._library)
            except (MavisError, OSError) as exc:
                logger.warning("recordings.texts_behind error=%s", exc)
