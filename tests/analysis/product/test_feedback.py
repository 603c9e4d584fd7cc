"""Support tickets and ratings."""

from datetime import timedelta

import pytest

from pdmlib.analysis.product import feedback
from pdmlib.frames.readings import State
from tests.builders import DEPLOYED, a_case, a_gap, a_site

DAY = timedelta(days=1)


def a_ticket(number, at=DEPLOYED + DAY, **more):
    row = {
        "ticket": f"T-{number}",
        "created_at": at,
        "category": "bug",
        "priority": "low",
        "status": "open",
        "summary": "It is slow",
    }
    return {**row, **more}


def value(name, case):
    return next(m for m in feedback.metrics(case.site) if m.id == name).measure(case)


def test_there_is_a_metric_for_each_category_of_the_site():
    site = a_site(tickets={"categories": {"bug": ["bug"], "billing": ["invoice"]}})
    names = [m.id for m in feedback.metrics(site)]
    assert names == ["tickets_total", "tickets_bug", "tickets_billing", "support_rating"]


def test_tickets_are_those_opened_in_the_window():
    rows = [a_ticket(1), a_ticket(2, category="question"), a_ticket(3, at=DEPLOYED - DAY)]
    case = a_case({"tickets": rows})
    assert (value("tickets_total", case).value, value("tickets_bug", case).value) == (2, 1)


def test_no_ticket_in_a_table_that_was_read_is_zero_and_in_a_hidden_one_unknown():
    """Rule 1: row-level security shows no rows and no error; that is not zero."""
    hidden = a_gap("postgres", "filtered by row-level security", "table:public.support_tickets")
    assert value("tickets_total", a_case()).value == 0
    found = value("tickets_total", a_case({"gaps": [hidden]}))
    assert (found.state, found.value) == (State.ERROR, None)


def test_tickets_are_compared_with_the_weeks_before():
    """10 a week in four weeks before, 30 now: three times as many."""
    before = [a_ticket(f"{w}-{i}", DEPLOYED - 7 * w * DAY + DAY) for w in range(1, 5) for i in range(10)]
    now = [a_ticket(i) for i in range(30)]
    found = value("tickets_total", a_case({"tickets": before + now}))
    assert (found.baseline, found.change_pct, found.trend) == (10, pytest.approx(200), "up")
    assert "worse" in found.evidence


def test_a_rating_needs_five_of_them():
    few = [a_ticket(i, rating=5.0) for i in range(4)]
    assert value("support_rating", a_case({"tickets": few})).reason == "4 ratings, and at least 5 are needed"
    found = value("support_rating", a_case({"tickets": [*few, a_ticket(9, rating=4.0)]}))
    assert (found.value, found.samples) == (pytest.approx(4.8), 5)
    assert found.low < 4.8 <= found.high <= 5


def test_the_table_is_json_ready_newest_first():
    rows = feedback.tickets(a_case({"tickets": [a_ticket(1), a_ticket(2, at=DEPLOYED + 2 * DAY, rating=4.0)]}))
    assert [row["ticket"] for row in rows] == ["T-2", "T-1"]
    assert rows[1]["rating"] is None
    assert rows[0]["created_at"] == "2025-03-05T15:00:00Z"


def test_open_urgent_tickets_are_one_finding():
    rows = [a_ticket(1, priority="urgent"), a_ticket(2, priority="urgent", status="closed"), a_ticket(3)]
    (found,) = feedback.findings(a_case({"tickets": rows}))
    assert found.value == 1
    assert "T-1" in found.evidence


def test_a_site_without_tickets_says_so():
    case = a_case(site=a_site(tickets=None))
    assert value("tickets_total", case).state is State.NOT_CONFIGURED


def test_rule_14_ratings_of_another_scale_leave_the_rating_unknown_with_the_part_that_is_known():
    """Six ratings of 0 to 10 of which 4, 5 and 3 are in 1 to 5: their mean, 4, is of the middle alone."""
    rows = [a_ticket(i, rating=stars) for i, stars in enumerate((4.0, 5.0, 3.0, None, None, None))]
    odd = {"source": "postgres", "item": "tickets.rating", "what": "out of range", "count": 3, "example": "10.0"}
    found = value("support_rating", a_case({"tickets": rows, "not_understood": [odd]}))
    assert (found.state, found.value) == (State.NOT_UNDERSTOOD, None)
    assert "tickets.rating '10.0' (out of range, 3 times); the mean of the 3 from 1 to 5 is 4.00" in found.reason
