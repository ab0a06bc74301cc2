"""Unix sockets for programs of this machine: ``log`` takes datagrams, ``log.stream`` streams.

The system says who sends, by number of Unix user and process; a message cannot lie about that. A
sender of datagrams waits while the receiver's queue is full.
"""

from __future__ import annotations

import array
import asyncio
import logging
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mavis_core.errors import Unavailable
from mavis_hub.syslog.accepting import accept
from mavis_hub.syslog.framing import MAX_KEPT_BYTES, Either, Frame
from mavis_hub.syslog.reading import CHUNK_BYTES, Reading, finish
from mavis_hub.syslog.stories import Source, Story

__all__ = ["Datagrams", "Streams", "bind"]

logger = logging.getLogger(__name__)

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): process, user, group
_AT_ONCE = 64
_STREAMS = 64
_MAX_DATAGRAM = 256 * 1024  # more than senders can, with the kernel's usual limits
_NOBODY = 65534
_ROOM = socket.CMSG_SPACE(_UCRED.size)


def bind(path: Path, kind: socket.SocketKind) -> socket.socket:
    """Return a socket at `path`, for the group of its folder; one that was left there is replaced.

    Raises
    ------
    Unavailable
        It cannot be made there.
    """
    made = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
        if kind == socket.SOCK_DGRAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # before anybody can send
        made.bind(str(path))
        path.chmod(0o660)
        if kind == socket.SOCK_STREAM:
            made.listen(_STREAMS)
    except OSError as exc:
        made.close()
        raise Unavailable(
            f"The socket {path} cannot be made: {exc}",
            mend="Set MAVIS_HOME to a folder with a path of at most 80 characters, for this user.",
        ) from exc
    return made


class Datagrams:
    """Reads messages, a datagram each.

    Parameters
    ----------
    reading
        Keeps what comes, and knows the pace.
    source
        Whose messages they are; the address is that of each sender.
    """

    def __init__(self, reading: Reading, source: Source) -> None:
        self._reading = reading
        self._source = source

    async def serve(self, bound: socket.socket) -> None:
        """Read until cancelled."""
        story = Story(replace(self._source, address="this machine"))
        delivery = self._reading.delivery
        buffer = bytearray(_MAX_DATAGRAM)
        try:
            while True:
                await _readable(bound)
                if await finish(self._keep(story, list(_waiting(bound, buffer)))):
                    return
        except asyncio.CancelledError:
            return
        finally:
            await delivery.keep(story.closed("the receiver ends"))

    async def _keep(self, story: Story, came: list[tuple[tuple[int, int, int], Frame]]) -> None:
        records, refused = [], []
        for (process, user, _), frame in came:
            told, unread = story.told([frame], unix_user=user, unix_process=process)
            records += told
            refused += unread
        await self._reading.delivery.put_aside(refused, story.source.label)
        await self._reading.delivery.keep(records)
        await asyncio.sleep(self._reading.pace.pause_s(story.source.name, len(came)))


class Streams:
    """Reads connections of programs of this machine.

    Parameters
    ----------
    reading
        Reads what comes.
    source
        Whose messages they are; the address is that of each sender.
    """

    def __init__(self, reading: Reading, source: Source) -> None:
        self._reading = reading
        self._source = source

    async def serve(self, listening: socket.socket) -> None:
        """Take connections until cancelled."""
        await accept(listening, self._read, room=self._room)

    @staticmethod
    def _room(_address: object, open_: int) -> bool:
        if open_ >= _STREAMS:
            logger.warning("syslog.full address=local open=%d", open_)
        return open_ < _STREAMS

    async def _read(self, taken: socket.socket, _address: object) -> None:
        packed = taken.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        process, user, _ = _UCRED.unpack(packed)
        reader, writer = await asyncio.open_unix_connection(sock=taken, limit=CHUNK_BYTES)
        try:
            source = replace(self._source, address=f"unix user {user}, process {process}")
            await self._reading.read(reader, Story(source), Either())
        finally:
            writer.close()


async def _readable(bound: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(bound, tell)
    try:
        await ready
    finally:
        loop.remove_reader(bound)


def _waiting(
    bound: socket.socket, buffer: bytearray
) -> Iterator[tuple[tuple[int, int, int], Frame]]:
    """Yield the datagrams that wait, with process, user and group of their senders."""
    with suppress(BlockingIOError):
        for _ in range(_AT_ONCE):
            size, extras, _, _ = bound.recvmsg_into([buffer], _ROOM)
            yield _sender(extras), Frame(bytes(buffer[: min(size, MAX_KEPT_BYTES)]), size)


def _sender(extras: list[tuple[int, int, bytes]]) -> tuple[int, int, int]:
    found = 0, _NOBODY, _NOBODY
    for level, kind, packed in extras:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            process, user, group = _UCRED.unpack(packed[: _UCRED.size])
            found = process, user, group
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            for given in array.array("i", packed[: len(packed) - len(packed) % 4]):
                os.close(given)  # files that a sender passes along are not wanted
    return found
