"""Certificates of people, signed by the appliance (OpenSSH's PROTOCOL.certkeys)."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

__all__ = ["Checked", "check_certificate"]

_LONGEST_S = 24 * 3600
# Clocks of two machines are not quite the same.
_AHEAD_S = 60


@dataclass(frozen=True, slots=True)
class Checked:
    """What a certificate says that is good."""

    serial: int
    identity: str


def check_certificate(
    kind: str, blob: bytes, *, name: str, source: str, authorities: Sequence[str], now: datetime
) -> Checked | None:
    """Return what the certificate says, or None where it is not good for `name` from `source` now.

    Good is one of a user, signed by one of `authorities`, whose principals have `name`, which is
    valid now and for a day at most, and of whose critical options each is known and fulfilled.
    """
    line = kind.encode("ascii", "replace") + b" " + b64encode(blob)
    try:
        found = load_ssh_public_identity(line)
        if not isinstance(found, SSHCertificate):
            return None
        signer = found.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        if signer.split()[1].decode("ascii") not in authorities:
            return None
        found.verify_cert_signature()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return None
    good = (
        found.type is SSHCertificateType.USER
        and name.encode() in found.valid_principals
        and _valid_now(found, now)
        and _options_hold(found, source)
    )
    return Checked(found.serial, found.key_id.decode("utf-8", "replace")) if good else None


def _valid_now(found: SSHCertificate, now: datetime) -> bool:
    moment = now.timestamp()
    return (
        found.valid_after - _AHEAD_S <= moment < found.valid_before
        and found.valid_before - found.valid_after <= _LONGEST_S + _AHEAD_S
    )


def _options_hold(found: SSHCertificate, source: str) -> bool:
    options = dict(found.critical_options)
    allowed = options.pop(b"source-address", None)
    if options:  # whoever does not know a critical option must refuse
        return False
    return allowed is None or _is_among(source, allowed)


def _is_among(source: str, allowed: bytes) -> bool:
    try:
        address = ipaddress.ip_address(source)
        networks = [ipaddress.ip_network(each) for each in allowed.decode("ascii").split(",")]
    except ValueError:
        return False
    return any(address in each for each in networks)
