"""Retention keeps what ``restic forget`` keeps.

Debian's restic (``tests/debian-packages.txt``) is 0.14, which does not know one rule yet: since
0.16 (restic's issue 3624) the oldest snapshot stays, too, while some of a rule's number is left.
The table says where that rule adds the oldest point; with a newer restic the two are just equal.

restic buckets a snapshot by its moment as it was written where the offset is not the process's, so
each one is made in the offset that Berlin has at its moment. That also tells the two passes of a
repeated hour apart.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from mavis_core.protection.retention.policy import Fate, Keep, Point, decide

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 1, 15, tzinfo=UTC)
PASSWORD = "only for this test"


@dataclass(frozen=True, slots=True)
class Repository:
    """A restic repository, and its snapshots as retention sees them."""

    path: Path
    points: tuple[Point, ...] = ()

    def run(self, *arguments: str, zone: str = "Europe/Berlin") -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "TZ": zone,
            "RESTIC_REPOSITORY": str(self.path),
            "RESTIC_PASSWORD": PASSWORD,
        }
        done = subprocess.run(
            ["restic", "--no-cache", *arguments],
            env=environment,
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kept(self, options: Sequence[str]) -> set[str]:
        told = self.run("forget", "--dry-run", "--no-lock", "--json", "--group-by", "", *options)
        (group,) = json.loads(told)
        return {snapshot["id"] for snapshot in group["keep"]}


def moments() -> list[datetime]:
    """Return irregular moments of two years, with three nights on which the clocks change."""
    day = datetime(2024, 1, 2, 3, 30, tzinfo=UTC)
    end = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    found = [day - timedelta(hours=2)]  # the oldest is not the last one of its day
    step = 1
    while day < end:
        found.append(day)
        step = step * 7 % 41  # 1, 7, 8, 15, 23 ... each distance comes, in no order
        day += timedelta(days=step, hours=step * 5 % 19, minutes=step)
    for year, month, night in ((2024, 10, 27), (2025, 3, 30), (2025, 10, 26)):
        midnight = datetime(year, month, night, tzinfo=UTC)
        found += [midnight + timedelta(minutes=40 * n - 20) for n in range(6)]
    # The last days closely, the turn of the year with its ISO weeks, two in one second's distance.
    found += [datetime(2025, 12, 31, 21, tzinfo=UTC) - timedelta(hours=5 * n) for n in range(12)]
    found += [
        datetime(2024, 12, 30, 22, 59, 59, tzinfo=UTC),
        datetime(2024, 12, 30, 23, tzinfo=UTC),
    ]
    return sorted(found)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("restic")
    made = Repository(folder / "repository")
    made.run("init")
    give_a_cheap_key(made)
    (folder / "file").write_text("a few bytes")
    # A backup waits 0.2 s for others who may lock the repository, so copies are filled side by side
    # and put together. All that is in these folders is named after its content.
    copies = [Repository(folder / f"copy-{nth}") for nth in range(8)]
    for copy in copies:
        shutil.copytree(made.path, copy.path)
    with ThreadPoolExecutor(len(copies)) as pool:
        parts = [moments()[nth :: len(copies)] for nth in range(len(copies))]
        list(pool.map(back_up, copies, parts))
    for copy, part in itertools.product(copies, ("data", "index", "snapshots")):
        shutil.copytree(copy.path / part, made.path / part, dirs_exist_ok=True)
    points = tuple(
        Point(found["id"], "web-1", datetime.fromisoformat(found["time"]).astimezone(UTC))
        for found in json.loads(made.run("snapshots", "--json"))
    )
    assert sorted(point.taken_at for point in points) == moments()
    return Repository(made.path, points)


@pytest.fixture(scope="module")
def keeps_the_oldest(repository: Repository) -> bool:
    """Tell whether this restic knows the rule of 0.16."""
    _, version, *_ = repository.run("version").split()
    return tuple(int(part) for part in version.split(".")[:2]) >= (0, 16)


def back_up(repository: Repository, moments: Sequence[datetime]) -> None:
    for moment in moments:
        local = moment.astimezone(BERLIN)
        offset = local.utcoffset()
        assert offset is not None
        zone = f"Etc/GMT-{int(offset.total_seconds()) // 3600}"  # POSIX counts westwards
        repository.run("backup", "file", "--time", f"{local:%Y-%m-%d %H:%M:%S}", zone=zone)


def give_a_cheap_key(repository: Repository) -> None:
    """Put a key whose derivation costs nothing beside restic's, which take half a second a call.

    The file's form and the cipher (AES-256 in counter mode, Poly1305-AES) are those of "Keys,
    Encryption and MAC" in restic's ``doc/design.rst``. What is tested does not depend on it.
    """
    master = repository.run("cat", "masterkey").encode()
    salt, nonce = os.urandom(64), os.urandom(16)
    derived = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2, r=1, p=1, dklen=64)
    encrypt, mac_k, mac_r = derived[:32], derived[32:48], derived[48:]
    counter = Cipher(algorithms.AES256(encrypt), modes.CTR(nonce)).encryptor()
    sealed = counter.update(master) + counter.finalize()
    block = Cipher(algorithms.AES128(mac_k), modes.ECB()).encryptor()
    tag = Poly1305.generate_tag(mac_r + block.update(nonce), sealed)
    content = json.dumps(
        {
            "created": "2024-01-01T00:00:00Z",
            "username": "test",
            "hostname": "test",
            "kdf": "scrypt",
            "N": 2,
            "r": 1,
            "p": 1,
            "salt": base64.b64encode(salt).decode(),
            "data": base64.b64encode(nonce + sealed + tag).decode(),
        }
    ).encode()
    for old in (repository.path / "keys").iterdir():
        old.unlink()
    (repository.path / "keys" / hashlib.sha256(content).hexdigest()).write_bytes(content)


def options(keep: Keep) -> list[str]:
    """Return the policy as restic's options."""
    found = []
    for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly"):
        if number := getattr(keep, name):
            found += [f"--keep-{name}", str(number)]
    if keep.within is not None:
        found += ["--keep-within", f"{int(keep.within.total_seconds()) // 3600}h"]
    return found


STAYS, GOES = "the oldest stays by restic's rule of 0.16", "the oldest gets nothing by it"


@pytest.mark.parametrize(
    ("keep", "oldest"),
    [
        pytest.param(Keep(last=1), GOES, id="the last one"),
        pytest.param(Keep(last=1000), GOES, id="more than there are"),
        pytest.param(Keep(hourly=24), GOES, id="a day of hours"),
        pytest.param(Keep(hourly=45), GOES, id="hours over the nights of the clocks"),
        pytest.param(Keep(daily=7), GOES, id="a week of days"),
        pytest.param(Keep(daily=30), GOES, id="days over the nights of the clocks"),
        pytest.param(Keep(daily=1000), STAYS, id="more days than there are"),
        pytest.param(Keep(weekly=5), GOES, id="weeks over the turn of the year"),
        pytest.param(Keep(weekly=24), GOES, id="weeks over two turns of the year"),
        pytest.param(Keep(monthly=12), GOES, id="months"),
        pytest.param(Keep(yearly=2), GOES, id="as many years as there are"),
        pytest.param(Keep(yearly=3), STAYS, id="one year more than there is"),
        pytest.param(Keep(within=timedelta(hours=48)), GOES, id="two days"),
        pytest.param(Keep(within=timedelta(hours=1663)), GOES, id="to the hour in another offset"),
        pytest.param(Keep(0, 24, 7, 5, 12, 3), STAYS, id="all rules"),
        pytest.param(Keep(2, 3, 4, 3, 2, 1, timedelta(hours=20)), GOES, id="all, and within"),
        pytest.param(Keep(last=3, monthly=40), STAYS, id="the oldest of all"),
    ],
)
def test_what_restic_keeps_is_kept_and_nothing_else(
    repository: Repository, keeps_the_oldest: bool, keep: Keep, oldest: str
) -> None:
    verdicts = decide(repository.points, keep, zone=BERLIN, now=NOW)
    kept = {verdict.point.id for verdict in verdicts if verdict.fate is Fate.KEEP}
    restics = repository.kept(options(keep))
    if oldest == STAYS and not keeps_the_oldest:
        assert verdicts[-1].point.id not in restics
        restics.add(verdicts[-1].point.id)
    assert kept == restics
