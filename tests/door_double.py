"""What the door asks of the rest of Mavis, in memory: people, sessions and their pages."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mavis_core.errors import Forbidden, NotFound
from mavis_core.remote.model import Endpoint, Policy, PrivateKey
from mavis_hub.gateway.door import Door, Limits
from mavis_hub.gateway.door.ports import Ended, Opened, Person, Proof, Transfer, Wish
from ssh_client import Client
from ssh_servers import User, keygen


@dataclass
class Pages:
    """A page that keeps everything, until `full` says why it cannot."""

    shown: bytearray = field(default_factory=bytearray)
    typed: bytearray = field(default_factory=bytearray)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    full: str = ""

    def output(self, data: bytes) -> None:
        if self.full:
            raise OSError(self.full)
        self.shown += data

    def input(self, data: bytes) -> None:
        self.typed += data

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    def marker(self, text: str) -> None:
        self.markers.append(text)


@dataclass
class Kept:
    """One session, as it was recorded."""

    wish: Wish
    page: Pages = field(default_factory=Pages)
    transfers: list[Transfer] = field(default_factory=list)
    ended: Ended | None = None
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Memory:
    """People and sessions."""

    endpoint: Endpoint
    policy: Policy = field(default_factory=Policy)
    tokens: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    signers: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    on_begin: Callable[[Kept], None] = lambda kept: None
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _by_id: dict[str, Kept] = field(default_factory=dict)

    def by_token(self, name: str, token: str, source: str) -> Person | None:
        return Person(name, Proof.TOKEN) if self.tokens.get(token) == name else None

    def by_key(self, name: str, public: str, source: str) -> Person | None:
        return Person(name, Proof.KEY) if self.keys.get(public) == name else None

    def by_certificate(self, name: str, serial: int, identity: str, source: str) -> Person | None:
        return Person(name, Proof.CERTIFICATE, str(serial))

    def authorities(self) -> Sequence[str]:
        return self.signers

    def begin(self, wish: Wish) -> Opened:
        if wish.device != "web-1":
            raise NotFound(f"There is no device {wish.device}")
        if wish.person.name == "eve":
            raise Forbidden("eve may open no sessions here")
        session = f"ses_{next(self._numbers)}"
        kept = self._by_id[session] = Kept(wish)
        self.kept.append(kept)
        self.on_begin(kept)
        return Opened(session, self.endpoint, self.policy, kept.page)

    def transferred(self, session: str, transfer: Transfer) -> None:
        self._by_id[session].transfers.append(transfer)

    def end(self, session: str, ended: Ended) -> None:
        kept = self._by_id[session]
        assert kept.ended is None, "a session ends once"
        kept.ended = ended
        kept.over.set()

    def last(self, timeout_s: float = 20) -> Kept:
        """Return the last session, once it is over."""
        assert self.kept[-1].over.wait(timeout_s), "the session is not over"
        return self.kept[-1]


@contextmanager
def opened_door(memory: Memory, folder: Path, limits: Limits | None = None) -> Iterator[int]:
    """Open a door on loopback; return its port."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "door"
    if not key.exists():
        keygen(key)
    host_key = PrivateKey(key.read_text(encoding="ascii"))
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listening.getsockname()[1]
    door = Door(listening, host_key, people=memory, sessions=memory, limits=limits, loopback=True)
    door.start()
    memory.door = door  # type: ignore[attr-defined]
    try:
        yield port
    finally:
        door.close()


@dataclass
class Scene:
    """A door, before `server`, where ada comes in by her key; and her client."""

    memory: Memory
    client: Client
    user: User
    port: int
    folder: Path

    def last(self) -> Kept:
        return self.memory.last()

    def place(self, name: str) -> Path:
        """Return a path that belongs to `user`."""
        return self.user.home / name


def settled(look: Callable[[], int], quiet_s: float = 0.3, within_s: float = 30.0) -> int:
    """Return what `look` returns once that has not changed for a while; fail if it never does."""
    deadline, seen, since = time.monotonic() + within_s, look(), time.monotonic()
    while time.monotonic() - since < quiet_s:
        assert time.monotonic() < deadline, f"it still changes: {seen}"
        time.sleep(0.02)
        if (found := look()) != seen:
            seen, since = found, time.monotonic()
    return seen
