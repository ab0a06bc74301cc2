"""Client tokens: the same token and the same parameters give what was made the first time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from cloud.overlay.context import Ask, Call
from cloud.overlay.refusals import Refusal


def once(
    call: Call,
    action: str,
    ask: Ask,
    make: Callable[[], Sequence[str]],
    *,
    code: str = "IdempotentParameterMismatch",
) -> list[str]:
    """Return the ids of what `make` makes, or has made for the same token before.

    Raises
    ------
    Refusal
        The token came before with other parameters.
    """
    token = ask.get("ClientToken")
    if not token:
        return list(make())
    rest = {name: value for name, value in ask.items() if name != "ClientToken"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()
    known = call.store.row(
        "SELECT digest, made FROM token WHERE account = ? AND region = ? AND action = ?"
        " AND token = ?",
        *(call.account, call.region, action, token),
    )
    if known is None:
        made = list(make())
        values = (call.account, call.region, action, token, digest, json.dumps(made))
        call.store.run("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)", *values)
        return made
    if known[0] != digest:
        raise Refusal(
            code,
            f"The client token '{token}' was used before with other parameters.",
        )
    found: list[str] = json.loads(known[1])
    return found
