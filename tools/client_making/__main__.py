"""Writes what is made anew, and names it: ``make client``.

With ``--check`` it writes nothing and ends with 1 where what is there is not what would be made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from client_making import models, sync

__all__ = ["main"]

_FIXED = "I,RUF022,UP028"  # what a change of names or `yield` in a loop leaves behind
_HERE = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every file that is made; or with ``--check`` only name those that are out of date."""
    parser = argparse.ArgumentParser(prog="client_making", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=_HERE, help="the work tree")
    given = parser.parse_args(arguments)
    client = {path: _in_shape(text, path) for path, text in _made(given.root).items()}
    late = _written(client, given.root, write=not given.check)
    # Commands are imported when what they import is written.
    from client_making import reference  # noqa: PLC0415

    page = given.root / "docs" / "command-line.md"
    late += _written({page: reference.made_from(page)}, given.root, write=not given.check)
    return int(given.check and bool(late))


def _written(made: Mapping[Path, str], root: Path, *, write: bool) -> int:
    """Name the files that are not as they are made, and write them; return how many they are."""
    late = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in late:
        if write:
            path.write_text(made[path], encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(root)}\n")
    return len(late)


def _made(root: Path) -> Mapping[Path, str]:
    client = root / "mavis_kernel" / "mavis_kernel"
    description = root / "extensions" / "mavis_ext" / "openapi.json"
    return {
        client / "models" / "__init__.py": models.package_of(description),
        client / "models" / "generated.py": models.made_from(description),
        **{made: sync.made_from(source, client) for source, made in sync.sources(client)},
    }


def _in_shape(text: str, path: Path) -> str:
    """Return `text` as the formatter has it, so that nobody sees a difference later."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    sort = ("check", "--fix", "--unsafe-fixes", "--quiet", "--exit-zero", "--select", _FIXED)
    for command in (sort, ("format",)):
        text = subprocess.run(  # noqa: S603  # our own tool on our own text
            [ruff, *command, "--stdin-filename", str(path), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=_HERE,
        ).stdout
    return text


if __name__ == "__main__":
    sys.exit(main())
