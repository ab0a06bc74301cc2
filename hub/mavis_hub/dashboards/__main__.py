"""The dashboards process: ``python -m mavis_hub.dashboards``."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys

from tornado.httpserver import HTTPServer

from mavis_core import config
from mavis_core.config import Config
from mavis_core.errors import MavisError, Unavailable
from mavis_hub.dashboards.app import Surroundings, make_dashboards
from mavis_hub.isolation import hide_memory
from mavis_hub.serving import end_connections

__all__ = ["main"]

_log = logging.getLogger("mavis.dashboards")


def main() -> int:
    """Serve until told to stop; return the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for name in ("mavis.dashboards.kernels", "traitlets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        settings = config.load()
        hide_memory()
        _clear(settings)
        asyncio.run(_serve(settings))
    except MavisError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.mend}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"The port {settings.ports.dashboards} cannot be used: {exc.strerror}\n")
        return 1
    return 0


def _clear(settings: Config) -> None:
    """Take away what kernels of an earlier process have left."""
    folder = settings.dashboards_run
    try:
        for each in folder.iterdir():
            shutil.rmtree(each, ignore_errors=True)
    except FileNotFoundError as exc:
        raise Unavailable(
            f"The folder {folder} is missing", mend="`mavisctl up` makes it."
        ) from exc


async def _serve(settings: Config) -> None:
    secret = settings.read_secret("dashboards", "dashboards-token")
    dashboards = make_dashboards(settings, Surroundings.of(settings), secret)
    server = HTTPServer(dashboards.application, max_body_size=64 * 1024)
    server.listen(settings.ports.dashboards, "127.0.0.1")
    dashboards.begin()
    _log.info("dashboards on port %d", settings.ports.dashboards)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()
    await dashboards.close()
    await end_connections(server)


if __name__ == "__main__":
    sys.exit(main())
