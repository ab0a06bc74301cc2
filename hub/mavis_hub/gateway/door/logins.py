"""Who comes in, by a token of the Hub, a key that they registered, or a certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from paramiko import PKey

from mavis_hub.gateway.door.certificates import check_certificate
from mavis_hub.gateway.door.names import Name
from mavis_hub.gateway.door.ports import People, Person
from mavis_hub.gateway.door.wire import UnknownKey

__all__ = ["Logins"]


class Logins:
    """Proofs of one client, which comes from the address `source`."""

    def __init__(self, people: People, source: str, now: Callable[[], datetime]) -> None:
        self._people = people
        self._source = source
        self._now = now

    def by_token(self, name: Name | None, token: str | bytes) -> Person | None:
        """Return who it is by what was given as a password."""
        if name is None or isinstance(token, bytes):  # not even text
            return None
        return self._people.by_token(name.person, token, self._source)

    def by_key(self, name: Name | None, key: PKey | UnknownKey) -> Person | None:
        """Return who it is by a key, where the client has it, which is looked at afterwards."""
        if name is None or isinstance(key, UnknownKey):
            return None
        if key.public_blob is None:
            return self._people.by_key(name.person, key.get_base64(), self._source)
        checked = check_certificate(
            key.public_blob.key_type,
            key.public_blob.key_blob,
            name=name.person,
            source=self._source,
            authorities=self._people.authorities(),
            now=self._now(),
        )
        if checked is None:
            return None
        return self._people.by_certificate(
            name.person, checked.serial, checked.identity, self._source
        )
