"""What was recorded is read as it was signed, and found by what was on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mavis_core.errors import Damaged, InvalidInput, NotFound
from mavis_core.remote.model import EndReason
from mavis_core.remote.recording import Fault
from mavis_core.remote.recording.library import Library, chunk_at
from mavis_core.remote.recording.manifests import fingerprint
from mavis_core.remote.recording.screen_text import ScreenText, TextLine, read_text
from mavis_core.remote.recording.search import ScreenTexts, found_in
from recording_scene import HEADER, KEY, PREFIX, Scene, recorded, small_chunks, wait_for

KEYS = {fingerprint(KEY.public_key()): KEY.public_key()}
IDS = (HEADER.project_id, HEADER.session_id)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path)
    yield found
    found.recordings.close()


@pytest.fixture
def library(scene: Scene) -> Iterator[Library]:
    found = Library(scene.store, KEYS)
    yield found
    found.close()


def test_the_cast_is_read_from_any_chunk_on(scene: Scene, library: Library) -> None:
    _, chunks = recorded(scene)
    lines = list(library.lines(*IDS))
    assert b"".join(lines) == b"".join(content for _, content in chunks)
    assert list(library.lines(*IDS, since_chunk=4)) == [lines[0], *lines[4:]]
    assert library.verify(*IDS) == ()
    entries = library.manifest(*IDS).chunks
    assert [chunk_at(entries, each.last_us / 1e6) for each in entries] == [1, 2, 3, 4, 5]
    assert (chunk_at(entries, 0), chunk_at(entries, 1e9), chunk_at((), 1)) == (1, 5, 1)


def test_what_is_not_as_it_was_signed_is_not_read(scene: Scene, library: Library) -> None:
    recorded(scene)
    path = scene.objects.folder / "objects" / PREFIX / "000003.cast.zst"
    path.write_bytes(path.with_name("000002.cast.zst").read_bytes())
    lines = library.lines(*IDS)
    assert len([next(lines), next(lines), next(lines)]) == 3
    with pytest.raises(Damaged):
        next(lines)
    assert (Fault.ALTERED, 3) in [(each.fault, each.chunk) for each in library.verify(*IDS)]
    stranger = Ed25519PrivateKey.generate().public_key()
    for keys in ({fingerprint(stranger): stranger}, {next(iter(KEYS)): stranger}):
        with pytest.raises(Damaged, match=r"key that is not known|signature"):
            Library(scene.store, keys).manifest(*IDS)


def test_a_recording_that_is_not_over_is_read_where_it_is(scene: Scene, library: Library) -> None:
    with small_chunks(100):
        it = scene.recordings.open(HEADER)
        for number in range(5):
            it.marker(f"{number}" * 100)
    it.marker("growing")
    running = scene.recordings.running(HEADER.session_id)
    for _ in range(20):  # while it is on its way to the store
        marks = [json.loads(line)[2][0] for line in list(running.lines())[1:]]
        assert "".join(marks) == "01234g"
    assert len(list(running.lines(since_chunk=5))) == 3
    with pytest.raises(NotFound, match="is over"):
        library.manifest(*IDS)
    it.close(0, EndReason.EXITED)
    assert library.lines(*IDS) is not None
    scene.manifest()
    assert len(list(library.lines(*IDS))) == 7
    with pytest.raises(NotFound, match="not being recorded"):
        scene.recordings.running(HEADER.session_id)


def test_the_text_of_a_session_that_runs_is_read_each_line_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mavis_core.remote.recording.text_spool._PART_BYTES", 300)
    with small_chunks(100):
        it = scene.recordings.open(HEADER)
        running = scene.recordings.running(HEADER.session_id)
        for number in range(60):
            it.output(f"line {number}\r\n".encode() * 3)
            it.marker("")
            found = [each.text for each in running.text()]
            assert found == [f"line {at // 3}" for at in range(len(found))]
        wait_for(lambda: len(list(running.text())) > 170)
        it.close(0, EndReason.EXITED)
    scene.manifest()


def text_of(*outputs: str) -> list[tuple[int, str, bool]]:
    made = ScreenText(80)
    lines = [json.dumps([at, "o", text]).encode() + b"\n" for at, text in enumerate(outputs, 1)]
    content = b"".join(made.chunk(line) for line in lines) + made.end()
    return [(each.at_us // 1_000_000, each.text, each.alternate) for each in read_text(content)]


def test_text_is_what_could_be_read() -> None:
    assert text_of(
        "\x1b]0;t\x07$ lx\b",
        "s\x1b[K\r\n",
        "\x1b[1;34mbin\x1b[0m  etc\r\nusr\r\n\r\n$ ",
        "vi x\r\n\x1b[?1049h\x1b[2J\x1b[1;1HHello\x1b[2;1H~",
        "\x1b[?1049l",
        "10%\r20%\r\n",
        "$ exit",
    ) == [
        (2, "$ ls", False),
        (3, "bin  etc", False),
        (3, "usr", False),
        (4, "$ vi x", False),
        (4, "Hello", True),
        (5, "~", True),
        (6, "20%", False),
        (7, "$ exit", False),
    ]


@given(st.lists(st.text(st.sampled_from("ab\r\n\x1b[1mK\b ")), max_size=20))
def test_text_does_not_depend_on_how_it_was_cut(pieces: list[str]) -> None:
    at_once, in_pieces = ScreenText(80), ScreenText(80)
    one = at_once.chunk(json.dumps([1, "o", "".join(pieces)]).encode())
    many = b"".join(in_pieces.chunk(json.dumps([1, "o", each]).encode()) for each in pieces)
    assert list(read_text(one + at_once.end())) == list(read_text(many + in_pieces.end()))


def test_the_text_of_a_session_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mavis_core.remote.recording.screen_text.MOST_TEXT", 1000)
    lines = text_of(*(f"{number}\r\n" for number in range(500)))
    assert 20 < len(lines) < 100
    assert "ends here" in lines[-1][1]


def texts_of(scene: Scene, library: Library, tmp_path: Path) -> ScreenTexts:
    for number, word in enumerate(["alpha", "beta Größe", "ALPHA"]):
        it = scene.recordings.open(
            replace(
                HEADER,
                session_id=f"ses_{number}",
                started_at=HEADER.started_at + timedelta(days=number),
            )
        )
        it.output(f'$ echo "{word}"\r\n{word}\r\n$ '.encode())
        it.close(0, EndReason.EXITED)
    wait_for(lambda: len(scene.stored) == 3)
    found = ScreenTexts(tmp_path / "cache" / "texts.db")
    assert found.rebuild(scene.store, library) == 3
    assert found.rebuild(scene.store, library) == 0
    return found


def test_words_are_found_in_the_newest_first(
    scene: Scene, library: Library, tmp_path: Path
) -> None:
    texts = texts_of(scene, library, tmp_path)

    def found(words: str, **options: object) -> list[tuple[str, str]]:
        asked = {"projects": {HEADER.project_id}} | options
        return [(each.session_id, each.line.text) for each in texts.search(words, **asked)]

    assert found("alpha", most_each=1) == [("ses_2", '$ echo "ALPHA"'), ("ses_0", '$ echo "alpha"')]
    assert found('echo "a', sessions={"ses_0"}) == [("ses_0", '$ echo "alpha"')]
    assert found("GRÖSSE") == []
    assert found("GRÖ") == [("ses_1", '$ echo "beta Größe"'), ("ses_1", "beta Größe")]
    assert found("alpha", projects={"prj_other"}) == []
    texts.forget("ses_2")
    assert {each for each, _ in found("alpha")} == {"ses_0"}
    for nothing in ("", " ", "a\nb", "x" * 201):
        with pytest.raises(InvalidInput):
            found(nothing)
    (hit,) = texts.search("alpha", projects={HEADER.project_id}, most_each=1)
    assert (hit.started_at, hit.line.at_us < 60_000_000) == (HEADER.started_at, True)


@given(st.lists(st.text(st.sampled_from('aAbÄäß"\\\x00İ'), min_size=1, max_size=5), max_size=8))
def test_a_search_finds_what_looking_at_each_line_does(lines: list[str]) -> None:
    content = b"".join(
        json.dumps([1, each], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for each in lines
    )
    for words in ("a", "ä", '"', "\\", "ba", "İ"):
        wanted = [each for each in lines if words.lower() in each.lower()]
        assert [each.text for each in found_in(content, words, 100)] == wanted, words


def test_at_most_so_many_of_one_text() -> None:
    content = b'[1,"a\\na\\na"]\n[2,"a"]\n'
    assert list(found_in(content, "A", 2)) == [TextLine(1, "a"), TextLine(1, "a")]
