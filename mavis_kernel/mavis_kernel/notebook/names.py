"""Names for the Tab key: asked of the appliance in the background, kept for some seconds.

The Tab key waits for at most `PATIENCE_S`. What comes later is there at the next press; what did
not come at all is not asked for again at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence

__all__ = ["PATIENCE_S", "Names"]

PATIENCE_S = 0.8
_KEPT_S = 10.0
_KEPT_AT_MOST = 200


class Names:
    """What was found, by what was asked for.

    Parameters
    ----------
    patience_s
        How long an answer is waited for.
    kept_s
        How long an answer is good.
    """

    def __init__(self, patience_s: float, kept_s: float = _KEPT_S) -> None:
        self._patience_s = patience_s
        self._kept_s = kept_s
        self._found: dict[Hashable, tuple[float, Sequence[str]]] = {}
        self._asking: dict[Hashable, threading.Thread] = {}
        self._changing = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], Sequence[str]]) -> Sequence[str]:
        """Return what `ask` finds, or has found for `key` lately; nothing where it is slow."""
        with self._changing:
            until, found = self._found.get(key, (0.0, ()))
            if time.monotonic() < until:
                return found
            asking = self._asking.get(key)
            if asking is None:
                asking = threading.Thread(
                    target=self._ask, args=(key, ask), name="completion", daemon=True
                )
                self._asking[key] = asking
                asking.start()
        asking.join(self._patience_s)
        with self._changing:
            return self._found.get(key, (0.0, ()))[1]

    def _ask(self, key: Hashable, ask: Callable[[], Sequence[str]]) -> None:
        found: Sequence[str] = ()
        try:
            found = ask()
        except Exception:  # noqa: BLE001 - whatever goes wrong is no completion
            found = ()
        with self._changing:
            if len(self._found) >= _KEPT_AT_MOST:
                self._found.clear()
            self._found[key] = (time.monotonic() + self._kept_s, found)
            del self._asking[key]
