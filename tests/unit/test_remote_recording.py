"""What passes is recorded, chained, stored and signed; whatever it is, and whatever fails."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from mavis_core.errors import Conflict, Damaged, MavisError, Unavailable
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import (
    Ending,
    Fault,
    Manifest,
    Recordings,
    read_manifest,
    recorder,
    verify,
)
from mavis_core.remote.recording.manifests import signed
from mavis_core.remote.recording.spool import Room, Spool
from recording_scene import (
    HEADER,
    KEY,
    Scene,
    events,
    recorded,
    small_chunks,
    wait_for,
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.recordings.close()


def test_a_session_is_stored_signed_and_whole(scene: Scene) -> None:
    it = scene.recordings.open(HEADER)
    it.output("Grüße\r\n".encode())
    it.resize(132, 43)
    it.marker("here")
    it.input(b"not recorded: the policy does not say so")
    it.output(b"\x1b[31mred")
    it.close(3, EndReason.EXITED)
    cast = scene.cast()
    first, *rest = map(json.loads, cast.splitlines())
    assert first == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": int(HEADER.started_at.timestamp()),
        "title": "alice on web-1 as admin",
        "env": {"TERM": "xterm-256color"},
    }
    assert [each[1:] for each in rest] == [
        ["o", "Grüße\r\n"],
        ["r", "132x43"],
        ["m", "here"],
        ["o", "\x1b[31mred"],
    ]
    manifest = read_manifest(scene.manifest())
    assert manifest.header == HEADER
    assert (manifest.ending.exit_status, manifest.ending.reason) == (3, EndReason.EXITED)
    assert (manifest.events, manifest.size_bytes) == (4, len(cast))
    assert list(scene.spool.iterdir()) == [scene.spool / "lock"]
    assert scene.recordings.health.used_bytes == 0


def memory() -> str | None:
    """Return a folder in memory where there is one, for thousands of fsyncs; None: the usual."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


hostile = st.binary(max_size=300) | st.sampled_from(
    [
        b"\xf0\x9f\x98",
        b"\x80" * 9,
        b"\xed\xa0\x80",
        b'"],\n["',
        b"\0\x1b]0;",
        "\u2028😀\x85".encode(),
    ]
)


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(hostile, max_size=25), size=st.sampled_from([1, 200, 4 << 20]))
def test_whatever_bytes_come_every_line_is_valid_and_nothing_is_lost(
    pieces: list[bytes], size: int
) -> None:
    with tempfile.TemporaryDirectory(dir=memory()) as name, small_chunks(size):
        scene = Scene(Path(name))
        it = scene.recordings.open(HEADER)
        for each in pieces:
            it.output(each)
        it.close(0, EndReason.EXITED)
        cast = scene.cast()
        scene.recordings.close()
        assert all(content.endswith(b"\n") for _, content in scene.chunks())
    assert "".join(events(cast)) == b"".join(pieces).decode("utf-8", "replace")
    times = [json.loads(line)[0] for line in cast.splitlines()[1:]]
    assert times == sorted(times)


def test_a_player_of_others_shows_what_was_recorded(scene: Scene, tmp_path: Path) -> None:
    sent = bytes(range(256)) * 3 + "Grüße 😀\r\n".encode()
    it = scene.recordings.open(HEADER)
    for at in range(0, len(sent), 7):
        it.output(sent[at : at + 7])
    it.close(0, EndReason.EXITED)
    (tmp_path / "it.cast").write_bytes(scene.cast())
    asciinema = [sys.executable, "-m", "asciinema", "cat", "it.cast"]
    shown = subprocess.run(asciinema, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    assert shown.stdout == sent.decode("utf-8", "replace").encode()


def test_what_comes_at_once_is_few_events_and_bounded_chunks(scene: Scene) -> None:
    it = scene.recordings.open(HEADER)
    packet = b"x" * 76 + b"\r\n"
    for _ in range(1000):
        it.output(packet * 200)
    it.close(0, EndReason.EXITED)
    cast = scene.cast()
    assert "".join(events(cast)).encode() == packet * 200_000
    assert len(events(cast)) < 400
    sizes = [len(content) for _, content in scene.chunks()]
    assert len(sizes) >= 4
    assert max(sizes) < 5 << 20


def test_what_waits_is_written_and_a_chunk_ends_though_nothing_comes_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CHUNK_S", 0.3)
    it = scene.recordings.open(HEADER)
    it.output(b"one ")
    it.output(b"two")
    wait_for(lambda: "two" in "".join(events(b"".join(c for _, c in scene.chunks()))))
    it.output(b" three")
    it.close(0, EndReason.EXITED)
    assert "".join(events(scene.cast())) == "one two three"
    assert len(scene.chunks()) == 2


def altered(manifest: bytes, old: bytes, new: bytes) -> bytes:
    assert old in manifest
    return manifest.replace(old, new)


def test_each_alteration_is_named(scene: Scene) -> None:
    manifest, chunks = recorded(scene)
    public = KEY.public_key()

    def faults(
        given: Sequence[tuple[int, bytes]], content: bytes = manifest
    ) -> list[tuple[Fault, int | None]]:
        return [(each.fault, each.chunk) for each in verify(content, given, public)]

    assert len(chunks) == 5
    assert faults(chunks) == []
    assert faults([*chunks[:1], *chunks[2:]]) == [(Fault.MISSING, 2)]
    assert faults([*chunks, (6, chunks[0][1])]) == [(Fault.INSERTED, 6)]
    assert faults([*chunks, chunks[2]]) == [(Fault.INSERTED, 3)]
    exchanged = [(1, chunks[0][1]), (2, chunks[2][1]), (3, chunks[1][1]), *chunks[3:]]
    assert faults(exchanged) == [(Fault.REORDERED, 2), (Fault.REORDERED, 3)]
    other = [*chunks[:3], (4, chunks[3][1].replace(b"3", b"4", 1)), chunks[4]]
    assert faults(other) == [(Fault.ALTERED, 4)]
    assert faults(chunks, altered(manifest, b"alice", b"mallo")) == [(Fault.SIGNATURE, None)]
    assert (Fault.SIGNATURE, None) in faults(
        chunks, signed(read_manifest(manifest), Ed25519PrivateKey.generate())
    )
    entries = read_manifest(manifest).chunks
    moved = Manifest(
        HEADER, read_manifest(manifest).ending, (entries[1], entries[0], *entries[2:]), "0"
    )
    assert (Fault.CHAIN, 1) in faults(chunks, signed(moved, KEY))
    with pytest.raises(Damaged):
        verify(b"{}\n", chunks, public)


@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_no_byte_of_a_manifest_can_be_changed(place: int, value: int) -> None:
    content = signed_example()
    line_end = content.index(b"\n")
    at = place % line_end
    other = content[:at] + bytes([content[at] ^ value]) + content[at + 1 :]
    try:
        assert verify(other, [], KEY.public_key()) != ()
    except Damaged:
        return


def signed_example() -> bytes:
    ending = Ending(HEADER.started_at, EndReason.LOST, None, "ü")
    return signed(Manifest(HEADER, ending, (), "f" * 64), KEY)


def test_while_the_store_is_down_the_spool_holds_and_then_all_goes_up(tmp_path: Path) -> None:
    scene = Scene(tmp_path, spool_bytes=64 << 10)
    scene.objects.down = True
    failures: list[MavisError] = []
    rng, sent = random.Random(7), []
    with small_chunks(8 << 10):
        it = scene.recordings.open(HEADER, on_failure=failures.append)
        while not failures:  # it may be packed meanwhile, which little helps with this
            sent.append(rng.randbytes(600).hex())
            with suppress(Unavailable):
                it.marker(sent[-1])
        assert failures == [it.failure]
        with pytest.raises(Unavailable, match=r"is full: .* wait for the object store"):
            it.output(b"more")
        wait_for(lambda: scene.recordings.health.error == "The store is down")
        assert scene.alarms[0]
        it.close(None, EndReason.UNRECORDED, failures[0].message)
        scene.objects.down = False
        assert events(scene.cast(), "m") == sent[:-1]
    wait_for(lambda: not scene.alarms[-1])
    assert scene.recordings.health.error is None
    ending = read_manifest(scene.manifest()).ending
    assert (ending.reason, ending.detail[:9]) == (EndReason.UNRECORDED, "The spool")
    scene.recordings.close()


def test_into_a_spool_that_is_full_no_session_begins(tmp_path: Path) -> None:
    scene = Scene(tmp_path, spool_bytes=200)
    it = scene.recordings.open(HEADER)
    with pytest.raises(Unavailable, match="is full"):
        it.output(b"a")
    with pytest.raises(Unavailable, match="is full"):
        scene.recordings.open(replace(HEADER, session_id="ses_other"))
    it.close(None, EndReason.UNRECORDED)
    assert events(scene.cast()) == ["a"], "what came last is not lost"
    scene.recordings.open(replace(HEADER, session_id="ses_other")).close(0, EndReason.EXITED)
    scene.recordings.close()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond `size`: the write before the last is cut, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_ends_the_session_and_what_was_written_stays(scene: Scene) -> None:
    failures: list[MavisError] = []
    it = scene.recordings.open(HEADER, on_failure=failures.append)
    it.marker("whole")
    size = (scene.spool / HEADER.session_id / "000001.cast").stat().st_size
    with disk_of(size + 10):
        with pytest.raises(Unavailable, match="cannot be written"):
            it.marker("torn, since there is no room for all of it")
        assert [each.message for each in failures] == [it.failure and it.failure.message]
        with pytest.raises(Unavailable, match="cannot be written"):
            it.output(b"more")
        it.close(None, EndReason.UNRECORDED, "The disk is full")
    assert events(scene.cast(), "m") == ["whole"]
    assert read_manifest(scene.manifest()).ending.reason is EndReason.UNRECORDED


def test_a_session_that_cannot_be_recorded_from_its_first_byte_does_not_begin(
    scene: Scene,
) -> None:
    with disk_of(10), pytest.raises(Unavailable, match="cannot be written"):
        scene.recordings.open(HEADER)
    scene.recordings.open(HEADER).close(0, EndReason.EXITED)
    assert read_manifest(scene.manifest()).events == 0


def test_a_spool_has_one_process_and_a_session_one_recorder(scene: Scene, tmp_path: Path) -> None:
    it = scene.recordings.open(HEADER)
    with pytest.raises(Conflict, match="being recorded"):
        scene.recordings.open(HEADER)
    with pytest.raises(Conflict, match="Another process"):
        Recordings(scene.spool, scene.store, KEY)
    it.close(0, EndReason.EXITED)
    it.close(1, EndReason.LOST)
    with pytest.raises(Conflict, match="is closed"):
        it.output(b"late")
    assert read_manifest(scene.manifest()).ending.exit_status == 0


def test_what_was_changed_in_the_spool_is_not_signed_over(scene: Scene) -> None:
    scene.objects.down = True
    it = scene.recordings.open(HEADER)
    it.marker("true")
    it.close(0, EndReason.EXITED)
    wait_for(lambda: scene.recordings.health.error is not None)
    packed = scene.spool / HEADER.session_id / "000001.cast.zst"
    wait_for(packed.exists)
    content = bytearray(packed.read_bytes())
    content[-5] ^= 1
    packed.write_bytes(content)
    scene.objects.down = False
    wait_for(lambda: bool(scene.recordings.health.troubles))
    assert scene.stored == []


def test_killed_at_any_step_the_next_start_has_all_that_was_acknowledged() -> None:
    script = Path(__file__).resolve().parents[1] / "dying_recorder.py"
    folder = tempfile.mkdtemp(dir=memory())
    argv = [sys.executable, script, folder]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)
    shutil.rmtree(folder)
    assert ran.returncode == 0, ran.stderr[-3000:]
    steps = json.loads(ran.stdout)
    assert steps["interrupted"] > 50
    assert steps["recovered"] > 50
    assert steps["exited"] > 5


def test_where_the_policy_says_so_what_is_typed_is_recorded_without_secrets(scene: Scene) -> None:
    it = scene.recordings.open(replace(HEADER, record_input=True))
    it.output(b"$ ")
    it.input(b"sudo id\r")
    it.output(b"sudo id\r\n[sudo] pass")
    it.output(b"word for alice: ")
    it.input(b"hunter2\r")
    it.output(b"\r\nuid=0\r\n$ ")
    it.input(b"exit")
    it.output(b"exit")
    it.close(0, EndReason.EXITED)
    cast = scene.cast()
    assert "".join(events(cast, "i")) == "sudo id\r[masked]\rexit"
    assert b"hunter2" not in cast


MARKS = [f"{number}" * 120 for number in range(9)]


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(st.sampled_from([*range(1, 10), "chunks.jsonl", "text.jsonl"]), st.floats(0, 1)),
        max_size=4,
    ),
    ended=st.booleans(),
)
def test_what_a_power_cut_leaves_of_the_spool_is_closed_and_signed(
    cuts: list[tuple[int | str, float]], ended: bool
) -> None:
    with tempfile.TemporaryDirectory(dir=memory()) as name, small_chunks(100):
        folder = Path(name)
        spool = Spool(folder / "spool", Room(1 << 30))
        it = recorder.Recorder(spool.new(HEADER), on_chunk=lambda _: None)
        for each in MARKS:
            it.marker(each)
        if ended:
            it.close(0, EndReason.EXITED)
        spool.close()
        (folder / "spool" / HEADER.session_id / "text.jsonl").write_bytes(
            b'{"part":1,"chunks":0}\n1\n'
        )
        for which, part in cuts:
            at = f"{which:06}.cast" if isinstance(which, int) else which
            path = folder / "spool" / HEADER.session_id / at
            if path.exists():
                os.truncate(path, int(path.stat().st_size * part))
        scene = Scene(folder)
        lines = scene.cast().splitlines()
        assert json.loads(lines[0])["version"] == 2
        marks = [json.loads(line)[2] for line in lines[1:]]
        left = iter(MARKS)
        assert all(each in left for each in marks), "in order, and nothing else"
        cut = {which for which, part in cuts if isinstance(which, int)}
        assert len(marks) >= len(MARKS) - len(cut)
        reason = read_manifest(scene.manifest()).ending.reason
        assert reason is (EndReason.EXITED if ended else EndReason.INTERRUPTED)
        scene.recordings.close()
