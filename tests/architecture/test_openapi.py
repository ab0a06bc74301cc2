"""The committed description of the API is what the code says, and nobody breaks a caller by it."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from mavis_core.access import PERMISSIONS, Permission
from mavis_ext import handlers
from mavis_ext.answers import Needs
from mavis_ext.app import API, ROUTES, operations
from mavis_ext.compatibility import breaking
from mavis_ext.openapi import committed, describe, text_of
from mavis_ext.operation import operations_of

MADE = describe(operations(), API)
KEPT: dict[str, Any] = json.loads(committed())
OPERATIONS = [
    pytest.param(path, method, told, id=told["operationId"])
    for path, methods in KEPT["paths"].items()
    for method, told in methods.items()
]


def test_no_change_breaks_those_who_were_made_for_what_is_committed() -> None:
    broken = breaking(KEPT, MADE)
    assert not broken, "\n".join(broken)


def test_what_is_committed_is_what_the_code_says() -> None:
    assert committed() == text_of(MADE), "run `make openapi` and look at what it changes"


def test_every_operation_has_an_address() -> None:
    reached = {handler for _, handler in ROUTES}
    modules = [
        import_module(each.name) for each in iter_modules(handlers.__path__, "mavis_ext.handlers.")
    ]
    written = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and each.__module__ == module.__name__ and operations_of(each)
    }
    assert written <= reached


def test_every_reference_leads_somewhere() -> None:
    for ref in set(re.findall(r'"\$ref": "#/([^"]+)"', committed())):
        found: Any = KEPT
        for part in ref.split("/"):
            assert part in found, ref
            found = found[part]


def test_every_schema_is_used() -> None:
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', committed()))
    assert refs == set(KEPT["components"]["schemas"])


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [each.values[2]["operationId"] for each in OPERATIONS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", each) for each in ids)


@pytest.mark.parametrize(("path", "method", "told"), OPERATIONS)
def test_an_operation_says_what_it_is_and_what_it_asks_for(
    path: str, method: str, told: dict[str, Any]
) -> None:
    assert told["summary"][0].isupper()
    assert not told["summary"].endswith(".")
    needs = told["x-mavis-permission"]
    if needs in set(Permission):
        grant = PERMISSIONS[Permission(needs)]
        assert f"`{needs}`" in told["description"]
        assert grant.scope in told["description"]
        assert all(role in told["description"] for role in grant.roles)
    else:
        assert needs in set(Needs)
    refs = {each.get("$ref", "").rpartition("/")[2] for each in told["parameters"]}
    assert set(re.findall(r"\{(\w+)\}", path)) <= refs
    changes = method == "post" and told["operationId"] != "query_records"
    assert ("Idempotency-Key" in refs) == (changes and needs != Needs.NOTHING)
    assert told["tags"][0] in {each["name"] for each in KEPT["tags"]}


@pytest.mark.parametrize(("path", "method", "told"), OPERATIONS)
def test_a_body_that_takes_anything_has_an_example(
    path: str, method: str, told: dict[str, Any]
) -> None:
    if "requestBody" in told:
        assert told["requestBody"]["content"]["application/json"]["examples"]
