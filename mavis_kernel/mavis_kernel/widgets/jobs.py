"""One action on many resources: the plan of each, then applying it, and what becomes of each."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from mavis_kernel.client import Mavis
from mavis_kernel.errors import (
    MavisError,
    NotFound,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from mavis_kernel.models import Preview, Run
from mavis_kernel.widgets.failures import Message, failure_of

__all__ = ["Bulk", "Part"]

_AT_ONCE = 4
_ROUND_S = 1.0
_LOOK_AT_RUNS = 200
_ENDED = ("succeeded", "failed", "refused", "cancelled")
_ON_A_PAGE = "backup_plan."  # what a plan keeps decides what is deleted later
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # of a ULID
_NOTHING: Message = {"action": "", "arguments": {}, "stage": "none", "rows": []}


@dataclass(frozen=True)
class Part:
    """What becomes of one resource.

    Parameters
    ----------
    state
        ``planned``; ``unconfirmed``: it waits for the person on the page of the preview;
        ``expired``: nobody came; else the Run's state, or ``failed``.
    page
        Where the preview is confirmed; empty where that needs no page.
    """

    id: str
    name: str
    state: str
    effects: tuple[Mapping[str, object], ...] = ()
    warnings: tuple[str, ...] = ()
    preview: str = ""
    page: str = ""
    run: str = ""
    message: str = ""
    mend: str = ""
    request_id: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will become of it by itself."""
        return self.state in (*_ENDED, "expired")


@dataclass
class Bulk:
    """Plans and applies one action at a time, and follows what it has applied.

    Parameters
    ----------
    tell
        Is given all there is to show, at each change; from threads.
    wait
        Waits so many seconds, or returns True where it is all over.
    """

    client: Callable[[], Mavis]
    tell: Callable[[Message], None]
    closed: threading.Event = field(default_factory=threading.Event)
    round_s: float = _ROUND_S

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._previews: dict[str, Preview] = {}
        self._about: Message = {**_NOTHING}
        self._project = ""
        self._turn = 0
        self._threads: list[threading.Thread] = []

    @staticmethod
    def nothing() -> Message:
        """Return what there is to show before anything is planned."""
        return {**_NOTHING}

    def plan(
        self, project: str, action: str, resources: Iterable[str], arguments: Mapping[str, object]
    ) -> None:
        """Show what `action` would do to each of `resources`. Nothing is changed."""
        client, wanted = self.client(), list(resources)
        ask = _Ask(client, project, action, arguments, _new_group() if len(wanted) > 1 else None)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="plan") as pool:
            planned = list(pool.map(lambda one: _planned(ask, one), wanted))
        with self._lock:
            self._turn += 1
            self._project = project
            self._parts = {part.id: part for part, _ in planned}
            self._previews = {part.id: preview for part, preview in planned if preview is not None}
            self._about = {"action": action, "arguments": dict(arguments), "stage": "planned"}
            self._show()

    def apply(self) -> None:
        """Apply what is planned and may be applied from here; wait for what is confirmed elsewhere.

        What could not even be planned has failed.
        """
        client = self.client()
        with self._lock:
            turn, project = self._turn, self._project
            previews = dict(self._previews)
            parts = [each for each in self._parts.values() if each.state == "planned"]
            self._about["stage"] = "applied"
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="apply") as pool:
            applied = pool.map(
                lambda part: _applied(client, project, part, previews[part.id]), parts
            )
            for part in applied:
                self._see(turn, part)
        thread = threading.Thread(
            target=self._follow, args=(client, turn), name="bulk", daemon=True
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def forget(self) -> None:
        """Show nothing more. Runs go on."""
        with self._lock:
            self._turn += 1
            self._parts, self._previews, self._about = {}, {}, {**_NOTHING}
            self._show()

    def _see(self, turn: int, part: Part) -> None:
        with self._lock:
            if turn == self._turn and self._parts.get(part.id) != part:
                self._parts[part.id] = part
                self._show()

    def _show(self) -> None:
        self.tell({**self._about, "rows": [asdict(part) for part in self._parts.values()]})

    def _open(self, turn: int) -> list[Part]:
        with self._lock:
            if turn != self._turn:
                return []
            return [part for part in self._parts.values() if not part.is_over]

    def _follow(self, client: Mavis, turn: int) -> None:
        """Look each second what has become of what is not over."""
        while going := self._open(turn):
            try:
                for part in self._looked_at(client, going):
                    self._see(turn, part)
            except (Unavailable, Unreachable, UnexpectedAnswer):
                pass  # it is asked again; the Runs do not depend on it
            except MavisError as exc:
                for part in going:
                    words = f"What becomes of it cannot be seen any more: {exc.message}"
                    self._see(turn, replace(part, message=words, mend=exc.mend))
                return
            if self.closed.wait(self.round_s):
                return

    def _looked_at(self, client: Mavis, going: list[Part]) -> Iterable[Part]:
        """Yield what has become of each of `going`."""
        project, runs = self._project, dict[str, Run]()
        if any(part.run for part in going):
            runs = {run.id: run for run in client.runs.list(project, limit=_LOOK_AT_RUNS)}
        for part in going:
            if part.run:
                run = runs.get(part.run) or client.runs.get(project, part.run)
                yield _with_run(part, run)
            else:
                yield _confirmed(client, project, part)


@dataclass(frozen=True)
class _Ask:
    """What is asked for, of each of many resources.

    Parameters
    ----------
    group
        Under which they are confirmed together; None: there is one only.
    """

    client: Mavis
    project: str
    action: str
    arguments: Mapping[str, object]
    group: str | None

    def page_of(self, preview: Preview) -> str:
        """Return where a preview is confirmed; empty where that needs no page."""
        if preview.confirm is None and not self.action.startswith(_ON_A_PAGE):
            return ""
        place = f"{self.client.url}/projects/{preview.project}"
        if self.group is not None:
            return f"{place}/preview-groups/{self.group}"
        return f"{place}/previews/{preview.id}"


def _new_group() -> str:
    return "pgr_0" + "".join(secrets.choice(_LETTERS) for _ in range(25))


def _planned(ask: _Ask, resource: str) -> tuple[Part, Preview | None]:
    try:
        preview = _preview(ask, resource)
    except MavisError as exc:
        return _failed(Part(resource, resource, ""), exc), None
    page = ask.page_of(preview)
    effects = tuple(dict(each.raw) for each in preview.effects)
    part = Part(resource, preview.resource, "planned", effects, preview.warnings, preview.id, page)
    return part, preview


def _preview(ask: _Ask, resource: str) -> Preview:
    kind = ask.action.removeprefix("restore.")
    if kind in ("volumes", "instance") and kind != ask.action:
        return ask.client.restores.preview(ask.project, resource, kind, ask.arguments)
    return ask.client.previews.create(
        ask.project, ask.action, resource, ask.arguments, group=ask.group
    )


def _applied(client: Mavis, project: str, part: Part, preview: Preview) -> Part:
    if part.page:
        return replace(part, state="unconfirmed")
    try:
        return _with_run(part, client.previews.apply(project, preview))
    except MavisError as exc:
        return _failed(part, exc)


def _confirmed(client: Mavis, project: str, part: Part) -> Part:
    """Return `part` as it is once the person has been to its page."""
    try:
        preview = client.previews.get(project, part.preview)
    except NotFound:  # forgotten some time after it has expired
        return _expired(part)
    if preview.run is not None:
        return _with_run(part, client.runs.get(project, preview.run))
    if preview.error is not None:
        why = preview.error
        return replace(part, state="refused", message=why.message, mend=why.mend)
    return _expired(part) if preview.expires_at <= datetime.now(UTC) else part


def _expired(part: Part) -> Part:
    mend = "Plan it again."
    return replace(part, state="expired", message="Nobody confirmed it in time.", mend=mend)


def _with_run(part: Part, run: Run) -> Part:
    why = run.error
    return replace(
        part,
        run=run.id,
        state=str(run.state),
        message=why.message if why else "",
        mend=why.mend if why else "",
    )


def _failed(part: Part, error: MavisError) -> Part:
    told = failure_of(error)
    return replace(
        part,
        state="failed",
        message=str(told["message"]),
        mend=str(told["mend"]),
        request_id=None if told["request_id"] is None else str(told["request_id"]),
    )
