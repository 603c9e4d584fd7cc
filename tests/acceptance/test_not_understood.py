"""From one table of what is read: no unknown word, null or impossible number gives a pass, a 0 or a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import pytest

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer, Reading, Status
from pdmlib.sources.postgres import source
from pdmlib.verdict.verdict import Verdict, judge
from tests.builders import DEPLOYED, WEEK_LATER, a_scope
from tests.servers import MONITOR, Bench, Database
from tests.sources.reads import UNKNOWN_WORDS, Read, read

# Every column is text or a number without bounds, so that a test can put anything into it.
TABLES = """
CREATE TABLE uptime (checked_at timestamptz, status text, response_ms numeric, errors text);
CREATE TABLE cron (job text, started_at timestamptz, completed_at timestamptz, status text, error text,
  duration_ms numeric, attempts numeric);
CREATE TABLE tickets (ticket text, created_at timestamptz, resolved_at timestamptz, status text, priority text,
  category text, rating numeric);
CREATE TABLE activity (visitor text, started_at timestamptz, ended_at timestamptz, pages numeric,
  duration_s numeric);
CREATE TABLE integration_checks (name text, checked_at timestamptz, status text, response_ms numeric, error text);
CREATE TABLE sales (at timestamptz, amount numeric);
GRANT USAGE ON SCHEMA public TO pdm_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor;
"""
SITE: dict[str, Any] = {
    "unused": ["app", "sentry", "vercel", "supabase", "twilio", "resend"],
    "uptime": {"table": "public.uptime", "interval_s": 3600},
    "cron": {"table": "public.cron", "jobs": [{"name": "job", "schedule": "0 * * * *"}]},
    "tickets": {"table": "public.tickets"},
    "activity": {"sessions_table": "public.activity"},
    "integration_checks": {"table": "public.integration_checks"},
    "features": [
        {
            "name": "sales",
            "title": "Sales",
            "kind": "sum",
            "table": "public.sales",
            "time_column": "at",
            "value_column": "amount",
            "targets": {"week1": 1},
        },
    ],
}
# A row of each table in which all is well, an hour apart over a week; `at` is the hour.
WELL: dict[str, dict[str, str]] = {
    "uptime": {"checked_at": "at", "status": "'up'", "response_ms": "120"},
    "cron": {
        "job": "'job'",
        "started_at": "at",
        "completed_at": "at + interval '9 s'",
        "status": "'completed'",
        "duration_ms": "9000",
        "attempts": "1",
    },
    "tickets": {
        "ticket": "at::text",
        "created_at": "at",
        "status": "'open'",
        "priority": "'low'",
        "category": "'bug'",
        "rating": "5",
    },
    "activity": {
        "visitor": "at::text",
        "started_at": "at",
        "ended_at": "at + interval '60 s'",
        "pages": "3",
        "duration_s": "60",
    },
    "integration_checks": {"name": "'stripe'", "checked_at": "at", "status": "'up'", "response_ms": "80"},
    "sales": {"at": "at", "amount": "10"},
}


# The columns of an application's tables that are read, and the readings that rest on each.
READINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("uptime", "status"): ("uptime_pct", "downtime_minutes", "downtime_events"),
    # How long a probe, a run or a check took says nothing of what it found.
    ("uptime", "response_ms"): (),
    ("cron", "status"): ("cron_runs_ok", "cron_runs_failed"),
    ("cron", "duration_ms"): (),
    ("cron", "attempts"): (),
    ("tickets", "category"): ("tickets_bug", "tickets_question"),
    ("tickets", "rating"): ("support_rating",),
    ("activity", "pages"): ("page_views", "bounce_rate_pct"),
    ("activity", "duration_s"): ("session_duration_s",),
    ("integration_checks", "status"): ("integration_stripe",),
    ("integration_checks", "response_ms"): (),
    ("sales", "amount"): ("feature_sales",),
}


@dataclass(frozen=True)
class Field:
    """A column that is read, and the readings that rest on it.

    Attributes:
        known: a word that is understood; None for a number.
    """

    table: str
    column: str
    readings: tuple[str, ...]

    @property
    def read(self) -> Read:
        return read("postgres", self.table, self.column)

    @property
    def known(self) -> str | None:
        return next(iter(self.read.words), None)


FIELDS = tuple(Field(*named, readings) for named, readings in READINGS.items())
# A look costs a second: three words that are none and a number; a number below all, none, and one beyond all.
WORDS = tuple(f"'{word}'" for word in (*UNKNOWN_WORDS[:3], 0))
NUMBERS = ("-5", "'NaN'", "'Infinity'", "4e300")
# A refund, a currency that has seen better days, and a ticket that was never sorted.
POSSIBLE = {("amount", "-5"), ("amount", "4e300"), ("category", "''")}


@pytest.fixture(scope="module")
def well(bench: Bench) -> Iterator[Database]:
    with bench.database() as made:
        made.run(TABLES)
        yield made


def put(database: Database, odd: Mapping[Field, str] | None = None) -> None:
    """Fills every table with a week in which all is well, but for some columns."""
    hours = (
        f"generate_series(timestamptz '{DEPLOYED}', timestamptz '{WEEK_LATER}' - interval '1 s', '1 hour') AS at"
    )
    for table, row in WELL.items():
        values = row | {field.column: text for field, text in (odd or {}).items() if field.table == table}
        database.run(
            f"TRUNCATE {table}",
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {hours}",
        )


def judged(database: Database, **changes: Any) -> Verdict:
    site = database.site(MONITOR, **{**SITE, **changes})
    scope = a_scope(site)
    found = source.collect(site, scope)
    # Stripe is heard of through the application's checks alone: its own interface answered and says nothing.
    covered = tuple(Coverage(name, Answer.OK, 1, 0.1) for name in ("postgres", "stripe"))
    return judge(Case(site, scope, Collection(found, covered), scope.window))


def reading(verdict: Verdict, name: str) -> Reading:
    found = verdict.reading(name)
    assert found is not None, name
    return found


def odd_texts(field: Field) -> list[str]:
    """What may stand in a column and is not understood."""
    texts = [text for text in (WORDS if field.known else NUMBERS) if (field.column, text) not in POSSIBLE]
    # A null is no word at all; where a row may lack one, nothing is said that could be wrong.
    return texts if field.read.null else [*texts, "NULL"]


def rounds() -> list[dict[Field, str]]:
    """Every odd text of every column once; one column of each table at a time, as a look costs a second."""
    columns = {
        table: [(field, text) for field in FIELDS if field.table == table for text in odd_texts(field)]
        for table in WELL
    }
    return [dict(filter(None, together)) for together in zip_longest(*columns.values())]


def test_in_a_week_in_which_all_is_well_every_one_of_these_readings_is_known(well: Database) -> None:
    """Else what follows would show nothing."""
    put(well)
    verdict = judged(well)
    assert verdict.case["not_understood"].empty
    for field in FIELDS:
        for name in field.readings:
            assert reading(verdict, name).status in (Status.PASS, Status.INFO), name


@pytest.mark.parametrize("odd", rounds(), ids=lambda odd: "-".join(f.column + text for f, text in odd.items()))
def test_rule_14_what_is_not_understood_gives_no_pass_no_zero_no_failure_and_no_rollback(
    well: Database, odd: dict[Field, str]
) -> None:
    put(well, odd)
    verdict = judged(well)
    rows = verdict.case["not_understood"]
    for field in odd:
        named = rows["item"].str.startswith(("features." if field.table == "sales" else "") + field.table)
        assert rows[named]["count"].sum() >= 168, "a week has 168 rows"
        rows = rows[~named]
        for name in field.readings:
            found = reading(verdict, name)
            assert found.status is Status.UNKNOWN, (name, found)
            assert found.value is None
            assert found.reason
    assert rows.empty, "of the other tables everything is understood"
    assert [f.id for f in verdict.findings] == [] and verdict.alerts == () and verdict.incidents == ()
    assert verdict.status == "UNKNOWN"
    assert verdict.recommendation != "rollback"


def test_rule_14_one_column_that_is_not_understood_leaves_the_other_readings_known(well: Database) -> None:
    field = FIELDS[0]
    put(well, {field: WORDS[0]})
    verdict = judged(well)
    assert verdict.status == "UNKNOWN"
    for other in FIELDS:
        for name in set(other.readings) - set(field.readings):
            assert reading(verdict, name).status in (Status.PASS, Status.INFO), name


@pytest.fixture(scope="module")
def usual(well: Database) -> Verdict:
    """What is said of the week in which all is well."""
    put(well)
    return judged(well)


@pytest.mark.parametrize("shape", [str.upper, str.title, "  {} ".format])
def test_rule_14_words_are_the_same_in_another_case_and_with_space_around(
    well: Database, usual: Verdict, shape: Any
) -> None:
    worded = {field: f"'{shape(field.known)}'" for field in FIELDS if field.known}
    put(well, worded)
    other = judged(well)
    assert other.case["not_understood"].empty
    for field in worded:
        for name in field.readings:
            assert reading(other, name).value == reading(usual, name).value


TIMES = {"uptime": "checked_at", "cron": "started_at", "tickets": "created_at"}


@pytest.mark.parametrize("odd", ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"])
def test_rule_14_a_row_at_an_impossible_time_is_not_understood_and_the_table_is_kept(
    well: Database, odd: str
) -> None:
    put(well)
    for table, column in TIMES.items():
        row = {**WELL[table], column: f"'{odd}'"}
        values = ", ".join(
            text.replace("at::text", "'x'").replace("at + interval '9 s'", "NULL") for text in row.values()
        )
        well.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")
    verdict = judged(well)
    found = {row["item"]: (row["what"], row["count"]) for row in verdict.not_understood}
    assert found == {f"{table}.{column}": ("out of range", 1) for table, column in TIMES.items()}
    assert reading(verdict, "uptime_pct").value == 100
    assert reading(verdict, "cron_runs_ok").value == 168
    assert reading(verdict, "tickets_total").value == 168
    assert reading(verdict, "sources_read").status is Status.UNKNOWN


@pytest.mark.parametrize("text", ["''", "NULL"])
def test_tickets_that_nobody_has_sorted_are_not_none_of_a_category(well: Database, text: str) -> None:
    put(well, {next(f for f in FIELDS if f.column == "category"): text})
    verdict = judged(well)
    assert (reading(verdict, "tickets_bug").value, reading(verdict, "tickets_total").value) == (None, 168)


def test_numbers_and_booleans_are_words_of_a_status(well: Database) -> None:
    put(well, {FIELDS[0]: "CASE WHEN at < '2025-03-04' THEN '0' ELSE '200' END"})
    words = {"up": [200], "down": [0]}
    verdict = judged(well, uptime={**SITE["uptime"], "words": words})
    # From 15:00 to midnight: nine of 168 hours.
    assert reading(verdict, "uptime_pct").value == pytest.approx(100 * 159 / 168)


def test_a_sum_over_nulls_is_its_known_part_and_says_so(well: Database) -> None:
    put(well, {FIELDS[-1]: "CASE WHEN extract(hour FROM at) = 3 THEN NULL ELSE 10 END"})
    found = reading(judged(well), "feature_sales")
    assert (found.value, found.status) == (10 * 161, Status.INFO)
    assert "7 rows without a number" in str(found.measurement.evidence)
