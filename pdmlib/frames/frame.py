"""Rows of a source as a tidy frame of its schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

from pdmlib.errors import FrameError
from pdmlib.frames.schemas import SCHEMAS, Schema

DTYPES = {"time": "datetime64[us, UTC]", "text": "str", "int": "Int64", "float": "float64", "bool": "boolean"}
LAYOUT = ("query", "plan")

_UNPRINTABLE = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]+"
)


def frame(name: str, rows: Iterable[Mapping[str, Any]] | pd.DataFrame = ()) -> pd.DataFrame:
    """Rows as the named frame: its columns in order, its types, no duplicates of its key.

    Raises:
        FrameError: an unknown column, or a value that does not fit its type.
    """
    schema = SCHEMAS[name]
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    unknown = set(table.columns) - set(schema.columns)
    if unknown:
        raise FrameError(f"frame {name}: unknown columns {sorted(unknown)}")
    try:
        typed = {c: _typed(table.get(c), t, len(table), c in LAYOUT) for c, t in schema.columns.items()}
    except (ValueError, TypeError) as error:
        raise FrameError(f"frame {name}: {error}") from None
    return _distinct(schema, pd.DataFrame(typed))


def _distinct(schema: Schema, table: pd.DataFrame) -> pd.DataFrame:
    if not schema.key or len(table) < 2:
        return table
    return table.drop_duplicates(list(schema.key), keep="last", ignore_index=True)


@cache
def empty(name: str) -> pd.DataFrame:
    """The named frame without rows; not to be changed."""
    return frame(name)


@cache
def _missing(dtype: str) -> ExtensionArray:
    return pd.Series(None, index=range(1), dtype=DTYPES[dtype]).array


def _typed(column: pd.Series | None, dtype: str, length: int, layout: bool = False) -> ExtensionArray:
    if column is None:
        return _missing(dtype).take([0] * length)
    return _converted(column, dtype, layout).array


def _converted(column: pd.Series, dtype: str, layout: bool) -> pd.Series:
    if dtype == "time":
        return pd.to_datetime(column, utc=True).astype(DTYPES["time"])
    if dtype == "int":
        return pd.to_numeric(column).astype("float64").round().astype("Int64")
    if dtype == "float":
        return pd.to_numeric(column).astype("float64")
    if dtype == "text" and not _is_plain(column):
        column = column.map(lambda text: _printable(text, layout), na_action="ignore")
    return column.astype(DTYPES[dtype])


def _is_plain(column: pd.Series) -> bool:
    try:
        whole = "".join(column.dropna().to_numpy())
    except TypeError:
        return False
    return whole.isascii() and whole.isprintable()


def _printable(text: Any, layout: bool) -> Any:
    """Text of a stranger on one line that any file can hold; `layout` keeps the lines of a query or a plan."""
    if not isinstance(text, str):
        return text
    if layout:
        return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in text.split("\n"))
    return _UNPRINTABLE.sub(" ", text).strip()


def merge(parts: Iterable[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Frames of several sources under their names, rows of the same frame together."""
    found: dict[str, list[pd.DataFrame]] = {}
    for part in parts:
        for name, table in part.items():
            if len(table):
                found.setdefault(name, []).append(table)
    return {name: _distinct(SCHEMAS[name], pd.concat(tables, ignore_index=True)) for name, tables in found.items()}
