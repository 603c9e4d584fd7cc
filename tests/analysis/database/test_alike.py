"""Rows that say the same of many things are one row that names them all."""

from __future__ import annotations

from typing import Any

import pytest

from pdmlib.analysis.database import statements
from pdmlib.analysis.database.alike import joined
from tests.builders import DEPLOYED, a_case


def row(name: str | None, detail: str, action: str | None) -> dict[str, Any]:
    return {"check": "c", "object": name, "detail": detail, "action": action}


def denied(n: int) -> dict[str, Any]:
    return row(f"public.t{n}", f"permission denied for public.t{n}", f"GRANT SELECT ON public.t{n} TO monitor;")


def told(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return joined(rows, "object", "action")


def test_twenty_one_grants_are_one_that_names_all_tables() -> None:
    (one,) = told(*(denied(n) for n in range(21)))
    names = ", ".join(f"public.t{n}" for n in range(21))
    assert one["object"] == f"21 of them: {names}"
    assert one["detail"] == "permission denied for each"
    assert one["action"] == f"GRANT SELECT ON {names} TO monitor;"


def test_three_rows_alike_stay_and_so_do_rows_that_say_something_else() -> None:
    rows = [denied(1), denied(2), row("public.t3", "row-level security hides it", None), denied(4)]
    assert told(*rows) == [rows[0], rows[1], rows[3], rows[2]]


def test_what_takes_no_list_of_things_is_told_of_the_first() -> None:
    rows = [row(f"i{n}", f"i{n} is not used", f"DROP INDEX i{n}") for n in range(4)]
    (one,) = told(*rows)
    assert (one["detail"], one["action"]) == ("each is not used", "DROP INDEX i0 (and so on)")


def test_rows_of_nothing_in_particular_are_left_as_they_are() -> None:
    rows = [row(None, f"finding {n}", None) for n in range(9)]
    assert told(*rows) == rows


def test_grants_of_tables_that_features_with_other_names_lack_are_one_as_well() -> None:
    rows = [
        row(f"feature {n}", "50 rows tried", f"GRANT SELECT ON public.t{n // 2} TO monitor;") for n in range(6)
    ]
    (one,) = told(*rows)
    assert one["action"] == "GRANT SELECT ON public.t0, public.t1, public.t2 TO monitor;"


@pytest.mark.parametrize(
    ("each", "wanted"),
    [
        ("GRANT SELECT ON SEQUENCE public.s{n} TO m;", "GRANT SELECT ON SEQUENCE {all} TO m;"),
        (
            'GRANT USAGE ON SCHEMA "Shop" TO m; GRANT SELECT ON public.s{n} TO m;',
            'GRANT USAGE ON SCHEMA "Shop" TO m; GRANT SELECT ON {all} TO m;',
        ),
    ],
)
def test_a_list_of_grants_names_its_kind_once_as_the_grammar_wants_it(each: str, wanted: str) -> None:
    """PostgreSQL's documentation of GRANT: `ON SEQUENCE sequence_name [, ...]`, and so of schemas and tables."""
    (one,) = told(*(row(f"public.s{n}", "no right to read it", each.replace("{n}", str(n))) for n in range(4)))
    assert one["action"] == wanted.replace("{all}", "public.s0, public.s1, public.s2, public.s3")


def test_what_a_migration_or_an_administrator_said_is_no_row_of_the_first_look() -> None:
    """55 lines of DDL and of upkeep, each once; a statement of the application, and one without its text."""
    verbs = ("CREATE TABLE", "REINDEX TABLE", "VACUUM", "REFRESH MATERIALIZED VIEW", "EXPLAIN SELECT * FROM")
    texts = [f"{verb} public.t{n}" for n in range(11) for verb in verbs]
    rows = [
        {
            "at": DEPLOYED,
            "role": "app",
            "queryid": str(n),
            "toplevel": True,
            "query": text,
            "calls": 1,
            "total_ms": 50,
        }
        for n, text in enumerate([*texts, "SELECT * FROM public.t1", None])
    ]
    shown = [r["query"] for r in statements.compare(a_case({"statements": rows}))]
    assert sorted(shown) == ["SELECT * FROM public.t1", "statement 56"]
