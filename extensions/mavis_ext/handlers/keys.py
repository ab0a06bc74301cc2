"""``/keys``: credentials of clouds and devices, sealed as they come in and never told again."""

from __future__ import annotations

from pydantic import ConfigDict, SecretStr

from mavis_core.access import Permission
from mavis_core.remote.model import KEY_FIELDS
from mavis_ext import schemas
from mavis_ext.answers import Created
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.described import Name
from mavis_ext.operation import operation
from mavis_ext.pages import listing

__all__ = ["Key", "Keys"]


class NewKey(Body):
    """A key to be stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "production",
                    "kind": "aws",
                    "value": {"access_key_id": "AKIA0000000000000000", "secret_access_key": "…"},
                }
            ]
        }
    )

    name: Name
    """What environments call it."""
    kind: str
    """The kit that understands it; `ssh-key` and `device-password` are for devices."""
    value: dict[str, SecretStr]
    """Its parts, by the names that the kit gives them."""


class Keys(ApiHandler):
    """All keys."""

    @operation("list_keys", Permission.KEY_READ)
    def get(self) -> schemas.Page[schemas.Key]:
        """List the keys in the vault, without their values."""
        return listing(schemas.Key, self.app.vault.list(self.ctx))

    @operation("create_key", Permission.KEY_WRITE)
    def post(self, *, body: NewKey) -> Created[schemas.Key]:
        """Store a key.

        Its value is sealed at once; nobody is ever told it again.
        """
        made = self.app.vault.store(
            self.ctx,
            name=body.name,
            kind=body.kind,
            value={part: text.get_secret_value() for part, text in body.value.items()},
            known={
                **KEY_FIELDS,
                **{name: kit.key_fields for name, kit in self.app.kits.items()},
            },
        )
        return Created(schemas.Key.of(made), f"/keys/{made.name}")


class Key(ApiHandler):
    """One key."""

    @operation("get_key", Permission.KEY_READ)
    def get(self, key: str) -> schemas.Key:
        """Show a key, without its value."""
        return schemas.Key.of(self.app.vault.get(self.ctx, key))

    @operation("delete_key", Permission.KEY_WRITE)
    def delete(self, key: str) -> None:
        """Forget a key that no environment and no access service uses."""
        self.app.vault.remove(self.ctx, key)
