"""The appliance's own certificate authority for syslog: small, and for nothing else.

Its key is root's (on a try-out: of whoever starts Mavis). It signs the receiver's certificate, and
one for each client; a client's key is handed out once and kept nowhere.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import InvalidInput, Unavailable
from mavis_hub.certificate import public_names
from mavis_hub.folders import secret_owners
from mavis_hub.ownership import Owner, write_private

__all__ = ["Issued", "ensure_authority", "fingerprint_of", "issue", "read_certificate"]

_AUTHORITY_LIFETIME = timedelta(days=20 * 365)
_SERVER_LIFETIME = timedelta(days=10 * 365)
_RENEW_BEFORE = timedelta(days=365)
_SKEW = timedelta(hours=1)  # of clocks of clients
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Issued:
    """A client's certificate and key, as PEM."""

    certificate: str
    key: str
    fingerprint: str
    ends_at: datetime


def ensure_authority(config: Config) -> None:
    """Make the authority and the receiver's certificate, where they are missing or end soon.

    Raises
    ------
    Unavailable
        The authority's key is gone and its certificate is there.
    """
    owner = Owner(group="mavis-syslog") if config.isolated else Owner()
    key_file, ca = config.secret_file("authority", "syslog-ca-key"), config.syslog_ca
    if not ca.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"{config.appliance.name} syslog clients"[:64])
        made = _builder(name, name, key, _AUTHORITY_LIFETIME)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(_usage(signs=True), critical=True)
        write_private(key_file, _pem_key(key), Owner())
        write_private(ca, _pem(made.sign(key, hashes.SHA256())), owner, 0o644)
    if not _still_good(config):
        authority, signing = _authority(config)
        key = ec.generate_private_key(ec.SECP256R1())
        names = _server_names(config)
        made = _builder(_name(names[0][:64]), authority.subject, key, _SERVER_LIFETIME)
        made = _leaf(made, _SERVER, [_alternative(name) for name in names], authority)
        holder = secret_owners(config).get("syslog", Owner())
        write_private(config.secret_file("syslog", "server-key"), _pem_key(key), holder)
        write_private(
            config.syslog_folder / "server.pem",
            _pem(made.sign(signing, hashes.SHA256())),
            owner,
            0o644,
        )


def issue(config: Config, name: str, project: str, days: int) -> Issued:
    """Return a new certificate for a client; nothing of it is kept here."""
    authority, signing = _authority(config)
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(_name(name), authority.subject, key, timedelta(days=days))
    where = x509.UniformResourceIdentifier(f"urn:mavis:syslog:{project}:{name}")
    signed = _leaf(made, _CLIENT, [where], authority).sign(signing, hashes.SHA256())
    return Issued(_pem(signed), _pem_key(key), fingerprint_of(signed), signed.not_valid_after_utc)


def read_certificate(path: Path) -> x509.Certificate:
    """Return the certificate in a PEM file.

    Raises
    ------
    InvalidInput
        There is none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise InvalidInput(f"{path} is no certificate: {exc}", mend="Name a PEM file.") from exc


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return its SHA-256 in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _authority(config: Config) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path = config.secret_file("authority", "syslog-ca-key")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(config.syslog_ca.read_bytes())
    except (OSError, ValueError) as exc:
        raise Unavailable(
            f"The authority of the syslog clients is not whole: {exc}",
            mend=f"Bring {path} and {config.syslog_ca} back from a backup; or remove both and the"
            " folder's clients.json, and issue every certificate anew.",
        ) from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unavailable(f"{path} holds another kind of key", mend="Bring it back from a backup.")
    return certificate, key


def _still_good(config: Config) -> bool:
    path = config.syslog_folder / "server.pem"
    if not (path.is_file() and config.secret_file("syslog", "server-key").is_file()):
        return False
    found = read_certificate(path)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same = list(names) == [_alternative(name) for name in _server_names(config)]
    return same and found.not_valid_after_utc - clock.now() > _RENEW_BEFORE


def _server_names(config: Config) -> tuple[str, ...]:
    every = ("0.0.0.0", "::")  # noqa: S104 - the words for every address, not a bind
    host = () if config.syslog.host in every else (config.syslog.host,)
    return tuple(dict.fromkeys((*public_names(config), *host)))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _leaf(
    made: x509.CertificateBuilder,
    purpose: x509.ObjectIdentifier,
    names: list[x509.GeneralName],
    authority: x509.Certificate,
) -> x509.CertificateBuilder:
    signer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer)
    return (
        made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mavis appliance"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")
