"""Features: counted, compared with their own past, and told apart when they fall silent."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from pdmlib.analysis.product import features
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Measurement, Priority, State, Status
from pdmlib.phases.phase import PHASES
from pdmlib.phases.window import days_between
from pdmlib.site.site import Site
from pdmlib.verdict.ladder import reading_of
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_feature, a_gap, a_site, at

SITE = a_site()
ZONE = SITE.zone
Daily = Callable[[date], float]


def daily(
    name: str, amount: Daily, first: date = date(2025, 2, 3), last: date = date(2025, 3, 10)
) -> list[dict[str, Any]]:
    """One row a day, at 10:00 Central."""
    days = days_between(first, last, ZONE)
    return [
        {"feature": name, "at": d.window.start + timedelta(hours=10), "amount": amount(d.date)}
        for d in days
        if amount(d.date) > 0
    ]


def a_week(*parts: list[dict[str, Any]], site: Site = SITE, **more: Any) -> Case:
    return a_case({"feature_counts": [row for part in parts for row in part], **more}, site=site)


def orders(case: Case) -> Measurement:
    return features.amount(case, case.site.features[0])


def row(case: Case, name: str = "orders") -> dict[str, Any]:
    return next(r for r in features.adoption(case) if r["feature"] == name)


def judged(case: Case, name: str = "feature_orders") -> Status:
    phase = case.scope.phase.name
    metric = next(m for m in features.metrics(case.site) if m.id == name and phase in m.phases)
    return reading_of(metric, metric.measure(case), case.site, phase).status


def until(day: date, amount: float) -> Daily:
    """So much a day before a date, nothing from it on."""
    return lambda d: amount if d < day else 0.0


def test_the_week_is_counted_from_the_deployment_on_and_day_1_is_a_part_of_a_day() -> None:
    counts = daily("orders", lambda d: 10)
    counts.append({"feature": "orders", "at": DEPLOYED - timedelta(minutes=15), "amount": 99})
    found = row(a_week(counts))
    assert found["days"] == [10, 10, 10, 10, 10, 10, 10]
    assert found["cells"] == ["partial", *["count"] * 6]
    assert found["dates"][0] == "2025-03-03"
    assert (found["total"], found["daily_avg"]) == (70, 10)


def test_what_has_no_time_is_in_no_day() -> None:
    counts = daily("orders", lambda d: 10, last=date(2025, 3, 9))
    undated = [{"feature": "orders", "at": None, "amount": 99}]
    assert row(a_week(counts + undated)) == row(a_week(counts))


def test_the_total_of_the_grid_is_the_value_of_the_reading() -> None:
    case = a_week(daily("orders", lambda d: d.day))
    assert row(case)["total"] == orders(case).value


def test_rule_1_nothing_in_a_table_that_was_read_is_zero() -> None:
    found = orders(a_week())
    assert (found.state, found.value) == (State.MEASURED, 0)
    assert row(a_week())["cells"][1:] == ["zero"] * 6


def test_rule_1_a_table_that_was_not_read_is_unknown_and_never_zero() -> None:
    gap = a_gap("postgres", "orders is hidden by row-level security", "feature:orders")
    case = a_week(daily("sales", lambda d: 3), gaps=[gap])
    found = orders(case)
    assert (found.state, found.value) == (State.ERROR, None)
    assert row(case) | {"title": ""} == {
        "feature": "orders",
        "title": "",
        "kind": "create",
        "days": [None] * 7,
        "dates": row(case)["dates"],
        "cells": ["no_data"] * 7,
        "total": None,
        "daily_avg": None,
        "trend": "unknown",
        "abandoned": False,
        "state": "unknown",
        "target": 50,
        "target_met": None,
        "reason": "orders is hidden by row-level security",
    }
    assert row(case, "sales")["total"] == 21


def test_rule_10_days_to_come_are_empty_and_today_is_a_part() -> None:
    case = a_case({"feature_counts": daily("orders", lambda d: 10)}, as_of=at("2025-03-05T18:00"))
    assert row(case)["days"] == [10, 10, 10, None, None, None, None]
    assert row(case)["cells"] == ["partial", "count", "partial", *["not_yet"] * 4]


def test_a_target_is_not_judged_before_the_phase_is_over_unless_it_is_met() -> None:
    early = a_case({"feature_counts": daily("orders", lambda d: 10)}, as_of=at("2025-03-05T18:00"))
    assert (judged(early), row(early)["target_met"]) == (Status.INFO, None)
    assert orders(early).reason == "2 of 7 days are over: 30 of 50"
    met = a_case({"feature_counts": daily("orders", lambda d: 30)}, as_of=at("2025-03-05T18:00"))
    assert (judged(met), row(met)["target_met"]) == (Status.PASS, True)


@pytest.mark.parametrize(("each", "status", "met"), [(5, Status.WARN, False), (10, Status.PASS, True)])
def test_at_the_end_of_the_phase_the_target_is_judged(each: float, status: Status, met: bool) -> None:
    case = a_week(daily("orders", lambda d: each))
    assert (judged(case), row(case)["target_met"]) == (status, met)


def test_a_phase_without_a_target_only_informs() -> None:
    case = a_week(daily("sales", lambda d: 5))
    assert (judged(case, "feature_sales"), row(case, "sales")["target_met"]) == (Status.INFO, None)


def test_every_phase_from_day_1_on_has_one_metric_a_feature() -> None:
    for phase in [p.name for p in PHASES if p.name != "hour1"]:
        ids = [m.id for m in features.metrics(SITE) if phase in m.phases]
        assert sorted(ids) == ["feature_orders", "feature_sales"]


def rate_site(**more: Any) -> Site:
    return a_site(features=[a_feature("orders", **more)])


def usage(before: float, week: float) -> Daily:
    return lambda d: before if d < date(2025, 3, 3) else week


def test_rule_8_a_week_as_before_is_flat_and_half_of_it_is_down_and_worse() -> None:
    assert row(a_week(daily("orders", lambda d: 100)))["trend"] == "flat"
    found = orders(a_week(daily("orders", usage(100, 50))))
    assert found.trend == "down"
    assert round(found.change_pct or 0) == -50
    assert (found.evidence or "").endswith("worse")


def test_rule_8_a_feature_that_is_new_is_new() -> None:
    assert row(a_week(daily("orders", usage(0, 7))))["trend"] == "new"


def test_rule_7_weekends_of_nothing_are_no_silence() -> None:
    weekdays: Daily = lambda d: 30 if d.weekday() < 5 else 0  # noqa: E731
    case = a_case({"feature_counts": daily("orders", weekdays)}, as_of=at("2025-03-10T06:00"), site=rate_site())
    found = row(case)
    assert (found["state"], found["abandoned"], found["trend"]) == ("rare", False, "flat")


def every_third_of_ten(d: date) -> float:
    """0.3 a day: three of every ten days, none from 7 March on."""
    return 1.0 if d < date(2025, 3, 7) and d.toordinal() % 10 < 3 else 0.0


def test_rule_10_three_zero_days_at_0_3_a_day_are_rare() -> None:
    last: Daily = lambda d: 1.0 if d == date(2025, 3, 6) else every_third_of_ten(d)  # noqa: E731
    case = a_case({"feature_counts": daily("orders", last)}, as_of=at("2025-03-10T06:00"), site=rate_site())
    use = features.use_of(case, case.site.features[0])
    assert use is not None and len(use.silence.days) == 3
    assert (use.state, row(case)["abandoned"]) == ("rare", False)
    assert features.findings(case) == []


def test_rule_10_three_zero_days_at_2_a_day_are_abandoned() -> None:
    counts = daily("orders", until(date(2025, 3, 7), 2))
    case = a_case({"feature_counts": counts}, as_of=at("2025-03-10T06:00"), site=rate_site())
    use = features.use_of(case, case.site.features[0])
    assert use is not None and use.chance == pytest.approx(0.0025, abs=0.0001)
    assert (row(case)["state"], row(case)["abandoned"]) == ("abandoned", True)
    (finding,) = features.findings(case)
    assert (finding.id, finding.priority) == ("feature:orders:abandoned", Priority.P2)
    assert "3 full days since Fri 7 Mar" in finding.evidence and "Last used on Thu 6 Mar" in finding.evidence


def test_a_use_today_ends_the_silence() -> None:
    counts = daily("orders", until(date(2025, 3, 7), 2))
    counts.append({"feature": "orders", "at": at("2025-03-10T14:00"), "amount": 1})
    assert row(a_week(counts))["abandoned"] is False


def test_rule_10_a_holiday_of_nothing_tells_nothing() -> None:
    site = a_site(features=[a_feature("orders")], holidays=["2025-03-08", "2025-03-09"])
    counts = daily("orders", until(date(2025, 3, 8), 2))
    case = a_case({"feature_counts": counts}, as_of=at("2025-03-10T06:00"), site=site)
    assert row(case)["state"] == "used"


def test_rule_10_attempts_without_completions_are_broken() -> None:
    counts = [*daily("orders", lambda d: 10), *daily("sales", until(date(2025, 3, 5), 3))]
    case = a_week(counts)
    assert (row(case, "sales")["state"], row(case, "sales")["abandoned"]) == ("broken", False)
    found = [f for f in features.findings(case) if f.priority is Priority.P1]
    assert [f.id for f in found] == ["feature:sales:broken"]
    assert "50 of Orders and none of Sales since Wed 5 Mar" in found[0].evidence
    assert "about 15 are usual" in found[0].becomes_green


def test_attempts_are_counted_from_when_nothing_was_completed_any_more_however_short_the_report() -> None:
    """Ten orders a day and no sale since the deployment: 70 in the report of the seventh day, and not ten.

    The row of Monday 3 March is at 10:00 in Chicago, an hour after the deployment.
    """
    counts = [*daily("orders", lambda d: 10), *daily("sales", until(date(2025, 3, 3), 3))]
    for phase in ("daily", "week1"):
        (found,) = [f for f in features.findings(a_case({"feature_counts": counts}, phase)) if "broken" in f.id]
        assert found.since == DEPLOYED
        assert found.said == "Sales: 70 were tried and none was completed"
        assert found.evidence.startswith("70 of Orders and none of Sales since Mon 3 Mar; ")


def test_on_the_first_day_a_whole_window_of_attempts_without_completions_is_broken() -> None:
    counts = [*daily("orders", lambda d: 40), *daily("sales", until(date(2025, 3, 3), 12))]
    case = a_case({"feature_counts": counts}, "day1", as_of=DEPLOYED + timedelta(days=1))
    assert row(case, "sales")["state"] == "broken"


def test_without_attempts_completions_that_stop_are_abandoned_and_not_broken() -> None:
    counts = [*daily("orders", until(date(2025, 3, 5), 10)), *daily("sales", until(date(2025, 3, 5), 3))]
    assert row(a_week(counts), "sales")["state"] == "abandoned"


def test_a_conversion_rate_below_its_target_is_found_when_the_phase_is_over() -> None:
    site = a_site(
        features=[
            a_feature("orders"),
            a_feature("sales", kind="convert", attempts="orders", rate_targets={"week1": 15}),
        ]
    )
    case = a_week(daily("orders", lambda d: 100), daily("sales", lambda d: 5), site=site)
    (finding,) = features.findings(case)
    assert (finding.id, finding.value) == ("feature:sales:rate", 5.0)
    assert "surely below 15 %" in finding.evidence
    assert finding.becomes_green == "105 of 700 (now 35)"


def test_sums_of_points_are_no_counts_and_their_noise_is_that_of_the_baseline() -> None:
    points: Daily = lambda d: 1000.0 if d.toordinal() % 2 else 1400.0  # noqa: E731
    assert row(a_week(daily("orders", points)))["trend"] == "flat"


def test_the_reading_of_a_whole_week_has_the_whole_week_as_window() -> None:
    found = orders(a_week(daily("orders", lambda d: 1)))
    assert found.window is not None
    assert (found.window.start, found.window.end) == (DEPLOYED, WEEK_LATER)
