"""A notebook as a page, by Voila: executed cell by cell in a kernel, sent as it comes."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets.config import Config as TraitletConfig
from voila.configuration import VoilaConfiguration
from voila.execute import VoilaExecutor, strip_code_cell_warnings
from voila.notebook_renderer import NotebookRenderer
from voila.paths import collect_static_paths, collect_template_paths
from voila.utils import get_page_config

from mavis_hub.dashboards.broker import Start
from mavis_hub.dashboards.kernels import Kernels

__all__ = ["BASE", "EXTENSIONS", "Rendering", "Voila"]

_log = logging.getLogger("mavis.dashboards")
_TEMPLATES = Path(__file__).with_name("templates")
BASE = "lab"
"""The template of Voila's that ours is made from."""
_APPS = ["voila", "nbconvert"]
EXTENSIONS = (
    "@voila-dashboards/widgets-manager8",
    "@jupyter-widgets/jupyterlab-manager",
    "anywidget",
)
"""What a page loads besides Voila itself."""
_NO_MATHJAX = (
    "data:text/javascript,window.MathJax={Hub:{Config(){},Configured(){},Queue(){},"
    "Register:{StartupHook(){}}}}//"
)
"""Voila's pages load MathJax from another machine; formulas stay as they were written."""
_TOLD = frozenset(
    {
        "Forbidden",
        "NotFound",
        "Unavailable",
        "TooManyRequests",
        "ConnectionFailed",
        "Unauthenticated",
    }
)
"""Errors of the client whose message is written for people."""
_STOPPED = "This dashboard stopped here: there is an error in its code."
_SLOW = "This dashboard stopped here: a part of it took more than {} seconds."
_DIED = "This dashboard stopped here: its kernel has ended. It may have asked for too much memory."
_MEND = "Tell whoever publishes it; opening it again helps only where the fault has passed."


class _NoFiles:
    """In a contents manager's place: there are no files that a notebook could bring in."""

    def file_exists(self, path: str) -> bool:
        del path
        return False


class Voila:
    """What is the same for every page.

    Parameters
    ----------
    cell_timeout_s
        A cell that takes longer is ended, and the page with it.
    """

    def __init__(self, cell_timeout_s: int) -> None:
        self.cell_timeout_s = cell_timeout_s
        self.config = TraitletConfig(
            {
                "VoilaExecutor": {"timeout": cell_timeout_s, "shutdown_kernel": "immediate"},
                "VoilaConfiguration": {
                    "extension_allowlist": list(EXTENSIONS),
                    "template": BASE,
                    "allow_template_override": "NO",
                    "allow_theme_override": "NO",
                    "show_tracebacks": False,
                    "strip_sources": True,
                    "attempt_fix_notebook": False,
                    "http_header_envs": [],
                    "file_allowlist": [],
                },
            }
        )
        self.configuration = VoilaConfiguration(config=self.config)
        self.template_paths = [str(_TEMPLATES), *collect_template_paths(_APPS, BASE, prune=True)]
        self.static_paths = collect_static_paths(_APPS, BASE)

    def page_config(self, base_url: str) -> dict[str, Any]:
        """Return what the page's scripts are told."""
        told: dict[str, Any] = get_page_config(
            base_url, {"mathjax_url": "", "mathjax_config": ""}, _log, self.configuration
        )
        return {
            **{key: value for key, value in told.items() if isinstance(value, str | bool)},
            "federated_extensions": told.get("federated_extensions", []),
            "disabledExtensions": told.get("disabledExtensions", []),
            "extensionConfig": {},
            "fullMathjaxUrl": _NO_MATHJAX,
            "mathjaxConfig": "none",
        }


class Rendering(NotebookRenderer):  # type: ignore[misc]  # voila has no types
    """One page.

    Parameters
    ----------
    voila
        What is the same for every page.
    start
        Notebook and viewer.
    base_url
        Where the page's own addresses begin.
    """

    def __init__(self, voila: Voila, start: Start, base_url: str) -> None:
        super().__init__(
            voila_configuration=voila.configuration,
            traitlet_config=voila.config,
            notebook_path=f"{start.name}.ipynb",
            template_paths=voila.template_paths,
            contents_manager=_NoFiles(),
            base_url=base_url,
            page_config=voila.page_config(base_url),
            mathjax_url="",
            mathjax_config="",
        )
        self._voila = voila
        self._start = start

    async def load_notebook(self, path: str) -> Any:
        """Return the notebook, which lies in no file."""
        del path
        notebook = nbformat.from_dict(json.loads(self._start.notebook))
        notebook.metadata.title = self._start.title
        return notebook

    async def pieces(self, kernels: Kernels, kernel_id: str) -> AsyncIterator[str]:
        """Yield the page's HTML piece by piece, while its cells are executed."""
        await self.initialize()
        self.resources["mavis"] = {"project": self._start.project, "title": self._start.title}
        self._manager = kernels.manager.get_kernel(kernel_id)
        async for piece, _ in self.generate_content_generator(kernel_id):
            yield piece

    async def _jinja_kernel_start(
        self,
        nb: Any,
        kernel_id: str,
        kernel_future: Any,  # noqa: ARG002 - Voila's form; it would start a kernel later
    ) -> str:
        self.executor = VoilaExecutor(nb, km=self._manager, config=self.traitlet_config)
        self.executor.kc = await self.executor.async_start_new_kernel_client()
        self.kernel_started = True
        return kernel_id

    async def _jinja_cell_generator(
        self,
        nb: Any,
        kernel_id: str,  # noqa: ARG002 - the template's form
    ) -> AsyncIterator[Any]:
        """Yield the cells with what they have made, up to the first that fails."""
        try:
            for place, cell in enumerate(nb.cells):
                said = ""
                try:
                    await self.executor.async_execute_cell(cell, place, store_history=False)
                except CellExecutionError as exc:
                    said = _told(exc, cell)
                except CellTimeoutError:
                    said = _SLOW.format(self._voila.cell_timeout_s)
                except (DeadKernelError, RuntimeError):
                    said = _DIED
                if said:
                    _log.info(
                        "%s of %s: cell %d: %s",
                        self._start.name,
                        self._start.project,
                        place + 1,
                        said,
                    )
                _tidy(cell)
                if said:
                    _say(cell, said)
                yield cell
                if said:
                    return
        finally:
            await self._cleanup_resources()


def _told(error: CellExecutionError, cell: Any) -> str:
    """Return what a viewer is told of a cell's error, which names nothing of its code."""
    del cell
    if error.ename in _TOLD:
        return f"{_STOPPED} {error.evalue[:300]}"
    return _STOPPED


def _tidy(cell: Any) -> None:
    """Take away what is for the publisher's eyes: errors with their code, and warnings."""
    if cell.cell_type != "code":
        return
    strip_code_cell_warnings(cell)
    cell.outputs = [each for each in cell.outputs if each.output_type != "error"]


def _say(cell: Any, text: str) -> None:
    if cell.cell_type != "code":
        return
    html = f'<p class="mavis-stopped" role="alert"><strong>{escape(text)}</strong> {_MEND}</p>'
    cell.outputs.append(nbformat.v4.new_output("display_data", data={"text/html": html}))
