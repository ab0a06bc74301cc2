"""``/keys``: credentials of clouds, sealed as they come in and never told again."""

from __future__ import annotations

from pydantic import SecretStr

from mavis_ext import forms
from mavis_ext.base import ApiHandler
from mavis_ext.bodies import Body

__all__ = ["Key", "Keys"]


class KeyBody(Body):
    """A key to be stored."""

    name: str
    kind: str
    value: dict[str, SecretStr]


class Keys(ApiHandler):
    """All keys."""

    async def get(self) -> None:
        """List them, without values."""
        self.filters()
        self.answer(forms.listing(await self.call(self.app.vault.list, self.ctx), forms.key))

    async def post(self) -> None:
        """Store one."""
        body = self.body(KeyBody)
        made = await self.call(
            self.app.vault.store,
            self.ctx,
            name=body.name,
            kind=body.kind,
            value={part: text.get_secret_value() for part, text in body.value.items()},
            known={name: kit.key_fields for name, kit in self.app.kits.items()},
        )
        self.set_header("Location", f"{self.request.path}/{made.name}")
        self.answer(forms.key(made), status=201)


class Key(ApiHandler):
    """One key."""

    async def delete(self, name: str) -> None:
        """Forget it."""
        await self.call(self.app.vault.remove, self.ctx, name)
        self.done()
