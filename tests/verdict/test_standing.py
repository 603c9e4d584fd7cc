"""What went wrong before the deployment as often as since is told, and is no reason to roll this one back."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.frames.readings import Finding, Priority
from pdmlib.frames.states import ReportStatus
from pdmlib.report.card import card_of
from pdmlib.verdict.causes import causes_of
from pdmlib.verdict.verdict import Verdict, judge
from tests.builders import a_case, a_site, at, every, slowly, the_probes

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEPLOYED = at("2025-03-03T15:00")
PHASES = {"hour1": HOUR, "day1": DAY, "daily": 3 * DAY, "week1": 7 * DAY}
CASES = [
    ("hour1", "database"),
    *slowly(*((phase, "database") for phase in list(PHASES)[1:]), ("daily", "stripe")),
]
Wrong = Callable[[int, datetime], bool]  # whether the n-th, made at a moment, goes wrong


def payments(wrong: Wrong, as_of: datetime, source: str) -> list[dict[str, Any]]:
    """A payment every five minutes since two weeks before the deployment."""
    moments = every(5, DEPLOYED - 14 * DAY, as_of)
    rows = [(n, moment, wrong(n, moment)) for n, moment in enumerate(moments)]
    return [
        {
            "source": source,
            "payment": str(n),
            "created_at": moment,
            "status": "failed" if failed else "succeeded",
            "fault": "ours" if failed else None,
        }
        for n, moment, failed in rows
    ]


def paid(phase: str, wrong: Wrong, source: str = "database") -> Verdict:
    """The verdict on a site that is up, by its payments alone: its own table's, or Stripe's."""
    as_of = DEPLOYED + PHASES[phase]
    own = {"unused": ["stripe"], "payments": {"table": "shop.payments"}} if source == "database" else {}
    frames = {"payments": payments(wrong, as_of, source), "probes": the_probes(5, DEPLOYED - 8 * DAY, as_of)}
    return judge(a_case(frames, phase, DEPLOYED, as_of, site=a_site(**own)))


def one_in_nine(n: int, moment: datetime) -> bool:
    return n % 9 == 0


def cause_of(verdict: Verdict, name: str) -> Any:
    return next(cause for cause in verdict.causes if name in cause.chain)


@pytest.mark.parametrize(("phase", "source"), CASES)
def test_payments_that_fail_as_before_are_a_standing_fault_and_no_reason_for_a_rollback(
    phase: str, source: str
) -> None:
    """One in nine (11 %) fails since two weeks before the deployment."""
    verdict = paid(phase, one_in_nine, source)
    reading = verdict.reading("payment_failures")
    assert reading and (reading.status, reading.critical, reading.rollback) == ("fail", False, False)
    assert (verdict.status, verdict.recommendation) == ("YELLOW", "investigate")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "payment_failures"]
    assert (alert.priority, alert.rollback) == ("P1", False)
    assert alert.since is not None and alert.since < DEPLOYED - 6 * DAY
    cause = cause_of(verdict, "payment_failures")
    assert (cause.status, cause.priority, cause.decides) == ("standing", "P1", True)
    assert any(item["action"].startswith(cause.action) for item in verdict.actions)


@pytest.mark.parametrize(("phase", "source"), CASES)
def test_payments_that_fail_since_the_deployment_call_for_a_rollback(phase: str, source: str) -> None:
    verdict = paid(phase, lambda n, moment: moment >= DEPLOYED and n % 3 == 0, source)
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    (alert,) = [alert for alert in verdict.alerts if alert.rollback]
    assert alert.since is not None and DEPLOYED <= alert.since <= DEPLOYED + 10 * MINUTE
    assert cause_of(verdict, "payment_failures").status == "new"


@pytest.mark.parametrize("phase", ["week1", *slowly("hour1")])
def test_payments_that_failed_now_and_then_and_all_fail_since_the_deployment_are_its_own(phase: str) -> None:
    verdict = paid(phase, lambda n, moment: moment >= DEPLOYED or n % 9 == 0)
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    (alert,) = [alert for alert in verdict.alerts if alert.rollback]
    assert alert.since is not None and DEPLOYED <= alert.since <= DEPLOYED + 5 * MINUTE


def test_a_sentence_with_an_explanation_of_its_own_colon_has_but_one() -> None:
    """Nobody says: payments fail, since ten: Stripe: 48 of 48 checks failed."""
    said = "48 of 48 checks by the application failed (last: no answer)"
    stripe = Finding(
        "integration:stripe",
        "Stripe has issues",
        Priority.P1,
        reading="integration_stripe",
        evidence=said,
        action="",
        becomes_green="",
        said=f"Stripe: {said}",
    )
    failing = replace(stripe, id="payment_failures", reading="payment_failures", said="Payments fail")
    (cause,) = causes_of(a_case(), [stripe, failing], ())
    assert cause.sentence == f"Payments fail; Stripe: {said}"


def test_payments_that_began_to_fail_days_after_the_deployment_are_dated_there() -> None:
    began = DEPLOYED + 4 * DAY
    verdict = paid("week1", lambda n, moment: moment >= began and n % 3 == 0)
    (alert,) = [alert for alert in verdict.alerts if alert.rollback]
    assert alert.since is not None and began <= alert.since <= began + 10 * MINUTE
    told = re.search(r"Payments fail \((\d+) of the last (\d+)\)", cause_of(verdict, "payment_failures").said)
    assert told is not None and int(told[2]) - 3 <= 3 * int(told[1]) <= int(told[2]) + 3, "every third"


@pytest.mark.parametrize("phase", ["hour1", *slowly("daily")])
def test_payments_that_broke_an_hour_before_the_deployment_are_urgent_and_not_its_own(phase: str) -> None:
    verdict = paid(phase, lambda n, moment: moment >= DEPLOYED - HOUR)
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")
    (alert,) = [alert for alert in verdict.alerts if alert.id == "payment_failures"]
    assert (alert.priority, alert.since) == ("P0", DEPLOYED - HOUR)
    assert cause_of(verdict, "payment_failures").status == "standing"


def test_the_wall_says_of_payments_what_the_mornings_report_says() -> None:
    """A payment every two hours, of which one in three fails since a day: the last hour alone had none."""

    def said(phase: str) -> tuple[str, str]:
        as_of = DEPLOYED + 3 * DAY
        rows = payments(lambda n, moment: moment >= as_of - DAY and n % 72 == 0, as_of, "database")
        seldom = [row for n, row in enumerate(rows) if n % 24 == 0]
        own = a_site(unused=["stripe"], payments={"table": "shop.payments"})
        frames = {"payments": seldom, "probes": the_probes(5, DEPLOYED - 8 * DAY, as_of)}
        verdict = judge(a_case(frames, phase, DEPLOYED, as_of, site=own))
        return verdict.status, verdict.recommendation

    assert said("dashboard") == said("daily") == ("RED", "rollback")


def test_rule_2_one_failed_payment_where_none_had_failed_stays_absolute() -> None:
    verdict = paid("hour1", lambda n, moment: moment == DEPLOYED + 50 * MINUTE)
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")


def test_failures_that_were_over_days_before_the_deployment_excuse_no_new_ones() -> None:
    """Half failed for a day, five days before; none since, and one in five after the deployment."""
    burst = DEPLOYED - 5 * DAY

    def wrong(n: int, moment: datetime) -> bool:
        return (burst <= moment < burst + DAY and n % 2 == 0) or (moment >= DEPLOYED and n % 5 == 0)

    assert paid("day1", wrong).recommendation == "rollback"


@pytest.mark.parametrize(("declined", "status"), [((7,), "new"), ((), "recovered")])
def test_a_share_that_the_newest_few_do_not_show_is_not_over(declined: tuple[int, ...], status: str) -> None:
    """Two of five are declined from two hours after the deployment on, one in fifty before; of the last hour one.

    None of six is one time in twenty (0.6^6), none of twelve one in five hundred.
    """
    as_of = DEPLOYED + DAY
    since = DEPLOYED + 2 * HOUR
    rows = payments(lambda n, moment: n % 5 < 2 if moment > since else n % 50 == 0, as_of, "database")
    rows = [{**row, "fault": "customer" if row["fault"] else None} for row in rows]
    for place in range(1, 13):
        bad = place in declined
        rows[-place] |= {"status": "failed" if bad else "succeeded", "fault": "customer" if bad else None}
    frames = {"payments": rows, "probes": the_probes(5, DEPLOYED - 8 * DAY, as_of)}
    site = a_site(unused=["stripe"], payments={"table": "shop.payments"})
    verdict = judge(a_case(frames, "day1", DEPLOYED, as_of, site=site))
    assert cause_of(verdict, "payments_declined_pct").status == status


@pytest.mark.parametrize("phase", ["day1", "week1"])
def test_a_reading_that_fails_is_at_least_yellow_though_its_failures_are_as_old_and_over(phase: str) -> None:
    """One payment in 150 fails since two weeks before the deployment, the last of them hours ago."""
    verdict = paid(phase, lambda n, moment: n % 150 == 0)
    reading = verdict.reading("payment_failures")
    assert reading is not None and reading.status == "fail"
    (cause,) = [cause for cause in verdict.causes if "payment_failures" in cause.chain]
    assert cause.status == "recovered"
    assert (verdict.status, verdict.recommendation) == ("YELLOW", "enhanced_monitoring")
    assert card_of(replace(verdict, causes=(cause,))).sentence == f"YELLOW. {cause.said}; it is over."
    assert "immediately" not in cause.action


def test_a_warning_that_stood_before_the_deployment_leaves_green_and_is_no_limit_that_holds() -> None:
    """Tickets rated 4.2 of 5 on average before and since; the guide's target is 4.5."""
    rows = [
        {"ticket": str(n), "created_at": moment, "rating": 4 + (n % 5 == 0)}
        for n, moment in enumerate(every(240, DEPLOYED - 14 * DAY, DEPLOYED + 7 * DAY))
    ]
    frames = {"tickets": rows, "probes": the_probes(5, DEPLOYED - 8 * DAY, DEPLOYED + 7 * DAY)}
    verdict = judge(a_case(frames, "week1", DEPLOYED, DEPLOYED + 7 * DAY))
    reading = verdict.reading("support_rating")
    assert reading is not None and reading.status == "warn"
    assert [c.waits for c in verdict.causes if "support_rating" in c.chain] == [True]
    green = replace(verdict, status=ReportStatus.GREEN)
    assert card_of(green).sentence.startswith("GREEN. No limit is broken that held before the deployment, and")
    assert card_of(replace(green, readings=())).sentence.startswith("GREEN. Every limit holds, and")


def texts(wrong: Wrong, as_of: datetime) -> list[dict[str, Any]]:
    rows = [(n, m, wrong(n, m)) for n, m in enumerate(every(5, DEPLOYED - 7 * DAY, as_of))]
    return [
        {
            "message": str(n),
            "created_at": moment,
            "direction": "outbound-api",
            "status": "failed" if lost else "delivered",
            "fault": "ours" if lost else None,
        }
        for n, moment, lost in rows
    ]


def emails(wrong: Wrong, as_of: datetime) -> list[dict[str, Any]]:
    """A hundred a day before the deployment, a hundred an hour since."""
    days = [(DEPLOYED - n * DAY, 86_400.0) for n in range(7, 0, -1)]
    hours = [(moment, 3600.0) for moment in every(60, DEPLOYED, as_of)]
    counts = [(moment, length, sum(wrong(n, moment) for n in range(100))) for moment, length in [*days, *hours]]
    return [
        {"at": m, "interval_s": length, "sent": 100, "bounced": lost, "delivered": 100 - lost}
        for m, length, lost in counts
    ]


SMS, MAIL = "sms_failed_pct", "email_bounce_pct"
SENT: dict[str, tuple[str, Callable[[Wrong, datetime], list[dict[str, Any]]]]] = {
    SMS: ("messages", texts),
    MAIL: ("email_counts", emails),
}


@pytest.mark.parametrize(
    ("reading", "phase"), [(SMS, "week1"), (MAIL, "hour1"), *slowly((SMS, "day1"), (MAIL, "day1"))]
)
@pytest.mark.parametrize("before", [True, False], ids=["as before", "since the deployment"])
def test_messages_and_emails_that_are_lost_as_before_are_not_the_deployments(
    reading: str, phase: str, before: bool
) -> None:
    """One in nine is lost, which is surely above 5 %."""
    as_of = DEPLOYED + PHASES[phase]
    name, made = SENT[reading]
    rows = made(lambda n, moment: n % 9 == 0 and (before or moment >= DEPLOYED), as_of)
    verdict = judge(
        a_case({name: rows, "probes": the_probes(5, DEPLOYED - 8 * DAY, as_of)}, phase, DEPLOYED, as_of)
    )
    cause = cause_of(verdict, reading)
    assert cause.status == ("standing" if before else "new")
    assert cause.waits is before
    assert cause.since is not None and (cause.since < DEPLOYED) is before
    assert reading not in [alert.id for alert in verdict.alerts] or not before


def served(before_pct: int, since_pct: int, as_of: datetime) -> list[dict[str, Any]]:
    """A thousand requests an hour, of which so many percent fail before the deployment and since."""
    rows = []
    for moment in every(60, DEPLOYED - 8 * DAY, as_of):
        failed = 10 * (before_pct if moment < DEPLOYED else since_pct)
        row = {"source": "vercel", "at": moment, "interval_s": 3600.0, "sample_rate": 1.0}
        rows += [row | {"status": 200, "requests": 1000 - failed}, row | {"status": 500, "requests": failed}]
    return rows


@pytest.mark.parametrize(
    ("before", "since", "advice"),
    [(8, 9, "investigate"), (8, 25, "rollback"), *slowly((8, 8, "investigate"), (2, 8, "rollback"))],
)
def test_requests_that_failed_before_and_fail_far_more_since_the_deployment_are_its_own(
    before: int, since: int, advice: str
) -> None:
    """So many percent failed all the week before the deployment; beyond 5 % the guide rolls back."""
    as_of = DEPLOYED + 3 * DAY
    frames = {"request_counts": served(before, since, as_of), "probes": the_probes(5, DEPLOYED - 8 * DAY, as_of)}
    verdict = judge(a_case(frames, "daily", DEPLOYED, as_of))
    assert (verdict.status, verdict.recommendation) == ("RED", advice)
    assert cause_of(verdict, "error_rate_pct").status == ("standing" if advice == "investigate" else "new")


def sampled(value: Callable[[datetime], dict[str, float]], as_of: datetime) -> list[dict[str, Any]]:
    moments = every(5, DEPLOYED - 7 * DAY, as_of)
    return [{"metric": name, "at": m, "value": v} for m in moments for name, v in value(m).items()]


@pytest.mark.parametrize("phase", ["daily", *slowly("hour1")])
def test_a_database_that_was_down_before_the_deployment_is_told_from_there(phase: str) -> None:
    as_of = DEPLOYED + HOUR
    began = DEPLOYED - 2 * HOUR
    rows = sampled(lambda m: {"db_up": float(m < began)}, as_of)
    verdict = judge(a_case({"host_metrics": rows}, phase, DEPLOYED, as_of))
    (alert,) = [alert for alert in verdict.alerts if alert.id == "db_connection_errors"]
    assert (alert.priority, alert.rollback, alert.since) == ("P0", False, began)
    assert (verdict.status, verdict.recommendation) == ("RED", "investigate")


@pytest.mark.parametrize(("before", "status"), [(95, "standing"), (75, "new"), *slowly((20, "new"))])
def test_connections_that_were_as_short_before_the_deployment_are_a_standing_fault(
    before: int, status: str
) -> None:
    """95 of a hundred are in use since the deployment; the guide's edges are 70 and 90."""
    as_of = DEPLOYED + DAY
    rows = sampled(
        lambda m: {"connections": before if m < DEPLOYED else 95.0, "max_connections": 100.0, "db_up": 1.0}, as_of
    )
    verdict = judge(a_case({"host_metrics": rows}, "day1", DEPLOYED, as_of))
    assert cause_of(verdict, "db_connections_pct").status == status
