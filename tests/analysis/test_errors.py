"""Errors relative to this deployment (truth rule 9)."""

from datetime import timedelta

import pytest

from pdmlib.analysis import coverage, errors
from pdmlib.frames.readings import Priority, State
from tests.builders import DEPLOYED, a_case, a_gap, at, every

BEFORE = DEPLOYED - timedelta(days=30)
DAY_LATER = DEPLOYED + timedelta(days=1)


def an_issue(name="SHOP-1", **changes):
    row = {
        "issue": name,
        "title": "TypeError: x is undefined",
        "culprit": "app/page",
        "level": "error",
        "status": "unresolved",
        "substatus": "ongoing",
        "priority": "medium",
        "unhandled": False,
        "first_seen": BEFORE,
        "last_seen": DEPLOYED + timedelta(hours=23, minutes=30),
        "events": 10,
        "events_before": 70,
        "events_latest": 1,
        "users": 3,
        "last_release": "v2",
    }
    return {**row, **changes}


def a_day(*rows, **more):
    return a_case({"issues": rows, **more}, phase="day1", as_of=DAY_LATER)


def the_class(*rows, **more):
    return list(errors.classify(a_day(*rows, **more))["class"])


def test_rule_9_14_events_in_a_day_after_70_in_a_week_recur():
    assert the_class(an_issue(events=14)) == ["RECURRING"]


def test_rule_9_40_events_in_a_day_after_70_in_a_week_grow():
    assert the_class(an_issue(events=40)) == ["GROWING"]


def test_an_issue_is_not_there_in_a_stretch_that_begins_after_its_last_event():
    case = a_day(an_issue(last_seen=DAY_LATER - timedelta(hours=2)))
    for hours, there in ((24, 10), (3, 10), (1, 0)):
        part = case.at(case.scope.window.last(timedelta(hours=hours)))
        assert list(errors.classify(part)["seen"]) == [there]


def test_rule_9_new_is_first_seen_since_the_deployment_whatever_the_vendor_says():
    old = an_issue("A", substatus="new")
    new = an_issue("B", substatus="ongoing", first_seen=DEPLOYED)
    assert the_class(old, new) == ["RECURRING", "NEW"]


def test_rule_9_regressed_was_resolved_and_came_back_since_the_deployment():
    earlier = an_issue("B", substatus="regressed", last_seen=DEPLOYED - timedelta(hours=1), events=0)
    assert the_class(an_issue("A", substatus="regressed"), earlier) == ["REGRESSED", "GONE"]


def test_rule_9_an_issue_of_an_older_release_only_is_a_stale_client():
    releases = [
        {"source": "sentry", "deployment": "v1", "created_at": DEPLOYED - timedelta(days=5)},
        {"source": "sentry", "deployment": "v2", "created_at": DEPLOYED - timedelta(minutes=2)},
    ]
    rows = [an_issue("A", last_release="v1", events=99), an_issue("B", last_release="v2")]
    assert the_class(*rows, deployments=releases) == ["STALE_CLIENT", "RECURRING"]


def test_rule_9_a_stale_client_met_only_since_the_deployment_is_not_new():
    releases = [
        {"source": "sentry", "deployment": "v1", "created_at": DEPLOYED - timedelta(days=5)},
        {"source": "sentry", "deployment": "v2", "created_at": DEPLOYED - timedelta(minutes=2)},
    ]
    chunk = an_issue("A", last_release="v1", first_seen=DEPLOYED + timedelta(minutes=2))
    assert the_class(chunk, deployments=releases) == ["STALE_CLIENT"]


def test_among_six_issues_one_needs_more_to_grow():
    """22 events in a day after 70 in a week: p 0.0038 does for one issue (1 %), and not for one of six."""
    assert the_class(an_issue(events=22)) == ["GROWING"]
    rest = [an_issue(f"SHOP-{n}", events=9) for n in range(2, 7)]
    assert the_class(an_issue(events=22), *rest) == ["RECURRING"] * 6
    assert the_class(an_issue(events=40), *rest) == ["GROWING"] + ["RECURRING"] * 5


def test_a_busy_day_alone_is_no_growth():
    """40 events after 70 in a week, among 4,000 requests where a day has 1,000: no more a request than ever."""

    def counted(requests):
        hours = every(60, DEPLOYED - timedelta(days=7), DAY_LATER)
        row = {"source": "vercel", "interval_s": 3600, "status": 200, "sample_rate": 1}
        return [{**row, "at": h, "requests": requests if h >= DEPLOYED else 1000 / 24} for h in hours]

    assert the_class(an_issue(events=40), request_counts=counted(1000 / 24)) == ["GROWING"]
    assert the_class(an_issue(events=40), request_counts=counted(4000 / 24)) == ["RECURRING"]


def test_rule_9_seen_before_and_not_in_the_window_is_gone():
    assert the_class(an_issue(events=0)) == ["GONE"]


def traces(start, end, count):
    return {
        "source": "sentry",
        "start": start,
        "end": end,
        "requests": 20.0 * count,
        "samples": count,
        "sample_rate": 0.05,
    }


def test_no_issue_of_a_tracker_that_was_heard_of_is_zero():
    found = errors.issues_new(a_day(latencies=[traces(DEPLOYED, DAY_LATER, 900)]))
    assert (found.state, found.value) == (State.MEASURED, 0)


@pytest.mark.parametrize(("before", "words"), [(6300, "where 900 were due"), (0, "nor of the week before")])
def test_rule_1_a_tracker_that_hears_nothing_any_more_has_no_zero_errors(before, words):
    """The application serves on and reports no more: no trace and no error of the day."""
    week = DEPLOYED - timedelta(days=7)
    case = a_day(latencies=[traces(week, DEPLOYED, before), traces(DEPLOYED, DAY_LATER, 0)])
    for measure in (errors.errors_total, errors.issues_critical, coverage.sources_read):
        found = measure(case)
        assert (found.state is State.MEASURED, found.value) == (False, None)
        assert words in found.reason


def test_a_tracker_without_traces_that_rarely_hears_of_errors_may_be_silent_for_a_day():
    """7 errors a week, none in a day: 37 % of days are so."""
    hours = [
        {"start": DEPLOYED - timedelta(days=n), "end": DEPLOYED - timedelta(days=n - 1), "errors": 1}
        for n in range(1, 8)
    ]
    assert errors.unheard(a_day(error_counts=hours)) is None


def test_no_issue_of_a_tracker_that_failed_is_unknown_with_its_reason():
    case = a_case({"gaps": [a_gap("sentry", "401: token lacks event:read")]}, coverage={"sentry": "failed"})
    found = errors.issues_critical(case)
    assert (found.state, found.value, found.reason) == (State.ERROR, None, "401: token lacks event:read")


def test_critical_is_fatal_or_new_unhandled_and_of_high_priority():
    rows = [
        an_issue("fatal", level="fatal"),
        an_issue("new", first_seen=DEPLOYED, priority="high", unhandled=True),
        an_issue("handled", first_seen=DEPLOYED, priority="high"),
        an_issue("old", priority="high", unhandled=True),
        an_issue("resolved", level="fatal", status="resolved"),
    ]
    assert errors.issues_critical(a_day(*rows)).value == 2


def test_info_messages_are_no_errors():
    assert errors.issues_open(a_day(an_issue(level="info"))).value == 0


def test_security_words_are_those_of_the_site():
    rows = [an_issue("A", title="JWT expired"), an_issue("B", culprit="auth/forbidden"), an_issue("C")]
    assert errors.issues_security(a_day(*rows)).value == 2


def test_the_latest_part_counts_its_own_events():
    rows = [an_issue("A", level="fatal", events_latest=0), an_issue("B", level="fatal", events_latest=2)]
    assert errors.issues_critical(a_day(*rows).latest()).value == 1


def test_top_errors_are_json_ready_and_sorted_by_events():
    rows = [an_issue("A", events=3), an_issue("B", events=9, users=None, first_seen=DEPLOYED)]
    first, second = errors.top_errors(a_day(*rows))
    assert (first["issue"], first["events"], first["users"], first["new"]) == ("B", 9, None, True)
    assert first["first_seen"] == "2025-03-03T15:00:00Z"
    assert (second["recurring"], second["security"]) == (True, False)


def test_a_growing_issue_says_how_few_events_would_do():
    """17 events in a day after 70 in a week recur, 18 grow: worked with the exact interval."""
    (found,) = errors.findings(a_day(an_issue(events=40)))
    assert found.id == "issue:SHOP-1:growing"
    allowed = next(n for n in range(40, 0, -1) if the_class(an_issue(events=n)) == ["RECURRING"])
    assert f"at most {allowed} events" in found.becomes_green
    assert 14 <= allowed < 40


@pytest.mark.parametrize(("hours", "since"), [(30, -30), (0, 0)])
def test_a_growing_issue_is_dated_where_requests_began_to_fail(hours, since):
    began = DEPLOYED - timedelta(hours=hours)
    counts = [
        {"source": "vercel", "at": hour, "interval_s": 3600.0, "sample_rate": 1.0, "status": status, "requests": n}
        for hour in every(60, DEPLOYED - timedelta(days=7), DEPLOYED + timedelta(days=1))
        for status, n in ((200, 470), (500, 30 if hour >= began else 0))
    ]
    (found,) = errors.findings(a_day(an_issue(events=400, events_before=700), request_counts=counts))
    assert found.since == DEPLOYED + timedelta(hours=since)


def test_a_new_critical_issue_is_p1_and_over_when_not_seen_in_the_latest_part():
    row = an_issue(first_seen=DEPLOYED, level="fatal", last_seen=DEPLOYED + timedelta(hours=2))
    (found,) = errors.findings(a_day(row))
    assert (found.priority, found.active, found.reading) == (Priority.P1, False, "issues_critical")


@pytest.mark.parametrize(("events", "active"), [(12, True), (200, False), (1, False)])
def test_an_error_that_comes_every_two_hours_is_not_over_after_three_silent_ones(events, active):
    """12 in 21 hours make 1.7 in three hours, none with 18 %; 200 make 29."""
    row = an_issue(first_seen=DEPLOYED, level="fatal", events=events, last_seen=DEPLOYED + timedelta(hours=21))
    (found,) = errors.findings(a_day(row))
    assert found.active is active


def test_many_new_issues_are_ten_findings_and_a_line():
    rows = [an_issue(f"N-{i}", first_seen=DEPLOYED, events=i) for i in range(1, 16)]
    found = errors.findings(a_day(*rows))
    assert len(found) == 11
    assert found[-1].value == 5


def test_the_error_total_is_of_exactly_the_window():
    total = {"start": DEPLOYED, "end": DAY_LATER, "errors": 50, "users": 4, "issues": 3}
    hour = {"start": at("2025-03-03T16:00"), "end": at("2025-03-03T17:00"), "errors": 9}
    assert errors.errors_total(a_day(error_counts=[total, hour])).value == 50
    assert errors.errors_total(a_day(error_counts=[hour])).state is State.NO_DATA


def test_errors_that_the_tracker_dropped_are_told_beside_the_count() -> None:
    total = {"start": DEPLOYED, "end": DAY_LATER, "errors": 50}
    lost = {"vendor": "sentry", "kind": "quota", "item": "rate_limited", "status": "12", "ok": False}
    found = errors.errors_total(a_day(error_counts=[total], vendor_states=[lost]))
    assert (found.value, found.reason) == (50, "the count is too low: dropped were 12 (rate_limited)")
    assert errors.errors_total(a_day(error_counts=[total])).reason is None


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a | b # c", "$x$ …"])
def test_hostile_titles_are_data(text):
    assert errors.top_errors(a_day(an_issue(title=text)))[0]["title"] == text


def unclear(item, example, source="sentry"):
    return {"source": source, "item": item, "what": "unknown word", "count": 3, "example": example}


@pytest.mark.parametrize("item", ["issues.level", "issues.status", "issues.priority", "errors.count()"])
def test_rule_14_no_critical_issue_among_those_that_were_understood_is_no_zero(item):
    case = a_day(an_issue(), not_understood=[unclear(item, "catastrophic")])
    found = errors.issues_critical(case)
    assert (found.state, found.value) == (State.NOT_UNDERSTOOD, None)
    assert "catastrophic" in found.reason


def test_rule_14_what_was_understood_is_told_as_the_least_there_is():
    case = a_day(an_issue(level="fatal"), not_understood=[unclear("issues.level", "catastrophic")])
    found = errors.issues_critical(case)
    assert found.value == 1
    assert found.reason.startswith("at least so many; not understood: issues.level 'catastrophic'")


@pytest.mark.parametrize("change", [{"level": None}, {"status": None, "level": "fatal"}])
def test_rule_14_an_issue_that_was_not_understood_is_not_the_worst(change):
    assert errors.findings(a_day(an_issue(**change), not_understood=[unclear("issues.level", "x")])) == []


def test_rule_14_errors_without_an_issue_contradict_each_other():
    """586 errors and not one issue: both are said, and nothing passes."""
    total = {"start": DEPLOYED, "end": DAY_LATER, "errors": 586}
    case = a_day(error_counts=[total])
    assert errors.errors_total(case).value == 586
    found = errors.issues_critical(case)
    assert found.value is None
    assert found.reason == (
        "the error tracker counts 586 errors of this window and lists no issue that they belong to"
    )


def test_an_issue_that_was_new_hours_before_the_deployment_goes_on_as_often_as_it_did_then() -> None:
    """Ten an hour since five hours before: 50, then 240 a day. Of the whole week before, 50 would be far fewer."""
    first = DEPLOYED - timedelta(hours=5)
    issue = an_issue(events=240) | {"events_before": 50, "first_seen": first}
    assert list(errors.classify(a_day(issue))["class"]) == ["RECURRING"]
    assert list(errors.classify(a_day(issue | {"first_seen": DEPLOYED - timedelta(days=90)}))["class"]) == [
        "GROWING"
    ]


@pytest.mark.parametrize("title", [None, ""])
def test_an_issue_without_a_title_is_called_by_its_id(title):
    case = a_day(an_issue(title=title, first_seen=DEPLOYED + timedelta(hours=1)))
    assert [row["title"] for row in errors.top_errors(case)] == ["issue SHOP-1"]
    assert [finding.title for finding in errors.findings(case)] == ["New error: issue SHOP-1"]
