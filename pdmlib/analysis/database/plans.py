"""Plans of the critical queries before the deployment and now, and the index that would serve a changed one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pdmlib.analysis.database import causes, schema_causes, slower
from pdmlib.analysis.database.gauge_deltas import Between
from pdmlib.analysis.database.parts import parts_at
from pdmlib.analysis.database.plan_history import indexes_used, outline
from pdmlib.analysis.database.statements import FACTOR, Looks, looks
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import significant
from pdmlib.frames.rows import json_rows
from pdmlib.frames.statement_text import filters_of

Plan = Mapping[str, Any]

SLOWER_MS = 1.0  # a plan that costs less than that more is not felt


@once
def plans(case: Case) -> list[dict[str, Any]]:
    """Rows of `plans`: each critical query as each role, its plan before and now, changed ones first.

    `changed` is None where no look before the deployment, or none since, kept the plan.
    """
    found = looks(case, "query_plans")
    if found is None:
        return []
    now = _at(case, found.after)
    both = now.merge(_at(case, found.before), on=["query", "role"], how="left", suffixes=("", "_before"))
    rows = [_row(case, found, row) for row in json_rows(both)]
    return sorted(rows, key=lambda row: (row["changed"] is not True, row["query"], row["role"]))


def _at(case: Case, at: pd.Timestamp | None) -> pd.DataFrame:
    table = case["query_plans"]
    return table[(table["at"] == at) & table["plan"].notna()]


def _row(case: Case, found: Looks, row: Plan) -> dict[str, Any]:
    before = json.loads(row["plan_before"]) if row["plan_before"] else None
    now = json.loads(row["plan"])
    changed = None if before is None else row["fingerprint"] != row["fingerprint_before"]
    return {
        "query": row["query"],
        "role": row["role"],
        "changed": changed,
        "before": before and outline(before),
        "now": outline(now),
        "before_ms": row["ms_before"],
        "now_ms": row["ms"],
        "before_at": row["at_before"],
        "at": row["at"],
        "index": _index(case, found, row["query"], before=before, now=now) if changed and before else None,
    }


def _index(case: Case, found: Looks, query: str, before: Plan, now: Plan) -> str | None:
    """What became of the index that the plan before used, else the index that would serve; None without word."""
    old, have = parts_at(case, found.before), parts_at(case, found.after)
    left = indexes_used(before) - indexes_used(now)
    for name, index in old.indexes.items():
        if name.split(".")[-1] in left:
            if have.has("index", name):
                return f"{name} on {index.shown} exists and is left"
            if have.lacks("index", name):
                return f"{name} on {index.shown} is gone: {schema_causes.again(index)}"
    sql = next((q.sql for q in case.site.queries if q.name == query), "")
    return causes.index_for(have, list(slower.behind(have, filters_of(sql)))) or None


def changed_plans(between: Between) -> Iterator[dict[str, Any]]:
    """Critical queries with another plan than before: slower than before warns, else it is told."""
    rows = [row for row in plans(between.case) if row["changed"]]
    by_users = {row["query"] for row in rows if row["role"] == "application"}
    for row in rows:
        if row["role"] == "application" or row["query"] not in by_users:
            before, now = row["before_ms"], row["now_ms"]
            slower = now >= FACTOR * before and now - before >= SLOWER_MS
            yield {
                "object": row["query"],
                "severity": "warn" if slower else "info",
                "value": now,
                "unit": "ms",
                "threshold": f"< {significant(FACTOR * before)} ms" if slower else None,
                "evidence": f"{significant(before)} -> {significant(now)} ms; "
                f"before: {row['before']}; now: {row['now']}",
                "action": row["index"],
            }
