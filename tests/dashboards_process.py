"""The dashboards process over the API of a test: ``python dashboards_process.py SOCKET SITE``.

The application is the real one, in a process of its own; only where the others are is another
matter than on an appliance.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

from tornado.httpserver import HTTPServer

from mavis_core import config
from mavis_hub.dashboards.app import Surroundings, make_dashboards
from mavis_hub.isolation import hide_memory
from mavis_hub.serving import end_connections


async def serve(listening: socket.socket, site: str) -> None:
    settings = config.load()
    hide_memory()
    here = f"http://127.0.0.1:{listening.getsockname()[1]}"
    around = Surroundings(site=site, here=here, api=site, mavis_url=f"{site}/services/mavis")
    secret = settings.read_secret("dashboards", "dashboards-token")
    dashboards = make_dashboards(settings, around, secret)
    server = HTTPServer(dashboards.application)
    server.add_sockets([listening])
    dashboards.begin()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.stop()
    await dashboards.close()
    await end_connections(server)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    given = socket.socket(fileno=int(sys.argv[1]))
    given.setblocking(False)
    asyncio.run(serve(given, sys.argv[2]))
