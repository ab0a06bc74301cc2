"""What every command of one call shares: the options, the profile, the client."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import click

from mavis_kernel import profile as profiles
from mavis_kernel.errors import BadSettings, NotLoggedIn
from mavis_kernel.profile import Profile
from mavis_kernel.settings import Settings, at_command_line

if TYPE_CHECKING:  # help and completion need no client
    from mavis_kernel.client import Mavis

__all__ = ["State", "is_terminal"]


@dataclass
class State:
    """One call of the command.

    Parameters
    ----------
    debug
        Whether errors bring their traceback.
    output
        The form of the data: ``table``, ``json``, ``id`` or ``csv``.
    chosen_project
        ``--project`` or ``MAVIS_PROJECT``.
    """

    debug: bool = False
    output: str = "table"
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
                raise NotLoggedIn(self._why_not(settings.url), mend="Log in: mavis login.")
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
        if self.profile.url == url and self.profile.token is not None:
            return f"Your login at {url} has ended ({self.profile.expires_at:%Y-%m-%d %H:%M} UTC)."
        return f"You are not logged in at {url}."


def is_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
