"""Whatever a device sends: it is recorded as it came, and harms neither gateway nor session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway_scene import Scene, until

END = b"\r\n--over--\r\n"
SEQUENCES = {
    "titles": b"\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1b[21t",
    "clipboard": b"\x1b]52;c;ZWNobyBvd25lZAo=\x07\x1b]52;c;?\x07",
    "reports": b"\x1b[c\x1b[>c\x1b[6n\x1b[5n\x1bZ\x05\x1bP$qm\x1b\\",
    "never ended": b"\x1b]0;" + b"x" * 100_000 + b"\x18\x1b[" + b"1;" * 5000 + b"m",
    "other sizes": b"\x1b[8;9999;9999t\x1b[?1049h\x1b[999999999S\x1b[2147483647b",
    "C1 and shifts": bytes(range(0x80, 0xA0)) * 50 + b"\x0e\x0f\x1b(0",
    "no UTF-8": b"\xff\xfe\xc0\x80\xed\xa0\x80\xf5" * 1000 + b"\xe2\x82",
    "zero bytes and lines": b"\x00" * 5000 + b"\r" * 5000 + b"\n\x0b\x0c" * 50,
    "lines of separators": "\u2028\u2029\u0085\ufeff".encode() * 100,
}


def random_bytes() -> bytes:
    """Return bytes of all kinds, the same ones each time."""
    state, made = 1, bytearray()
    for _ in range(200_000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        made.append(state >> 16 & 0xFF)
    return bytes(made)


@pytest.mark.parametrize("name", [*SEQUENCES, "random bytes"])
def test_what_a_device_sends_is_recorded_as_it_came(scene: Scene, folder: Path, name: str) -> None:
    sent = SEQUENCES.get(name) or random_bytes()
    path = folder / "sent"
    path.write_bytes(sent + END)
    path.chmod(0o644)
    with scene.terminal("web-1") as viewer:
        session = viewer.until_told("open")["session"]
        viewer.type(f"stty raw -echo; cat {path}; stty sane; echo alive-$((40+2))\n")
        viewer.until_shown(b"alive-42")
        assert sent + END in viewer.shown
        viewer.type("exit\n")
        viewer.until_told("ended")
    scene.ended(session)
    header, *events = scene.cast(session).split(b"\n")[:-1]
    assert json.loads(header)["version"] == 2
    shown = "".join(text for _, kind, text in map(json.loads, events) if kind == "o")
    assert shown == viewer.shown.decode("utf-8", "replace")
    until(lambda: any(e.action == "session.end" for e in scene.records(session)), "it is recorded")
