"""Why a statement became slower: the signature of its counters, and what of the schema or its rows changed.

A cause is told for sure only where its own evidence is there: the index that is gone, the foreign key without one.
What merely fits is said with "likely".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pdmlib.analysis.database import plan_history, row_causes, schema_causes
from pdmlib.analysis.database.pairs import IN_PLACE_OF
from pdmlib.analysis.database.parts import PARTITION_OF, PARTITIONED, Parts, parts_at
from pdmlib.analysis.database.plan_history import Planned
from pdmlib.analysis.database.slower import (
    Slower,
    blocks_per_call,
    per_call,
    plan_changed,
    reads_more,
    rows_of,
    spills,
)
from pdmlib.analysis.database.waits import waits_of
from pdmlib.frames.case import Case
from pdmlib.frames.index_text import UNTESTED, proposed
from pdmlib.frames.statement_text import Filter
from pdmlib.frames.states import Pace
from pdmlib.phases.window import spoken

SATURATED = "the server is saturated, no statement is to blame"
FEWEST_ROWS = 1000  # of a table that an index is worth while for: fewer fit into a few pages


def explained(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """What explains a row beyond its figures: a regression's cause, the index that a new statement lacks."""
    if row["verdict"] not in (Pace.REGRESSED, Pace.NEW) or row["saturated"]:
        return ""
    slower = Slower(case, row, parts_at(case, before), parts_at(case, after), before=before, after=after)
    planned = plan_history.newest(case, row)
    if row["verdict"] == Pace.NEW or row["told"].startswith(IN_PLACE_OF):
        return index_for(slower.now, _worth_while(slower), planned)
    told = next(_causes(slower), "")
    index = "" if told else index_for(slower.now, _worth_while(slower), planned)
    waited = waits_of(case, before, after, row)
    return "; ".join(part for part in (_other_plan(slower), signature(row, told, waited), index) if part)


def schema_changed(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> bool:
    """Whether something of the schema or the settings changed with a statement that may explain its pace."""
    slower = Slower(case, row, parts_at(case, before), parts_at(case, after), before=before, after=after)
    return any(schema_causes.told(slower))


def _other_plan(slower: Slower) -> str:
    """That a statement has another plan than before, and since when; the counters say whether it costs more."""
    changed = plan_history.change_of(slower.case, slower.row, slower.before)
    if changed is None:
        return ""
    old, new = plan_history.difference(changed[0].plan, changed[1].plan)
    seen = spoken(changed[1].since, slower.case.site.zone)
    return f"its plan changed from {old} to {new}, first seen {seen}"


def _causes(slower: Slower) -> Iterator[str]:
    """What explains it, the surest evidence first."""
    yield from schema_causes.told(slower)
    yield from row_causes.told(slower)


def _worth_while(slower: Slower) -> list[Filter]:
    """The filters on tables that are large enough for an index."""
    return [f for f in slower.wanted if rows_of(slower.case, slower.after, f.table) >= FEWEST_ROWS]


def signature(row: Mapping[str, Any], told: str = "", waited: str = "") -> str:
    """What the counters of a call say, in words; with the cause where one was found, else what it waited for."""
    before, now = blocks_per_call(row, "_before"), blocks_per_call(row)
    blocks = f"{before:.0f} blocks per call before, {now:.0f} now"
    if spills(row):
        spilled = per_call(row, "temp_blocks")
        return f"{spilled:.0f} blocks per call go to temporary files: {told or 'its sort or hash spills'}"
    if told:
        return f"{blocks}: {told}"
    if plan_changed(row):
        return f"{blocks}: likely its plan changed or what it reads has grown"
    if reads_more(row):
        return f"{blocks}: likely what it reads has grown"
    reads, read_before = per_call(row, "read_blocks"), per_call(row, "read_blocks", "_before")
    if reads > 1 and reads > 2 * read_before:
        return f"{blocks}, from disk {read_before:.1f} before, {reads:.1f} now: likely the cache is cold"
    if waited:
        return f"{blocks}, so the work is the same; seen at work it waited: {waited}"
    return f"{blocks}, so the work is the same: likely it waits, for a row or table lock or for the processor"


def index_for(parts: Parts, wanted: Sequence[Filter], planned: Planned | None = None) -> str:
    """The index to make for a statement that picks rows so, else the one that its plan may leave; or nothing.

    Args:
        planned: its newest plan, which says what it uses and whether the index to make was tested.
    """
    if not parts.indexes:
        return ""
    made = [proposed(f.table, f.columns, PARTITIONED in parts.flags(f.table)) for f in unserved(parts, wanted)]
    if planned and planned.index in made:
        try_it = "so try" if planned.helps else "but do not make"
        return f"no index serves, {try_it} {planned.index} ({planned.tested})"
    if made:
        return f"no index serves, so try {made[0]} ({UNTESTED})"
    if wanted:
        serving = _serving(parts, wanted[0])
        return (
            f"index {serving[0]} exists for {wanted[0].table} ({wanted[0].columns[0]}): {_used(serving, planned)}"
        )
    return ""


def _serving(parts: Parts, filters: Filter) -> list[str]:
    return [name for name, index in parts.indexes.items() if index.serves(filters)]


def unserved(parts: Parts, wanted: Sequence[Filter]) -> list[Filter]:
    """Those of the filters that no index serves.

    Of a partitioned table some of whose partitions have an index only the others lack one.
    """
    lacking = [f for f in wanted if not _serving(parts, f)]
    served = [f.table for f in wanted if f not in lacking]
    whole = {flag.removeprefix(PARTITION_OF) for table in served for flag in parts.flags(table)}
    return [f for f in lacking if f.table not in whole]


def wanted_by(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> list[Filter]:
    """What an index would have to serve, for a statement that does more work than before."""
    return _worth_while(
        Slower(case, row, parts_at(case, before), parts_at(case, after), before=before, after=after)
    )


def _used(names: Sequence[str], planned: Planned | None) -> str:
    """Whether the newest plan uses one of some indexes."""
    if planned is None:
        return "likely its plan leaves it, look there"
    used = any(name.rpartition(".")[2] in planned.indexes for name in names)
    return "its plan uses it" if used else "its plan leaves it"
