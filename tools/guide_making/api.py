"""The tables of the guide to the REST API: operations, errors, limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from guide_making.markdown import first_sentence, table
from mavis_core.access import PERMISSIONS, Permission, Role, Scope
from mavis_core.changes import previews, replies
from mavis_core.config import load
from mavis_core.db.paging import MAX_LIMIT
from mavis_core.errors import Cancelled, CloudError, Interrupted, MavisError, all_errors
from mavis_core.logs.exports import MOST_EXPORTED, MOST_EXPORTED_BYTES
from mavis_ext.answers import Needs
from mavis_ext.app import FOLLOWED_BY_ONE, TAKEN_BY_ONE
from mavis_ext.base import MAX_BODY
from mavis_ext.openapi import committed
from mavis_hub.hub_identity import CACHE_S
from mavis_hub.routes import EVERYWHERE, Rate, routes

__all__ = ["errors", "limits", "operations", "run_errors"]

_SCOPES = {scope.value: scope.value.rpartition(":")[2] for scope in Scope}


_WITHOUT = {
    Needs.NOTHING: "everybody, also without a token",
    Needs.LOGIN: "everybody with a token",
    Needs.ACTION: "who may do what the preview shows",
}


def operations() -> str:
    """Return a table of operations for each noun."""
    document = json.loads(committed())
    by_tag: dict[str, list[Sequence[str]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            permission, who = _asked_for(told["x-mavis-permission"])
            address = f"`{method.upper()} {path}`"
            by_tag[told["tags"][0]].append((f"`{told['operationId']}`", address, permission, who))
    words = {tag["name"]: tag["description"] for tag in document["tags"]}
    head = ("id", "method and address", "permission", "who has it")
    return "\n".join(
        f"**{tag}**: {_small(words[tag])}\n\n{table(head, rows)}"
        for tag, rows in by_tag.items()
        if rows
    )


def _asked_for(needs: str) -> tuple[str, str]:
    """Return the permission that an operation asks for, and who has it."""
    if needs not in set(Permission):
        return "", _WITHOUT[Needs(needs)]
    grant = PERMISSIONS[Permission(needs)]
    who = ", ".join(role.value for role in Role if role in grant.roles)
    return f"`{needs}` ({_SCOPES[grant.scope]})", who or "platform administrators"


def errors() -> str:
    """Return the errors that an answer may be."""
    found = [kind for kind in _kinds() if not _of_runs(kind)]
    rows = [
        (str(kind.status), f"`{kind.code}`", first_sentence(kind), kind.default_mend)
        for kind in found
    ]
    return table(("status", "code", "what it means", "what to do"), rows)


def run_errors() -> str:
    """Return the errors that a Run may end with."""
    found = [kind for kind in _kinds() if _of_runs(kind)]
    rows = [(f"`{kind.code}`", first_sentence(kind), kind.default_mend) for kind in found]
    return table(("code", "what it means", "what to do"), rows)


def _kinds() -> list[type[MavisError]]:
    kinds = {kind.code: kind for kind in reversed(all_errors()[1:])}
    return sorted(kinds.values(), key=lambda kind: (kind.status, kind.code))


def _of_runs(kind: type[MavisError]) -> bool:
    return issubclass(kind, CloudError | Cancelled | Interrupted)


def limits() -> str:
    """Return what is bounded, and what is answered beyond it."""
    settings = load(environ={})
    (edge,) = (row.rate for row in routes(settings) if row.name == "api")
    assert edge is not None  # noqa: S101  # the route table has one
    api = settings.api
    rows = [
        ("a request's body", f"{MAX_BODY // 1024**2} MiB", "413"),
        ("items of a page", f"{MAX_LIMIT}", "400"),
        (
            "records of one export",
            f"{MOST_EXPORTED:,}, with {MOST_EXPORTED_BYTES >> 30} GiB of text",
            "400",
        ),
        ("exports that one person takes at a time", f"{TAKEN_BY_ONE}", "429"),
        ("streams of records that one person follows", f"{FOLLOWED_BY_ONE}", "429"),
        (
            "calls of one person",
            f"{api.rate_per_s:g} a second, {api.burst} at once (`api.rate_per_s`, `api.burst`)",
            "429",
        ),
        ("calls from one address to the API", _rate(edge), "429"),
        ("requests from one address to the appliance", _rate(EVERYWHERE), "429"),
        (
            "time for which an answer is kept under its `Idempotency-Key`",
            _span(replies.LIFETIME),
            "",
        ),
        ("time in which a preview can be applied", _span(previews.LIFETIME), "409"),
        ("time after which a revoked token is refused everywhere", f"{CACHE_S} s", "401"),
    ]
    return table(("what", "how much", "beyond it"), rows)


def _rate(rate: Rate) -> str:
    return f"{rate.average} a second, {rate.burst} at once"


def _span(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return f"{hours} hours" if hours else f"{minutes} minutes"


def _small(text: str) -> str:
    return text[0].lower() + text[1:]
