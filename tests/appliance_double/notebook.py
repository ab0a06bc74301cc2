"""A notebook in this process: IPython's shell with the extension, and what its cells show."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@dataclass
class Shown:
    """What one cell showed.

    Parameters
    ----------
    printed
        On stdout and stderr.
    bundles
        Displays and the result, by media type; one that was updated as it is at last.
    error
        The lines of an error; empty where there was none.
    """

    printed: str = ""
    bundles: list[dict[str, str]] = field(default_factory=list)
    error: list[str] = field(default_factory=list)
    result: Any = None

    @property
    def text(self) -> str:
        """Everything as text."""
        texts = (bundle.get("text/plain", "") for bundle in self.bundles)
        return "\n".join([self.printed, *texts, *self.error])


class Notebook:
    """Cells, run one after the other."""

    def __init__(self, shell: InteractiveShell, capsys: Any) -> None:
        self.shell = shell
        self._capsys = capsys
        self._shown = Shown()
        self._updated: dict[str, dict[str, str]] = {}
        shell.display_pub.publish = self._publish
        shell._showtraceback = self._error

    def run(self, code: str) -> Shown:
        """Return what a cell shows."""
        self._capsys.readouterr()
        shown = self._shown = Shown()
        self._updated.clear()
        done = self.shell.run_cell(code, store_history=False)
        shown.result = done.result
        if done.result is not None:
            shown.bundles.append(self.shell.display_formatter.format(done.result)[0])
        out, err = self._capsys.readouterr()
        # The display hook of a shell without a notebook prints the result, too.
        shown.printed = out + err
        return shown

    def complete(self, text: str) -> list[str]:
        """Return what the Tab key offers at the end of `text`."""
        with provisionalcompleter():
            return [each.text for each in self.shell.Completer.completions(text, len(text))]

    def _publish(self, data: dict[str, str], metadata: Any = None, **more: Any) -> None:
        name = (more.get("transient") or {}).get("display_id", "")
        if more.get("update"):
            self._updated[name].update(data)
        else:
            self._updated[name] = dict(data)
            self._shown.bundles.append(self._updated[name])

    def _error(self, _kind: type, _error: BaseException, lines: list[str]) -> None:
        self._shown.error = lines


@contextmanager
def notebook(capsys: Any) -> Iterator[Notebook]:
    """Run IPython's shell with the extension; it is the one of `get_ipython` meanwhile."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    try:
        shell.extension_manager.load_extension("mavis_kernel.notebook")
        yield Notebook(shell, capsys)
    finally:
        for name, ended in (("amavis", "await amavis.aclose()"), ("mavis", "mavis.close()")):
            if type(shell.user_ns.get(name)).__name__ in ("Mavis", "AsyncMavis"):
                shell.run_cell(ended)
        shell.extension_manager.unload_extension("mavis_kernel.notebook")
        shell.restore_sys_module_state()
        atexit.unregister(shell.atexit_operations)
        InteractiveShell.clear_instance()
