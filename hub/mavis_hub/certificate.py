"""The certificate of the edge proxy: self-signed and made here, or files of the administrator."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mavis_core import clock
from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_hub.ownership import Owner, write_private

__all__ = ["certificate_path", "ensure_certificate", "fingerprint", "public_names"]

# Browsers refuse certificates for longer (CA/Browser Forum ballot SC-22: 398 days).
_LIFETIME = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)


def public_names(config: Config) -> tuple[str, ...]:
    """Return the names and addresses that the certificate is for."""
    host = config.edge.public_host or config.edge.host
    wanted = (host, config.edge.host, "localhost", "127.0.0.1", "::1")
    every = ("0.0.0.0", "::")  # noqa: S104 - the words for every address, not a bind
    return tuple(dict.fromkeys(name for name in wanted if name not in every))


def certificate_path(config: Config) -> Path:
    """Return where the certificate is that people see."""
    return Path(config.edge.certificate) if config.edge.tls == "files" else config.ca_file


def fingerprint(config: Config) -> str:
    """Return the certificate's SHA-256 fingerprint, as browsers show it."""
    digest = _read(certificate_path(config)).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def ensure_certificate(config: Config, owner: Owner) -> None:
    """Make or renew the self-signed certificate, or check the administrator's files.

    Raises
    ------
    Unavailable
        A file is missing or is no certificate.
    """
    if config.edge.tls == "self-signed":
        if not _still_good(config):
            _make(config, owner)
    elif config.edge.tls == "files":
        _read(certificate_path(config))
        if not Path(config.edge.key).is_file():
            raise Unavailable(
                f"The private key edge.key = {config.edge.key!r} is no file",
                mend="Set edge.key to the PEM file that belongs to edge.certificate.",
            )


def _still_good(config: Config) -> bool:
    key = config.ca_file.with_name("key.pem")
    if not (config.ca_file.is_file() and key.is_file()):
        return False
    found = _read(config.ca_file)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same_names = list(names) == _alternative_names(config)
    return same_names and found.not_valid_after_utc - clock.now() > _RENEW_BEFORE


def _alternative_names(config: Config) -> list[x509.GeneralName]:
    return [_alternative_name(name) for name in public_names(config)]


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _make(config: Config, owner: Owner) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Mavis appliance"),
            x509.NameAttribute(NameOID.COMMON_NAME, public_names(config)[0][:64]),
        ]
    )
    now = clock.now()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,  # it signs itself; strict clients (OpenSSL 3, Python 3.13) look
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(config)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    write_private(config.ca_file.with_name("key.pem"), private.decode("ascii"), owner, 0o640)
    write_private(config.ca_file, public.decode("ascii"), owner, 0o644)


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise Unavailable(
            f"The certificate {str(path)!r} cannot be read: {exc}",
            mend="Set edge.certificate to a PEM file, or edge.tls to self-signed.",
        ) from exc
