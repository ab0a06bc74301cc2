"""Where browsers find the gateway: below no address for which they send a login."""

from __future__ import annotations

__all__ = ["TERMINALS"]

TERMINALS = "/services/mavis-gateway"
