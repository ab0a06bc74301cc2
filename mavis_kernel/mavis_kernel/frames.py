"""Answers in SQL as frames of pandas and tables of Arrow, where these are installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mavis_kernel.errors import BadSettings

if TYPE_CHECKING:
    import pandas as pd

    from mavis_kernel.models import SqlColumn

__all__ = ["arrow_of", "frame_of"]

_WHOLE = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}
_REAL = ("FLOAT", "DOUBLE", "DECIMAL")
_TEXT = ("VARCHAR", "UUID", "ENUM", "INTERVAL", "TIME", "BLOB", "BIT")
_MOMENT = "TIMESTAMP"
_ZONED = "TIMESTAMP WITH TIME ZONE"
_INT64 = range(-(2**63), 2**63)

Rows = Sequence[Sequence[Any]]


def frame_of(columns: Sequence[SqlColumn], rows: Rows) -> pd.DataFrame:
    """Return a frame with dtypes by the types of `columns`."""
    pandas = _needed("pandas")
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    series = {
        column.name: _series(pandas, column.type, list(given))
        for column, given in zip(columns, values, strict=True)
    }
    frame: pd.DataFrame = pandas.DataFrame(series)
    return frame


def arrow_of(columns: Sequence[SqlColumn], rows: Rows) -> Any:
    """Return a ``pyarrow.Table``, with what is nested as JSON in text."""
    arrow, frame = _needed("pyarrow"), frame_of(columns, rows)
    for name in frame.select_dtypes("object").columns:
        frame[name] = frame[name].map(_as_json, na_action="ignore").astype("str")
    return arrow.Table.from_pandas(frame, preserve_index=False)


def _series(pandas: Any, kind: str, values: list[Any]) -> Any:
    """Return a column as a series."""
    kind, missing = kind.partition("(")[0], None in values
    if kind == "BOOLEAN":
        return pandas.Series(values, dtype="boolean" if missing else "bool")
    if kind in _WHOLE:
        fits = all(value is None or value in _INT64 for value in values)
        return pandas.Series(values, dtype=("Int64" if missing else "int64") if fits else "object")
    if kind in _REAL:
        return pandas.Series(values, dtype="float64")
    if kind == "DATE" or (kind.startswith(_MOMENT) and not kind.endswith("]")):
        series = pandas.Series(values, dtype="str")
        zoned = kind == _ZONED
        # What a calendar has no day for, such as infinity, is missing.
        moments = pandas.to_datetime(series, format="ISO8601", utc=zoned, errors="coerce")
        return moments.dt.as_unit("us")
    return pandas.Series(values, dtype="str" if kind in _TEXT else "object")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as exc:
        raise BadSettings(
            f"{name} is not installed where this runs.", mend=f"Install it: pip install {name}."
        ) from exc
