"""Why a statement became slower: the signature of its counters, and the index that went missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pdmlib.case import Case
from pdmlib.sqltext import filters_of

BLOCKS_FACTOR, BLOCKS_MORE = 3.0, 50.0
GROWN = 1.1
_INDEX = re.compile(r"(?P<unique>unique )?(?P<method>\w+) (?P<table>\S+) \((?P<columns>[^)]*)\)(?P<rest>.*)")


def blocks_per_call(row: Mapping[str, Any], suffix: str = "") -> float:
    """Blocks of tables and indexes that one call touches, in memory or not."""
    calls = row["n_before"] if suffix else row["calls"]
    return float((row[f"hit_blocks{suffix}"] + row[f"read_blocks{suffix}"]) / calls) if calls else 0.0


def plan_changed(row: Mapping[str, Any]) -> bool:
    """Whether a call touches so many more blocks that its plan, or an index, must have changed."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    return now >= BLOCKS_FACTOR * before and now - before >= BLOCKS_MORE


def more_work(row: Mapping[str, Any]) -> bool:
    """Whether a call does more than it did: more blocks, or temporary files."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    return plan_changed(row) or (now > GROWN * before and now - before > 10) or _spills(row)


def explained(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """The reason of a row, for a regression with its cause."""
    reason = str(row["reason"])
    if row["verdict"] != "REGRESSED" or "saturated" in reason:
        return reason
    return f"{reason}; {cause(row)}{_index(case, before, after, row)}"


def cause(row: Mapping[str, Any]) -> str:
    """The signature of the counters, in words."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    blocks = f"{before:.0f} -> {now:.0f} blocks per call"
    if plan_changed(row):
        return f"{blocks}: its plan changed or an index is gone"
    if _spills(row):
        spilled = row["temp_blocks"] / row["calls"]
        return f"{spilled:.0f} blocks per call go to temporary files: its sort or hash spills"
    if now > GROWN * before and now - before > 10:
        return f"{blocks}: what it reads has grown"
    reads, read_before = row["read_blocks"] / row["calls"], row["read_blocks_before"] / row["n_before"]
    if reads > 1 and reads > 2 * read_before:
        return f"{blocks}, of which {read_before:.1f} -> {reads:.1f} from disk: the cache is cold"
    return f"{blocks}, so the work is the same: it waits, for a row or table lock or for the processor"


def _spills(row: Mapping[str, Any]) -> bool:
    now = row["temp_blocks"] / row["calls"] if row["calls"] else 0.0
    before = row["temp_blocks_before"] / row["n_before"] if row["n_before"] else 0.0
    return bool(now >= 1 and now > 2 * before)


def _index(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """What became of the index that would serve; empty when more work is not the cause."""
    if not more_work(row) or _spills(row):
        return ""
    old, now = indexes(case, before), indexes(case, after)
    wanted = [(f.table.split(".")[-1], f.columns) for f in filters_of(str(row["query"]))]
    for name, index in old.items():
        for table, columns in wanted:
            if name not in now and _serves(index, table, columns):
                return f"; index {name} on {index['table']} ({index['columns']}) is gone since: {_create(index)}"
    if not now:
        return ""
    for table, columns in wanted:
        serving = [name for name, index in now.items() if _serves(index, table, columns)]
        if serving:
            return f"; index {serving[0]} exists for {table} ({columns[0]}): look why the plan leaves it"
    return "".join(f"; no index serves: CREATE INDEX CONCURRENTLY ON {t} ({', '.join(c)});" for t, c in wanted[:1])


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


def _serves(index: Mapping[str, str], table: str, columns: tuple[str, ...]) -> bool:
    first = index["columns"].split(", ")[0]
    return index["table"].split(".")[-1] == table and first.lower() in {c.lower() for c in columns}


def _create(index: Mapping[str, str]) -> str:
    using = "" if index["method"] == "btree" else f"USING {index['method']} "
    return f"CREATE {index['unique'].upper()}INDEX CONCURRENTLY ON {index['table']} {using}({index['columns']});"
