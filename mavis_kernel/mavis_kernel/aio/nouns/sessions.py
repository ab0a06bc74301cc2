"""Sessions at devices: opened, watched and ended."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import IO

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import RecordingHit, Session, SessionState, Ticket
from mavis_kernel.record_export import opened

__all__ = ["Sessions"]


class Sessions:
    """The sessions of a project."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        project: str,
        *,
        person: str | None = None,
        device: str | None = None,
        state: SessionState | str | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> AsyncIterator[Session]:
        """Yield the sessions of `project`, the newest first.

        Parameters
        ----------
        person, device, state
            Only of this person, at the device of this name, in this state.
        limit
            At most so many; None for all.
        """
        params = {"person": person, "device": device, "state": state}
        return self._transport.list(Session, _path(project), params, limit=limit, fields=fields)

    async def get(
        self, project: str, session_id: str, *, fields: Sequence[str] | None = None
    ) -> Session:
        """Return one session."""
        return await self._transport.get(Session, _path(project, session_id), fields=fields)

    async def open(
        self,
        project: str,
        device: str,
        *,
        service: str | None = None,
        command: str | None = None,
        entrance: str = "notebook",
        idempotency_key: str | None = None,
    ) -> Ticket:
        """Open a session at `device`; the ticket lets in at the gateway, once and for a minute.

        Parameters
        ----------
        service
            The way into the device; None: the only one, or that of the name ``ssh``.
        command
            What to run; None: a terminal.
        entrance
            ``notebook`` or ``browser``.
        idempotency_key
            As in `Projects.create`.
        """
        body = {
            "device": device,
            "access_service": service,
            "kind": "terminal" if command is None else "command",
            "command": command,
            "entrance": entrance,
        }
        return await self._transport.post(
            Ticket, _path(project), body, idempotency_key=idempotency_key
        )

    async def come_back(
        self, project: str, session_id: str, *, idempotency_key: str | None = None
    ) -> Ticket:
        """Return a ticket with which to come back to a session of one's own."""
        path = f"{_path(project, session_id)}/return"
        return await self._transport.post(Ticket, path, {}, idempotency_key=idempotency_key)

    async def watch(
        self, project: str, session_id: str, *, idempotency_key: str | None = None
    ) -> Ticket:
        """Return a ticket with which to look on. That is recorded."""
        path = f"{_path(project, session_id)}/watch"
        return await self._transport.post(Ticket, path, {}, idempotency_key=idempotency_key)

    async def recording(
        self,
        project: str,
        session_id: str,
        file: str | os.PathLike[str] | IO[bytes],
        *,
        overwrite: bool = False,
    ) -> int:
        """Write the recording of a session into a file, asciicast v2; return its size in bytes.

        Of a session that is still open it has what was recorded until now. The appliance records
        who took it.

        Parameters
        ----------
        file
            A path, where the file is there whole or not at all; or something to write bytes into.
        overwrite
            Whether a file that is there already may be replaced.

        Raises
        ------
        BadSettings
            There is a file already, or none can be written there.
        """
        path = f"{_path(project, session_id)}/recording"
        with opened(file, overwrite=overwrite) as target:
            return await self._write(path, target)

    async def _write(self, path: str, target: IO[bytes]) -> int:
        """Write what is at `path` into a file; return its size in bytes."""
        size = 0
        async with aclosing(self._transport.download(path, {}, lambda _: None)) as contents:
            async for content in contents:
                target.write(content)
                size += len(content)
        return size

    def search(
        self, project: str, words: str, *, fields: Sequence[str] | None = None
    ) -> AsyncIterator[RecordingHit]:
        """Yield lines with `words` on the screens of sessions that are over, the newest first.

        The appliance records who has looked for what.
        """
        path = f"/projects/{segment(project)}/recordings"
        return self._transport.whole_list(RecordingHit, path, {"words": words}, fields=fields)

    async def end(
        self,
        project: str,
        session_id: str,
        *,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> Session:
        """End a session within some seconds; who is in it is told who ended it."""
        path = f"{_path(project, session_id)}/end"
        body = {"reason": reason}
        return await self._transport.post(Session, path, body, idempotency_key=idempotency_key)


def _path(project: str, session_id: str | None = None) -> str:
    path = f"/projects/{segment(project)}/sessions"
    return path if session_id is None else f"{path}/{segment(session_id)}"
