"""Why a statement became slower: the signature of its counters, and the index that went missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pdmlib.frames.case import Case
from pdmlib.frames.statement_text import Filter, filters_of, tables_of
from pdmlib.frames.states import Pace

FEWEST_MORE = 10.0  # blocks a call: one level of an index and its heap pages vary by so many without a cause
BLOCKS_FACTOR, BLOCKS_MORE = 3.0, 50.0  # times, and blocks a call: another plan, not another row or two
GROWN = 1.1  # times: what differs by less is the same work
TABLE_GROWN = 1.5  # times: a table that grew so much explains a scan that takes longer
HIT_MS, READ_MS = 0.1, 10.0
"""More than a block from memory, and one from disk, ever takes."""
SATURATED = "the server is saturated, no statement is to blame"
_INDEX = re.compile(r"(?P<unique>unique )?(?P<method>\w+) (?P<table>\S+) \((?P<columns>[^)]*)\)(?P<rest>.*)")


def blocks_per_call(row: Mapping[str, Any], suffix: str = "") -> float:
    """Blocks of tables and indexes that one call touches, in memory or not."""
    return _per_call(row, "hit_blocks", suffix) + _per_call(row, "read_blocks", suffix)


def _per_call(row: Mapping[str, Any], counter: str, suffix: str = "") -> float:
    calls = row["n_before"] if suffix else row["calls"]
    return float(row[f"{counter}{suffix}"] / calls) if calls else 0.0


def plan_changed(row: Mapping[str, Any]) -> bool:
    """Whether a call touches so many more blocks that its plan, or an index, must have changed."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    return now >= BLOCKS_FACTOR * before and now - before >= BLOCKS_MORE


def more_work(row: Mapping[str, Any]) -> bool:
    """Whether a call does more than it did: more blocks, or temporary files."""
    return plan_changed(row) or _reads_more(row) or _spills(row)


def _reads_more(row: Mapping[str, Any]) -> bool:
    """Whether a call touches more blocks, and so many more that they can account for half of its new time."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    slower = row["mean_ms"] - row["before_mean_ms"]
    return now > GROWN * before and now - before > FEWEST_MORE and 2 * _longest_ms(row) >= slower


def _longest_ms(row: Mapping[str, Any]) -> float:
    """The longest time that the blocks which a call touches more than before could take."""
    before, now = _per_call(row, "read_blocks", "_before"), _per_call(row, "read_blocks")
    more = blocks_per_call(row) - blocks_per_call(row, "_before")
    return HIT_MS * max(more, 0.0) + READ_MS * max(now - before, 0.0)


def explained(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """The reason of a row, for a regression with its cause."""
    reason = str(row["reason"])
    if row["verdict"] != Pace.REGRESSED or SATURATED in reason:
        return reason
    lost = _lost_index(case, before, after, row)
    grown = "" if lost else _grown_table(case, before, after, row)
    return f"{reason}; {cause(row, grown)}{lost or _index(case, after, row)}"


def cause(row: Mapping[str, Any], grown: str = "") -> str:
    """The signature of the counters, in words; `grown` says which table has grown as much as they have."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    blocks = f"{before:.0f} -> {now:.0f} blocks per call"
    if grown and more_work(row) and not _spills(row):
        return f"{blocks}: {grown}"
    if plan_changed(row):
        return f"{blocks}: its plan changed or an index is gone"
    if _spills(row):
        spilled = _per_call(row, "temp_blocks")
        return f"{spilled:.0f} blocks per call go to temporary files: its sort or hash spills"
    if _reads_more(row):
        return f"{blocks}: what it reads has grown"
    reads, read_before = _per_call(row, "read_blocks"), _per_call(row, "read_blocks", "_before")
    if reads > 1 and reads > 2 * read_before:
        return f"{blocks}, of which {read_before:.1f} -> {reads:.1f} from disk: the cache is cold"
    return f"{blocks}, so the work is the same: it waits, for a row or table lock or for the processor"


def _spills(row: Mapping[str, Any]) -> bool:
    now, before = _per_call(row, "temp_blocks"), _per_call(row, "temp_blocks", "_before")
    return now >= 1 and now > 2 * before


def _grown_table(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """The table of a statement whose rows grew at least by the half of what its blocks did; empty for none."""
    blocks = blocks_per_call(row) / max(blocks_per_call(row, "_before"), 1.0)
    old, now = _rows_of(case, before), _rows_of(case, after)
    names = {table.split(".")[-1] for table in tables_of(str(row["query"]))}
    for table, rows in now.items():
        if table.split(".")[-1] in names and old.get(table, 0) > 0:
            factor = rows / old[table]
            if factor >= TABLE_GROWN and blocks <= 2 * factor:
                return f"{table} has grown from about {old[table]:.0f} to {rows:.0f} rows"
    return ""


def _rows_of(case: Case, at: pd.Timestamp) -> dict[str, float]:
    table = case["database_gauges"]
    rows = table[(table["metric"] == "n_live_tup") & (table["at"] == at)]
    return dict(zip(rows["object"], rows["value"], strict=True))


def _wanted(row: Mapping[str, Any]) -> list[Filter]:
    """What an index would have to serve; nothing when more work is not the cause."""
    if not more_work(row) or _spills(row):
        return []
    return [Filter(f.table.split(".")[-1], f.columns) for f in filters_of(str(row["query"]))]


def _lost_index(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """The index that served and is gone, with the statement that makes it again; empty for none."""
    old, now = indexes(case, before), indexes(case, after)
    for name, index in old.items():
        for wanted in _wanted(row):
            if name not in now and serves(index, wanted):
                return f"; index {name} on {index['table']} ({index['columns']}) is gone since: {create(index)}"
    return ""


def _index(case: Case, at: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """The index that exists, or would have to, for a statement that does more work."""
    found = index_for(indexes(case, at), _wanted(row))
    return f"; {found}" if found else ""


def index_for(have: Mapping[str, Mapping[str, str]], wanted: Sequence[Filter]) -> str:
    """Which of the indexes serves a statement that picks rows so, else the one to make; empty for neither."""
    if not have:
        return ""
    for filters in wanted:
        serving = [name for name, index in have.items() if serves(index, filters)]
        if serving:
            served = f"{filters.table} ({filters.columns[0]})"
            return f"index {serving[0]} exists for {served}: look why the plan leaves it"
    return "".join(
        f"no index serves: CREATE INDEX CONCURRENTLY ON {f.table} ({', '.join(f.columns)});" for f in wanted[:1]
    )


def indexes(case: Case, at: pd.Timestamp) -> dict[str, dict[str, str]]:
    """The valid indexes at one look: name -> table, columns, unique, method, rest."""
    table = case["database_gauges"]
    rows = table[(table["metric"] == "index") & (table["at"] == at)]
    found = {}
    for name, detail in zip(rows["object"], rows["detail"], strict=True):
        match = _INDEX.fullmatch(detail)
        if match and "invalid" not in match["rest"]:
            found[name] = {key: value or "" for key, value in match.groupdict().items()}
    return found


def serves(index: Mapping[str, str], wanted: Filter) -> bool:
    """Whether an index begins with a column by which rows of its table are picked."""
    first = index["columns"].split(", ")[0].lower()
    same = index["table"].split(".")[-1] == wanted.table.split(".")[-1]
    return same and first in {column.lower() for column in wanted.columns}


def create(index: Mapping[str, str]) -> str:
    """The statement that makes an index again."""
    using = "" if index["method"] == "btree" else f"USING {index['method']} "
    return f"CREATE {index['unique'].upper()}INDEX CONCURRENTLY ON {index['table']} {using}({index['columns']});"
