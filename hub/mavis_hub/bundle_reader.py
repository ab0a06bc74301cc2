"""The page of a bundle: its records for people, in one file that asks nobody for anything.

It shows what is in the bundle and proves nothing; ``evidence.py`` beside it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mavis_core import clock
from mavis_core.records.model import Record

__all__ = ["SHOWN", "write_reader"]

SHOWN = 5000


def write_reader(
    target: Path, records: Iterable[tuple[int, Record]], told: Mapping[str, Any], key: str
) -> None:
    """Write the page of up to `SHOWN` records, with their numbers, as the new file `target`.

    Parameters
    ----------
    told
        What ``bundle.json`` says.
    key
        The fingerprint of the key that signed.
    """
    environment = Environment(
        loader=PackageLoader("mavis_hub", "bundle_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["iso"] = clock.iso
    page = environment.get_template("reader.html")
    with target.open("w", encoding="utf-8") as file:
        file.writelines(page.generate(records=records, told=told, key=key, shown=SHOWN))
