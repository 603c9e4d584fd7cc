"""A site's tables read by its own names: what is missing, hidden, of another type or without a zone says so."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from pdmlib.analysis.product import feedback
from pdmlib.sources.postgres import source
from tests.builders import a_feature, a_scope, at
from tests.servers import MONITOR, Database


def collected(database: Database, **changes: Any) -> dict[str, pd.DataFrame]:
    site = database.site(MONITOR, **changes)
    return source.collect(site, a_scope(site))


def gap(found: dict[str, pd.DataFrame], item: str) -> str:
    gaps = found["gaps"]
    (reason,) = gaps.loc[gaps["item"] == item, "reason"]
    return str(reason)


def granted(database: Database, *statements: str) -> Database:
    database.run(
        *statements,
        f"GRANT USAGE ON SCHEMA public TO {MONITOR}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
    )
    return database


def unclear(found: dict[str, pd.DataFrame]) -> list[tuple[Any, ...]]:
    rows = found.get("not_understood")
    return [] if rows is None else list(rows[["item", "what", "example"]].itertuples(index=False, name=None))


NAIVE = """
CREATE TABLE looks (seen timestamp, state text);
INSERT INTO looks VALUES ('2025-03-04 10:00', 'up'), ('2025-07-04 10:00', 'up');
"""
LOOKS = {"table": "public.looks", "columns": {"checked_at": "seen", "status": "state"}}


def test_times_without_a_zone_are_a_gap_with_the_line_that_mends_it_and_that_line_does(database: Database) -> None:
    """10:00 in Kolkata is 4:30 UTC."""
    granted(database, NAIVE)
    found = collected(database, uptime=LOOKS, time_zone="Asia/Kolkata")
    reason = gap(found, "table:public.looks")
    assert "public.looks.seen is a timestamp without time zone" in reason
    assert found.get("probes", pd.DataFrame()).empty
    assert unclear(found) == [("uptime.checked_at", "no zone", "seen timestamp without time zone")]
    (mend,) = found["not_understood"]["mend"]
    assert mend in reason
    block = yaml.safe_load(mend)["uptime"]
    mended = collected(database, uptime={**LOOKS, **block}, time_zone="Asia/Kolkata")
    assert list(mended["probes"]["checked_at"]) == [at("2025-03-04T04:30")]
    assert unclear(mended) == []


@pytest.mark.parametrize(("kind", "known"), [("timestamp", False), ("date", False), ("timestamptz", True)])
def test_a_feature_of_a_column_or_of_sql_needs_a_zone_where_its_times_have_none(
    database: Database, kind: str, known: bool
) -> None:
    granted(
        database, f"CREATE TABLE sales (sold {kind}, amount int)", "INSERT INTO sales VALUES ('2025-03-04', 1)"
    )
    by_column = a_feature("one", table="public.sales", time_column="sold")
    by_sql = {
        "name": "two",
        "title": "Two",
        "kind": "create",
        "sql": "SELECT sold AS at, amount FROM public.sales",
    }
    found = collected(database, features=[by_column, by_sql])
    if known:
        assert list(found["feature_counts"]["at"]) == [at("2025-03-04T00:00")] * 2
        return
    assert "feature_counts" not in found
    for name in ("one", "two"):
        assert f"features: [{{name: {name}, time_zone: UTC}}]" in gap(found, f"feature:{name}")
    zoned = [{**block, "time_zone": "America/Chicago"} for block in (by_column, by_sql)]
    mended = collected(database, features=zoned)
    assert list(mended["feature_counts"]["at"]) == [at("2025-03-04T06:00")] * 2  # midnight in Chicago


def test_names_of_the_site_file_that_a_table_lacks_are_named_all_at_once_with_what_it_has(
    database: Database,
) -> None:
    granted(database, "CREATE TABLE looks (seen timestamptz, state text, ms int)")
    columns = {"checked_at": "sen", "status": "status", "response_ms": "ms"}
    reason = gap(collected(database, uptime={"table": "public.looks", "columns": columns}), "table:public.looks")
    assert "public.looks has no column sen (checked_at) and status; it has seen, state, ms" in reason
    assert "uptime: {columns: {checked_at: <its name>, status: <its name>}}" in reason


def test_a_name_that_is_missing_and_not_needed_is_a_gap_of_its_own_and_the_rest_is_read(
    database: Database,
) -> None:
    granted(
        database,
        "CREATE TABLE looks (checked_at timestamptz, status text)",
        "INSERT INTO looks VALUES ('2025-03-04 10:00+00', 'UP')",
    )
    found = collected(database, uptime={"table": "public.looks", "columns": {"response_ms": "took"}})
    assert list(found["probes"]["status"]) == ["up"]
    assert "public.looks has no column took (response_ms); it has checked_at, status" in gap(
        found, "table:public.looks:columns"
    )


def test_columns_that_a_site_lacks_are_missing_and_the_block_works_with_the_fewest(database: Database) -> None:
    granted(
        database,
        "CREATE TABLE runs (chore text, began timestamptz, fine boolean)",
        "INSERT INTO runs VALUES ('a', '2025-03-04 10:00+00', true), ('a', '2025-03-04 11:00+00', false), "
        "('a', '2025-03-04 12:00+00', NULL)",
        "CREATE TABLE asked (asked_at timestamptz)",
        "INSERT INTO asked VALUES ('2025-03-04 10:00+00'), ('2025-03-04 11:00+00')",
        "CREATE TABLE came (came timestamptz)",
        "INSERT INTO came VALUES ('2025-03-04 10:00+00')",
    )
    found = collected(
        database,
        cron={
            "table": "public.runs",
            "columns": {"job": "chore", "started_at": "began", "status": "fine", "completed_at": None},
            "words": {"completed": [True], "failed": [False]},
        },
        tickets={"table": "public.asked", "columns": {"created_at": "asked_at"}},
        activity={"sessions_table": "public.came", "columns": {"started_at": "came"}},
    )
    logs = found["cron_logs"].set_index("started_at")["status"]
    assert logs.loc[at("2025-03-04T10:00")] == "completed"
    assert logs.loc[at("2025-03-04T11:00")] == "failed"
    assert pd.isna(logs.loc[at("2025-03-04T12:00")])
    assert unclear(found) == [("cron.status", "no word", "null")]
    assert len(found["tickets"]) == 2
    assert "public.asked has neither category nor tags" in gap(found, "tickets.category")
    week = found["activity"].set_index(["start", "end"]).loc[(at("2025-03-03T15:00"), at("2025-03-10T15:00"))]
    assert week["sessions"] == 1
    assert week[["visitors", "page_views", "session_s", "bounced"]].isna().all()


def test_a_column_that_may_not_be_read_is_named_as_such(database: Database) -> None:
    database.run(
        "CREATE TABLE looks (checked_at timestamptz, status text)",
        f"GRANT USAGE ON SCHEMA public TO {MONITOR}",
        f"GRANT SELECT (checked_at) ON looks TO {MONITOR}",
    )
    reason = gap(collected(database, uptime={"table": "public.looks"}), "table:public.looks")
    assert reason == "permission denied for column status of public.looks"


@pytest.mark.parametrize("name", ['at"; DROP TABLE looks; --', "a.b.c", "status)"])
def test_a_name_that_is_none_never_reaches_the_database(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="not a table or column name"):
        database.site(MONITOR, uptime={"table": "public.looks", "columns": {"status": name}})


def test_words_of_an_enumeration_lengths_as_intervals_and_lists_of_errors_are_read(database: Database) -> None:
    granted(
        database,
        "CREATE TYPE mood AS ENUM ('Up', 'Sad')",
        'CREATE TABLE looks ("checkedAt" timestamptz, mood mood, took interval, faults jsonb)',
        "INSERT INTO looks VALUES ('2025-03-04 10:00+00', 'Up', '1.5 s', '[\"late\", \"slow\"]'), "
        "('2025-03-04 11:00+00', 'Sad', '-1 s', NULL)",
    )
    columns = {"checked_at": "checkedAt", "status": "mood", "response_ms": "took", "errors": "faults"}
    found = collected(database, uptime={"table": "public.looks", "columns": columns})
    rows = found["probes"].set_index("checked_at")
    assert rows.loc[at("2025-03-04T10:00"), ["status", "response_ms", "detail"]].tolist() == [
        "up",
        1500,
        "late; slow",
    ]
    assert rows.loc[at("2025-03-04T11:00"), ["status", "response_ms"]].isna().all()
    assert unclear(found) == [
        ("uptime.response_ms", "out of range", "-1000.0"),
        ("uptime.status", "unknown word", "Sad"),
    ]


def test_rule_19_the_newest_run_of_a_monthly_job_is_looked_for_over_two_of_its_periods(database: Database) -> None:
    granted(
        database,
        "CREATE TABLE runs (job_name text, status text, started_at timestamptz)",
        "INSERT INTO runs VALUES ('bills', 'completed', '2025-10-01 02:00+00'), "
        "('old', 'completed', '2025-01-01+00'), ('job', 'completed', '2025-10-31 10:00+00')",
    )
    jobs = [{"name": "bills", "schedule": "0 2 1 * *"}, {"name": "job", "schedule": "0 10 * * *"}]
    site = database.site(MONITOR, cron={"table": "public.runs", "jobs": jobs})
    scope = a_scope(site, deployed_at=at("2025-10-31T15:00"), as_of=at("2025-11-07T15:00"))
    assert scope.baseline.start > at("2025-10-01T02:00")
    rows = source.collect(site, scope)["cron_logs"]
    found: dict[str, datetime] = dict(zip(rows["job"], rows["started_at"], strict=True))
    assert found == {
        "bills": at("2025-10-01T02:00"),
        "job": at("2025-10-31T10:00"),
        "old": at("2025-01-01T00:00"),
    }


def test_a_json_text_is_a_word_a_json_null_is_none_and_an_object_stays_json(database: Database) -> None:
    granted(
        database,
        "CREATE TABLE looks (seen timestamptz, state jsonb)",
        """INSERT INTO looks VALUES ('2025-03-04 10:00+00', '"Up"'), ('2025-03-04 10:05+00', 'null'),
           ('2025-03-04 10:10+00', '{"a": 1}')""",
        "CREATE TABLE desk (id int, created_at timestamptz, status text, tags jsonb)",
        """INSERT INTO desk VALUES (91, '2025-03-04 10:00+00', 'open', '["bug", null, {"a": 1}]'),
           (92, '2025-03-04 10:00+00', 'open', 'null')""",
    )
    tickets = {"table": "public.desk", "categories": {"bug": ["bug"]}}
    found = collected(database, uptime=LOOKS, tickets=tickets)
    assert found["probes"].sort_values("checked_at")["status"].fillna("none").tolist() == ["up", "none", "none"]
    assert ("uptime.status", "unknown word", '{"a": 1}') in unclear(found)
    rows = found["tickets"].set_index("ticket")
    assert rows["tags"].fillna("").to_dict() == {"91": 'bug, {"a": 1}', "92": ""}


@pytest.mark.parametrize(
    ("kind", "held", "made"),
    [
        ("bigint", 1741082400, "to_timestamp(seen)"),
        ("bigint", 1741082400000, "to_timestamp(seen / 1000.0)"),
        ("numeric", 1741082400000000, "to_timestamp(seen / 1000000.0)"),
        ("text", "2025-03-04T10:00:00Z", "seen::timestamptz"),
    ],
)
def test_a_column_that_holds_no_times_says_what_would_make_them_and_that_does(
    database: Database, kind: str, held: int | str, made: str
) -> None:
    """10:00 UTC of 4 March 2025 in each: 1741082400 s since 1970 (`date -d @1741082400`)."""
    granted(
        database, f"CREATE TABLE looks (seen {kind}, state text)", f"INSERT INTO looks VALUES ('{held}', 'up')"
    )
    reason = gap(collected(database, uptime=LOOKS), "table:public.looks")
    assert f"column public.looks.seen is of type {kind}, and a time is needed: make a view with {made}" in reason
    granted(database, f"CREATE VIEW seen_at AS SELECT {made} AS seen, state FROM looks")
    mended = collected(database, uptime={**LOOKS, "table": "public.seen_at"})
    assert list(mended["probes"]["checked_at"]) == [at("2025-03-04T10:00")]


def test_a_column_of_no_time_in_mixed_case_is_quoted_and_an_empty_one_names_both_units(database: Database) -> None:
    granted(database, 'CREATE TABLE looks ("seenAt" bigint, state text)')
    columns = {"checked_at": "seenAt", "status": "state"}
    reason = gap(collected(database, uptime={**LOOKS, "columns": columns}), "table:public.looks")
    assert (
        'to_timestamp("seenAt") if it counts seconds or, to_timestamp("seenAt" / 1000.0) if it counts mil'
        in reason
    )


def test_a_failed_payment_is_the_customers_fault_where_its_word_or_stripes_own_code_says_so(
    database: Database,
) -> None:
    granted(
        database,
        "CREATE TABLE pix (id int, created_at timestamptz, state text, why text)",
        "INSERT INTO pix SELECT n, '2025-03-04 10:00+00', state, why FROM (VALUES (1, 'pago', NULL), "
        "(2, 'erro', 'banco fora do ar'), (3, 'recusado', NULL), (4, 'erro', 'card_declined')) t(n, state, why)",
    )
    block = {
        "table": "public.pix",
        "columns": {"status": "state", "failure_code": "why"},
        "words": {"succeeded": ["pago"], "failed": ["erro"], "declined": ["recusado"]},
    }
    found = collected(database, payments=block)["payments"].set_index("payment").sort_index()
    assert list(found["status"]) == ["succeeded", "failed", "failed", "failed"]
    assert list(found["fault"].fillna("nobody")) == ["nobody", "ours", "customer", "customer"]


SEVERAL = """
CREATE TABLE beats (monitor int, checked_at timestamptz, status text);
INSERT INTO beats SELECT m, t, CASE m WHEN 2 THEN 'down' ELSE 'up' END
FROM generate_series('2025-03-04 10:00+00'::timestamptz, '2025-03-04 10:10+00', '5 min') AS t,
generate_series(1, 2) AS m;
INSERT INTO beats VALUES (1, '2025-03-04 10:15+00', 'up'), (1, '2025-03-04 10:15+00', 'up');
"""


def test_probes_of_one_moment_that_contradict_each_other_are_not_understood_until_one_monitor_is_chosen(
    database: Database,
) -> None:
    """Two monitors at 10:00, 10:05 and 10:10, of which one is always down: six rows; one row twice is no doubt."""
    granted(database, SEVERAL)
    found = collected(database, uptime={"table": "public.beats"})
    statuses = found["probes"].sort_values("checked_at")["status"]
    assert list(statuses.fillna("unknown")) == ["unknown"] * 3 + ["up"]
    (row,) = found["not_understood"].to_dict("records")
    assert (row["item"], row["example"], row["count"]) == ("uptime.checked_at", "down and up", 6)
    assert row["mend"] == "uptime: {where: <column> = '<one monitor>'}"
    chosen = collected(database, uptime={"table": "public.beats", "where": "monitor = 1"})
    assert list(chosen["probes"]["status"]) == ["up"] * 4
    assert unclear(chosen) == []


APART = """
CREATE TABLE beats (id int GENERATED ALWAYS AS IDENTITY, monitor_id int, checked_at timestamptz, status text);
INSERT INTO beats (monitor_id, checked_at, status)
SELECT m, t + m * interval '7 s', CASE WHEN m = 2 AND t >= '2025-03-04 09:00+00' THEN 'down' ELSE 'up' END
FROM generate_series('2025-03-04 08:00+00'::timestamptz, '2025-03-04 09:59+00', '1 min') AS t,
generate_series(1, 2) AS m;
"""


def test_probes_of_monitors_seconds_apart_are_not_read_as_one_and_the_column_that_tells_them_is_named(
    database: Database,
) -> None:
    """Two hours of two monitors, the second down in the second hour: 60 probes of each contradict each other."""
    granted(database, APART)
    found = collected(database, uptime={"table": "public.beats"})
    statuses = found["probes"]["status"]
    assert (int((statuses == "up").sum()), int(statuses.isna().sum())) == (120, 120)
    rows = {row["example"]: row for row in found["not_understood"].to_dict("records")}
    assert {name: row["count"] for name, row in rows.items()} == {"monitor_id 1: up": 60, "monitor_id 2: down": 60}
    (mend,) = {row["mend"] for row in rows.values()}
    where = yaml.safe_load(mend)["uptime"]["where"]
    assert where == "monitor_id = '<one of 1, 2>'"
    chosen = collected(database, uptime={"table": "public.beats", "where": "monitor_id = '1'"})
    assert list(chosen["probes"]["status"]) == ["up"] * 120
    assert unclear(chosen) == []


def test_rows_with_an_empty_status_or_time_name_the_line_that_leaves_them_out(database: Database) -> None:
    """Of the first of two hosts a probe without a word, one without a time, and one too early to be."""
    granted(
        database,
        """CREATE TABLE seen (host text, "When" timestamptz, status text);
        INSERT INTO seen SELECT h, t, 'up' FROM unnest('{a,b}'::text[]) AS h,
        generate_series('2025-03-04 08:00+00'::timestamptz, '2025-03-04 09:59+00', '1 min') AS t;
        INSERT INTO seen VALUES ('a', '2025-03-04 10:00+00', NULL), ('a', NULL, 'up'),
        ('a', '0001-01-01', 'up')""",
    )
    block = {"table": "public.seen", "columns": {"checked_at": "When"}, "where": "host = 'a' OR false"}
    rows = collected(database, uptime=block)["not_understood"].to_dict("records")
    mends = {(row["item"], row["what"]): row["mend"] for row in rows}
    assert [what for (_, what), line in mends.items() if not line] == ["out of range"]
    assert len(mends) == 3
    for mend in filter(None, mends.values()):
        block["where"] = yaml.safe_load(mend)["uptime"]["where"]
        assert block["where"].startswith("(host = 'a' OR false) AND ")
        left = collected(database, uptime=block)["not_understood"].to_dict("records")
        assert {(row["item"], row["what"]) for row in left} == {k for k, line in mends.items() if line != mend}
        block["where"] = "host = 'a' OR false"


def test_every_table_counts_only_the_rows_that_its_condition_lets_in(database: Database) -> None:
    """Two rows each, one of the shop's own; the newest run of before belongs to the other."""
    times = "('2025-03-04 10:00+00'::timestamptz), ('2025-03-04 11:00+00')"
    granted(
        database,
        f"CREATE TABLE own AS SELECT t, 'a' AS name, 'up' AS word, t = '2025-03-04 10:00+00' AS mine "
        f"FROM (VALUES {times}) AS times(t)",
        "INSERT INTO own VALUES ('2025-02-20 10:00+00', 'other', 'up', false)",
    )
    where = {"table": "public.own", "where": "mine AND name LIKE '%a%';"}
    found = collected(
        database,
        uptime={**where, "columns": {"checked_at": "t", "status": "word"}},
        cron={
            **where,
            "columns": {"job": "name", "started_at": "t", "status": "word"},
            "words": {"completed": ["up"]},
            "jobs": [{"name": "a", "schedule": "0 * * * *"}],
        },
        tickets={**where, "columns": {"created_at": "t"}},
        payments={**where, "columns": {"created_at": "t", "status": "word"}, "words": {"succeeded": ["up"]}},
        integration_checks={**where, "columns": {"checked_at": "t", "status": "word"}},
        activity={
            "sessions_table": "public.own",
            "where": "mine",
            "columns": {"started_at": "t"},
        },
    )
    counts = {
        name: len(found[name]) for name in ("probes", "cron_logs", "tickets", "payments", "integration_checks")
    }
    assert set(counts.values()) == {1}
    week = found["activity"].set_index(["start", "end"]).loc[(at("2025-03-03T15:00"), at("2025-03-10T15:00"))]
    assert week["sessions"] == 1


def test_a_row_that_lacks_what_it_cannot_do_without_is_counted_and_named(database: Database) -> None:
    """Two rows of `a` without a start, one run of nobody, two probes and a ticket without a time."""
    granted(
        database,
        "CREATE TABLE runs (job text, started_at timestamptz, status text)",
        "INSERT INTO runs VALUES ('a', NULL, 'ok'), ('a', NULL, 'ok'), (NULL, '2025-03-04 10:00+00', 'ok'), "
        "('b', '2025-03-04 10:00+00', 'ok')",
        "CREATE TABLE beats (checked_at timestamptz, status text)",
        "INSERT INTO beats VALUES (NULL, 'up'), (NULL, 'down'), ('2025-03-04 10:00+00', 'up')",
        "CREATE TABLE cases (created_at timestamptz, category text)",
        "INSERT INTO cases VALUES (NULL, 'bug')",
    )
    found = collected(
        database, cron={"table": "runs"}, uptime={"table": "beats"}, tickets={"table": "cases", "words": {}}
    )
    rows = found["not_understood"]
    assert set(rows[["item", "what", "example", "count"]].itertuples(index=False, name=None)) == {
        ("cron.started_at", "empty", "a", 2),
        ("cron.job", "empty", "null", 1),
        ("uptime.checked_at", "empty", "null", 2),
        ("tickets.created_at", "empty", "null", 1),
    }


def test_a_word_that_nobody_explained_may_stand_in_every_row(database: Database) -> None:
    """20,000 probes in a word of the application's own: reading them leaves the most of a source's minute."""
    granted(
        database,
        "CREATE TABLE beats (checked_at timestamptz, status text)",
        "INSERT INTO beats SELECT '2025-03-04 10:00+00'::timestamptz + n * interval '20 seconds', 'fine' "
        "FROM generate_series(0, 19999) AS n",
    )
    began = time.process_time()
    rows = collected(database, uptime={"table": "beats"})["not_understood"]
    assert time.process_time() - began < 2.5  # seconds of a processor; it takes 0.7
    assert rows["count"].tolist() == [20_000]
    assert rows["mend"].tolist() == ["uptime: {words: {up|degraded|down|maintenance: [fine]}}"]


def test_a_run_that_waits_for_its_start_is_no_row_that_lacks_it(database: Database) -> None:
    """As pg_cron has them: one waits, one ran, and one failed before it began, which nobody can place in time."""
    granted(
        database,
        "CREATE TABLE runs (job text, started_at timestamptz, completed_at timestamptz, status text)",
        "INSERT INTO runs VALUES ('a', NULL, NULL, 'Starting'), ('a', NULL, NULL, 'failed'), "
        "('a', '2025-03-04 10:00+00', '2025-03-04 10:01+00', 'succeeded')",
    )
    found = collected(database, cron={"table": "runs", "words": {"started": ["starting", "running"]}})
    rows = found["not_understood"][["item", "what", "example", "count"]]
    assert list(rows.itertuples(index=False, name=None)) == [("cron.started_at", "empty", "a", 1)]
    assert found["cron_logs"]["status"].tolist() == ["completed"]


def test_rule_14_a_value_of_another_format_makes_its_field_not_understood_and_not_the_table(
    database: Database,
) -> None:
    """Of each table one row is as it should be; the outcome of the other is known all the same."""
    granted(
        database,
        "CREATE TABLE pix (id int, created_at timestamptz, status text, amount text)",
        "INSERT INTO pix VALUES (1, '2025-03-04 10:00+00', 'succeeded', '1.234,56'), "
        "(2, '2025-03-04 11:00+00', 'failed', '12.5')",
        "CREATE TABLE runs (job text, started_at timestamptz, completed_at timestamptz, status text, "
        "duration_ms text)",
        "INSERT INTO runs VALUES ('a', '2025-03-04 10:00+00', '2025-03-04 09:00+00', 'ok', 'long'), "
        "('a', '2025-03-04 11:00+00', '2025-03-04 11:01+00', 'ok', '60000')",
        "CREATE TABLE checks (name text, checked_at timestamptz, status boolean, response_ms text)",
        "INSERT INTO checks VALUES ('pix', '2025-03-04 10:00+00', false, 'n/a')",
        "CREATE TABLE sessions (started_at timestamptz, pages text, duration_s text)",
        "INSERT INTO sessions VALUES ('2025-03-04 10:00+00', 'three', 'long'), ('2025-03-04 11:00+00', '3', '60')",
    )
    found = collected(
        database,
        payments={"table": "pix"},
        cron={"table": "runs"},
        integration_checks={"table": "checks"},
        activity={"sessions_table": "sessions"},
        features=[a_feature("money", table="pix", kind="sum", value_column="amount")],
    )
    paid = found["payments"].set_index("payment").sort_index()
    assert list(paid["status"]) == ["succeeded", "failed"]
    assert paid["amount_minor"].isna().tolist() == [True, False] and paid["amount_minor"].iloc[1] == 1250
    runs = found["cron_logs"].sort_values("started_at")
    assert list(runs["status"]) == ["completed", "completed"]
    assert list(runs["duration_ms"].isna()) == [True, False] and list(runs["completed_at"].isna()) == [True, False]
    assert list(found["integration_checks"]["success"]) == [False]
    week = found["activity"].set_index(["start", "end"]).loc[(at("2025-03-03T15:00"), at("2025-03-10T15:00"))]
    assert (week["sessions"], week["session_s"]) == (2, 60) and pd.isna(week["page_views"])
    money = found["feature_counts"].sort_values("at")
    assert list(money["blank"].fillna(0)) == [1, 0] and money["amount"].iloc[1] == 12.5
    assert set(unclear(found)) == {
        ("payments.amount", "not a number", "1.234,56"),
        ("cron.duration_ms", "not a number", "long"),
        ("cron.completed_at", "before its start", "2025-03-04 09:00:00+00:00"),
        ("integration_checks.response_ms", "not a number", "n/a"),
        ("activity.pages", "empty or out of range", "null"),
        ("activity.duration_s", "empty or out of range", "null"),
        ("features.money", "no number", "null"),
    }
    assert not [reason for reason in found["gaps"]["reason"] if "not understood" in str(reason)]


def test_a_time_without_zone_in_the_hour_that_comes_twice_tells_no_state(database: Database) -> None:
    """2:30 on 26 October 2025 in Berlin was 0:30 and 1:30 UTC; 1:30 and 3:30 were once."""
    granted(
        database,
        "CREATE TABLE looks (seen timestamp, state text)",
        "INSERT INTO looks VALUES ('2025-10-26 01:30', 'up'), ('2025-10-26 02:30', 'down'),"
        "('2025-10-26 03:30', 'up')",
    )
    site = database.site(MONITOR, uptime={**LOOKS, "time_zone": "Europe/Berlin"}, time_zone="Europe/Berlin")
    found = source.collect(site, a_scope(site, deployed_at=at("2025-10-25T10:00"), as_of=at("2025-10-27T10:00")))
    assert found["probes"].sort_values("checked_at")["status"].fillna("none").tolist() == ["up", "none", "up"]
    assert [what for _, what, _ in unclear(found)] == ["in the hour that comes twice"]


# A job table as GoodJob 4 makes it (its migration create_good_jobs): no word says how a run ended.
GOOD_JOB = """
CREATE TABLE good_jobs (job_class text, performed_at timestamptz, finished_at timestamptz, error text);
INSERT INTO good_jobs VALUES
  ('Invoices', '2025-03-04 10:00+00', '2025-03-04 10:01+00', NULL),
  ('Invoices', '2025-03-04 11:00+00', '2025-03-04 11:01+00', 'PG::QueryCanceled'),
  ('Invoices', '2025-03-04 12:00+00', '2025-03-04 12:01+00', ''),
  ('Invoices', '2025-03-04 13:00+00', NULL, 'tried once, will be tried again'),
  ('Invoices', '2025-03-04 14:00+00', '2025-03-04 13:59+00', NULL);
"""
BY_END = {
    "table": "public.good_jobs",
    "columns": {"job": "job_class", "started_at": "performed_at", "completed_at": "finished_at", "status": None},
    "jobs": [{"name": "Invoices", "schedule": "0 * * * *"}],
}


def test_a_log_without_a_status_tells_by_its_end_and_its_error_how_a_run_came_out(database: Database) -> None:
    granted(database, GOOD_JOB)
    found = collected(database, cron=BY_END)
    runs = found["cron_logs"].sort_values("started_at")
    assert list(runs["status"].fillna("unknown")) == ["completed", "failed", "completed", "started", "unknown"]
    assert unclear(found) == [("cron.completed_at", "before its start", "2025-03-04 13:59:00+00:00")]


def test_a_log_without_a_status_needs_an_end_and_an_error_and_says_so(database: Database) -> None:
    granted(database, "CREATE TABLE good_jobs (job_class text, performed_at timestamptz, finished_at timestamptz)")
    reason = gap(collected(database, cron=BY_END), "table:public.good_jobs")
    assert "public.good_jobs has no column error_message (error)" in reason
    columns = {**BY_END["columns"], "error": None}  # type: ignore[dict-item]
    with pytest.raises(ValidationError, match="cannot be null"):
        collected(database, cron={**BY_END, "columns": columns})


@pytest.mark.parametrize(("made", "known"), [("2025-03-04 14:00+00", True), ("2025-02-20 00:00+00", False)])
def test_a_materialized_view_says_nothing_of_the_days_after_its_last_refresh(
    database: Database, made: str, known: bool
) -> None:
    """Orders until the window's end; a copy of them as of two weeks before holds none of its days."""
    granted(
        database,
        "CREATE TABLE orders AS SELECT t AS at FROM "
        "generate_series('2025-02-10 00:00+00'::timestamptz, '2025-03-10 15:00+00', '1 hour') AS t",
        f"CREATE MATERIALIZED VIEW copied AS SELECT at FROM orders WHERE at <= '{made}'",
    )
    features = [a_feature(name, table=f"public.{name}", time_column="at") for name in ("orders", "copied")]
    site = database.site(MONITOR, features=features)
    found = source.collect(site, a_scope(site, phase="day1", as_of=at("2025-03-04T15:00")))
    counted = set(found["feature_counts"]["feature"])
    assert counted == ({"orders", "copied"} if known else {"orders"})
    if not known:
        assert "public.copied is a materialized view" in gap(found, "feature:copied")
        assert "its newest row is of 2025-02-20 00:00 UTC" in gap(found, "feature:copied")


@pytest.mark.parametrize("told", [{"columns": {"category": None, "tags": None}}, {"categories": {}}])
def test_tickets_that_are_said_to_have_no_category_lack_nothing(database: Database, told: dict[str, Any]) -> None:
    granted(database, "CREATE TABLE cases (created_at timestamptz)", "INSERT INTO cases VALUES ('2025-03-04')")
    site = database.site(MONITOR, tickets={"table": "public.cases", **told})
    found = source.collect(site, a_scope(site))
    assert "tickets.category" not in set(found["gaps"]["item"])
    named = [metric.id for metric in feedback.metrics(site) if metric.id.startswith("tickets_")]
    assert named == ["tickets_total"]
