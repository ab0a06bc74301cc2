"""The recording of a session, in a notebook."""

from __future__ import annotations

import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.models import Session
from mavis_kernel.widgets.lab import LabWidget

__all__ = ["Player"]


class Player(LabWidget):
    """Replays the recording of a session: any second, any speed, with search. That is recorded.

    Parameters
    ----------
    session
        A session or its id.
    project, mavis
        As in `ProjectWidget`; the project of a `Session` is known.
    at_s
        At which second of the recording it begins.

    Examples
    --------
    >>> Player("ses_01jd…", "shop", at_s=42)      # doctest: +SKIP
    """

    session = traitlets.Unicode(help="Id of the session.").tag(sync=True)
    at_s = traitlets.Float(0.0, min=0.0, help="The second that is shown; set it to jump.").tag(
        sync=True
    )

    def __init__(
        self,
        session: Session | str,
        project: str | traitlets.HasTraits | None = None,
        *,
        at_s: float = 0.0,
        mavis: Mavis | None = None,
    ) -> None:
        if isinstance(session, Session):
            project = project or session.project
            session = session.id
        super().__init__("player", project, mavis=mavis, session=session, at_s=at_s)
