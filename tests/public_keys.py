"""Public keys of people, as their SSH clients make them."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["public_key"]


def public_key(comment: str = "somebody@laptop") -> str:
    """Return a line as of a file ``.pub``; its private half is gone."""
    line = Ed25519PrivateKey.generate().public_key()
    text = line.public_bytes(coding.Encoding.OpenSSH, coding.PublicFormat.OpenSSH).decode()
    return f"{text} {comment}"
