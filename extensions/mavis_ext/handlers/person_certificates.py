"""``/me/ssh-certificates`` and ``/ssh-door``: coming to the door for SSH clients for some hours."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Created, Needs
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["PersonCertificate", "PersonCertificates", "SshDoor"]


class NewPersonCertificate(Body):
    """A key of one's own that is to be certified."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "public": "ssh-ed25519"
                    " AAAAC3NzaC1lZDI1NTE5AAAAILcxOW7d+vE07O8XUmYPqXTAoqtmZw8ljCUYs0q6E80C alice",
                    "hours": 8,
                }
            ]
        }
    )

    public: Annotated[str, Field(min_length=1, max_length=16_384)]
    """The line of the file that ends in `.pub`."""
    hours: Annotated[int, Field(ge=1, le=24)] | None = None
    """For how long it is to be good; none: eight, or what is allowed where that is less."""


class PersonCertificates(ApiHandler):
    """One's own certificates."""

    @operation("list_person_certificates", Permission.PERSON_KEY_WRITE)
    def get(self) -> schemas.Page[schemas.PersonCertificate]:
        """List your certificates for SSH that are good, the newest first."""
        found = self.app.person_certificates.list(self.ctx)
        return listing(schemas.PersonCertificate, found)

    @operation("issue_person_certificate", Permission.PERSON_KEY_WRITE)
    def post(self, *, body: NewPersonCertificate) -> Created[schemas.IssuedCertificate]:
        """Have a key certified, with whose private half you come in from an SSH client for hours.

        The certificate is made by the appliance's own authority for people, and good at its door
        for SSH clients alone. Where a name of a device is asked for, its policy decides as always.
        """
        issued = self.app.person_certificates.issue(
            self.ctx,
            public=body.public,
            lifetime=None if body.hours is None else timedelta(hours=body.hours),
        )
        told = schemas.IssuedCertificate.told(issued)
        return Created(told, f"/me/ssh-certificates/{told.certificate.id}")


class PersonCertificate(ApiHandler):
    """One of them."""

    @operation("get_person_certificate", Permission.PERSON_KEY_WRITE)
    def get(self, sshcertificate: str) -> schemas.PersonCertificate:
        """Show one of your certificates for SSH that are good."""
        found = self.app.person_certificates.get(self.ctx, sshcertificate)
        return schemas.PersonCertificate.of(found)

    @operation("revoke_person_certificate", Permission.PERSON_KEY_WRITE)
    def delete(self, sshcertificate: str) -> None:
        """Revoke one of your certificates for SSH; it opens nothing any more.

        Sessions that are open go on; end them by themselves where that is wanted.
        """
        self.app.person_certificates.revoke(self.ctx, sshcertificate)


class SshDoor(ApiHandler):
    """The door for SSH clients."""

    @operation("get_ssh_door", Needs.LOGIN)
    def get(self) -> schemas.SshDoor:
        """Show where the door for SSH clients is, and the key by which clients know it."""
        return schemas.SshDoor.of(self.app.front_doors.get())
