"""Each cell that runs is a story, and is reported to the log of the project.

IPython says when a cell begins and has ended. What it ran, how it ended and the beginning of what
it wrote go to the appliance in the background (`reporting`); the calls that it makes carry the
cell's correlation id, so that the records lead from the cell to what it set off.
"""

from __future__ import annotations

import atexit
import getpass
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mavis_kernel.notebook.excerpts import Excerpt
from mavis_kernel.notebook.masking import names_secret
from mavis_kernel.notebook.reporting import OUTPUT, Ran, Reporter
from mavis_kernel.notebook.session import Session
from mavis_kernel.story import CURRENT, new_story

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from mavis_kernel.client import Mavis
    from mavis_kernel.models import ReportedCells

__all__ = ["Cells"]

_SHORTEST = 6  # characters of a secret: a shorter one is a word of everything


class Cells:
    """Watches the cells of one shell.

    Parameters
    ----------
    shell
        IPython's.
    session
        What the kernel knows.
    """

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self._shell: Any = shell
        self._session = session
        self._running: dict[int, _Running] = {}  # by thread: subshells run cells beside others
        self._typed: set[str] = set()
        self._undo: list[Callable[[], None]] = []
        self._only: str | None = None
        self._asked = False
        self.reporter = Reporter(self._send, self._only_project, self._secrets)

    def watch(self) -> None:
        """Begin."""
        self._shell.events.register("pre_run_cell", self._begun)
        self._shell.events.register("post_run_cell", self._ended)
        kernel = getattr(self._shell, "kernel", None)
        self._remember(getpass if kernel is None else kernel)
        atexit.register(self.reporter.close)

    def stop(self) -> None:
        """Watch no more; what waits is sent, if that is quick."""
        for name, call in (("pre_run_cell", self._begun), ("post_run_cell", self._ended)):
            with suppress(ValueError):
                self._shell.events.unregister(name, call)
        for running in self._running.values():
            running.excerpt.end()
        CURRENT.set(None)
        for undo in self._undo:
            undo()
        atexit.unregister(self.reporter.close)
        self.reporter.close()

    def _begun(self, info: Any) -> None:
        if info.silent:
            return
        before = self._running.pop(threading.get_ident(), None)
        if before is not None:  # what ended it said nothing
            before.excerpt.end()
        CURRENT.set(story := new_story())
        self._running[threading.get_ident()] = _Running(
            info.raw_cell, story, self._session.chosen_project, Excerpt(self._shell, OUTPUT)
        )

    def _ended(self, result: Any) -> None:
        if result is not None and result.info.silent:
            return
        running = self._running.pop(threading.get_ident(), None)
        if running is None:
            return
        CURRENT.set(None)
        running.excerpt.end()
        error = None if result is None else result.error_before_exec or result.error_in_exec
        if error is not None:
            running.excerpt.add(f"{type(error).__name__}: {error}")
        count = None if result is None else result.execution_count
        self.reporter.add(
            Ran(
                project=running.project or self._session.chosen_project,
                code=running.code,
                started_at=running.started_at,
                ended_at=datetime.now(UTC),
                story=running.story,
                error=_name_of(error, result),
                output=running.excerpt.text(),
                count=count,
                notebook=self._notebook(),
            )
        )

    def _notebook(self) -> str | None:
        for name in ("__session__", "__vsc_ipynb_file__"):
            if isinstance(path := self._shell.user_ns.get(name), str):
                return path
        return None

    def _send(self, project: str, cells: list[dict[str, Any]]) -> ReportedCells:
        with self._client() as client:
            return client.records.report_cells(project, cells)

    def _only_project(self) -> str | None:
        """Return the person's project where they have one only; asks once."""
        if not self._asked:
            with self._client() as client:
                names = [each.name for each in client.me().projects]
            self._only, self._asked = names[0] if len(names) == 1 else None, True
        return self._only

    def _client(self) -> Mavis:
        """Return a client of our own, for the place and the login of the cells' one.

        It is closed after each use, so that none is open behind the person's back.
        """
        from mavis_kernel.client import Mavis  # noqa: PLC0415 - see the top of `later`
        from mavis_kernel.retries import RetryPolicy  # noqa: PLC0415 - as above

        settings = self._session.client.settings
        return Mavis(settings=settings, retry=RetryPolicy(attempts=1))

    def _secrets(self) -> Iterator[str]:
        """Yield what this process holds and nobody else should: of its environment, and typed."""
        named = [value for name, value in os.environ.items() if names_secret(name)]
        token = self._session.client.settings.token
        given = [] if not token else [token.reveal()]
        return (each for each in (*named, *given, *self._typed) if len(each) >= _SHORTEST)

    def _remember(self, owner: Any) -> None:
        """Remember what is typed where `owner` asks for a password."""
        ask = owner.getpass

        def asked(*args: Any, **kwargs: Any) -> str:
            typed: str = ask(*args, **kwargs)
            self._typed.add(typed)
            return typed

        owner.getpass = asked
        self._undo.append(lambda: setattr(owner, "getpass", ask))


class _Running:
    """A cell that runs."""

    def __init__(self, code: str, story: str, project: str | None, excerpt: Excerpt) -> None:
        self.code, self.story, self.project, self.excerpt = code, story, project, excerpt
        self.started_at = datetime.now(UTC)


def _name_of(error: BaseException | None, result: Any) -> str | None:
    if error is not None:
        return type(error).__name__
    return "cancelled" if result is None else None
