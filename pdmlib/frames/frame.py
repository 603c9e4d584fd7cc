"""Rows of a source as a tidy frame of its schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from hashlib import sha256
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray
from pandas.api.types import pandas_dtype
from pandas.arrays import BooleanArray, IntegerArray

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
_DTYPES = {name: pandas_dtype(dtype) for name, dtype in DTYPES.items()}
# The kinds of values that a column of a type is built from at once.
PLAIN: Mapping[str, set[type]] = {
    "time": {datetime, NoneType},
    "text": {str, NoneType},
    "prose": {str, NoneType},
    "int": {int, float, NoneType},
    "float": {int, float, NoneType},
    "bool": {bool, NoneType},
}
BEYOND_INT = 2**53  # whole numbers from here on are not exact in a double, and no count
Column: TypeAlias = ExtensionArray | npt.NDArray[np.float64]
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
    table = _Table(rows)
    unknown = table.columns - set(schema.columns)
    if unknown:
        raise FrameError(f"frame {name}: unknown columns {sorted(unknown)}")
    try:
        typed = {c: _typed(table, c, t) for c, t in schema.columns.items()}
    except (ValueError, TypeError) as error:
        raise FrameError(f"frame {name}: {error}") from None
    return _distinct(schema, pd.DataFrame(typed))


class _Table:
    """Rows by column: as they were given, and as pandas takes them."""

    def __init__(self, rows: Iterable[Mapping[str, Any]] | pd.DataFrame) -> None:
        self.rows = rows if isinstance(rows, pd.DataFrame) else list(rows)
        self.columns = set(rows.columns) if isinstance(rows, pd.DataFrame) else set().union(*self.rows)

    @cached_property
    def whole(self) -> pd.DataFrame:
        """All columns as pandas takes them."""
        return pd.DataFrame(self.rows)


def _distinct(schema: Schema, table: pd.DataFrame) -> pd.DataFrame:
    if len(table) < 2 or not schema.key:
        return table
    # Most frames have a column in the key that tells all rows apart, which is found far sooner than the whole key.
    if any(len(table[column].array.unique()) == len(table) for column in schema.key):
        return table
    return table.drop_duplicates(list(schema.key), keep="last", ignore_index=True)


@cache
def empty(name: str) -> pd.DataFrame:
    """The named frame without rows; not to be changed."""
    return frame(name)


@cache
def _missing(dtype: str) -> ExtensionArray:
    return pd.Series(None, index=range(1), dtype=DTYPES[dtype]).array


def _typed(table: _Table, column: str, dtype: str) -> Column:
    if column not in table.columns:
        return _missing(dtype).take([0] * len(table.rows))
    found = None
    if isinstance(table.rows, list):
        found = _built([row.get(column) for row in table.rows], dtype, column in LAYOUT)
    return _converted(table.whole[column], dtype, column in LAYOUT).array if found is None else found


def _built(values: list[Any], dtype: str, layout: bool) -> Column | None:
    """What `_converted` makes of values, where all are of the kinds that such a column has; else None.

    Most frames have few rows, for which pandas takes longest to find out what they hold.
    """
    if not set(map(type, values)) <= PLAIN[dtype]:
        return None
    try:
        if dtype == "time":
            return _moments(values)
        if dtype in ("int", "float"):
            return _numbers(values, dtype)
    except OverflowError:
        return None
    if dtype == "bool":
        return BooleanArray(np.array([v is True for v in values]), np.array([v is None for v in values]))
    known = _known(values, dtype, layout)
    return pd.array([known.get(v, v) for v in values] if known else values, dtype=_DTYPES[dtype])


def _moments(values: list[datetime | None]) -> Column | None:
    """Times; None where one has no zone."""
    if any(value is not None and value.tzinfo is None for value in values):
        return None
    plain = [value and value.astimezone(UTC).replace(tzinfo=None) for value in values]
    return pd.array(np.array(plain, dtype="datetime64[us]"), dtype=_DTYPES["time"])


def _numbers(values: list[float | None], dtype: str) -> Column | None:
    """Numbers, of which one that is infinite is none; None where one is too large to be exact."""
    numbers = np.array(values, dtype="float64")
    numbers[np.isinf(numbers)] = np.nan
    if (np.abs(numbers) >= BEYOND_INT).any():
        return None
    if dtype == "float":
        return numbers
    missing = np.isnan(numbers)
    return IntegerArray(np.where(missing, 0, numbers.round()).astype("int64"), missing)


def _converted(column: pd.Series, dtype: str, layout: bool) -> pd.Series:
    if dtype == "time":
        return pd.to_datetime(column, utc=True).astype(DTYPES["time"])
    if dtype == "int":
        numbers = _finite(column).round()
        return _without(numbers, np.abs(numbers.to_numpy()) >= BEYOND_INT).astype("Int64")
    if dtype == "float":
        return _finite(column)
    known = {} if dtype == "bool" else _known(column.dropna().unique(), dtype, layout)
    if known:
        column = column.map(lambda text: known.get(text, text), na_action="ignore")
    return column.astype(DTYPES[dtype])


def _finite(column: pd.Series) -> pd.Series:
    """Numbers; one that is infinite is none."""
    numbers = pd.to_numeric(column).astype("float64")
    return _without(numbers, np.isinf(numbers.to_numpy()))


def _without(numbers: pd.Series, wrong: npt.NDArray[np.bool_]) -> pd.Series:
    return numbers.mask(wrong) if wrong.any() else numbers


def _known(values: Iterable[Any], dtype: str, layout: bool) -> dict[str, str]:
    """What is kept of each text; nothing where all are kept as they are."""
    texts = [value for value in dict.fromkeys(values) if value is not None]
    if dtype == "text" and _is_plain(texts, layout):
        return {}
    safe = _laid_out if layout else _prose if dtype == "prose" else _name
    return {text: safe(text) for text in texts if isinstance(text, str)}


def _is_plain(texts: list[Any], layout: bool) -> bool:
    try:
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
