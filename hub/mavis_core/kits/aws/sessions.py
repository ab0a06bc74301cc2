"""Sessions: who we are for AWS.

*Base*: the environment's static key or its profile. *Role*: what the base assumes, where the
environment names one; its credentials last an hour and renew themselves. Nothing else counts:
no key from the process's environment, no role of the machine.

The person for whom we act is in CloudTrail in any case: as ``SourceIdentity`` and session name
of an assumed role, and in the user agent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import botocore
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ConfigParseError, ProfileNotFound
from botocore.loaders import Loader
from botocore.session import Session
from botocore.utils import parse_timestamp

from mavis_core.contract import EnvironmentSettings, OnBehalf
from mavis_core.errors import CloudCredentials

if TYPE_CHECKING:  # stubs, which an appliance does not have
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef

__all__ = ["base_session", "client_config", "person_name", "role_session", "session_name"]

_ROLE_SESSION_S = 3600  # the longest that every role and a chained role allow
_NAME_LENGTH = 64
_THREADS = 32  # which work over one connection
_FORBIDDEN = re.compile(r"[^\w+=,.@-]", re.ASCII)
# Sources of credentials that nobody named. The first needs no profile, the others look at the
# machine: at files of other programs, at the container's and at the instance's role.
_AMBIENT = ("env", "ec2-credentials-file", "boto-config", "container-role", "iam-role")


def person_name(person: str) -> str:
    """Return `person` in the letters that AWS allows, 2 to 64, different for different people.

    Examples
    --------
    >>> person_name("alice@example.org")
    'alice@example.org'
    >>> person_name("Zoë")
    'Zo-.c6a12698'
    """
    name = _FORBIDDEN.sub("-", person)
    if name == person and 2 <= len(name) <= _NAME_LENGTH:
        return name
    digest = hashlib.sha256(person.encode()).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH - 9]}.{digest}"


def session_name(on_behalf: OnBehalf) -> str:
    """Return the name of a role session: the person, and what it is about."""
    about = _FORBIDDEN.sub("-", on_behalf.correlation_id)[:31]
    return f"{person_name(on_behalf.person)[: _NAME_LENGTH - 1 - len(about)]}@{about}"


def client_config(on_behalf: OnBehalf) -> Config:
    """Return the settings of every client: bounded waits, no retries of botocore's own.

    The user agent is given whole, because botocore puts its own together anew for each request,
    which takes a sixth of a call's CPU time.
    """
    about = _FORBIDDEN.sub("-", on_behalf.correlation_id)
    return Config(
        connect_timeout=5,
        max_pool_connections=_THREADS,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent=f"Botocore/{botocore.__version__} mavis"
        f" person/{person_name(on_behalf.person)} about/{about}",
    )


def base_session(
    settings: EnvironmentSettings, key: Mapping[str, str] | None, loader: Loader
) -> Session:
    """Return a session of the environment's key, or of its profile where `key` is None.

    Raises
    ------
    CloudCredentials
        There is no such profile.
    """
    session = _open(settings.options.get("profile"), loader)
    if key is not None:
        session.set_credentials(
            key["access_key_id"], key["secret_access_key"], key.get("session_token")
        )
    return session


def _open(profile: str | None, loader: Loader) -> Session:
    """Return a session that takes endpoints and the like from `profile`, else from [default]."""
    try:
        session = _default_session() if profile is None else _profile_session(profile)
        scoped = session.get_scoped_config()
    except ProfileNotFound as exc:
        raise CloudCredentials(
            f"The AWS configuration of this appliance has no profile {profile!r}",
            mend="Add the profile to the platform worker's AWS configuration file.",
        ) from exc
    except ConfigParseError as exc:
        raise CloudCredentials(
            "The AWS configuration file of this appliance cannot be read",
            mend="Correct the platform worker's AWS configuration file; it is an INI file.",
        ) from exc
    if "mfa_serial" in scoped:
        raise CloudCredentials(
            f"The profile {profile!r} asks a person for a code (mfa_serial), and nobody is there",
            mend="Use a profile without mfa_serial.",
        )
    session.register_component("data_loader", loader)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=moment)
    return session


def moment(text: str) -> datetime:
    """Return the moment of an answer; ISO 8601, as EC2 writes it, without botocore's detours.

    A page of 200 snapshots has 200 of them, and botocore tries three other forms before.
    """
    try:
        read = datetime.fromisoformat(text)
    except (TypeError, ValueError):  # other services write numbers
        return parse_timestamp(text)
    return read if read.tzinfo is not None else parse_timestamp(text)


def _default_session() -> Session:
    # without `session_vars` AWS_PROFILE of the process would choose
    session = Session(session_vars={"profile": (None, None, None, None)})
    session.register_component("credential_provider", CredentialResolver([]))
    return session


def _profile_session(profile: str) -> Session:
    session = Session(profile=profile)
    resolver: CredentialResolver = session.get_component("credential_provider")
    for source in _AMBIENT:
        resolver.remove(source)
    return session


def role_session(
    settings: EnvironmentSettings,
    on_behalf: OnBehalf,
    loader: Loader,
    *,
    sts: Callable[[], STSClient],
) -> Session:
    """Return a session of the environment's role, assumed at its first use.

    Parameters
    ----------
    settings, on_behalf
        The role and its external id; the person.
    loader
        botocore's service descriptions.
    sts
        Opens an STS client of the base; closed after each use.
    """

    def assume() -> dict[str, str]:
        client = sts()
        try:
            answer = client.assume_role(**_role_request(settings, on_behalf))
        finally:
            client.close()
        credentials = answer["Credentials"]
        if credentials["Expiration"] <= datetime.now(UTC):
            raise CloudCredentials(
                "AWS gave a session that is over already by this machine's clock",
                mend="Set this machine's clock.",
            )
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }

    session = _open(settings.options.get("profile"), loader)
    session.register_component("credential_provider", CredentialResolver([_Assumed(assume)]))
    return session


def _role_request(settings: EnvironmentSettings, on_behalf: OnBehalf) -> AssumeRoleRequestTypeDef:
    request: AssumeRoleRequestTypeDef = {
        "RoleArn": settings.options["role_arn"],
        "RoleSessionName": session_name(on_behalf),
        "SourceIdentity": person_name(on_behalf.person),
        "DurationSeconds": _ROLE_SESSION_S,
    }
    if "external_id" in settings.options:
        request["ExternalId"] = settings.options["external_id"]
    return request


class _Assumed(CredentialProvider):
    """botocore's way to bring one's own credentials."""

    METHOD = "assume-role"

    def __init__(self, assume: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._assume = assume

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._assume, method=self.METHOD)
