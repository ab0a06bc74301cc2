"""Asking before every request, so that calls stay inside a budget.

The event ``request-created`` comes before each attempt of a call, the repeated ones too, and
before the request is signed: however long the answer takes, the signature is fresh.
"""

from __future__ import annotations

from typing import Any

from botocore.client import BaseClient

from mavis_core.contract import Pace
from mavis_core.kits.aws.errors import THROTTLING
from mavis_core.kits.aws.operations import operation

__all__ = ["attach"]

_REFUSALS = 400


def attach(client: BaseClient, pace: Pace) -> None:
    """Let `pace` be asked before every request of `client`, and told of every refusal."""
    service = client.meta.service_model.service_id.hyphenize()
    region = client.meta.region_name

    def ask(*, event_name: str, **_: Any) -> None:
        pace(region, operation(event_name.rpartition(".")[2]).group)

    def tell(*, event_name: str, response: Any, **_: Any) -> None:
        if response is None or response[0].status_code < _REFUSALS:
            return
        if response[1].get("Error", {}).get("Code") in THROTTLING:
            pace.refused(region, operation(event_name.rpartition(".")[2]).group)

    client.meta.events.register_first(f"request-created.{service}", ask)
    client.meta.events.register_first(f"needs-retry.{service}", tell)
