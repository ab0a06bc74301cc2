"""Which algorithms are spoken with a device: good ones, and old ones that are allowed by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from mavis_core.errors import AlgorithmsNotAllowed
from mavis_core.remote.model import LEGACY_ALGORITHMS, HostKey
from mavis_core.remote.ssh.packets import OFFERS
from mavis_core.remote.ssh.wire import Wire

__all__ = ["RSA_SIGNATURES", "choose", "not_allowed"]

# In the order of preference. AES in Galois/counter mode is the fastest here by far, since it needs
# no message authentication of its own.
_CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_HOST_KEYS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
"""What an RSA key signs with, best first."""

_LONGEST = 300


def choose(wire: Wire, pinned: Iterable[HostKey], allowed: Collection[str]) -> None:
    """Set what `wire` speaks.

    Parameters
    ----------
    pinned
        The host keys that were approved: theirs are the kinds that are asked for first.
    allowed
        Old algorithms, of `LEGACY_ALGORITHMS`.
    """
    options = wire.get_security_options()
    options.ciphers = _with_old(_CIPHERS, "cipher", allowed)
    options.digests = _with_old(_MACS, "message authentication", allowed)
    options.kex = _with_old(options.kex, "key exchange", allowed)
    kinds = {each for key in pinned for each in _signatures(key.algorithm)}
    host_keys = _HOST_KEYS + (("ssh-rsa",) if "ssh-rsa" in allowed else ())
    options.key_types = tuple(sorted(host_keys, key=lambda each: each not in kinds))


def not_allowed(name: str, offered: Sequence[Sequence[str]], wire: Wire) -> AlgorithmsNotAllowed:
    """Return the error that says what the device `name` offers, and what would do."""
    options = wire.get_security_options()
    ours = (options.kex, options.key_types, *[options.ciphers] * 2, *[options.digests] * 2)
    missing: dict[str, Sequence[str]] = {
        what: theirs
        for what, theirs, mine in zip(OFFERS, offered, ours, strict=True)
        if not set(theirs) & set(mine)
    }
    told = "; ".join(f"for {what} it offers {_named(theirs)}" for what, theirs in missing.items())
    would_do = [each for theirs in missing.values() for each in theirs if each in LEGACY_ALGORITHMS]
    mend = (
        "Update the device; or, where that cannot be, allow "
        f"{', '.join(dict.fromkeys(would_do))} in the policy of the access service."
        if would_do
        else "Update the device, or switch newer algorithms on there: these cannot be allowed."
    )
    return AlgorithmsNotAllowed(f"{name} speaks old algorithms only: {told or 'none'}", mend=mend)


def _with_old(good: Sequence[str], what: str, allowed: Collection[str]) -> tuple[str, ...]:
    old = (each for each, kind in LEGACY_ALGORITHMS.items() if kind == what and each in allowed)
    return (*good, *old)


def _signatures(algorithm: str) -> tuple[str, ...]:
    return RSA_SIGNATURES if algorithm == "ssh-rsa" else (algorithm,)


def _named(names: Sequence[str]) -> str:
    """Return what the other side offers, in words that are safe to show."""
    told = ", ".join("".join(c for c in each if c.isprintable()) for each in names)
    return (told if len(told) <= _LONGEST else f"{told[:_LONGEST]} …") or "nothing"
