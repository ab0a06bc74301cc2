"""Where questions in SQL are taken, a few at a time, each to a process that ends with it."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mavis_core.errors import InvalidInput, MavisError, OverLimit, Unavailable
from mavis_core.ids import new_id
from mavis_core.logs.extract import Extract
from mavis_core.logs.questions import SqlQuestion
from mavis_hub.isolation import Walls, walls_stand

__all__ = ["Limits", "SqlDesk", "walls_for"]

_log = logging.getLogger(__name__)

_CHILD = Path(__file__).with_name("child.py")
_UNCOUNTED_MB = 256  # Python, and what DuckDB does not count
_HEADER_BYTES = 1 << 20
_STDERR_BYTES = 500
_READY = b"ready\n"
_EMPTY = "empty"  # all of the state folder that a question's process can see
# So much of an environment as finds the programs of the walls; it says nothing of this machine.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may take.

    Parameters
    ----------
    seconds
        From the start of its process to its end.
    memory_mb
        Of its records and what it makes of them, in MiB.
    records
        Of which it is asked.
    rows, bytes
        Of its answer.
    at_once
        Questions at a time; others wait for `patience_s` seconds.
    """

    seconds: float = 10.0
    memory_mb: int = 512
    records: int = 500_000
    rows: int = 100_000
    bytes: int = 16 << 20
    at_once: int = 2
    patience_s: float = 3.0


class _Extracts(Protocol):
    def extract(self, wanted: Extract, folder: Path, name: str) -> tuple[int, list[Path]]: ...


_Taken = tuple[int, list[int]]


class SqlDesk:
    """Carries out questions.

    Parameters
    ----------
    log
        Takes out the records.
    folder
        Into which it does; what lies there is removed.
    walls
        Around each process: see `walls_for`.
    run
        Calls what blocks, in a thread.
    """

    def __init__(
        self,
        log: _Extracts,
        folder: Path,
        walls: Walls,
        limits: Limits,
        run: Callable[[Callable[[], _Taken]], Awaitable[_Taken]],
    ) -> None:
        self._log, self._walls, self._limits, self._run = log, walls, limits, run
        self._folder, self._empty = folder, folder / _EMPTY
        folder.mkdir(exist_ok=True, mode=0o700)
        for left in folder.glob("*.parquet"):  # by a process that was killed
            left.unlink()
        self._empty.mkdir(exist_ok=True, mode=0o700)
        self._seats = asyncio.Semaphore(limits.at_once)

    async def answer(self, question: SqlQuestion, gone: asyncio.Event) -> bytes:
        """Return the answer to `question`, as JSON that `SqlAnswer.from_json` reads.

        Parameters
        ----------
        gone
            Set when nobody waits for the answer any more; the process is killed then.

        Raises
        ------
        InvalidInput
            DuckDB refuses the statement, in its own words.
        OverLimit
            It takes more than `Limits`, and the message says which.
        Unavailable
            Too many questions are asked at once, or the index does not answer.
        """
        async with self._seat(gone):
            extract = Extract.of(question, most=self._limits.records)
            records, sources = await self._run(lambda: self._extracted(extract))
            try:
                told = await self._asked(question.sql, sources, gone)
            finally:
                _close(sources)
        header, _, rows = told.partition(b"\n")
        return _document(_header(header), rows, records, self._limits)

    @asynccontextmanager
    async def _seat(self, gone: asyncio.Event) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.patience_s):
                await self._seats.acquire()
        except TimeoutError as exc:
            raise Unavailable(
                f"{self._limits.at_once} questions in SQL are under way, which is all at a time",
                mend="Ask again in a moment.",
                retry_after_s=math.ceil(self._limits.patience_s),
            ) from exc
        try:
            if gone.is_set():
                raise _nobody_waits()
            yield
        finally:
            self._seats.release()

    def _extracted(self, extract: Extract) -> _Taken:
        """Return how many records there are, and descriptors of their files, which have no name."""
        name, sources = new_id("ext"), list[int]()
        try:
            count, paths = self._log.extract(extract, self._folder, name)
            for path in paths:
                sources.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            return count, sources
        except BaseException:
            _close(sources)
            raise
        finally:
            for path in self._folder.glob(f"{name}-*"):
                path.unlink()

    async def _asked(self, sql: str, sources: Sequence[int], gone: asyncio.Event) -> bytes:
        """Return what the process told, which has ended."""
        command = self._walls.around(self._empty, (sys.executable, "-I", str(_CHILD)))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=sources,
            start_new_session=True,
        )
        reading = asyncio.ensure_future(self._read(process, self._order(sql, sources)))
        leaving = asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait(
                (reading, leaving),
                timeout=self._limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if gone.is_set():
                raise _nobody_waits()
            if not reading.done():
                raise self._over(f"took longer than {self._limits.seconds:g} s")
            told = reading.result()
        finally:
            leaving.cancel()
            reading.cancel()
            _kill(process)
            code = await process.wait()
        if told.startswith(_READY) and len(told) > len(_READY):
            return told[len(_READY) :]
        if told.startswith(b"{"):  # the records alone were too much
            return told
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        last_words = (await process.stderr.read(_STDERR_BYTES)).decode("utf-8", "replace")
        _log.warning("sql.ended_early code=%s stderr=%r", code, last_words)
        if told.startswith(_READY):
            # Killed by the system, or by itself: the clock is ours, so it was memory.
            raise self._over(f"needs more memory than {self._limits.memory_mb} MiB, it seems,")
        raise Unavailable("The process for a question in SQL does not start", retry_after_s=2)

    def _order(self, sql: str, sources: Sequence[int]) -> bytes:
        limits = self._limits
        order = {
            "sql": sql,
            "records": [f"/proc/self/fd/{each}" for each in sources],
            "memory_mb": limits.memory_mb,
            "cpu_s": math.ceil(limits.seconds) + 1,
            "rows": limits.rows,
            "bytes": limits.bytes,
        }
        return json.dumps(order).encode() + b"\n"

    async def _read(self, process: asyncio.subprocess.Process, order: bytes) -> bytes:
        """Return what the process writes, to its end; of too much only so much as shows it."""
        assert process.stdin is not None  # noqa: S101 - pipes were asked for
        assert process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: its words say why
            process.stdin.write(order)
            await process.stdin.drain()
            process.stdin.close()
        content, most = bytearray(), 2 * self._limits.bytes + _HEADER_BYTES
        while len(content) <= most and (piece := await process.stdout.read(1 << 16)):
            content += piece
        return bytes(content)

    def _over(self, what: str) -> OverLimit:
        return OverLimit(f"The question {what} and was ended", field="sql")


def walls_for(home: Path, folder: Path, limits: Limits) -> Walls:
    """Return the walls around a question, as high as they can be built here.

    Parameters
    ----------
    home
        The state folder, which is covered.
    folder
        Of the desk.
    """
    (folder / _EMPTY).mkdir(parents=True, exist_ok=True, mode=0o700)
    if why := walls_stand(home, folder / _EMPTY, network=False):
        # What `child` closes by itself holds all the same.
        _log.warning("sql.no_namespaces reason=%r", why)
    memory_mb = limits.memory_mb + _UNCOUNTED_MB
    return Walls(home, memory_mb, namespaces=not why, network=False)


def _close(sources: Sequence[int]) -> None:
    for each in sources:
        os.close(each)


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the process and whatever stands between it and this one."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _nobody_waits() -> MavisError:
    return Unavailable("Nobody waits for the answer any more")


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line[:_HEADER_BYTES])
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise Unavailable("The answer to a question in SQL cannot be read")
    return header


def _document(header: dict[str, Any], rows: bytes, records: int, limits: Limits) -> bytes:
    """Return the answer, or raise what went wrong."""
    failed = header.get("failed")
    if failed is None:
        told = {"columns": header["columns"], "records": records}
        return json.dumps(told).encode()[:-1] + b', "rows": ' + rows + b"}"
    if failed == "sql":
        raise InvalidInput(
            str(header["message"]),
            mend="Correct the statement; DESCRIBE records names the columns.",
            field="sql",
        )
    raise OverLimit(
        {
            "rows": f"The answer has more than {limits.rows:,} rows",
            "bytes": f"The answer has more than {limits.bytes >> 20} MiB",
            "columns": "The answer has too many columns",
            "memory": f"The question needs more memory than {limits.memory_mb} MiB",
            "records": f"The {records:,} records in that time do not fit into"
            f" {limits.memory_mb} MiB of memory",
        }[failed],
        mend={
            "rows": "Ask for less: LIMIT, a narrower WHERE, or counts in place of rows.",
            "bytes": "Ask for less: fewer columns, LIMIT, or counts in place of rows.",
            "records": "Narrow the time with `since` and `until`, or name fewer projects.",
        }.get(failed),
        field="sql",
    )
