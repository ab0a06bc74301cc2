"""What breaks callers is named, and what breaks nobody is let through."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from mavis_ext.compatibility import breaking
from mavis_ext.openapi import committed

Json = dict[str, Any]
OLD: Json = json.loads(committed())
PROJECT = "/projects/{project}"


def schema(document: Json, name: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    return found


def operation(document: Json, method: str, path: str) -> Json:
    found: Json = document["paths"][path][method]
    return found


def changed(change: Callable[[Json], object]) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new)
    return breaking(OLD, new)


def _needed(document: Json) -> None:
    operation(document, "get", "/projects")["parameters"].append(
        {"name": "since", "in": "query", "required": True, "schema": {"type": "string"}}
    )


def _fewer_kinds(document: Json) -> None:
    schema(document, "ResourceKind")["enum"].remove("volume")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["paths"].pop(PROJECT), "get_project: the operation is gone"),
        (
            lambda d: d["paths"].update({"/p": d["paths"].pop("/projects")}),
            "list_projects: it was GET /projects and is GET /p",
        ),
        (
            lambda d: operation(d, "get", PROJECT).update(operationId="show_project"),
            "get_project: the operation is gone",
        ),
        (
            lambda d: operation(d, "post", "/projects")["responses"].pop("201"),
            "create_project: it answers 201 no more",
        ),
        (
            lambda d: operation(d, "get", PROJECT)["responses"]["200"]["content"].pop(
                "application/json"
            ),
            "get_project: the answer 200 is no application/json any more",
        ),
        (
            lambda d: schema(d, "Project")["properties"].pop("title"),
            "Project: the field title is gone",
        ),
        (
            lambda d: schema(d, "Project")["required"].remove("title"),
            "Project: the field title may be missing now",
        ),
        (
            lambda d: schema(d, "Project")["properties"]["title"].update(type="integer"),
            "Project.title: it may be integer now",
        ),
        (
            lambda d: schema(d, "Project")["properties"].update(
                title={"anyOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "Project.title: it may be null now",
        ),
        (
            lambda d: schema(d, "Failure")["properties"].pop("mend"),
            "Failure: the field mend is gone",
        ),
        (
            lambda d: schema(d, "NewProject")["properties"].pop("title"),
            "NewProject: the field title is taken no more",
        ),
        (
            lambda d: schema(d, "NewProject")["required"].append("title"),
            "NewProject: the field title is needed now",
        ),
        (
            lambda d: schema(d, "NewProject")["properties"]["title"].update(maxLength=10),
            "NewProject.title: maxLength is 10 now",
        ),
        (
            lambda d: schema(d, "NewProject")["properties"]["name"].update(pattern="^x"),
            "NewProject.name: it must match ^x now",
        ),
        (
            lambda d: schema(d, "NewProject")["properties"]["name"].update(enum=["a"]),
            "NewProject.name: only some values are taken now",
        ),
        (_needed, "list_projects: the option since is needed now"),
        (_fewer_kinds, "ResourceKind: volume is taken no more"),
        (
            lambda d: operation(d, "get", "/projects")["parameters"].pop(0),
            "list_projects: the option limit is gone",
        ),
        (
            lambda d: operation(d, "post", "/projects").pop("requestBody"),
            "create_project: it takes no body any more",
        ),
        (
            lambda d: operation(d, "post", f"{PROJECT}/runs/{{run}}/cancel")["requestBody"].update(
                required=True
            ),
            "cancel_run: a body is needed now",
        ),
    ],
)
def test_what_breaks_callers_is_named(change: Callable[[Json], object], told: str) -> None:
    assert told in changed(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: None,
        lambda d: d["paths"].update({"/new": {"get": {"operationId": "new_one"}}}),
        lambda d: schema(d, "Project")["properties"].update(colour={"type": "string"}),
        lambda d: schema(d, "NewProject")["properties"].update(colour={"type": "string"}),
        lambda d: schema(d, "ResourceKind")["enum"].append("bucket"),
        lambda d: operation(d, "get", "/projects").update(summary="Other words"),
        lambda d: schema(d, "NewProject")["required"].remove("name"),
        lambda d: operation(d, "get", "/projects")["responses"].update({"418": {}}),
    ],
)
def test_what_breaks_nobody_is_let_through(change: Callable[[Json], object]) -> None:
    assert changed(change) == []
