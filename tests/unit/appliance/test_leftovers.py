"""What an appliance leaves behind, and whose it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mavis_core import config
from mavis_hub import leftovers
from mavis_hub.processes import MARK


def test_a_process_belongs_to_the_appliance_that_started_it(tmp_path: Path) -> None:
    mine = config.load(tmp_path / "mine", environ={})
    other = config.load(tmp_path / "other", environ={})
    environment = {**os.environ, MARK: str(mine.home)}
    command = ["sh", "-c", "echo here; exec sleep 60"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
        assert [found.pid for found in leftovers.find(mine)] == [process.pid]
        assert leftovers.find(other) == []
        assert leftovers.others(other)
        assert leftovers.end(leftovers.find(mine)) == []
        assert leftovers.find(mine) == []
    finally:
        process.kill()
        process.wait()
