"""The receiver's process: ``python -m mavis_hub.syslog``."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from mavis_core import config as settings
from mavis_core.config import Config
from mavis_core.errors import MavisError, Unavailable
from mavis_core.logs.client import LogClient
from mavis_hub.syslog.clients import Clients, Local, read_clients
from mavis_hub.syslog.delivery import Delivery
from mavis_hub.syslog.local import Datagrams, Streams, bind
from mavis_hub.syslog.network import Network, listen, tls_context
from mavis_hub.syslog.pace import Pace
from mavis_hub.syslog.reading import Reading
from mavis_hub.syslog.stories import Source

__all__ = ["main"]

logger = logging.getLogger("mavis.syslog")

_LOOK_S = 1.0
_LAST_WORDS_S = 3.0


class _Known:
    """Who may send, as the file says; looked at again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._clients = Clients()

    def now(self) -> Clients:
        """Return them, read again where the file is another one.

        One that cannot be read changes nothing: those who may send now go on.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._clients = None, Clients()
            return self._clients
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._clients = read_clients(self._path)
            except Unavailable as exc:
                logger.warning("syslog.clients reason=%s", exc.message)
        return self._clients


class _Receiver:
    def __init__(self, config: Config, delivery: Delivery) -> None:
        self._config = config
        self._known = _Known(config.syslog_clients)
        own = config.syslog
        self._reading = Reading(delivery, Pace(own.rate), own.idle_s)
        self._heartbeat = config.syslog_run / "heartbeat"
        self._local: Local | None = None
        self._at_sockets: list[asyncio.Task[None]] = []

    async def run(self, ended: asyncio.Event) -> None:
        """Receive until `ended`."""
        tasks = []
        if self._config.syslog.takes_network:
            network = Network(
                tls_context(self._config),
                self._reading,
                self._known.now,
                most=self._config.syslog.connections,
            )
            listening = listen(self._config.syslog.host, self._config.syslog.port)
            tasks.append(_task(network.serve(listening), "network"))
        logger.info("syslog.started")
        try:
            while not ended.is_set():
                if self._config.syslog.takes_local:
                    await self._follow_local()
                for task in (*tasks, *self._at_sockets):
                    if task.done():
                        task.result()  # raises what ended it: the process starts anew
                self._heartbeat.touch()
                try:
                    await asyncio.wait_for(ended.wait(), _LOOK_S)
                except TimeoutError:
                    continue
        finally:
            await _end([*tasks, *self._at_sockets])

    async def _follow_local(self) -> None:
        """Have the sockets where the file names a project for them, and not where it names none."""
        wanted = self._known.now().local
        if wanted == self._local:
            return
        await _end(self._at_sockets)
        self._at_sockets, self._local = [], wanted
        paths = (self._config.syslog_run / "log", self._config.syslog_run / "log.stream")
        if wanted is None:
            for path in paths:
                path.unlink(missing_ok=True)
            return
        source = Source(wanted.name, wanted.project, "")
        datagrams = bind(paths[0], socket.SOCK_DGRAM)
        streams = bind(paths[1], socket.SOCK_STREAM)
        self._at_sockets = [
            _task(Datagrams(self._reading, source).serve(datagrams), "datagrams"),
            _task(Streams(self._reading, source).serve(streams), "streams"),
        ]
        for task, bound in zip(self._at_sockets, (datagrams, streams), strict=True):
            task.add_done_callback(lambda _, bound=bound: bound.close())  # type: ignore[misc]  # bound now
        logger.info("syslog.local project=%s path=%s", wanted.project_name, paths[0])


def _task(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=f"syslog-{name}")


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_WORDS_S)


async def serve(config: Config) -> None:
    """Receive until SIGTERM or SIGINT.

    Raises
    ------
    Unavailable
        A port, a socket or a certificate cannot be had.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    client = LogClient(config.reports_socket, config.read_secret("syslog", "syslog-token"))
    with ExitStack() as closers:
        delivery = closers.enter_context(closing(Delivery(client)))
        await _Receiver(config, delivery).run(ended)
    logger.info("syslog.stopped")


def main() -> int:
    """Run the receiver; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(settings.load()))
    except MavisError as exc:
        print(f"mavis syslog receiver: {exc.message}. {exc.mend}", file=sys.stderr)  # noqa: T201 - a line for who started it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
