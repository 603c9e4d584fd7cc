"""Rows of a source as a tidy frame of its schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray

from pdmlib.errors import FrameError
from pdmlib.frames.schemas import SCHEMAS, Schema
from pdmlib.site.masking import masked, named, printable

DTYPES = {
    "time": "datetime64[us, UTC]",
    "text": "str",
    "prose": "str",
    "int": "Int64",
    "float": "float64",
    "bool": "boolean",
}
BEYOND_INT = 2**53  # whole numbers from here on are not exact in a double, and no count
LAYOUT = ("query", "plan")
# Characters of a text that are kept. A name that is cut or masked has its digest behind, so that two do not
# become one; a reason of ours names columns and needs the room. Prose is shown on a line or two.
MOST_TEXT, MOST_PROSE = 2000, 500

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
        numbers = _finite(column).round()
        return numbers.mask(numbers.abs() >= BEYOND_INT).astype("Int64")
    if dtype == "float":
        return _finite(column)
    if dtype == "prose" or (dtype == "text" and not _is_plain(column, layout)):
        safe = _laid_out if layout else _prose if dtype == "prose" else _name
        known = {text: safe(text) for text in column.dropna().unique() if isinstance(text, str)}
        column = column.map(lambda text: known.get(text, text), na_action="ignore")
    return column.astype(DTYPES[dtype])


def _finite(column: pd.Series) -> pd.Series:
    """Numbers; one that is infinite is none."""
    numbers = pd.to_numeric(column).astype("float64")
    return numbers.mask(numbers.abs() == math.inf)


def _is_plain(column: pd.Series, layout: bool) -> bool:
    try:
        texts = column.dropna().unique()
        whole = "".join(texts)
    except TypeError:
        return False
    if layout or not len(texts):
        return whole.isascii() and whole.isprintable()
    lines = "\n".join(texts)
    return whole.isascii() and whole.isprintable() and max(map(len, texts)) <= MOST_TEXT and named(lines) == lines


def _laid_out(text: str) -> str:
    """A query or a plan with its lines."""
    return "\n".join(map(printable, text.split("\n")))


def _name(text: str) -> str:
    """A stranger's name of something, on a line that any file can hold; two that look alike once cut stay two."""
    text = _UNPRINTABLE.sub(" ", text).strip()
    shown = named(text[:MOST_TEXT])
    return text if shown == text else f"{shown[:MOST_PROSE]} #{sha256(text.encode()).hexdigest()[:6]}"


def _prose(text: str) -> str:
    """What a stranger wrote, bounded, without what names a person or opens a door."""
    return masked(_UNPRINTABLE.sub(" ", text[: 2 * MOST_PROSE]).strip(), MOST_PROSE)


def merge(parts: Iterable[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Frames of several sources under their names, rows of the same frame together."""
    found: dict[str, list[pd.DataFrame]] = {}
    for part in parts:
        for name, table in part.items():
            if len(table):
                found.setdefault(name, []).append(table)
    return {name: _distinct(SCHEMAS[name], pd.concat(tables, ignore_index=True)) for name, tables in found.items()}
