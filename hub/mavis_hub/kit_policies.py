"""What accounts must allow, as the kits tell it: ``policies`` beside a kit's entry point.

A kit is found as the core finds it, by entry point, and need not have any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from mavis_core.errors import NotFound

__all__ = ["joined", "parts"]


def parts(kit: str) -> Mapping[str, str]:
    """Return what each policy of a kit is for, by its name."""
    known: Mapping[str, str] = _module(kit).PARTS
    return known


def joined(kit: str, names: Sequence[str]) -> str:
    """Return one policy with the statements of all that are named, as JSON.

    Raises
    ------
    NotFound
        There is no such kit or policy, or the kit tells none.
    """
    documents = [json.loads(_module(kit).text(name)) for name in names]
    statements = [each for document in documents for each in document["Statement"]]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _module(kit: str) -> Any:
    found = {entry.name: entry for entry in entry_points(group="mavis.kits")}
    try:
        return import_module(f"{found[kit].module}.policies")
    except (KeyError, ModuleNotFoundError) as exc:
        raise NotFound(
            f"There is no kit {kit[:40]!r} here that tells policies",
            mend=f"The kits are {', '.join(sorted(found))}.",
        ) from exc
