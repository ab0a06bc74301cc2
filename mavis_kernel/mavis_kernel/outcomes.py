"""How a Run ended, as a value or an error."""

from __future__ import annotations

from mavis_kernel.errors import RunFailed
from mavis_kernel.models import Run

__all__ = ["demand_success"]


def demand_success(run: Run) -> Run:
    """Return `run`, which is final, where it succeeded.

    Raises
    ------
    RunFailed
        It did not.
    """
    if run.succeeded:
        return run
    why = run.error
    words = f": {why.message}" if why and why.message else ""
    raise RunFailed(
        f"Run {run.id} {run.state}{words}",
        run_id=run.id,
        code=why.code if why else "",
        mend=why.mend if why else "",
    )
