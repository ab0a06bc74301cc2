"""Start the Prefect server with its secret, which is in a file and in no process table.

``python -m mavis_hub.prefect_server`` replaces itself by ``prefect server start``.
"""

from __future__ import annotations

import os

from mavis_core import config
from mavis_hub.installation import program

__all__ = ["main"]


def main() -> None:
    """Read the secret and become the Prefect server."""
    settings = config.load()
    environment = {
        **os.environ,
        "PREFECT_SERVER_API_AUTH_STRING": settings.read_secret("prefect", "prefect-auth"),
    }
    prefect = program("prefect")
    command = [prefect, "server", "start"]
    command += ["--host", "127.0.0.1", "--port", str(settings.ports.prefect)]
    os.execve(prefect, command, environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
