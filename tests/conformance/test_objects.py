"""An object store in a folder and one in a bucket mean the same."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from core_double import wait_until
from mavis_core import clock
from mavis_core.errors import Conflict, Damaged, InvalidInput, NotFound, Unavailable
from mavis_core.objects import Lock, ObjectStore, Settings, open_store
from seaweed_server import SeaweedServer, seaweed_server

MIB = 1 << 20
LARGE = 40 * MIB + 17  # three parts


@dataclass(frozen=True)
class Place:
    """Settings of a store, and a way to change bytes in it behind its back."""

    settings: Settings
    spoil: Callable[[str], None]

    def open(self, area: str = "logs") -> ObjectStore:
        return open_store(self.settings, area)


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[SeaweedServer]:
    with seaweed_server() as server:
        yield server


@pytest.fixture(params=["folder", "bucket", "locked"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        settings = Settings(tmp_path)

        def spoil(key: str) -> None:
            path = tmp_path / "logs/objects" / key
            path.write_bytes(b"!" + path.read_bytes()[1:])

        return Place(settings, spoil)
    server: SeaweedServer = request.getfixturevalue("bucket_server")
    return bucket(server, tmp_path, locked=request.param == "locked")


def bucket(server: SeaweedServer, home: Path, *, locked: bool = False) -> Place:
    """Return a place of its own in one of the two buckets."""
    name, prefix = "mavis-locked" if locked else "mavis-plain", uuid4().hex
    settings = Settings(
        home,
        url=f"s3://{name}/{prefix}",
        endpoint_url=server.url,
        account_file=server.account_file(home / "account"),
        lock=Lock.COMPLIANCE if locked else Lock.NONE,
    )
    client = writer(open_store(settings, "logs"))
    if name not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)

    def spoil(key: str) -> None:
        where = {"Bucket": name, "Key": f"{prefix}/logs/{key}"}
        there = client.get_object(**where)
        content = b"!" + there["Body"].read()[1:]
        client.put_object(**where, Body=content, Metadata=there["Metadata"])

    return Place(settings, spoil)


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.open()


def writer(store: ObjectStore):
    return store._objects._client  # to see and to disturb what it sends


def file(folder: Path, size: int, seed: int = 1) -> Path:
    path = folder / f"source-{size}-{seed}"
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, MIB, 16 * MIB, LARGE])
def test_what_was_stored_comes_back(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source = file(tmp_path, size)
    stored = store.put_file("a/b.bin", source)

    assert (stored.key, stored.size_bytes, stored.sha256) == ("a/b.bin", size, digest(source))
    assert abs(stored.stored_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.stat("a/b.bin") == stored
    assert store.fetch("a/b.bin", tmp_path / "back") == stored
    assert digest(tmp_path / "back") == digest(source)


def test_a_part_of_an_object_is_read_by_itself(store: ObjectStore, tmp_path: Path) -> None:
    source = file(tmp_path, LARGE)
    store.put_file("x", source)
    with store.open("x") as opened:
        opened.seek(30 * MIB)
        assert opened.read(100) == source.read_bytes()[30 * MIB : 30 * MIB + 100]


def test_the_same_bytes_again_are_no_error_and_other_bytes_are_a_conflict(
    store: ObjectStore, tmp_path: Path
) -> None:
    first = store.put_bytes("x", b"one")
    assert store.put_bytes("x", b"one") == first
    with pytest.raises(Conflict, match="Other bytes are stored as"):
        store.put_bytes("x", b"two")
    assert store.read("x") == b"one"
    large = file(tmp_path, LARGE, 1)
    store.put_file("large", large)
    with pytest.raises(Conflict):
        store.put_file("large", file(tmp_path, LARGE, 2))
    assert store.stat("large").sha256 == digest(large)


def asked(address: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes, str]:
    request = Request(address, data=body, method=method)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers.get("Content-Disposition", "")
    except HTTPError as exc:
        exc.close()
        return exc.code, b"", ""


def test_an_address_reads_one_object_for_a_while(place: Place, store: ObjectStore) -> None:
    store.put_bytes("a/one", b"first")
    store.put_bytes("a/two", b"second")
    address = store.address("a/one", lasts=timedelta(seconds=60), name="one.bin")
    if not place.settings.url:
        assert address is None
    else:
        assert address is not None
        assert asked(address) == (200, b"first", 'attachment; filename="one.bin"')
        assert asked(address.replace("a/one", "a/two"))[0] == 403
        for method in ("PUT", "DELETE"):
            assert asked(address, method, b"other" if method == "PUT" else None)[0] == 403
        brief = store.address("a/one", lasts=timedelta(seconds=1), name="one.bin")
        assert brief is not None
        wait_until(lambda: asked(brief)[0] == 403)
        assert asked(address)[1] == b"first"
    with pytest.raises(NotFound):
        store.address("a/none", lasts=timedelta(seconds=60), name="x")
    for lasts, name in ((timedelta(hours=2), "x"), (timedelta(0), "x"), (timedelta(1e-5), 'a"b')):
        with pytest.raises(InvalidInput):
            store.address("a/one", lasts=lasts, name=name)


def test_keys_come_in_order_and_only_from_below_a_prefix(store: ObjectStore) -> None:
    for key in ("b/2", "b/1", "a", "b/10", "bb/1", "B/1"):
        store.put_bytes(key, key.encode())
    assert list(store.keys()) == ["B/1", "a", "b/1", "b/10", "b/2", "bb/1"]
    assert list(store.keys("b/")) == ["b/1", "b/10", "b/2"]
    assert list(store.keys("nothing/")) == []


def test_one_project_does_not_reach_another(store: ObjectStore) -> None:
    one, other = store.within("projects/1/"), store.within("projects/12/")
    one.put_bytes("x", b"one")
    other.put_bytes("x", b"other")
    assert (one.read("x"), other.read("x")) == (b"one", b"other")
    assert list(one.keys()) == ["x"]
    for key in ("../12/x", "/x", "x/", "", "x//y", ".x", "a/../../12/x"):
        with pytest.raises(InvalidInput):
            one.read(key)
    with pytest.raises(InvalidInput):
        store.within("projects/1")


def test_areas_are_apart(place: Place) -> None:
    place.open("logs").put_bytes("x", b"1")
    assert list(place.open("recordings").keys()) == []


@pytest.mark.parametrize("key", ["nothing", "no/thing"])
def test_what_is_not_there(store: ObjectStore, tmp_path: Path, key: str) -> None:
    for ask in (store.stat, store.read, lambda key: store.fetch(key, tmp_path / "back")):
        with pytest.raises(NotFound, match=key):
            ask(key)
    assert not (tmp_path / "back").exists()
    store.remove(key)


def test_what_is_removed_is_gone_and_its_key_is_free(store: ObjectStore) -> None:
    store.put_bytes("a/x", b"1")
    store.remove("a/x")
    with pytest.raises(NotFound):
        store.stat("a/x")
    assert list(store.keys()) == []
    store.put_bytes("a/x", b"2")
    assert store.read("a/x") == b"2"


def test_what_is_to_be_kept_is_not_removed_before(store: ObjectStore) -> None:
    until = clock.now() + timedelta(seconds=6)
    stored = store.put_bytes("a/x", b"1", keep_until=until)
    assert stored.keep_until == until
    assert store.stat("a/x").keep_until == until
    with pytest.raises(Conflict, match="kept until"):
        store.remove("a/x")
    assert store.expire("a/", timedelta()) == []
    assert store.read("a/x") == b"1"
    time.sleep(7)
    assert store.expire("a/", timedelta()) == ["a/x"]
    assert list(store.keys()) == []


def test_what_is_old_goes_and_the_rest_stays(store: ObjectStore) -> None:
    for key in ("tmp/1", "tmp/2", "kept/1"):
        store.put_bytes(key, b"x")
    assert store.expire("tmp/", timedelta(days=1)) == []
    with clock.set_clock(lambda: datetime.now(UTC) + timedelta(days=2)):
        assert store.expire("tmp/", timedelta(days=1)) == ["tmp/1", "tmp/2"]
    assert list(store.keys()) == ["kept/1"]


def test_a_changed_byte_is_found_and_never_handed_out(
    place: Place, store: ObjectStore, tmp_path: Path
) -> None:
    for number in range(3):
        store.put_bytes(f"a/{number}", b"content %d" % number)
    assert list(store.scrub()) == []
    place.spoil("a/1")
    assert [damage.key for damage in store.scrub()] == ["a/1"]
    with pytest.raises(Damaged, match="is not what was stored"):
        store.read("a/1")
    with pytest.raises(Damaged):
        store.fetch("a/1", tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir() if "back" in path.name] == []
    assert store.read("a/2") == b"content 2"


UPLOADER = """
import sys
from pathlib import Path
from mavis_core.objects import Lock, Settings, open_store
folder, source, url, endpoint_url, account_file, lock = sys.argv[1:]
settings = Settings(
    Path(folder), url, endpoint_url, account_file=Path(account_file), lock=Lock(lock)
)
store = open_store(settings, "logs")
print("ready", flush=True)
for number in range(1000):
    store.put_file(f"killed/{number}", Path(source))
    print(number, flush=True)
"""


def test_a_kill_in_an_upload_leaves_no_half_object(place: Place, tmp_path: Path) -> None:
    source = file(tmp_path, 20 * MIB)
    it = place.settings
    given = (it.folder, source, it.url, it.endpoint_url, it.account_file, it.lock.value)
    command = [sys.executable, "-c", UPLOADER, *map(str, given)]
    store = place.open()
    for wait in (0.02, 0.1, 0.3, 0.8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
            said = process.stdout.read().split()
        keys = list(store.keys("killed/"))
        assert set(keys) >= {f"killed/{number}" for number in said}
        assert {store.stat(key).sha256 for key in keys} <= {digest(source)}
        assert {store.stat(key).size_bytes for key in keys} <= {20 * MIB}
    assert list(store.scrub()) == []
    assert store.put_file("killed/999", source).size_bytes == 20 * MIB
    with clock.set_clock(lambda: datetime.now(UTC) + timedelta(days=3)):
        store.sweep()
        assert store.sweep() == 0
    assert list(store.scrub()) == []


def test_an_upload_goes_on_where_it_was(bucket_server: SeaweedServer, tmp_path: Path) -> None:
    place = bucket(bucket_server, tmp_path / "home")
    source = file(tmp_path, LARGE)
    store = place.open()
    sent: list[int] = []

    def lose_the_third(params: dict[str, object], **_: object) -> None:
        sent.append(int(str(params["PartNumber"])))
        if len(sent) == 3:
            raise KeyboardInterrupt

    writer(store).meta.events.register("provide-client-params.s3.UploadPart", lose_the_third)
    with pytest.raises(KeyboardInterrupt):
        store.put_file("x", source)
    assert list(store.keys()) == []

    again = place.open()
    writer(again).meta.events.register(
        "provide-client-params.s3.UploadPart",
        lambda params, **_: sent.append(params["PartNumber"]),
    )
    assert again.put_file("x", source).sha256 == digest(source)
    assert sent == [1, 2, 3, 3]


def test_another_file_does_not_go_on_with_what_an_upload_left(
    bucket_server: SeaweedServer, tmp_path: Path
) -> None:
    place = bucket(bucket_server, tmp_path / "home")
    store = place.open()

    def end(**_: object) -> None:
        raise KeyboardInterrupt

    events = writer(store).meta.events
    events.register("provide-client-params.s3.CompleteMultipartUpload", end)
    with pytest.raises(KeyboardInterrupt):
        store.put_file("x", file(tmp_path, LARGE, 1))
    events.unregister("provide-client-params.s3.CompleteMultipartUpload", end)
    other = file(tmp_path, LARGE, 2)
    assert store.put_file("x", other).sha256 == digest(other)
    assert digest(other) == hashlib.sha256(store.read("x")).hexdigest()


def test_bytes_that_change_on_the_way_are_refused(
    bucket_server: SeaweedServer, tmp_path: Path
) -> None:
    store = bucket(bucket_server, tmp_path).open()

    def spoil(request, **_: object) -> None:
        request.data = b"!" + request.data.read()[1:]

    writer(store).meta.events.register("before-sign.s3.PutObject", spoil)
    with pytest.raises(Damaged, match="did not come in as it was"):
        store.put_bytes("x", b"as it was")
    assert list(store.keys()) == []


def test_a_locked_object_stays_whatever_we_do(bucket_server: SeaweedServer, tmp_path: Path) -> None:
    store = bucket(bucket_server, tmp_path, locked=True).open()
    store.put_bytes("x", b"1", keep_until=clock.now() + timedelta(minutes=5))
    client = writer(store)
    (version,) = client.list_object_versions(Bucket="mavis-locked", Prefix=store._objects._prefix)[
        "Versions"
    ]
    where = {"Bucket": "mavis-locked", "Key": version["Key"], "VersionId": version["VersionId"]}
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.delete_object(**where)
    assert store.read("x") == b"1"


def test_a_store_that_does_not_answer_says_which_and_what_to_do(tmp_path: Path) -> None:
    account = SeaweedServer("").account_file(tmp_path / "account")
    settings = Settings(
        tmp_path,
        url="s3://mavis-nowhere",
        endpoint_url="http://127.0.0.1:9",
        account_file=account,
    )
    store = open_store(settings, "logs")
    for ask in (
        lambda: store.stat("x"),
        lambda: store.put_bytes("x", b""),
        lambda: [*store.keys()],
    ):
        with pytest.raises(Unavailable, match="mavis-nowhere"):
            ask()


def test_a_wrong_account_is_told_as_such_and_not_shown(
    bucket_server: SeaweedServer, tmp_path: Path
) -> None:
    place = bucket(bucket_server, tmp_path)
    place.settings.account_file.write_text(
        "[default]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = not-a-secret\n"
    )
    with pytest.raises(Unavailable, match="InvalidAccessKeyId") as caught:
        place.open().put_bytes("x", b"")
    assert "account" in caught.value.mend
    assert "not-a-secret" not in f"{caught.value} {caught.value.mend}"
