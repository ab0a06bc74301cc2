"""Many records in calls that are not too large."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from mavis_kernel.errors import BadSettings
from mavis_kernel.parsing import JsonObject

__all__ = ["batches"]

_MOST = 500  # records of one call
_MOST_BYTES = 900_000  # the API takes a mebibyte


def batches(records: Iterable[Mapping[str, object]]) -> Iterator[list[JsonObject]]:
    """Yield `records` as JSON can hold them, as many together as the API takes at a time.

    Raises
    ------
    BadSettings
        One holds what JSON cannot.
    """
    batch: list[JsonObject] = []
    size = 0
    for number, record in enumerate(records, start=1):
        told = {name: _told(value) for name, value in record.items()}
        try:
            length = len(json.dumps(told))
        except (TypeError, ValueError) as exc:
            raise BadSettings(
                f"Record {number} is not JSON: {exc}",
                mend="Send texts, numbers, lists and objects.",
            ) from exc
        if batch and (len(batch) == _MOST or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(told)
        size += length
    if batch:
        yield batch


def _told(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise BadSettings(
            f"A time has no zone: {value}", mend="Use aware datetimes: datetime.now(UTC)."
        )
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
