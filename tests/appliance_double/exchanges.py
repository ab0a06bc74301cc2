"""What every call of the client does: send what the contract asks for, read all of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance_double.server import Appliance, Reply, pages
from mavis_kernel.client import Mavis

Call = Callable[[Mavis], Any]
WHOLE = ("/members", "/keys", "/environments", "/presets", "/explanation")
"""What the addresses of lists without pages end in."""


def sends_and_reads(
    appliance: Appliance, mavis: Mavis, method: str, path: str, reply: Reply, call: Call, body: Any
) -> None:
    """Check that `call` sends `body` to `path`, and reads every member of the answer."""
    appliance.on(method, path, reply)
    made = call(mavis)
    (asked,) = appliance.to(method, path)
    assert asked.body == body
    assert ("Idempotency-Key" in asked.headers) == (method == "POST")
    if reply.body is None:
        assert made is None
    else:
        unread = set(made.raw) - set(vars(made))
        assert unread == set()
        assert made.raw == reply.body


def lists_and_reads(
    appliance: Appliance, mavis: Mavis, path: str, item: Any, call: Call, query: dict[str, str]
) -> None:
    """Check that `call` sends `query` to `path`, and reads every member of the items."""
    appliance.on("GET", path, pages([item]))
    (made,) = call(mavis)
    assert made.raw == item
    assert set(item) <= set(vars(made))
    paged = {} if path.endswith(WHOLE) else {"limit": "200"}
    assert appliance.asked[0].query == {**query, **paged}
