"""TLS: what is trusted, and the certificate that a server shows."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from mavis_kernel.errors import BadSettings, Unreachable
from mavis_kernel.settings import Trust

__all__ = ["context_for", "fetch", "fingerprint", "same_fingerprint"]

_FETCH_TIMEOUT_S = 10.0


def context_for(trust: Trust) -> ssl.SSLContext:
    """Return the TLS context that accepts what `trust` names.

    Raises
    ------
    BadSettings
        The file or the pinned text holds no certificate.
    """
    try:
        if trust.pinned_certificate:
            return _pinned(trust.pinned_certificate)
        return ssl.create_default_context(cafile=trust.ca_file) if trust.ca_file else _system()
    except (ssl.SSLError, OSError, ValueError) as exc:
        where = "The pinned certificate" if trust.pinned_certificate else str(trust.ca_file)
        raise BadSettings(
            f"{where} holds no certificate that can be used: {exc}.",
            mend="Name a PEM file in --ca-file or MAVIS_CA_FILE, or log in again.",
        ) from exc


def _pinned(certificate: str) -> ssl.SSLContext:
    # The certificate itself is the only anchor, and a chain may end at it though it is no
    # authority's: what is accepted is this key, so the names in it decide nothing.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def _system() -> ssl.SSLContext:
    """Return what trusts the machine's authorities, or httpx's where the machine has none."""
    context = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath
    if context.cert_store_stats()["x509_ca"] or (folder and any(Path(folder).iterdir())):
        return context
    return httpx.create_ssl_context()


def fetch(url: str) -> str:
    """Return the certificate, PEM, that the server at `url` shows. It is not verified.

    Raises
    ------
    Unreachable
        Nothing answers there with TLS.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        return ssl.get_server_certificate((host, port), timeout=_FETCH_TIMEOUT_S)
    except (OSError, ValueError) as exc:
        raise Unreachable(f"{host}:{port} shows no certificate: {exc}.") from exc


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 fingerprint of `certificate` (PEM) as ``AB:CD:...``."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def same_fingerprint(one: str, other: str) -> bool:
    """Return whether two fingerprints are the same, however they are written."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return "".join(text.lower().removeprefix("sha256").replace(":", " ").split())
