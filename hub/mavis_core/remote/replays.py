"""Recordings as people see them: replayed, taken as a file, searched. Each of these is recorded.

Besides, whoever looks after sessions is told what stands in the way of recording them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mavis_core import records
from mavis_core.access import CallContext, Permission
from mavis_core.db import Database
from mavis_core.errors import NotFound
from mavis_core.projects.service import Projects, audit
from mavis_core.remote.alarms import Alarm
from mavis_core.remote.gateway_client import Cast
from mavis_core.remote.sessions import Sessions

__all__ = ["Found", "Replays", "Store"]

_MOST = 100


class Store(Protocol):
    """Has recordings: the gateway."""

    def cast(self, project_id: str, session_id: str, shard: int | None) -> Cast:
        """Return a recording as it comes."""

    def search(self, project_id: str, words: str, *, limit: int) -> Sequence[dict[str, object]]:
        """Return lines that screens showed."""

    def alarms(self) -> Sequence[Alarm]:
        """Return what stands in the way of recordings now."""


@dataclass(frozen=True, slots=True)
class Found:
    """A line of a recording that has what was looked for.

    Parameters
    ----------
    at_s
        When it was shown, in seconds of the recording.
    """

    session_id: str
    person: str
    device: str
    at_s: float
    text: str


class Replays:
    """The recordings of all projects.

    Parameters
    ----------
    database
        The main database.
    projects
        Guards every call.
    sessions
        Knows whose they are.
    store
        Has them.
    """

    def __init__(
        self, database: Database, projects: Projects, sessions: Sessions, store: Store
    ) -> None:
        self._database, self._projects = database, projects
        self._sessions, self._store = sessions, store

    def cast(self, ctx: CallContext, reference: str, session_id: str) -> Cast:
        """Return the recording of a session; the record of who takes it comes first.

        Raises
        ------
        NotFound
            The project has no such session, or the session no recording.
        Forbidden
            The caller may not see recordings.
        Unavailable
            The gateway does not answer.
        """
        project = self._projects.authorize(ctx, reference, Permission.RECORDING_READ).project
        session = self._sessions.get(ctx, project.id, session_id)
        if not session.recording:
            raise NotFound(f"The session {session.id} never began, so nothing was recorded")
        who = ctx.principal.name
        summary = f"{who} takes the recording of {session.person} at {session.device}"
        with self._database.write() as tx:
            records.write(tx, audit(ctx, "recording.read", session.id, summary, project=project.id))
        return self._store.cast(project.id, session.id, session.shard)

    def search(self, ctx: CallContext, reference: str, words: str) -> tuple[Found, ...]:
        """Return lines that screens of the project showed, the newest session first.

        Parameters
        ----------
        words
            What is looked for; where it is nothing, nothing is found.

        Raises
        ------
        InvalidInput
            Too much is looked for.
        Forbidden
            The caller may not see recordings.
        Unavailable
            The gateway does not answer.
        """
        project = self._projects.authorize(ctx, reference, Permission.RECORDING_READ).project
        if not words.strip():
            return ()
        summary = f"{ctx.principal.name} looks for {words[:60]!r} in recordings"
        with self._database.write() as tx:
            records.write(
                tx, audit(ctx, "recording.search", project.name, summary, project=project.id)
            )
        found = []
        for hit in self._store.search(project.id, words, limit=_MOST):
            session = self._sessions.get(ctx, project.id, str(hit["session"]))
            at_s = float(str(hit["at_s"]))
            found.append(Found(session.id, session.person, session.device, at_s, str(hit["text"])))
        return tuple(found)

    def alarms(self, ctx: CallContext, reference: str) -> tuple[Alarm, ...]:
        """Return what stands in the way of recordings now, for who may end sessions.

        Raises
        ------
        Forbidden
            The caller may not end sessions of others.
        Unavailable
            The gateway does not answer.
        """
        self._projects.authorize(ctx, reference, Permission.SESSION_END)
        return tuple(self._store.alarms())
