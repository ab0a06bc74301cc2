"""Cloud Custodian's action `snapshot` of `aws.ec2`, from PyPI, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from contenders.measuring import CACHE

VERSION = "0.9.53"
_POLICY = {
    "policies": [
        {
            "name": "production",
            "resource": "aws.ec2",
            "filters": [{"tag:env": "production"}],
            "actions": [
                {"type": "snapshot", "copy-tags": ["Name", "env"], "tags": {"custodian": "backup"}}
            ],
        }
    ]
}


def install() -> Path:
    """Return the folder of an environment that has it; make it at the first time."""
    folder = CACHE / f"custodian-{VERSION}"
    if not (folder / "bin" / "custodian").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, f"c7n=={VERSION}"], check=True)
    return folder


def command(folder: Path, output: Path, *options: str) -> list[str]:
    """Return the command that carries the policy out, without a cache of what there is."""
    policy = output / "policy.json"
    policy.write_text(json.dumps(_POLICY), encoding="utf-8")
    custodian = [str(folder / "bin" / "custodian"), "run", *options]
    return [*custodian, "--cache-period", "0", "--output-dir", str(output), str(policy)]
