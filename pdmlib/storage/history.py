"""What was collected over time, as Parquet files: appended, recalled, merged; whole files or nothing.

A collection kept for one report is a folder of one file a frame. The history is a folder a frame
and month, to which every collection adds a file under a name of its own, written beside and
renamed: two collectors at once or a kill at any moment lose nothing, and what was stored twice is
one row again when it is read, by the key of its frame. Small files are merged on the way; whoever
reads meanwhile looks again.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
from pydantic import TypeAdapter

from pdmlib.errors import FrameError, ReportError
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.phases.window import Window, now, stamp
from pdmlib.storage import durable, engine
from pdmlib.storage.sampled import sampled

ABANDONED_S = 86_400  # a file that is still half written after a day belongs to a process that has ended
KEPT: Mapping[str, str] = {
    "probes": "checked_at",
    "health_checks": "checked_at",
    "host_metrics": "at",
    "statements": "at",
    "database_gauges": "at",
    "query_plans": "at",
    "statement_plans": "at",
    "waits": "at",
}
# Of these a row is kept where it says other than the one before of the same thing, and once a day, so that what
# stays is known without looking further back. Columns: those of the thing, those that say something.
CHANGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "statement_plans": (("role", "queryid"), ("fingerprint", "reason", "index")),
}
SAID_AGAIN = timedelta(days=1)
SPARSE = ("host_metrics", "database_gauges")
LOOKS = ("statements", "database_gauges", "query_plans")
LOOSE = 64  # files of one frame; with more of them they are merged into one, since each is opened to read it
# Groups of few rows, so that a report skips what lies outside its window.
STORED = "COMPRESSION zstd, ROW_GROUP_SIZE 16384"
TRIES, PAUSE = 40, 0.05  # two seconds in all for another process to finish
# When single looks, and then hours, are no longer asked for: a month and a few days.
HOURLY_AFTER, DAILY_AFTER = timedelta(days=2), timedelta(days=35)


_COVERAGE = TypeAdapter(tuple[Coverage, ...])


def save_collection(folder: Path, collection: Collection) -> None:
    """A collection as one Parquet file a frame and `coverage.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in collection.frames.items():
        write_table(folder / f"{name}.parquet", table)
    rows = [asdict(row) for row in collection.coverage]
    (folder / "coverage.json").write_text(json.dumps(rows), encoding="utf-8")


def load_collection(folder: Path) -> Collection:
    """The collection that `save_collection` wrote.

    Raises:
        ReportError: it is not there, or damaged.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
    try:
        frames = {name: frame(name, _run([path], *_query(name))) for name, path in paths.items()}
        coverage = _COVERAGE.validate_json((folder / "coverage.json").read_bytes())
    except (OSError, duckdb.Error, KeyError, ValueError, FrameError) as error:
        raise ReportError(f"{folder}: no whole collection: {engine.reason(error)}") from None
    return Collection(frames, coverage)


def append(folder: Path, collection: Collection) -> int:
    """Adds a collection's samples that the history does not hold yet; returns how many rows it added.

    Raises:
        ReportError: a file could not be written; what was there before is untouched.
    """
    added, begun = 0, False
    for name, column in KEPT.items():
        table = _unknown(folder, name, collection[name])
        for month, part in _by_month(table, column):
            target = folder / name / month
            begun |= not target.exists()
            write_table(target / _file_name(part[column].max()), part)
            added += len(part)
            if len(list(target.glob("*.parquet"))) > LOOSE:
                _merge_month(target)
    if begun:
        compact(folder)
    return added


def _by_month(table: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    if table.empty:
        return []
    return [(str(month), part) for month, part in table.groupby(table[column].dt.strftime("%Y-%m"))]


def _unknown(folder: Path, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose key is not in the history: a log that is read whole each time is stored once."""
    if table.empty:
        return table
    if name in CHANGES:
        return _changed(folder, name, table)
    at, key = table[KEPT[name]], list(SCHEMAS[name].key)
    stored = recall(folder, Window(at.min(), at.max() + timedelta(microseconds=1)), (name,))
    if name not in stored:
        return table
    marked = table.merge(stored[name][key], on=key, how="left", indicator="seen")
    return table[(marked["seen"] == "left_only").array]


def _changed(folder: Path, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows that say other than the newest of the same thing in the day before."""
    (of, says), at = CHANGES[name], KEPT[name]
    until = table[at].max() + timedelta(microseconds=1)
    stored = recall(folder, Window(table[at].min() - SAID_AGAIN, until), (name,)).get(name, table[:0])
    both = pd.concat([stored.assign(new=False), table.assign(new=True)], ignore_index=True).sort_values(
        at, kind="stable"
    )
    texts = both[list(says)].fillna("")
    before = texts.groupby([both[column] for column in of]).shift()
    return both[both["new"] & (texts != before).any(axis=1)][list(table.columns)].reset_index(drop=True)


@dataclass(frozen=True)
class Needed:
    """What a report needs of the samples in its window.

    Attributes:
        whole_from: of what is older, the frames in SPARSE are read once an hour, the last of each and its peak.
        until: of the frames in LOOKS the first look counts, and the last up to each of these moments;
            of `database_gauges` that holds for single objects, what tells of the whole is a sample.
    """

    whole_from: datetime
    until: tuple[datetime, ...]


def recall(
    folder: Path, window: Window, names: Iterable[str] = tuple(KEPT), needed: Needed | None = None
) -> dict[str, pd.DataFrame]:
    """The history's samples inside a window, by frame; only the months it touches are opened.

    Args:
        needed: leaves out what a report does not need; None reads everything.
    """
    looks = _looks(folder, window, needed) if needed else []
    queries = {name: _query(name, window, needed, looks) for name in names}
    found = {name: _samples(_months(folder, name, window), *query) for name, query in queries.items()}
    return {name: table for name, table in found.items() if table is not None}


def _looks(folder: Path, window: Window, needed: Needed) -> list[datetime]:
    """The moments of the looks that count, of all frames in LOOKS: what is compared was seen together."""
    last = ", ".join('max("at") FILTER ("at" <= ?)' for _ in needed.until)
    query = f'SELECT min("at"), {last} FROM {{source}} WHERE "at" >= ? AND "at" < ?'
    bounds = [*needed.until, window.start, window.end]
    found = (_ask(_months(folder, name, window), query, bounds) for name in LOOKS)
    return sorted({at for table in found if table is not None for at in table.iloc[0].dropna()})


def extent(folder: Path, name: str, window: Window) -> tuple[datetime, datetime] | None:
    """When the first and the last sample of a frame in a window were taken; None when there is none."""
    at = KEPT[name]
    query = f'SELECT min("{at}"), max("{at}") FROM {{source}} WHERE "{at}" >= ? AND "{at}" < ?'
    found = _ask(_months(folder, name, window), query, [window.start, window.end])
    if found is None or found.isna().all(axis=None):
        return None
    first, last = found.iloc[0]
    return first, last


def compact(folder: Path) -> int:
    """Merges the files of every frame and month into one; returns how many files went away.

    Snapshots of cumulative counters are thinned with age, which loses no amount: of `statements` one
    an hour stays after two days and one a day after five weeks, and both sides of every reset.
    """
    months = [month for name in KEPT for month in sorted((folder / name).glob("*-*"))]
    return sum(_merge_month(month) for month in months)


def _merge_month(month: Path) -> int:
    """Merges a folder; the merged file is in place before its parts go, so a kill leaves rows twice at worst."""
    _sweep(month)
    name, parts = month.parent.name, sorted(month.glob("*.parquet"))
    if not parts or (len(parts) == 1 and name != "statements"):
        return 0
    table = _samples([month], *_query(name))
    if table is None:
        return 0
    latest = max(path.name for path in month.parent.glob("*-*/*.parquet"))
    kept = _thinned(table, sampled(latest)) if name == "statements" else table
    if len(parts) < 2 and len(kept) == len(table):
        return 0
    column = KEPT[name]
    order = kept[column].dt.floor("D").rename("day").to_frame().join(kept[list(SCHEMAS[name].key)])
    merged = kept.loc[order.sort_values(["day", *SCHEMAS[name].key]).index]
    write_table(month / _file_name(merged[column].max()), merged)
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts) - 1


def _sweep(month: Path) -> None:
    """Removes what a killed process left unfinished more than a day ago."""
    for left in month.glob(".*.part"):
        with suppress(FileNotFoundError):
            if now().timestamp() - left.stat().st_mtime > ABANDONED_S:
                left.unlink()


def _thinned(table: pd.DataFrame, latest: datetime) -> pd.DataFrame:
    """Snapshots of counters, fewer with age; the first and last before each reset stay."""
    since = table.groupby("at")["since"].min().fillna(pd.Timestamp(0, tz="UTC"))
    moments = since.index.to_series()
    hours = moments.dt.floor("h").where(latest - moments > HOURLY_AFTER, moments)
    buckets = moments.dt.floor("D").where(latest - moments > DAILY_AFTER, hours)
    resets = (since != since.shift()).cumsum()
    groups = moments.groupby([resets, buckets])
    kept = pd.concat([groups.last(), moments.groupby(resets).first()])
    return table[table["at"].isin(kept)]


def with_history(collection: Collection, folder: Path, window: Window, needed: Needed | None = None) -> Collection:
    """A collection together with what the history holds of the same frames in a window, as `recall` reads it."""
    frames = {**collection.frames, **merge((recall(folder, window, needed=needed), collection.frames))}
    if "statements" in frames:
        frames["statements"] = _with_texts(frames["statements"], folder, window)
    return Collection(frames, collection.coverage)


def _with_texts(table: pd.DataFrame, folder: Path, window: Window) -> pd.DataFrame:
    """Statements with the newest text that any look of the window knew, also one that counts for nothing else."""
    if table["query"].notna().all():
        return table
    query = """SELECT "queryid", max_by("query", "at") AS "query" FROM {source}
        WHERE "query" IS NOT NULL AND "at" >= ? AND "at" < ? GROUP BY ALL"""
    found = _ask(_months(folder, "statements", window), query, [window.start, window.end])
    if found is None:
        return table
    texts = found.set_index("queryid")["query"]
    return table.assign(query=table["query"].fillna(table["queryid"].map(texts).astype(table["query"].dtype)))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A frame as a Parquet file, whole or not at all.

    Raises:
        ReportError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.replacing(path) as beside, engine.cursor() as connection:
            connection.register("rows", table)
            engine.save(connection, "FROM rows", beside, options=STORED)
    except (duckdb.IOException, OSError) as error:
        raise ReportError(f"{path}: cannot be written: {engine.reason(error)}") from None


def _samples(months: list[Path], query: str, bounds: list[datetime]) -> pd.DataFrame | None:
    table = _ask(months, query, bounds)
    return None if table is None else frame(months[0].parent.name, table)


def _ask(months: list[Path], query: str, bounds: list[datetime]) -> pd.DataFrame | None:
    """What a query gives over the files of some months; None when they have none. Damaged files are set aside."""
    for left in reversed(range(TRIES)):
        paths = _listed(months)
        try:
            return _run(paths, query, bounds) if paths else None
        except duckdb.Error as error:
            if _set_aside_damaged(paths):
                continue
            if not left:
                raise ReportError(f"{months[0].parent}: cannot be read: {engine.reason(error)}") from None
            # Another process has just merged away a file that was listed here.
            time.sleep(PAUSE)
    return None


def _set_aside_damaged(paths: list[Path]) -> bool:
    """Whether any of the files was damaged, which is then out of the way."""
    damaged = [path for path in paths if path.exists() and not _is_whole(path)]
    for path in damaged:
        durable.set_aside(path)
    return bool(damaged)


def _is_whole(path: Path) -> bool:
    try:
        _run([path], "FROM {source}", [])
    except duckdb.Error:
        return not path.exists()
    return True


def _listed(months: list[Path]) -> list[Path]:
    """The files of some months, once two looks agree: one that goes away meanwhile is replaced before."""
    earlier: list[Path] | None = None
    while (paths := [path for month in months for path in sorted(month.glob("*.parquet"))]) != earlier:
        earlier = paths
    return paths


def _query(
    name: str,
    window: Window | None = None,
    needed: Needed | None = None,
    looks: Sequence[datetime] = (),
) -> tuple[str, list[datetime]]:
    """The query of a frame's rows, its files as `{source}`, and its parameters."""
    columns = ", ".join(f'"{column}"' for column in SCHEMAS[name].columns)
    query = f"SELECT {columns} FROM {{source}}"
    if window is None:
        return query, []
    query += f' WHERE "{KEPT[name]}" >= ? AND "{KEPT[name]}" < ?'
    bounds = [window.start, window.end]
    if needed is None:
        return query, bounds
    seen = f'"{KEPT[name]}" IN ({", ".join("?" for _ in looks)})' if looks else "false"
    if name in LOOKS:
        query += f" AND ({seen}" + (' OR "object" IS NULL)' if "object" in SCHEMAS[name].columns else ")")
        bounds += looks
    if name in SPARSE:
        query += _sparse(name, seen)
        bounds += [needed.whole_from, *looks]
    return query, bounds


def _sparse(name: str, seen: str) -> str:
    at = KEPT[name]
    what = "".join(f'"{column}", ' for column in SCHEMAS[name].key if column != at)
    hour = f"""PARTITION BY {what}date_trunc('hour', "{at}")"""
    return f""" QUALIFY "{at}" >= ? OR {seen} OR row_number() OVER ({hour} ORDER BY "{at}" DESC) = 1
        OR row_number() OVER ({hour} ORDER BY "value" DESC, "{at}" DESC) = 1"""


def _run(paths: list[Path], query: str, bounds: list[datetime]) -> pd.DataFrame:
    with engine.cursor() as connection:
        return engine.table(connection, query.replace("{source}", engine.parquet(paths)), bounds)


def _file_name(newest: pd.Timestamp) -> str:
    return f"{stamp(newest)}-{uuid.uuid4().hex[:8]}.parquet"


def _months(folder: Path, name: str, window: Window) -> list[Path]:
    """The folders of a frame's months that a window touches, there or not."""
    months, day = [], datetime(window.start.year, window.start.month, 1, tzinfo=UTC)
    while day < window.end:
        months.append(folder / name / day.strftime("%Y-%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return months
