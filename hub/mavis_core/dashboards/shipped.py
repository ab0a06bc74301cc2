"""The dashboards that Mavis brings along: notebooks beside the sources or in the wheel."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Shipped", "shipped_dashboards"]

_SOURCES = Path(__file__).resolve().parents[3] / "notebooks" / "dashboards"
_INSTALLED = Path(sysconfig.get_path("data")) / "share" / "mavis" / "notebooks" / "dashboards"


@dataclass(frozen=True, slots=True)
class Shipped:
    """A dashboard that is ready to be published.

    Parameters
    ----------
    notebook
        The notebook's document.
    reads_records
        Whether it shows the log, to those who may read that.
    """

    name: str
    title: str
    description: str
    notebook: Mapping[str, Any]
    reads_records: bool = False


def shipped_dashboards() -> dict[str, Shipped]:
    """Return them by name."""
    folder = next((each for each in (_SOURCES, _INSTALLED) if each.is_dir()), None)
    if folder is None:
        return {}
    return {each.name: each for each in map(_read, sorted(folder.glob("*.ipynb")))}


def _read(path: Path) -> Shipped:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    told = notebook["metadata"]["mavis"]
    return Shipped(
        path.stem.replace("_", "-"),
        told["title"],
        told["description"],
        notebook,
        reads_records=bool(told.get("reads_records")),
    )
