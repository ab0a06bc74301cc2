"""Chromium, as the tests of the running appliance use it.

With ``MAVIS_SCREENSHOTS=DIR`` pictures are kept in that folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

__all__ = ["ARGUMENTS", "CHROMIUM", "SLOW_MS", "picture"]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    # What would leave the machine finds no address; `outside` notes it all the same.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
SLOW_MS = 60_000
_LARGEST_PICTURE = 200_000


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where pictures are wanted."""
    folder = os.environ.get("MAVIS_SCREENSHOTS")
    if folder:
        path = Path(folder, f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
        assert path.stat().st_size < _LARGEST_PICTURE, path
