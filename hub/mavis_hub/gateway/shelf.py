"""Keeps the texts of recordings at hand for search: what is stored is taken in, in its turn."""

from __future__ import annotations

import logging
import queue
import threading

from mavis_core.errors import MavisError
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording import Library, RecordingHeader, ScreenTexts

__all__ = ["Shelf"]

logger = logging.getLogger(__name__)


class Shelf:
    """Takes recordings in as they are stored.

    Parameters
    ----------
    library, texts, store
        Where recordings are read from, where their texts go, and what there is.
    whole
        Whether everything that is there already is taken in first. After a failure it is so again.
    """

    def __init__(
        self, library: Library, texts: ScreenTexts, store: ObjectStore, *, whole: bool = True
    ) -> None:
        self._library, self._texts, self._store = library, texts, store
        self._behind = whole
        self._some: queue.SimpleQueue[RecordingHeader | bool] = queue.SimpleQueue()
        self._some.put(True)
        self._thread = threading.Thread(target=self._run, name="recording-texts", daemon=True)
        self._thread.start()

    def stored(self, header: RecordingHeader) -> None:
        """Take note that a recording is stored; never waits."""
        self._some.put(header)

    def stop(self) -> None:
        """End when what is being taken is taken; the rest is taken at the next start."""
        self._some.put(False)
        self._thread.join()

    def _run(self) -> None:
        while (one := self._some.get()) is not False:
            try:
                self._take(one)
            except (MavisError, OSError) as exc:
                self._behind = True
                logger.warning("recordings.texts_behind error=%s", exc)

    def _take(self, one: RecordingHeader | bool) -> None:
        if self._behind:
            self._texts.rebuild(self._store, self._library)
            self._behind = False
        elif isinstance(one, RecordingHeader):
            self._texts.take(self._library, one.project_id, one.session_id)
