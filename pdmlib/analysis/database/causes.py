"""Why a statement became slower: the signature of its counters, and what of the schema changed with it.

A cause is told for sure only where its own evidence is there: the index that is gone, the foreign key without one.
What merely fits is said with "likely".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from pdmlib.analysis.database import plan_history
from pdmlib.analysis.database.parts import PARTITIONED, Parts, parts_at
from pdmlib.analysis.database.plan_history import Planned
from pdmlib.analysis.database.waits import waits_of
from pdmlib.frames.case import Case, once
from pdmlib.frames.index_text import Index, proposed, quoted, same_table
from pdmlib.frames.statement_text import Filter, filters_of, mentioned, tables_of, verb_of
from pdmlib.frames.states import Pace
from pdmlib.phases.window import spoken

FEWEST_MORE = 10.0  # blocks a call: one level of an index and its heap pages vary by so many without a cause
BLOCKS_FACTOR, BLOCKS_MORE = 3.0, 50.0  # times, and blocks a call: another plan, not another row or two
GROWN = 1.1  # times: what differs by less is the same work
TABLE_GROWN = 1.5  # times: a table that grew so much explains a scan that takes longer
HIT_MS, READ_MS = 0.1, 10.0
"""More than a block from memory, and one from disk, ever takes."""
FOREIGN_KEY = re.compile(r"FOREIGN KEY \((?P<columns>[^)]+)\) REFERENCES (?P<parent>[^(]+)\(")
SATURATED = "the server is saturated, no statement is to blame"
# Rows changed since the last ANALYZE, and their share of the table: twice what sets off autovacuum's own.
STALE_ROWS, STALE_SHARE = 1000, 0.2
_HOLDS_UP = "(it holds up writes; without: ON ONLY the parent, CONCURRENTLY on each partition, then attach)"
_WRITES = ("insert", "update", "delete", "merge")


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
        if not more_work(self.row) or _spills(self.row):
            return []
        return list(behind(self.now, filters_of(self.text)))

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


def explained(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """What explains a row that regressed, beyond its figures; empty where nothing does."""
    if row["verdict"] != Pace.REGRESSED or row["saturated"]:
        return ""
    slower = Slower(case, row, parts_at(case, before), parts_at(case, after), before=before, after=after)
    told = next((text for tell in _CAUSES if (text := tell(slower))), "")
    planned = plan_history.newest(case, row)
    index = "" if told else index_for(slower.now, slower.wanted, planned)
    waited = waits_of(case, before, after, row)
    return "; ".join(part for part in (_other_plan(slower), signature(row, told, waited), index) if part)


def _other_plan(slower: Slower) -> str:
    """That a statement has another plan than before, and since when; the counters say whether it costs more."""
    changed = plan_history.change_of(slower.case, slower.row, slower.before)
    if changed is None:
        return ""
    old, new = plan_history.difference(changed[0].plan, changed[1].plan)
    seen = spoken(changed[1].since, slower.case.site.zone)
    return f"its plan changed from {old} to {new}, first seen {seen}"


def signature(row: Mapping[str, Any], told: str = "", waited: str = "") -> str:
    """What the counters of a call say, in words; with the cause where one was found, else what it waited for."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    blocks = f"{before:.0f} blocks per call before, {now:.0f} now"
    if _spills(row):
        spilled = _per_call(row, "temp_blocks")
        return f"{spilled:.0f} blocks per call go to temporary files: {told or 'its sort or hash spills'}"
    if told:
        return f"{blocks}: {told}"
    if plan_changed(row):
        return f"{blocks}: its plan changed or what it reads has grown"
    if _reads_more(row):
        return f"{blocks}: what it reads has grown"
    reads, read_before = _per_call(row, "read_blocks"), _per_call(row, "read_blocks", "_before")
    if reads > 1 and reads > 2 * read_before:
        return f"{blocks}, from disk {read_before:.1f} before, {reads:.1f} now: the cache is cold"
    if waited:
        return f"{blocks}, so the work is the same; seen at work it waited: {waited}"
    return f"{blocks}, so the work is the same: likely it waits, for a row or table lock or for the processor"


def _spills(row: Mapping[str, Any]) -> bool:
    now, before = _per_call(row, "temp_blocks"), _per_call(row, "temp_blocks", "_before")
    return now >= 1 and now > 2 * before


def _lost_index(slower: Slower) -> str:
    """The index that served and is gone, with the statement that makes it again."""
    gone = [(n, i) for n, i in slower.old.indexes.items() if slower.now.lacks("index", n)]
    for name, index in gone:
        if any(index.serves(wanted) for wanted in slower.wanted):
            return _is_gone(name, index)
    columns = mentioned(slower.text)
    for name, index in gone:
        if more_work(slower.row) and index.may_serve(slower.tables, columns):
            return f"likely {_is_gone(name, index)}"
    return ""


def _is_gone(name: str, index: Index) -> str:
    return f"index {name} on {index.shown} is gone since: {again(index)}"


def again(index: Index) -> str:
    """The statement that makes a lost index again; that of a partitioned table holds up writes, and says so."""
    return f"{index.again} {_HOLDS_UP}" if index.parent else index.again


def _foreign_key(slower: Slower) -> str:
    """A foreign key that points at the rows which are deleted or changed, without an index to find its own."""
    if slower.writes not in ("delete", "update") or not more_work(slower.row):
        return ""
    for name, text in slower.now.of("constraint").items():
        match = FOREIGN_KEY.match(text)
        if not match or not any(same_table(match["parent"].replace('"', ""), t) for t in slower.tables):
            continue
        child = name.rpartition(".")[0]
        columns = tuple(column.strip('"') for column in match["columns"].split(", "))
        if not finds_child(slower.now, child, columns):
            make = proposed(child, columns, PARTITIONED in slower.now.flags(child))
            return (
                f"each {slower.writes} looks for rows of {child} by the foreign key {name.rpartition('.')[2]}, "
                f"and no index there begins with {', '.join(columns)}: {make}"
            )
    return ""


def finds_child(parts: Parts, child: str, columns: Sequence[str]) -> bool:
    """Whether an index begins with the columns of a foreign key, in whatever order."""
    return any(
        same_table(i.table, child)
        and i.method == "btree"
        and not i.partial
        and set(i.keys[: len(columns)]) == set(columns)
        for i in parts.indexes.values()
    )


def _policy(slower: Slower) -> str:
    """A policy of its tables that changed: its condition runs for each row that is looked at."""
    for name, old, now in slower.changed("policy"):
        if name.rpartition(".")[0] in slower.tables:
            return f"likely the policy {name} that changed: {old or 'none'} -> {now or 'none'}"
    return ""


def _trigger(slower: Slower) -> str:
    """A trigger of its tables that is new or runs other code than before."""
    if not slower.writes:
        return ""
    for name, old, now in slower.changed("trigger"):
        if now and name.rpartition(".")[0] in slower.tables:
            return f"likely the trigger {name} that {'changed' if old else 'is new'}: {now}"
    bodies = {name.partition("(")[0] for name, old, _ in slower.changed("function") if old}
    for name, text in slower.now.of("trigger").items():
        runs = text.rpartition(" FUNCTION ")[2].partition("(")[0]
        if name.rpartition(".")[0] in slower.tables and runs in bodies:
            return f"likely the trigger {name}, whose function {runs} has another body"
    return ""


def _view(slower: Slower) -> str:
    for name, old, now in slower.changed("view"):
        if old and now and any(same_table(name, table) for table in tables_of(slower.text)):
            return f"likely the view {name}, whose query is another"
    return ""


def _grown(slower: Slower) -> str:
    """A table whose rows grew at least by the half of what the blocks of a call did, or was loaded unanalysed."""
    if not more_work(slower.row) or _spills(slower.row):
        return ""
    blocks = blocks_per_call(slower.row) / max(blocks_per_call(slower.row, "_before"), 1.0)
    for table in slower.tables:
        rows, old = (rows_of(slower.case, at, table) for at in (slower.after, slower.before))
        stale = _stale(slower, table, rows)
        grew = old > 0 and rows / old >= TABLE_GROWN and blocks <= 2 * rows / old
        grown = f"{table} has grown from about {old:.0f} to {rows:.0f} rows" if grew else ""
        if grown or stale:
            return "; ".join(part for part in (grown, stale) if part)
    return ""


def _stale(slower: Slower, table: str, rows: float) -> str:
    changed = gauge_of(slower.case, slower.after, "n_mod_since_analyze", table)
    if changed < STALE_ROWS or changed < STALE_SHARE * rows:
        return ""
    when = gauge_of(slower.case, slower.after, "analyzed_at", table)
    never = "" if when else ", and it never was"
    since = f"{changed:.0f} rows of {table} changed since its last ANALYZE{never}"
    return f"{since}: likely the planner guesses; ANALYZE {quoted(table)};"


def rows_of(case: Case, at: pd.Timestamp, table: str) -> float:
    """About how many rows a table has: its counter, or the planner's figure where statistics were thrown away."""
    return max(gauge_of(case, at, "n_live_tup", table), gauge_of(case, at, "reltuples", table))


def gauge_of(case: Case, at: pd.Timestamp, metric: str, table: str) -> float:
    """A counter of one table at one look; 0 where it was not taken."""
    return _tables(case.at(case.scope.window), at).get((metric, table), 0.0)


@once
def _tables(case: Case, at: pd.Timestamp) -> dict[tuple[str, str], float]:
    table = case["database_gauges"]
    rows = table[(table["at"] == at) & table["object"].notna() & table["value"].notna()]
    return dict(zip(zip(rows["metric"], rows["object"], strict=True), rows["value"], strict=True))


def index_for(parts: Parts, wanted: Sequence[Filter], planned: Planned | None = None) -> str:
    """Which of the indexes serves a statement that picks rows so, else the one to make; empty for neither.

    Args:
        planned: its newest plan, which says what it uses and whether the index to make was tested.
    """
    if not parts.indexes:
        return ""
    for filters in wanted:
        serving = _serving(parts, filters)
        if serving:
            served = f"{filters.table} ({filters.columns[0]})"
            return f"index {serving[0]} exists for {served}: {_used(serving, planned)}"
    made = [proposed(f.table, f.columns, PARTITIONED in parts.flags(f.table)) for f in wanted]
    if planned and planned.index in made:
        try_it = "so try" if planned.helps else "but do not make"
        return f"no index serves, {try_it} {planned.index} ({planned.tested})"
    return "".join(f"no index serves, so try {one} (untested)" for one in made[:1])


def _serving(parts: Parts, filters: Filter) -> list[str]:
    return [name for name, index in parts.indexes.items() if index.serves(filters)]


def unserved(parts: Parts, wanted: Sequence[Filter]) -> list[Filter]:
    """Those of the filters that no index serves; none where one of them is served."""
    return [] if any(_serving(parts, filters) for filters in wanted) else list(wanted)


def wanted_by(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> list[Filter]:
    """What an index would have to serve, for a statement that does more work than before."""
    slower = Slower(case, row, parts_at(case, before), parts_at(case, after), before=before, after=after)
    return slower.wanted


def _used(names: Sequence[str], planned: Planned | None) -> str:
    """Whether the newest plan uses one of some indexes."""
    if planned is None:
        return "look in its plan whether it is used"
    used = any(name.rpartition(".")[2] in planned.indexes for name in names)
    return "its plan uses it" if used else "its plan leaves it"


# From the surest evidence to the weakest; the first that answers is told.
_CAUSES: tuple[Callable[[Slower], str], ...] = (
    _lost_index,
    _foreign_key,
    _policy,
    _trigger,
    _view,
    _grown,
)
