"""What a health check of a process at a Unix socket finds: an answer, a trouble, or nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mavis_core.config import Config
from mavis_hub.health import Health, SocketCheck, check


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


ANSWERS = {
    "well": (b'200 OK\r\n\r\n{"error": null}', Health(True)),
    "troubled": (
        b'200 OK\r\n\r\n{"error": "No room."}',
        Health(True, trouble="No room."),
    ),
    "no object": (b"200 OK\r\n\r\n[1]", Health(True)),
    "no JSON": (b"200 OK\r\n\r\nok", Health(True)),
    "an error that is no text": (b'200 OK\r\n\r\n{"error": 7}', Health(True)),
    "refused": (b"503 Busy\r\n\r\n{}", Health(False, "answers 503 Busy")),
}


@pytest.mark.parametrize(("answer", "found"), ANSWERS.values(), ids=ANSWERS)
def test_a_process_says_how_it_is(
    config: Config, tmp_path: Path, answer: bytes, found: Health
) -> None:
    secret = config.secret_file("gateway", "gateway-token")
    secret.parent.mkdir(parents=True)
    secret.write_text("secret")
    path = tmp_path / "sock"
    with answering(path, b"HTTP/1.0 " + answer):
        assert check(SocketCheck(path, "/health", ("gateway", "gateway-token")), config) == found
