"""Weeks differ as wholes: the shared variance of rule 18b, with figures worked by hand, and what began before."""

import math
from datetime import date, timedelta

import pytest

from pdmlib.analysis.compare.baseline import Baseline, baseline, change, together
from pdmlib.analysis.compare.weeks import Weeks
from pdmlib.frames.case import Case
from pdmlib.phases.window import days_between
from tests.builders import a_case, a_site

CASE = a_case()
BEFORE = days_between(date(2025, 2, 3), date(2025, 3, 2), CASE.site.zone)
WEEK = days_between(date(2025, 3, 4), date(2025, 3, 10), CASE.site.zone)


def of(*totals: float, lead: float = 0.0) -> Baseline:
    """A baseline of weeks, the latest first."""
    weeks = Weeks(dict(enumerate(totals, 1)), pieces=7, lead=lead)
    return Baseline("weekday", totals, "four weeks", expected=weeks.expected, exposure=weeks.exposure, weeks=weeks)


def week_of(case: Case, levels: tuple[float, ...], now: tuple[float, ...] = (), daily: int = 1000) -> Baseline:
    """The baseline of seven days: 1000 on each day of the four weeks before, times the level of its week."""
    history = [(d.window, daily * levels[n // 7]) for n, d in enumerate(BEFORE)]
    return together([baseline(case, history, d.window) for d in WEEK], now=now)


def test_rule_18b_the_interval_of_four_equal_weeks_is_students_on_the_usual_spread() -> None:
    """s^2 = 2 x 0.06^2 / 5 = 0.00144; weights 8, 4, 2, 1 of 15: sum of squares 85/225; t of 5 degrees 2.571.

    The half width is 2.571 x sqrt(0.00144 x 1.3778) = 0.1145, so -10.8 % to +12.1 %.
    """
    seen = change(1000, of(1000, 1000, 1000, 1000))
    assert (round(seen.low or 0, 1), round(seen.high or 0, 1)) == (-10.8, 12.1)


def test_a_single_day_is_given_heavier_tails() -> None:
    """The variance of the week above times 1.15: 2.571 x sqrt(0.001656 x 1.3778) = 0.1228, -11.6 % to +13.1 %."""
    day = Weeks(dict.fromkeys(range(1, 5), 1000.0))
    usual = Baseline("weekday", (1000.0,), "four days", expected=1000, exposure=day.exposure, weeks=day)
    seen = change(1000, usual)
    assert (round(seen.low or 0, 1), round(seen.high or 0, 1)) == (-11.6, 13.1)


def test_rule_18b_weeks_that_differed_by_a_fifth_hide_a_seventh() -> None:
    assert change(850, of(1000, 1000, 1000, 1000)).trend == "down"
    restless = change(850, of(1000, 1200, 1000, 1200))
    assert restless.trend == "flat"
    assert "the weeks before differed by ±11 % among themselves" in restless.reason


def test_later_weeks_count_for_twice_as_much() -> None:
    """8/15 x 1600 + 4/15 x 1400 + 2/15 x 1200 + 1/15 x 1000 = 1453.3."""
    assert of(1600, 1400, 1200, 1000).expected == pytest.approx(1453.33, abs=0.01)


def test_few_events_are_chance_and_every_week_counts_alike() -> None:
    assert of(8, 4, 4, 8).expected == 6


def test_days_of_a_week_that_rise_and_fall_together_are_no_28_witnesses() -> None:
    """Weeks of 0.9, 1.15, 0.9 and 1.1: each day of a week alike, so that only the four weeks tell the spread."""
    base = week_of(CASE, (0.9, 1.15, 0.9, 1.1))
    assert len(base.weeks.totals) == 4
    assert change(7000 * 0.85, base).trend == "flat"
    assert change(7000 * 0.5, base).trend == "down"


def test_growth_that_began_before_the_deployment_is_not_the_deployments() -> None:
    base = of(1000, 1000, 1000, 1000, lead=math.log(0.85))
    seen = change(750, base)
    assert seen.trend == "flat"
    assert "began before" in seen.words and "-15 %" in seen.reason
    assert change(750, of(1000, 1000, 1000, 1000, lead=math.log(1.2))).trend == "down"


EQUAL = (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("now", "trend", "said"),
    [
        pytest.param((1400,) * 7, "up", "40 % more", id="every day of the week"),
        pytest.param((1000, 1300, 1500, 1500, 1500, 1500, 1500), "up", "40 % more", id="six of seven"),
        pytest.param((1000, 1000, 2900, 1900, 1000, 1000, 1000), "flat", "2 of its 7 days", id="two days of news"),
        pytest.param((1000, 1000, 1000, 1000, 100, 100, 100), "flat", "3 of its 7 days", id="the last three days"),
    ],
)
def test_a_change_that_a_few_days_made_is_theirs_and_not_the_weeks(
    now: tuple[float, ...], trend: str, said: str
) -> None:
    """Of equal days five are 71 % of the week and four 57 %: two thirds lie between."""
    seen = change(sum(now), week_of(CASE, EQUAL, now))
    assert seen.trend == trend
    assert said in seen.words
    assert change(sum(now), week_of(CASE, EQUAL)).trend != "flat"


def test_days_that_hold_little_do_not_speak_against_a_change() -> None:
    """Of days of 100 requests 95 % lie within 20 %, so that some show no change of a fifth where there is one."""
    now = (65, 65, 65, 65, 95, 95, 95)
    assert change(sum(now), week_of(CASE, EQUAL, now, daily=100)).trend == "down"


def test_days_of_maintenance_are_no_baseline_unless_the_judged_day_has_as_much() -> None:
    mondays = [(d.window, 1000.0) for d in BEFORE if d.date.weekday() == 0]
    once = [{"start": "2025-02-10T18:00:00Z", "end": "2025-02-10T20:00:00Z"}]
    found = baseline(a_case(site=a_site(maintenance=once)), mondays, WEEK[6].window)
    assert len(found.values) == 2
    again = [{"cron": "0 3 * * *", "minutes": 30}]
    assert len(baseline(a_case(site=a_site(maintenance=again)), mondays, WEEK[6].window).values) == 3


def test_days_of_a_declared_event_are_no_baseline() -> None:
    fair = [{"at": "2025-02-11T16:00:00Z", "name": "fair"}]
    tuesdays = [(d.window, 1000.0) for d in BEFORE if d.date.weekday() == 1]
    assert len(baseline(a_case(site=a_site(events=fair)), tuesdays, WEEK[0].window).values) == 3


def test_a_baseline_that_ended_long_ago_says_so() -> None:
    case = a_case(phase="daily", as_of=WEEK[0].window.end + timedelta(days=20))
    history = [(d.window, 1000.0) for d in BEFORE]
    later = days_between(date(2025, 3, 24), date(2025, 3, 24), case.site.zone)[0]
    assert "20 days before what is judged" in baseline(case, history, later.window).used
