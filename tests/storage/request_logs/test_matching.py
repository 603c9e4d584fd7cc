"""Before against after on the same hours of the week equals a plain loop, and its parts add up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.compare import same_hours
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import Scope, scope_of
from pdmlib.storage.request_logs.figures import collect
from pdmlib.storage.request_logs.ingest import ingest
from tests.storage.request_logs.logs import line, rank, site_of, write

DEPLOYED = datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
AS_OF = DEPLOYED + timedelta(hours=6)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
FIRST = datetime(2026, 3, 9, 13, tzinfo=UTC)


def calls(start: datetime, path: str, count: int, ms: float, failed: int, **more: Any) -> Iterator[dict[str, Any]]:
    for number in range(count):
        at = start + number * timedelta(seconds=1)
        status = 500 if number < failed else 200
        yield line(f"{start:%d%H}{path}{number}", at, path, status=status, ms=ms + number % 10, **more)


def the_log() -> list[dict[str, Any]]:
    """Two hours of each week, and two hours that only the week before has; /slow gets slower, /more busier."""
    before, after = {"deploymentId": "dpl_0"}, {"deploymentId": "dpl_1", "executionRegion": "sfo1"}
    rows: list[dict[str, Any]] = []
    for hour in (FIRST, FIRST + HOUR):
        rows += calls(hour - WEEK, "/slow", 100, ms=100, failed=0, **before)
        rows += calls(hour - WEEK, "/more", 50, ms=200, failed=1, **before)
        rows += calls(hour, "/slow", 100, ms=400, failed=4, **after)
        rows += calls(hour, "/more", 150, ms=200, failed=3, **after)
    rows += calls(FIRST + 2 * HOUR - WEEK, "/slow", 900, ms=9000, failed=900, **before)
    rows += calls(FIRST - 3 * HOUR - WEEK + timedelta(days=1), "/slow", 900, ms=9000, failed=900, **before)
    return rows


def a_scope(as_of: datetime = AS_OF) -> Scope:
    return scope_of(site_of().zone, phase_named("day1"), DEPLOYED, as_of)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("matching")
    ingest(site_of(), [write(folder / "log.ndjson", the_log())], folder / "store")
    return collect(site_of(), a_scope(), folder / "store")


def rows_of(frames: dict[str, pd.DataFrame]) -> dict[tuple[str, str], dict[str, Any]]:
    case = Case(site_of(), a_scope(), Collection(frames), a_scope().window)
    return {(row["dimension"], row["item"]): row for row in same_hours.before_after(case)}


def test_only_hours_of_the_week_that_both_sides_hold_are_compared(frames: dict[str, pd.DataFrame]) -> None:
    found = rows_of(frames)
    assert found["all", ""]["hours"] == 2
    assert found["all", ""]["requests_per_hour_before"] == 150
    assert found["all", ""]["requests_per_hour"] == 250
    assert found["route", "/slow"]["error_rate_before_pct"] == 0
    assert found["route", "/slow"]["error_rate_pct"] == 4


def test_percentiles_before_and_after_equal_a_plain_loop(frames: dict[str, pd.DataFrame]) -> None:
    found = rows_of(frames)
    slow = [100.0 + number % 10 for number in range(100)] * 2
    more = [200.0 + number % 10 for number in range(50)] * 2
    assert found["route", "/slow"]["p95_before"] == pytest.approx(rank(slow, 0.95), rel=0.0101)
    assert found["all", ""]["p95_before"] == pytest.approx(rank(slow + more, 0.95), rel=0.0101)
    assert found["release", "dpl_0"]["p95_before"] == found["all", ""]["p95_before"]
    assert (
        found["route", "/slow"]["p95_low"] < found["route", "/slow"]["p95"] < found["route", "/slow"]["p95_high"]
    )


def test_what_each_route_explains_adds_up_and_is_told_apart_by_speed_and_volume(
    frames: dict[str, pd.DataFrame],
) -> None:
    """/slow: +300 ms on 100 an hour = 30,000 ms; /more: 100 more of 204.5 ms = 20,450 ms; of 50,450."""
    found = rows_of(frames)
    slow, more = found["route", "/slow"], found["route", "/more"]
    assert slow["time_own_pct"] == pytest.approx(100 * 30_000 / 50_450)
    assert (slow["time_volume_pct"], more["time_own_pct"]) == (pytest.approx(0), pytest.approx(0))
    assert more["time_volume_pct"] == pytest.approx(100 * 20_450 / 50_450)
    assert slow["errors_own_pct"] == pytest.approx(100 * 4 / 6)
    assert more["errors_volume_pct"] == pytest.approx(100 * 2 / 6)


def test_regions_and_releases_are_told_where_the_log_has_them(frames: dict[str, pd.DataFrame]) -> None:
    found = rows_of(frames)
    assert found["region", "iad1"]["requests_per_hour"] == 0
    assert found["region", "sfo1"]["requests_per_hour"] == 250
    assert found["release", "dpl_1"]["p95_before"] is None
    assert found["release", "dpl_1"]["time_own_pct"] is None


def test_a_routes_change_is_told_in_words(frames: dict[str, pd.DataFrame]) -> None:
    case = Case(site_of(), a_scope(), Collection(frames), a_scope().window)
    text = same_hours.on_same_hours(case, "/slow")
    assert text.startswith(" On the same 2 hours of the week its p95 went from ")
    assert "error rate from 0.00 to 4.00 %" in text
    assert "59 % is that it is slower" in text
    assert same_hours.on_same_hours(case, "/none") == ""


def test_without_a_shared_hour_nothing_is_compared(tmp_path: Path) -> None:
    ingest(site_of(), [write(tmp_path / "l.ndjson", calls(FIRST, "/a", 9, ms=100, failed=0))], tmp_path / "store")
    assert "same_hours" not in collect(site_of(), a_scope(), tmp_path / "store")


def test_a_drain_without_durations_has_counts_of_each_region_and_no_response_times(tmp_path: Path) -> None:
    """So it is where `columns` names no field that holds them: one request a minute, of one region."""
    hours = (FIRST, FIRST - WEEK)
    rows = [line(f"{hour}{n}", hour + n * HOUR / 60, ms=None) for hour in hours for n in range(60)]
    site = site_of(columns={})
    ingest(site, [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    table = collect(site, a_scope(), tmp_path / "store")["same_hours"]
    told = table.set_index("dimension")
    assert list(told.loc["region", ["item", "requests", "requests_before", "timed"]]) == ["iad1", 60, 60, 0]
    assert table[["p95_ms", "p95_ms_before"]].isna().all(axis=None)
