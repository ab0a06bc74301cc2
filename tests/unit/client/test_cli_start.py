"""Every command's help comes without what only its work needs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("httpx", "ssl", "yaml", "asyncio", "mavis_kernel.client", "mavis_kernel.aio", "mavis_core")
SCRIPT = """
import sys
import click
from mavis_kernel.cli.root import root

def walk(command, names):
    context = click.Context(command, info_name=names[-1], parent=None)
    assert command.get_help(context)
    loaded = [name for name in HEAVY if name in sys.modules]
    if loaded:
        print(" ".join(names), "loads", *loaded)
        for name in loaded:
            del sys.modules[name]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            walk(command.get_command(context, name), [*names, name])
    else:
        told.append(" ".join(names))

HEAVY = sys.argv[1].split(",")
told = []
walk(root, ["mavis"])
print(len(told) > 60)
"""


def test_no_help_imports_what_is_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
