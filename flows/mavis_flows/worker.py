"""The platform worker: ``python -m mavis_flows.worker``.

It looks for due Runs in the main database, binds each to a Prefect flow run and carries it out in
a thread. The database is the queue and Prefect shows the work: while Prefect is down, Runs wait;
after a crash of this process, the next one goes on with what was claimed and not ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from mavis_core import bootstrap, config
from mavis_core.config import Config
from mavis_core.errors import MavisError
from mavis_core.heap import settle_heap

__all__ = ["main"]

_log = logging.getLogger("mavis.worker")


def main() -> int:
    """Run until told to stop; return the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # The client would log the address of each of its calls, several a second.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = config.load()
        _tell_prefect(settings)
        app = bootstrap.worker_app(settings)
    except MavisError as exc:
        sys.stderr.write(f"{exc.message}\n{exc.mend}\n")
        return 1
    # Prefect reads its settings when it is imported, so it is imported after they are made.
    from mavis_flows.platform import Platform  # noqa: PLC0415

    settle_heap()

    async def run() -> None:
        platform = Platform(app)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, platform.stop)
        await platform.run()

    try:
        asyncio.run(run())
    finally:
        app.close()
    return 0


def _tell_prefect(settings: Config) -> None:
    """Put Prefect's settings where it looks for them; the secret comes from our own file."""
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{settings.ports.prefect}/api"
    os.environ["PREFECT_API_AUTH_STRING"] = settings.read_secret("worker", "prefect-auth")
    os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
    os.environ.setdefault("PREFECT_HOME", str(settings.home / "worker" / "prefect"))
    os.environ.setdefault("AWS_CONFIG_FILE", str(settings.aws_config_file))
    # No credentials but those of the vault and of named profiles.
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(settings.aws_config_file.parent / "credentials")
    os.environ["AWS_EC2_METADATA_DISABLED"] = os.environ.get("AWS_EC2_METADATA_DISABLED", "true")
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
