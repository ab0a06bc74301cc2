"""``/openapi.json``: the contract itself."""

from __future__ import annotations

from mavis_ext.answers import JSON, File, Form, Needs
from mavis_ext.base import ApiHandler
from mavis_ext.openapi import committed
from mavis_ext.operation import operation

__all__ = ["OpenApi"]


class OpenApi(ApiHandler):
    """The description of this API."""

    @operation("get_openapi", Needs.LOGIN, also=(Form(200, media=JSON),))
    def get(self) -> File:
        """Show the description of this API (OpenAPI 3.1)."""
        return File(committed(), JSON, "mavis-openapi.json")
