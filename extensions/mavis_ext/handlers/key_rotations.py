"""``/keys/{k}/ways`` and ``/keys/{k}/rotation``: a new value for a key of devices."""

from __future__ import annotations

from pydantic import ConfigDict

from mavis_core.access import Permission
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Name
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["Rotation", "Ways"]


class NewRotation(Body):
    """A rotation that is asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirm": "web"}]})

    confirm: Name
    """The name of the key: all its ways in get another value."""


class Ways(ApiHandler):
    """The ways into devices that a key opens."""

    @operation("list_key_ways", Permission.KEY_READ)
    def get(self, key: str) -> schemas.Page[schemas.WayOfKey]:
        """List the ways into devices that a key opens: what a rotation of it changes."""
        return listing(schemas.WayOfKey, self.app.key_rotations.ways(self.ctx, key))


class Rotation(ApiHandler):
    """The last rotation of a key."""

    @operation("get_key_rotation", Permission.KEY_READ)
    def get(self, key: str) -> schemas.KeyRotation:
        """Show the last rotation of a key, with how far it is at each way into a device."""
        return schemas.KeyRotation.of(self.app.key_rotations.get(self.ctx, key))

    @operation("rotate_key", Permission.KEY_WRITE)
    def post(self, key: str, *, body: NewRotation) -> Created[schemas.KeyRotation]:
        """Give a key of devices a new value, at every way in that uses it.

        The gateway makes the value, which nobody else ever sees. On each device the old one goes
        when a login with the new one has worked. Where a device fails, its old one goes on working
        and the rotation is `failed`; asking again goes on with what is left.
        """
        asked = self.app.key_rotations.ask(self.ctx, key, confirm=body.confirm)
        return Created(schemas.KeyRotation.of(asked), f"/keys/{asked.key}/rotation")
