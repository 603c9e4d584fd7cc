"""Time: half-open windows and local days of their true length."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdmlib.errors import CallError
from pdmlib.phases.window import Window, comes_twice, day_of, days_between, iso, local_day, parse_time

CHICAGO = ZoneInfo("America/Chicago")
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    assert window.contains(window.start)
    assert not window.contains(window.end)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 9), 23), (date(2025, 11, 2), 25), (date(2025, 3, 8), 24)]
)
def test_a_local_day_has_its_true_length(day: date, hours: int) -> None:
    assert local_day(day, CHICAGO).window.seconds == hours * 3600


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_does_not_have_is_refused_in_words(text: str) -> None:
    with pytest.raises(CallError, match="outside the years 1 to 9999"):
        parse_time(text)


@given(moments)
def test_a_moment_lies_in_its_own_day(moment: datetime) -> None:
    assert day_of(moment, CHICAGO).window.contains(moment)


@given(moments, st.integers(0, 40))
def test_consecutive_days_leave_no_gap(moment: datetime, count: int) -> None:
    first = moment.date()
    days = days_between(first, first + timedelta(days=count), CHICAGO)
    assert all(a.window.end == b.window.start for a, b in pairwise(days))


def test_rule_7_weeks_earlier_begin_at_the_same_local_time_across_a_change_of_the_clock() -> None:
    """10:00 in Chicago is 15:00 UTC on 14 March 2025 and 16:00 UTC two weeks before."""
    day = Window(parse_time("2025-03-14T15:00Z"), parse_time("2025-03-15T15:00Z"))
    before = day.days_earlier(14, CHICAGO)
    assert (iso(before.start), before.seconds) == ("2025-02-28T16:00:00Z", day.seconds)


def test_a_window_cannot_end_before_it_starts() -> None:
    with pytest.raises(CallError, match="ends"):
        Window(datetime(2025, 1, 2, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))


def test_a_time_without_zone_is_utc_and_others_are_converted() -> None:
    assert iso(parse_time("2025-03-03T09:00:00-06:00")) == "2025-03-03T15:00:00Z"
    with pytest.raises(CallError, match="has no zone"):
        parse_time("2025-03-03 15:00")


def test_what_is_no_time_is_said_in_one_line() -> None:
    with pytest.raises(CallError, match="is not an ISO time"):
        parse_time("yesterday")


def test_the_hour_before_the_clocks_go_back_comes_twice() -> None:
    """On 26 October 2025 Berlin's clock showed 2:00 to 3:00 twice: from 0:00 to 2:00 UTC (EU 2000/84)."""

    def twice(moment: str) -> bool:
        return comes_twice(parse_time(f"2025-{moment}Z"), ZoneInfo("Europe/Berlin"))

    assert [twice(f"10-26T{clock}") for clock in ("00:00", "01:59")] == [True, True]
    assert [twice(m) for m in ("10-25T23:59", "10-26T02:00", "03-30T01:30")] == [False, False, False]
