"""Visitors, pages and bounces against what is usual."""

from datetime import timedelta

import pytest

from pdmlib.analysis.product import activity
from pdmlib.frames.readings import State, Status
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap

WEEK = timedelta(days=7)
METRICS = {m.id: m for m in activity.METRICS}


def a_row(start=DEPLOYED, end=WEEK_LATER, source="database", **more):
    row = {
        "source": source,
        "start": start,
        "end": end,
        "visitors": 700,
        "sessions": 1000,
        "page_views": 3000,
        "session_s": 120.0,
        "bounced": 400,
    }
    return {**row, **more}


def the_days_before(visitors=(100, 104, 98, 101, 97, 60, 62)):
    days = [d.window for d in a_case().scope.review_days if d.window.end <= DEPLOYED]
    return [a_row(w.start, w.end, visitors=v) for w, v in zip(days, visitors, strict=False)]


def measure(name, *rows):
    return METRICS[name].measure(a_case({"activity": rows}))


def status(found, name):
    return next((limit.status for limit in METRICS[name].limits if limit.reached(found)), None)


def test_distinct_visitors_are_the_sources_own_and_never_a_sum_of_days():
    assert measure("unique_users", a_row(visitors=450), *the_days_before()).value == 450


def test_the_applications_sessions_come_before_the_platforms_visits():
    assert measure("unique_users", a_row(source="vercel", visitors=1), a_row(visitors=2)).value == 2


def test_visitors_that_no_source_is_named_for_are_none():
    assert measure("unique_users", a_row(source=None, visitors=1)).state is State.NO_DATA
    assert measure("unique_users", a_row(source=None, visitors=1), a_row(visitors=2)).value == 2


def test_a_drop_beyond_chance_warns():
    """700 before, 350 now: half."""
    found = measure("unique_users", a_row(visitors=350), a_row(DEPLOYED - WEEK, DEPLOYED), *the_days_before())
    assert (found.baseline, found.change_pct, found.trend) == (700, pytest.approx(-50), "down")
    assert status(found, "unique_users") is Status.WARN


def test_a_rise_or_a_small_drop_does_not_warn():
    before = [a_row(DEPLOYED - WEEK, DEPLOYED), *the_days_before()]
    assert status(measure("unique_users", a_row(visitors=900), *before), "unique_users") is None
    assert measure("unique_users", a_row(visitors=690), *before).trend == "flat"


def test_without_a_past_there_is_a_number_and_no_trend():
    found = measure("page_views", a_row())
    assert (found.value, found.baseline, found.trend) == (3000, None, "unknown")


def test_more_bounces_warn():
    """40 % of 1000 before, 55 % now."""
    found = measure("bounce_rate_pct", a_row(bounced=550), a_row(DEPLOYED - WEEK, DEPLOYED))
    assert (found.value, found.baseline, found.trend) == (pytest.approx(55), pytest.approx(40), "up")
    assert (found.low, found.high) == (pytest.approx(51.9, abs=0.1), pytest.approx(58.1, abs=0.1))
    assert status(found, "bounce_rate_pct") is Status.WARN


def test_a_table_that_cannot_be_read_is_unknown():
    gap = a_gap("postgres", "filtered by row-level security", "table:public.website_sessions")
    found = METRICS["unique_users"].measure(a_case({"gaps": [gap]}))
    assert (found.state, found.reason) == (State.ERROR, "filtered by row-level security")
