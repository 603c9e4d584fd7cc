"""What was collected over time, as Parquet files: appended, recalled, merged; whole files or nothing.

A collection kept for one report is a folder of one file a frame. The history is a folder a frame
and month, to which every collection adds a file under a name of its own, written beside and
renamed: two collectors at once or a kill at any moment lose nothing, and what was stored twice is
one row again when it is read, by the key of its frame.
"""

from __future__ import annotations

import json
import os
import uuid
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from pdmlib.frames import SCHEMAS, Collection, Coverage, frame, merge
from pdmlib.window import Window

KEPT: Mapping[str, str] = {
    "probes": "checked_at",
    "health_checks": "checked_at",
    "host_metrics": "at",
    "statements": "at",
    "database_gauges": "at",
}


def save_collection(folder: Path, collection: Collection) -> None:
    """A collection as one Parquet file a frame and `coverage.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in collection.frames.items():
        _write(folder / f"{name}.parquet", table)
    rows = [asdict(row) for row in collection.coverage]
    (folder / "coverage.json").write_text(json.dumps(rows), encoding="utf-8")


def load_collection(folder: Path) -> Collection:
    """The collection that `save_collection` wrote."""
    frames = {path.stem: frame(path.stem, _read([path])) for path in sorted(folder.glob("*.parquet"))}
    rows = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    return Collection(frames, tuple(Coverage(**row) for row in rows))


def append(folder: Path, collection: Collection) -> int:
    """Adds a collection's samples to the history; returns how many rows it added."""
    added = 0
    for name, column in KEPT.items():
        table = collection[name]
        months = table[column].dt.strftime("%Y-%m") if len(table) else pd.Series(dtype="str")
        for month, part in table.groupby(months) if len(table) else ():
            target = folder / name / str(month) / f"{_stamp(part[column].max())}-{uuid.uuid4().hex[:8]}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, part)
            added += len(part)
    return added


def recall(folder: Path, window: Window, names: Iterable[str] = tuple(KEPT)) -> dict[str, pd.DataFrame]:
    """The history's samples inside a window, by frame; only the months it touches are opened."""
    found = {}
    for name in names:
        paths = [path for month in _months(window) for path in sorted((folder / name / month).glob("*.parquet"))]
        if paths:
            table = frame(name, _read(paths))
            at = table[KEPT[name]]
            found[name] = table[(at >= window.start) & (at < window.end)].reset_index(drop=True)
    return found


def compact(folder: Path) -> int:
    """Merges the files of every frame and month into one; returns how many files went away.

    The merged file is in place before its parts go, so a kill between leaves rows twice, which
    reading makes one again.
    """
    gone = 0
    for name in KEPT:
        for month in sorted((folder / name).glob("*-*")):
            parts = sorted(month.glob("*.parquet"))
            if len(parts) < 2:
                continue
            table = frame(name, _read(parts)).sort_values(KEPT[name], ignore_index=True)
            _write(month / f"merged-{uuid.uuid4().hex[:8]}.parquet", table)
            for part in parts:
                part.unlink()
            gone += len(parts) - 1
    return gone


def with_history(collection: Collection, folder: Path, window: Window) -> Collection:
    """A collection together with what the history holds of the same frames in a window."""
    frames = merge((recall(folder, window), collection.frames))
    return Collection({**collection.frames, **frames}, collection.coverage)


def _write(path: Path, table: pd.DataFrame) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with duckdb.connect() as connection:
            connection.register("rows", table)
            connection.execute(f"COPY rows TO '{_quoted(beside)}' (FORMAT parquet, COMPRESSION zstd)")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _read(paths: list[Path]) -> pd.DataFrame:
    name = paths[0].stem if paths[0].stem in SCHEMAS else paths[0].parent.parent.name
    columns = ", ".join(f'"{column}"' for column in SCHEMAS[name].columns)
    files = ", ".join(f"'{_quoted(path)}'" for path in paths)
    with duckdb.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(f"SELECT {columns} FROM read_parquet([{files}], union_by_name=true)").df()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _stamp(moment: pd.Timestamp) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _months(window: Window) -> list[str]:
    months, day = [], datetime(window.start.year, window.start.month, 1, tzinfo=UTC)
    while day < window.end:
        months.append(day.strftime("%Y-%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return months
