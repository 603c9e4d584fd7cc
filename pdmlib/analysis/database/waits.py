"""What the sessions of a statement waited for while they were at work, as `pdm watch` samples it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import json_rows
from pdmlib.frames.statement_text import normalised

MOST = 3  # kinds of waits that a sentence names
FEWEST = 3  # sessions seen at work: of fewer nothing can be said
TEXT = 80  # characters of another statement in a sentence
SHOWN = 40  # rows of the table


def waits_of(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """What a statement of `statements.judged` waited for between two looks, most often first; empty: not seen."""
    table = case["waits"]
    known = row["ids"] if isinstance(row.get("ids"), frozenset) else frozenset()
    mine = table["queryid"].isin(known) | table["query"].map(_form(case)).eq(row["text"])
    seen = table[(table["at"] > before) & (table["at"] <= after) & (table["role"] == row["role"]) & mine]
    whole = int(seen["samples"].sum())
    if whole < FEWEST:
        return ""
    kinds = seen.groupby("wait")["samples"].sum().sort_values(ascending=False, kind="stable")
    told = [
        f"{wait} {count} of {whole}{_behind(seen[seen['wait'] == wait])}" for wait, count in kinds[:MOST].items()
    ]
    return ", ".join(told)


def _behind(rows: pd.DataFrame) -> str:
    blockers = rows.dropna(subset=["blocker"]).groupby("blocker")["samples"].sum()
    return f", behind {str(blockers.idxmax())[:TEXT]}" if len(blockers) else ""


def _form(case: Case) -> Mapping[str, str]:
    return _forms(case.at(case.scope.window))


@once
def _forms(case: Case) -> dict[str, str]:
    return {text: normalised(text) for text in case["waits"]["query"].dropna().unique()}


def waits(case: Case) -> list[dict[str, Any]]:
    """Rows of `waits`: what sessions waited for since the deployment, most often first, at most 40."""
    table = case["waits"]
    table = table[table["at"] >= case.scope.deployed_at]
    if table.empty:
        return []
    taken = int(table.drop_duplicates("at")["taken"].sum())
    group = ["role", "query", "wait", "blocker"]
    sums = table[table["wait"].notna()].groupby(group, dropna=False)["samples"].sum()
    return list(_told(sums.sort_values(ascending=False, kind="stable").reset_index().head(SHOWN), taken))


def _told(sums: pd.DataFrame, taken: int) -> Iterator[dict[str, Any]]:
    whole = int(sums["samples"].sum())
    for row in json_rows(sums):
        yield {**row, "share_pct": 100 * row["samples"] / whole, "sessions": row["samples"] / taken}
