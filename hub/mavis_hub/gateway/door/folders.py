"""Which paths of a device may be seen, where a policy names folders.

A path is what the device says it is, with all symbolic links followed, and that is what goes on to
it. Between the two a link can be put in place of a folder by somebody who is on the device: against
them only the device's own permissions help.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from posixpath import basename, dirname, join, normpath

from mavis_core.errors import DeviceError, Forbidden
from mavis_core.remote.ssh import Stream, Target

__all__ = ["Folders"]

_INIT, _REALPATH, _NAME = 1, 16, 104
_ANSWER_S = 30.0
_LONGEST = 256 * 1024


class Folders:
    """The folders of a policy on one device; asks the device over SFTP of its own. Close it.

    Parameters
    ----------
    paths
        Absolute folders.
    """

    def __init__(self, target: Target, paths: Sequence[str]) -> None:
        self._device = target.device
        self._lock = threading.Lock()
        self._stream: Stream = target.subsystem("sftp")
        self._stream.limit(_ANSWER_S)
        self._held = b""
        self._stream.send(struct.pack(">IBI", 5, _INIT, 3))
        self._packet()
        self._allowed = tuple(filter(None, (self._real(each) for each in paths)))
        self._named = tuple(paths)
        home = self._real(".") or "/"
        self._base = home if self._inside(home) else paths[0]

    def resolve(self, path: str) -> str:
        """Return what `path` is, with its links followed.

        Raises
        ------
        Forbidden
            It is outside of the folders, or it is nowhere.
        """
        plain = normpath(join(self._base, path))
        return self._allow(self._real(plain) or self._parent(plain), path)

    def resolve_link(self, path: str) -> str:
        """Return what `path` is where it may be a link itself, which is not followed."""
        plain = normpath(join(self._base, path))
        return self._allow(self._parent(plain), path)

    def resolve_new_link(self, link: str, target: str) -> str:
        """Return what `link` is, where it will lead to `target`, which must be inside as well."""
        at = self.resolve_link(link)
        self.resolve(normpath(join(dirname(at), target)))
        return at

    def check(self, path: str) -> None:
        """Check `path` where it can be something: what its folder is not, nobody writes."""
        real = self._real(normpath(join(self._base, path)))
        if real is not None:
            self._allow(real, path)

    def close(self) -> None:
        """End what asks the device."""
        self._stream.close()

    def _allow(self, real: str | None, path: str) -> str:
        if real is None or not self._inside(real):
            raise Forbidden(
                f"{path} is outside of what may be seen here: {', '.join(self._named)}",
                mend="Use a path in one of these folders.",
            )
        return real

    def _inside(self, real: str) -> bool:
        return any(
            real == each or real.startswith(f"{each.rstrip('/')}/") for each in self._allowed
        )

    def _parent(self, plain: str) -> str | None:
        if plain == "/":
            return plain
        parent = self._real(dirname(plain))
        return None if parent is None else join(parent, basename(plain))

    def _real(self, path: str) -> str | None:
        """Return what the device says that `path` is, or None where it is nothing."""
        raw = path.encode("utf-8", "surrogateescape")
        with self._lock:
            self._stream.send(struct.pack(">IBII", 9 + len(raw), _REALPATH, 1, len(raw)) + raw)
            answer = self._packet()
        if answer[0] != _NAME:
            return None
        length = struct.unpack_from(">I", answer, 9)[0]
        return answer[13 : 13 + length].decode("utf-8", "surrogateescape")

    def _packet(self) -> bytes:
        try:
            head = self._exactly(4)
            length = struct.unpack(">I", head)[0]
            if not 0 < length <= _LONGEST:
                raise DeviceError(f"{self._device} speaks no SFTP")
            return self._exactly(length)
        except TimeoutError:
            raise DeviceError(f"{self._device} does not answer over SFTP") from None

    def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            data = self._stream.receive()
            if not data:
                raise DeviceError(f"{self._device} has ended SFTP")
            self._held += data
        found, self._held = self._held[:size], self._held[size:]
        return found
