"""What became of single statements: the plans that they had, and the indexes that would serve them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pdmlib.analysis.database import causes, plan_history, statements
from pdmlib.analysis.database.parts import PARTITION_OF, PARTITIONED, Parts, parts_at
from pdmlib.analysis.database.statements import Looks, looks
from pdmlib.frames.case import Case
from pdmlib.frames.index_text import UNTESTED, Index, by_partition, index_of, wished
from pdmlib.frames.statement_text import Filter
from pdmlib.frames.states import Pace
from pdmlib.phases.window import iso

Row = dict[str, Any]

GONE = " is gone"


def plans_of_statements(case: Case) -> list[Row]:
    """Rows of `plan_history`: the plans of the statements of `queries`, a row a stretch of looks, or why none."""
    return [told for row in statements.compare(case) for told in _plans_of(case, row)]


def _plans_of(case: Case, row: Row) -> Iterator[Row]:
    of = {"query": row["query"], "role": row["role"], "verdict": row["verdict"]}
    past = plan_history.history_of(case, row)
    for stretch in past:
        yield {
            **of,
            "since": iso(stretch.since),
            "until": iso(stretch.until),
            "plan": plan_history.outline(stretch.plan),
            "cost": stretch.cost,
            "planned_as": stretch.planned_as,
            "reason": None,
        }
    if not past and (reason := plan_history.unexplained(case, row)):
        yield {**of, **dict.fromkeys(("since", "until", "plan", "cost", "planned_as")), "reason": reason}


def index_advice(case: Case) -> list[Row]:
    """Rows of `index_advice`: indexes that are gone and those that statements lack, each with its script."""
    found = looks(case)
    if found is None or found.before is None:
        return []
    old, now = (parts_at(case, at) for at in (found.before, found.after))
    rows = [*_lost(old, now), *_lacking(case, found, now)]
    return list({(row["table"], row["keys"]): row for row in reversed(rows)}.values())[::-1]


def _lost(old: Parts, now: Parts) -> Iterator[Row]:
    """Indexes that are gone from tables that are still there; that of a partition goes with its table's."""
    gone = {name: index for name, index in old.indexes.items() if now.lacks("index", name)}
    parents = {(index.table, index.form) for index in gone.values() if index.parent}
    for name, index in gone.items():
        above = {(flag.removeprefix(PARTITION_OF), index.form) for flag in old.flags(index.table)}
        if now.has("table", index.table) and not above & parents:
            yield _row(now, index, f"{name}{GONE}", tested="it served before")


def _lacking(case: Case, found: Looks, now: Parts) -> Iterator[Row]:
    """Indexes that statements lack: by a plan that reads a table whole, of slower ones else by their text.

    What nobody tested is told of slower statements alone.
    """
    for row in statements.judged(case, found).nlargest(statements.SHOWN, "total_ms").to_dict("records"):
        planned = plan_history.newest(case, row)
        wanted: list[Filter] = []
        slower = row["verdict"] == Pace.REGRESSED
        if planned and planned.index and (index := index_of(planned.index)):
            tells = planned.helps and (slower or planned.tested != UNTESTED)
            wanted = [Filter(index.table, index.keys)] if tells else []
        elif slower and found.before is not None:
            wanted = causes.wanted_by(case, found.before, found.after, row)
        for one in causes.unserved(now, wanted)[:1]:
            lacked = wished(one.table, one.columns, PARTITIONED in now.flags(one.table))
            yield _row(now, lacked, row["query"], tested=planned.tested if planned else UNTESTED)


def _row(now: Parts, index: Index, why: str, tested: str) -> Row:
    return {
        "table": index.table,
        "keys": ", ".join(key or "an expression" for key in index.keys),
        "why": why,
        "tested": tested,
        "script": "\n".join(script(now, index)),
    }


def script(now: Parts, index: Index) -> list[str]:
    """The statements that make an index without holding up writes; one that lacks its strings is a comment."""
    if index.withheld:
        return [f"-- {index.again}", f"-- {index.definition}"]
    if PARTITIONED not in now.flags(index.table):
        return [index.again]
    return by_partition(index, now.partitions, now.indexes)
