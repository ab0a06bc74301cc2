"""Where the api is, as whom it is asked, and whose certificate is good.

All of it comes from the environment, where the Hub and the spawner put it: ``MAVIS_URL``,
``MAVIS_CA_FILE`` and ``JUPYTERHUB_API_TOKEN``, read as the client in a kernel reads them. The
client's own token, ``MAVIS_TOKEN``, and a person's credentials file are not looked at: a page
never has more authority than the server that it is on.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from mavis_ext.lab.problems import Unavailable

__all__ = ["Appliance", "find"]

_SERVICE = "/services/mavis"
_GATEWAY = "/services/mavis-gateway"
_API = "/api"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Appliance:
    """How to reach one appliance's api as one server.

    Parameters
    ----------
    scheme
        ``http`` or ``https``.
    netloc
        Host and port as the address has them, for the header ``Host``.
    path
        Where the api is: ``/services/mavis/api``.
    gateway
        Where the WebSockets of the gateway are: ``/services/mavis-gateway``.
    token
        The server's own; for the api.
    tls
        Which certificates are good; None where the address is plain http.
    """

    scheme: str
    netloc: str
    host: str
    port: int
    path: str
    gateway: str
    token: str = field(repr=False)
    tls: ssl.SSLContext | None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.netloc}"


def find(environ: Mapping[str, str]) -> Appliance:
    """Return what the environment says.

    Raises
    ------
    Unavailable
        Something is missing or cannot be right.
    """
    for name in ("MAVIS_URL", "JUPYTERHUB_API_TOKEN"):
        if not environ.get(name):
            raise Unavailable(
                f"This Jupyter server knows no appliance: {name} is not set",
                mend="Open a server that the appliance's Hub has started.",
            )
    parts = _split(environ["MAVIS_URL"].strip())
    path = parts.path.rstrip("/").removesuffix(f"{_API}/v1")
    if not path.endswith(_SERVICE):
        path += _SERVICE
    return Appliance(
        scheme=parts.scheme,
        netloc=parts.netloc,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        path=path + _API,
        gateway=path.removesuffix(_SERVICE) + _GATEWAY,
        token=environ["JUPYTERHUB_API_TOKEN"],
        tls=_trust(environ.get("MAVIS_CA_FILE")) if parts.scheme == "https" else None,
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise Unavailable(
            "The appliance's address, MAVIS_URL, is no plain http or https address",
            mend="Set MAVIS_URL to an address like https://mavis.example.org/services/mavis.",
        )
    return parts


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (ssl.SSLError, OSError, ValueError) as exc:
        raise Unavailable(
            f"The certificate file {ca_file} cannot be used: {type(exc).__name__}",
            mend="Set MAVIS_CA_FILE to a PEM file that this server may read.",
        ) from exc
