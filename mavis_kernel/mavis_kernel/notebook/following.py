"""A Run in a cell: one display, shown again at each change and each second, until it has ended."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any, Self

import click
from IPython.display import display

from mavis_kernel.display import in_progress
from mavis_kernel.errors import ApiError
from mavis_kernel.models import Run

if TYPE_CHECKING:
    from mavis_kernel.client import Mavis

__all__ = ["follow", "say_begun"]

_EVERY_S = 1.0


def follow(client: Mavis, project: str, run_id: str, *, cancel: bool) -> Run:
    """Return the Run when it is final; show its steps meanwhile.

    Parameters
    ----------
    cancel
        Whether an interrupt cancels the Run, too.
    """
    with _Display() as shown:
        return client.runs.wait(
            project,
            run_id,
            on_change=shown.show,
            on_trouble=shown.trouble,
            on_interrupt="cancel" if cancel else "leave",
        )


def say_begun(run: Run) -> None:
    """Tell how to follow a Run that nobody waits for."""
    click.echo(f"It goes on at the appliance. Follow it: %watch {run.id}")


class _Display:
    """One output of a cell. The time that passes shows while nobody hears of the Run."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._trouble = ""
        self._handle: Any = None
        self._drawing = threading.Lock()
        self._over = threading.Event()
        # Whose output it is, a kernel keeps in the context of the cell.
        tick = contextvars.copy_context().run
        self._clock = threading.Thread(target=lambda: tick(self._tick), name="elapsed", daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._clock.join()

    def show(self, run: Run) -> None:
        """Show `run` as it is."""
        self._run, self._trouble = run, ""
        self._draw()

    def trouble(self, error: ApiError) -> None:
        """Tell that there was no answer."""
        self._trouble = f"{error.detail} Asking again; the Run goes on."
        self._draw()

    def _tick(self) -> None:
        while not self._over.wait(_EVERY_S):
            if self._run is not None and not self._run.is_final:
                self._draw()

    def _draw(self) -> None:
        with self._drawing:
            if self._run is None:
                bundle = {"text/plain": self._trouble}
            else:
                bundle = in_progress(self._run, self._trouble)
            if self._handle is None:
                self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython's own
            else:
                self._handle.update(bundle, raw=True)
