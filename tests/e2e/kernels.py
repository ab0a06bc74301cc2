"""Code in a kernel of a person's own server: started, asked and stopped as JupyterLab does it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from e2e.appliance import Appliance, until

_TIMEOUT_S = 60.0


def start_server(appliance: Appliance, name: str, token: str) -> None:
    """Start the person's single-user server and wait until it is ready."""
    with appliance.http(token) as client:
        answer = client.post(f"/hub/api/users/{name}/server")
        assert answer.status_code in (201, 202, 400), answer.text  # 400: it runs already

        def ready() -> bool:
            server = client.get(f"/hub/api/users/{name}").json()["servers"].get("", {})
            return bool(server.get("ready"))

        until(ready, f"the server of {name}", within_s=60)


@contextmanager
def kernel(appliance: Appliance, name: str, token: str) -> Iterator[Kernel]:
    """Start a kernel in the server of `name`, which runs already: the one of new notebooks."""
    with appliance.http(token) as client:
        answer = client.post(f"/user/{name}/api/kernels")
        assert answer.status_code == 201, answer.text
        path = f"/user/{name}/api/kernels/{answer.json()['id']}"
        url = appliance.config.public_url.replace("http", "ws", 1) + f"{path}/channels"
        try:
            with connect(
                url,
                additional_headers={"Authorization": f"token {token}"},
                ssl=appliance.trust,
                proxy=None,
                max_size=None,
            ) as socket:
                yield Kernel(socket)
        finally:
            client.delete(path)


class Kernel:
    """A running kernel.

    Parameters
    ----------
    socket
        Its channels (jupyter_server's default WebSocket protocol: JSON messages).
    """

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._session = uuid.uuid4().hex

    def run(self, code: str) -> str:
        """Return what `code` prints and displays; an exception in it fails the test."""
        request = self._send(code)
        printed = ""
        while True:
            message = json.loads(self._socket.recv(timeout=_TIMEOUT_S))
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    printed += content["text"]
                case "execute_result" | "display_data" | "update_display_data":
                    printed += content["data"].get("text/plain", "") + "\n"
                case "error":
                    raise AssertionError("\n".join(content["traceback"]))
                case "status" if content["execution_state"] == "idle":
                    return printed

    def ask(self, code: str) -> Any:
        """Return the value of the JSON that `code` prints."""
        return json.loads(self.run(code))

    def _send(self, code: str) -> str:
        """Send an execute request (Jupyter's messaging protocol, 5.3); return its id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": self._session,
            "username": "",
            "version": "5.3",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._socket.send(json.dumps({**message, "channel": "shell"}))
        return header["msg_id"]
