"""The Hub's side of the edge proxy: it writes its routes to a file that only the proxy reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import toml  # type: ignore[import-untyped]  # has no stubs
from jupyterhub_traefik_proxy.fileprovider import (
    TraefikFileProviderProxy,
)
from traitlets import Bunch, Unicode, default, observe

from mavis_hub.ownership import Owner, write_private

__all__ = ["EdgeFileProxy", "RouteFile"]


class RouteFile:
    """The Hub's routes as a TOML file with an owner and a mode.

    The stock handler leaves a file of mode 0600, which a proxy with a Unix user of its own
    cannot read. The two methods are the ones that `TraefikFileProviderProxy` calls.
    """

    def __init__(self, path: Path, group: str | None) -> None:
        self._path, self._owner = path, Owner(None, group)

    def load(self) -> dict[str, Any]:
        """Return what was written last."""
        return dict(toml.loads(self._path.read_text(encoding="utf-8")))

    def atomic_dump(self, routes: dict[str, Any]) -> None:
        """Write `routes` in one step."""
        write_private(self._path, toml.dumps(routes), self._owner, 0o640)


class EdgeFileProxy(TraefikFileProviderProxy):  # type: ignore[misc]  # untyped package
    """The file provider for an edge proxy that runs as a Unix user of its own."""

    edge_group = Unicode("", config=True, help="Unix group that reads the file; empty: our own.")

    @default("dynamic_config_handler")
    def _default_handler(self) -> RouteFile:
        return RouteFile(Path(self.dynamic_config_file), self.edge_group or None)

    @observe("dynamic_config_file", "edge_group")
    def _set_dynamic_config_file(self, change: Bunch) -> None:  # noqa: ARG002 - traitlets' form
        """Replace the parent's observer, which sets the stock handler."""
        self.dynamic_config_handler = self._default_handler()
