"""What changed in the tables between two looks: the schema, scans of whole tables, their density."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pdmlib.analysis.database.gauge_deltas import Between

MANY_ROWS, ROWS_A_SCAN = 1e7, 1e4  # read whole: fewer rows are read in less time than an index would save
BUSIER = 3  # times the pace of the window before: less may be more users
PAGES = 1000  # of 8 kB: a table of under 8 MB may swell without anybody noticing
SWOLLEN = 1.3  # times the pages a row: autovacuum leaves a fifth of a table dead before it starts
Row = dict[str, Any]

MOST = 3000
_KINDS = ("table", "index", "constraint", "policy", "function", "setting", "extension")
_RLS = " | row-level security"


def drift(between: Between) -> Iterator[Row]:
    """What the schema and the settings gained, lost or changed; a lost policy or switched-off policies fail."""
    parts = {kind: between.objects(kind) for kind in _KINDS}
    sides = {side for table in parts.values() for side in table["there"].unique()}
    if "both" not in sides:
        yield {"severity": "unknown", "unknown_reason": "a look lacks the parts of the schema"}
        return
    for kind, table in parts.items():
        if len(table) >= MOST:
            yield {
                "object": kind,
                "severity": "unknown",
                "unknown_reason": f"over {MOST} of them, not all were read",
            }
            continue
        for row in table.to_dict("records"):
            change = _change(kind, row)
            if change:
                yield {"object": f"{kind} {row['object']}", **change}


def _change(kind: str, row: Row) -> Row | None:
    if row["there"] == "left_only":
        return {"severity": "info", "evidence": f"new: {row['detail']}"}
    if row["there"] == "right_only":
        return {
            "severity": {"policy": "fail", "index": "warn"}.get(kind, "info"),
            "evidence": f"gone: {row['detail_before']}",
            "action": "Make it again if the deployment did not mean to drop it",
        }
    if row["detail"] == row["detail_before"]:
        return None
    opened = kind == "table" and _RLS in row["detail_before"] and _RLS not in row["detail"]
    evidence = "row-level security was switched off" if opened else _difference(kind, row)
    return {"severity": "fail" if opened else "info", "evidence": evidence}


def _difference(kind: str, row: Row) -> str:
    if kind == "function":
        return "its body changed"
    if kind != "table":
        return f"{row['detail_before']} -> {row['detail']}"
    old, new = (set(row[c].replace(_RLS, "").split(", ")) for c in ("detail_before", "detail"))
    return (
        "; ".join([*(f"+ {c}" for c in sorted(new - old)), *(f"- {c}" for c in sorted(old - new))]) or "its order"
    )


def seq_scans(between: Between) -> Iterator[Row]:
    """Tables read whole: over 10,000 rows a scan, 10 million in the window, and three times the pace before."""
    rows, scans = between.objects("seq_tup_read"), between.objects("seq_scan")
    both = rows.merge(scans, on="object", suffixes=("", "_scan"))
    read, count = both["value"] - both["value_before"], both["value_scan"] - both["value_before_scan"]
    both = both.assign(read=read, per_scan=read / count.where(count > 0))
    for row in (
        both[(both["read"] > MANY_ROWS) & (both["per_scan"] > ROWS_A_SCAN)].nlargest(20, "read").to_dict("records")
    ):
        if row["read"] >= BUSIER * _usual_rows(between, row):
            yield {
                "object": row["object"],
                "severity": "warn",
                "value": row["per_scan"],
                "unit": "rows per scan",
                "threshold": "< 10000",
                "evidence": f"{row['read']:.0f} rows were read by scans of the whole table",
                "action": "See which statements in `queries` read it, and index what they filter by",
            }


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
    pages, rows = between.objects("relpages"), between.objects("n_live_tup")
    both = pages.merge(rows, on="object", suffixes=("", "_rows"))
    both = both[(both["value"] > PAGES) & (both["value_rows"] > 0) & (both["value_before_rows"] > 0)]
    ratio = (both["value"] / both["value_rows"]) / (both["value_before"] / both["value_before_rows"])
    for row in both.assign(ratio=ratio)[ratio > SWOLLEN].nlargest(20, "ratio").to_dict("records"):
        more = 100 * (row["ratio"] - 1)
        yield {
            "object": row["object"],
            "severity": "warn",
            "value": more,
            "unit": "%",
            "threshold": "< 30 %",
            "evidence": f"{more:.0f} % more pages per row than before",
            "action": "Check what holds vacuum back",
        }
