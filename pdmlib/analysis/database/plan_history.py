"""The plans that a statement had, look by look, and what changed between two of them.

They are plans for parameters that nobody knows; the server may choose another one for the values of a single call.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.index_text import UNTESTED
from pdmlib.frames.plan import Plan, nodes

HELPS = 0.9  # of the planner's cost: an index that spares less than a tenth is not worth its writes
_CONDITIONS = ("Index Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter")
# Nodes that read a table by an index whose name is that of the node below them.
_BY_A_BITMAP = "Bitmap Heap Scan"


@dataclass(frozen=True)
class Planned:
    """A stretch of looks at which a statement had one plan.

    Attributes:
        since, until: the first and the last of these looks.
        cost: the planner's own, at the last of them.
        index: the statement of an index that would serve; None where none was looked for.
        index_cost: the planner's cost with it; NaN where it was not tested.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    fingerprint: str
    plan: Plan
    cost: float
    planned_as: str
    index: str | None
    index_cost: float

    @cached_property
    def indexes(self) -> frozenset[str]:
        """The names of the indexes that it uses."""
        return frozenset(indexes_used(self.plan))

    @property
    def tested(self) -> str:
        """What the planner makes of the index, in words."""
        if pd.isna(self.index_cost):
            return UNTESTED
        falls = f"from {self.cost:,.0f} to {self.index_cost:,.0f}"
        return f"tested by hypopg: {f'the cost falls {falls}' if self.helps else 'the planner leaves it'}"

    @property
    def helps(self) -> bool:
        """Whether the index helps, as far as it was tested."""
        return not self.index_cost > HELPS * self.cost


def history_of(case: Case, row: Mapping[str, Any]) -> list[Planned]:
    """The plans of a statement of `statements.judged`, oldest first; empty where it was never explained."""
    found = _of_id(case, row["role"], row["queryid"])
    if found or not isinstance(row.get("ids_before"), frozenset):
        return found
    return next((past for one in sorted(row["ids_before"]) if (past := _of_id(case, row["role"], one))), [])


def _of_id(case: Case, role: str, queryid: str) -> list[Planned]:
    return _histories(case.at(case.scope.window)).get((role, queryid), [])


@once
def _histories(case: Case) -> dict[tuple[str, str], list[Planned]]:
    table = case["statement_plans"]
    table = table[table["plan"].notna()].sort_values("at", kind="stable")
    return {
        (str(role), str(one)): list(_stretches(rows)) for (role, one), rows in table.groupby(["role", "queryid"])
    }


def _stretches(rows: pd.DataFrame) -> Iterator[Planned]:
    run = (rows["fingerprint"] != rows["fingerprint"].shift()).cumsum()
    for _, same in rows.groupby(run):
        last = same.iloc[-1]
        yield Planned(
            since=same["at"].iloc[0],
            until=last["at"],
            fingerprint=last["fingerprint"],
            plan=json.loads(last["plan"]),
            cost=float(last["cost"]),
            planned_as=last["planned_as"],
            index=None if pd.isna(last["index"]) else str(last["index"]),
            index_cost=float(last["index_cost"]),
        )


def unexplained(case: Case, row: Mapping[str, Any]) -> str:
    """Why a statement was never explained; empty where nobody tried."""
    table = case["statement_plans"]
    mine = table[(table["role"] == row["role"]) & (table["queryid"] == row["queryid"]) & table["reason"].notna()]
    return "" if mine.empty else str(mine.loc[mine["at"].idxmax(), "reason"])


def newest(case: Case, row: Mapping[str, Any]) -> Planned | None:
    """The plan of a statement as it was seen last."""
    past = history_of(case, row)
    return past[-1] if past else None


def change_of(case: Case, row: Mapping[str, Any], before: pd.Timestamp) -> tuple[Planned, Planned] | None:
    """The plan of a statement up to a look and the one it has now; None for the same, or one that is not known."""
    past = history_of(case, row)
    old = [planned for planned in past if planned.since <= before]
    if not old or past[-1].fingerprint == old[-1].fingerprint:
        return None
    return old[-1], past[-1]


def difference(old: Plan, new: Plan) -> tuple[str, str]:
    """What two plans do differently: how they read a table, else how they join, else all of both."""
    reads = [_reads(plan) for plan in (old, new)]
    gone, come = (sorted((reads[one] - reads[other]).elements()) for one, other in ((0, 1), (1, 0)))
    if gone or come:
        return " and ".join(gone) or "no such read", " and ".join(come) or "no such read"
    types = [Counter(node["Node Type"] for node in nodes(plan)) for plan in (old, new)]
    gone, come = (sorted((types[one] - types[other]).elements()) for one, other in ((0, 1), (1, 0)))
    return (" and ".join(gone), " and ".join(come)) if gone and come else (outline(old), outline(new))


def _reads(plan: Plan) -> Counter[str]:
    return Counter(_read(node) for node in nodes(plan) if "Relation Name" in node and "Scan" in node["Node Type"])


def _read(node: Plan) -> str:
    names = indexes_used(node) if node["Node Type"] == _BY_A_BITMAP else {node.get("Index Name", "")}
    using = ", ".join(sorted(names - {""}))
    return f"{node['Node Type']}{f' using {using}' if using else ''} on {node['Relation Name']}"


def outline(plan: Plan) -> str:
    """A plan on one line, outermost node first: `Limit > Seq Scan on orders (status = '?')`."""
    index = f" using {plan['Index Name']}" if "Index Name" in plan else ""
    table = f" on {plan['Relation Name']}" if "Relation Name" in plan else ""
    condition = next((f" {plan[key]}" for key in _CONDITIONS if key in plan), "")
    inner = [outline(child) for child in plan.get("Plans", ())]
    below = f" > {inner[0]}" if len(inner) == 1 else f" > [{'; '.join(inner)}]" if inner else ""
    return f"{plan['Node Type']}{index}{table}{condition}{below}"


def indexes_used(plan: Plan) -> set[str]:
    """The names of the indexes of a plan."""
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}
