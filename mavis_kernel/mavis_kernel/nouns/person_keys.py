# Made from aio/nouns/person_keys.py by `make client`: edit that.
"""One's own public keys, for the door for SSH clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mavis_kernel.models import PersonKey
from mavis_kernel.transport import Transport, segment

__all__ = ["PersonKeys"]


class PersonKeys:
    """The public keys of whoever asks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, fields: Sequence[str] | None = None) -> Iterator[PersonKey]:
        """Yield your public keys."""
        return self._transport.whole_list(PersonKey, "/me/ssh-keys", fields=fields)

    def get(self, name: str, *, fields: Sequence[str] | None = None) -> PersonKey:
        """Return your public key `name`."""
        return self._transport.get(PersonKey, f"/me/ssh-keys/{segment(name)}", fields=fields)

    def add(self, name: str, public: str, *, idempotency_key: str | None = None) -> PersonKey:
        """Add a public key, with whose private half you come in from an SSH client.

        Parameters
        ----------
        public
            The line of the file that ends in ``.pub``.
        idempotency_key
            As in `Projects.create`.
        """
        body = {"name": name, "public": public}
        return self._transport.post(
            PersonKey, "/me/ssh-keys", body, idempotency_key=idempotency_key
        )

    def remove(self, name: str, *, if_match: str | None = None) -> None:
        """Forget your public key `name`; it lets nobody in any more.

        Parameters
        ----------
        if_match
            `PersonKey.etag` as it was read: only where that is still so; None: whatever it is.
        """
        self._transport.delete(f"/me/ssh-keys/{segment(name)}", if_match=if_match)
