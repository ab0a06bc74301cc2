"""Recordings: what they cost while bytes pass, how soon one is replayed, and what is found in many.

Recording beside ``asciinema``'s own writer, which keeps a cast without chunks, digests or a store.
Search over a thousand sessions beside ``zstd`` and ``ripgrep`` over their casts packed one a file,
which is what one has without Mavis. Goals are printed and never asserted.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asciinema.asciicast.v2 import writer
from contenders.measuring import at_least, goal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mavis_core.objects import FolderObjects, ObjectStore
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import (
    Library,
    RecordingHeader,
    Recordings,
    ScreenTexts,
    chunk_at,
)
from mavis_core.remote.recording.cast import event_line, header_line
from mavis_core.remote.recording.manifests import fingerprint, signed
from mavis_core.remote.recording.model import (
    ChunkEntry,
    Ending,
    Manifest,
    chain_start,
    chunk_name,
)
from mavis_core.remote.recording.packing import pack
from mavis_core.remote.recording.screen_text import ScreenText
from mavis_core.remote.recording.spool import entry_of
from mavis_core.remote.recording.text_spool import part_name

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {fingerprint(KEY.public_key()): KEY.public_key()}
START = datetime(2032, 6, 15, 9, tzinfo=UTC)
HEADER = RecordingHeader(
    session_id="ses_0",
    project_id="prj_0",
    project="shop",
    person="alice",
    device="web-1",
    access_service="ssh",
    login="admin",
    kind="terminal",
    entrance="browser",
    source="192.0.2.7",
    started_at=START,
)
PACKET = base64.encodebytes(bytes(range(256)) * 96)[: 32 << 10]
WORDS = [f"{a}{b}" for a in ("sys", "net", "log", "disk", "job") for b in range(200)]
ASKED = 15


def bulk(folder: Path, megabytes: int) -> None:
    """Record the output of one command that writes without a pause."""
    store = ObjectStore(FolderObjects(folder / "store"))
    stored: list[str] = []
    recordings = Recordings(folder / "spool", store, KEY, on_stored=stored.append)
    recordings.start()
    recorder = recordings.open(HEADER)
    begin, thread_s, process_s = time.perf_counter(), time.thread_time(), time.process_time()
    for _ in range(megabytes * 32):
        recorder.output(PACKET)
    recorder.close(0, EndReason.EXITED)
    ours_s, thread_s = time.perf_counter() - begin, time.thread_time() - thread_s
    while not stored:
        time.sleep(0.005)
    stored_s, process_s = time.perf_counter() - begin, time.process_time() - process_s
    recordings.close()

    begin = time.perf_counter()
    with writer(str(folder / "theirs.cast"), width=80, height=24) as theirs:
        for number in range(megabytes * 32):
            theirs.write_stdout(number / 1000, PACKET)
    theirs_s = time.perf_counter() - begin
    print(
        f"{megabytes} MB of output, recorded: {ours_s:.2f} s, {thread_s / megabytes * 1e6:,.0f} us"
    )
    print(f"  of CPU a MB in the thread that calls, {process_s:.2f} s of CPU in all;")
    print(f"  signed and in the store after {stored_s:.2f} s. asciinema's writer: {theirs_s:.2f} s")
    at_least("MB a second beside asciinema's writer", theirs_s / ours_s, 1, "x")


class Sessions:
    """Sessions of people at a shell, the same for all contenders."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[tuple[RecordingHeader, list[tuple[int, str]]]]:
        for number in range(self.count):
            rng = random.Random(number)  # noqa: S311 - the same for all
            header = replace(
                HEADER,
                session_id=f"ses_{number:06}",
                started_at=START + timedelta(minutes=number),
            )
            at_us, events = 0, []
            for _ in range(rng.randrange(50, 250)):
                at_us += rng.randrange(1_000_000, 20_000_000)
                command = f"{rng.choice(WORDS)} --of {rng.choice(WORDS)}"
                events.append((at_us, f"\x1b[32malice@web\x1b[0m:~$ {command}\r\n"))
                lines = (" ".join(rng.choices(WORDS, k=8)) for _ in range(rng.randrange(20)))
                events.append((at_us + 50_000, "".join(f"{line}\r\n" for line in lines)))
            if number % 97 == 5:
                events.append((at_us + 60_000, f"needle-{number}\r\n"))
            yield header, events


def write(store_folder: Path, casts: Path, sessions: Sessions) -> int:
    """Write all sessions as they lie in the store, and as packed casts; return bytes of cast."""
    size = 0
    for header, events in sessions:
        content = header_line(header.cast())
        content += b"".join(event_line(at_us, "o", text) for at_us, text in events)
        size += len(content)
        put(store_folder, header, [content])
        (casts / f"{header.session_id}.cast.zst").write_bytes(pack(content))
    return size


def put(store_folder: Path, header: RecordingHeader, chunks: list[bytes]) -> None:
    """Put a recording into the folder of a store, without the fsyncs of one that is real."""
    entries: list[ChunkEntry] = []
    text, found = ScreenText(80), b""
    prefix = f"{header.project_id}/{header.session_id}"
    files = {}
    for number, content in enumerate(chunks, 1):
        chain = entries[-1].chain if entries else chain_start(header.session_id)
        entry = entry_of(number, content, chain)
        assert entry is not None  # noqa: S101  it has lines
        entries.append(entry)
        files[chunk_name(number)] = pack(content)
        found += text.chunk(content)
    files[part_name(1)] = pack(found + text.end())
    manifest = Manifest(
        header, Ending(START, EndReason.EXITED, 0), tuple(entries), next(iter(KEYS))
    )
    files["manifest.jsonl"] = signed(manifest, KEY)

    for name, content in files.items():
        about = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "stored_at": "2032-06-15T09:00:00.000000Z",
            "keep_until": None,
        }
        for top, written in (("objects", content), ("about", json.dumps(about).encode())):
            path = store_folder / top / prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)


def search(folder: Path, count: int) -> None:
    """Look for words in many sessions."""
    casts = folder / "casts"
    casts.mkdir()
    size = write(folder / "store", casts, Sessions(count))
    store = ObjectStore(FolderObjects(folder / "store"))
    with closing(Library(store, KEYS)) as library:
        texts = ScreenTexts(folder / "texts.db")
        begin = time.perf_counter()
        texts.rebuild(store, library)
        rebuilt_s = time.perf_counter() - begin
    print(
        f"{count:,} sessions, {size / 1e6:,.0f} MB of cast; all texts taken from the store in"
        f" {rebuilt_s:.1f} s, {(folder / 'texts.db').stat().st_size / 1e6:.0f} MB"
    )
    oldest = next(number for number in range(count) if number % 97 == 5)
    for what, words in (
        ("a word that is everywhere", "net17"),
        ("a word of the oldest session that has one", f"needle-{oldest}"),
        ("a word that is nowhere", "no such word"),
    ):
        first, whole = [], []
        for _ in range(ASKED):
            begin = time.perf_counter()
            hits = texts.search(words, projects={"prj_0"})
            next(hits, None)
            first.append((time.perf_counter() - begin) * 1000)
            hits.close()  # type: ignore[attr-defined]
            begin = time.perf_counter()
            found = sum(1 for _ in texts.search(words, projects={"prj_0"}))
            whole.append((time.perf_counter() - begin) * 1000)
        theirs = grep(casts, words)
        print(
            f"  {what}: first hit {statistics.median(first):.0f} ms (longest {max(first):.0f}),"
            f" all {found:,} {statistics.median(whole):.0f} ms; zstd and ripgrep {theirs:.0f} ms"
        )
        goal(f"first hit of {what}", max(first), 500, " ms")


def grep(casts: Path, words: str) -> float:
    """Return how many milliseconds ripgrep takes to say which packed casts have `words`."""
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run(
            ["/usr/bin/rg", "--search-zip", "--fixed-strings", "--ignore-case", "-c", words, casts],
            capture_output=True,
            check=False,
        )
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)


def seek(folder: Path) -> None:
    """Begin somewhere in a recording of ten hours, with a line a second."""
    header = replace(HEADER, session_id="ses_long")
    chunks, rng = [header_line(header.cast())], random.Random(2)  # noqa: S311 - as above
    for chunk in range(4500):
        lines = b"".join(
            event_line(
                (chunk * 8 + at) * 1_000_000, "o", " ".join(rng.choices(WORDS, k=8)) + "\r\n"
            )
            for at in range(8)
        )
        if chunk == 0:
            chunks[0] += lines
        else:
            chunks.append(lines)
    put(folder / "store", header, chunks)
    taken, whole_s = [], 0.0
    store = ObjectStore(FolderObjects(folder / "store"))
    with closing(Library(store, KEYS)) as library:
        for _ in range(ASKED):
            at_s = rng.uniform(0, 36_000)
            begin = time.perf_counter()
            entries = library.manifest("prj_0", "ses_long").chunks
            lines = library.lines("prj_0", "ses_long", since_chunk=chunk_at(entries, at_s))
            for line in lines:
                if line.startswith(b"[") and json.loads(line)[0] >= at_s - 1:
                    break
            taken.append((time.perf_counter() - begin) * 1000)
            lines.close()  # type: ignore[attr-defined]
        begin = time.perf_counter()
        for _ in library.lines("prj_0", "ses_long"):
            pass
        whole_s = time.perf_counter() - begin
    print(f"ten hours in {len(chunks):,} chunks; all of them read and checked in {whole_s:.2f} s")
    print(f"  first line at a second somewhere: {statistics.median(taken):.0f} ms")
    goal("first line at any second of ten hours", max(taken), 300, " ms")


@contextmanager
def scratch() -> Iterator[Path]:
    """Give the block a folder that goes afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mavis-recordings-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=280)
    parser.add_argument("--sessions", type=int, default=1000)
    options = parser.parse_args()
    with scratch() as folder:
        bulk(folder, options.megabytes)
    with scratch() as folder:
        search(folder, options.sessions)
    with scratch() as folder:
        seek(folder)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
