"""Fixtures for the REST API.

- `rest`: the API over one database for all tests of a module, with the log process; on each of
  the module's ``DATABASES``, or on SQLite
- `things`: names and ids of what there is in the project ``shop``, for addresses
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from core_double import plan_document
from mavis_core.db import tables
from postgres_server import PostgresServer
from public_keys import public_key
from rest_service import RestService, serving

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rest" in metafunc.fixturenames:
        databases = getattr(metafunc.module, "DATABASES", ["sqlite"])
        metafunc.parametrize("rest", databases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def rest(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RestService]:
    home = tmp_path_factory.mktemp("rest")
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database())
        yield stack.enter_context(serving(home, url=url, logs=True))


@pytest.fixture(scope="module")
def things(rest: RestService) -> dict[str, str]:
    taken = rest.ask("POST", "/projects/shop/recovery-points", body={"resource": "web-1"})
    assert taken.status == 202, taken.content
    assert rest.core.carry_out() is None
    run = taken.json["id"]
    shown = rest.ask(
        "POST", "/projects/shop/previews", body={"action": "resource.stop", "resource": "web-1"}
    )
    plan = {"name": "nightly", "definition": plan_document()}
    assert rest.ask("POST", "/projects/shop/backup-plans", body=plan).status == 201
    point = rest.ask("GET", "/projects/shop/recovery-points").json["items"][0]["id"]
    restored = rest.ask("POST", "/projects/shop/restores", body={"point": point, "kind": "volumes"})
    assert restored.status == 202, restored.content
    assert rest.core.carry_out() is None
    published = {"name": "fleet", "notebook": NOTEBOOK}
    assert rest.ask("POST", "/projects/shop/dashboards", body=published).status == 201
    key = {"name": "spare", "kind": "device-password", "value": {"password": "A"}}
    assert rest.ask("POST", "/keys", body=key).status == 201
    held = rest.ask("POST", "/projects/shop/record-holds", body={"reason": "case 7"})
    assert held.status == 201, held.content
    device = {"name": "router-1", "address": "10.0.0.7"}
    assert rest.ask("POST", "/projects/shop/devices", body=device).status == 201
    ways = "/projects/shop/devices/router-1/access-services"
    assert rest.ask("POST", ways, body={"login": "al", "key": "spare"}).status == 201
    rotated = rest.ask("POST", "/keys/spare/rotation", body={"confirm": "spare"})
    assert rotated.status == 201, rotated.content
    asked = rest.ask("POST", "/projects/shop/sessions", body={"device": "router-1"})
    assert asked.status == 201, asked.content
    with rest.core.database.write() as tx:  # as the gateway notes it
        tx.execute(sa.update(tables.sessions).values(recording=True))
    own = {"name": "laptop", "public": public_key()}
    assert rest.ask("POST", "/me/ssh-keys", body=own).status == 201
    issued = rest.ask("POST", "/me/ssh-certificates", body={"public": public_key()})
    assert issued.status == 201, issued.content
    return {
        "project": "shop",
        "key": "spare",
        "subject": "user:as-viewer",
        "environment": "main",
        "resource": "web-1",
        "preview": shown.json["id"],
        "hash": shown.json["hash"],
        "point": point,
        "plan": "nightly",
        "dashboard": "fleet",
        "version": "1",
        "restore": rest.ask("GET", "/projects/shop/restores").json["items"][0]["id"],
        "run": run,
        "record": a_record(rest),
        "hold": held.json["id"],
        "device": "router-1",
        "service": "ssh",
        "session": asked.json["session"]["id"],
        "sshkey": "laptop",
        "sshcertificate": issued.json["certificate"]["id"],
    }


def a_record(rest: RestService) -> str:
    """Return the id of a record of the project, as soon as the log has one."""
    end = time.monotonic() + 60
    while not (found := rest.ask("GET", "/projects/shop/records").json["items"]):
        assert time.monotonic() < end
        time.sleep(0.05)
    return str(found[0]["id"])
