"""The addresses of the pages."""

from __future__ import annotations

from typing import Any

from mavis_ext.app import PREFIX
from mavis_hub.pages.assets import static_rules
from mavis_hub.pages.handlers import Callback, Site
from mavis_hub.pages.home import Home

__all__ = ["page_rules"]


def page_rules(site: Site) -> list[tuple[Any, ...]]:
    """Return the rules of the pages and of what they load."""
    given = {"site": site}
    return [
        (rf"{PREFIX}/?", Home, given),
        *static_rules(),
        (rf"{PREFIX}/oauth_callback", Callback, {"auth": site.identity.auth}),
    ]
