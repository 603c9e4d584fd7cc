"""Costs prorated to the window, and how long the room will last."""

from datetime import timedelta

import pytest

from pdmlib.analysis.product import costs
from pdmlib.frames.readings import State
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site

DAY, WEEK = timedelta(days=1), timedelta(days=7)


def a_bill(start, days, amount, name="vercel", currency="USD"):
    return {
        "start": start,
        "end": start + days * DAY,
        "name": name,
        "amount": amount,
        "currency": currency,
        "source": name,
    }


def cost(name, case):
    return next(m for m in costs.metrics(case.site) if m.id == f"cost_{name}").measure(case)


def test_a_period_counts_by_the_share_of_it_in_the_window():
    """30 for the ten days that began three days before: seven tenths of it."""
    case = a_case({"costs": [a_bill(DEPLOYED - 3 * DAY, 10, 30.0)]})
    assert cost("vercel", case).value == pytest.approx(21.0)


def test_a_week_stands_beside_the_week_before():
    case = a_case({"costs": [a_bill(DEPLOYED - WEEK, 7, 10.0), a_bill(DEPLOYED, 7, 15.0)]})
    found = cost("vercel", case)
    assert (found.value, found.baseline, found.change_pct) == (15, 10, pytest.approx(50))


def test_currencies_are_never_added():
    rows = [a_bill(DEPLOYED, 7, 9.0, "stripe"), a_bill(DEPLOYED, 7, 5.0, name="stripe", currency="EUR")]
    found = cost("stripe", a_case({"costs": rows}))
    assert (found.value, found.evidence) == (9, "9.00 USD; besides 5.00 EUR")


def test_a_cost_of_the_site_file_is_prorated_and_says_where_it_is_from():
    """25 a month of 30.4375 days: 5.75 a week."""
    site = a_site(costs=[{"name": "supabase", "title": "Supabase Pro", "amount": 25.0, "per": "month"}])
    found = cost("supabase", a_case(site=site))
    assert (found.value, found.source) == (5.75, "site file")


def test_a_vendor_that_told_nothing_is_unknown_not_free():
    assert cost("vercel", a_case()).state is State.NO_DATA
    case = a_case({"gaps": [a_gap("vercel", "403: role", "costs")]})
    assert cost("vercel", case).reason == "403: role"


def test_a_vendor_whose_answers_were_not_understood_did_not_bill_nothing():
    odd = {
        "source": "twilio",
        "item": "usage_records.start_date",
        "what": "not a time",
        "count": 3,
        "example": "x",
    }
    found = cost("twilio", a_case({"not_understood": [odd]}))
    assert found.state is State.NOT_UNDERSTOOD and "usage_records.start_date" in (found.reason or "")


def test_rows_of_the_chart_are_one_a_currency():
    rows = costs.rows(a_case({"costs": [a_bill(DEPLOYED, 7, 9.0), a_bill(DEPLOYED - WEEK, 7, 8.0)]}))
    assert rows == [{"name": "vercel", "title": "Vercel", "amount": 9.0, "currency": "USD", "before_amount": 8.0}]


def a_disk(*gigabytes):
    return [
        {"metric": m, "at": WEEK_LATER - (len(gigabytes) - i) * DAY, "value": v * 1e9}
        for i, g in enumerate(gigabytes)
        for m, v in (("disk_used_bytes", g), ("disk_size_bytes", 8.0))
    ]


def the_line(what, *gigabytes):
    return next(row for row in costs.capacity(a_case({"host_metrics": a_disk(*gigabytes)})) if row["what"] == what)


def test_a_disk_that_grows_a_tenth_of_a_gigabyte_a_day_is_full_in_due_time():
    """2.0 to 2.9 GB in ten days: 0.7 GB a week; 5.1 GB of room are 7.29 weeks, 51 days."""
    row = the_line("Database storage", *[2.0 + 0.1 * i for i in range(10)])
    assert (row["now"], row["limit"]) == (pytest.approx(2.9), 8)
    assert row["per_week"] == pytest.approx(0.7)
    assert (row["days_left"], row["reaches_limit_on"]) == (51, "2025-04-30")


def test_growth_that_may_be_none_sees_no_limit():
    row = the_line("Database storage", 2.0, 2.1, 1.9, 2.05, 1.95, 2.0)
    assert (row["reaches_limit_on"], row["days_left"]) == ("no limit in sight", None)
    assert row["low"] < 0 < row["high"]


def test_a_few_days_are_no_trend():
    row = the_line("Database storage", 2.0, 2.1)
    assert (row["per_week"], row["reaches_limit_on"]) == (None, "not known: 2 days were measured, 5 are needed")


def test_what_was_not_measured_has_its_row():
    assert [row["reaches_limit_on"] for row in costs.capacity(a_case())] == ["not measured"] * 3
