"""The command `mavisctl`. Its parts come with the extra ``appliance``."""

from __future__ import annotations

import sys

__all__ = ["main"]

try:
    from mavis_hub.commands import run
except ModuleNotFoundError as exc:
    if exc.name is None or exc.name.startswith("mavis_"):
        raise
    _missing: str | None = exc.name
else:
    _missing = None


def main() -> None:
    """Run the command line."""
    if _missing is not None:
        sys.stderr.write(
            f"mavisctl: the Python package {_missing} is not installed\n"
            "  mend: pip install 'mavis-ops[appliance]'\n"
        )
        raise SystemExit(1)
    run()


if __name__ == "__main__":
    main()
