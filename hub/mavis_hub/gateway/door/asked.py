"""What a client asks for on a channel, before it begins, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from paramiko import Channel

from mavis_hub.gateway.door.ports import Opened
from mavis_hub.gateway.door.relay import Relay, SafePage

__all__ = ["Asked"]

_LONGEST = 256
_MOST_WORDS = 20
_WIDEST = 2000


@dataclass
class Asked:
    """One channel.

    Parameters
    ----------
    terminal
        Its kind, as ``xterm``; None where there is none.
    environment
        Words about language, the only ones that go to the device.
    begun
        Whether something runs, or has: each channel begins once.
    forward
        Host and port to connect to, from `origin`.
    """

    channel: Channel | None = None
    terminal: str | None = None
    columns: int = 80
    rows: int = 24
    environment: dict[str, str] = field(default_factory=dict)
    begun: bool = False
    relay: Relay | None = None
    opened: Opened | None = None
    page: SafePage | None = None
    forward: tuple[str, int] | None = None
    origin: tuple[str, int] = ("127.0.0.1", 0)

    def take_terminal(self, term: bytes, columns: int, rows: int) -> bool:
        """Take note of a terminal; return whether it can be had."""
        if self.begun:
            return False
        self.terminal = _plain(term) or "dumb"
        self.take_size(columns, rows)
        return True

    def take_size(self, columns: int, rows: int) -> None:
        """Take note of a size, where it is one."""
        self.columns = columns if 0 < columns <= _WIDEST else self.columns
        self.rows = rows if 0 < rows <= _WIDEST else self.rows

    def take_word(self, name: bytes, value: bytes) -> bool:
        """Take note of a word of the environment; return whether it goes to the device."""
        named, given = _plain(name), _plain(value)
        if self.begun or not named or given is None or len(self.environment) >= _MOST_WORDS:
            return False
        if named not in ("LANG", "TERM") and not named.startswith("LC_"):
            return False
        self.environment[named] = given
        return True


def _plain(raw: bytes) -> str | None:
    text = raw.decode("ascii", "replace")
    return text if text.isprintable() and text.isascii() and len(text) < _LONGEST else None
