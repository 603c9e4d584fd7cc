"""Plans of critical queries before and now, on hand-made plans and on a real server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pdmlib.analysis.catalogue import TABLES
from pdmlib.analysis.database import plans
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
    assert row["index"] == "no index serves, so try CREATE INDEX CONCURRENTLY ON public.orders (customer);"


def test_the_same_plan_is_the_same_and_one_look_is_no_verdict() -> None:
    (same,) = compared(a_plan(S1, BY_INDEX), a_plan(S2, BY_INDEX, 9.0))
    assert (same["changed"], same["index"]) == (False, None)
    (first,) = compared(a_plan(S2, BY_INDEX))
    assert (first["changed"], first["before"]) == (None, None)


def test_a_plan_with_two_inputs_is_told_with_both() -> None:
    join = {"Node Type": "Hash Join", "Hash Cond": "(a = b)", "Plans": [WHOLE, {"Node Type": "Hash"}]}
    assert plans.outline(join) == "Hash Join (a = b) > [Seq Scan on orders (customer = 7); Hash]"


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
