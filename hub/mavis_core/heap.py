"""How often Python looks for garbage, in processes that stay."""

from __future__ import annotations

import gc

__all__ = ["settle_heap"]

_GARBAGE_EVERY = 10_000  # objects; Python's 700 are for small programs


def settle_heap() -> None:
    """Let searches for garbage pass over what the start has made, and come less often.

    A search stops everything: 0.14 s with all that Prefect and botocore are made of, which stays
    anyway. It comes whenever many objects are made at once, as rows and answers are, which look
    like garbage and go by themselves.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_EVERY)
