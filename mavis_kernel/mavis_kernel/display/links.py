"""Where things have their page: addresses below the appliance's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mavis_kernel.errors import MavisError
from mavis_kernel.settings import for_program

if TYPE_CHECKING:
    from mavis_kernel.parsing import Model

__all__ = ["page_of", "page_of_member", "preview_page"]

_RUNS = frozenset({"run", "run_id", "end_run_id", "expire_run_id"})


def page_of(model: Model) -> str | None:
    """Return the address of the page about `model`; None where there is none."""
    kind = next(each.__name__ for each in type(model).__mro__ if each.__name__ != "_Picked")
    project, told = _project_of(model), vars(model)
    if kind in ("Project", "MyProject"):
        return _below("projects", told.get("name"))
    if kind == "Run":
        return _below("projects", project, "runs", told.get("id"))
    if kind == "Preview":
        return _below("projects", project, "previews", told.get("id"))
    if kind == "BackupPlan":
        return _below("projects", project, "schedules")
    return None


def page_of_member(model: Model, name: str, value: object) -> str | None:
    """Return the address of the page that the member `name` of `model` leads to."""
    if name == "id" or (name == "name" and "id" not in vars(model)):
        return page_of(model)
    if name in _RUNS:
        return _below("projects", _project_of(model), "runs", value)
    if name == "correlation_id":
        return _below("stories", value)
    if name == "project":
        return _below("projects", value)
    return None


def preview_page(url: str, project: str, preview_id: str) -> str:
    """Return where a plan is confirmed and applied, at the appliance at `url`."""
    return "/".join([url, "projects", _quoted(project), "previews", _quoted(preview_id)])


def _project_of(model: Model) -> Any:
    return vars(model).get("project") or os.environ.get("MAVIS_PROJECT")


def _below(*segments: object) -> str | None:
    """Return the address of the page at `segments`; None where one of them is not known."""
    if not all(isinstance(each, str) and each for each in segments):
        return None
    base = _base()
    return None if base is None else "/".join([base, *(_quoted(str(each)) for each in segments)])


def _base() -> str | None:
    """Return the appliance that the environment or the login names."""
    try:
        return for_program().url
    except MavisError:
        return None


def _quoted(text: str) -> str:
    return quote(text, safe="")
