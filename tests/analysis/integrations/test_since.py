"""Since when payments, messages or checks go wrong: the present run, and none where it is surely over."""

from datetime import timedelta

import pandas as pd
import pytest

from pdmlib.analysis.integrations import operational, payments, since
from pdmlib.verdict.alerts import alerts_of
from tests.builders import DEPLOYED, WEEK_LATER, a_case, every

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = every(60, DEPLOYED - 7 * DAY, WEEK_LATER)


def began(*wrong):
    """Since when payments, one an hour in the two weeks, fail that have a number; None where it is over."""
    bad = [any(n in part for part in wrong) for n in range(len(ALL))]
    found = since.of_events(a_case(), pd.Series(ALL), pd.Series(bad))
    return found.moment if found and not found.over else None


@pytest.mark.parametrize(
    ("wrong", "start"),
    [
        ([range(240, 245)], None),  # five of five on the third day, and 91 good since
        ([range(200, 203)], None),
        ([range(240, 241)], None),  # one, and 95 good
        ([range(240, 336)], 240),  # all since the third day
        ([range(330, 336)], 330),
        ([range(331, 334)], 331),  # three of three, and two good: chance makes two of a rate of half
        ([range(180, 336, 10)], 180),  # one in ten all week, the last six hours ago
        ([range(240, 245), range(330, 336)], 330),
    ],
)
def test_a_run_that_surely_ended_is_not_the_present(wrong, start):
    assert began(*wrong) == (start and ALL[start])


@pytest.mark.parametrize(("wrong", "active"), [(range(240, 245), False), (range(331, 336), True)])
def test_payments_that_failed_for_some_hours_of_a_week_are_past_tense(wrong, active):
    """One payment an hour: what failed on the third day is over after 91 that did not."""
    rows = [
        {"payment": f"p{n}", "source": "stripe", "created_at": moment, "status": "succeeded"}
        | ({"status": "failed", "fault": "ours", "failure_code": "processing_error"} if n in wrong else {})
        for n, moment in enumerate(ALL)
    ]
    (finding,) = (f for f in operational.findings(a_case({"payments": rows})) if f.id == "integration:stripe")
    assert (finding.active, finding.since) == (active, ALL[wrong[0]])


@pytest.mark.parametrize(("wrong", "since"), [(range(1, 23, 2), 1), (range(3), None)])
def test_payments_that_fail_still_do_where_the_last_hour_had_none(wrong, since):
    """A payment an hour in the first day, the last an hour and more ago: half of them fail, or the first three."""
    hours = [DEPLOYED + n * HOUR for n in range(23)]
    rows = [
        {"payment": f"p{n}", "source": "stripe", "created_at": moment, "status": "succeeded"}
        | ({"status": "failed", "fault": "ours", "failure_code": "processing_error"} if n in wrong else {})
        for n, moment in enumerate(hours)
    ]
    case = a_case({"payments": rows}, "day1", as_of=DEPLOYED + 24 * HOUR + timedelta(minutes=10))
    fired = alerts_of(case, payments.METRICS, ())
    expected = [("payment_failures", since and hours[since])] if since is not None else []
    assert [(a.id, a.since) for a in fired if a.id == "payment_failures"] == expected
