"""Logins by browser, in the words of RFC 8628."""

from __future__ import annotations

from typing import Literal

from mavis_ext.schemas.base import Schema

__all__ = ["DeviceLogin", "DeviceToken"]


class DeviceLogin(Schema):
    """A login that waits for a person with a browser (RFC 8628, section 3.2)."""

    device_code: str
    """With it the login is fetched. A secret of whoever began it."""
    user_code: str
    """What the person compares."""
    verification_uri: str
    """Where the person enters the code."""
    verification_uri_complete: str
    """The same address with the code in it."""
    expires_in: int
    """For how many seconds it waits."""
    interval: int
    """How many seconds to wait between two questions."""


class DeviceToken(Schema):
    """A login that a person has allowed (RFC 8628, section 3.5)."""

    access_token: str
    """A Hub token of that person."""
    token_type: Literal["Bearer"]
    expires_in: int
    """For how many seconds it is good."""
    username: str
    """Whose it is."""
