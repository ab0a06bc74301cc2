"""Reports of cells, sent in the background: they never delay a cell, and never fail one.

What waits is bounded. What could not be sent is counted and told with the next cell; besides it
shows as a number that is missing in the stream, which is one of the kernel's for each project.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mavis_kernel.notebook.masking import mask
from mavis_kernel.story import new_story

if TYPE_CHECKING:
    from mavis_kernel.models import ReportedCells

__all__ = ["CODE", "OUTPUT", "Ran", "Reporter"]

logger = logging.getLogger(__name__)

CODE, OUTPUT = 16 * 1024, 4 * 1024
_WAITING = 200
_TOGETHER = 25
_GATHER_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_END_S = 3.0
_MAY_NOT = (401, 403, 404)
_REFUSED = (400, 413, *_MAY_NOT)


@dataclass(frozen=True)
class Ran:
    """A cell that has run.

    Parameters
    ----------
    project
        The one that was chosen; None: none was.
    error
        The name of the exception that ended it.
    story
        The correlation id of what it has asked for.
    """

    project: str | None
    code: str
    started_at: datetime
    ended_at: datetime
    story: str
    error: str | None = None
    output: str = ""
    count: int | None = None
    notebook: str | None = None

    def to_json(self, secrets: Iterable[str]) -> dict[str, Any]:
        """Return it as the API takes it, without `secrets` and what looks like one."""
        known = sorted({each for each in secrets if each}, key=len, reverse=True)
        code, output = _without(self.code, known), _without(self.output, known)
        return {
            "code": code[:CODE],
            "sha256": hashlib.sha256(code.encode("utf-8", "replace")).hexdigest(),
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            "status": "ok" if self.error is None else "failed",
            "error": self.error and self.error[:200],
            "output": output[:OUTPUT],
            "count": self.count,
            "notebook": self.notebook and self.notebook[:1000],
            "correlation_id": self.story,
        }


def _without(text: str, secrets: list[str]) -> str:
    for each in secrets:
        text = text.replace(each, "[masked: a secret of this kernel]")
    # What no text can carry: a lone half of a pair of surrogates.
    return mask(text).encode("utf-8", "replace").decode("utf-8")


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class _Numbered:
    """A cell with its number in the stream of its project, which it has from the beginning."""

    ran: Ran
    stream: str
    sequence: int


@dataclass
class _Stream:
    """The cells of one kernel in one project."""

    name: str
    last: int = 0
    lost: int = 0


class Reporter:
    """Sends what cells have run, in a thread that begins with the first.

    Parameters
    ----------
    send
        Sends cells to a project; raises where that fails.
    only_project
        Returns the project where none is chosen, or None; raises where it cannot know yet.
    secrets
        Returns what must not leave.
    gather_s
        How long the thread waits for more before it sends.
    """

    def __init__(
        self,
        send: Callable[[str, list[dict[str, Any]]], ReportedCells],
        only_project: Callable[[], str | None],
        secrets: Callable[[], Iterable[str]],
        *,
        gather_s: float = _GATHER_S,
    ) -> None:
        self._send, self._only_project, self._secrets = send, only_project, secrets
        self._gather_s = gather_s
        self._waiting: deque[_Numbered] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False
        self._streams: dict[str | None, _Stream] = {}
        self._refused: set[str] = set()
        self.wanted = True
        """Whether the appliance wants cells; True until it says that it does not."""

    def add(self, ran: Ran) -> None:
        """Have a cell reported, some time. Returns at once."""
        with self._changed:
            if self._ending or not self.wanted:
                return
            stream = self._streams.setdefault(ran.project, _Stream(f"kernel-{new_story()[4:]}"))
            stream.last += 1
            self._waiting.append(_Numbered(ran, stream.name, stream.last))
            self._drop_what_is_too_much()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mavis-cells", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, timeout_s: float = _END_S) -> None:
        """Send what waits, if that is quick, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._ending:
                    self._changed.wait_for(lambda: self._ending, max(pause_s, self._gather_s))
                if not self._waiting or not self.wanted:
                    if self._ending or not self.wanted:
                        return
                    continue
            try:
                self._step()
                pause_s = 0.0
            except Exception:  # the edge of the loop: no cell learns of it, it is tried again
                logger.info("Cells could not be reported yet", exc_info=True)
                pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, pause_s * 2))
                if self._ending:
                    return

    def _step(self) -> None:
        """Send the first cells of one project; raise where they must wait."""
        with self._changed:
            chosen = self._waiting[0].ran.project
            batch: list[_Numbered] = []
            while (
                self._waiting and self._waiting[0].ran.project == chosen and len(batch) < _TOGETHER
            ):
                batch.append(self._waiting.popleft())
            stream = self._streams[chosen]
            lost = stream.lost
        try:
            project, kept = chosen or self._project_of_none(), True
            if project is not None and project not in self._refused:
                kept = self._send_batch(project, batch, lost)
        except BaseException:
            with self._changed:
                self._waiting.extendleft(reversed(batch))
                self._drop_what_is_too_much()
            raise
        with self._changed:
            stream.lost += -lost if kept else len(batch)

    def _drop_what_is_too_much(self) -> None:
        while len(self._waiting) > _WAITING:
            self._streams[self._waiting.popleft().ran.project].lost += 1

    def _project_of_none(self) -> str | None:
        from mavis_kernel.errors import BadSettings, NotLoggedIn  # noqa: PLC0415 - see `later`

        try:
            return self._only_project()
        except (BadSettings, NotLoggedIn):  # nowhere to send it to
            return None

    def _send_batch(self, project: str, batch: list[_Numbered], lost: int) -> bool:
        """Send cells; return False where the appliance cannot take them, whenever they come."""
        from mavis_kernel.errors import ApiError  # noqa: PLC0415 - as above

        hidden = list(self._secrets())
        told = [
            each.ran.to_json(hidden) | {"stream": each.stream, "sequence": each.sequence}
            for each in batch
        ]
        told[0]["lost"] = lost
        try:
            self.wanted = self._send(project, told).wanted
        except ApiError as exc:
            if exc.status not in _REFUSED:
                raise
            if exc.status in _MAY_NOT:
                self._refused.add(project)  # whoever may not, may not the next time either
            return False
        return True
