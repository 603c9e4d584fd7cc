"""Plans of critical queries before and now, on hand-made plans and on a real server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from pdmlib.analysis.catalogue import TABLES
from pdmlib.analysis.database import causes, plan_history, plans, regressions
from pdmlib.analysis.database.parts import Parts
from pdmlib.frames.statement_text import Filter
from tests.builders import DEPLOYED, a_case, a_site
from tests.looks import a_story
from tests.servers import Database

S1, S2 = DEPLOYED - timedelta(minutes=1), DEPLOYED + timedelta(days=1)
BY_INDEX = {
    "Node Type": "Index Scan",
    "Relation Name": "orders",
    "Index Name": "orders_customer",
    "Index Cond": "(customer = 7)",
}
WHOLE = {"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(customer = 7)"}
QUERY = {
    "name": "lookup",
    "title": "Lookup",
    "sql": "SELECT * FROM public.orders WHERE customer = %(id)s",
    "limit_ms": 50,
}
INDEX = {
    "metric": "index",
    "object": "public.orders_customer",
    "detail": "CREATE INDEX orders_customer ON public.orders USING btree (customer)",
}
PKEY = {
    "metric": "index",
    "object": "public.orders_pkey",
    "detail": "CREATE UNIQUE INDEX orders_pkey ON public.orders USING btree (id)",
}


def a_plan(at: Any, plan: dict[str, Any], ms: float = 1.0, role: str = "monitor") -> dict[str, Any]:
    return {
        "at": at,
        "query": "lookup",
        "role": role,
        "ms": ms,
        "fingerprint": plan["Node Type"],
        "plan": json.dumps(plan),
    }


def compared(*rows: dict[str, Any], gauges: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    return plans.plans(a_case({"query_plans": rows, "database_gauges": gauges}, site=a_site(queries=[QUERY])))


def test_a_changed_plan_stands_beside_the_one_before_with_the_index_that_is_gone() -> None:
    gauges = ({**INDEX, "at": S1}, {**PKEY, "at": S1}, {**PKEY, "at": S2})
    (row,) = compared(a_plan(S1, BY_INDEX), a_plan(S2, WHOLE, 40.0), gauges=gauges)
    assert (row["changed"], row["before_ms"], row["now_ms"]) == (True, 1.0, 40.0)
    assert row["before"] == "Index Scan using orders_customer on orders (customer = 7)"
    assert row["now"] == "Seq Scan on orders (customer = 7)"
    assert row["index"] == (
        "public.orders_customer on public.orders (customer) is gone: "
        "CREATE INDEX CONCURRENTLY orders_customer ON public.orders USING btree (customer);"
    )


def test_an_index_that_exists_and_is_left_is_told_as_such() -> None:
    gauges = ({**INDEX, "at": S1}, {**INDEX, "at": S2})
    (row,) = compared(a_plan(S1, BY_INDEX), a_plan(S2, WHOLE), gauges=gauges)
    assert row["index"] == "public.orders_customer on public.orders (customer) exists and is left"


def test_a_plan_that_never_had_an_index_is_given_the_one_to_make() -> None:
    sort = {"Node Type": "Sort", "Plans": [WHOLE]}
    (row,) = compared(a_plan(S1, sort), a_plan(S2, WHOLE), gauges=({**PKEY, "at": S2},))
    assert row["before"] == "Sort > Seq Scan on orders (customer = 7)"
    assert (
        row["index"] == "no index serves, so try CREATE INDEX CONCURRENTLY ON public.orders (customer); (untested)"
    )


def test_the_same_plan_is_the_same_and_one_look_is_no_verdict() -> None:
    (same,) = compared(a_plan(S1, BY_INDEX), a_plan(S2, BY_INDEX, 9.0))
    assert (same["changed"], same["index"]) == (False, None)
    (first,) = compared(a_plan(S2, BY_INDEX))
    assert (first["changed"], first["before"]) == (None, None)


def test_a_plan_with_two_inputs_is_told_with_both() -> None:
    join = {"Node Type": "Hash Join", "Hash Cond": "(a = b)", "Plans": [WHOLE, {"Node Type": "Hash"}]}
    assert plan_history.outline(join) == "Hash Join (a = b) > [Seq Scan on orders (customer = 7); Hash]"


def test_on_a_real_server_a_dropped_index_changes_the_plan_and_the_report_says_so(database: Database) -> None:
    database.run(
        "CREATE TABLE public.orders (id int PRIMARY KEY, customer int)",
        "INSERT INTO public.orders SELECT g, g FROM generate_series(1, 20000) AS g",
        "CREATE INDEX orders_customer ON public.orders (customer)",
        "ANALYZE public.orders",
        "GRANT USAGE ON SCHEMA public TO pdm_monitor",
        "GRANT SELECT ON public.orders TO pdm_monitor",
    )
    story = a_story(database, queries=[{**QUERY, "sql": "SELECT * FROM public.orders WHERE customer = 7"}])
    story.look()
    story.deploy()
    database.run("DROP INDEX public.orders_customer")
    story.look()
    (row,) = TABLES["plans"](story.case)
    assert row["changed"]
    assert "using orders_customer on orders (customer = ?)" in row["before"]
    assert row["now"].endswith("Seq Scan on orders (customer = ?)")
    assert "public.orders_customer on public.orders (customer) is gone" in row["index"]
    (result,) = story.check("changed_plans")
    assert result["object"] == "lookup"
    assert result["action"] == row["index"]


def explained(at: Any, plan: dict[str, Any], **changes: Any) -> dict[str, Any]:
    print_of = {"Index Scan": "a", "Seq Scan": "b"}.get(plan["Node Type"], "c")
    row = {"at": at, "role": "app", "queryid": "1", "planned_as": "app", "fingerprint": print_of, "cost": 409.0}
    return {**row, "plan": json.dumps(plan), **changes}


ROW = {"role": "app", "queryid": "1", "ids_before": frozenset({"1"})}


def test_the_plans_of_a_statement_are_told_from_look_to_look_with_the_time_of_the_change() -> None:
    times = [DEPLOYED + timedelta(hours=h) for h in (-30, -6, 2, 5, 9)]
    kinds = [BY_INDEX, BY_INDEX, WHOLE, WHOLE, BY_INDEX]
    case = a_case({"statement_plans": [explained(t, plan) for t, plan in zip(times, kinds, strict=True)]})
    past = plan_history.history_of(case, ROW)
    assert [(p.since, p.until, p.plan["Node Type"]) for p in past] == [
        (times[0], times[1], "Index Scan"),
        (times[2], times[3], "Seq Scan"),
        (times[4], times[4], "Index Scan"),
    ]
    assert plan_history.change_of(case, ROW, DEPLOYED) is None
    early = a_case({"statement_plans": [explained(t, p) for t, p in zip(times[:4], kinds, strict=False)]})
    old, new = plan_history.change_of(early, ROW, DEPLOYED) or (None, None)
    assert old is not None
    assert new is not None
    assert new.since == times[2]
    assert plan_history.difference(old.plan, new.plan) == (
        "Index Scan using orders_customer on orders",
        "Seq Scan on orders",
    )


def test_a_look_that_could_not_explain_a_statement_is_no_other_plan() -> None:
    rows = [
        explained(S1, BY_INDEX),
        {"at": DEPLOYED, "role": "app", "queryid": "1", "reason": "the time for plans was used up"},
        explained(S2, BY_INDEX),
    ]
    case = a_case({"statement_plans": rows})
    assert len(plan_history.history_of(case, ROW)) == 1
    assert plan_history.change_of(case, ROW, S1) is None


def test_plans_that_join_otherwise_are_told_by_their_joins() -> None:
    def joined(kind: str) -> dict[str, Any]:
        return {"Node Type": kind, "Plans": [BY_INDEX, BY_INDEX]}

    assert plan_history.difference(joined("Nested Loop"), joined("Hash Join")) == ("Nested Loop", "Hash Join")


def test_an_index_is_advised_as_far_as_it_was_tested() -> None:
    """Of a cost of 409 an index that leaves 8 helps, one that leaves 405 does not."""
    index = "CREATE INDEX CONCURRENTLY ON public.orders (note);"
    wanted, parts = (
        [Filter("public.orders", ("note",))],
        Parts({"index": {"public.p": PKEY["detail"]}}, frozenset({"public.p"})),
    )

    def advice(**changes: Any) -> str:
        case = a_case({"statement_plans": [explained(S2, WHOLE, index=index, **changes)]})
        return causes.index_for(parts, wanted, plan_history.newest(case, ROW))

    assert advice() == f"no index serves, so try {index} (untested)"
    assert (
        advice(index_cost=8.0)
        == f"no index serves, so try {index} (tested by hypopg: the cost falls from 409 to 8)"
    )
    assert (
        advice(index_cost=405.0)
        == f"no index serves, but do not make {index} (tested by hypopg: the planner leaves it)"
    )
    assert causes.index_for(parts, wanted) == f"no index serves, so try {index} (untested)"


@pytest.mark.slow
def test_a_regression_tells_which_plan_it_had_and_which_it_has_since(database: Database) -> None:
    database.run(
        "CREATE TABLE public.orders (id int, customer int, note text)",
        "INSERT INTO public.orders SELECT g, g, 'note' FROM generate_series(1, 20000) AS g",
        "CREATE INDEX by_customer ON public.orders (customer)",
        "GRANT SELECT ON public.orders TO pdm_monitor",
    )
    database.run("VACUUM ANALYZE public.orders")
    asks = "\\set id random(1, 20000)\nSELECT note FROM public.orders WHERE customer = :id;\n"
    story = a_story(database)
    database.pgbench("-c", "1", "-t", "40", script=asks)
    story.look()
    story.deploy()
    database.run("DROP INDEX public.by_customer", "CREATE INDEX by_note ON public.orders (note)")
    database.pgbench("-c", "1", "-t", "40", script=asks)
    story.look()
    (row,) = [r for r in story.verdicts("customer = $1").values() if r["regressed"]]
    told = "its plan changed from Index Scan using by_customer on orders to Seq Scan on orders, first seen"
    assert told in row["reason"]
    assert row["plan_changed_at"] is not None
    past = regressions.plans_of_statements(story.case)
    mine = [p["plan"].split(" (")[0] for p in past if p["query"] == row["query"]]
    assert mine == ["Index Scan using by_customer on orders", "Seq Scan on orders"]
