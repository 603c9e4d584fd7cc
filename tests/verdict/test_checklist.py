"""The guide's boxes: a box is ticked only when what it says is so."""

from dataclasses import replace
from typing import Any

from pdmlib.frames.readings import Finding, Measurement, Priority, Reading, State, Status
from pdmlib.phases.phase import PHASES, phase_named
from pdmlib.verdict.checklist import BOXES, Witness, checklist
from tests.builders import a_site


def reading(name: str, value: Any, status: Status = Status.INFO, **measured: Any) -> Reading:
    return Reading(
        name,
        name,
        "count",
        section="x",
        status=status,
        target="",
        measurement=Measurement(State.MEASURED, value, **measured),
    )


def states(
    phase: str, *readings: Reading, findings: tuple[Finding, ...] = (), days: tuple[dict[str, Any], ...] = ()
) -> dict[str, str]:
    return {
        row["box"]: row["state"]
        for row in checklist(phase_named(phase), readings, a_site(), findings=findings, days=days)
    }


def a_day(date: str, complete: bool = True, **trends: str) -> dict[str, Any]:
    flat = dict.fromkeys(("requests", "error_rate_pct", "latency_avg_ms", "latency_p95_ms"), "flat")
    return {"date": date, "complete": complete, **{f"{k}_trend": v for k, v in {**flat, **trends}.items()}}


def test_a_count_without_a_limit_does_not_tick_a_box_that_says_none():
    """One outage is not `No overnight outages`, and three recurring issues are not `No recurring patterns`."""
    assert states("week1", reading("downtime_events", 1))["No overnight outages"] == "failed"
    assert states("week1", reading("downtime_events", 0))["No overnight outages"] == "done"
    assert states("hour1", reading("issues_recurring", 3))["No recurring error patterns"] == "failed"


def test_an_abandoned_feature_is_not_used():
    """The finding decides, although the count itself has no limit."""
    gone = Finding(
        "feature:orders:abandoned",
        "Orders: not used",
        Priority.P2,
        reading="feature_orders",
        evidence="",
        action="",
        becomes_green="",
    )
    boxes = states("week1", reading("feature_orders", 0), findings=(gone,))
    assert boxes["No abandoned features"] == "failed"
    assert states("week1", reading("feature_orders", 4))["No abandoned features"] == "done"


def test_more_tickets_than_before_are_not_a_normal_volume():
    """The trend decides where a count has no limit."""
    boxes = states("day1", reading("tickets_total", 40, trend="up"), reading("page_views", 9, trend="down"))
    assert boxes["Support tickets normal volume"] == "failed"
    assert boxes["No unusual drop in activity"] == "failed"


def test_what_is_not_measured_is_left_to_a_person():
    """An unknown reading ticks nothing."""
    missing = Reading(
        "downtime_events",
        "x",
        "count",
        section="x",
        status=Status.UNKNOWN,
        target="",
        measurement=Measurement(State.NO_DATA),
    )
    assert states("week1", missing)["No overnight outages"] == "manual"


def test_rule_22_a_database_that_nobody_could_ask_is_not_of_good_health():
    """What its host said until then is known, and whether it is slow or refuses people is not."""
    calm = [reading(name, 0, Status.PASS) for name in ("db_cpu_pct", "db_memory_pct", "db_connection_errors")]
    rest = [reading(name, 0, Status.PASS) for name in ("db_connections_refused", "db_slow_queries")]
    lost = [replace(one, status=Status.UNKNOWN, reason="cannot connect") for one in rest]
    assert states("daily", *calm, *rest)["Database health good"] == "done"
    assert states("daily", *calm, *lost)["Database health good"] == "manual"


def test_a_box_that_is_not_ticked_says_the_value_that_forbids_it():
    slow = replace(reading("latency_p95_ms", 1081.0, Status.WARN), unit="ms", reason="p95 of 5,445 requests")
    rows = {row["box"]: row for row in checklist(phase_named("hour1"), (slow,), a_site())}
    assert rows["Response times < 1s (p95)"]["reason"] == "1,081 ms: p95 of 5,445 requests"


def test_any_error_in_the_tracker_forbids_to_say_there_was_none():
    """26 errors of known issues are not `No 500 errors`, though none of them is critical."""
    seen = (reading("errors_total", 26), reading("issues_critical", 0, Status.PASS))
    rows = {row["box"]: row for row in checklist(phase_named("hour1"), seen, a_site())}
    box = rows["No 500 errors in Sentry"]
    assert (box["state"], box["reading"], box["reason"]) == ("failed", "errors_total", "errors_total: 26")
    assert states("hour1", reading("errors_total", 0))["No 500 errors in Sentry"] == "done"


def test_the_newest_whole_day_decides_on_spikes_and_drops():
    calm, day = a_day("2025-03-05"), "No unusual spikes or drops"
    assert states("daily", days=(a_day("2025-03-04", requests="up"), calm))[day] == "done"
    for trend in ("up", "down"):
        assert states("daily", days=(calm, a_day("2025-03-06", requests=trend)))[day] == "failed"
    partial = a_day("2025-03-07", complete=False, requests="unknown")
    assert states("daily", days=(calm, partial))[day] == "done"
    rows = checklist(phase_named("daily"), (), a_site(), findings=(), days=(a_day("2025-03-06", requests="up"),))
    assert next(r for r in rows if r["box"] == day)["reason"] == "Requests: Thu 6 Mar up"


def test_a_trend_is_concerning_when_two_days_running_rose():
    stable, trend = "Metrics stable or improving", "No concerning trends (rising errors, response times)"
    once = (a_day("2025-03-05"), a_day("2025-03-06", error_rate_pct="up"))
    assert [states("daily", days=once)[box] for box in (stable, trend)] == ["failed", "done"]
    twice = (a_day("2025-03-05", error_rate_pct="up"), a_day("2025-03-06", error_rate_pct="up"))
    assert states("daily", days=twice)[trend] == "failed"
    slower = Finding(
        "route:x",
        "GET /x became slower",
        Priority.P1,
        reading="latency_p95_ms",
        evidence="",
        action="",
        becomes_green="",
    )
    assert states("daily", findings=(slower,), days=once)[trend] == "failed"


def test_no_day_and_no_baseline_leave_a_box_to_a_person():
    assert states("daily")["No unusual spikes or drops"] == "manual"
    assert (
        states("daily", days=(a_day("2025-03-06", requests="unknown"),))["No unusual spikes or drops"] == "manual"
    )
    assert states("day1", reading("tickets_total", 4))["Support tickets normal volume"] == "manual"
    assert states("day1", reading("tickets_total", 4, trend="flat"))["Support tickets normal volume"] == "done"


def test_what_nobody_used_is_not_shown_to_work():
    assert states("day1", reading("portal_logins", 0))["Users can login successfully"] == "manual"
    assert states("day1", reading("portal_logins", 3))["Users can login successfully"] == "done"


def test_every_box_names_what_decided_it_or_is_left_to_a_person():
    """No box of any phase is ticked or failed by nothing."""
    seen = [reading(n, 1, Status.PASS, trend="flat") for box in sum(BOXES.values(), ()) for n in box.readings]
    for phase in PHASES:
        for row in checklist(phase, seen, a_site(), findings=(), days=(a_day("2025-03-06"),)):
            assert (row["reading"] is None) == (row["reason"] == "a person decides"), row
            assert row["reading"] is not None or row["state"] == "manual", row


def test_rule_22_no_reading_ticks_a_box_of_work_that_people_do() -> None:
    """Cache hits of 99.9 % pass, and nobody has put in a cache."""
    hits = Measurement(State.MEASURED, 99.9)
    passed = Reading(
        "db_cache_hit_pct",
        "Cache hits",
        "%",
        section="database",
        status=Status.PASS,
        target=">= 99",
        measurement=hits,
    )
    rows = checklist(phase_named("weekly-review"), [passed], a_site())
    (cache,) = [row for row in rows if row["box"].startswith("Implement additional caching")]
    assert (cache["state"], cache["reason"]) == ("manual", "Cache hits: 99.9 %, within its target")


def test_a_spike_that_is_over_is_a_spike_all_the_same() -> None:
    """0.5 % over a week passes, and for an hour of it more than a third of the requests failed."""
    spike = {"reading": "error_rate_pct", "minutes": 60.0}
    for rows, state in (((), "done"), ((spike,), "failed"), (({**spike, "reading": "app_up"},), "done")):
        week = checklist(
            phase_named("week1"), [reading("error_rate_pct", 0.5, Status.PASS)], a_site(), incidents=rows
        )
        (box,) = (row for row in week if row["box"] == "No spike in errors")
        assert box["state"] == state


def proven(what: str, state: str, *readings: Reading, vendor: str = "stripe") -> dict[str, tuple[str, Any]]:
    """State and reason of each box of the first hour after one thing that a probe looked at."""
    probes = [{"vendor": vendor, "what": what, "state": state, "evidence": "pi_1"}]
    rows = checklist(phase_named("hour1"), readings, a_site(), probes=probes)
    return {row["box"]: (row["state"], row["reason"]) for row in rows}


def test_a_probe_of_the_deployment_ticks_the_box_that_it_proves_and_no_other():
    """The guide's own commands: a test payment whose webhook arrives, a test SMS, a test e-mail."""
    paid, text, mail = (
        "Stripe: Test payment processed",
        "Twilio: Test SMS delivered",
        "Resend: Test email delivered",
    )
    found = proven("payment", "worked")
    assert found[paid] == ("done", "payment worked: pi_1")
    assert found[text] == found[mail] == found["Webhooks receiving events"] == ("manual", "a person decides")
    assert proven("message", "worked", vendor="twilio")[text][0] == "done"
    assert proven("e-mail", "worked", vendor="resend")[mail][0] == "done"
    assert proven("webhook", "worked")["Webhooks receiving events"][0] == "done"


def test_a_probe_that_failed_is_not_ticked_and_one_of_which_nothing_is_known_is_left_to_a_person():
    paid = "Stripe: Test payment processed"
    assert proven("payment", "failed")[paid] == ("failed", "payment failed: pi_1")
    assert proven("payment", "not known")[paid] == ("manual", "payment not known: pi_1")
    assert proven("stripe", "not known")[paid] == ("manual", "stripe not known: pi_1")


def test_a_webhook_that_arrived_does_not_tick_what_a_reading_forbids():
    pending = reading("webhooks_pending", 40, Status.FAIL)
    assert proven("webhook", "worked", pending)["Webhooks receiving events"][0] == "failed"


def a_finding(reading: str, title: str) -> Finding:
    return Finding(reading, title, Priority.P1, reading, evidence="", action="", becomes_green="")


def test_room_for_connections_does_not_make_them_stable():
    """A third of the pool is in use, and the database refuses connections."""
    room = reading("db_connections_pct", 38.3, Status.PASS)
    refused = reading("db_connection_errors", 3, Status.FAIL)
    assert states("hour1", room, refused)["Database connections stable"] == "failed"
    calm = (reading("db_connection_errors", 0, Status.PASS), reading("db_connections_refused", 0, Status.PASS))
    assert states("hour1", room, *calm)["Database connections stable"] == "done"


def test_one_integration_with_issues_is_an_integration_error():
    well = [reading(f"integration_{name}", "OPERATIONAL", Status.PASS) for name in ("stripe", "twilio", "resend")]
    ill = reading("integration_supabase", "ISSUES", Status.FAIL)
    assert states("hour1", *well)["No integration errors in logs"] == "done"
    assert states("hour1", *well, ill)["No integration errors in logs"] == "failed"
    assert states("daily", *well, ill)["Integration health good"] == "failed"


def said_by(witness: Witness, said: str, *readings: Reading) -> dict[str, tuple[str, Any]]:
    rows = checklist(phase_named("hour1"), readings, a_site(), witnesses={witness: said})
    return {row["box"]: (row["state"], row["reason"]) for row in rows}


def test_errors_in_a_vendors_log_and_an_endpoint_that_is_off_are_seen_though_all_readings_pass():
    stripe = reading("integration_stripe", "OPERATIONAL", Status.PASS)
    found = said_by(Witness.RECORDED, "Twilio recorded 3 errors", stripe)
    assert found["No integration errors in logs"] == ("failed", "Twilio recorded 3 errors")
    none_waits = reading("webhooks_pending", 0, Status.PASS, samples=40)
    found = said_by(Witness.WEBHOOKS, "webhook /api/stripe is disabled", none_waits)
    assert found["Webhooks receiving events"] == ("failed", "webhook /api/stripe is disabled")


def test_no_event_at_all_is_no_event_received():
    box = "Webhooks receiving events"
    assert states("hour1", reading("webhooks_pending", 0, Status.PASS, samples=0))[box] == "manual"
    assert states("hour1", reading("webhooks_pending", 0, Status.PASS, samples=7))[box] == "done"


def test_what_was_not_held_against_its_limit_is_not_ticked():
    """Of three text messages none was lost; the guide's limit takes more of them."""
    few = replace(reading("sms_failed_pct", 0.0), target="<= 2", reason="too few messages: 3")
    well = reading("integration_twilio", "OPERATIONAL", Status.PASS)
    assert states("daily", well, few)["Twilio: No delivery failures"] == "manual"
    assert states("daily", well, replace(few, status=Status.PASS))["Twilio: No delivery failures"] == "done"


def test_what_was_measured_of_half_a_window_says_nothing_of_the_window():
    box = "CPU usage: <70%"
    assert states("daily", reading("db_cpu_pct", 20.0, Status.PASS, coverage_pct=100.0))[box] == "done"
    assert states("daily", reading("db_cpu_pct", 20.0, Status.PASS, coverage_pct=50.0))[box] == "manual"
    # A count of none is of every moment: two hours of a day that nobody probed may have had an outage.
    unseen = reading("downtime_events", 0, coverage_pct=100 * 22 / 24)
    assert states("daily", unseen)["No overnight outages"] == "manual"


def test_a_bundle_below_its_limit_that_grew_is_not_unchanged():
    box = "Bundle size unchanged (<300KB)"
    assert states("day1", reading("bundle_size_kb", 290.0, Status.PASS, trend="up"))[box] == "failed"
    assert states("day1", reading("bundle_size_kb", 187.0, Status.PASS, trend="unknown"))[box] == "manual"
    assert states("day1", reading("bundle_size_kb", 187.0, Status.PASS, trend="flat"))[box] == "done"


def test_jobs_that_failed_ran_late_or_never_ran_were_not_executed_on_schedule():
    missed, failed = reading("cron_runs_missed", 0, Status.PASS), reading("cron_runs_failed", 2, Status.FAIL)
    assert states("daily", missed, failed)["All jobs executed successfully"] == "failed"
    late, on_time = reading("cron_runs_late", 3), "All cron jobs executed on schedule"
    assert states("day1", missed, late)[on_time] == "failed"
    assert states("day1", missed, reading("cron_runs_late", 0))[on_time] == "done"
    never = a_finding("cron_runs_expected", "send-invoices never logged a run")
    assert states("day1", missed, findings=(never,))[on_time] == "failed"


def test_nobody_logs_in_or_works_while_the_application_is_down():
    down, logins = reading("app_up", False, Status.FAIL), reading("portal_logins", 30)
    boxes = states("day1", down, logins, reading("feature_orders", 9))
    for box in ("Users can login successfully", "Core workflows working (create opportunity, etc.)"):
        assert boxes[box] == "failed"
    up = reading("app_up", True, Status.PASS)
    assert states("day1", up, logins)["Customer portal accessible"] == "done"
    assert states("day1", up, reading("portal_logins", 0))["Customer portal accessible"] == "manual"


def test_a_statement_that_became_slow_is_no_acceptable_performance():
    slower = a_finding("db_slow_queries", "Slower since the deployment: SELECT 1")
    fast = (reading("query_lookup_ms", 2.0, Status.PASS), reading("db_slow_queries", 0, Status.PASS))
    assert states("hour1", *fast)["Query performance acceptable"] == "done"
    assert states("hour1", *fast, findings=(slower,))["Query performance acceptable"] == "failed"


def test_a_customer_who_cannot_get_in_complains_too():
    bugs, access = reading("tickets_bug", 0), reading("tickets_access", 2)
    assert states("day1", bugs, access)["No complaints from users"] == "failed"
    assert states("day1", bugs, reading("tickets_access", 0))["No complaints from users"] == "done"


def test_a_limit_that_is_broken_now_forbids_a_tick_though_the_week_passes():
    """Twelve times the traffic of an hour is twice that of the week, and not above it."""
    week = reading("requests_per_min_avg", 22.2, Status.PASS)
    now = a_finding("requests_per_min_avg", "Requests per minute: 418 in the last 60 min")
    assert states("week1", week)["Traffic patterns normal"] == "done"
    assert states("week1", week, findings=(now,))["Traffic patterns normal"] == "failed"
    assert states("week1", week, findings=(replace(now, active=False),))["Traffic patterns normal"] == "done"


def test_emails_that_bounce_now_are_no_good_health_of_integrations():
    well = reading("integration_resend", "OPERATIONAL", Status.PASS)
    bounced = a_finding("email_bounce_pct", "Emails bounced: 7.41 % in the last 12 h")
    assert states("week1", well)["Integration health good"] == "done"
    assert states("week1", well, findings=(bounced,))["Integration health good"] == "failed"


def a_box(phase: str, name: str, *readings: Reading, **more: Any) -> tuple[str, str]:
    """The state of a box and why."""
    rows = checklist(phase_named(phase), readings, a_site(), **more)
    return next((row["state"], row["reason"]) for row in rows if row["box"] == name)


def test_rule_2_a_rate_of_too_few_fails_no_box():
    """One of 494 is 0.2 %, and the site's limit is 0.5 %."""
    few = replace(reading("error_rate_pct", 0.2, Status.WARN), unit="%", reason="too few requests", unsure=True)
    told = Finding(
        "error_rate_pct",
        "Error rate so far 0.2 %",
        Priority.P2,
        reading="error_rate_pct",
        evidence="",
        action="",
        becomes_green="",
    )
    calm = (a_day("2025-03-05"), a_day("2025-03-06"))
    for name in ("No spike in errors", "Error rate: <0.5%"):
        assert a_box("daily", name, few, findings=(told,)) == ("manual", "0.2 %: too few requests")
    stable = states("daily", few, findings=(told,), days=calm)["Metrics stable or improving"]
    assert stable == "done"


def test_a_feature_of_which_nothing_is_seen_is_not_said_to_be_in_use():
    """One day without a use tells nothing of a feature that is used once a week."""
    assert states("daily", reading("feature_orders", 4))["No abandoned features"] == "done"
    unused = a_box("daily", "No abandoned features", reading("feature_orders", 4), reading("feature_sales", 0))
    assert unused == ("manual", "feature_sales: none in the window")


def test_a_reason_says_what_it_is_about():
    """A box of several readings tells which one, and what could not be read whose answer is missing."""
    hits = replace(reading("db_cache_hit_pct", None, Status.UNKNOWN), title="Cache hits", reason="only 9 blocks")
    busy = replace(reading("db_cpu_pct", 90.0, Status.FAIL), title="CPU, average", unit="%", reason="9 is above 8")
    assert a_box("daily", "Database health good", hits) == ("manual", "Cache hits: only 9 blocks")
    assert a_box("daily", "Database health good", busy) == ("failed", "CPU, average 90 %: 9 is above 8")
    assert a_box("daily", "CPU usage: <70%", busy) == ("failed", "90 %: 9 is above 8")
    ill = replace(
        reading("integration_resend", "ISSUES", Status.FAIL), title="Resend", reason="6.9 % bounced (6 of 87)"
    )
    assert a_box("daily", "Integration health good", ill) == ("failed", "Resend: 6.9 % bounced (6 of 87)")
    refused = Measurement(State.ERROR, None, source="sentry")
    lost = replace(reading("issues_critical", None, Status.UNKNOWN), measurement=refused, reason="503: down")
    assert a_box("daily", "No critical errors in Sentry", lost) == ("manual", "Sentry: 503: down")


def test_days_that_cannot_be_compared_are_told_together():
    days = (a_day("2025-03-08", latency_p95_ms="unknown"), a_day("2025-03-09", latency_p95_ms="unknown"))
    said = a_box("daily", "No concerning trends (rising errors, response times)", days=days)
    assert said == ("manual", "Response time p95: too little to compare Sat 8 Mar and Sun 9 Mar with")


def test_a_moment_of_downtime_is_no_0_min():
    moment = {"reading": "app_up", "minutes": 0.2, "start": "", "end": None}
    days = (a_day("2025-03-05"),)
    said = a_box("daily", "No unusual spikes or drops", days=days, incidents=(moment,))
    assert said == ("failed", "down for less than a minute")
