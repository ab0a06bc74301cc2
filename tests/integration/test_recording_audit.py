"""A recording is checked with the tools that the guide names, and nothing of Mavis."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from recording_scene import KEY, PREFIX, Scene, recorded

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "recordings.md"


def test_an_auditor_needs_no_mavis(tmp_path: Path) -> None:
    """Does what docs/reference/recordings.md says, with the tools that it names."""
    scene = Scene(tmp_path / "appliance")
    recorded(scene)
    for key in scene.store.keys(PREFIX):
        (tmp_path / key.rpartition("/")[2]).write_bytes(scene.store.read(key))
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    script = PAGE.read_text("utf-8").partition("```text\n")[2].partition("```")[0]
    argv = ["/bin/bash", "-ec", script]
    checked = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.splitlines() == [b"Signature Verified Successfully", b"whole"]
    packed = tmp_path / "000002.cast.zst"
    packed.write_bytes((tmp_path / "000003.cast.zst").read_bytes())
    again = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)
    assert again.stdout.splitlines() == [b"Signature Verified Successfully"]
    scene.recordings.close()
