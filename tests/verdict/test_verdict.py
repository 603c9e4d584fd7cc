"""The judge: limits, intervals, status, recommendation."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdmlib import stats
from pdmlib.analysis import performance
from pdmlib.analysis.catalogue import all_metrics, metrics_of
from pdmlib.analysis.metric import Metric
from pdmlib.frames.collection import Coverage
from pdmlib.frames.readings import Answer, Measurement, Priority, Reading, State, Status
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import PHASES, phase_named
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.ladder import reading_of
from pdmlib.verdict.status import confidence_of, outcome_of, recommendation_of, status_of
from pdmlib.verdict.verdict import judge, summarise
from tests.builders import a_case, a_gap, a_site, at

SITE = a_site()
METRICS = all_metrics(SITE)
ERROR_RATE = next(metric for metric in performance.METRICS if metric.id == "error_rate_pct")


def errors(count: int, requests: int, level: float = stats.LEVEL) -> Measurement:
    low, high = stats.proportion(count, requests, level)
    return Measurement(
        State.MEASURED, 100 * count / requests, samples=requests, low=100 * low, high=100 * high, source="vercel"
    )


def judged(count: int, requests: int, phase: str = "week1", **site: Any) -> Reading:
    return reading_of(ERROR_RATE, errors(count, requests), a_site(**site), phase)


@pytest.mark.parametrize(
    ("count", "requests", "rollback", "status"),
    [
        (1, 20, False, Status.WARN),
        (4, 20, True, Status.FAIL),
        (60, 1000, False, Status.FAIL),
        (600, 10000, True, Status.FAIL),
        (0, 20, False, Status.WARN),
        (0, 380, False, Status.WARN),
        (0, 381, False, Status.PASS),
    ],
)
def test_rule_2_a_rate_is_judged_by_its_interval(
    count: int, requests: int, rollback: bool, status: Status
) -> None:
    reading = judged(count, requests)
    assert (reading.rollback, reading.status) == (rollback, status)


RATES = [metric for metric in METRICS if metric.rate]


@pytest.mark.parametrize("metric", RATES, ids=lambda metric: metric.id)
def test_rule_2_no_rate_passes_or_fails_on_a_handful(metric: Metric) -> None:
    """0 of 20 may be 16 %, 1 of 20 as little as 0.9 %: too few either way, and how many more decide is said.

    That warns of a rate that has an alert at its limit; of others it is told, and judged neither way.
    """
    for count in (0, 1):
        reading = reading_of(metric, errors(count, 20), SITE, "week1")
        assert reading.status is (Status.WARN if metric.limits[-1].priority else Status.INFO)
        assert not reading.rollback
        assert f"too few {metric.rate}" in str(reading.reason)
        assert f"more {metric.rate} without a failure" in str(reading.becomes_green)


@pytest.mark.parametrize("metric", RATES, ids=lambda metric: metric.id)
def test_rule_2_one_or_two_events_are_never_a_sure_rate(metric: Metric) -> None:
    """Of 1 in 3 the lower bound is 6.1 %, of 2 in 6 it is 9.7 %; 3 in 3 are sure."""
    for count, of in ((1, 3), (2, 6)):
        reading = reading_of(metric, errors(count, of), SITE, "week1")
        assert reading.status in (Status.WARN, Status.INFO) and not reading.critical
    assert reading_of(metric, errors(3, 3), SITE, "week1").status is Status.FAIL


@pytest.mark.parametrize("metric", RATES, ids=lambda metric: metric.id)
def test_rule_2_a_rate_passes_after_as_many_more_trials_as_it_says(metric: Metric) -> None:
    for phase in ("hour1", "week1"):
        level = stats.level_for_looks(phase_named(phase).looks)
        reading = reading_of(metric, errors(1, 40, level), SITE, phase)
        more = int(re.findall(r"([\d,]+) more", str(reading.becomes_green))[0].replace(",", ""))
        early, late = (reading_of(metric, errors(1, 40 + n, level), SITE, phase).status for n in (more - 1, more))
        assert (early is Status.PASS, late) == (False, Status.PASS)


def test_rule_2_too_few_requests_is_the_reason_and_how_many_would_do_is_said() -> None:
    reading = judged(0, 20)
    assert "too few requests" in str(reading.reason)
    assert "361 more requests" in str(reading.becomes_green)


def test_rule_2_an_undecided_rollback_says_how_many_requests_decide() -> None:
    assert "more requests at this rate would decide" in str(judged(60, 1000).reason)


def test_rule_13_a_figure_of_too_few_lowers_the_confidence_by_what_it_says_of_itself() -> None:
    """60 of 1,000 is surely above 1 % and only maybe above 5 %; a p95 of 15 requests is no p95."""
    p95 = next(metric for metric in METRICS if metric.id == "latency_p95_ms")
    few = Measurement(State.MEASURED, 400.0, samples=15, reason="of 15 requests", few=True)
    sure = replace(few, samples=900, reason=None, few=False)
    case = a_case()
    for reading, level in (
        (judged(60, 1000), "medium"),
        (judged(600, 10000), "high"),
        (reading_of(p95, few, SITE, "week1"), "medium"),
        (reading_of(p95, sure, SITE, "week1"), "high"),
    ):
        assert confidence_of(case, [reading], ())[0] == level, reading


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("latency_p95_ms", 1081.0, "response time p95 is under 1,000 ms (now 1,081 ms)"),
        ("timeouts", 3.0, "there are no more timeouts (now 3)"),
        ("app_up", False, "application up is yes (now no)"),
    ],
)
def test_rule_22_what_makes_it_green_is_said_as_a_sentence(name: str, value: Any, said: str) -> None:
    metric = next(metric for metric in METRICS if metric.id == name)
    assert reading_of(metric, Measurement(State.MEASURED, value), SITE, "week1").becomes_green == said


def test_a_site_may_set_its_own_target_for_a_phase() -> None:
    targets = {"error_rate_pct": {"month1": 0.3}}
    assert judged(40, 10000, "month1", targets=targets).status is Status.WARN
    assert judged(40, 10000, "week1", targets=targets).status is Status.PASS


def test_a_site_may_replace_a_ladder() -> None:
    limits = {"error_rate_pct": [{"op": ">", "edge": 2, "status": "warn", "priority": "P2"}]}
    assert judged(100, 10000, limits=limits).status is Status.PASS
    assert judged(300, 10000, limits=limits).status is Status.WARN


@settings(deadline=None)
@given(st.floats(0, 1e6, allow_nan=False))
def test_every_value_meets_exactly_one_step_of_every_ladder(value: float) -> None:
    for metric in METRICS:
        numeric = [limit for limit in metric.limits if limit.of == "value" and isinstance(limit.edge, float | int)]
        if any(limit.op not in (">", ">=", "<", "<=") for limit in numeric):
            continue
        held = [limit for limit in numeric if limit.holds(value)]
        assert held == numeric[len(numeric) - len(held) :], f"{metric.id}: a worse step holds without a milder one"


@settings(deadline=None)
@given(st.sampled_from(list(State)), st.text(min_size=1))
def test_rule_1_what_is_not_measured_is_unknown_with_its_reason(state: State, reason: str) -> None:
    if state is State.MEASURED:
        return
    for metric in METRICS:
        reading = reading_of(metric, Measurement.missing(state, reason), SITE, "week1")
        assert (reading.value, reading.status, reading.reason) == (None, Status.UNKNOWN, reason)


def a_reading(name: str, status: Status, critical: bool = False) -> Reading:
    value = None if status is Status.UNKNOWN else 1
    key = name in ("uptime_pct", "app_up")
    return Reading(
        name,
        name,
        "",
        section="x",
        status=status,
        target="",
        measurement=Measurement(State.MEASURED, value),
        critical=critical,
        key=key,
    )


def an_alert(priority: Priority, rollback: bool = False) -> Alert:
    return Alert(
        "a", priority, "r", title="t", value=1, threshold="> 0", action="act", since=None, rollback=rollback
    )


KEY = a_reading("uptime_pct", Status.UNKNOWN)
GOOD, POOR = a_reading("app_up", Status.PASS), a_reading("x", Status.WARN)
INCIDENT = {"priority": "P0", "status": "recovered"}


@pytest.mark.parametrize(
    ("readings", "alerts", "incidents", "status"),
    [
        ([GOOD], [], [], "GREEN"),
        ([GOOD, KEY], [], [], "UNKNOWN"),
        ([GOOD, a_reading("other", Status.UNKNOWN)], [], [], "GREEN"),
        ([GOOD, POOR], [], [], "YELLOW"),
        ([GOOD, POOR, KEY], [], [], "YELLOW"),
        ([GOOD], [an_alert(Priority.P2)], [], "YELLOW"),
        ([GOOD], [an_alert(Priority.P0)], [], "RED"),
        ([a_reading("x", Status.FAIL, critical=True), KEY], [], [], "RED"),
        ([GOOD], [], [INCIDENT], "YELLOW"),
    ],
)
def test_status_follows_the_worst_that_is_known(
    readings: list[Reading], alerts: list[Alert], incidents: list[dict[str, str]], status: str
) -> None:
    assert status_of(readings, alerts, incidents) == status


def test_rollback_is_recommended_only_while_a_criterion_holds() -> None:
    assert recommendation_of(ReportStatus.RED, [an_alert(Priority.P0, rollback=True)]) == "rollback"
    assert recommendation_of(ReportStatus.RED, [an_alert(Priority.P0)]) == "investigate"
    assert recommendation_of(ReportStatus.YELLOW, []) == "enhanced_monitoring"
    assert recommendation_of(ReportStatus.GREEN, []) == "continue"


def test_rule_12_a_recovered_incident_leaves_the_outcome_partial() -> None:
    case = a_case()
    assert outcome_of(case, status_of([GOOD], [], [INCIDENT])) == "PARTIAL"


def test_a_good_week_is_no_success_before_it_is_over() -> None:
    assert outcome_of(a_case(as_of=at("2025-03-06T15:00")), ReportStatus.GREEN) == "UNKNOWN"
    assert outcome_of(a_case(), ReportStatus.GREEN) == "SUCCESSFUL"
    assert [
        outcome_of(a_case(as_of=at("2025-03-06T15:00")), s) for s in (ReportStatus.YELLOW, ReportStatus.RED)
    ] == ["UNKNOWN"] * 2
    assert outcome_of(a_case(), ReportStatus.RED) == "FAILED"


@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_a_reading_is_there_once_in_every_phase(phase: str) -> None:
    ids = [metric.id for metric in metrics_of(SITE, phase_named(phase))]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_what_a_site_does_without_is_not_told_as_not_measured() -> None:
    def told(**site: Any) -> int:
        found = re.search(r"Not measured: .* and (\d+) more", summarise(judge(a_case(site=a_site(**site)))))
        return int(found[1]) if found else 0

    assert told(unused=["stripe"]) < told()


def test_a_reason_that_several_sources_share_is_told_once() -> None:
    past, whole = "what it shows now may not have been so then", a_case()
    shared = ("app", "supabase", "resend")
    rows = tuple(Coverage(source, Answer.PARTIAL, 1, 0.1, detail=past) for source in shared)
    case = replace(whole, collection=replace(whole.collection, coverage=rows))
    assert confidence_of(case, [], ())[1] == (f"app, supabase, resend: {past}",)


@pytest.mark.slow
def test_why_confidence_is_low_is_told_once_a_source():
    """Two sources did not answer: one line, and no line for each of the readings that they would have given."""
    gaps = [a_gap("stripe", "503: no"), a_gap("twilio", "401: no")]
    whole = a_case({"gaps": gaps})
    lost = tuple(Coverage(g["source"], Answer.FAILED, 0, 0.1, detail=g["reason"]) for g in gaps)
    kept = tuple(c for c in whole.collection.coverage if c.source not in ("stripe", "twilio"))
    case = replace(whole, collection=replace(whole.collection, coverage=kept + lost))
    first, *others = judge(case).confidence_reasons
    assert first.startswith("not every source was read: ")
    assert {"stripe", "twilio"} <= set(re.findall(r"\w+", first))
    assert not any("503: no" in reason or "401: no" in reason for reason in others)
