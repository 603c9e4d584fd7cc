"""What the sessions of a statement waited for while they were at work, as `pdm watch` samples it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import json_rows
from pdmlib.frames.statement_text import normalised

MOST = 3  # kinds of waits that a sentence names
FEWEST = 3  # sessions seen at work: of fewer nothing can be said
TEXT = 80  # characters of another statement in a sentence
SHOWN = 40  # rows of the table
LOCKED_PCT = (
    30  # of the times that a statement was seen at work: waiting for a lock so often is more than bad luck
)
FEWEST_WAITING = 0.05  # sessions on average: fewer cost a second in twenty of one user
_LOCK = "Lock: "  # how a wait for a lock begins, that of a table, a row or an application's own


def waits_of(case: Case, before: pd.Timestamp, after: pd.Timestamp, row: Mapping[str, Any]) -> str:
    """What a statement of `statements.judged` waited for between two looks, most often first; empty: not seen.

    A session is known by the role that logged in, which may have become another one since (SET ROLE).
    """
    table = case["waits"]
    known = row["ids"] if isinstance(row.get("ids"), frozenset) else frozenset()
    mine = table["queryid"].isin(known) | table["query"].map(_form(case)).eq(row["text"])
    seen = table[(table["at"] > before) & (table["at"] <= after) & mine]
    own = seen["role"] == row["role"]
    seen = seen[own] if own.any() else seen
    return _kinds(seen) if seen["samples"].sum() >= FEWEST else ""


def _kinds(seen: pd.DataFrame) -> str:
    whole = int(seen["samples"].sum())
    kinds = seen.groupby("wait")["samples"].sum().sort_values(ascending=False, kind="stable")
    told = [
        f"{wait} {count} of {whole}{_behind(seen[seen['wait'] == wait])}" for wait, count in kinds[:MOST].items()
    ]
    return ", ".join(told)


@dataclass(frozen=True)
class Locked:
    """A statement that was seen waiting for locks.

    Attributes:
        share_pct: of the times it was seen at work.
        told: what it waited for, in words.
    """

    role: str
    query: str
    share_pct: float
    told: str


def locked(case: Case, before: pd.Timestamp, after: pd.Timestamp, told: Container[str]) -> Iterator[Locked]:
    """Statements that between two looks were seen waiting for a lock more than before, most often first.

    Args:
        told: the forms of statements whose waits are told elsewhere.
    """
    table = case["waits"]
    now, past = table[table["at"].gt(before) & table["at"].le(after)], table[table["at"].le(before)]
    usual = _waiting(past)
    for (role, query), sessions in _waiting(now).sort_values(ascending=False, kind="stable").items():
        mine = now[now["role"].eq(role) & now["query"].eq(query)]
        waited = mine.loc[mine["wait"].str.startswith(_LOCK), "samples"].sum()
        share = 100 * float(waited / mine["samples"].sum())
        more = sessions >= FEWEST_WAITING and sessions > 2 * usual.get((role, query), 0.0)
        if more and waited >= FEWEST and share >= LOCKED_PCT and _form(case)[query] not in told:
            yield Locked(str(role), str(query), share, _kinds(mine))


def _waiting(table: pd.DataFrame) -> pd.Series:
    """Sessions of each role and statement that wait for a lock, on average over the samples."""
    taken = float(table.drop_duplicates("at")["taken"].sum())
    waits = table[table["wait"].str.startswith(_LOCK).eq(True)]
    return waits.groupby(["role", "query"])["samples"].sum() / (taken or 1.0)


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
