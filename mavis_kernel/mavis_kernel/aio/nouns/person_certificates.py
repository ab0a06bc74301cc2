"""One's own certificates for SSH, and the door that takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from mavis_kernel.aio.transport import AsyncTransport, segment
from mavis_kernel.models import IssuedCertificate, PersonCertificate, SshDoor

__all__ = ["PersonCertificates"]


class PersonCertificates:
    """The certificates for SSH of whoever asks."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(self, *, fields: Sequence[str] | None = None) -> AsyncIterator[PersonCertificate]:
        """Yield your certificates that are good, the newest first."""
        return self._transport.whole_list(PersonCertificate, "/me/ssh-certificates", fields=fields)

    async def get(
        self, certificate_id: str, *, fields: Sequence[str] | None = None
    ) -> PersonCertificate:
        """Return one of your certificates that are good."""
        return await self._transport.get(PersonCertificate, _path(certificate_id), fields=fields)

    async def issue(
        self, public: str, *, hours: int | None = None, idempotency_key: str | None = None
    ) -> IssuedCertificate:
        """Have a key certified, with whose private half you come in from an SSH client for hours.

        Parameters
        ----------
        public
            The line of the file that ends in ``.pub``.
        hours
            For how long, 24 at most; None: eight.
        idempotency_key
            As in `Projects.create`.
        """
        body = {"public": public} | ({} if hours is None else {"hours": hours})
        return await self._transport.post(
            IssuedCertificate, "/me/ssh-certificates", body, idempotency_key=idempotency_key
        )

    async def revoke(self, certificate_id: str, *, if_match: str | None = None) -> None:
        """Revoke one of your certificates; it opens nothing any more.

        Parameters
        ----------
        if_match
            `PersonCertificate.etag` as it was read: only where that is still so; None: whatever it
            is.
        """
        await self._transport.delete(_path(certificate_id), if_match=if_match)

    async def door(self, *, fields: Sequence[str] | None = None) -> SshDoor:
        """Return where the door for SSH clients is, and the key by which clients know it."""
        return await self._transport.get(SshDoor, "/ssh-door", fields=fields)


def _path(certificate_id: str) -> str:
    return f"/me/ssh-certificates/{segment(certificate_id)}"
