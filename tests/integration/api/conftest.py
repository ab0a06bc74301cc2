"""Fixtures for the REST API.

- `rest`: the API over one database for all tests of a module, with the log process
- `things`: names and ids of what there is in the project ``shop``, for addresses
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rest_service import RestService, serving


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestService]:
    with serving(tmp_path_factory.mktemp("rest"), logs=True) as service:
        yield service


@pytest.fixture(scope="module")
def things(rest: RestService) -> dict[str, str]:
    taken = rest.ask("POST", "/projects/shop/snapshots", body={"resource": "web-1"})
    assert taken.status == 202, taken.content
    assert rest.core.carry_out() is None
    run = taken.json["id"]
    shown = rest.ask(
        "POST", "/projects/shop/previews", body={"action": "resource.stop", "resource": "web-1"}
    )
    key = {
        "name": "spare",
        "kind": "fake",
        "value": {"access_key_id": "A", "secret_access_key": "B"},
    }
    assert rest.ask("POST", "/keys", body=key).status == 201
    return {
        "project": "shop",
        "key": "spare",
        "subject": "user:as-viewer",
        "environment": "main",
        "resource": "web-1",
        "preview": shown.json["id"],
        "hash": shown.json["hash"],
        "snapshot": rest.ask("GET", "/projects/shop/snapshots").json["items"][0]["id"],
        "run": run,
    }
