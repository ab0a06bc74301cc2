"""One command at many devices at once, through the gateway, with what each says as it comes.

Each device is a session of its own, recorded by the gateway. The conversations run in a loop of a
thread of their own; whoever called hears in their own thread, so that a cell's output is the cell's
and an interrupt comes where Python looks for it.
"""

from __future__ import annotations

import asyncio
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias, overload
from urllib.parse import urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from mavis_kernel.certificates import context_for
from mavis_kernel.errors import MavisError
from mavis_kernel.models import Ticket

if TYPE_CHECKING:
    import pandas as pd

    from mavis_kernel.client import Mavis

__all__ = ["HostResult", "HostResults", "run_on"]

_KEPT_BYTES = 1 << 20
_STDERR = 2
_LOOK_S = 0.1
_END_S = 5.0
_CONNECT_S = 30.0
_CONFIRM_BYTES = 64 * 1024
Line: TypeAlias = tuple[str, bool, str]
"""The device, whether it is of the standard error, and a line without its end."""


@dataclass(frozen=True)
class HostResult:
    """What became of the command at one device.

    Parameters
    ----------
    exit_status
        Of the command; None where it told none.
    stdout, stderr
        The last mebibyte of each.
    reason
        ``exited``, or why it ended otherwise; of what never began the code of the error.
    detail
        The same for people.
    session
        Id of the session, whose recording has all of it.
    took_s
        From the first asking on.
    """

    device: str
    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""
    reason: str = "not_begun"
    detail: str = ""
    session: str | None = None
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.exit_status == 0


class HostResults(Sequence[HostResult]):
    """What became of a command, a result a device, in the order in which they were named."""

    def __init__(self, results: Sequence[HostResult]) -> None:
        self._results = tuple(results)

    @overload
    def __getitem__(self, index: int | str) -> HostResult: ...
    @overload
    def __getitem__(self, index: slice) -> HostResults: ...

    def __getitem__(self, index: int | str | slice) -> HostResult | HostResults:
        """Return the result at a place, or of a device."""
        if isinstance(index, slice):
            return HostResults(self._results[index])
        if isinstance(index, int):
            return self._results[index]
        for each in self._results:
            if each.device == index:
                return each
        raise KeyError(index)

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[HostResult]:
        return iter(self._results)

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0 everywhere."""
        return all(each.ok for each in self)

    @property
    def failed(self) -> HostResults:
        """Those that did not end with status 0."""
        return HostResults([each for each in self if not each.ok])

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame, a row a device."""
        import pandas as pd  # noqa: PLC0415 - loaded when it is needed

        return pd.DataFrame([vars(each) for each in self])

    def __repr__(self) -> str:
        names = max((len(each.device) for each in self), default=0)
        return "\n".join(f"{each.device:<{names}}  {_words(each)}" for each in self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(each.device)}</td><td>{escape(_words(each))}</td>"
            f"<td>{each.took_s:.1f} s</td></tr>"
            for each in self
        )
        head = "<tr><th>Device</th><th>Ended</th><th>Took</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _words(result: HostResult) -> str:
    if result.ok:
        return "ok"
    if result.exit_status is not None:
        return f"exited with status {result.exit_status}"
    return result.detail or result.reason.replace("_", " ")


def run_on(
    client: Mavis,
    project: str,
    devices: Sequence[str],
    command: str,
    *,
    service: str | None = None,
    at_a_time: int = 10,
    errors: int | None = None,
    timeout_s: float | None = None,
    on_line: Callable[[Line], None] = lambda _: None,
) -> HostResults:
    """Run `command` at devices, and return what became of it at each.

    Parameters
    ----------
    service
        The way into each; None: the only one, or that of the name ``ssh``.
    at_a_time
        Devices at once.
    errors
        After so many failures nothing more begins; None: whatever fails.
    timeout_s
        A device that takes longer is ended; None: none is.
    on_line
        Told each line as it comes, in the caller's thread.

    Raises
    ------
    KeyboardInterrupt
        The caller was interrupted; what ran at the devices got a hang-up.
    """
    work = _Work(client, project, command, service, at_a_time, errors, timeout_s)
    thread = threading.Thread(target=work.run, args=(devices,), name="ssh", daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not work.lines.empty():
            with suppress(queue.Empty):
                on_line(work.lines.get(timeout=_LOOK_S))
    except BaseException:
        work.stop()
        thread.join(_END_S)
        raise
    if work.failure is not None:
        raise work.failure
    return HostResults([work.results[name] for name in devices])


class _Work:
    def __init__(
        self,
        client: Mavis,
        project: str,
        command: str,
        service: str | None,
        at_a_time: int,
        errors: int | None,
        timeout_s: float | None,
    ) -> None:
        self._client, self._project, self._command = client, project, command
        self._service, self._errors, self._timeout_s = service, errors, timeout_s
        self._seats = asyncio.Semaphore(at_a_time)
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="ssh-ask")
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._failed = 0
        self.lines: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self.results: dict[str, HostResult] = {}
        self.failure: BaseException | None = None

    def run(self, devices: Sequence[str]) -> None:
        """Do it all; in a thread of its own."""
        try:
            asyncio.run(self._all(devices))
        except BaseException as exc:  # noqa: BLE001 - raised in the caller's thread
            self.failure = exc
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Hang up everywhere."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def _all(self, devices: Sequence[str]) -> None:
        self._loop = asyncio.get_running_loop()
        if urlsplit(self._client.url).scheme == "https":
            self._tls = context_for(self._client.settings.trust)
        await asyncio.gather(*(self._device(name) for name in devices))

    async def _device(self, name: str) -> None:
        async with self._seats:
            if self._stopping.is_set() or (self._errors and self._failed >= self._errors):
                self.results[name] = HostResult(name, detail="not begun: too many have failed")
                return
            began = time.monotonic()
            try:
                result = await self._converse(name)
            except MavisError as exc:
                code = getattr(exc, "code", type(exc).__name__)
                result = HostResult(name, reason=code, detail=str(exc))
            except (WebSocketError, HTTPClientError, OSError) as exc:
                result = HostResult(name, reason="lost", detail=f"The gateway was lost: {exc}")
            took = round(time.monotonic() - began, 3)
            self.results[name] = HostResult(**{**vars(result), "took_s": took})
            self._failed += not result.ok

    async def _converse(self, name: str) -> HostResult:
        loop = asyncio.get_running_loop()

        def ask() -> Ticket:
            return self._client.sessions.open(
                self._project, name, service=self._service, command=self._command
            )

        ticket = await loop.run_in_executor(self._pool, ask)
        parts = urlsplit(self._client.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        request = HTTPRequest(
            f"{scheme}://{parts.netloc}{ticket.address}",
            connect_timeout=_CONNECT_S,
            ssl_options=self._tls,
        )
        connection = await websocket_connect(request)
        try:
            await connection.write_message(json.dumps({"ticket": ticket.ticket}))
            return await _Conversation(name, ticket.session.id, connection, self.lines).result(
                self._stopping, self._timeout_s
            )
        finally:
            connection.close()


@dataclass
class _Conversation:
    device: str
    session: str
    connection: WebSocketClientConnection
    lines: queue.SimpleQueue[Line]
    shown: dict[bool, bytearray] = field(
        default_factory=lambda: {False: bytearray(), True: bytearray()}
    )
    begun: dict[bool, bytes] = field(default_factory=lambda: {False: b"", True: b""})
    drawn: int = 0
    confirmed: int = 0

    async def result(self, stopping: asyncio.Event, timeout_s: float | None) -> HostResult:
        """Take messages until it is over; hang up when `stopping` or the time is over."""
        over = asyncio.create_task(_over(stopping, timeout_s))
        hung_up = False
        try:
            while True:
                coming = asyncio.ensure_future(self._message())
                await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
                if over.done() and not hung_up:
                    hung_up = True
                    await self.connection.write_message(json.dumps({"end": True}))
                    await asyncio.wait({coming}, timeout=_END_S)
                message = await coming
                if message is None:
                    return self._told("lost", "The gateway has closed the connection")
                if isinstance(message, bytes):
                    await self._bytes(message)
                elif (result := await self._words(json.loads(message))) is not None:
                    return result
        finally:
            over.cancel()

    async def _message(self) -> str | bytes | None:
        return await self.connection.read_message()

    async def _bytes(self, message: bytes) -> None:
        errors, data = message[0] == _STDERR, message[1:]
        kept = self.shown[errors]
        kept += data
        del kept[:-_KEPT_BYTES]
        *lines, self.begun[errors] = (self.begun[errors] + data).split(b"\n")
        for line in lines:
            self._line(errors, line)
        if len(self.begun[errors]) > _KEPT_BYTES:
            self._flush(errors)
        self.drawn += len(data)
        if self.drawn - self.confirmed >= _CONFIRM_BYTES:
            self.confirmed = self.drawn
            await self.connection.write_message(json.dumps({"drawn": self.drawn}))

    async def _words(self, told: dict[str, Any]) -> HostResult | None:
        if "open" in told:
            self.drawn = self.confirmed = told["from"]
            await self.connection.write_message(json.dumps({"end_input": True}))
        if "problem" in told:
            problem = told["problem"]
            return self._told(problem["code"], f"{problem['title']}. {problem['mend']}")
        if "ended" in told:
            ended = told["ended"]
            return self._told(ended["reason"], ended["detail"], ended["exit_status"])
        return None

    def _told(self, reason: str, detail: str, exit_status: int | None = None) -> HostResult:
        self._flush(False)
        self._flush(True)
        stdout, stderr = (self.shown[each].decode("utf-8", "replace") for each in (False, True))
        return HostResult(self.device, exit_status, stdout, stderr, reason, detail, self.session)

    def _flush(self, errors: bool) -> None:
        if self.begun[errors]:
            self._line(errors, self.begun[errors])
            self.begun[errors] = b""

    def _line(self, errors: bool, line: bytes) -> None:
        self.lines.put((self.device, errors, line.rstrip(b"\r").decode("utf-8", "replace")))


async def _over(stopping: asyncio.Event, timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), timeout_s)
