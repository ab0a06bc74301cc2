"""A record as one line of JSON, and back.

`encode` is the schema check of the log: what passes it can be read back as the same record.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from types import NoneType
from typing import Any

from mavis_core.errors import InvalidInput, MavisError
from mavis_core.ids import check_id, is_id
from mavis_core.logs.masking import mask, mask_value, may_hold_secret
from mavis_core.records.model import Kind, Origin, Outcome, Phase, Record

__all__ = ["MAX_RECORD_BYTES", "decode", "encode", "encode_masked"]

MAX_RECORD_BYTES = 256 * 1024
_TEXTS = ("action", "person", "object", "summary", "correlation_id", "source")
_OPTIONAL_TEXTS = ("project", "error_code", "request_id", "stream")


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
    if not _comes_back(record) and decode(payload) != record:
        raise InvalidInput("would come back as another record")
    return payload


def encode_masked(record: Record) -> bytes:
    """Return `record` as `encode` does, with what looks like a secret masked.

    Raises
    ------
    InvalidInput
        As of `encode`.
    """
    payload = encode(record)
    return encode(_masked(record)) if may_hold_secret(payload) else payload


def _masked(record: Record) -> Record:
    """Return `record` with what looks like a secret in it masked."""
    texts: dict[str, Any] = {name: mask(getattr(record, name)) for name in _TEXTS}
    stream = record.stream and mask(record.stream)
    return replace(record, **texts, stream=stream, data=mask_value(record.data))


def _comes_back(record: Record) -> bool:
    """Return whether `record` is of the shape that surely comes back: what nearly all are.

    To read each one again, which settles it for the others, takes five times as long.
    """
    return (
        record.__class__ is Record
        and all(getattr(record, name).__class__ is str for name in _TEXTS)
        and all(getattr(record, name).__class__ in (str, NoneType) for name in _OPTIONAL_TEXTS)
        and record.kind.__class__ is Kind
        and record.phase.__class__ is Phase
        and record.outcome.__class__ in (Outcome, NoneType)
        and record.origin.__class__ is Origin
        and record.sequence.__class__ in (int, NoneType)
        and record.time.tzinfo is UTC
        and is_id(record.id, "rec")
        and (not record.data or json.loads(json.dumps(dict(record.data))) == record.data)
    )


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
