"""Fills in the parts of the documents that follow from the code: ``make guide``.

With ``--check`` it writes nothing and ends with 1 where a document is not what would be made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from guide_making import api, appliance, client, policies, reference
from guide_making.markdown import filled_in

__all__ = ["DOCUMENTS", "main"]

_HERE = Path(__file__).resolve().parents[2]

DOCUMENTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/api.md": {
        "operations": api.operations,
        "errors": api.errors,
        "run errors": api.run_errors,
        "limits": api.limits,
    },
    "docs/reference/settings.md": {"settings": reference.settings_},
    "docs/reference/access.md": {
        "scopes": reference.scopes,
        "roles": reference.roles,
        "permissions": reference.permissions,
    },
    "docs/reference/errors.md": {
        "errors": reference.errors,
        "client errors": reference.client_errors,
        "exit codes": reference.exit_codes,
    },
    "docs/reference/aws-permissions.md": {"policies": policies.policies_},
    "docs/reference/mavisctl.md": {
        "options": appliance.options,
        "commands": appliance.commands_,
    },
    "docs/reference/python.md": {"arguments": client.environment, "nouns": client.nouns},
    "docs/reference/records.md": {"fields": reference.fields_, "actions": reference.actions},
}
"""What makes each part of each document, by the document's path and the part's name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the documents, or with ``--check`` only say which are out of date."""
    parser = argparse.ArgumentParser(prog="guide_making", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=_HERE, help="the work tree")
    given = parser.parse_args(arguments)
    old = 0
    for name, parts in DOCUMENTS.items():
        path = given.root / name
        text = path.read_text(encoding="utf-8")
        made = filled_in(text, parts)
        if made == text:
            continue
        old += 1
        sys.stdout.write(f"{name}\n")
        if not given.check:
            path.write_text(made, encoding="utf-8")
    return int(given.check and old > 0)


if __name__ == "__main__":
    sys.exit(main())
