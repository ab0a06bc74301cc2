# Made from aio/client.py by `make client`: edit that.
"""The client of one appliance, for notebooks and programs.

>>> from mavis_kernel import Mavis
>>> mavis = Mavis()                                          # doctest: +SKIP
>>> run = mavis.recovery_points.create("shop", "web-1")     # doctest: +SKIP
>>> (mavis.runs.wait("shop", run.id)).state                 # doctest: +SKIP
<RunState.SUCCEEDED: 'succeeded'>
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

from mavis_kernel.models import Health, Me
from mavis_kernel.nouns.backup_plans import BackupPlans
from mavis_kernel.nouns.dashboards import Dashboards
from mavis_kernel.nouns.devices import Devices
from mavis_kernel.nouns.environments import Environments
from mavis_kernel.nouns.keys import Keys
from mavis_kernel.nouns.members import Members
from mavis_kernel.nouns.person_certificates import PersonCertificates
from mavis_kernel.nouns.person_keys import PersonKeys
from mavis_kernel.nouns.previews import Previews
from mavis_kernel.nouns.projects import Projects
from mavis_kernel.nouns.records import Records
from mavis_kernel.nouns.recovery_points import RecoveryPoints
from mavis_kernel.nouns.reports import Reports
from mavis_kernel.nouns.resources import Resources
from mavis_kernel.nouns.restores import Restores
from mavis_kernel.nouns.runs import Runs
from mavis_kernel.nouns.sessions import Sessions
from mavis_kernel.parsing import JsonObject
from mavis_kernel.settings import Settings, for_program
from mavis_kernel.transport import RetryPolicy, Transport

__all__ = ["Mavis"]


class Mavis:
    """One appliance, asked as one person. Safe for threads, a context manager.

    Parameters
    ----------
    url
        The appliance's address; None takes ``MAVIS_URL`` or the login of `mavis login`.
    token
        A Hub token; None takes ``MAVIS_TOKEN``, in a single-user server its own
        ``JUPYTERHUB_API_TOKEN``, or the login.
    ca_file
        Certificates (PEM) to trust instead of the system's; None takes ``MAVIS_CA_FILE``.
    profile
        Whose login, where one is taken; None takes ``MAVIS_PROFILE`` or the one in use.
    retry
        How often to try; None for the default.
    settings
        All of the above, decided elsewhere; the rest and the environment are not looked at.

    Raises
    ------
    NotLoggedIn
        No appliance is named anywhere.
    BadSettings
        What is named cannot be right.

    Notes
    -----
    Lists are iterators that fetch page after page. Every error is a
    `mavis_kernel.errors.MavisError`. With `fields` only those members are asked for, and looking
    at another one is the error `mavis_kernel.errors.NotPicked`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        *,
        profile: str | None = None,
        retry: RetryPolicy | None = None,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or for_program(url, token, ca_file, profile=profile)
        self._transport = transport = Transport(settings, retry=retry)
        self.projects = Projects(transport)
        self.members = Members(transport)
        self.keys = Keys(transport)
        self.environments = Environments(transport)
        self.resources = Resources(transport)
        self.previews = Previews(transport)
        self.backup_plans = BackupPlans(transport)
        self.recovery_points = RecoveryPoints(transport)
        self.restores = Restores(transport)
        self.reports = Reports(transport)
        self.dashboards = Dashboards(transport)
        self.runs = Runs(transport)
        self.records = Records(transport)
        self.devices = Devices(transport)
        self.sessions = Sessions(transport)
        self.person_keys = PersonKeys(transport)
        self.person_certificates = PersonCertificates(transport)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The appliance's address, ending in ``/services/mavis``."""
        return self.settings.url

    @property
    def settings(self) -> Settings:
        """Where the appliance is, as whom it is asked, and whom to trust; the token is masked."""
        return self._transport.settings

    def health(self, *, fields: Sequence[str] | None = None) -> Health:
        """Return the appliance's health; needs no token."""
        return self._transport.get(Health, "/health", fields=fields)

    def me(self, *, fields: Sequence[str] | None = None) -> Me:
        """Return who asks, as the appliance sees them."""
        return self._transport.get(Me, "/me", fields=fields)

    def description(self) -> JsonObject:
        """Return the appliance's description of its API, OpenAPI 3.1."""
        return self._transport.document("/openapi.json")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
