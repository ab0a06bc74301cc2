"""Fills the tables of the guide to the REST API in: a part of ``make openapi``.

With ``--check`` it writes nothing and ends with 1 where the guide is not what would be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from guide_making.tables import filled_in

__all__ = ["main"]

_HERE = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the guide, or with ``--check`` only say whether it is out of date."""
    parser = argparse.ArgumentParser(prog="guide_making", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=_HERE, help="the work tree")
    given = parser.parse_args(arguments)
    path = given.root / "docs" / "api.md"
    text = path.read_text(encoding="utf-8")
    made = filled_in(text)
    if made == text:
        return 0
    sys.stdout.write(f"{path.relative_to(given.root)}\n")
    if not given.check:
        path.write_text(made, encoding="utf-8")
    return int(given.check)


if __name__ == "__main__":
    sys.exit(main())
