"""Looks for rotations of keys that somebody asked for, and carries them out, one after the other.

They are no Runs: what carries Runs out, the platform worker, may open no key of a device. As the
worker does with Runs, the gateway claims them from the database.
"""

from __future__ import annotations

import logging

from mavis_core.logs.loop import Loop
from mavis_core.remote.rotating import Rotator

__all__ = ["Turning"]

logger = logging.getLogger("mavis.gateway")

_EVERY_S = 1.0
_AFTER_FAILURE_S = 5.0


class Turning:
    """A thread that rotates keys.

    Parameters
    ----------
    rotator
        Does it.
    """

    def __init__(self, rotator: Rotator) -> None:
        self._rotator = rotator
        self._loop = Loop(
            "key-rotations", rotator.next, every_s=_EVERY_S, after_failure_s=_AFTER_FAILURE_S
        )

    def start(self) -> None:
        """Begin, after a look at what an earlier process left behind."""
        if left := self._rotator.left_over():
            logger.warning("rotation.interrupted count=%d", left)
        self._loop.start()

    def stop(self) -> None:
        """End; a rotation in the middle of which it is goes on when somebody asks again."""
        self._loop.stop(timeout_s=1.0)
