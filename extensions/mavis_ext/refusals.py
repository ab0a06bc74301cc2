"""The record of a changing call that was refused, whether it came to the API or from a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mavis_core import records
from mavis_core.access import CallContext

__all__ = ["refusal"]


def refusal(ctx: CallContext, method: str, path: str, problem: Mapping[str, Any]) -> records.Record:
    """Return the record of a call that was refused, or that a bug of ours ended.

    Parameters
    ----------
    problem
        What its caller is told, as problem details.
    """
    outcome = records.Outcome.REFUSED if problem["status"] < 500 else records.Outcome.FAILED
    call = f"{method} {path[:200]}"
    detail = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in str(problem["detail"])[:500]
    )
    return records.Record(
        kind=records.Kind.AUDIT,
        phase=records.Phase.EVENT,
        action=f"api.{outcome}",
        person=ctx.principal.name,
        object=call,
        outcome=outcome,
        error_code=problem["code"],
        summary=f"{call} {outcome}: {problem['code']}",
        correlation_id=ctx.correlation_id,
        request_id=ctx.request_id,
        source=ctx.source,
        data={"detail": detail},
    )
