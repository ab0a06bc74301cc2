"""Keys: credentials in the vault. Values go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mavis_kernel.models import Key
from mavis_kernel.transport import Transport, segment

__all__ = ["Keys"]


class Keys:
    """The keys of the appliance; for platform administrators."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Key]:
        """Yield the keys, without their values."""
        for item in self._transport.pages("/keys", {}, limit=None):
            yield Key.from_json(item)

    def add(self, name: str, value: Mapping[str, str], *, kind: str = "aws") -> Key:
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
        """
        body = {"name": name, "kind": kind, "value": dict(value)}
        return Key.from_json(self._transport.post("/keys", body).body)

    def remove(self, name: str) -> None:
        """Remove the key `name` from the vault."""
        self._transport.delete(f"/keys/{segment(name)}")
