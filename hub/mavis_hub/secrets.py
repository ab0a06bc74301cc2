"""The secrets of the appliance: who holds which, and how each is made at first start.

A secret is one line of text in a file of mode 0600, in a folder of mode 0700 for each process
that holds it. What is there is never overwritten; a holder that lacks its copy gets one from
another holder. Half of a key pair of the vault can never be made again, so its loss is an error.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_core.logs.sealing import new_key
from mavis_core.vault.sealing import generate
from mavis_hub.ownership import Owner, write_private

__all__ = ["SECRETS", "Secret", "ensure_secrets"]


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret.

    Parameters
    ----------
    holders
        The processes that have a copy.
    make
        Makes a new one.
    """

    name: str
    holders: tuple[str, ...]
    make: Callable[[], str]


_Half: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of one half of a pair, and its holders."""


def _hex() -> str:
    return secrets.token_hex(32)


def _prefect_auth() -> str:
    return f"mavis:{secrets.token_urlsafe(32)}"


SECRETS: tuple[Secret, ...] = (
    Secret("prefect-auth", ("prefect", "api", "worker"), _prefect_auth),
    Secret("hub-token", ("hub", "api"), _hex),
    Secret("hub-login-token", ("hub", "api"), _hex),
    Secret("api-cookie-secret", ("api",), _hex),
    Secret("hub-cookie-secret", ("hub",), _hex),
    Secret("edge-api-password", ("hub",), _hex),
    Secret("logs-token", ("logs", "api"), _hex),
    Secret("syslog-token", ("logs", "syslog"), _hex),
    Secret("seal-key", ("logs",), new_key),
    Secret("dashboards-token", ("dashboards", "api"), _hex),
    Secret("servers-token", ("hub", "api"), _hex),
    Secret("gateway-token", ("gateway", "api"), _hex),
    Secret("gateway-hub-token", ("hub", "gateway"), _hex),
    Secret("recording-key", ("gateway",), new_key),
    Secret("door-host-key", ("gateway",), new_key),
    Secret("device-authority-key", ("gateway",), new_key),
    Secret("person-authority-key", ("gateway",), new_key),
    Secret("supervisor-password", ("supervisor",), _hex),
)
_PAIRS = (
    (("vault-private-key", ("worker",)), ("vault-public-key", ("api", "worker"))),
    (("device-private-key", ("gateway",)), ("device-public-key", ("api", "gateway"))),
)
"""Of the vault: what seals keys of clouds and keys of devices, and what opens them."""


def ensure_secrets(config: Config, owners: dict[str, Owner]) -> None:
    """Make what is missing, and give every copy to its process.

    Parameters
    ----------
    owners
        The owner of each process's folder; a process that is not named belongs to whoever runs
        this.

    Raises
    ------
    Unavailable
        The vault's private key is gone while its public key is there: what was sealed could
        never be opened again.
    """
    for secret in SECRETS:
        value = _existing(config, secret.name, secret.holders) or secret.make()
        _hand_out(config, secret.name, secret.holders, value, owners)
    for private, public in _PAIRS:
        _ensure_pair(config, private, public, owners)


def _ensure_pair(
    config: Config, private_half: _Half, public_half: _Half, owners: dict[str, Owner]
) -> None:
    private, public = _existing(config, *private_half), _existing(config, *public_half)
    if private is None and public is None:
        private, public = generate()
    if private is None or public is None:
        lost = private_half if private is None else public_half
        raise Unavailable(
            f"A key pair of the vault is not whole: {lost[0]} is missing below {config.secrets}",
            mend=f"Restore {config.secret_file(lost[1][0], lost[0])} from the backup of the"
            " appliance; a new pair could not open what the old one sealed.",
        )
    _hand_out(config, *private_half, private, owners)
    _hand_out(config, *public_half, public, owners)


def _existing(config: Config, name: str, holders: tuple[str, ...]) -> str | None:
    paths = (config.secret_file(holder, name) for holder in holders)
    return next((text for path in paths if (text := _read(path))), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _hand_out(
    config: Config, name: str, holders: tuple[str, ...], value: str, owners: dict[str, Owner]
) -> None:
    for holder in holders:
        path, owner = config.secret_file(holder, name), owners.get(holder, Owner())
        if _read(path):
            owner.give(path)
            path.chmod(0o600)
        else:
            write_private(path, value + "\n", owner)
