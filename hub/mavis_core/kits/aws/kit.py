"""The kit itself: checks an environment, says where it would call, connects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from mavis_core.contract import EnvironmentSettings, OnBehalf, Pace, Waiting
from mavis_core.errors import InvalidInput
from mavis_core.kits.aws.clients import SERVICES, Clients
from mavis_core.kits.aws.connection import AwsConnection, home_region, prove
from mavis_core.kits.aws.errors import translated
from mavis_core.kits.aws.retries import RetryPolicy
from mavis_core.kits.aws.sessions import base_session, client_config, role_session
from mavis_core.kits.aws.settings import check_key, check_settings

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_sts import STSClient

__all__ = ["AwsKit"]


class AwsKit:
    """Fulfils `mavis_core.contract.Kit`. Holds no key; one serves all threads.

    Parameters
    ----------
    retries
        When calls are sent again. None: the default, with the number of attempts from
        ``max_attempts`` of the AWS configuration where it is set there.
    """

    def __init__(self, retries: RetryPolicy | None = None) -> None:
        self._retries = retries
        # Parsing the description of EC2 costs 0.2 s of CPU: once a process, not once a connection
        self._loader: Loader = create_loader()

    @property
    def name(self) -> str:
        return "aws"

    @property
    def key_fields(self) -> Mapping[str, bool]:
        return {"access_key_id": True, "secret_access_key": True, "session_token": False}

    def check(self, settings: EnvironmentSettings) -> None:
        check_settings(settings)

    def endpoints(self, settings: EnvironmentSettings) -> Sequence[str]:
        check_settings(settings)
        session = base_session(settings, None, self._loader)
        places = [("sts", home_region(session, settings))]
        places += [(service, region) for region in settings.regions for service in SERVICES]
        return tuple(dict.fromkeys(_endpoint(session, *place) for place in places))

    def connect(
        self,
        settings: EnvironmentSettings,
        key: Mapping[str, str] | None,
        on_behalf: OnBehalf,
        *,
        on_wait: Waiting | None = None,
        pace: Pace | None = None,
    ) -> AwsConnection:
        check_settings(settings)
        check_key(settings, key)
        base = base_session(settings, key, self._loader)
        home = home_region(base, settings)
        clients = self._clients(base, settings, on_behalf, on_wait, pace)
        if "role_arn" in settings.options:
            as_base = clients
            assumed = role_session(
                settings,
                on_behalf,
                self._loader,
                sts=lambda: cast("STSClient", as_base.new("sts", home)),
            )
            clients = self._clients(assumed, settings, on_behalf, on_wait, pace)
        try:
            prove(clients, settings, home)
        except BaseException:
            clients.close()
            raise
        return AwsConnection(settings.account, clients)

    def _clients(
        self,
        session: Session,
        settings: EnvironmentSettings,
        on_behalf: OnBehalf,
        on_wait: Waiting | None,
        pace: Pace | None,
    ) -> Clients:
        return Clients(
            session,
            settings,
            config=client_config(on_behalf),
            policy=self._retries or _configured(session),
            on_wait=on_wait,
            pace=pace,
        )


def _configured(session: Session) -> RetryPolicy:
    """Return the default policy with ``max_attempts`` of the AWS configuration."""
    attempts = session.get_config_variable("max_attempts")
    if attempts is None:
        return RetryPolicy()
    if int(attempts) < 1:
        raise InvalidInput("max_attempts in the AWS configuration must be 1 or more")
    return replace(
        RetryPolicy(), throttled_attempts=int(attempts), failed_attempts=min(3, int(attempts))
    )


def _endpoint(session: Session, service: str, region: str) -> str:
    """Return where a client would call. The key is made up, so that none is looked for."""
    with translated(region):
        client = session.create_client(
            service,
            region_name=region,
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106  no password: nothing is signed with it
            config=Config(),
        )
    try:
        return str(client.meta.endpoint_url)
    finally:
        client.close()
