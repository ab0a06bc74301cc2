"""Sealed at rest: whoever can store a key cannot read it.

Hybrid public key encryption (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305. The public
half seals and may lie with the api process; the private half opens and lies with the platform
worker alone. The ``info`` of RFC 9180 binds a sealed value to the key's id, so that one row's
value does not open as another's.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from mavis_core.errors import Internal, InvalidInput

__all__ = ["Opener", "Sealer", "generate", "pair_of"]

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PURPOSE = "mavis vault v1 "


def generate() -> tuple[str, str]:
    """Return a new pair (private, public), each as one line of base64."""
    return pair_of(os.urandom(32))


def pair_of(secret: bytes) -> tuple[str, str]:
    """Return the pair (private, public) that 32 secret random bytes stand for.

    Whoever holds them can open what was sealed with the public half.
    """
    private = X25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes(coding.Encoding.Raw, coding.PublicFormat.Raw)
    return b64encode(secret).decode(), b64encode(public).decode()


class Sealer:
    """Seals with the public half.

    Parameters
    ----------
    public
        The public half, as `generate` returned it.
    """

    def __init__(self, public: str) -> None:
        self._key = X25519PublicKey.from_public_bytes(_raw(public))

    def seal(self, plain: bytes, *, name: str) -> str:
        """Return `plain` sealed for the row `name`, as base64."""
        return b64encode(_SUITE.encrypt(plain, self._key, _info(name))).decode()


class Opener:
    """Opens with the private half.

    Parameters
    ----------
    private
        The private half, as `generate` returned it.
    """

    def __init__(self, private: str) -> None:
        self._key = X25519PrivateKey.from_private_bytes(_raw(private))

    def __repr__(self) -> str:
        return "Opener(…)"

    def open(self, sealed: str, *, name: str) -> bytes:
        """Return what was sealed for the row `name`.

        Raises
        ------
        Internal
            It was sealed for another pair or row, or was altered.
        """
        try:
            return _SUITE.decrypt(b64decode(sealed), self._key, _info(name))
        except (InvalidTag, ValueError) as exc:
            raise Internal(
                f"The sealed value of {name} does not open with this appliance's vault key",
                mend="Store the key again, or restore the vault key that it was sealed for.",
            ) from exc


def _raw(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError as exc:  # of base64 and of what is not ASCII
        raise InvalidInput("a vault key is one line of base64") from exc
    if len(raw) != 32:
        raise InvalidInput(f"a vault key has 32 bytes, not {len(raw)}")
    return raw


def _info(name: str) -> bytes:
    return (_PURPOSE + name).encode()
