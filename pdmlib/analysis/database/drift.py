"""What changed in the tables between two looks: the schema, scans of whole tables, their density."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from pdmlib.analysis.database.gauge_deltas import Between
from pdmlib.analysis.database.parts import FLAG, MOST, Parts, parts_at
from pdmlib.frames.index_text import index_of, kept, quoted
from pdmlib.frames.statement_text import is_masked

MANY_ROWS, ROWS_A_SCAN = 1e7, 1e4  # read whole: fewer rows are read in less time than an index would save
BUSIER = 3  # times the pace of the window before and of the traffic: what is left is no more users
PAGES = 1000  # of 8 kB: a table of under 8 MB may swell without anybody noticing
SWOLLEN = 1.3  # times the pages a row: autovacuum leaves a fifth of a table dead before it starts
# Tables whose counters a look reads, and what makes a table one of them: the largest of these times its weight.
LISTED, BUSY = 2000, {"seq_tup_read": 1.0, "idx_scan": 1.0, "relpages": 100.0}
Row = dict[str, Any]

_KINDS = (
    *("table", "view", "index", "constraint", "generated", "policy", "trigger", "function", "setting"),
    *("statistics", "extension"),
)
# Kinds that go with their table: `schema.table.thing`.
_OF_TABLES = ("constraint", "generated", "policy", "trigger")
GONE = "gone: "  # as the evidence begins of what was lost
_RLS, _UNLOGGED = "row-level security", "unlogged"
_SWITCHED_OFF = " | switched off"  # behind a trigger that does nothing
# Settings that lose rows, leave them unchecked, or let tables swell.
_HARMFUL = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "ignore_checksum_failure": "on",
    "session_replication_role": "replica",
    "track_counts": "off",
    "zero_damaged_pages": "on",
}
# Where the server listens: a look connects to it, so that a new place is known and changes nothing that it does.
_PLACES = {"port", "unix_socket_directories"}
# A policy that asks nothing: every row is everybody's.
_OPEN = re.compile(r" (?:using|with check) (?:\()?true\b")


def drift(between: Between) -> Iterator[Row]:
    """What the schema and the settings gained, lost or changed; a lost policy or switched-off policies fail."""
    kinds = {kind: between.objects(kind) for kind in _KINDS}
    if "both" not in {side for table in kinds.values() for side in table["there"].unique()}:
        yield {"severity": "unknown", "unknown_reason": "a look lacks the parts of the schema"}
        return
    old, now = (parts_at(between.case, at) for at in (between.found.before, between.found.after))
    for kind, table in kinds.items():
        if len(table) >= MOST:
            yield {
                "object": kind,
                "severity": "unknown",
                "unknown_reason": f"over {MOST:,} of them, not all were read",
            }
            continue
        for row in table.to_dict("records"):
            change = None if _with_its_table(kind, row, old, now) else _change(kind, row)
            if change:
                yield {"object": f"{kind} {row['object']}", **change}


def _with_its_table(kind: str, row: Row, old: Parts, now: Parts) -> bool:
    """Whether a part came or went with its table, whose own row tells of it."""
    if kind == "index":
        index = (old if row["there"] == "right_only" else now).indexes.get(row["object"])
        table = index.table if index else ""
    else:
        table = row["object"].rpartition(".")[0] if kind in _OF_TABLES else ""
    return bool(table) and old.has("table", table) != now.has("table", table)


def _change(kind: str, row: Row) -> Row | None:
    before, after = (None if pd.isna(row[c]) else str(row[c]) for c in ("detail_before", "detail"))
    if kind == "setting" and row["object"] in _PLACES:
        return None
    if kind == "setting" and before != after and after == _HARMFUL.get(row["object"].partition(" ")[0]):
        return {
            "severity": "warn",
            "evidence": f"it is {after} since",
            "action": "Set it back: it loses or swells what you keep",
        }
    if row["there"] == "left_only":
        return {"severity": _of_new(kind, after), "evidence": f"new: {after}" if after else "new"}
    if row["there"] == "right_only":
        return _gone(kind, before or "")
    # What a migration held locked at a look, or an older release described otherwise, is no change.
    if before is None or after is None or before == after:
        return None
    if kind == "index" and (not index_of(before) or kept(before) == kept(after)):
        return None
    if kind == "table":
        return _table(row["object"], before.split(FLAG), after.split(FLAG))
    if kind == "policy" and _OPEN.search(after) and not _OPEN.search(before):
        return {
            "severity": "fail",
            "evidence": f"it asks nothing any more, every row is open: {before} -> {after}",
            "action": "Give the policy its condition back",
        }
    if kind == "trigger" and after == f"{before}{_SWITCHED_OFF}":
        table, _, name = row["object"].rpartition(".")
        return {
            "severity": "warn",
            "evidence": "it was switched off",
            "action": f"ALTER TABLE {quoted(table)} ENABLE TRIGGER {quoted(name)};",
        }
    return {"severity": "info", "evidence": "its body changed" if kind == "function" else f"{before} -> {after}"}


def _of_new(kind: str, after: str | None) -> str:
    return "warn" if kind == "policy" and after and _OPEN.search(after) else "info"


def _gone(kind: str, before: str) -> Row:
    return {
        "severity": {"policy": "fail", "index": "warn"}.get(kind, "info"),
        "evidence": f"{GONE}{before}",
        "action": _again(kind, before),
    }


def _again(kind: str, before: str) -> str | None:
    """How to bring back what is gone; tables and functions go with many a deployment."""
    if kind == "index":
        index = index_of(before)
        return f"Create the index again, unless it was to be dropped{f': {index.again}' if index else ''}"
    if kind == "statistics" and not is_masked(before):
        return f"Create them again, unless they were to be dropped: {before};"
    return "Create it again, unless it was to be dropped" if kind in ("policy", "trigger", "constraint") else None


def _table(name: str, before: list[str], after: list[str]) -> Row:
    lost, won = set(before[1:]) - set(after[1:]), set(after[1:]) - set(before[1:])
    if _RLS in lost:
        return {"severity": "fail", "evidence": "row-level security was switched off"}
    if _UNLOGGED in won:
        return {
            "severity": "warn",
            "evidence": "it is unlogged now: a crash empties it, and no replica has it",
            "action": f"ALTER TABLE {quoted(name)} SET LOGGED;",
        }
    old, new = (set(columns.split(", ")) for columns in (before[0], after[0]))
    told = [*(f"+ {c}" for c in sorted(new - old)), *(f"- {c}" for c in sorted(old - new)), *sorted(won)]
    return {
        "severity": "info",
        "evidence": "; ".join([*told, *(f"no longer {flag}" for flag in sorted(lost))]) or "its order",
    }


def seq_scans(between: Between) -> Iterator[Row]:
    """Tables read whole: over 10,000 rows a scan, 10 million in the window, and three times the pace before."""
    rows, scans = between.objects("seq_tup_read"), between.objects("seq_scan")
    both = rows.merge(scans, on="object", suffixes=("", "_scan"))
    most = _most_unlisted(between)
    # A table that the look before does not list is new, or was not busy enough for it.
    both = both.assign(
        value_before=both["value_before"].fillna(most), value_before_scan=both["value_before_scan"].fillna(0.0)
    )
    read, count = both["value"] - both["value_before"], both["value_scan"] - both["value_before_scan"]
    both = both.assign(read=read, per_scan=read / count.where(count > 0))
    busier = max(between.traffic, 1.0)
    for row in (
        both[(both["read"] > MANY_ROWS) & (both["per_scan"] > ROWS_A_SCAN)].nlargest(20, "read").to_dict("records")
    ):
        if row["read"] >= BUSIER * busier * _usual_rows(between, row):
            yield {
                "object": row["object"],
                "severity": "warn",
                "value": row["per_scan"],
                "unit": "rows per scan",
                "threshold": "< 10000",
                "evidence": f"{row['read']:,.0f} rows were read by scans of the whole table",
                "action": "See which statements in `queries` read it, and index what they filter by",
            }


def _most_unlisted(between: Between) -> float:
    """The most rows that a table which the look before does not list had read: the look lists the busiest."""
    table = between.case["database_gauges"]
    table = table[(table["at"] == between.found.before) & table["metric"].isin(BUSY)]
    if table.loc[table["metric"] == "seq_tup_read", "object"].nunique() < LISTED:
        return 0.0
    weight = table["value"] * table["metric"].map(BUSY)
    return float(weight.groupby(table["object"]).max().min())


def _usual_rows(between: Between, row: Row) -> float:
    """Rows that the window before would have read in as long; 0 without one."""
    first, last = between.found.first, between.found.before
    if first is None or last is None:
        return 0.0
    table = between.case["database_gauges"]
    start = table[
        (table["metric"] == "seq_tup_read") & (table["object"] == row["object"]) & (table["at"] == first)
    ]
    if start.empty or row["value_before"] < start["value"].iloc[0]:
        return 0.0
    read = float(row["value_before"] - start["value"].iloc[0])
    return read / float((last - first).total_seconds()) * between.found.seconds


def density(between: Between) -> Iterator[Row]:
    """Tables whose pages hold 30 % fewer rows than before: they swell."""
    # Pages and reltuples are written by the same VACUUM or ANALYZE, unlike the counter of rows.
    pages, rows, counted = (between.objects(name) for name in ("relpages", "reltuples", "n_live_tup"))
    rows = pd.concat([rows, counted[~counted["object"].isin(rows["object"])]], ignore_index=True)
    both = pages.merge(rows, on="object", suffixes=("", "_rows"))
    both = both[(both["value"] > PAGES) & (both["value_rows"] > 0) & (both["value_before_rows"] > 0)]
    ratio = (both["value"] / both["value_rows"]) / (both["value_before"] / both["value_before_rows"])
    for row in both.assign(ratio=ratio)[ratio > SWOLLEN].nlargest(20, "ratio").to_dict("records"):
        more = 100 * (row["ratio"] - 1)
        fewer = row["value_rows"] * SWOLLEN < row["value_before_rows"]
        yield {
            "object": row["object"],
            "severity": "warn",
            "value": more,
            "unit": "%",
            "threshold": "< 30 %",
            "evidence": f"{more:.0f} % more pages per row than before",
            "action": "After a mass delete its pages stay: let new rows fill them, else pg_repack in a quiet hour"
            if fewer
            else "Check what holds vacuum back",
        }
