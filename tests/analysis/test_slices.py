"""Slices by the clock, held against a plain loop over the lines of a log."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pdmlib.analysis.slices import sliced
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.phases.window import Window
from pdmlib.site.site import Site
from pdmlib.storage.request_logs.figures import collect
from pdmlib.storage.request_logs.ingest import ingest
from tests.builders import WEEK_LATER, a_case, a_site, every
from tests.storage.request_logs.logs import Oracle, site_of, traffic, write

ROWS = traffic(1500, hours=5)  # from 22:00 to 03:00 UTC
DEPLOYED, AS_OF = datetime(2026, 3, 9, 23, 7, 30, tzinfo=UTC), datetime(2026, 3, 10, 2, 45, 20, tzinfo=UTC)
WORDS = {"hour": "%H:00", "weekday": "%A", "day": "%Y-%m-%d"}
# On the hour, and at the half and the quarter of it: in summer Adelaide is 10:30 before UTC.
ZONES = ("America/Chicago", "Asia/Kathmandu", "Australia/Adelaide")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    ingest(site_of(), [write(folder / "log.ndjson", ROWS)], folder / "store")
    return folder / "store"


def of_log(store: Path, zone: str, phase: str = "day1", as_of: datetime = AS_OF) -> Case:
    site = Site.model_validate({**site_of().model_dump(exclude_unset=True), "time_zone": zone})
    scope = scope_of(ZoneInfo(zone), phase_named(phase), DEPLOYED, as_of)
    return Case(site, scope, Collection(collect(site, scope, store)), scope.window)


def by_hand(window: Window, zone: str, by: str) -> Counter[str]:
    moments = (at for at, *_ in Oracle(ROWS).requests.values() if window.contains(at))
    return Counter(at.astimezone(ZoneInfo(zone)).strftime(WORDS[by]) for at in moments)


def requests(case: Case, by: str, end: str = "") -> Mapping[str, float]:
    return {row[by]: row[f"requests{end}"] for row in sliced(case, "latencies", by).rows if row[f"requests{end}"]}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", WORDS)
def test_each_request_of_the_window_is_in_the_hour_and_day_of_the_sites_clock(
    store: Path, zone: str, by: str
) -> None:
    case = of_log(store, zone)
    assert requests(case, by) == by_hand(case.window, zone, by)
    assert sum(requests(case, by).values()) == len(Oracle(ROWS).inside(DEPLOYED, AS_OF))
    if by != "day":
        assert requests(case, by, "_before") == by_hand(case.scope.before, zone, by)


@pytest.mark.parametrize("phase", ["hour1", "daily", "week1"])
def test_it_is_so_in_each_phase(store: Path, phase: str) -> None:
    case = of_log(store, "Asia/Kolkata", phase)
    assert requests(case, "hour") == by_hand(case.window, "Asia/Kolkata", "hour")


def test_a_row_says_how_much_of_the_window_it_holds(store: Path) -> None:
    """In Chicago the window is from 18:07:30 to 21:45:20 on the deployment's day, which began before it."""
    (day,) = sliced(of_log(store, "America/Chicago"), "latencies", "day").rows
    assert (day["hours"], day["hours_before"]) == (pytest.approx(3 + 2270 / 3600), pytest.approx(18.125))
    hours = {
        row["hour"]: row["hours"] for row in sliced(of_log(store, "America/Chicago"), "latencies", "hour").rows
    }
    assert (hours["18:00"], hours["19:00"]) == (pytest.approx(52.5 / 60), 1.0)


def counts(moment: datetime) -> dict[str, Any]:
    return {
        "source": "vercel",
        "at": moment,
        "interval_s": 3600,
        "status": 200,
        "requests": 10,
        "sample_rate": 1.0,
    }


@pytest.mark.parametrize("by", WORDS)
def test_hours_of_utc_are_no_hours_of_a_clock_at_the_half_of_them(by: str) -> None:
    rows = [counts(moment) for moment in every(60, WEEK_LATER - timedelta(days=1), WEEK_LATER)]
    kolkata = sliced(a_case({"request_counts": rows}, site=a_site(time_zone="Asia/Kolkata")), "latencies", by)
    assert not kolkata.rows and "hours that an hour of Asia/Kolkata cuts" in kolkata.said
    chicago = sliced(a_case({"request_counts": rows}), "latencies", by)
    assert sum(row["requests"] for row in chicago.rows) == 240


def test_requests_that_are_in_no_row_are_told() -> None:
    """A day of 240 requests, of which the source counts 23 whole hours of ten."""
    start = WEEK_LATER - timedelta(days=1)
    whole = {"source": "vercel", "start": start, "end": WEEK_LATER, "requests": 240, "failures": 0}
    frames = {"request_counts": [counts(at) for at in every(60, start, WEEK_LATER)[1:]], "latencies": [whole]}
    said = sliced(a_case(frames, "daily"), "latencies", "hour").said
    assert said.startswith("10 of 240 requests are known only with longer stretches")


def test_errors_that_several_rows_hold_are_counted_once() -> None:
    """Three hours of 5, 7 and 9 errors; their day, the window and the last sixty minutes hold the same ones."""
    start = WEEK_LATER - timedelta(days=7)
    hours = every(60, start, start + timedelta(hours=3))
    spans = [(at, at + timedelta(hours=1), errors) for at, errors in zip(hours, (5, 7, 9), strict=True)]
    spans += [(start, start + timedelta(days=1), 21), (start, WEEK_LATER, 21)]
    spans += [(start + timedelta(minutes=90), start + timedelta(minutes=150), 8)]
    frames = {"error_counts": [{"start": a, "end": b, "errors": errors} for a, b, errors in spans]}
    found = sliced(a_case(frames), "error_counts", "hour")
    assert [(row["hour"], row["errors"]) for row in found.rows] == [("09:00", 5), ("10:00", 7), ("11:00", 9)]
    assert "none of before it" in found.said
    kolkata = sliced(a_case(frames, site=a_site(time_zone="Asia/Kolkata")), "error_counts", "hour")
    assert "hours that an hour of Asia/Kolkata cuts" in kolkata.said


def test_a_slice_of_tickets_says_that_it_is_of_the_window_alone() -> None:
    made = (WEEK_LATER - timedelta(days=9), WEEK_LATER - timedelta(days=1))
    tickets = [{"ticket": str(at), "created_at": at, "category": "bug"} for at in made]
    found = sliced(a_case({"tickets": tickets}), "tickets", "category")
    assert [row["rows"] for row in found.rows] == [1]
    assert found.said.startswith("Rows of `tickets` of the window alone, none of before it, by category")


@pytest.mark.parametrize(
    ("frame", "by"), [("messages", "status"), ("tickets", "weekday"), ("error_counts", "hour")]
)
def test_a_slice_of_nothing_does_not_pass_for_a_count_of_none(frame: str, by: str) -> None:
    found = sliced(a_case(), frame, by)
    assert found.rows == []
    assert found.said.startswith(f"There are no rows of `{frame}` of the")
    assert "none was, or none was read" in found.said
