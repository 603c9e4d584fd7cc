"""One statement that became slower: what a call of it does more than before, and the database on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from pdmlib.analysis.database.parts import Parts
from pdmlib.frames.case import Case, once
from pdmlib.frames.statement_text import Filter, filters_of, mentioned, tables_of, verb_of

FEWEST_MORE = 10.0  # blocks a call: one level of an index and its heap pages vary by so many without a cause
BLOCKS_FACTOR, BLOCKS_MORE = 3.0, 50.0  # times, and blocks a call: another plan, not another row or two
GROWN = 1.1  # times: what differs by less is the same work
HIT_MS, READ_MS = 0.1, 10.0
"""More than a block from memory, and one from disk, ever takes."""
_REFRESH = "refresh"
_WRITES = ("insert", "update", "delete", "merge")


def blocks_per_call(row: Mapping[str, Any], suffix: str = "") -> float:
    """Blocks of tables and indexes that one call touches, in memory or not."""
    return per_call(row, "hit_blocks", suffix) + per_call(row, "read_blocks", suffix)


def per_call(row: Mapping[str, Any], counter: str, suffix: str = "") -> float:
    """A counter of the statement for one call, now or `_before`."""
    calls = row["n_before"] if suffix else row["calls"]
    return float(row[f"{counter}{suffix}"] / calls) if calls else 0.0


def plan_changed(row: Mapping[str, Any]) -> bool:
    """Whether a call touches so many more blocks that its plan, or an index, must have changed."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    return now >= BLOCKS_FACTOR * before and now - before >= BLOCKS_MORE


def more_work(row: Mapping[str, Any]) -> bool:
    """Whether a call does more than it did: more blocks, or temporary files."""
    return plan_changed(row) or reads_more(row) or spills(row)


def reads_more(row: Mapping[str, Any]) -> bool:
    """Whether a call touches more blocks, and so many more that they can account for half of its new time."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    slower = row["mean_ms"] - row["before_mean_ms"]
    return now > GROWN * before and now - before > FEWEST_MORE and 2 * _longest_ms(row) >= slower


def _longest_ms(row: Mapping[str, Any]) -> float:
    """The longest time that the blocks which a call touches more than before could take."""
    before, now = per_call(row, "read_blocks", "_before"), per_call(row, "read_blocks")
    more = blocks_per_call(row) - blocks_per_call(row, "_before")
    return HIT_MS * max(more, 0.0) + READ_MS * max(now - before, 0.0)


def spills(row: Mapping[str, Any]) -> bool:
    """Whether a call writes temporary files, as it did not before."""
    now, before = per_call(row, "temp_blocks"), per_call(row, "temp_blocks", "_before")
    return now >= 1 and now > 2 * before


@dataclass(frozen=True)
class Slower:
    """One statement that became slower, and the schema on both sides of it."""

    case: Case
    row: Mapping[str, Any]
    old: Parts
    now: Parts
    before: pd.Timestamp
    after: pd.Timestamp

    @cached_property
    def text(self) -> str:
        """The statement."""
        return str(self.row["query"])

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """The tables it reads or writes, also through views, as they were before."""
        names = tables_of(self.text)
        return tuple(dict.fromkeys((*self.old.tables(names), *self.now.tables(names))))

    @cached_property
    def writes(self) -> str:
        """`insert`, `update`, `delete` or `merge`; empty for a reading statement."""
        verb = verb_of(self.text)
        return verb if verb in _WRITES else ""

    @cached_property
    def wanted(self) -> list[Filter]:
        """What an index would have to serve, on the tables behind the names; nothing without more work."""
        if not more_work(self.row) or spills(self.row):
            return []
        return list(behind(self.now, filters_of(self._asks)))

    @cached_property
    def _asks(self) -> str:
        """What it reads its rows by: a materialized view that is made anew by its own query."""
        if verb_of(self.text) != _REFRESH:
            return self.text
        views = self.old.of("view")
        return next((views[name] for name in self.tables if name in views), self.text)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns that it names."""
        return mentioned(self._asks)

    @property
    def touches_more(self) -> bool:
        """Whether a call touches more blocks than it did, however few."""
        return blocks_per_call(self.row) > GROWN * blocks_per_call(self.row, "_before")

    def changed(self, kind: str) -> Iterator[tuple[str, str | None, str | None]]:
        """Parts of one kind that are new, gone or other than before: name, before, now."""
        old, now = self.old.of(kind), self.now.of(kind)
        for name in dict.fromkeys((*old, *now)):
            if old.get(name) != now.get(name) and self.old.knows(kind, name) and self.now.knows(kind, name):
                yield name, old.get(name), now.get(name)


def behind(parts: Parts, wanted: Sequence[Filter]) -> Iterator[Filter]:
    """Filters on the tables themselves; of a view on those of its tables that have the columns."""
    for filters in wanted:
        for table in parts.tables((filters.table,)):
            have = parts.columns(table)
            columns = tuple(c for c in filters.columns if c in have) if any(have) else filters.columns
            if columns:
                yield Filter(table, columns)


def rows_of(case: Case, at: pd.Timestamp, table: str) -> float:
    """About how many rows a table has: its counter, or the planner's figure where statistics were thrown away.

    The larger of both: a VACUUM that ends before the counters of the session arrive sets the counter too low.
    """
    return max(gauge_of(case, at, "n_live_tup", table), gauge_of(case, at, "reltuples", table))


def gauge_of(case: Case, at: pd.Timestamp, metric: str, table: str) -> float:
    """A counter of one table at one look; 0 where it was not taken."""
    return _tables(case.at(case.scope.window), at).get((metric, table), 0.0)


@once
def _tables(case: Case, at: pd.Timestamp) -> dict[tuple[str, str], float]:
    table = case["database_gauges"]
    rows = table[(table["at"] == at) & table["object"].notna() & table["value"].notna()]
    return dict(zip(zip(rows["metric"], rows["object"], strict=True), rows["value"], strict=True))
