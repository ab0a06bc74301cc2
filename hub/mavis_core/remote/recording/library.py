"""Recordings that are to be read: from the object store, and of sessions that run from the spool.

What is read is compared with the signed manifest; of a session that runs, with the entries that
there are. Chunks are fetched a few ahead, so that a store at a distance does not hold a player up.
"""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import orjson

from mavis_core.errors import Damaged, NotFound
from mavis_core.objects import ObjectStore
from mavis_core.remote.recording.manifests import (
    MANIFEST,
    TOMBSTONE,
    Finding,
    PublicKeys,
    genuine,
    read_manifest,
    session_prefix,
    unknown_key,
    verify,
)
from mavis_core.remote.recording.model import (
    ChunkEntry,
    Manifest,
    RecordingHeader,
    chunk_name,
)
from mavis_core.remote.recording.packing import unpack
from mavis_core.remote.recording.screen_text import TextLine, read_text

__all__ = ["Library", "Running", "chunk_at"]

_AHEAD = 6
_KNOWN = 16  # manifests; one of ten hours has 4,500 entries


class Library:
    """Reads recordings that are over. Any thread may call it; who may read is the caller's affair.

    Parameters
    ----------
    store
        For recordings.
    keys
        The public keys of the appliance, by what they are called; see `fingerprint`.
    """

    def __init__(self, store: ObjectStore, keys: PublicKeys) -> None:
        self._store, self._keys = store, keys
        self._lock = threading.Lock()
        self._manifests: dict[str, tuple[bytes, Manifest]] = {}  # the last ones, checked
        self._pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="recording-read")

    def close(self) -> None:
        """End; what is being read fails."""
        self._pool.shutdown(cancel_futures=True)

    def manifest(self, project_id: str, session_id: str) -> Manifest:
        """Return the manifest of a recording; its signature and its chain were checked.

        Raises
        ------
        NotFound
            There is no such recording, or it is not over.
        Damaged
            It is not what was signed.
        """
        content = self._content(project_id, session_id)
        with self._lock:
            known = self._manifests.get(session_id)
        if known is not None and known[0] == content:
            return known[1]
        manifest = genuine(content, self._keys)
        with self._lock:
            self._manifests[session_id] = content, manifest
            while len(self._manifests) > _KNOWN:
                del self._manifests[next(iter(self._manifests))]
        return manifest

    def lines(self, project_id: str, session_id: str, *, since_chunk: int = 1) -> Iterator[bytes]:
        """Yield the cast, a line each: its header, and the events from a chunk on.

        Raises
        ------
        NotFound
            There is no such recording, or it is not over.
        Damaged
            A chunk is not what was signed; what was yielded before is.
        """
        manifest = self.manifest(project_id, session_id)
        prefix = session_prefix(project_id, session_id)

        def fetch(entry: ChunkEntry) -> bytes:
            return checked(entry, unpack(self._store.read(prefix + chunk_name(entry.number))))

        yield from cast_lines(manifest.chunks, since_chunk, self._ahead(fetch))

    def text(self, project_id: str, session_id: str) -> Iterator[TextLine]:
        """Yield what could be read on the screen. It is no evidence; see `screen_text`."""
        for content in self.text_parts(project_id, session_id):
            yield from read_text(unpack(content))

    def text_parts(self, project_id: str, session_id: str) -> Iterator[bytes]:
        """Yield the text of a recording in its packed parts, in order."""
        prefix = session_prefix(project_id, session_id)
        for key in self._store.keys(prefix):
            if key.startswith(f"{prefix}text-"):
                yield self._store.read(key)

    def verify(self, project_id: str, session_id: str) -> tuple[Finding, ...]:
        """Return what is not as it was signed; nothing: the recording is whole and genuine.

        Raises
        ------
        NotFound
            There is no such recording, or it is not over.
        Damaged
            The manifest is none, or was signed by a key that is not known here.
        """
        content = self._content(project_id, session_id)
        manifest = read_manifest(content)
        if manifest.key not in self._keys:
            raise unknown_key(manifest)
        return verify(content, self._chunks(project_id, session_id), self._keys[manifest.key])

    def _content(self, project_id: str, session_id: str) -> bytes:
        prefix = session_prefix(project_id, session_id)
        try:
            return self._store.read(prefix + MANIFEST)
        except NotFound as exc:
            if any(key == prefix + TOMBSTONE for key in self._store.keys(prefix)):
                raise NotFound(
                    f"The recording of {session_id} was erased: it was over its period",
                    mend="Its tombstone says when; a legal hold keeps others from the same.",
                ) from exc
            raise NotFound(
                f"There is no recording of {session_id} that is over",
                mend="A session that runs is watched; its recording is signed at its end.",
            ) from exc

    def _chunks(self, project_id: str, session_id: str) -> Iterator[tuple[int, bytes]]:
        for key in self._store.keys(session_prefix(project_id, session_id)):
            name = key.rpartition("/")[2]
            if name.endswith(".cast.zst"):
                yield int(name.partition(".")[0]), self._unpacked(key)

    def _unpacked(self, key: str) -> bytes:
        try:
            return unpack(self._store.read(key))
        except Damaged:
            return b""  # it is there, and not what was signed

    def _ahead(
        self, fetch: Callable[[ChunkEntry], bytes]
    ) -> Callable[[Sequence[ChunkEntry]], Iterator[bytes]]:
        def fetched(entries: Sequence[ChunkEntry]) -> Iterator[bytes]:
            coming: deque[Future[bytes]] = deque()
            left = iter(entries)
            try:
                while True:
                    while len(coming) < _AHEAD and (entry := next(left, None)) is not None:
                        coming.append(self._pool.submit(fetch, entry))
                    if not coming:
                        return
                    yield coming.popleft().result()
            finally:
                for each in coming:
                    each.cancel()

        return fetched


class Running:
    """Reads the recording of a session that runs, or is on its way to the store.

    Parameters
    ----------
    folder
        The session's in the spool; it may vanish while it is read, when the store has all of it.
    store
        For recordings: what is there is not in the spool any more.
    """

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self._folder, self._store = folder, store
        try:
            self.header = RecordingHeader.from_json(
                orjson.loads((folder / "header.json").read_bytes())
            )
        except FileNotFoundError as exc:
            raise NotFound(f"The session {folder.name} is not being recorded here") from exc

    @property
    def entries(self) -> tuple[ChunkEntry, ...]:
        """Of the chunks that are closed."""
        try:
            content = (self._folder / "chunks.jsonl").read_bytes()
        except FileNotFoundError:
            return ()
        whole = content[: content.rfind(b"\n") + 1]
        return tuple(ChunkEntry.from_json(orjson.loads(line)) for line in whole.splitlines())

    def lines(self, *, since_chunk: int = 1) -> Iterator[bytes]:
        """Yield the cast so far: its header, and the events from a chunk on.

        Raises
        ------
        Damaged
            A chunk is not what was recorded.
        """
        entries = self.entries
        yield from cast_lines(entries, since_chunk, lambda them: map(self._chunk, them))
        growing = self._read(f"{len(entries) + 1:06}.cast") or b""
        yield from growing[: growing.rfind(b"\n") + 1].splitlines(keepends=True)

    def text(self) -> Iterator[TextLine]:
        """Yield what could be read on the screen so far; it is some seconds behind."""
        prefix = session_prefix(self.header.project_id, self.header.session_id)
        growing = self._read("text.jsonl") or b""
        head, *lines = growing[: growing.rfind(b"\n") + 1].splitlines(keepends=True) or [b""]
        names = {each.name for each in self._folder.glob("text-*.zst")}
        names |= {key.removeprefix(prefix) for key in self._store.keys(prefix)}
        if head:  # later parts have what `growing` has, and were packed since it was read
            last = f"text-{orjson.loads(head)['part']:06}.zst"
            names = {name for name in names if name < last}
        for name in sorted(name for name in names if name.startswith("text-")):
            packed = self._read(name)
            yield from read_text(unpack(packed or self._store.read(prefix + name)))
        yield from read_text(b"".join(line for line in lines if line.startswith(b"[")))

    def _chunk(self, entry: ChunkEntry) -> bytes:
        content = self._read(f"{entry.number:06}.cast")
        if content is None:
            packed = self._read(chunk_name(entry.number))
            if packed is None:
                prefix = session_prefix(self.header.project_id, self.header.session_id)
                packed = self._store.read(prefix + chunk_name(entry.number))
            content = unpack(packed)
        return checked(entry, content)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None


def chunk_at(entries: Sequence[ChunkEntry], at_s: float) -> int:
    """Return the number of the chunk in which the recording is at a second; 1 where it is empty."""
    found = bisect_left(entries, round(at_s * 1e6), key=lambda each: each.last_us)
    return min(found + 1, max(1, len(entries)))


def cast_lines(
    entries: Sequence[ChunkEntry],
    since_chunk: int,
    fetched: Callable[[Sequence[ChunkEntry]], Iterator[bytes]],
) -> Iterator[bytes]:
    """Yield the header of a cast and the events from a chunk on."""
    since = max(1, since_chunk)
    wanted = [each for each in entries if each.number == 1 or each.number >= since]
    for entry, content in zip(wanted, fetched(wanted), strict=False):
        lines = content.splitlines(keepends=True)
        yield from lines[:1] if entry.number < since else lines


def checked(entry: ChunkEntry, content: bytes) -> bytes:
    """Return `content` where it is what the entry says.

    Raises
    ------
    Damaged
        It is not.
    """
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise Damaged(f"Chunk {entry.number} of the recording is not what was recorded")
    return content
