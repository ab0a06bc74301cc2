"""``/projects/{p}/sessions/{s}/recording`` and ``/projects/{p}/recordings``: taken and searched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Download, Form
from mavis_ext.base import ApiHandler
from mavis_ext.downloads import send_pieces
from mavis_ext.operation import operation
from mavis_ext.pages import listing
from mavis_ext.queries import Query

__all__ = ["CAST", "Recording", "Recordings"]

CAST = "application/x-asciicast"
_FORMS = (Form(200, media=CAST),)


class SearchQuery(Query):
    """What is looked for."""

    words: Annotated[
        str, Field(max_length=200, description="As it stood on a screen, in any case.")
    ] = ""


class Recording(ApiHandler):
    """The recording of one session."""

    @operation(
        "download_recording", Permission.RECORDING_READ, pool="sql", also=_FORMS, of_now=True
    )
    async def get(self, project: str, session: str) -> Download:
        """Take the recording of a session as a file, asciicast v2.

        Of a session that is still open it has what was recorded until now. What is sent is compared
        with what was signed; where it differs the answer breaks off. Who took what is recorded
        before anything is sent: `recording.read`.
        """
        await send_pieces(
            self,
            self.services,
            self.ctx.principal.name,
            lambda: self.app.replays.cast(self.ctx, project, session),
            media=CAST,
            name=f"{session}.cast",
        )
        return Download()


class Recordings(ApiHandler):
    """All recordings of a project."""

    @operation("search_recordings", Permission.RECORDING_READ, pool="sql", of_now=True)
    def get(self, project: str, *, query: SearchQuery) -> schemas.Page[schemas.RecordingHit]:
        """Look for a text on the screens of sessions that are over, the newest session first.

        At most 100 lines. Looking is recorded: `recording.search`.
        """
        found = self.app.replays.search(self.ctx, project, query.words)
        return listing(schemas.RecordingHit, found)
