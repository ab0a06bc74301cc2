# Made from aio/nouns/keys.py by `make client`: edit that.
"""Keys: credentials in the vault. Values go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mavis_kernel.models import Key, KeyRotation, WayOfKey
from mavis_kernel.transport import Transport, segment

__all__ = ["Keys"]


class Keys:
    """The keys of the appliance; for platform administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, fields: Sequence[str] | None = None) -> Iterator[Key]:
        """Yield the keys, without their values."""
        return self._transport.whole_list(Key, "/keys", fields=fields)

    def get(self, name: str, *, fields: Sequence[str] | None = None) -> Key:
        """Return the key `name`, without its value."""
        return self._transport.get(Key, f"/keys/{segment(name)}", fields=fields)

    def add(
        self,
        name: str,
        value: Mapping[str, str],
        *,
        kind: str = "aws",
        idempotency_key: str | None = None,
    ) -> Key:
        """Seal a key in the vault.

        Parameters
        ----------
        name
            What environments call it.
        value
            For ``aws``: ``access_key_id``, ``secret_access_key`` and, for keys that end,
            ``session_token``.
        kind
            What the key is for.
        idempotency_key
            As in `Projects.create`.
        """
        body = {"name": name, "kind": kind, "value": dict(value)}
        return self._transport.post(Key, "/keys", body, idempotency_key=idempotency_key)

    def remove(self, name: str, *, if_match: str | None = None) -> None:
        """Remove the key `name` from the vault.

        Parameters
        ----------
        if_match
            `Key.etag` as it was read: only where that is still so; None: whatever it is.
        """
        self._transport.delete(f"/keys/{segment(name)}", if_match=if_match)

    def ways(self, name: str, *, fields: Sequence[str] | None = None) -> Iterator[WayOfKey]:
        """Yield the ways into devices that the key `name` opens: what a rotation changes."""
        return self._transport.whole_list(WayOfKey, f"/keys/{segment(name)}/ways", fields=fields)

    def rotation(self, name: str, *, fields: Sequence[str] | None = None) -> KeyRotation:
        """Return the last rotation of the key `name`."""
        return self._transport.get(KeyRotation, _rotation(name), fields=fields)

    def rotate(self, name: str, *, confirm: str, idempotency_key: str | None = None) -> KeyRotation:
        """Give the key `name` a new value at every way in that uses it; `rotation` shows how.

        Parameters
        ----------
        confirm
            The name once more.
        idempotency_key
            As in `Projects.create`.
        """
        return self._transport.post(
            KeyRotation, _rotation(name), {"confirm": confirm}, idempotency_key=idempotency_key
        )


def _rotation(name: str) -> str:
    return f"/keys/{segment(name)}/rotation"
