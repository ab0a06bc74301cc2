"""What a notebook and a shell use of Mavis. Speaks HTTP only.

`Mavis` is the client, `mavis_kernel.models` what it returns, `mavis_kernel.errors` what it
raises; the command ``mavis`` is `mavis_kernel.cli.main`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mavis_kernel.client import Mavis as Mavis

__all__ = ["Mavis"]


def __getattr__(name: str) -> object:
    # The command line imports this package for its help, which needs no client.
    if name != "Mavis":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mavis_kernel.client import Mavis  # noqa: PLC0415 - see above

    return Mavis
