"""What of a notebook is published: its cells, and nothing else of what a file may carry.

The form is nbformat 4 (https://nbformat.readthedocs.io/en/latest/format_description.html). Outputs,
execution counts, widget states, editors' metadata and raw cells are left behind, so that no
result of the publisher's own session reaches a viewer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mavis_core.errors import InvalidInput, TooLarge

__all__ = ["MAX_BYTES", "published_form"]

MAX_BYTES = 512 * 1024
_MAX_CELLS = 500
_MEND = "Save it as an .ipynb file of nbformat 4 with a Python kernel, then publish it again."


def published_form(notebook: Mapping[str, Any]) -> str:
    """Return the text of a notebook as it is published: the same cells give the same text.

    Raises
    ------
    InvalidInput
        It is no notebook of nbformat 4, not of Python, or has no cell.
    TooLarge
        It is too large.
    """
    if notebook.get("nbformat") != 4:
        raise InvalidInput("This is no notebook of nbformat 4", mend=_MEND, field="notebook")
    _check_language(notebook.get("metadata"))
    cells = notebook.get("cells")
    if not isinstance(cells, list) or len(cells) > _MAX_CELLS:
        raise InvalidInput(
            f"A dashboard has 1 to {_MAX_CELLS} cells", mend=_MEND, field="notebook.cells"
        )
    kept = [kept for place, cell in enumerate(cells) if (kept := _cell(cell, place)) is not None]
    if not any(cell["source"].strip() for cell in kept):
        raise InvalidInput("This notebook has no cell with a content", field="notebook.cells")
    for place, cell in enumerate(kept):
        cell["id"] = f"cell-{place + 1}"
    told = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": kept,
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise TooLarge(
            f"This notebook has {size} bytes without its outputs; at most {MAX_BYTES}",
            mend="Keep data out of the notebook's text: let it read them from the project.",
        )
    return text


def _check_language(metadata: object) -> None:
    of = metadata if isinstance(metadata, dict) else {}
    for name, key in (("kernelspec", "language"), ("language_info", "name")):
        part = of.get(name)
        language = part.get(key) if isinstance(part, dict) else None
        if language not in (None, "python"):
            raise InvalidInput(
                f"This notebook is of the language {str(language)[:40]!r}",
                mend="A dashboard is a notebook of Python.",
                field=f"notebook.metadata.{name}",
            )


def _cell(cell: object, place: int) -> dict[str, Any] | None:
    """Return what is kept of a cell; None: nothing."""
    where = f"notebook.cells[{place}]"
    if not isinstance(cell, dict):
        raise InvalidInput(f"Cell {place + 1} is no cell", mend=_MEND, field=where)
    kind, source = cell.get("cell_type"), cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise InvalidInput(f"Cell {place + 1} has no text", mend=_MEND, field=f"{where}.source")
    if "\x00" in source or any("\ud800" <= letter <= "\udfff" for letter in source):
        raise InvalidInput(
            f"Cell {place + 1} holds what is no text", mend=_MEND, field=f"{where}.source"
        )
    match kind:
        case "code":
            return {
                "cell_type": "code",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
        case "markdown":
            return {"cell_type": "markdown", "source": source, "metadata": {}}
        case "raw":
            return None
    raise InvalidInput(
        f"Cell {place + 1} is of the kind {str(kind)[:40]!r}",
        mend=_MEND,
        field=f"{where}.cell_type",
    )
