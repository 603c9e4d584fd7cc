"""A verdict is about now: what a day dilutes is present, what ended is past, the future is not known."""

import itertools
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.availability import incident
from pdmlib.analysis.traffic.stretches import stretches
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window, iso, now
from pdmlib.report.card import card_of
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.scope import moment_of
from tests.builders import a_case, a_site, at, every, slowly, the_probes

HOUR = timedelta(hours=1)
END = at("2025-03-10T08:00")
LONG_PHASES = ("daily", *slowly("week1", "weekly-review", "ongoing"))
EACH_PHASE = ("week1", *slowly("hour1", "day1", "daily"))


def counted(
    start: datetime, end: datetime, minutes: float, requests: float, failed: float
) -> list[dict[str, Any]]:
    """Requests as the platform counts them, in equal buckets."""
    row = {"source": "vercel", "interval_s": minutes * 60, "sample_rate": 1.0}
    parts = [{"status": 200, "requests": requests - failed}, {"status": 500, "requests": failed}]
    return [row | part | {"at": moment} for moment in every(minutes, start, end) for part in parts]


def judged(requests: Iterable[dict[str, Any]], phase: str = "daily", as_of: datetime = END) -> Verdict:
    """The verdict on a site of which only requests and an uptime log without a fault are known."""
    start = as_of - timedelta(days=8)
    deployed = as_of - phase_named(phase).length if phase in ("week1", "hour1", "day1") else at("2025-03-03T08:00")
    frames = {"request_counts": list(requests), "probes": the_probes(5, start, as_of)}
    return judge(a_case(frames, phase, deployed, as_of))


def urgent(verdict: Verdict) -> list[tuple[str, str]]:
    return [(alert.priority.value, alert.id) for alert in verdict.alerts if alert.priority.value in ("P0", "P1")]


RECOVERED = [
    *counted(END - timedelta(days=7), END - 18 * HOUR, 60, requests=5000, failed=2),
    *counted(END - 18 * HOUR, END - 17 * HOUR, 60, requests=5000, failed=581),
    *counted(END - 17 * HOUR, END, 60, requests=5000, failed=11 / 17),
]


@pytest.mark.parametrize("phase", LONG_PHASES)
def test_rule_16_581_failures_in_one_hour_and_eleven_in_the_17_after_are_past(phase: str) -> None:
    verdict = judged(RECOVERED, phase)
    assert (verdict.status, verdict.recommendation) in {
        ("YELLOW", "enhanced_monitoring"),
        ("YELLOW", "investigate"),
    }
    assert urgent(verdict) == []
    (incident,) = verdict.incidents
    assert (incident["start"], incident["end"]) == (iso(END - 18 * HOUR), iso(END - 17 * HOUR))
    assert (incident["status"], incident["reading"]) == ("recovered", "error_rate_pct")
    (cause,) = [cause for cause in verdict.causes if cause.id.startswith("incident:")]
    assert (cause.status, cause.since, cause.decides) == ("recovered", END - 18 * HOUR, False)
    assert cause.evidence.startswith("581 of 5,000 requests failed")
    assert not [one for one in verdict.causes if one.id == "error_rate_pct"]


@pytest.mark.parametrize("phase", LONG_PHASES)
def test_rule_16_what_fails_in_the_last_half_hour_is_present_however_long_the_window(phase: str) -> None:
    """36 of the 300 requests of the last 30 minutes fail (12 %), 6 % of the last hour, 0.4 % of the day."""
    half = timedelta(minutes=30)
    verdict = judged(
        [
            *counted(END - timedelta(days=7), END - HOUR, 60, requests=600, failed=1),
            *counted(END - HOUR, END - half, 1, requests=10, failed=0),
            *counted(END - half, END, 1, requests=10, failed=1.2),
        ],
        phase,
    )
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    (alert,) = [alert for alert in verdict.alerts if alert.rollback]
    assert (alert.reading, alert.value) == ("error_rate_pct", pytest.approx(12.0))
    assert alert.since == END - half, "since is the first moment of the present stretch"
    (tile,) = [tile for tile in card_of(verdict).tiles if tile.title == "Errors"]
    assert (tile.value, tile.status) == ("12 % now", "fail"), "a mean of the window beside it would hide it"


def test_rule_2_two_failures_of_two_requests_are_no_emergency() -> None:
    """95 % interval of 2 of 2 by Wilson: 34 to 100 %, but two events alone decide nothing."""
    verdict = judged(counted(END - HOUR, END, 60, requests=2, failed=2))
    assert (verdict.status, verdict.recommendation) == ("YELLOW", "investigate")
    assert [priority for priority, name in urgent(verdict) if name == "error_rate_pct"] == ["P1"]
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert alert.action == "Investigate errors, identify root cause", (
        "the guide's, where none is to be rolled back"
    )


def test_what_surely_fails_now_is_not_told_with_what_the_hour_has_too_few_of() -> None:
    """36 of the last 60 requests failed; of the 600 of the hour that is 6 %, where 5 % may be chance."""
    rows = [
        *counted(END - timedelta(days=7), END - HOUR, 60, requests=1800, failed=1),
        *counted(END - HOUR, END - timedelta(minutes=6), 1, requests=10, failed=0),
        *counted(END - timedelta(minutes=6), END, 1, requests=10, failed=6),
    ]
    verdict = judged(rows, "hour1")
    (cause,) = [cause for cause in verdict.causes if cause.id == "error_rate_pct"]
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    assert "36 failed of 60 requests" in cause.evidence and "too few" not in cause.evidence


def test_rule_16_since_is_where_the_stretch_began_and_not_where_the_window_did() -> None:
    verdict = judged(
        [
            *counted(END - timedelta(days=7), END - 5 * HOUR, 60, requests=5000, failed=2),
            *counted(END - 5 * HOUR, END, 60, requests=5000, failed=500),
        ]
    )
    assert [alert.since for alert in verdict.alerts if alert.id == "error_rate_pct"] == [END - 5 * HOUR]
    (told,) = [symptom.title for symptom in verdict.symptoms if symptom.id == "error_rate_pct"]
    assert told.startswith("Error rate: 10 % of requests in the last 5 h, ")
    assert told.endswith(" in the 24 h of this report")


def test_what_becomes_green_is_told_with_what_is_so_now_and_not_with_a_mean_of_the_window() -> None:
    """Ten requests a minute for two weeks, two hundred in the last hours: usual is between five and twenty."""
    verdict = judged(
        [
            *counted(END - timedelta(days=35), END - 5 * HOUR, 60, requests=600, failed=0),
            *counted(END - 5 * HOUR, END, 60, requests=12_000, failed=0),
        ]
    )
    (cause,) = [cause for cause in verdict.causes if cause.id == "requests_per_min_avg"]
    assert cause.becomes_green == "requests per minute is between 5 and 20 (now 200)"


def test_rule_16_the_first_hour_is_judged_by_its_last_quarter() -> None:
    """A burst of the first ten minutes that ended is no reason to roll back in the 60th."""
    start = END - HOUR
    early = [
        *counted(start, start + timedelta(minutes=10), 1, requests=50, failed=10),
        *counted(start + timedelta(minutes=10), END, 1, requests=50, failed=0),
    ]
    verdict = judged(early, "hour1")
    assert verdict.recommendation != "rollback"
    assert [row["status"] for row in verdict.incidents] == ["recovered"]
    late = [
        *counted(start, END - timedelta(minutes=10), 1, requests=50, failed=0),
        *counted(END - timedelta(minutes=10), END, 1, requests=50, failed=10),
    ]
    assert judged(late, "hour1").recommendation == "rollback"


def test_rule_16_a_stretch_that_ended_minutes_ago_is_over_although_its_hour_is_not() -> None:
    """57 of 60 requests of 20 minutes fail, then the next 30 succeed: the hour's rate is 32 %, and it is over."""
    quiet = counted(END - timedelta(days=7), END - HOUR, 60, requests=180, failed=0)
    hour = [
        *counted(END - HOUR, END - timedelta(minutes=30), 1, requests=3, failed=0),
        *counted(END - timedelta(minutes=30), END - timedelta(minutes=10), 1, requests=3, failed=2.85),
        *counted(END - timedelta(minutes=10), END, 1, requests=3, failed=0),
    ]
    verdict = judged([*quiet, *hour])
    assert verdict.recommendation != "rollback"
    assert [row["status"] for row in verdict.incidents] == ["recovered"]


def the_incident(after: timedelta, phase_end: datetime = END) -> Verdict:
    """An outage of 40 minutes that ends with the window, reported so long after."""
    site, start = a_site(), phase_end - timedelta(minutes=40)
    down = every(5, start, phase_end)
    probes = the_probes(5, phase_end - timedelta(days=8), phase_end + after, down)
    requests = [
        *counted(phase_end - timedelta(days=8), start, 60, requests=600, failed=1),
        *counted(start, phase_end, 1, requests=10, failed=9),
        *counted(phase_end, phase_end + after, 1, requests=10, failed=0),
    ]
    case = a_case({"probes": probes, "request_counts": requests}, site=site, as_of=phase_end + after)
    deployed = phase_end - timedelta(days=1)
    scope = incident_scope(site.zone, deployed, Window(start, phase_end), phase_end + after)
    return judge(Case(site, scope, case.collection, scope.window))


def test_the_response_is_timed_from_the_outage_and_not_from_the_window_that_was_named() -> None:
    """A person names the half hour before as well; the guide gives five minutes to acknowledge."""
    case = the_incident(timedelta(days=1)).case
    window = Window(case.window.start - timedelta(minutes=30), case.window.end)
    scope = incident_scope(case.site.zone, case.scope.deployed_at, window, case.scope.as_of)
    first = incident.response(Case(case.site, scope, case.collection, scope.window))[0]
    assert first["due"] == iso(case.window.start + timedelta(minutes=5))


def test_rule_16_an_incident_that_lasts_is_open_and_calls_for_a_rollback() -> None:
    verdict = the_incident(timedelta(0))
    assert {row["status"] for row in verdict.incidents} == {"open"}
    assert verdict.recommendation == "rollback"
    assert " is RED" in verdict.summary


@pytest.mark.parametrize("after", [timedelta(minutes=5), *slowly(timedelta(minutes=35), timedelta(days=7))])
def test_rule_16_what_came_later_decides_whether_an_incident_is_over(after: timedelta) -> None:
    verdict = the_incident(after)
    assert {row["status"] for row in verdict.incidents} == {"recovered"}
    assert verdict.status == "YELLOW"
    assert verdict.recommendation != "rollback"
    assert not any(row["holds"] for row in verdict.tables["criteria"])
    assert "recovered" in verdict.summary and " is RED" not in verdict.summary


def test_rule_16_a_report_of_the_future_is_refused() -> None:
    with pytest.raises(CallError, match="has not come yet"):
        moment_of(a_site(), iso(now() + timedelta(days=2)))
    past = now() - timedelta(days=2)
    assert moment_of(a_site(), iso(past)) == past


def maintained(until: datetime, probes_until: datetime) -> Verdict:
    """Down with all requests failing for half an hour, in a declared maintenance that ends at some moment."""
    start = END - timedelta(minutes=30)
    site = a_site(maintenance=[{"start": iso(start), "end": iso(until), "reason": "migration"}])
    down = every(1, start, probes_until)
    frames = {
        "request_counts": [
            *counted(END - timedelta(days=7), start, 60, requests=5000, failed=2),
            *counted(start, END, 1, requests=80, failed=80),
        ],
        "probes": the_probes(1, END - timedelta(days=1), END, down=down),
    }
    return judge(a_case(frames, "daily", at("2025-03-03T08:00"), END, site=site))


def test_declared_maintenance_is_no_incident_and_no_reason_for_a_rollback() -> None:
    verdict = maintained(END, END)
    assert [a.id for a in verdict.alerts if a.rollback] == []
    assert list(verdict.incidents) == []
    assert verdict.status != "RED"


def test_what_is_still_down_after_its_maintenance_is_an_outage() -> None:
    verdict = maintained(END - timedelta(minutes=15), END)
    assert verdict.recommendation == "rollback"


SITE_DOWN = ("health_ok", "app_up")


def of_probes(phase: str, deployed: datetime, down: Iterable[datetime], **more: Any) -> Verdict:
    """The verdict on a site that is probed each minute, as of `END`; eight days are known."""
    probes = the_probes(1, END - timedelta(days=8), END, down)
    return judge(a_case({"probes": probes, **more}, phase, deployed, END, site=a_site(uptime=EACH_MINUTE)))


EACH_MINUTE = {"table": "public.uptime_logs", "interval_s": 60}


@pytest.mark.parametrize("phase", EACH_PHASE)
def test_rule_16_an_outage_that_began_before_the_deployment_is_not_its_own(phase: str) -> None:
    """Down from 06:00, deployed at 07:05, looked at at 08:00: 120 minutes, of which 55 after it."""
    verdict = of_probes(phase, END - timedelta(minutes=55), every(1, END - 2 * HOUR, END))
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")
    (alert,) = [alert for alert in verdict.alerts if alert.id.startswith("incident:")]
    assert (alert.since, alert.value) == (END - 2 * HOUR, 120)
    assert not [alert for alert in verdict.alerts if alert.rollback]
    first = verdict.causes[0]
    assert (first.status, first.priority, first.since) == ("standing", "P0", END - 2 * HOUR)
    assert {*SITE_DOWN} <= {*first.chain}
    # 06:00 in UTC is one in the morning in Chicago: on 10 March 2025 it has summer time.
    said = "RED. The application has been down for 120 minutes, since Mon 10 Mar 01:00 CDT, before the deployment."
    assert card_of(verdict).sentence == said
    assert [row["start"] for row in verdict.incidents] == [iso(END - 2 * HOUR)]


@pytest.mark.parametrize("minutes", [3, *slowly(20)])
def test_rule_16_an_outage_that_began_long_after_the_deployment_is_told_by_its_own_moment(minutes: int) -> None:
    """Deployed at 07:05; down since 07:57 or 07:40."""
    began = END - timedelta(minutes=minutes)
    verdict = of_probes("hour1", END - timedelta(minutes=55), every(1, began, END))
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    card = card_of(verdict)
    assert f"since Mon 10 Mar 02:{60 - minutes} CDT" in card.sentence
    assert "the deployment" not in card.sentence
    (down,) = [cause for cause in verdict.causes if cause.priority.value == "P0"]
    assert {*SITE_DOWN} <= {*down.chain}, "its page, its check and its outage are one fault"


def test_rule_16_what_began_as_traffic_moved_is_the_deployments() -> None:
    deployed = END - timedelta(minutes=55)
    verdict = of_probes("hour1", deployed, every(1, deployed - timedelta(minutes=2), END))
    assert verdict.recommendation == "rollback"
    assert card_of(verdict).sentence.endswith("since the deployment.")


def test_rule_16_failing_requests_that_failed_before_the_deployment_call_for_no_rollback() -> None:
    """One of ten fails from two hours before the deployment on, by the hour before it and by the minute since."""
    deployed = END - HOUR
    rows = [
        *counted(END - timedelta(days=7), deployed - 2 * HOUR, 60, requests=600, failed=1),
        *counted(deployed - 2 * HOUR, deployed, 60, requests=600, failed=60),
        *counted(deployed, END, 1, requests=10, failed=1),
    ]
    verdict = judged(rows, "hour1")
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert (alert.since, alert.value) == (deployed - 2 * HOUR, pytest.approx(10))
    assert verdict.causes[0].status == "standing"


def test_a_rate_since_a_moment_is_of_all_requests_since_then_also_of_those_after_the_last_failure() -> None:
    """400 requests in 50 minutes, 16 of them failed, the last one six minutes before the last request: 4 %."""
    start = END - timedelta(minutes=55)
    fails = {3 * n for n in range(15)} | {44}  # of the 50 minutes
    rows = [
        row
        for minute in range(50)
        for row in counted(
            start + timedelta(minutes=minute),
            start + timedelta(minutes=minute + 1),
            1,
            requests=8,
            failed=float(minute in fails),
        )
    ]
    case = a_case({"request_counts": rows}, "hour1", start, END)
    (alert,) = [alert for alert in judge(case).alerts if alert.id == "error_rate_pct"]
    assert (alert.since, alert.value) == (start, pytest.approx(4.0))


@pytest.mark.parametrize("phase", ["daily", *slowly("week1")])
def test_what_is_over_explains_nothing_that_holds_now(phase: str) -> None:
    """Down for 19 minutes three and a half hours ago, and again for the last three: one of two faults is over."""
    early = END - timedelta(hours=3.5)
    down = [*every(1, early, early + timedelta(minutes=19)), *every(1, END - timedelta(minutes=3), END)]
    verdict = of_probes(phase, END - timedelta(days=7), down)
    (over,) = [cause for cause in verdict.causes if f"incident:{iso(early)}" in cause.chain]
    (now_down,) = [cause for cause in verdict.causes if "app_up" in cause.chain]
    assert over.status == "recovered"
    assert (now_down.status, now_down.since) == ("new", END - timedelta(minutes=3))
    assert verdict.causes[0] is now_down
    assert card_of(verdict).sentence.startswith("RED. The application is down, since Mon 10 Mar 02:57 CDT")


def silent(probes: list[dict[str, Any]]) -> Verdict:
    """30 minutes of eight good requests each, four of eight that fail, then none for the last 26 of an hour."""
    start = END - HOUR
    crash = start + timedelta(minutes=30)
    rows = counted(start, crash, 1, requests=8, failed=0)
    rows += counted(crash, crash + timedelta(minutes=4), 1, requests=8, failed=8)
    return judge(a_case({"request_counts": rows, "probes": probes}, "hour1", start, END))


def test_what_fails_and_then_is_not_asked_any_more_has_not_recovered() -> None:
    verdict = silent([])
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    (alert,) = [alert for alert in verdict.alerts if alert.reading == "error_rate_pct"]
    assert (alert.value, alert.since) == (100.0, END - timedelta(minutes=30))


def test_a_look_that_found_it_up_since_speaks_against_the_silence() -> None:
    verdict = silent(the_probes(5, END - HOUR, END))
    assert [alert for alert in verdict.alerts if alert.reading == "error_rate_pct"] == []


def test_a_rate_of_too_few_requests_is_nothing_that_is_over() -> None:
    """None of 120 failed: 3.1 % or less (Wilson), which is beyond twice the target of 0.5 %."""
    rows = counted(END - HOUR, END, 30, requests=60, failed=0)
    verdict = judge(
        a_case({"request_counts": rows, "probes": the_probes(5, END - HOUR, END)}, "hour1", END - HOUR, END)
    )
    (cause,) = [cause for cause in verdict.causes if "error_rate_pct" in cause.chain]
    assert (cause.status, cause.title) == ("new", "Error rate 0 % of requests so far, too few to be sure")


def test_two_of_two_requests_that_failed_are_told_as_too_few() -> None:
    rows = counted(END - HOUR, END, 60, requests=2, failed=2)
    frames = {"request_counts": rows, "probes": the_probes(5, END - HOUR, END)}
    verdict = judge(a_case(frames, "hour1", END - HOUR, END))
    (cause,) = [cause for cause in verdict.causes if "error_rate_pct" in cause.chain]
    assert cause.said == "Error rate 100 % of requests so far, too few to be sure"


def test_a_rate_that_surely_broke_a_milder_limit_and_does_no_more_is_over() -> None:
    """20 of 1,680 failed, all in the first hour: 1.19 %, surely above 0.5 (0.77 by Wilson), perhaps above 1."""
    first = END - timedelta(days=1)
    rows = counted(first, first + HOUR, 60, requests=70, failed=20) + counted(
        first + HOUR, END, 60, requests=70, failed=0
    )
    verdict = judged(rows)
    (cause,) = [cause for cause in verdict.causes if "error_rate_pct" in cause.chain]
    assert (cause.status, "too few" in cause.title) == ("recovered", False)


def test_minutes_of_the_first_hour_that_were_not_counted_lower_its_confidence() -> None:
    """A hundred requests a minute, but for twenty minutes in the middle: two thirds of the hour were measured."""
    start, minute = END - HOUR, timedelta(minutes=1)
    whole = counted(start, END, 1, requests=100, failed=0)
    holed = [row for row in whole if not start + 20 * minute <= row["at"] < start + 40 * minute]
    reason = "Error rate: 66.7 % of the window was measured"
    assert (judged(holed, "hour1").confidence, reason in judged(holed, "hour1").confidence_reasons) == (
        "low",
        True,
    )
    assert not [text for text in judged(whole, "hour1").confidence_reasons if "of the window was measured" in text]


@pytest.mark.parametrize("minutes", [17, *slowly(42)])
def test_since_is_told_by_the_minute_where_a_log_knows_the_minutes_of_its_hour(minutes: int) -> None:
    """A log of twenty hours that began to hold failures five hours ago, some minutes after the full hour.

    Nobody came in the fourth minute of each ten, so that hours cover more of the day than minutes do.
    """
    began = END - 5 * HOUR + timedelta(minutes=minutes)
    fine = counted(END - 20 * HOUR, began, 1, requests=40, failed=0) + counted(
        began, END, 1, requests=40, failed=6
    )
    rows = [row | {"source": "requests"} for row in fine if row["at"].minute % 10 != 3]
    hours: dict[tuple[datetime, int], float] = {}
    for row in rows:
        key = row["at"].replace(minute=0), row["status"]
        hours[key] = hours.get(key, 0.0) + row["requests"]
    rows += [
        rows[0] | {"at": moment, "interval_s": 3600.0, "status": status, "requests": n}
        for (moment, status), n in hours.items()
    ]
    (alert,) = [alert for alert in judged(rows).alerts if alert.id == "error_rate_pct"]
    assert alert.since == began


@pytest.mark.parametrize("seed", [1, *slowly(2, 3)])
def test_a_steady_share_of_failures_is_one_stretch_however_long_it_lasts(seed: int) -> None:
    """One of five fails for a day at fifteen requests a minute: a good minute or two is no recovery."""
    rng = random.Random(seed)
    start = END - timedelta(days=1)
    rows = [
        row
        for moment in every(1, start, END)
        for row in counted(
            moment,
            moment + timedelta(minutes=1),
            1,
            requests=15,
            failed=sum(rng.random() < 0.2 for _ in range(15)),
        )
    ]
    (found,) = stretches(a_case({"request_counts": rows}, "daily", at("2025-03-03T08:00"), END), 5.0)
    assert found.end is None and found.start <= start + timedelta(minutes=3)


@pytest.mark.parametrize(("well", "over"), [(7, False), (20, True)])
def test_what_failed_for_days_is_not_over_for_a_few_minutes_without_a_failure(well: int, over: bool) -> None:
    """4.5 % of 720 an hour fail for three days: 84 requests without one come once in fifty such looks.

    0.955^84 is 0.02 and 0.955^240 is 0.00002.
    """
    last, good = END - HOUR, END - timedelta(minutes=well)
    hours = counted(END - timedelta(days=3), last, 60, requests=720, failed=32)
    minutes = [
        row
        for n, moment in enumerate(every(1, last, END))
        for row in counted(moment, moment + HOUR / 60, 1, requests=12, failed=int(moment < good and n % 2 == 0))
    ]
    case = a_case({"request_counts": [*hours, *minutes]}, "week1", END - timedelta(days=5), END)
    (found,) = stretches(case, 1.0)
    assert (found.end is not None) == over


def test_few_failing_requests_that_failed_before_the_deployment_call_for_no_rollback() -> None:
    """Twelve an hour, every second fails since five hours before; the first three after it are answered."""
    deployed = END - HOUR
    rows = [
        *counted(END - timedelta(days=7), deployed - 5 * HOUR, 60, requests=12, failed=0),
        *counted(deployed - 5 * HOUR, deployed, 60, requests=12, failed=6),
        *counted(deployed, deployed + timedelta(minutes=6), 2, requests=1, failed=0),
        *counted(deployed + timedelta(minutes=6), END, 4, requests=1, failed=1),
    ]
    verdict = judged(rows, "hour1")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert (alert.since, verdict.recommendation) == (deployed - 5 * HOUR, "investigate")


def thinned(start: datetime, end: datetime, share: float, seed: int = 1) -> list[dict[str, Any]]:
    """Thirty requests a minute, of which each fails by chance as often as the share says."""
    rng = random.Random(seed)
    fails = {moment: sum(rng.random() < share for _ in range(30)) for moment in every(1, start, end)}
    minute = timedelta(minutes=1)
    return [row for at, n in fails.items() for row in counted(at, at + minute, 1, requests=30, failed=n)]


@pytest.mark.parametrize("phase", ["day1", *slowly("week1")])
@pytest.mark.parametrize("seed", [1, *slowly(2, 3)])
def test_a_deployment_that_halved_the_failures_is_not_the_one_to_roll_back(phase: str, seed: int) -> None:
    """12 % of requests failed for a week before it and 6 % since: too many now, and it mended half of them."""
    deployed = END - phase_named(phase).length
    rows = [
        *counted(deployed - timedelta(days=7), deployed, 60, requests=1800, failed=216),
        *counted(deployed, END - timedelta(days=1), 60, requests=1800, failed=108),
        *thinned(END - timedelta(days=1), END, 0.06, seed),
    ]
    verdict = judged(rows, phase)
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert alert.since == deployed - timedelta(days=7)
    assert alert.value == pytest.approx(6, abs=2), "of now, not of the week before"


@pytest.mark.slow
def test_a_steady_share_of_failures_lasts_until_now_in_a_first_hour() -> None:
    """One in ten of 30 a minute fails from ten minutes before the deployment on, some minutes fewer by chance.

    That it is over is told at 20 to 1: 5 of 100 first hours may be told so while it lasts, by Wald's bound.
    """
    start, over = END - HOUR, 0
    first = counted(start - HOUR, start - timedelta(minutes=10), 1, requests=30, failed=0)
    for seed in range(100):
        rows = first + thinned(start - timedelta(minutes=10), END, 0.1, seed)
        (found,) = stretches(a_case({"request_counts": rows}, "hour1", start, END), 5.0)
        assert found.start < start - timedelta(minutes=5)
        over += found.end is not None
    assert over <= 5


@pytest.mark.parametrize("phase", ["day1", *slowly("daily")])
def test_what_comes_and_goes_has_not_recovered_in_one_of_its_pauses(phase: str) -> None:
    """Two of five fail in five minutes of each twenty for three hours: one in ten in an hour, none just now."""
    began, rows = END - 3 * HOUR, counted(END - timedelta(days=8), END - 3 * HOUR, 60, requests=1800, failed=1)
    for burst in every(20, began, END):
        rows += counted(burst, burst + timedelta(minutes=5), 1, requests=30, failed=12)
        rows += counted(burst + timedelta(minutes=5), burst + timedelta(minutes=20), 1, requests=30, failed=0)
    verdict = judged(rows, phase)
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert (alert.since, alert.value) == (began, pytest.approx(10, rel=0.2))


def test_what_came_and_went_is_over_once_it_stays_away_longer_than_before() -> None:
    """Three bursts, twenty minutes apart, then 40 minutes without one."""
    began, rows = END - 3 * HOUR, counted(END - timedelta(days=8), END - 3 * HOUR, 60, requests=1800, failed=1)
    for n, burst in enumerate(every(20, began, END)):
        ill = 12 if n < 7 else 0
        rows += counted(burst, burst + timedelta(minutes=5), 1, requests=30, failed=ill)
        rows += counted(burst + timedelta(minutes=5), burst + timedelta(minutes=20), 1, requests=30, failed=0)
    verdict = judged(rows)
    assert verdict.recommendation != "rollback"
    assert {row["status"] for row in verdict.incidents} == {"recovered"}


def test_an_outage_that_began_in_an_hour_before_the_deployment_is_dated_there_however_few_ask() -> None:
    """Down from the middle of the hour before the last one on; 30 requests an hour, counted by the hour."""
    deployed = END - timedelta(hours=24, minutes=2)
    first = deployed.replace(minute=0) - HOUR
    rows = counted(END - timedelta(days=8), first, 60, requests=30, failed=0)
    rows += counted(first, first + HOUR, 60, requests=17, failed=7)
    rows += counted(first + HOUR, END, 60, requests=29, failed=28)
    case = a_case({"request_counts": rows}, "day1", deployed, END)
    (found,) = stretches(case, 5.0)
    assert found.start == first
    assert judge(case).recommendation != "rollback"


@pytest.mark.parametrize("phase", ["hour1", *slowly("day1", "week1")])
def test_an_application_that_comes_and_goes_is_looked_into(phase: str) -> None:
    """Each second probe of five minutes finds it down since the deployment, and the newest one up."""
    deployed = END - phase_named(phase).length
    probes = the_probes(5, END - timedelta(days=8), END, down=every(10, deployed, END))
    verdict = judge(a_case({"probes": probes}, phase, deployed, END))
    assert verdict.recommendation == "investigate"
    (cause,) = [cause for cause in verdict.causes if cause.id == "app:flapping"]
    assert (cause.status, cause.priority) == ("new", "P1")
    assert cause.since is not None and deployed <= cause.since <= deployed + timedelta(minutes=5)


@pytest.mark.parametrize(("before", "status"), [(1, "new"), (12, "standing")])
def test_a_failure_right_before_the_deployment_does_not_place_a_fault_there(before: int, status: str) -> None:
    """Of 14 a minute one fails in every second minute since the deployment, and in some minutes before it."""
    deployed = END - HOUR
    failing = [deployed - timedelta(minutes=2 * n) for n in range(1, before + 1)]
    failing += every(2, deployed, END)
    rows = counted(deployed - timedelta(days=7), deployed - HOUR, 60, requests=840, failed=0)
    for minute in every(1, deployed - HOUR, END):
        rows += counted(minute, minute + timedelta(minutes=1), 1, requests=14, failed=int(minute in failing))
    verdict = judged(rows, "hour1")
    (cause,) = [cause for cause in verdict.causes if "error_rate_pct" in cause.chain]
    assert cause.status == status
    assert cause.since == (deployed if status == "new" else failing[before - 1])


def test_an_hour_that_holds_the_deployment_does_not_place_a_fault_before_it() -> None:
    """Deployed at 07:18; of that hour's 1,800 requests 162 fail: 12 % of 42 minutes and 2 % of 18."""
    deployed = END - timedelta(days=4) - timedelta(minutes=42)
    hour = deployed.replace(minute=0)
    rows = [
        *counted(hour - timedelta(days=7), hour, 60, requests=1800, failed=36),
        *counted(hour, hour + HOUR, 60, requests=1800, failed=162),
        *counted(hour + HOUR, END, 60, requests=1800, failed=216),
    ]
    frames = {"request_counts": rows, "probes": the_probes(5, END - timedelta(days=8), END)}
    verdict = judge(a_case(frames, "daily", deployed, END))
    (alert,) = [alert for alert in verdict.alerts if alert.id == "error_rate_pct"]
    assert (alert.since, verdict.recommendation) == (deployed, "rollback")
    before = len(counted(hour - timedelta(days=7), hour, 60, requests=1, failed=0))
    rows[before + 1]["requests"] = 216  # as much as in each hour since
    verdict = judge(a_case(frames | {"request_counts": rows}, "daily", deployed, END))
    assert verdict.recommendation == "investigate", "12 % of all its minutes failed, so that it began before"


@pytest.mark.parametrize("phase", EACH_PHASE)
def test_rule_15_an_outage_by_the_log_alone_while_requests_are_served_is_to_be_looked_into(phase: str) -> None:
    """The uptime log says down for half an hour; in each of its minutes the platform counts 30 good answers."""
    deployed = END - phase_named(phase).length
    counts = counted(deployed - timedelta(days=7), END - HOUR, 60, requests=1800, failed=0)
    counts += counted(END - HOUR, END, 1, requests=30, failed=0)
    down = every(1, END - timedelta(minutes=30), END)
    verdict = of_probes(phase, deployed, down, request_counts=counts)
    assert (verdict.status, verdict.recommendation) == ("YELLOW", "investigate")
    assert not [alert for alert in verdict.alerts if alert.priority == "P0"]
    assert "may" in card_of(verdict).sentence


@pytest.mark.parametrize("phase", ["hour1", *slowly("daily", "week1")])
@pytest.mark.parametrize(
    ("left", "said"), [(0, "No requests come any more"), (1, "Only 1 request a minute comes")]
)
def test_users_that_stay_away_are_no_minor_matter(phase: str, left: float, said: str) -> None:
    """Thirty requests a minute in each of four weeks; since twenty minutes none, or one: probes find it well."""
    deployed = END - phase_named(phase).length
    gone = END - timedelta(minutes=20)
    rows = [
        *counted(deployed - timedelta(days=28), END - HOUR, 60, requests=1800, failed=0),
        *counted(END - HOUR, gone, 1, requests=30, failed=0),
        *counted(gone, END, 1, requests=left, failed=0),
    ]
    probes = the_probes(5, END - timedelta(days=8), END)
    verdict = judge(a_case({"request_counts": rows, "probes": probes}, phase, deployed, END))
    (alert,) = [alert for alert in verdict.alerts if alert.id == "requests_per_min_avg"]
    assert (alert.priority, alert.since, alert.value) == ("P1", gone, pytest.approx(left))
    assert verdict.recommendation == "investigate" and said in card_of(verdict).sentence


def test_an_hour_in_which_a_fault_began_does_not_tell_how_bad_it_was() -> None:
    """A sixth of the requests of one hour failed, 97 % of the next, all since the deployment: 57 % before it."""
    deployed = END - HOUR
    began = deployed - 2 * HOUR
    rows = [
        *counted(END - timedelta(days=7), began, 60, requests=1800, failed=1),
        *counted(began, began + HOUR, 60, requests=1800, failed=300),
        *counted(began + HOUR, deployed, 60, requests=1800, failed=1750),
        *counted(deployed, END, 1, requests=30, failed=30),
    ]
    verdict = judged(rows, "hour1")
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")


def timed(start: datetime, end: datetime, p95: float) -> dict[str, Any]:
    row = {"source": "sentry", "p50_ms": p95 / 4, "p95_ms": p95, "p99_ms": 2 * p95, "avg_ms": p95 / 3}
    return row | {"start": start, "end": end, "samples": 200, "sample_rate": 0.05, "confidence": "high"}


def test_what_is_sampled_by_the_hour_alone_is_dated_by_the_hour_and_not_by_the_look_at_its_end() -> None:
    """Slow in the last quarter and in all of the hour, and not in the hour before: since the deployment."""
    quarter = timedelta(minutes=15)
    spans = [(END - quarter, END, 4000.0), (END - HOUR, END, 3000.0), (END - 2 * HOUR, END - HOUR, 700.0)]
    case = a_case({"latencies": [timed(*span) for span in spans]}, "hour1", END - HOUR, END)
    (alert,) = [alert for alert in judge(case).alerts if alert.id == "latency_p95_ms"]
    assert (alert.value, alert.since) == (4000.0, END - HOUR)


@pytest.mark.parametrize(("earlier", "since"), [(700.0, END - HOUR), (3000.0, None)])
def test_what_was_so_before_the_window_did_not_begin_with_it(earlier: float, since: datetime | None) -> None:
    """An hour three days after the deployment is looked at on its own: the hour before it was as slow, or not."""
    spans = [(END - HOUR, END, 3000.0), (END - 2 * HOUR, END - HOUR, earlier)]
    site, deployed = a_site(), END - timedelta(days=3)
    scope = incident_scope(site.zone, deployed, Window(END - HOUR, END), END)
    case = a_case({"latencies": [timed(*span) for span in spans]}, site=site, as_of=END)
    verdict = judge(Case(site, scope, case.collection, scope.window))
    (alert,) = [alert for alert in verdict.alerts if alert.id == "latency_p95_ms"]
    assert alert.since == since


@pytest.mark.parametrize(("so_late", "said"), [(0, "takes longer than"), (7, "took longer than")])
def test_an_incident_of_days_ago_is_told_in_the_past_tense(so_late: int, said: str) -> None:
    site, late = a_site(), END + timedelta(days=so_late)
    scope = incident_scope(site.zone, END - timedelta(days=3), Window(END - HOUR, END), late)
    spans = [(END - HOUR, END, 3000.0), (END, min(END + HOUR, late), 3100.0)]
    case = a_case({"latencies": [timed(*span) for span in spans]}, site=site, as_of=late)
    verdict = judge(Case(site, scope, case.collection, scope.window))
    card = card_of(verdict)
    assert f"{said} 3,000 ms" in card.sentence
    assert [tile.value for tile in card.tiles if tile.title == "p95"] == ["3,000 ms"]


def test_what_is_measured_without_a_count_is_held_against_normal_without_one() -> None:
    """The platform gives percentiles and no number of requests: 700 ms before and after, 3,000 in the hour."""
    site, deployed = a_site(), END - timedelta(days=3)
    scope = incident_scope(site.zone, deployed, Window(END - HOUR, END), END + HOUR)
    spans = [(scope.before.start, deployed, 700.0), (END - HOUR, END, 3000.0), (END, END + HOUR, 700.0)]
    rows = [timed(*span) | {"source": "vercel", "samples": None} for span in spans]
    case = a_case({"latencies": rows}, site=site, as_of=END + HOUR)
    found = judge(Case(site, scope, case.collection, scope.window)).tables["verification"]
    assert [row["test"] for row in found if row["metric"] == "Response time p95"] == [
        "700 ms; normal is up to 770 ms, 10 % above 700 ms before"
    ]


@pytest.mark.parametrize("hours", [5, 31, 48])
def test_what_began_days_ago_is_dated_by_its_hour_and_not_by_its_day(hours: int) -> None:
    """The average as the peak: one step from 20 to 90 %, in samples of five minutes."""
    began = END - hours * HOUR
    moments = every(5, END - timedelta(days=7), END)
    idle = itertools.accumulate(30.0 if moment > began else 240.0 for moment in moments)
    rows = [
        {"metric": "cpu_idle_s", "at": moment, "value": value} for moment, value in zip(moments, idle, strict=True)
    ]
    rows += [{"metric": "cpu_all_s", "at": m, "value": 300.0 * n} for n, m in enumerate(moments, 1)]
    verdict = judge(a_case({"host_metrics": rows}, "week1", END - timedelta(days=7), END))
    since = {alert.id: alert.since for alert in verdict.alerts if alert.id.startswith("db_cpu")}
    assert since == {"db_cpu_pct": began, "db_cpu_peak_pct": began}
    (cause,) = [cause for cause in verdict.causes if cause.id.startswith("db_cpu")]
    assert cause.said == "The database's CPU is at 90 %"


def test_traffic_far_above_the_usual_is_told_as_a_multiple_of_it() -> None:
    start = END - timedelta(days=35)
    rows = counted(start, END - HOUR, 60, requests=600, failed=0) + counted(
        END - HOUR, END, 60, requests=7200, failed=0
    )
    verdict = judge(a_case({"request_counts": rows}, "daily", END - timedelta(days=6), END))
    (cause,) = [cause for cause in verdict.causes if cause.id == "requests_per_min_avg"]
    assert cause.said == "120 requests a minute come, 12 times as many as usual"


@pytest.mark.parametrize("last_hour", [150, 230])
def test_traffic_that_fell_with_the_deployment_is_dated_by_it_though_hours_vary(last_hour: int) -> None:
    """Of 400 requests an hour in four weeks 144, 150 or 180 come since; a last hour of 230 does not end that."""
    deployed = END - timedelta(days=3)
    rows = counted(deployed - timedelta(days=28), deployed, 60, requests=400, failed=0)
    for n, moment in enumerate(every(60, deployed, END - HOUR)):
        rows += counted(moment, moment + HOUR, 60, requests=(144, 150, 180)[n % 3], failed=0)
    rows += counted(END - HOUR, END, 60, requests=last_hour, failed=0)
    frames = {"request_counts": rows, "probes": the_probes(5, END - timedelta(days=8), END)}
    verdict = judge(a_case(frames, "daily", deployed, END))
    causes = {cause.id: cause for cause in verdict.causes}
    assert causes["requests_per_min_avg"].status == "new"
    assert causes["requests_per_min_avg"].since == deployed


def test_traffic_that_is_surely_back_is_over() -> None:
    """Of 400 requests an hour 150 came for 21 hours, and 390 in the last three."""
    deployed = END - timedelta(days=1)
    rows = counted(deployed - timedelta(days=28), deployed, 60, requests=400, failed=0)
    rows += counted(deployed, END - 3 * HOUR, 60, requests=150, failed=0)
    rows += counted(END - 3 * HOUR, END, 60, requests=390, failed=0)
    verdict = judge(a_case({"request_counts": rows}, "day1", deployed, END))
    assert [cause.status for cause in verdict.causes if cause.id == "requests_per_min_avg"] == ["recovered"]
