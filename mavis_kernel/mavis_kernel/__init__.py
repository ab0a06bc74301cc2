"""What a notebook and a shell use of Mavis. Speaks HTTP only.

`Mavis` is the client, `AsyncMavis` the same for programs with an event loop, `mavis_kernel.models`
what they return, `mavis_kernel.errors` what they raise; the command ``mavis`` is
`mavis_kernel.cli.main`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mavis_kernel.aio.client import AsyncMavis as AsyncMavis
    from mavis_kernel.client import Mavis as Mavis

__all__ = ["AsyncMavis", "Mavis"]


def __getattr__(name: str) -> object:
    # The command line imports this package for its help, which needs no client.
    if name == "Mavis":
        from mavis_kernel.client import Mavis  # noqa: PLC0415 - see above

        return Mavis
    if name == "AsyncMavis":
        from mavis_kernel.aio.client import AsyncMavis  # noqa: PLC0415 - see above

        return AsyncMavis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
