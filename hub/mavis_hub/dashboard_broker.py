"""What the dashboards process may ask the api process: by a secret, and for views only.

It can neither open a view nor name a person: a viewer's page opens one, and what comes with its
ticket is all that this process is told.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from mavis_core.dashboards.views import Views
from mavis_core.errors import InvalidInput
from mavis_ext.base import Services
from mavis_hub.answering import answer_rules
from mavis_hub.asking import VIEWS

__all__ = ["broker_rules"]

_AT_MOST = 1000


def _start(views: Views, body: dict[str, Any]) -> dict[str, Any]:
    ticket = body.get("ticket")
    if not isinstance(ticket, str):
        raise InvalidInput("ticket is missing", field="ticket")
    found = views.start(ticket)
    return {
        "view": found.view.id,
        "viewer": found.view.viewer,
        "project": found.dashboard.project,
        "name": found.dashboard.name,
        "title": found.dashboard.title,
        "notebook": found.notebook,
        "token": found.token,
    }


def _alive(views: Views, body: dict[str, Any]) -> dict[str, Any]:
    for view in _ids(body, "died"):
        views.died(view)
    return {"alive": sorted(views.alive(_ids(body, "views")))}


def _began(views: Views, _body: dict[str, Any]) -> dict[str, Any]:
    views.all_died()
    return {}


def _ids(body: dict[str, Any], field: str) -> list[str]:
    ids = body.get(field)
    if (
        not isinstance(ids, list)
        or len(ids) > _AT_MOST
        or not all(isinstance(each, str) for each in ids)
    ):
        raise InvalidInput(f"{field} is no list of ids", field=field)
    return ids


def broker_rules(services: Services, secret: str) -> list[tuple[Any, ...]]:
    """Return the rules.

    Parameters
    ----------
    secret
        What the dashboards process has, and nobody else.
    """
    views = services.app.views
    answers = {"start": partial(_start, views), "alive": partial(_alive, views)}
    return answer_rules(VIEWS, {**answers, "began": partial(_began, views)}, services, secret)
