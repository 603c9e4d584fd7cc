"""Integrations: their causes, and rates of messages."""

from datetime import timedelta

import pytest

from pdmlib.analysis.catalogue import metrics_in
from pdmlib.analysis.integrations import emails as mails
from pdmlib.analysis.integrations import messages as texts
from pdmlib.analysis.integrations import operational, payments
from pdmlib.frames.readings import Priority, State, Status
from tests.builders import DEPLOYED, a_case, a_gap, a_site

HOUR = timedelta(hours=1)
LATEST = DEPLOYED + timedelta(days=6, hours=12)


def a_payment(name, status="succeeded", fault=None, at=DEPLOYED + HOUR, code=None, source="stripe"):
    return {
        "source": source,
        "payment": name,
        "created_at": at,
        "status": status,
        "fault": fault,
        "failure_code": code,
    }


def messages(*statuses, at=DEPLOYED + HOUR, direction="outbound-api"):
    return [
        {
            "message": f"{at}{direction}{i}",
            "created_at": at,
            "status": s,
            "direction": direction,
            "fault": "ours" if s in ("failed", "undelivered") else None,
        }
        for i, s in enumerate(statuses)
    ]


def a_count(sent, bounced, at=DEPLOYED + HOUR):
    return {"at": at, "interval_s": 3600, "sent": sent, "bounced": bounced, "delivered": sent - bounced}


def status(case, name):
    return operational.integration(case, name).value


WELL = {"vendor": "twilio", "kind": "account", "item": "AC1", "status": "active", "ok": True}


def test_a_vendor_whose_account_is_well_and_who_did_something_before_the_window_is_operational():
    sent = messages("delivered", at=DEPLOYED - 3 * HOUR)
    assert status(a_case({"vendor_states": [WELL], "messages": sent}), "twilio") == "OPERATIONAL"


NOTHING_EVER = {
    "stripe": {},
    "twilio": {"messages": messages("received", direction="inbound")},
    "resend": {"email_counts": [a_count(0, 0)]},
}


@pytest.mark.parametrize("name", NOTHING_EVER)
def test_an_account_that_is_well_through_which_nothing_ever_went_shows_nothing(name):
    case = a_case({"vendor_states": [{**WELL, "vendor": name}], **NOTHING_EVER[name]})
    found = operational.integration(case, name)
    assert (found.state, found.value) == (State.NO_DATA, None)
    assert found.reason.endswith("is known, so that nothing shows that it works")
    tried = {"integration": name, "at": DEPLOYED + HOUR, "success": True}
    checked = a_case({"vendor_states": [{**WELL, "vendor": name}], "integration_checks": [tried]})
    assert status(checked, name) == "OPERATIONAL"


def test_a_vendor_that_answered_but_did_nothing_in_the_window_is_unknown():
    """Rule 1: of a report of the past nothing of now was read, and no message was sent."""
    gap = a_gap("twilio", "what is seen now says nothing about the past", "live", "no_data")
    found = operational.integration(a_case({"gaps": [gap]}), "twilio")
    assert (found.state, found.value, found.reason) == (State.NO_DATA, None, gap["reason"])


def test_nothing_in_the_window_where_nothing_is_ever_asked_is_said_so():
    found = payments.payment_failures(a_case())
    assert (found.state, found.value) == (State.NOT_DUE, None)
    assert found.reason == "no payment was attempted in the window, nor in the week before"


def test_a_vendor_that_could_not_be_read_is_unknown_never_operational():
    """Rule 1: silence is not health."""
    found = operational.integration(
        a_case({"gaps": [a_gap("twilio", "401: wrong key")]}, coverage={"twilio": "failed"}), "twilio"
    )
    assert (found.state, found.value, found.reason) == (State.ERROR, None, "401: wrong key")


def test_the_applications_own_failing_checks_tell_of_a_vendor_that_could_not_be_read():
    check = {"integration": "stripe", "at": LATEST, "success": False, "error": "timeout"}
    case = a_case({"integration_checks": [check]}, coverage={"stripe": "failed"})
    assert status(case, "stripe") == "ISSUES"


def test_one_failed_check_that_was_followed_by_good_ones_is_no_issue():
    checks = [{"integration": "twilio", "at": DEPLOYED + i * HOUR, "success": i != 3} for i in range(30)]
    assert status(a_case({"integration_checks": checks}), "twilio") == "OPERATIONAL"


@pytest.mark.parametrize(("kind", "expected"), [("webhook", "ISSUES"), ("quota", "OPERATIONAL")])
def test_a_disabled_webhook_is_an_issue_and_a_quota_alone_is_not(kind, expected):
    state = {
        "vendor": "stripe",
        "kind": kind,
        "item": "https://shop.example/hook",
        "status": "disabled",
        "ok": False,
    }
    assert status(a_case({"vendor_states": [state], "payments": [a_payment("a")]}), "stripe") == expected


def test_states_of_now_say_nothing_of_a_window_that_ended_earlier():
    state = {"vendor": "stripe", "kind": "webhook", "item": "x", "status": "disabled", "ok": False}
    case = a_case({"vendor_states": [state], "payments": [a_payment("a", at=DEPLOYED - HOUR)]})
    assert status(case.at(case.scope.before), "stripe") == "OPERATIONAL"


def test_a_declined_card_is_no_integration_failure():
    """Two cards declined, one blocked, one charge invalid: one failure of four told beside three declines."""
    rows = [
        a_payment("a", "failed", "customer"),
        a_payment("b", "failed", "customer"),
        a_payment("c", "failed", "customer"),
        a_payment("d", "failed", "ours", code="api_error"),
    ]
    found = payments.payment_failures(a_case({"payments": rows}))
    assert found.value == 1
    assert found.samples == 4
    assert "3 were declined" in found.evidence
    assert "api_error" in found.evidence


def test_any_failed_payment_asks_for_rollback():
    (limit,) = next(m for m in operational.METRICS if m.id == "payment_failures").limits
    assert limit.holds(1) and not limit.holds(0)
    assert (limit.priority, limit.critical, limit.rollback) == (Priority.P0, True, True)


def test_no_payment_where_none_was_due_is_not_due_and_not_zero_failures():
    found = payments.payment_failures(a_case())
    assert (found.state, found.value) == (State.NOT_DUE, None)


def test_rule_1_no_payment_where_several_were_due_is_silence_and_not_nothing_due():
    """Seven in the week before: seven were due in this week, and none with a chance of 0.1 %."""
    start = a_case().scope.before.start
    rows = [a_payment(str(day)) | {"created_at": start + timedelta(days=day)} for day in range(7)]
    found = payments.payment_failures(a_case({"payments": rows}))
    assert (found.state, found.value) == (State.NO_DATA, None)
    assert "where 7.0 were due" in found.reason


def test_payments_of_the_applications_own_table_are_not_counted_again():
    rows = [a_payment("a"), a_payment("a", "failed", None, source="database")]
    assert payments.payment_failures(a_case({"payments": rows})).value == 0


def test_the_failure_rate_of_text_messages_leaves_out_inbound_and_in_flight_ones():
    """1 failed and 1 undelivered of 40 with an end: 5 %, Wilson 1.4 to 16.5."""
    rows = messages("failed", "undelivered", *["delivered"] * 38, "queued", "sending")
    rows += messages("received", "failed", direction="inbound")
    found = texts.sms_failed_pct(a_case({"messages": rows}))
    assert found.value == pytest.approx(5.0)
    assert found.samples == 40
    assert (found.low, found.high) == (pytest.approx(1.38, abs=0.01), pytest.approx(16.5, abs=0.05))


def test_a_rate_is_compared_with_that_of_the_seven_days_before():
    """2 of 100 before, 20 of 100 now: ten times, surely up."""
    before = messages(*["failed"] * 2, *["delivered"] * 98, at=DEPLOYED - HOUR)
    now = messages(*["failed"] * 20, *["delivered"] * 80)
    found = texts.sms_failed_pct(a_case({"messages": before + now}))
    assert (found.baseline, found.change_pct, found.trend) == (pytest.approx(2), pytest.approx(900), "up")


def test_lost_messages_are_an_issue_when_surely_more_than_two_percent():
    """Rule 2: 1 of 10 may be 1.8 % (Wilson 1.79 to 40.4), 6 of 40 is at least 7 %."""
    assert status(a_case({"messages": messages("failed", *["delivered"] * 9)}), "twilio") == "OPERATIONAL"
    assert status(a_case({"messages": messages(*["failed"] * 6, *["delivered"] * 34)}), "twilio") == "ISSUES"


def test_bounces_are_in_percent_of_sent():
    found = mails.email_bounce_pct(
        a_case({"email_counts": [a_count(90, 3), a_count(110, 5, DEPLOYED + 2 * HOUR)]})
    )
    assert found.value == pytest.approx(4.0)


def test_no_email_is_no_bounce_rate():
    assert mails.email_bounce_pct(a_case({"email_counts": [a_count(0, 0)]})).value is None


def test_events_younger_than_five_minutes_are_not_pending():
    def event(name, at):
        return {"vendor": "stripe", "event": name, "type": "charge.succeeded", "created_at": at, "pending": 1}

    end = a_case().window.end
    rows = [event("a", end - timedelta(minutes=4)), event("b", end - timedelta(minutes=6))]
    assert payments.webhooks_pending(a_case({"webhook_events": rows})).value == 1


def test_events_that_wait_since_before_the_deployment_are_told_where_none_since_waits():
    def event(name, at):
        return {"vendor": "stripe", "event": name, "type": "charge.succeeded", "created_at": at, "pending": 1}

    before = [event("a", DEPLOYED - 5 * HOUR), event("b", DEPLOYED - 3 * HOUR)]
    case = a_case({"webhook_events": before})
    assert payments.webhooks_pending(case).value == 0
    (found,) = operational.findings(case)
    assert (found.priority, found.since, found.value) == (Priority.P2, DEPLOYED - 5 * HOUR, 2)
    assert found.title == "2 webhook events of before the deployment are not delivered"
    both = a_case({"webhook_events": [*before, event("c", DEPLOYED + HOUR)]})
    assert [one.id for one in operational.findings(both)] == ["integration:stripe"]


def test_a_finding_is_over_when_the_latest_part_is_clean():
    lost = messages(*["failed"] * 20, *["delivered"] * 20)
    fine = messages(*["delivered"] * 200, at=LATEST)
    (found,) = operational.findings(a_case({"messages": lost + fine}))
    assert (found.id, found.priority, found.active) == ("integration:twilio", Priority.P1, False)


def test_what_a_long_window_hides_is_an_issue_as_long_as_it_lasts():
    """6 of 1,000 emails bounced, then 15 of the last 75: 2 % of the week (at least 1.3 %), 20 % of its end."""
    hours = [a_count(10, 0, DEPLOYED + n * HOUR) for n in range(100)]
    hours[3] = a_count(10, 6, DEPLOYED + 3 * HOUR)
    end = DEPLOYED + timedelta(days=7)
    case = a_case({"email_counts": [*hours, *(a_count(25, 5, end - n * HOUR) for n in (3, 2, 1))]})
    assert status(case, "resend") == "ISSUES"
    (found,) = operational.findings(case)
    assert (found.active, found.since) == (True, end - 3 * HOUR)
    healed = [a_count(25, 5 * (n > 12), end - n * HOUR) for n in range(15, 0, -1)]
    assert status(a_case({"email_counts": [*hours, *healed]}), "resend") == "OPERATIONAL"


def test_the_table_has_a_row_for_each_integration_whatever_answered():
    rows = operational.table(
        a_case(coverage=dict.fromkeys(("stripe", "twilio", "resend", "supabase", "sentry"), "failed"))
    )
    assert [r["integration"] for r in rows] == ["Stripe", "Twilio", "Resend", "Supabase", "Sentry"]
    assert all(r["status"] is None and r["notes"] for r in rows)


@pytest.mark.parametrize(
    ("lost", "sent", "status", "priority"),
    [
        (0, 11, None, None),
        (1, 11, Status.WARN, None),
        (29, 477, Status.WARN, Priority.P1),
        (20, 100, Status.FAIL, Priority.P1),
    ],
)
def test_a_loss_alerts_when_its_lower_bound_is_beyond_the_edge(lost, sent, status, priority):
    """Rule 2: 1 of 11 may be 1.6 % and raises no alert; 29 of 477 are at least 4.3 %, 20 of 100 at least 13 %."""
    found = mails.email_bounce_pct(a_case({"email_counts": [a_count(sent, lost)]}))
    limits = next(m for m in operational.METRICS if m.id == "email_bounce_pct").limits
    step = next((limit for limit in limits if limit.reached(found)), None)
    assert (step and step.status, step and step.priority) == (status, priority)


def checks_of(name, *outcomes):
    """Checks an hour apart; the last an hour before the end of the window."""
    count = len(outcomes)
    return [
        {"integration": name, "at": DEPLOYED + timedelta(days=7) - (count - i) * HOUR, "success": success}
        for i, success in enumerate(outcomes)
    ]


def test_every_name_that_the_application_checks_is_an_integration_whoever_it_is():
    """In three hours WhatsApp failed each check and Pix none; nobody else tells of them, and Stripe is unused."""
    rows = [*checks_of("WhatsApp ", *[False] * 3), *checks_of("pix", *[True] * 3), *checks_of("stripe", True)]
    case = a_case({"integration_checks": rows}, site=a_site(unused=["stripe"]), coverage={"stripe": "absent"})
    found = {
        metric.id: metric.measure(case) for metric in metrics_in(case) if metric.id.startswith("integration_")
    }
    assert {name: found[f"integration_{name}"].value for name in ("whatsapp", "pix", "stripe")} == {
        "whatsapp": "ISSUES",
        "pix": "OPERATIONAL",
        "stripe": "OPERATIONAL",
    }
    rows = {row["integration"]: (row["status"], row["source"]) for row in operational.table(case)}
    assert rows["WhatsApp"] == ("ISSUES", "postgres") and rows["pix"] == ("OPERATIONAL", "postgres")
    (finding,) = [f for f in operational.findings(case) if f.reading == "integration_whatsapp"]
    assert (finding.title, finding.active) == ("WhatsApp has issues", True)


def test_where_stripe_is_unused_the_applications_own_table_tells_of_payments_and_not_of_stripe():
    """Of four payments of the bank's own one failed and one was declined."""
    site = a_site(unused=["stripe"], payments={"table": "shop.pix"})
    rows = [
        a_payment("a", source="database"),
        a_payment("b", source="database"),
        a_payment("c", "failed", "ours", code="banco fora do ar", source="database"),
        a_payment("d", "failed", "customer", source="database"),
    ]
    case = a_case({"payments": rows}, site=site, coverage={"stripe": "absent"})
    failures, declined = payments.payment_failures(case), payments.payments_declined_pct(case)
    assert (failures.value, failures.samples, failures.source) == (1, 4, "postgres")
    assert "1 banco fora do ar" in failures.evidence
    assert (declined.value, declined.samples) == (25, 4)
    assert not [finding for finding in operational.findings(case) if "stripe" in finding.id]


@pytest.mark.parametrize(
    ("failed", "value", "declined_pct"),
    [({3, 9}, None, 10), (set(range(10, 20)), 10, 50), (set(range(20)), 20, 100)],
)
def test_failures_that_a_table_does_not_tell_from_declined_cards_are_ours_only_when_nearly_all_fail(
    failed, value, declined_pct
):
    """Twenty in two hours: two refused are a usual day; all ten of the last hour are no customers' cards."""
    site = a_site(unused=["stripe"], payments={"table": "shop.pix"})
    start = DEPLOYED + timedelta(days=6, hours=22)
    rows = [
        a_payment(
            str(i),
            "failed" if i in failed else "succeeded",
            at=start + i * timedelta(minutes=6),
            source="database",
        )
        for i in range(20)
    ]
    case = a_case({"payments": rows}, site=site, coverage={"stripe": "absent"})
    found = payments.payment_failures(case)
    assert found.value == value
    assert value or (found.state is State.NOT_UNDERSTOOD and "payments: {words: {declined: [..]}}" in found.reason)
    assert payments.payments_declined_pct(case).value == declined_pct


def test_a_table_of_payments_that_could_not_be_read_is_a_gap_of_that_table():
    site = a_site(unused=["stripe"], payments={"table": "shop.pix"})
    found = payments.payment_failures(
        a_case({"gaps": [a_gap("postgres", "permission denied", "table:shop.pix")]}, site=site)
    )
    assert (found.state, found.reason) == (State.ERROR, "permission denied")
