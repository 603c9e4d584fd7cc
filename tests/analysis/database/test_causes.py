"""The cause that is told of a slower statement, each by the evidence that a fault of that kind leaves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.database import counters, health, statements
from pdmlib.frames.index_text import index_of
from tests.analysis.database.test_statements import S1, S2, a_gauge, an_entry, judged
from tests.builders import a_case

TABLE = "public.facts"
READS = "SELECT id FROM public.facts WHERE owner = $1"
WRITES = "UPDATE public.facts SET kind = $1 WHERE id = $2"
BY_OWNER = "CREATE INDEX facts_by ON public.facts USING btree (owner)"
PKEY = "CREATE UNIQUE INDEX facts_pkey ON public.facts USING btree (id)"


def a_part(at: datetime, kind: str, name: str, detail: str, value: float | None = None) -> dict[str, Any]:
    """A part of the schema at one look."""
    return a_gauge(kind, at, value, object=name, detail=detail)


def a_table(at: datetime, **counters: float) -> list[dict[str, Any]]:
    """The table with its primary key, and counters of it."""
    counters = {"reltuples": 60_000.0, "n_live_tup": 60_000.0, **counters}
    return [
        a_part(at, "table", TABLE, "id integer, owner integer, kind integer"),
        a_part(at, "index", "public.facts_pkey", PKEY, value=1.0),
        *(a_gauge(metric, at, value, object=TABLE) for metric, value in counters.items()),
    ]


def reason(query: str, *gauges: Any, blocks: float = 1000.0, rows: float = 1.0) -> str:
    """What is said of a statement: 100 calls of 0.05 ms and 4 blocks, then 100 of 200 ms with so many."""
    entries = (
        an_entry(S1, 100, 0.05, query=query),
        an_entry(S2, 200, 100.025, query=query, hit_blocks=400 + 100 * blocks, rows=100 + 100 * rows),
    )
    row = judged(*entries, gauges=tuple(gauges))
    assert row["verdict"] == "REGRESSED"
    return str(row["reason"])


def test_an_index_made_otherwise_under_its_name_is_told_with_the_statement_of_before() -> None:
    name = "public.facts_by"
    said = reason(
        READS,
        *a_table(S1),
        *a_table(S2),
        a_part(S1, "index", name, BY_OWNER, value=1.0),
        a_part(S2, "index", name, BY_OWNER.replace("(owner)", "(id, owner)"), value=1.0),
    )
    assert "index public.facts_by on public.facts (owner) is another since, public.facts (id, owner)" in said
    assert "likely" not in said
    assert "CREATE INDEX CONCURRENTLY ON public.facts USING btree (owner);" in said


def test_the_index_of_a_partitioned_table_is_told_before_those_of_its_partitions() -> None:
    made = "CREATE INDEX parts_1_by ON public.parts_1 USING btree (owner)"
    tables = [
        a_part(at, "table", name, f"id integer, owner integer | {flag}")
        for at in (S1, S2)
        for name, flag in (("public.parts", "partitioned"), ("public.parts_1", "partition of public.parts"))
    ]
    said = reason(
        "SELECT id FROM public.parts WHERE owner = $1",
        *tables,
        a_part(S2, "index", "public.facts_pkey", PKEY, value=1.0),
        a_part(S1, "index", "public.parts_1_by", made, value=1.0),
        a_part(
            S1,
            "index",
            "public.parts_by",
            made.replace("parts_1_by ON public.parts_1", "parts_by ON ONLY public.parts"),
            value=1.0,
        ),
    )
    assert "index public.parts_by on public.parts (owner) is gone since" in said


def test_an_index_that_became_invalid_is_to_be_built_again() -> None:
    name = "public.facts_by"
    index = (a_part(at, "index", name, BY_OWNER, value=value) for at, value in ((S1, 1.0), (S2, 0.0)))
    said = reason(READS, *a_table(S1), *a_table(S2), *index)
    assert "index public.facts_by on public.facts (owner) is invalid now" in said
    assert "REINDEX INDEX CONCURRENTLY public.facts_by;" in said


def test_an_index_is_no_sure_cause_where_another_one_serves() -> None:
    kept = [a_part(at, "index", "public.also", BY_OWNER.replace("facts_by", "also"), value=1.0) for at in (S1, S2)]
    said = reason(
        READS, *a_table(S1), *a_table(S2), *kept, a_part(S1, "index", "public.facts_by", BY_OWNER, value=1.0)
    )
    assert "likely index public.facts_by on public.facts (owner) is gone since" in said


def test_a_gone_index_that_may_have_served_is_likely_the_cause_however_few_blocks_tell() -> None:
    """A text is searched in 41 blocks instead of 4, at 200 ms: the work is in the processor."""
    made = "CREATE INDEX pages_by ON public.pages USING gin (to_tsvector('english', body))"
    said = reason(
        "SELECT id FROM public.pages WHERE to_tsvector($1, body) @@ to_tsquery($2, $3)",
        *a_table(S1),
        *a_table(S2),
        a_part(S1, "index", "public.pages_by", made, value=1.0),
        blocks=41,
    )
    assert "likely index public.pages_by" in said
    assert "it waits" not in said


def test_dead_rows_are_told_before_an_old_analyze() -> None:
    said = reason(READS, *a_table(S1), *a_table(S2, n_dead_tup=540_000.0, n_mod_since_analyze=540_000.0))
    assert "540000 rows of public.facts are dead and 60000 alive" in said
    assert "VACUUM public.facts;" in said


def test_rows_that_take_more_pages_than_before_are_told() -> None:
    said = reason(READS, *a_table(S1, relpages=1000.0), *a_table(S2, relpages=10_000.0))
    assert "the rows of public.facts take 10 times the pages they took: likely" in said


def test_more_rows_a_call_of_a_table_that_did_not_grow_are_asked_for() -> None:
    said = reason("SELECT id FROM public.facts WHERE id BETWEEN $1 AND $2", *a_table(S1), *a_table(S2), rows=8000)
    assert "it returns 1 rows per call before, 8000 now: likely it is asked for more by its values" in said
    assert "exists for" not in said


def test_a_deep_page_is_told_by_its_offset() -> None:
    said = reason("SELECT id FROM public.facts ORDER BY id LIMIT $1 OFFSET $2", *a_table(S1), *a_table(S2))
    assert "likely a deeper page, its OFFSET reads all rows before it" in said


def test_a_load_without_analyze_is_told_though_no_more_blocks_are_read() -> None:
    """Two small tables in a nested loop: the same blocks, and a million comparisons."""
    said = reason(READS, *a_table(S1), *a_table(S2, n_mod_since_analyze=30_000.0), blocks=4)
    assert "30000 rows of public.facts changed since its last ANALYZE" in said
    assert "likely the planner guesses; ANALYZE public.facts;" in said


@pytest.mark.parametrize(
    ("query", "parts", "told"),
    [
        (READS, [(S2, "setting", "enable_indexscan", "off")], "likely the setting enable_indexscan that changed"),
        (
            "SELECT public.worth($1)",
            [
                (S1, "function", "public.worth(customer integer)", "a"),
                (S2, "function", "public.worth(customer integer)", "b"),
            ],
            "likely the function public.worth(customer integer) that it calls, which has another body",
        ),
        (
            READS,
            [(S2, "setting", "random_page_cost of role shop", "100")],
            "likely the setting random_page_cost of role shop that changed: its default -> 100",
        ),
        (
            READS,
            [
                (at, "statistics", name, f"CREATE STATISTICS {name} ON owner, kind FROM {TABLE}")
                for at, name in ((S1, "public.both"), (S1, "public.kept"), (S2, "public.kept"))
            ],
            "likely the statistics public.both that are gone, by which the planner knew its columns: CREATE STAT",
        ),
        (
            WRITES,
            [(S2, "constraint", "public.facts.sound", "c")],
            "likely the constraint public.facts.sound that is new",
        ),
        (
            WRITES,
            [(S2, "generated", "public.facts.score", "score(body)")],
            "likely the column public.facts.score that is new, computed for each row: score(body)",
        ),
        (
            "INSERT INTO public.facts (owner) VALUES ($1)",
            [(S2, "index", "public.facts_by", BY_OWNER)],
            "likely the indexes that are new, each is written as well: public.facts_by",
        ),
    ],
)
def test_what_of_the_schema_changed_is_likely_the_cause(
    query: str, parts: list[tuple[datetime, str, str, str]], told: str
) -> None:
    gauges = [
        a_part(at, kind, name, text, value=1.0 if kind == "index" else None) for at, kind, name, text in parts
    ]
    assert told in reason(query, *a_table(S1), *a_table(S2), *gauges)


def test_a_column_without_an_index_is_told_and_not_that_another_has_one() -> None:
    said = reason(
        "SELECT o.id FROM public.orders AS o JOIN public.facts AS f ON f.owner = o.id WHERE o.id = $1",
        *a_table(S1),
        *a_table(S2),
        a_part(S2, "index", "public.orders_pkey", PKEY.replace("facts", "orders"), value=1.0),
        a_gauge("reltuples", S2, 60_000.0, object="public.orders"),
    )
    assert "no index serves, so try CREATE INDEX CONCURRENTLY ON public.facts (owner);" in said
    assert "exists" not in said


def test_the_partition_without_the_index_of_the_others_is_named() -> None:
    parts = [
        a_part(at, "table", name, text)
        for at in (S1, S2)
        for name, text in (
            ("public.parts", "id integer, owner integer | partitioned"),
            ("public.parts_1", "id integer, owner integer | partition of public.parts"),
            ("public.parts_2", "id integer, owner integer | partition of public.parts"),
        )
    ]
    sizes = [
        a_gauge("reltuples", at, 30_000.0, object=f"public.parts{end}")
        for at in (S1, S2)
        for end in ("", "_1", "_2")
    ]
    made = "CREATE INDEX parts_1_by ON public.parts_1 USING btree (owner)"
    index = [a_part(at, "index", "public.parts_1_by", made, value=1.0) for at in (S1, S2)]
    said = reason("SELECT id FROM public.parts WHERE owner = $1", *parts, *sizes, *index)
    assert "no index serves, so try CREATE INDEX CONCURRENTLY ON public.parts_2 (owner);" in said


def test_a_new_statement_that_reads_much_is_given_the_index_it_lacks() -> None:
    entries = (
        an_entry(S2, 100, 20.0, query=READS, hit_blocks=100_000.0),
        an_entry(S1, 1, 1.0, queryid="9", query=""),
    )
    case = a_case({"statements": entries, "database_gauges": (*a_table(S1), *a_table(S2))})
    (row,) = [r for r in statements.compare(case) if r["verdict"] == "NEW"]
    assert "no index serves, so try CREATE INDEX CONCURRENTLY ON public.facts (owner);" in row["reason"]


@pytest.mark.parametrize(("blocks", "verdict"), [(1000, "REGRESSED"), (4, "NEW")])
def test_a_statement_is_paired_with_the_one_it_replaced_though_traffic_fell_for_all(
    blocks: int, verdict: str
) -> None:
    """A day of 1,000 calls each, then one of 300 each; what costs little more is no regression."""
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    other = {"queryid": "3", "query": "SELECT * FROM public.jobs WHERE id = $1"}
    entries = [
        *(an_entry(at, calls, 0.04, query=READS) for at, calls in ((start, 10), (S1, 1010), (after, 1010))),
        *(an_entry(at, calls, 1.0, **other) for at, calls in ((start, 10), (S1, 1010), (after, 1310))),
        an_entry(
            after,
            300,
            20.0,
            queryid="2",
            query="SELECT id FROM public.facts WHERE owner::text = $1",
            hit_blocks=300.0 * blocks,
        ),
    ]
    rows = {row["queryid"]: row for row in statements.compare(a_case({"statements": entries}))}
    assert rows["2"]["verdict"] == verdict
    assert rows["2"]["reason"].startswith(f"likely in place of «{READS}»: mean 0.04 ms before")


def test_one_heavy_call_of_a_person_is_no_finding() -> None:
    heavy = an_entry(S2, 1, 2000.0, queryid="2", query="SELECT count(*) FROM public.facts")
    case = a_case({"statements": [an_entry(S1, 100, 1.0), an_entry(S2, 200, 1.0), heavy]})
    assert [f.id for f in health.findings(case) if f.id.startswith("query:")] == []


def test_the_statement_of_an_index_beside_another_has_no_name() -> None:
    index = index_of('CREATE UNIQUE INDEX "Facts by" ON public.facts USING btree (owner) WHERE kind = 3')
    assert index is not None
    assert index.beside == "CREATE UNIQUE INDEX CONCURRENTLY ON public.facts USING btree (owner) WHERE kind = 3;"


@pytest.mark.parametrize(("blocks", "verdict"), [(400, "STABLE"), (1000, "REGRESSED")])
def test_a_call_of_the_same_work_has_to_take_twice_the_time(blocks: float, verdict: str) -> None:
    """From 80 to 120 ms: sessions that share a processor do as much to each other; more blocks are evidence."""
    entries = (
        an_entry(S1, 100, 80.0, hit_blocks=40_000),
        an_entry(S2, 200, 100.0, hit_blocks=40_000 + 100 * blocks),
    )
    assert judged(*entries)["verdict"] == verdict


@pytest.mark.parametrize(
    ("setting", "ms", "verdict"),
    [
        ("max_parallel_workers_per_gather", 120.0, "REGRESSED"),
        ("max_parallel_workers_per_gather", 100.0, "STABLE"),
        ("random_page_cost", 120.0, "STABLE"),
    ],
)
def test_a_setting_that_decides_the_pace_is_evidence_though_the_work_is_the_same(
    setting: str, ms: float, verdict: str
) -> None:
    """From 80 ms, of the same blocks; another cost of a page would have changed them."""
    entries = an_entry(S1, 100, 80.0), an_entry(S2, 200, (80.0 + ms) / 2)
    parts = [a_part(at, "setting", "timezone", "UTC") for at in (S1, S2)]
    row = judged(*entries, gauges=(*parts, a_part(S2, "setting", setting, "0")))
    assert row["verdict"] == verdict
    assert (f"likely the setting {setting} that changed" in row["reason"]) == (verdict == "REGRESSED")


def test_a_materialized_view_is_made_anew_by_its_own_query() -> None:
    parts = [
        a_part(
            at, "view", "public.totals", "SELECT owner, count(*) FROM public.facts WHERE owner < 50 GROUP BY owner"
        )
        for at in (S1, S2)
    ]
    said = reason(
        "REFRESH MATERIALIZED VIEW public.totals",
        *a_table(S1),
        *a_table(S2),
        *parts,
        a_part(S1, "index", "public.facts_by", BY_OWNER, value=1.0),
    )
    assert "1000 now: index public.facts_by on public.facts (owner) is gone since" in said


def test_a_brin_index_whose_rows_lie_in_another_order_is_likely_the_cause() -> None:
    made = "CREATE INDEX facts_brin ON public.facts USING brin (owner)"
    index = [a_part(at, "index", "public.facts_brin", made, value=1.0) for at in (S1, S2)]
    said = reason(READS, *a_table(S1), *a_table(S2), *index)
    assert "likely index public.facts_brin (brin) no longer tells the rows of public.facts apart" in said
    assert "no index serves" not in said


def found_of(check: str, calls: float, *metrics: tuple[str, str | None, float, float, float]) -> str:
    """The severity of a check where a statement has so many calls in a day, and 1,000 in the day before."""
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    looks = ((start, 0.0), (S1, 1000.0), (after, 1000.0 + calls))
    entries = [an_entry(at, number, 5.0, hit_blocks=4 * number) for at, number in looks]
    gauges = [
        a_gauge(metric, at, value, object=name)
        for metric, name, *values in metrics
        for (at, _), value in zip(looks, values, strict=True)
    ]
    table = counters.checks(a_case({"statements": entries, "database_gauges": gauges}))
    return str(table[table["check"] == check]["severity"].iloc[0])


@pytest.mark.parametrize(("calls", "severity"), [(5000, "pass"), (1000, "warn")])
def test_as_many_times_more_calls_are_no_load_of_their_own(calls: float, severity: str) -> None:
    """Four times the work: 10,000 s of sessions in the day before, 40,000 s in this one."""
    assert found_of("load", calls, ("active_time", None, 0.0, 1e7, 5e7)) == severity


@pytest.mark.parametrize(("calls", "severity"), [(5000, "pass"), (1000, "warn")])
def test_as_many_times_more_calls_are_no_more_scans(calls: float, severity: str) -> None:
    """100 and 400 scans a day of a table of 200,000 rows."""
    scans = ("seq_scan", TABLE, 0.0, 100.0, 500.0), ("seq_tup_read", TABLE, 0.0, 2e7, 1e8)
    assert found_of("seq_scans", calls, *scans) == severity


def test_a_mass_delete_is_seen_by_the_pages_a_row_of_one_vacuum() -> None:
    """60,000 rows in 3,000 pages, then 6,000 in as many; the counter of rows is 0, as a late one leaves it."""
    values = ("relpages", 3000.0, 3000.0), ("reltuples", 60_000.0, 6000.0), ("n_live_tup", 60_000.0, 0.0)
    gauges = [a_gauge(m, at, v, object=TABLE) for m, *both in values for at, v in zip((S1, S2), both, strict=True)]
    case = a_case({"statements": [an_entry(S1, 1, 1.0), an_entry(S2, 2, 1.0)], "database_gauges": gauges})
    table = counters.checks(case)
    (row,) = table[table["check"] == "density"].to_dict("records")
    assert (row["severity"], row["object"]) == ("warn", TABLE)
