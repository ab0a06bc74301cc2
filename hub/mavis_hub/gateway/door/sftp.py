"""SFTP, passed on packet by packet: directions and paths by policy, each file with its digest.

The packets are those of version 3 (draft-ietf-secsh-filexfer-02), with OpenSSH's extensions. What
goes on is what the client sent, and what comes back is what the device sent, but for what is
refused: that is answered here, and the device never sees it. Numbers of requests stay the client's.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mavis_core.errors import Forbidden, InvalidInput, MavisError
from mavis_core.remote.model import Policy
from mavis_hub.gateway.door.digests import Passage
from mavis_hub.gateway.door.folders import Folders
from mavis_hub.gateway.door.ports import Direction, Transfer

__all__ = ["SftpPassage"]

_INIT = 1
_OPEN, _CLOSE, _READ, _WRITE, _LSTAT, _FSTAT, _SETSTAT, _FSETSTAT = range(3, 11)
_OPENDIR, _READDIR, _REMOVE, _MKDIR, _RMDIR = range(11, 16)
_REALPATH, _STAT, _RENAME, _READLINK, _SYMLINK = range(16, 21)
_EXTENDED = 200
_STATUS, _HANDLE, _DATA = 101, 102, 103
_DENIED, _UNSUPPORTED = 3, 8

_TO_READ, _TO_WRITE = 0x01, 0x02 | 0x04 | 0x08 | 0x10
# OpenSSH's own bound for a packet.
_LONGEST = 256 * 1024
# No client has so many requests, or files, open at a time.
_MOST_OPEN = 4096

_BY_HANDLE = {_CLOSE, _READ, _WRITE, _FSTAT, _FSETSTAT, _READDIR}
_CHANGING = {_SETSTAT, _FSETSTAT, _REMOVE, _MKDIR, _RMDIR, _RENAME, _SYMLINK, _WRITE}
# Whose path may be a link that is meant itself.
_OF_LINKS = {_LSTAT, _REMOVE, _RMDIR, _RENAME, _READLINK, _MKDIR}
# Extensions: how many paths they begin with, and whether they change something.
_EXTENSIONS: dict[bytes, tuple[int, bool]] = {
    b"posix-rename@openssh.com": (2, True),
    b"hardlink@openssh.com": (2, True),
    b"lsetstat@openssh.com": (1, True),
    b"statvfs@openssh.com": (1, False),
    b"expand-path@openssh.com": (1, False),
    b"fstatvfs@openssh.com": (0, False),
    b"fsync@openssh.com": (0, False),
    b"limits@openssh.com": (0, False),
    b"users-groups-by-id@openssh.com": (0, False),
}


@dataclass
class _File:
    """A file that is open."""

    path: str
    writes: bool
    read: Passage
    written: Passage
    failed: bool = False


@dataclass
class _Asked:
    """A request whose answer matters."""

    kind: int
    path: str = ""
    file: _File | None = None
    offset: int = 0
    writes: bool = False


class _Splitter:
    """Cuts a stream of bytes into packets, with their length in front."""

    def __init__(self) -> None:
        self._held = b""

    def packets(self, data: bytes) -> Iterator[bytes]:
        if self._held:
            data = self._held + data
        at, end = 0, len(data)
        while end - at >= 5:
            length = int.from_bytes(data[at : at + 4], "big")
            if not 0 < length <= _LONGEST:
                raise InvalidInput("A packet of SFTP is too long, or empty")
            if end - at < length + 4:
                break
            yield data[at : at + 4 + length]
            at += 4 + length
        self._held = data[at:]


@dataclass
class SftpPassage:
    """One SFTP session. `from_client` and `from_device` are called by a thread each.

    Parameters
    ----------
    folders
        None where all paths may be seen.
    to_client, to_device
        Send bytes; each is called with whole packets only.
    done
        Told of each file.
    note
        Told in words of what else was changed, and of what was refused.
    """

    policy: Policy
    folders: Folders | None
    to_client: Callable[[bytes], None]
    to_device: Callable[[bytes], None]
    done: Callable[[Transfer], None]
    note: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _asked: dict[int, _Asked] = field(default_factory=dict)
    _files: dict[bytes, _File] = field(default_factory=dict)
    _requests: _Splitter = field(default_factory=_Splitter)
    _answers: _Splitter = field(default_factory=_Splitter)

    def from_client(self, data: bytes) -> None:
        """Pass requests on, and answer those that are refused."""
        good: list[bytes] = []
        for packet in self._requests.packets(data):
            try:
                good.append(self._request(packet))
            except MavisError as exc:
                number = int.from_bytes(packet[5:9], "big")
                self.note(f"refused: {exc}")
                self._refuse(number, str(exc), _DENIED if isinstance(exc, Forbidden) else 4)
            except _Unsupported:
                self._refuse(int.from_bytes(packet[5:9], "big"), "not supported", _UNSUPPORTED)
            except (struct.error, IndexError):
                raise InvalidInput("A packet of SFTP cannot be read") from None
        if good:
            self.to_device(b"".join(good) if len(good) > 1 else good[0])

    def from_device(self, data: bytes) -> None:
        """Pass answers on, and take note of what they bring."""
        good = list(self._answers.packets(data))
        with self._lock:
            for packet in good:
                self._answer(packet)
        if good:
            with self._sending:
                self.to_client(b"".join(good) if len(good) > 1 else good[0])

    def end(self) -> None:
        """Tell of the files that were not closed."""
        with self._lock:
            for file in self._files.values():
                self._finish(file, complete=False)
            self._files.clear()

    def _request(self, packet: bytes) -> bytes:
        kind = packet[4]
        if kind == _INIT:
            return packet
        number = int.from_bytes(packet[5:9], "big")
        if kind in _BY_HANDLE:
            return self._by_handle(kind, number, packet)
        if kind == _OPEN:
            return self._open(number, packet)
        if kind == _EXTENDED:
            return self._extended(packet)
        if not _OPENDIR <= kind <= _SYMLINK and kind not in (_LSTAT, _SETSTAT):
            raise _Unsupported
        return self._with_paths(kind, packet, 9, 2 if kind in (_RENAME, _SYMLINK) else 1)

    def _with_paths(self, kind: int, packet: bytes, at: int, count: int) -> bytes:
        """Check the paths of a request from `at` on, and return it with what they really are."""
        paths: list[str] = []
        end = at
        for _ in range(count):
            raw, end = _string(packet, end)
            paths.append(raw.decode("utf-8", "surrogateescape"))
        changing = kind in _CHANGING
        if changing:
            self._must(Direction.UPLOAD)
            self.note(f"{_VERBS.get(kind, 'change')} {' '.join(paths)}")
        if self.folders is None:
            return packet
        if kind == _SYMLINK:
            # OpenSSH has the two the other way round than the draft: first what it leads to.
            link = self.folders.resolve_new_link(paths[1], paths[0])
            return _framed(packet[4:at] + _packed(paths[0]) + _packed(link) + packet[end:])
        resolve = self.folders.resolve_link if kind in _OF_LINKS else self.folders.resolve
        real = b"".join(_packed(resolve(each)) for each in paths)
        return _framed(packet[4:at] + real + packet[end:])

    def _open(self, number: int, packet: bytes) -> bytes:
        raw, end = _string(packet, 9)
        flags = struct.unpack_from(">I", packet, end)[0]
        if flags & _TO_READ:
            self._must(Direction.DOWNLOAD)
        writes = bool(flags & _TO_WRITE or not flags & _TO_READ)
        if writes:
            self._must(Direction.UPLOAD)
        path = raw.decode("utf-8", "surrogateescape")
        if self.folders is not None:
            path = self.folders.resolve(path)
            packet = _framed(packet[4:9] + _packed(path) + packet[end:])
        self._ask(number, _Asked(_OPEN, path, writes=writes))
        return packet

    def _by_handle(self, kind: int, number: int, packet: bytes) -> bytes:
        if kind == _FSETSTAT:
            self._must(Direction.UPLOAD)
        if kind in (_FSTAT, _FSETSTAT, _READDIR):
            return packet
        handle, end = _string(packet, 9)
        with self._lock:
            file = self._files.get(handle)
        if file is None:
            return packet  # a folder, or nothing: the device says so
        if kind == _CLOSE:
            self._ask(number, _Asked(_CLOSE, file=file))
            with self._lock:
                self._files.pop(handle, None)
            return packet
        offset = struct.unpack_from(">Q", packet, end)[0]
        if kind == _WRITE:
            file.written.add_at(offset, memoryview(packet)[end + 12 :])
        self._ask(number, _Asked(kind, file=file, offset=offset))
        return packet

    def _extended(self, packet: bytes) -> bytes:
        name, end = _string(packet, 9)
        known = _EXTENSIONS.get(name)
        if known is None:
            raise _Unsupported
        count, changing = known
        if changing:
            self._must(Direction.UPLOAD)
        kind = _RENAME if changing else _STAT
        return self._with_paths(kind, packet, end, count) if count else packet

    def _ask(self, number: int, asked: _Asked) -> None:
        with self._lock:
            if len(self._asked) >= _MOST_OPEN or len(self._files) >= _MOST_OPEN:
                raise InvalidInput("Too many files or requests are open at a time")
            self._asked[number] = asked

    def _answer(self, packet: bytes) -> None:
        asked = self._asked.pop(int.from_bytes(packet[5:9], "big"), None)
        if asked is None:
            return
        kind = packet[4]
        if kind == _DATA and asked.kind == _READ and asked.file:
            asked.file.read.add_at(asked.offset, memoryview(packet)[13:])
        elif kind == _HANDLE and asked.kind == _OPEN:
            self._files[_string(packet, 9)[0]] = _File(
                asked.path,
                asked.writes,
                Passage(Direction.DOWNLOAD, asked.path),
                Passage(Direction.UPLOAD, asked.path),
            )
        elif kind == _STATUS and asked.file:
            good = packet[9:13] == b"\0\0\0\0"
            if asked.kind == _WRITE and not good:
                asked.file.failed = True
            elif asked.kind == _CLOSE:
                self._finish(asked.file, complete=good)

    def _finish(self, file: _File, *, complete: bool) -> None:
        if not file.read.empty or not file.writes:
            self.done(file.read.transfer(complete=complete))
        if file.writes:
            self.done(file.written.transfer(complete=complete and not file.failed))

    def _must(self, direction: Direction) -> None:
        transfers = self.policy.transfers
        if not (transfers.upload if direction is Direction.UPLOAD else transfers.download):
            raise Forbidden(f"This access service allows no {direction.value}")

    def _refuse(self, number: int, words: str, code: int) -> None:
        said = words.encode("utf-8", "replace")
        body = struct.pack(">BII", _STATUS, number, code) + _packed_raw(said) + _packed_raw(b"en")
        with self._sending:
            self.to_client(_framed(body))


class _Unsupported(Exception):
    """A request that is not known here."""


_VERBS = {
    _SETSTAT: "set the attributes of",
    _REMOVE: "remove",
    _MKDIR: "make the folder",
    _RMDIR: "remove the folder",
    _RENAME: "rename",
    _SYMLINK: "link",
}


def _string(packet: bytes, at: int) -> tuple[bytes, int]:
    """Return the string at `at`, and where it ends."""
    length = struct.unpack_from(">I", packet, at)[0]
    end = at + 4 + length
    if end > len(packet):
        raise IndexError
    return packet[at + 4 : end], end


def _packed(path: str) -> bytes:
    return _packed_raw(path.encode("utf-8", "surrogateescape"))


def _packed_raw(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body
