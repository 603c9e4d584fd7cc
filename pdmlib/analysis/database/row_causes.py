"""Why a statement became slower: what the rows that it reads have become, and how many of them it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pandas as pd

from pdmlib.analysis.database.parts import PARTITIONED
from pdmlib.analysis.database.slower import (
    Slower,
    blocks_per_call,
    gauge_of,
    more_work,
    per_call,
    plan_changed,
    rows_of,
    spills,
)
from pdmlib.frames.index_text import UNTESTED, proposed, quoted, same_table
from pdmlib.frames.readings import significant

TABLE_GROWN = 1.5  # times: a table that grew so much explains a scan that takes longer
# Rows changed since the last ANALYZE, and their share of the table: twice what sets off autovacuum's own.
STALE_ROWS, STALE_SHARE = 1000, 0.2
# Dead rows for each live one: autovacuum starts at a fifth, so at as many as live ones it does not come by.
MOSTLY_DEAD = 1.0
DEAD_ROWS = 1000  # of so few nobody can tell
# Times the pages a row, from which a scan is slower by them: what fits a little worse is no cause.
SWOLLEN = 2.0
FEWEST_PAGES = 100  # of a table: a smaller one is read in less than a millisecond
# Times the rows a call, and rows: a list of twenty that had three today is no other question.
MORE_ROWS, FEWEST_ROWS = 3.0, 50.0
_OFFSET = re.compile(r"\boffset\b", re.IGNORECASE)


def dead(slower: Slower) -> str:
    """A table most of whose rows are dead: scans read them, and index scans visit them, until VACUUM comes by."""
    for table in slower.tables:
        rows, before = (gauge_of(slower.case, at, "n_dead_tup", table) for at in (slower.after, slower.before))
        live = rows_of(slower.case, slower.after, table)
        alive = gauge_of(slower.case, slower.after, "n_live_tup", table)
        if rows >= DEAD_ROWS and rows >= MOSTLY_DEAD * min(live, alive) and rows > 2 * before:
            return (
                f"{rows:.0f} rows of {table} are dead and {alive:.0f} alive: likely it reads past them; "
                f"VACUUM {quoted(table)}; and see the check horizon where that does not help"
            )
    return ""


def swollen(slower: Slower) -> str:
    """A table that holds its rows in many more pages than before, as a VACUUM leaves it after many dead rows."""
    for table in slower.tables:
        rows = rows_of(slower.case, slower.after, table)
        now, before = (_pages_a_row(slower, at, table) for at in (slower.after, slower.before))
        if before and now >= SWOLLEN * before and now * rows >= FEWEST_PAGES:
            return (
                f"the rows of {table} take {significant(now / before, 2)} times the pages they took: likely it "
                "reads those that dead rows have left; pg_repack in a quiet hour"
            )
    return ""


def unordered(slower: Slower) -> str:
    """A BRIN index that is still there: it tells rows apart only while they lie in the order of their values."""
    brin = {name: index for name, index in slower.now.indexes.items() if index.method == "brin"}
    for wanted in slower.wanted:
        for name, index in brin.items():
            if same_table(index.table, wanted.table) and index.keys[0] in wanted.columns:
                make = proposed(index.table, index.keys[:1], PARTITIONED in slower.now.flags(index.table))
                return (
                    f"likely index {name} (brin) no longer tells the rows of {index.table} apart, since they lie "
                    f"in another order: {make} ({UNTESTED})"
                )
    return ""


def _pages_a_row(slower: Slower, at: pd.Timestamp, table: str) -> float:
    pages, rows = (gauge_of(slower.case, at, metric, table) for metric in ("relpages", "reltuples"))
    return pages / rows if rows else 0.0


def grown(slower: Slower) -> str:
    """A table whose rows grew at least by the half of what the blocks of a call did."""
    blocks = blocks_per_call(slower.row) / max(blocks_per_call(slower.row, "_before"), 1.0)
    for table in slower.tables:
        rows, old = (rows_of(slower.case, at, table) for at in (slower.after, slower.before))
        if old > 0 and rows / old >= TABLE_GROWN and blocks <= 2 * rows / old:
            text = f"{table} has grown from about {old:.0f} to {rows:.0f} rows"
            return "; ".join(part for part in (text, stale(slower)) if part)
    return ""


def stale(slower: Slower) -> str:
    """A table of which much changed since its last ANALYZE: the planner takes it for what it was."""
    for table in slower.tables:
        changed, old = (
            gauge_of(slower.case, at, "n_mod_since_analyze", table) for at in (slower.after, slower.before)
        )
        enough = max(STALE_ROWS, STALE_SHARE * rows_of(slower.case, slower.after, table))
        if changed >= enough and changed > old:
            never = "" if gauge_of(slower.case, slower.after, "analyzed_at", table) else ", and it never was"
            return (
                f"{changed:.0f} rows of {table} changed since its last ANALYZE{never}: "
                f"likely the planner guesses; ANALYZE {quoted(table)};"
            )
    return ""


def more_rows(slower: Slower) -> str:
    """More rows a call of a statement whose tables did not grow: it is asked for more."""
    now, before = per_call(slower.row, "rows"), per_call(slower.row, "rows", "_before")
    if now < MORE_ROWS * before or now - before < FEWEST_ROWS:
        return ""
    does = "changes" if slower.writes else "returns"
    return f"it {does} {before:.0f} rows per call before, {now:.0f} now: likely it is asked for more by its values"


def deep_page(slower: Slower) -> str:
    """An OFFSET in a statement that reads more for as many rows as before."""
    if not plan_changed(slower.row) or not _OFFSET.search(slower.text):
        return ""
    return "likely a deeper page, its OFFSET reads all rows before it: page by the last key of the page before"


def told(slower: Slower) -> Iterator[str]:
    """The causes that the rows tell, the surest evidence first."""
    if more_work(slower.row) and not spills(slower.row):
        yield from filter(None, (cause(slower) for cause in _CAUSES))
    elif not spills(slower.row) and (text := stale(slower)):
        yield text


_CAUSES: tuple[Callable[[Slower], str], ...] = (dead, grown, more_rows, deep_page, swollen, unordered, stale)
