"""Kernels: each in a folder and behind walls of its own, some of them heated before they are asked.

A heated kernel has imported what dashboards use and knows nobody. A viewer's page adopts it: only
then is it told project and token, by a message that no process sees, and it is never given to
another. So what it shows is that viewer's and that moment's. (Voila's own heated kernels have run
the notebook before anybody came, with whatever authority the server has.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from mavis_core.config import Config
from mavis_core.errors import Unavailable
from mavis_hub.isolation import Walls

__all__ = ["Full", "Kernels"]

_log = logging.getLogger("mavis.dashboards")
_NAME = "mavis-dashboard"
_START_TIMEOUT_S = 60
_AT_ONCE = 2
_HEAT = "import ipywidgets, mavis_kernel, IPython.display"
_MESSAGES = ["comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request"]
"""What a page may send to its kernel. It executes nothing that the publisher has not written."""
_CA = "ca.pem"
_ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # each of its threads takes memory of its own
    "DO_NOT_TRACK": "1",
}
"""What every kernel finds in its environment; nothing is inherited beside it."""
_OPTIONS = (
    "--IPKernelApp.exec_lines=[]",
    "--InteractiveShellApp.hide_initial_ns=True",
    "--HistoryManager.enabled=False",
    "--InteractiveShell.autocall=0",
)


class Full(Unavailable):
    """As many dashboards are open as this appliance shows at a time."""


class _Specs(KernelSpecManager):  # type: ignore[misc]  # traitlets has no types
    """The one kind of kernel that there is."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        del kernel_name
        command = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
        return KernelSpec(
            argv=[*command, *_OPTIONS],
            display_name="Mavis dashboard",
            language="python",
            interrupt_mode="message",
            metadata={},
        )


class _Manager(AsyncMappingKernelManager):
    """Starts kernels behind walls; a kernel's files are in a folder of its own."""

    walls: Walls
    run: Path
    ca_file: Path | None

    def pre_start_kernel(
        self,
        kernel_name: str | None,  # noqa: ARG002 - the base's form
        kwargs: Any,
    ) -> tuple[KernelManager, str, str]:
        kernel_id = str(kwargs.pop("kernel_id"))
        folder = self.folder(kernel_id)
        folder.mkdir(mode=0o700)
        if self.ca_file is not None:
            shutil.copyfile(self.ca_file, folder / _CA)
        manager = self.kernel_manager_factory(
            connection_file=str(folder / "k"),  # short: names of Unix sockets begin so
            parent=self,
            log=self.log,
            kernel_name=_NAME,
            kernel_spec_manager=self.kernel_spec_manager,
            transport="ipc",
            autorestart=False,  # another one would know neither project nor token
        )
        manager.kernel_spec.argv[:] = self.walls.around(folder, tuple(manager.kernel_spec.argv))
        return manager, _NAME, kernel_id

    def folder(self, kernel_id: str) -> Path:
        """Return the folder of a kernel."""
        return self.run / kernel_id


class Kernels:
    """The kernels of this process. For one event loop.

    Parameters
    ----------
    config
        How many there may be, and where.
    walls
        What each is put into.
    mavis_url
        Where they call the API.
    """

    def __init__(self, config: Config, walls: Walls, *, mavis_url: str) -> None:
        self._most = config.dashboards.max_kernels
        self._heated = min(config.dashboards.preheated, self._most)
        self._run = Path(os.path.realpath(config.dashboards_run))
        self._environment = {**_ENVIRONMENT, "MAVIS_URL": mavis_url}
        self._ca_file = config.ca_file if config.edge.tls == "self-signed" else None
        self.manager = _Manager(  # type: ignore[no-untyped-call]
            kernel_spec_manager=_Specs(),
            allowed_message_types=_MESSAGES,
            allow_tracebacks=False,
            traceback_replacement_message="An error in the code of this dashboard.",
            cull_idle_timeout=0,
            log=logging.getLogger("mavis.dashboards.kernels"),
        )
        self.manager.walls, self.manager.run = walls, self._run
        self.manager.ca_file = self._ca_file
        self._ready: list[str] = []
        self._used: set[str] = set()
        self._heating: asyncio.Task[None] | None = None
        self._starting = asyncio.Semaphore(_AT_ONCE)
        self._closed = False

    @property
    def used(self) -> int:
        """How many pages have one."""
        return len(self._used)

    @property
    def ready(self) -> int:
        """How many wait for one."""
        return len(self._ready)

    async def take(self, environment: Mapping[str, str]) -> str:
        """Return the id of a kernel that is nobody else's, and knows `environment`.

        Raises
        ------
        Full
            There are as many as there may be.
        Unavailable
            It does not start.
        """
        if len(self._used) >= self._most:
            raise Full(
                f"{len(self._used)} dashboards are open, and this appliance shows"
                f" {self._most} at a time",
                mend="Try again in a minute: a place is free when somebody closes theirs.",
                retry_after_s=30,
            )
        heated = self._ready.pop() if self._ready else None
        kernel_id = heated or _new_id()
        self._used.add(kernel_id)
        try:
            if heated is None:
                await self._start(kernel_id)
            await self._tell(kernel_id, f"import os; os.environ.update({dict(environment)!r})")
        except BaseException:
            self._used.discard(kernel_id)
            await self._remove(kernel_id)
            raise
        self.heat()
        return kernel_id

    async def end(self, kernel_id: str) -> None:
        """End a kernel and forget everything that it had written."""
        self._used.discard(kernel_id)
        await self._remove(kernel_id)
        self.heat()

    async def lives(self, kernel_id: str) -> bool:
        """Whether the process of a kernel is there."""
        return kernel_id in self.manager and bool(
            await self.manager.get_kernel(kernel_id).is_alive()
        )

    def heat(self) -> None:
        """Begin to start kernels that wait, where some are missing."""
        if self._heating is None or self._heating.done():
            self._heating = asyncio.ensure_future(self._heat())

    async def _heat(self) -> None:
        while self._missing():
            kernel_id = _new_id()
            try:
                await self._start(kernel_id)
            except Unavailable as exc:
                _log.warning("a kernel could not be heated: %s", exc)
                await self._remove(kernel_id)
                return
            self._ready.append(kernel_id)

    def _missing(self) -> bool:
        return not self._closed and len(self._ready) < min(
            self._heated, self._most - len(self._used)
        )

    async def _start(self, kernel_id: str) -> None:
        async with self._starting:
            folder = self.manager.folder(kernel_id)
            try:
                await self.manager.start_kernel(
                    kernel_id=kernel_id,
                    env={**self._environment, **self._own(folder)},
                    cwd=str(self._run),
                )
                await self._tell(kernel_id, _HEAT)
            except Unavailable:
                raise
            except Exception as exc:
                raise Unavailable(f"A kernel does not start: {type(exc).__name__}") from exc

    async def _tell(self, kernel_id: str, code: str) -> None:
        """Let a kernel execute a line that nobody sees, and wait for it."""
        client = self.manager.get_kernel(kernel_id).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=_START_TIMEOUT_S)
            reply = await client.execute_interactive(
                code,
                silent=True,
                store_history=False,
                allow_stdin=False,
                timeout=_START_TIMEOUT_S,
                output_hook=lambda _: None,
            )
        except (RuntimeError, TimeoutError) as exc:
            raise Unavailable("A kernel does not answer", retry_after_s=5) from exc
        finally:
            client.stop_channels()
        if reply["content"]["status"] != "ok":
            raise Unavailable(f"A kernel could not be made ready: {reply['content'].get('ename')}")

    def _own(self, folder: Path) -> dict[str, str]:
        """Return what a kernel finds in its environment of its own folder."""
        own = str(folder)
        names = ("HOME", "TMPDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
        told = {**dict.fromkeys(names, own), "MPLCONFIGDIR": own, "JUPYTER_PLATFORM_DIRS": "1"}
        return told if self._ca_file is None else {**told, "MAVIS_CA_FILE": f"{own}/{_CA}"}

    async def _remove(self, kernel_id: str) -> None:
        if kernel_id in self._ready:
            self._ready.remove(kernel_id)
        if kernel_id in self.manager:
            with contextlib.suppress(RuntimeError, KeyError):
                await self.manager.shutdown_kernel(kernel_id, now=True)  # type: ignore[no-untyped-call]
        shutil.rmtree(self.manager.folder(kernel_id), ignore_errors=True)

    async def close(self) -> None:
        """End every kernel."""
        self._closed = True
        if self._heating is not None:
            self._heating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._heating
        for kernel_id in [*self.manager.list_kernel_ids(), *self._ready]:
            await self._remove(kernel_id)


def _new_id() -> str:
    return secrets.token_hex(16)
