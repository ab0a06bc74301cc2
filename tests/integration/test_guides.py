"""The commands of the how-to guides run, in their order, and say what stands below them.

They are those of the command line against the API and its log process, over the shipped cloud.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples import DOCS, at_work, examples, outputs

GUIDES = (
    "let-people-in",
    "prove-a-restore",
    "read-the-records",
    "restore",
    "write-a-backup-plan",
)


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_guide_do_what_it_says(guide: str, tmp_path: Path) -> None:
    found = examples(DOCS / "how-to" / f"{guide}.md")
    folder = tmp_path / "person"
    folder.mkdir()
    with at_work(tmp_path / "home", logs=True) as service:
        beside = str(Path(sys.executable).parent)
        environ = {
            "MAVIS_URL": f"http://127.0.0.1:{service.port}/services/mavis",
            "MAVIS_TOKEN": "ada",
            "PATH": f"{beside}:/usr/local/bin:/usr/bin:/bin",
        }
        told = outputs(found, folder, environ)
    for example, output in zip(found, told, strict=True):
        if example.kind:
            assert example.differences(output) == [], example.shell
