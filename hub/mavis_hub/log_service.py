"""The log process: ``python -m mavis_hub.log_service``.

Drains the outbox into journal and index and answers queries, as HTTP over a Unix socket:

* ``GET /health``: `mavis_core.logs.Health`; always 200 while the process runs.
* ``GET /records``: a page of records; the parameters are those of `mavis_core.logs.Query`.
* ``GET /summary``: how many records fit, as `mavis_core.logs.Summary`; the parameters are those of
  ``/records`` and ``zone``, the name of a time zone.
* ``GET /context``: a record and those around it, as `mavis_core.logs.context.Context`; the
  parameters are those of `mavis_core.logs.context.Beside`.
* ``GET /arrivals``: what arrives from now on, or since line ``after``, as lines of
  `mavis_core.logs.arrivals.Arrival`; the parameters are those of ``/records``.
* ``POST /records``: takes JSON lines, a record each, and answers with `mavis_core.logs.Receipt`
  once they are durable. 503 with ``Retry-After`` where it has no room; whoever hears that, or
  nothing, sends the same records again: none is kept twice.
* ``POST /export``: all records of a `mavis_core.logs.exports.Export` as a file, and their number.
* ``POST /sql``: the answer to a `mavis_core.logs.questions.SqlQuestion`, carried out by a process
  of its own (`mavis_hub.opslog`), which ends when the caller goes away.

Which projects a person may see is decided by the api process; this process answers whoever it
trusts. That is: a caller whose Unix user is root, this process's own or ``mavis-api``, *and* who
sends the secret as a bearer token, on every route.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application

from mavis_core import config as settings
from mavis_core.config import Config
from mavis_core.db import Database, open_database
from mavis_core.errors import MavisError
from mavis_core.logs import RecordSource
from mavis_core.logs.duckdb_file import EXTRACTS
from mavis_core.logs.holds import RecordHold, standing_holds
from mavis_core.records import Outbox
from mavis_hub.inner_http import Trust, bind, trusted_users
from mavis_hub.log_process.application import make_application, make_reports_application
from mavis_hub.log_process.export_desk import ExportDesk
from mavis_hub.log_process.followers import Followers
from mavis_hub.log_process.handler import Parts, Pool
from mavis_hub.log_process.service import LogService
from mavis_hub.opslog import Limits, SqlDesk, walls_for

__all__ = ["main", "serve"]

logger = logging.getLogger(__name__)

_NAME = "log process"
_API_USER, _SYSLOG_USER = "mavis-api", "mavis-syslog"
_QUERY_THREADS = 4
_MAX_BODY_BYTES = 1024  # of what is no record, and no question


async def serve(
    config: Config,
    source: RecordSource,
    holds: Callable[[], Sequence[RecordHold]] = tuple,
) -> bool:
    """Run until SIGTERM or SIGINT; return False where a failure ended it.

    Parameters
    ----------
    holds
        Returns the legal holds on records that stand.
    """
    token = config.read_secret("logs", "logs-token")
    loop, ended, failed = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def fail() -> None:
        loop.call_soon_threadsafe(failed.set)
        loop.call_soon_threadsafe(ended.set)

    def grown() -> None:
        followers.wake()

    with ExitStack() as closers:
        service = LogService.open(config, source, closers, fail, grown, holds)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        pool = closers.enter_context(closing(Pool("queries", _QUERY_THREADS)))
        writing = closers.enter_context(closing(Pool("exports", 2)))
        library, index = service.log.library, service.log.index
        followers = Followers(library, lambda: index.state.number, pool.run)
        parts = Parts(
            service=service,
            pool=pool,
            taking=closers.enter_context(closing(Pool("records", 1))),
            desk=_desk(config, service, pool),
            exports=ExportDesk(library, config.journal / EXTRACTS, writing.run),
            followers=followers,
            trust=Trust(_NAME, token, trusted_users(_API_USER)),
        )
        servers = [_listen(make_application(parts), config.logs_socket, closers)]
        if config.syslog.listen != "off":
            secret = config.read_secret("logs", "syslog-token")
            trust = Trust(_NAME, secret, trusted_users(_SYSLOG_USER))
            reporting = replace(parts, trust=trust)
            application = make_reports_application(reporting)
            servers.append(_listen(application, config.reports_socket, closers))
        service.start()
        logger.info("logs.started socket=%s", config.logs_socket)
        await ended.wait()
        for server in servers:
            server.stop()
        followers.close()
    logger.info("logs.stopped")
    return not failed.is_set()


def _listen(application: Application, path: Path, closers: ExitStack) -> HTTPServer:
    server = HTTPServer(
        application,
        idle_connection_timeout=60,
        body_timeout=5,
        max_body_size=_MAX_BODY_BYTES,
    )
    server.add_socket(bind(path))
    closers.callback(path.unlink, missing_ok=True)
    return server


def _desk(config: Config, service: LogService, pool: Pool) -> SqlDesk:
    limits = Limits(
        seconds=config.logs.sql_seconds,
        memory_mb=config.logs.sql_memory_mb,
        records=config.logs.sql_records,
    )
    folder = config.journal / EXTRACTS
    walls = walls_for(config.home, folder, limits)
    return SqlDesk(service.log.library, folder, walls, limits, pool.run)


async def _serve(config: Config, database: Database) -> bool:
    return await serve(config, Outbox(database), partial(standing_holds, database))


def main() -> int:
    """Run the log process; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = settings.load()
        with closing(open_database(config.database_url, pool_size=2)) as database:
            return 0 if asyncio.run(_serve(config, database)) else 1
    except MavisError as exc:
        print(f"mavis log process: {exc.message}. {exc.mend}", file=sys.stderr)  # noqa: T201 - a line for who started it
        return 1


if __name__ == "__main__":
    sys.exit(main())
