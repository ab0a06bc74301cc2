"""The simulator process: the overlay and moto's application behind the middleware, on loopback."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from cloud.middleware import Middleware
from cloud.overlay import Overlay


class _QuietHandler(MotoRequestHandler):
    """The middleware has a better log; a connection serves many calls, as in AWS."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        if type == "error":
            super().log(type, message, *args)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="server.py", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--ready-file", type=Path, help="gets the port when calls are answered")
    parser.add_argument(
        "--die-with-parent", action="store_true", help="end when the starting process ends"
    )
    parser.add_argument(
        "--state", type=Path, help="the file that keeps the cloud; without it none is kept"
    )
    options = parser.parse_args(argv)

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with ExitStack() as stack:
        if options.state is None:
            folder = stack.enter_context(TemporaryDirectory(prefix="simulator-"))
            options.state = Path(folder) / "cloud.sqlite"
        overlay = stack.enter_context(closing(Overlay(options.state)))
        _serve(options, Middleware(DomainDispatcherApplication(create_backend_app), overlay))
    return 0


def _serve(options: argparse.Namespace, application: Middleware) -> None:
    server = make_server(
        options.host, options.port, application, threaded=True, request_handler=_QuietHandler
    )
    if options.die_with_parent:
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    _announce(server.port, options.ready_file)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def _announce(port: int, ready_file: Path | None) -> None:
    """Tell the port: in the file, whole or not at all, and on standard output."""
    if ready_file is not None:
        part = ready_file.with_name(ready_file.name + ".part")
        part.write_text(f"{port}\n", encoding="ascii")
        part.rename(ready_file)
    sys.stdout.write(f"{port}\n")
    sys.stdout.close()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)  # the folder of a cloud that nobody keeps goes with it
    time.sleep(5)
    os._exit(0)
