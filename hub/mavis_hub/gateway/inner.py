"""What the gateway answers the api process, as HTTP over a Unix socket.

* ``GET /health``: how many sessions are open, and how recording goes; always 200 while it runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from tornado.web import Application

from mavis_core.remote.recording import Recordings
from mavis_hub.gateway.floor import Floor
from mavis_hub.inner_http import InnerHandler, Trust

__all__ = ["make_inner"]


class _Health(InnerHandler):
    def initialize(self, trust: Trust, recordings: Recordings, floor: Floor) -> None:
        super().initialize()
        self.trust, self._recordings, self._floor = trust, recordings, floor

    def get(self) -> None:
        """Tell how it goes."""
        told = {"sessions": len(self._floor.all()), "recording": asdict(self._recordings.health)}
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(told))


def make_inner(trust: Trust, recordings: Recordings, floor: Floor) -> Application:
    """Return the application."""
    parts = {"trust": trust, "recordings": recordings, "floor": floor}
    return Application([("/health", _Health, parts)], log_function=lambda _: None)
