"""A record as one line of JSON, and back.

`encode` is the schema check of the log: what passes it can be read back as the same record.
"""

from __future__ import annotations

import json

from mavis_core.errors import InvalidInput, MavisError
from mavis_core.ids import check_id
from mavis_core.records.model import Record

__all__ = ["MAX_RECORD_BYTES", "decode", "encode"]

MAX_RECORD_BYTES = 256 * 1024
_OPTIONAL_TEXTS = ("project", "error_code", "request_id")


def encode(record: Record) -> bytes:
    """Return `record` as UTF-8 JSON on one line.

    Raises
    ------
    InvalidInput
        The record breaks its schema, is larger than `MAX_RECORD_BYTES`, or would not come back
        as the same record.
    """
    try:
        text = json.dumps(
            record.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        payload = text.encode("utf-8")
    except MavisError:
        raise
    except Exception as exc:  # a record of a wrong shape fails in ways of its own
        raise InvalidInput(f"not JSON: {type(exc).__name__}: {exc}") from exc
    if len(payload) > MAX_RECORD_BYTES:
        raise InvalidInput(f"{len(payload)} bytes; a record has at most {MAX_RECORD_BYTES}")
    if decode(payload) != record:
        raise InvalidInput("would come back as another record")
    return payload


def decode(payload: bytes) -> Record:
    """Return the record that `encode` wrote.

    Raises
    ------
    InvalidInput
        `payload` is no record.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise InvalidInput("not a JSON object")
    record = Record.from_json(value)
    check_id(record.id, "rec")
    for name in _OPTIONAL_TEXTS:
        if not isinstance(getattr(record, name), str | None):
            raise InvalidInput(f"{name} is no text", field=name)
    return record
