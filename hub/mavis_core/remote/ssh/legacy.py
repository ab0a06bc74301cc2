"""Old algorithms, for devices that know no others: where an access service allows them by name.

paramiko 5 has dropped what signs or exchanges keys with SHA-1. Its tables of algorithms are
attributes of its classes, so that what is old is in classes of its own, used for such devices only.
"""

from __future__ import annotations

from hashlib import sha1
from typing import ClassVar

from cryptography.hazmat.primitives import hashes
from paramiko import RSAKey
from paramiko.kex_group14 import KexGroup14SHA256

from mavis_core.remote.ssh.wire import Wire

__all__ = ["OldRSAKey", "OldWire"]


class _Group14SHA1(KexGroup14SHA256):  # type: ignore[misc]  # paramiko has no types
    """RFC 4253, section 8.2."""

    name = "diffie-hellman-group14-sha1"
    hash_algo = sha1


class _Group1SHA1(_Group14SHA1):
    """RFC 4253, section 8.1, with the group of RFC 2409, section 6.2."""

    name = "diffie-hellman-group1-sha1"
    P = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
        16,
    )


class OldRSAKey(RSAKey):  # type: ignore[misc]  # paramiko has no types
    """An RSA key that signs with SHA-1 as well (RFC 4253, section 6.6)."""

    HASHES: ClassVar = {**RSAKey.HASHES, "ssh-rsa": hashes.SHA1}


# paramiko has no other way to bring along an algorithm that it does not know itself.
_KEX = Wire._kex_info  # noqa: SLF001
_KEYS = Wire._key_info  # noqa: SLF001
_SIGNATURES = Wire._preferred_pubkeys  # noqa: SLF001


class OldWire(Wire):
    """A connection that knows old algorithms; which of them are spoken is set as for others."""

    _kex_info: ClassVar = {
        **_KEX,
        _Group14SHA1.name: _Group14SHA1,
        _Group1SHA1.name: _Group1SHA1,
    }
    _key_info: ClassVar = {**_KEYS, "ssh-rsa": OldRSAKey}
    _preferred_pubkeys: ClassVar = (*_SIGNATURES, "ssh-rsa")
