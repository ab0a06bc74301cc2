"""What an interrupt leaves behind: it goes on its way, and says so.

The interrupt itself is given the words, rather than an error of ours in its place: programs end by
it, and event loops know it again.
"""

from __future__ import annotations

__all__ = ["tell_cancelled", "tell_left", "tell_not_cancelled"]


def tell_left(interrupt: BaseException, project: str, run_id: str) -> None:
    """Let `interrupt` say that the Run goes on."""
    _tell(
        interrupt,
        f"Run {run_id} goes on at the appliance; only the waiting has ended.",
        f"Follow it again: mavis.runs.wait({project!r}, {run_id!r}). Cancel it:"
        f" mavis.runs.cancel({project!r}, {run_id!r}).",
    )


def tell_cancelled(interrupt: BaseException, run_id: str) -> None:
    """Let `interrupt` say that the Run ends, too."""
    _tell(
        interrupt,
        f"Run {run_id} is cancelled.",
        "It ends as soon as what it had begun is cleaned up.",
    )


def tell_not_cancelled(interrupt: BaseException, run_id: str, why: Exception) -> None:
    """Let `interrupt` say that the Run could not be cancelled."""
    _tell(interrupt, f"The waiting has ended, and Run {run_id} was not cancelled.", str(why))


def _tell(interrupt: BaseException, message: str, mend: str) -> None:
    def few_lines() -> list[str]:
        from mavis_kernel.display.errors import few_lines  # noqa: PLC0415 - notebooks only

        return few_lines(type(interrupt).__name__, message, mend)

    interrupt.args = (f"{message} {mend}",)
    vars(interrupt)["_render_traceback_"] = few_lines  # IPython asks for this name
