"""A process of the gateway: ``python -m mavis_hub.gateway [NUMBER]``.

They share the door's port, among which the system deals out those who come, and the texts of
recordings; each has a port for browsers, a Unix socket and a spool of its own. The one of number 0
erases what is over its period, and takes over what processes left that there are no more.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from cryptography.hazmat.primitives import serialization as coding
from tornado.httpserver import HTTPServer
from tornado.web import Application

from mavis_core import config as settings
from mavis_core.bootstrap import GatewayApp, gateway_app
from mavis_core.config import Config
from mavis_core.errors import MavisError, Unavailable
from mavis_core.heap import settle_heap
from mavis_core.logs.sealing import private_key
from mavis_core.remote.model import PrivateKey, terminal_path
from mavis_core.remote.recording import Library, Recordings, ScreenTexts
from mavis_core.remote.recording.manifests import fingerprint
from mavis_hub.gateway.alarms import Alarms
from mavis_hub.gateway.door import Door, Limits
from mavis_hub.gateway.floor import Floor
from mavis_hub.gateway.inner import Archive, Gate, make_inner
from mavis_hub.gateway.keeping import Keeping
from mavis_hub.gateway.notes import Notes
from mavis_hub.gateway.shelf import Shelf
from mavis_hub.gateway.sockets import Doors, TerminalSocket
from mavis_hub.gateway.turning import Turning
from mavis_hub.gateway.visitors import HubPeople, Visits
from mavis_hub.inner_http import Trust, bind, trusted_users
from mavis_hub.serving import end_connections

__all__ = ["main"]

logger = logging.getLogger("mavis.gateway")

_OPENING_THREADS = 32
_LARGEST_MESSAGE = 256 * 1024
_PING_S = 20


def _door(
    config: Config, app: GatewayApp, recordings: Recordings, notes: Notes, floor: Floor
) -> Door:
    """Return the front door, open.

    Raises
    ------
    Unavailable
        Its port cannot be had.
    """
    remote = config.remote
    visits = Visits(
        app.desk,
        app.projects,
        app.devices,
        app.person_keys,
        app.person_certificates,
        recordings,
        notes,
        floor.check_room,
    )
    floor.count_others(lambda: visits.count)
    key = private_key(config.read_secret("gateway", "door-host-key"))
    pem = key.private_bytes(
        coding.Encoding.PEM, coding.PrivateFormat.OpenSSH, coding.NoEncryption()
    )
    try:
        listening = socket.create_server(
            (remote.host, remote.port), backlog=128, reuse_port=remote.processes > 1
        )
    except OSError as exc:
        raise Unavailable(
            f"The door cannot listen at {remote.host}, port {remote.port}: {exc.strerror}",
            mend="Set remote.host and remote.port to an address of this machine and a free port,"
            " or remote.door = off.",
        ) from exc
    door = Door(
        listening,
        PrivateKey(pem.decode()),
        people=HubPeople(
            config, app.person_keys, app.person_certificates, app.person_authority.public
        ),
        sessions=visits,
        limits=Limits(connect_s=remote.connect_s, lost_s=remote.lost_s),
        loopback=remote.loopback == "allowed",
    )
    visits.ends_by(door.end_session)
    floor.tell_others(lambda each: door.end_session(each.session_id, each.reason, each.detail))
    door.start()
    logger.info("door.open host=%s port=%d", remote.host, remote.port)
    return door


def _host_key(config: Config) -> str | None:
    """Return by what clients know the door; None where it is closed."""
    if config.remote.door != "on":
        return None
    key = private_key(config.read_secret("gateway", "door-host-key")).public_key()
    return key.public_bytes(coding.Encoding.OpenSSH, coding.PublicFormat.OpenSSH).decode("ascii")


def _take_over(config: Config, app: GatewayApp, recordings: Recordings) -> None:
    """Take over what processes left that there are no more, since there are fewer than before."""
    processes = config.remote.processes
    spools = {each for each in config.recordings_spool().parent.glob("spool-*") if each.is_dir()}
    for path in sorted(spools - {config.recordings_spool(shard) for shard in range(processes)}):
        try:
            recordings.adopt(path)
        except MavisError as exc:
            logger.error("gateway.spool_not_taken_over path=%s error=%s", path, exc.message)  # noqa: TRY400 - it says all
    app.desk.adopt(processes)


async def _serve(config: Config, app: GatewayApp, shard: int) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    with ExitStack() as closers:
        key = private_key(config.read_secret("gateway", "recording-key"))
        library = closers.enter_context(
            closing(Library(app.store, {fingerprint(key.public_key()): key.public_key()}))
        )
        texts = ScreenTexts(config.home / "gateway" / "texts.sqlite")
        shelf = Shelf(library, texts, app.store, whole=shard == 0)
        recordings = Recordings(
            config.recordings_spool(shard),
            app.store,
            key,
            spool_bytes=(config.remote.spool_mb << 20) // config.remote.processes,
            on_stored=shelf.stored,
        )
        closers.callback(shelf.stop)
        if shard == 0:
            _take_over(config, app, recordings)
        keep_days = config.remote.keep_recordings_days if shard == 0 else 0
        keeping = Keeping(app.database, app.store, key, texts, keep_days=keep_days)
        keeping.start()
        closers.callback(keeping.stop)
        closers.callback(recordings.close)
        state = config.recordings_spool(shard).with_suffix(".alarms.json")
        alarms = Alarms(app.database, lambda: recordings.health, state)
        closers.callback(alarms.stop)
        notes = Notes(app.desk)
        closers.callback(notes.stop)
        floor = Floor(app, recordings, notes)
        floor.start()
        alarms.start()
        closers.callback(floor.stop)
        if shard == 0:  # one rotates: what it left behind would be nobody's otherwise
            turning = Turning(app.rotator)
            turning.start()
            closers.callback(turning.stop)
        if config.remote.door == "on":
            door = _door(config, app, recordings, notes, floor)
            closers.callback(door.close)
        pool = closers.enter_context(
            ThreadPoolExecutor(_OPENING_THREADS, thread_name_prefix="opening")
        )
        doors = Doors(app.desk, floor, pool)
        outer = HTTPServer(
            Application(
                [(terminal_path(shard), TerminalSocket, {"doors": doors})],
                websocket_max_message_size=_LARGEST_MESSAGE,
                websocket_ping_interval=_PING_S,
                websocket_ping_timeout=_PING_S,
                log_function=lambda _: None,  # the edge proxy writes the access log
            ),
            xheaders=True,
            trusted_downstream=["127.0.0.1"],
        )
        outer.listen(config.gateway_port(shard), "127.0.0.1")
        secret = config.read_secret("gateway", "gateway-token")
        trust = Trust("gateway", secret, trusted_users("mavis-api"))
        gate = Gate(_host_key(config), app.person_authority)
        archive = Archive(recordings, library, texts, floor, alarms, pool)
        inner = HTTPServer(make_inner(trust, archive, gate))
        inner.add_socket(bind(config.gateway_socket(shard)))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        settle_heap()
        logger.info("gateway.started shard=%d port=%d", shard, config.gateway_port(shard))
        await ended.wait()
        outer.stop()
        await loop.run_in_executor(pool, floor.stop)
        inner.stop()
        await end_connections(outer)
        await end_connections(inner)


def main() -> int:
    """Serve until told to stop; return the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # our own errors say it
    shard = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    try:
        config = settings.load()
        app = gateway_app(config, shard)
    except MavisError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.mend}\n")
        return 1
    try:
        asyncio.run(_serve(config, app, shard))
    except MavisError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.mend}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"The port {config.gateway_port(shard)} cannot be used: {exc.strerror}\n")
        return 1
    finally:
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
