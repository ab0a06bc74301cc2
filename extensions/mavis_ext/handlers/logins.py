"""``/device-logins``: logging in a command line with a browser (RFC 8628).

Nobody is known here: these two addresses take no token. The page on which a person answers is
`mavis_hub.pages.login`.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qsl

from pydantic import ConfigDict, Field, SecretStr

from mavis_core.errors import InvalidInput
from mavis_core.logins.model import INTERVAL, LIFETIME
from mavis_ext import schemas
from mavis_ext.answers import Needs
from mavis_ext.base import PREFIX, ApiHandler
from mavis_ext.bodies import Body
from mavis_ext.operation import operation

__all__ = ["LOGIN_PAGE", "DeviceLogins", "DeviceToken"]

LOGIN_PAGE = f"{PREFIX}/login"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_FORM = "application/x-www-form-urlencoded"

Program = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]


class NewDeviceLogin(Body):
    """Who asks to be logged in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"client_id": "mavis", "client_name": "laptop"}]}
    )

    client_id: Program
    """The program; the person is shown it."""
    client_name: Annotated[str, Field(json_schema_extra={"minLength": 1, "pattern": r"\S"})]
    """The machine that it runs on; the person is shown it."""


class DeviceTokenRequest(Body):
    """Which login is asked about."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"grant_type": _GRANT, "device_code": "…", "client_id": "mavis"}]
        }
    )

    grant_type: Literal["urn:ietf:params:oauth:grant-type:device_code"]
    """What RFC 8628 calls this."""
    device_code: SecretStr
    """As it was told when the login began."""
    client_id: Program
    """The program that began it."""


class _Open(ApiHandler):
    """Takes no token, and forms too, as RFC 6749 has them: what it does not know it ignores."""

    authenticated = False
    takes: ClassVar[type[Body]]

    async def prepare(self) -> None:
        await super().prepare()
        media = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if self.request.method == "POST" and media == _FORM:
            self.request.body = _json_of(self.request.body, self.takes)

    @property
    def source(self) -> str:
        """The caller's address."""
        return self.request.remote_ip or "unknown"


class DeviceLogins(_Open):
    """Logins that begin."""

    takes = NewDeviceLogin

    @operation("begin_device_login", Needs.NOTHING)
    def post(self, *, body: NewDeviceLogin) -> schemas.DeviceLogin:
        """Begin a login by browser.

        Show the person the address and the code; then ask for the login at the interval. From one
        network ten logins wait at a time.
        """
        login, code = self.app.logins.begin(
            program=body.client_id, client=body.client_name, source=self.source
        )
        page = f"{self.app.config.public_url}{LOGIN_PAGE}"
        return schemas.DeviceLogin(
            device_code=code,
            user_code=login.user_code,
            verification_uri=page,
            verification_uri_complete=f"{page}?user_code={login.user_code}",
            expires_in=int(LIFETIME.total_seconds()),
            interval=int(INTERVAL.total_seconds()),
        )


class DeviceToken(_Open):
    """Logins that are fetched."""

    takes = DeviceTokenRequest

    @operation("collect_device_login", Needs.NOTHING, pool="hub")
    def post(self, *, body: DeviceTokenRequest) -> schemas.DeviceToken:
        """Fetch a login by browser, once, when a person has allowed it.

        Until then, and where they do not, the answer is 400 with a `code` of RFC 8628:
        `authorization_pending`, `slow_down`, `access_denied`, `expired_token`; or `invalid_grant`
        where no login waits under this device code, or it was handed out.
        """
        person, made = self.app.logins.collect(
            body.device_code.get_secret_value(),
            lambda grant: (grant.person, self.services.issue(grant)),
            program=body.client_id,
            source=self.source,
            request_id=self.request_id,
        )
        return schemas.DeviceToken(
            access_token=made.token,
            token_type="Bearer",  # noqa: S106  # a kind of token
            expires_in=int(made.lifetime.total_seconds()),
            username=person,
        )


def _json_of(form: bytes, model: type[Body]) -> bytes:
    try:
        fields = dict(parse_qsl(form.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as exc:
        raise InvalidInput("The body is no form") from exc
    return json.dumps(
        {name: fields[name] for name in model.model_fields if name in fields}
    ).encode()
