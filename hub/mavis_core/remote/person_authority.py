"""The appliance's own authority for people at the front door; the gateway alone has its key.

It is not the authority for logins at devices (`authority`): no device trusts it, and what it signs
opens nothing but the door. OpenSSH user certificates (PROTOCOL.certkeys of OpenSSH).
"""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mavis_core import clock
from mavis_core.access import RESERVED
from mavis_core.errors import Forbidden, InvalidInput, OverLimit
from mavis_core.remote.person_certificates import Wanted
from mavis_core.remote.person_keys import read_public_key

__all__ = ["PersonAuthority"]

_EARLY_S = 60  # clocks of two machines are not quite the same
_EXTENSIONS = (b"permit-port-forwarding", b"permit-pty")
"""What a client may ask for; the policy of the device decides whether it gets it."""


class PersonAuthority:
    """Signs certificates of people.

    Parameters
    ----------
    key
        The private key of the authority.
    longest
        For how long a certificate is good at most.
    """

    def __init__(self, key: Ed25519PrivateKey, *, longest: timedelta) -> None:
        self._key, self._longest = key, longest

    @property
    def public(self) -> str:
        """The public half, as in ``authorized_keys``."""
        line = self._key.public_key().public_bytes(
            coding.Encoding.OpenSSH, coding.PublicFormat.OpenSSH
        )
        return line.decode("ascii")

    def sign(self, wanted: Wanted) -> str:
        """Return the certificate as a line of a file ``-cert.pub``.

        Raises
        ------
        InvalidInput
            What is to be certified is no public key.
        OverLimit
            It would be good for too long.
        Forbidden
            No person is called so.
        """
        if not wanted.person or wanted.person.startswith(RESERVED):
            raise Forbidden(f"{wanted.person[:60]!r} is no person")
        if wanted.expires_at - clock.now() > self._longest:
            raise OverLimit(
                f"A certificate is good for {self._longest // timedelta(hours=1)} hours at most",
                mend="Ask for fewer hours; remote.certificate_hours in the settings says how many.",
                field="hours",
            )
        builder = (
            coding.SSHCertificateBuilder()
            .public_key(_loaded(wanted.public))
            .serial(wanted.serial)
            .type(coding.SSHCertificateType.USER)
            .key_id(f"{wanted.person} {wanted.serial}".encode())
            .valid_principals([wanted.person.encode()])
            .valid_after(int(wanted.issued_at.timestamp()) - _EARLY_S)
            .valid_before(int(wanted.expires_at.timestamp()))
        )
        for name in _EXTENSIONS:
            builder = builder.add_extension(name, b"")
        return builder.sign(self._key).public_bytes().decode("ascii")


def _loaded(public: str) -> RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey:
    algorithm, blob = read_public_key(public)
    key = coding.load_ssh_public_key(f"{algorithm} {b64encode(blob).decode()}".encode())
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise InvalidInput(f"A key of the kind {algorithm} is not taken", field="public")
    return key
