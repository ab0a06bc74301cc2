"""The command line as a process of its own: exit codes, what goes where, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mavis_core.config import settings


def mavisctl(home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mavis_hub.mavisctl", *arguments],
        env={"PATH": os.environ["PATH"], "MAVIS_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_settings_can_be_listed(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "config", "list", "-o", "json")
    assert done.returncode == 0
    assert {item["variable"] for item in json.loads(done.stdout)} == {
        item.variable for item in settings()
    }


def test_bad_settings_are_all_explained_in_one_go(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "config", "check", MAVIS_EDGE_PORT="x", MAVIS_EDGE_TLS="maybe")
    assert done.returncode == 1
    assert "edge.port" in done.stderr
    assert "edge.tls" in done.stderr
    assert "mend:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_on_the_command_line_is_the_strongest(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "--set", "edge.port=0", "config", "check", MAVIS_EDGE_PORT="9443")
    assert done.returncode == 1
    assert "edge.port" in done.stderr


@pytest.mark.parametrize("assignment", ["edge.prot=1", "edge.port"])
def test_an_unknown_setting_on_the_command_line_is_refused(tmp_path: Path, assignment: str) -> None:
    done = mavisctl(tmp_path, "--set", assignment, "config", "check")
    assert done.returncode == 1
    assert assignment in done.stderr


def test_good_settings_are_good(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "config", "check")
    assert done.returncode == 0
    assert str(tmp_path) in done.stdout


def test_a_wrong_command_line_ends_with_two(tmp_path: Path) -> None:
    assert mavisctl(tmp_path, "fly").returncode == 2


def test_nothing_running_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "status", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)) == (4, [])


def test_down_where_nothing_runs_is_done(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "down")
    assert done.returncode == 0
    assert "not running" in done.stderr


def test_the_doctor_has_a_verdict_for_everything(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "doctor", "-o", "json")
    findings = json.loads(done.stdout)
    assert {item["verdict"] for item in findings} <= {"ok", "warn", "fail"}
    assert {"isolation", "disk", "certificate", "secrets"} <= {item["name"] for item in findings}
    assert all(item["mend"] for item in findings if item["verdict"] != "ok")


def test_the_doctor_fails_where_a_secret_is_open(tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "api" / "hub-token"
    secret.parent.mkdir(parents=True)
    secret.write_text("x")
    secret.chmod(0o644)
    done = mavisctl(tmp_path, "doctor")
    assert done.returncode == 3
    assert str(secret) in done.stdout


def test_the_version_is_the_distribution_s(tmp_path: Path) -> None:
    done = mavisctl(tmp_path, "version")
    assert done.stdout.count(".") == 2


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psutil'] = None\n"
        "from mavis_hub import mavisctl; mavisctl.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "mavis-ops[appliance]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_is_not_migrated_before_the_first_start(tmp_path: Path) -> None:
    """Its owners are not there yet."""
    done = mavisctl(tmp_path, "database", "migrate", MAVIS_APPLIANCE_ISOLATION="users")
    assert done.returncode == 1
    assert "mavisctl up" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "db").exists()
