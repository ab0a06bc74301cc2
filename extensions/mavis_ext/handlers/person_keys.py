"""``/me/ssh-keys``: the public keys with which one comes to the door for SSH clients."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Name
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["PersonKey", "PersonKeys"]


class NewPersonKey(Body):
    """A public key of one's own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "workstation",
                    "public": "ssh-ed25519"
                    " AAAAC3NzaC1lZDI1NTE5AAAAILcxOW7d+vE07O8XUmYPqXTAoqtmZw8ljCUYs0q6E80C alice",
                }
            ]
        }
    )

    name: Name
    public: Annotated[str, Field(min_length=1, max_length=16_384)]
    """The line of the file that ends in `.pub`."""


class PersonKeys(ApiHandler):
    """One's own keys."""

    @operation("list_person_keys", Permission.PERSON_KEY_WRITE)
    def get(self) -> schemas.Page[schemas.PersonKey]:
        """List your public keys."""
        return listing(schemas.PersonKey, self.app.person_keys.list(self.ctx))

    @operation("add_person_key", Permission.PERSON_KEY_WRITE)
    def post(self, *, body: NewPersonKey) -> Created[schemas.PersonKey]:
        """Add a public key, with whose private half you come in from an SSH client."""
        made = self.app.person_keys.add(self.ctx, name=body.name, public=body.public)
        return Created(schemas.PersonKey.of(made), f"/me/ssh-keys/{made.name}")


class PersonKey(ApiHandler):
    """One of them."""

    @operation("get_person_key", Permission.PERSON_KEY_WRITE)
    def get(self, sshkey: str) -> schemas.PersonKey:
        """Show one of your public keys."""
        return schemas.PersonKey.of(self.app.person_keys.get(self.ctx, sshkey))

    @operation("delete_person_key", Permission.PERSON_KEY_WRITE)
    def delete(self, sshkey: str) -> None:
        """Forget one of your public keys; it lets nobody in any more."""
        self.app.person_keys.remove(self.ctx, sshkey)
