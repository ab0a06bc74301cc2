"""What all widgets have: a client, a project, a bundle for the page, and questions answered."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from mavis_kernel.client import Mavis
from mavis_kernel.errors import MavisError
from mavis_kernel.widgets.conversation import Answering, Conversation
from mavis_kernel.widgets.failures import Message, NoProject

__all__ = ["ProjectWidget", "Widget", "bundle"]

_STATIC = Path(__file__).resolve().parents[1] / "static"


def bundle(name: str) -> str:
    """Return a file that the page loads.

    Raises
    ------
    MavisError
        Nobody has made it.
    """
    path = _STATIC / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise MavisError(
            f"The widgets' {name} is not in {_STATIC}.",
            mend="In a clone of the repository: make assets. Elsewhere install mavis-ops again.",
        ) from exc


class Widget(anywidget.AnyWidget):
    """The base of the widgets.

    Parameters
    ----------
    mavis
        The client to ask with; None: one for the appliance of the environment or the login, made
        when it is first needed.
    styles
        Style sheets that it has besides the one of all widgets.
    """

    url = traitlets.Unicode(
        read_only=True, help="The address below which Mavis's own pages are."
    ).tag(sync=True)

    def __init__(
        self,
        bundle_name: str,
        *,
        mavis: Mavis | None = None,
        styles: Sequence[str] = (),
        **traits: Any,
    ) -> None:
        self._own_client = mavis
        self._making = threading.Lock()
        self._state_lock = threading.RLock()
        self._conversation = Conversation(self._tell, self._answering())  # `close` needs it
        self.add_traits(
            _esm=traitlets.Unicode(bundle(f"{bundle_name}.js")).tag(sync=True),
            _css=traitlets.Unicode(
                "".join(bundle(f"{name}.css") for name in ("widgets", *styles))
            ).tag(sync=True),
        )
        super().__init__(**traits)
        if mavis is not None:
            self.set_trait("url", mavis.url)
        self.on_msg(self._hear)

    def _answering(self) -> Mapping[str, Answering]:
        """Return what answers, by the question."""
        raise NotImplementedError(f"{type(self).__name__} says which questions it answers")

    @property
    def mavis(self) -> Mavis:
        """The client.

        Raises
        ------
        NotLoggedIn, BadSettings
            No appliance is named anywhere, or what is named cannot be right.
        """
        with self._making:
            if self._own_client is None:
                self._own_client = Mavis()
            client = self._own_client
        if self.url != client.url:
            self.change(url=client.url)
        return client

    def change(self, **traits: object) -> None:
        """Set traits, from whatever thread."""
        with self._state_lock:
            for name, value in traits.items():
                self.set_trait(name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page has set."""
        with self._state_lock:
            super().set_state(sync_data)

    def close(self) -> None:
        """End the widget and its threads."""
        self._conversation.close()
        super().close()

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        self._conversation.hear(content)

    def _tell(self, message: Message) -> None:
        self.send(message)


class ProjectWidget(Widget):
    """The base of the widgets of one project.

    Parameters
    ----------
    project
        Its name or id, or a widget with a `value` that is one, such as `ProjectPicker`; None: what
        ``MAVIS_PROJECT`` says.
    """

    project = traitlets.Unicode(
        None, allow_none=True, help="Name or id of the project; None: none is chosen."
    ).tag(sync=True)

    production = traitlets.Bool(help="Whether the project is marked as in production.").tag(
        sync=True
    )

    def __init__(
        self,
        bundle_name: str,
        project: str | traitlets.HasTraits | None = None,
        *,
        mavis: Mavis | None = None,
        **traits: Any,
    ) -> None:
        named = project if isinstance(project, str) else os.environ.get("MAVIS_PROJECT") or None
        self._marked: str | None = None
        super().__init__(bundle_name, mavis=mavis, project=named, **traits)
        if isinstance(project, traitlets.HasTraits):
            self._link = traitlets.dlink((project, "value"), (self, "project"))

    def named(self) -> str:
        """Return the project.

        Raises
        ------
        NoProject
            None is chosen.
        """
        if not self.project:
            raise NoProject("No project is chosen.")
        project = str(self.project)
        if project != self._marked:
            self._mark(project)
        return project

    def _mark(self, project: str) -> None:
        """Find out, once for each project, whether it is in production."""
        self._marked = project
        try:
            found = self.mavis.projects.get(project, fields=("production",))
        except MavisError:  # what the widget asks for itself says what is wrong
            self.change(production=False)
        else:
            self.change(production=found.production)
