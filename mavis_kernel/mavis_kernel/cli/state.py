"""What every command of one call shares: the options, the profile, the client."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import click

from mavis_kernel import profile as profiles
from mavis_kernel.errors import BadSettings, NotLoggedIn
from mavis_kernel.profile import Profile
from mavis_kernel.profiles import names
from mavis_kernel.settings import Settings, at_command_line

if TYPE_CHECKING:  # help and completion need no client
    from mavis_kernel.client import Mavis
    from mavis_kernel.parsing import Model

__all__ = ["State", "Watcher", "is_terminal"]


class Watcher(Protocol):
    """Shows data again at each change."""

    def list(
        self, items: Sequence[Model], lines: Sequence[str], ids: Sequence[str], words: str
    ) -> None:
        """Show a list: its `lines` as a table, a heading first, and `words` below it."""

    def one(self, item: Model, fields: Sequence[tuple[str, str]], id_text: str) -> None:
        """Show an object."""


@dataclass
class State:
    """One call of the command.

    Parameters
    ----------
    debug
        Whether errors bring their traceback.
    output
        The form of the data: ``table``, ``json``, ``yaml``, ``id`` or ``csv``.
    chosen_fields
        ``--fields``; None for all.
    watch
        Whether to go on showing what changes.
    watcher
        Where data goes while it is watched; None otherwise.
    chosen_project
        ``--project`` or ``MAVIS_PROJECT``.
    """

    debug: bool = False
    output: str = "table"
    chosen_fields: tuple[str, ...] | None = None
    watch: bool = False
    watcher: Watcher | None = None
    chosen_project: str | None = None
    _client: list[Mavis] = field(default_factory=list, repr=False)

    @cached_property
    def profile(self) -> Profile:
        """The person's profile."""
        return profiles.load(profiles.credentials_path())

    @property
    def project(self) -> str:
        """The project that the command is about.

        Raises
        ------
        BadSettings
            None was chosen.
        """
        chosen = self.chosen_project or self.profile.project
        if not chosen:
            self.client()  # who is not logged in hears that first
            raise BadSettings(
                "No project is chosen.",
                mend="Name one with -p, or keep one: mavis project use NAME."
                " mavis project list shows yours.",
            )
        return chosen

    @property
    def fields(self) -> tuple[str, ...] | None:
        """Which fields to ask for; None for all."""
        return None if self.output == "id" else self.chosen_fields

    @property
    def is_document(self) -> bool:
        """Whether the data is to be a document: what the appliance told, whole."""
        return self.output in ("json", "yaml")

    @property
    def is_table(self) -> bool:
        """Whether a person reads the data."""
        return self.output == "table"

    def settings(self) -> Settings:
        """Return where to ask and as whom; the token may be missing."""
        return at_command_line(self.profile)

    def client(self) -> Mavis:
        """Return the client of the person who is logged in.

        Raises
        ------
        NotLoggedIn
            There is no token for this appliance, or it has ended.
        """
        if not self._client:
            settings = self.settings()
            if settings.token is None:
                name = profiles.chosen()
                more = "" if name == profiles.DEFAULT else f" --profile {name}"
                raise NotLoggedIn(self._why_not(settings.url), mend=f"Log in: mavis login{more}.")
            self._client.append(self.connect(settings))
        return self._client[0]

    @staticmethod
    def connect(settings: Settings) -> Mavis:
        """Return a client with `settings` that is closed with the command."""
        from mavis_kernel.client import Mavis  # noqa: PLC0415 - help needs none

        client = Mavis(settings=settings)
        click.get_current_context().call_on_close(client.close)
        return client

    def _why_not(self, url: str) -> str:
        name = profiles.chosen()
        if name not in (profiles.DEFAULT, *names()):
            return f"There is no login {name!r}; mavis profile list shows yours."
        if self.profile.url == url and self.profile.token is not None:
            return f"Your login at {url} has ended ({self.profile.expires_at:%Y-%m-%d %H:%M} UTC)."
        return f"You are not logged in at {url}."


def is_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
