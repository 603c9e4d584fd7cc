"""Rows of a frame: which lie in a window, and as plain values for `report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdmlib.frames.frame import DTYPES
from pdmlib.phases.window import Window, iso

Moments = npt.NDArray[np.int64]
NO_TIME = int(np.iinfo(np.int64).min)  # what `microseconds` has for a time that is missing


def microseconds(times: pd.Series) -> Moments:
    """Times as microseconds since 1970, UTC; what is no time comes before all others."""
    moments: Moments = times.astype(DTYPES["time"]).to_numpy("datetime64[us]").view("int64")
    return moments


def microsecond(moment: datetime) -> int:
    """One time as `microseconds` has it."""
    return round(moment.timestamp() * 1e6)


def within(moments: Moments, window: Window) -> npt.NDArray[np.intp]:
    """The places of the moments that lie in a window."""
    first, end = microsecond(window.start), microsecond(window.end)
    return np.flatnonzero((moments >= first) & (moments < end))


def rows_at(table: pd.DataFrame, places: npt.NDArray[np.intp]) -> pd.DataFrame:
    """The rows at places, in their order and numbered anew; those of one stretch are not copied."""
    count = len(places)
    first = int(places[0]) if count else 0
    together = bool((np.diff(places) == 1).all())
    found = table.iloc[first : first + count] if together else table.take(places)
    found.index = pd.RangeIndex(count)
    return found


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for `report.json`: times as ISO text in UTC, numbers plain, None for what is missing."""
    return [json_row(row) for row in table.to_dict("records")]


def json_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One such row, of values as pandas and numpy give them."""
    return {str(c): _plain(v) for c, v in row.items()}


def _plain(value: Any) -> Any:
    if value is None or (not isinstance(value, list | tuple | dict) and pd.isna(value)):
        return None
    if isinstance(value, datetime):
        return iso(value)
    return value.item() if isinstance(value, np.generic) else value
