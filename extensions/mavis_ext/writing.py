"""Writes the description of the API anew: ``python -m mavis_ext.writing``, or ``make openapi``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mavis_ext.app import API, operations
from mavis_ext.compatibility import breaking
from mavis_ext.openapi import FILE, describe, text_of

__all__ = ["main"]


def main(arguments: Sequence[str] = ()) -> int:
    """Write the description beside this module; refuse to break callers unless told to."""
    path = Path(__file__).with_name(FILE)
    new = describe(operations(), API)
    broken = breaking(json.loads(path.read_text(encoding="utf-8")), new) if path.exists() else []
    if broken and "--break" not in arguments:
        sys.stderr.write("This would break callers:\n" + "".join(f"  {each}\n" for each in broken))
        sys.stderr.write("Keep what they use, or write it all the same with --break.\n")
        return 1
    path.write_text(text_of(new), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
