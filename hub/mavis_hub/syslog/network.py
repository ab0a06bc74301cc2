"""Syslog over TLS (RFC 5425): who connects shows a certificate, or is gone before a byte is read.

A handshake has ten seconds, few are at work at a time, and fewer of one address, so that strangers
hold up nobody for long. Connections are bounded, too, in all and for each client.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_hub.syslog.accepting import accept
from mavis_hub.syslog.clients import Client, Clients
from mavis_hub.syslog.framing import Counted
from mavis_hub.syslog.reading import CHUNK_BYTES, Reading
from mavis_hub.syslog.stories import Source, Story

__all__ = ["Network", "listen", "tls_context"]

logger = logging.getLogger(__name__)

_HANDSHAKE_S = 10.0
_HANDSHAKES = 64
_HANDSHAKES_OF_ONE = 8
_OF_ONE_CLIENT = 8
_BACKLOG = 64
_WAITING_BYTES = 256 * 1024
_GOODBYE_S = 2.0


def tls_context(config: Config) -> ssl.SSLContext:
    """Return what the receiver shows, and whom it trusts to have signed clients.

    Raises
    ------
    Unavailable
        A file is missing or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    try:
        context.load_cert_chain(
            config.syslog_folder / "server.pem", config.secret_file("syslog", "server-key")
        )
        context.load_verify_locations(config.syslog_ca)
        if config.syslog.client_ca:
            context.load_verify_locations(Path(config.syslog.client_ca))
    except OSError as exc:  # ssl.SSLError is one
        raise Unavailable(
            f"The certificates of the syslog receiver cannot be used: {exc}",
            mend="`mavisctl up` makes its own; syslog.client_ca must be a PEM file for it to read.",
        ) from exc
    return context


class Network:
    """Takes connections. For one loop.

    Parameters
    ----------
    context
        Of TLS.
    reading
        Reads what comes.
    clients
        Returns who may send, as it is now.
    most
        Connections at a time.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        reading: Reading,
        clients: Callable[[], Clients],
        *,
        most: int,
    ) -> None:
        self._context = context
        self._reading = reading
        self._clients = clients
        self._most = most
        self._handshakes: Counter[str] = Counter()
        self._open: Counter[str] = Counter()

    async def serve(self, listening: socket.socket) -> None:
        """Take connections until cancelled; then let none of them begin to read again."""
        await accept(listening, self._attend, room=lambda address, _: self._room_for(address[0]))

    def _room_for(self, address: str) -> bool:
        at_work = self._handshakes.total()
        room = (
            at_work < _HANDSHAKES
            and self._handshakes[address] < _HANDSHAKES_OF_ONE
            and self._open.total() + at_work < self._most
        )
        if not room:
            logger.warning("syslog.full address=%s open=%d", address, self._open.total())
        return room

    async def _attend(self, taken: socket.socket, peer: tuple[str, int]) -> None:
        address = peer[0]
        reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        self._handshakes[address] += 1
        try:
            transport = await self._handshake(taken, reader, address)
        finally:
            self._handshakes[address] -= 1
            self._handshakes += Counter()  # drops what has come to zero
        if transport is None:
            return
        try:
            await self._know(reader, transport, address)
        finally:
            transport.close()

    async def _handshake(
        self, taken: socket.socket, reader: asyncio.StreamReader, address: str
    ) -> asyncio.Transport | None:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader),
                taken,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_S,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except (OSError, TimeoutError) as exc:  # ssl.SSLError is one
            logger.warning(
                "syslog.refused address=%s reason=%s", address, str(exc) or type(exc).__name__
            )
            taken.close()
            return None
        return transport

    async def _know(
        self, reader: asyncio.StreamReader, transport: asyncio.Transport, address: str
    ) -> None:
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        fingerprint = sha256(certificate).hexdigest()
        client = self._clients().by_fingerprint(fingerprint)
        if client is None:
            logger.warning(
                "syslog.refused address=%s reason=unknown or revoked certificate %s",
                address,
                fingerprint,
            )
            return
        if self._open[client.name] >= _OF_ONE_CLIENT:
            logger.warning("syslog.refused address=%s reason=%s has enough", address, client.name)
            return
        self._open[client.name] += 1
        try:
            await self._read(reader, client, address)
        finally:
            self._open[client.name] -= 1
            self._open += Counter()

    async def _read(self, reader: asyncio.StreamReader, client: Client, address: str) -> None:
        logger.info("syslog.opened client=%s address=%s", client.name, address)
        story = Story(Source(client.name, client.project, address))
        ending = await self._reading.read(
            reader,
            story,
            Counted(),
            counts=lambda: self._clients().by_fingerprint(client.fingerprint) is not None,
        )
        logger.info(
            "syslog.closed client=%s messages=%d reason=%s", client.name, story.messages, ending
        )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    Unavailable
        The port is taken, or is not ours to take.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise Unavailable(
            f"The syslog receiver cannot listen on {host}, port {port}: {exc}",
            mend="Set syslog.host and syslog.port to an address of this machine and a free port.",
        ) from exc
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING_BYTES)  # of each connection
    bound.setblocking(False)
    return bound
