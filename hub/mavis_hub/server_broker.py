"""What the Hub may ask the api process, by a secret: who may have a notebook server.

And what it may tell: who has logged in and out, and whose server has ended.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mavis_core.access import Principal
from mavis_core.errors import InvalidInput
from mavis_core.projects.hub_records import HubRecords
from mavis_core.projects.servers import Servers
from mavis_ext.base import Services
from mavis_hub.answering import answer_rules
from mavis_hub.asking import SERVERS

__all__ = ["server_rules"]


def _may(servers: Servers, body: dict[str, Any]) -> dict[str, Any]:
    return {"may": servers.may(_principal(body))}


def _check(servers: Servers, body: dict[str, Any]) -> dict[str, Any]:
    servers.check(_principal(body))
    return {}


def _begin(servers: Servers, body: dict[str, Any]) -> dict[str, Any]:
    servers.begin(_principal(body))
    return {}


def _ended(servers: Servers, body: dict[str, Any]) -> dict[str, Any]:
    servers.ended(_principal(body))
    return {}


def _principal(body: dict[str, Any]) -> Principal:
    name, groups = body.get("name"), body.get("groups")
    if not isinstance(name, str) or not name:
        raise InvalidInput("name is missing", field="name")
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise InvalidInput("groups is no list of names", field="groups")
    return Principal(name, frozenset(groups))


_QUESTIONS = {"may": _may, "check": _check, "begin": _begin, "ended": _ended}


def server_rules(services: Services, secret: str) -> list[tuple[Any, ...]]:
    """Return the rules.

    Parameters
    ----------
    secret
        What the Hub has, and nobody else.
    """
    servers, told = services.app.servers, HubRecords(services.app.database)

    def record(body: dict[str, Any]) -> dict[str, Any]:
        told.told(body)
        return {}

    answers = {what: partial(ask, servers) for what, ask in _QUESTIONS.items()} | {"told": record}
    return answer_rules(SERVERS, answers, services, secret)
