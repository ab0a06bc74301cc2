"""A SeaweedFS of the test run's own, as an S3; on loopback, gone at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import boto3

ACCESS_KEY, SECRET_KEY = "AKIAEXAMPLEOFATEST", "of-this-test-run-only"


@dataclass(frozen=True)
class SeaweedServer:
    """A running server."""

    url: str

    def account_file(self, path: Path) -> Path:
        """Write its account as an AWS configuration file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n",
            encoding="utf-8",
        )
        return path

    def make_bucket(self, name: str, *, locked: bool = False) -> None:
        """Make a bucket, with an object lock where asked."""
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)


@contextmanager
def seaweed_server() -> Iterator[SeaweedServer]:
    """Run a server for the block."""
    folder = Path(tempfile.mkdtemp(prefix="mavis-s3-"))
    account = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [account]}), encoding="ascii")
    (folder / "data").mkdir()
    master, volume, filer, s3 = _ports(4)
    command = [
        Path(sysconfig.get_path("scripts")) / "weed",
        *("server", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=100"),
        *("-s3", f"-s3.port={s3}", f"-s3.config={folder}/s3.json"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
        *(f"-filer.localSocket={folder}/filer.sock", f"-s3.localSocket={folder}/s3.sock"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        _until_ready(f"http://127.0.0.1:{s3}/status", process, folder / "log")
        yield SeaweedServer(f"http://127.0.0.1:{s3}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _ports(count: int) -> list[int]:
    """Return free ports whose neighbours 10,000 above, which gRPC takes, are free too."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            one = stack.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                other = stack.enter_context(socket.socket())
                other.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            found.append(port)
    return found


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urlopen(url, timeout=2):
                return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-2000:])
