"""A million records: what Mavis finds is what ripgrep and SQLite find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "log.py"
FIGURES = Path(__file__).resolve().parents[1] / "artifacts" / "log-benchmark.txt"
QUESTIONS = 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_among_a_million_records_the_same_are_found_as_by_others() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--records", "1000000"],
        capture_output=True,
        text=True,
        check=False,
    )
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "the answers differ" not in done.stdout
    assert "ripgrep finds" not in done.stdout
    assert done.stdout.count(", p95") == QUESTIONS
