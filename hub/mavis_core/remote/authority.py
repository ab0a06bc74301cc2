"""The appliance's own authority for logins at devices: a certificate for each session.

OpenSSH user certificates (PROTOCOL.certkeys of OpenSSH). A device that has the public half in its
``TrustedUserCAKeys`` lets in whoever brings a certificate for the login name. The key that it
certifies is made for one session and forgotten after it; it is good for a few minutes, in which the
login must begin.
"""

from __future__ import annotations

import time

from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.remote.model import AccessService, Certificate, Session

__all__ = ["Authority"]

_EARLY_S, _LATE_S = 120, 300  # clocks of devices are not exact
_EXTENSIONS: tuple[bytes, ...] = (b"permit-pty",)


class Authority:
    """Makes certificates.

    Parameters
    ----------
    key
        The private key of the authority.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> str:
        """The line for a device's ``TrustedUserCAKeys``."""
        line = self._key.public_key().public_bytes(
            coding.Encoding.OpenSSH, coding.PublicFormat.OpenSSH
        )
        return f"{line.decode()} mavis"

    def credential(self, session: Session, service: AccessService) -> Certificate:
        """Return a credential that is good for the login of `session`."""
        own, now = Ed25519PrivateKey.generate(), int(time.time())
        builder = (
            coding.SSHCertificateBuilder()
            .public_key(own.public_key())
            .type(coding.SSHCertificateType.USER)
            .key_id(f"{session.person} {session.id}".encode())
            .valid_principals([service.login.encode()])
            .valid_after(now - _EARLY_S)
            .valid_before(now + _LATE_S)
        )
        extensions = _EXTENSIONS
        if service.policy.forwarding:
            extensions = (*extensions, b"permit-port-forwarding")
        for name in sorted(extensions):
            builder = builder.add_extension(name, b"")
        certificate = builder.sign(self._key)
        pem = own.private_bytes(
            coding.Encoding.PEM, coding.PrivateFormat.OpenSSH, coding.NoEncryption()
        )
        return Certificate(pem.decode(), certificate.public_bytes().decode())
