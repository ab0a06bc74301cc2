"""Credentials as paramiko takes them, and keys as people compare them."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_identity,
)
from paramiko import ECDSAKey, Ed25519Key, PKey

from mavis_core.errors import InvalidInput
from mavis_core.remote.model import (
    Certificate,
    Credential,
    HostKey,
    HostKeyState,
    Password,
    PrivateKey,
)
from mavis_core.remote.ssh.legacy import OldRSAKey

__all__ = ["check_credential", "fingerprint", "host_key", "public_line", "read_key"]

_Private: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
# OpenSSH's own bound; smaller ones are refused by every device of this century.
_SMALLEST_RSA = 1024


def check_credential(credential: Credential) -> None:
    """Check that a credential can be used, before it is kept.

    Raises
    ------
    InvalidInput
        It cannot be read; the message says why, and nothing of what it is.
    """
    if isinstance(credential, Password):
        if not credential.value or "\0" in credential.value or "\n" in credential.value:
            raise InvalidInput("The password is empty, or has a line's end in it", field="password")
    else:
        read_key(credential)


def read_key(credential: PrivateKey | Certificate) -> PKey:
    """Return the key of `credential`, with its certificate where it has one.

    Raises
    ------
    InvalidInput
        It cannot be read, it is of a kind that is not supported, or the two do not belong together.
    """
    passphrase = credential.passphrase if isinstance(credential, PrivateKey) else None
    key = _for_paramiko(_loaded(credential.pem, passphrase))
    if isinstance(credential, Certificate):
        _add_certificate(key, credential.certificate)
    return key


def public_line(credential: PrivateKey) -> str:
    """Return the public key, as it stands in ``authorized_keys``, without a comment."""
    loaded = _loaded(credential.pem, credential.passphrase)
    return loaded.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")


def fingerprint(public: str) -> str:
    """Return the fingerprint of a public key in base64, as OpenSSH writes it."""
    digest = sha256(b64decode(public)).digest()
    return f"SHA256:{b64encode(digest).decode('ascii').rstrip('=')}"


def host_key(key: PKey) -> HostKey:
    """Return what people see and approve of the host key `key`."""
    public = key.get_base64()
    return HostKey(key.get_name(), fingerprint(public), public, HostKeyState.SEEN)


def _loaded(pem: str, passphrase: str | None) -> _Private:
    data = pem.strip().encode() + b"\n"
    password = passphrase.encode() if passphrase else None
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, password)
    except TypeError:
        said = (
            "The private key is encrypted, and there is no passphrase"
            if password is None
            else "The private key is not encrypted, and there is a passphrase"
        )
        raise InvalidInput(said, field="passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(
            "The private key cannot be read"
            + (", or its passphrase is another one" if password else ""),
            mend="Give the whole file, in OpenSSH's form or PEM, with its first and last line.",
            field="private_key",
        ) from None
    if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST_RSA:
        raise InvalidInput(
            f"The RSA key has {key.key_size} bits; {_SMALLEST_RSA} are the least",
            field="private_key",
        )
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey):
        raise InvalidInput(
            "The private key is of a kind that SSH does not use any more",
            mend="Make a new one: ssh-keygen -t ed25519",
            field="private_key",
        )
    return key


def _for_paramiko(key: _Private) -> PKey:
    if isinstance(key, RSAPrivateKey):
        return OldRSAKey(key=key)
    if isinstance(key, EllipticCurvePrivateKey):
        found = ECDSAKey(vals=(key, key.public_key()))
        if found.ecdsa_curve is None:
            raise InvalidInput("SSH knows no ECDSA keys of this curve", field="private_key")
        return found
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Ed25519Key.from_private_key(io.StringIO(plain.decode("ascii")))


def _add_certificate(key: PKey, text: str) -> None:
    line = text.strip()
    try:
        certificate = load_ssh_public_identity(line.encode())
        public = certificate.public_key()  # type: ignore[union-attr]  # a plain key has none
        blob = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
        matches = b64decode(blob) == key.asbytes()
        key.load_certificate(line)
    except (ValueError, UnsupportedAlgorithm, AttributeError, OSError):
        raise InvalidInput("The certificate cannot be read", field="certificate") from None
    if not matches:
        raise InvalidInput("The certificate is over another key", field="certificate")
