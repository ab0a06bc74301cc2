"""Where the appliance is, what to say there and whom to trust.

Arguments come before environment variables, these before the credentials file. A program takes
its server's own token (``JUPYTERHUB_API_TOKEN``, set beside ``MAVIS_URL`` in a single-user
server) before a login: that token is narrow on purpose. At the command line it is the other way
round, so that `mavis login` in a terminal of Lab has an effect. The credentials file's token and
certificate belong to its address and are used with no other.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mavis_kernel.errors import BadSettings, NotLoggedIn
from mavis_kernel.masking import Secret
from mavis_kernel.profile import Profile, credentials_path, load

__all__ = [
    "Settings",
    "Trust",
    "api_url",
    "at_command_line",
    "existing_ca_file",
    "for_program",
    "hub_url",
    "is_private",
    "normal_url",
]

_SERVICE = "/services/mavis"
_API = "/api/v1"
_TokenSource = Callable[[Mapping[str, str], Profile], tuple[str | None, str]]


@dataclass(frozen=True)
class Trust:
    """Whose certificates are good.

    Parameters
    ----------
    ca_file
        Authorities to trust instead of the system's.
    pinned_certificate
        The one certificate (PEM) to accept, whatever name it bears: a person has compared its
        fingerprint. It comes before `ca_file`.
    """

    ca_file: str | None = None
    pinned_certificate: str | None = None


@dataclass(frozen=True)
class Settings:
    """How to reach one appliance as one person.

    Parameters
    ----------
    url
        Ends in ``/services/mavis``, without a slash.
    token
        None: ask without one (the appliance's health is for anybody).
    token_source
        Where the token came from, in words.
    """

    url: str
    token: Secret | None
    trust: Trust
    token_source: str = "none"  # noqa: S105 - says where from, holds no token


def for_program(
    url: str | None = None,
    token: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings of a notebook or a program; with `profile` those of that login.

    Raises
    ------
    BadSettings
        No address, or one that cannot be right.
    """
    given = (lambda *_: (token, "the argument"), _of_environment, _of_server, _of_login)
    if profile is not None:  # who names a login wants no other
        found = load(credentials_path(environ, profile))
        return _resolve(url or found.url, ca_file, environ, found, (given[0], _of_login))
    return _resolve(url, ca_file, environ, _profile_for_program(url, token, environ), given)


def at_command_line(profile: Profile, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a person at the command line whose file holds `profile`.

    Whoever names a profile means its appliance and its login: ``MAVIS_URL`` and ``MAVIS_TOKEN``,
    which may be another's, are not looked at.
    """
    if environ.get("MAVIS_PROFILE"):
        return _resolve(profile.url, None, environ, profile, (_of_login,))
    return _resolve(None, None, environ, profile, (_of_environment, _of_login, _of_server))


def normal_url(text: str) -> str:
    """Return the service's address that `text` means.

    `text` may be the appliance's bare address, its service's or its API's.

    Raises
    ------
    BadSettings
        `text` is no http(s) address.
    """
    parts = _split(text.strip())
    path = parts.path.rstrip("/").removesuffix(_API)
    if not path.endswith(_SERVICE):
        path += _SERVICE
    return f"{parts.scheme}://{parts.netloc}{path}"


def api_url(url: str) -> str:
    """Return the address of the API of the service at `url`."""
    return url + _API


def hub_url(url: str) -> str:
    """Return the address of the Hub's API that belongs to the service at `url`."""
    return url.removesuffix(_SERVICE) + "/hub/api"


def is_private(url: str) -> bool:
    """Return whether what goes to `url` can be read by nobody on the way."""
    parts = _split(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise BadSettings(
            f"The appliance's address is no http or https address: {text[:200]!r}.",
            mend="It looks like https://mavis.example.org/services/mavis.",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise BadSettings(
            "The appliance's address holds a user name, a query or a fragment.",
            mend="It looks like https://mavis.example.org/services/mavis.",
        )
    return parts


def _profile_for_program(url: str | None, token: str | None, environ: Mapping[str, str]) -> Profile:
    """Return the person's profile, unless everything is said without it."""
    has_token = token or environ.get("MAVIS_TOKEN") or environ.get("JUPYTERHUB_API_TOKEN")
    if (url or environ.get("MAVIS_URL")) and has_token:
        return Profile()
    return load(credentials_path(environ))


def _resolve(
    url: str | None,
    ca_file: str | os.PathLike[str] | None,
    environ: Mapping[str, str],
    profile: Profile,
    order: Sequence[_TokenSource],
) -> Settings:
    address = url or environ.get("MAVIS_URL") or profile.url
    if not address:
        raise NotLoggedIn(
            "No appliance is named.",
            mend="Log in: mavis login --url https://...; or set MAVIS_URL and MAVIS_TOKEN.",
        )
    address = normal_url(address)
    ours = profile if profile.url == address else Profile()
    candidates = (source(environ, ours) for source in order)
    found, source = next((each for each in candidates if each[0]), (None, "none"))
    trust = _trust(ca_file or environ.get("MAVIS_CA_FILE"), ours)
    return Settings(address, Secret(found) if found else None, trust, source)


def _of_environment(environ: Mapping[str, str], _profile: Profile) -> tuple[str | None, str]:
    return environ.get("MAVIS_TOKEN"), "MAVIS_TOKEN"


def _of_server(environ: Mapping[str, str], _profile: Profile) -> tuple[str | None, str]:
    # Beside MAVIS_URL only: elsewhere the variable belongs to another Hub's server.
    set_by_server = environ.get("JUPYTERHUB_API_TOKEN") if environ.get("MAVIS_URL") else None
    return set_by_server, "this server (JUPYTERHUB_API_TOKEN)"


def _of_login(_environ: Mapping[str, str], profile: Profile) -> tuple[str | None, str]:
    if profile.token is None or profile.has_ended:
        return None, "none"
    return profile.token.reveal(), "mavis login"


def _trust(ca_file: str | os.PathLike[str] | None, profile: Profile) -> Trust:
    if ca_file is None:
        return Trust(profile.ca_file, profile.certificate)
    return Trust(ca_file=existing_ca_file(ca_file))


def existing_ca_file(ca_file: str | os.PathLike[str]) -> str:
    """Return the absolute path of `ca_file`.

    Raises
    ------
    BadSettings
        There is no such file.
    """
    path = Path(ca_file).expanduser().absolute()
    if not path.is_file():
        raise BadSettings(
            f"There is no certificate file {path}.", mend="Correct --ca-file or MAVIS_CA_FILE."
        )
    return str(path)
