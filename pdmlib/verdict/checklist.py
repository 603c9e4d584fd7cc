"""The guide's checklists, and which readings tick which box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pdmlib.frames.readings import Finding, Reading, Status
from pdmlib.site.site import Site

Box = tuple[str, str, tuple[str, ...]]
EACH_FEATURE = "one box for each feature of the site's day grid"
# Counts without a limit of their own: a box that says "No .." is only ticked at zero.
NONE_OF = ("issues_recurring", "downtime_events", "tickets_bug", "errors_total")
# Boxes that the trend of a reading decides, and the trend that forbids to tick them.
STEADY = {
    "Support tickets normal volume": "up",
    "No unusual drop in activity": "down",
    "Usage growing or stable": "down",
}
# Boxes that the days decide: readings, the trends that forbid to tick them, on how many of the newest whole days.
DAYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "Metrics stable or improving": (("error_rate_pct", "latency_avg_ms", "latency_p95_ms"), ("up",), 1),
    "No concerning trends (rising errors, response times)": (("error_rate_pct", "latency_p95_ms"), ("up",), 2),
    "No unusual spikes or drops": (("requests_total",), ("up", "down"), 1),
}
# Boxes that nothing ticks where nothing happened; so is that of a feature.
USED = (
    "Users can login successfully",
    "Core workflows working (create opportunity, etc.)",
    "Features being used",
)

HOUR1: tuple[Box, ...] = (
    ("System Health Check", "Application accessible at production URL", ("app_up",)),
    ("System Health Check", "Health endpoint returning 200 OK", ("health_ok",)),
    ("System Health Check", "No 500 errors in Sentry", ("errors_total",)),
    ("System Health Check", "Response times < 1s (p95)", ("latency_p95_ms",)),
    ("System Health Check", "No deployment errors in Vercel logs", ("deploy_errors",)),
    ("Error Monitoring", "Error rate < 0.5%", ("error_rate_pct",)),
    ("Error Monitoring", "No new critical/fatal errors", ("issues_critical",)),
    ("Error Monitoring", "No recurring error patterns", ("issues_recurring",)),
    ("Error Monitoring", "No security-related errors", ("issues_security",)),
    ("Database Health", "Database connections stable", ("db_connections_pct",)),
    ("Database Health", "CPU usage < 70%", ("db_cpu_pct",)),
    ("Database Health", "Memory usage < 80%", ("db_memory_pct",)),
    ("Database Health", "No connection errors", ("db_connection_errors",)),
    ("Database Health", "Query performance acceptable", ("query_*", "db_slow_queries")),
    ("Integration Health", "Stripe: Test payment processed", ()),
    ("Integration Health", "Twilio: Test SMS delivered", ()),
    ("Integration Health", "Resend: Test email delivered", ()),
    ("Integration Health", "Webhooks receiving events", ("webhooks_pending",)),
    (
        "Integration Health",
        "No integration errors in logs",
        ("integration_stripe", "integration_twilio", "integration_resend"),
    ),
)
DAY1: tuple[Box, ...] = (
    (
        "Performance Metrics",
        "Response times within targets",
        ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"),
    ),
    ("Performance Metrics", "No timeouts (30s+)", ("timeouts",)),
    ("Performance Metrics", "No memory issues", ("memory_limit_hits",)),
    ("Performance Metrics", "No CPU throttling", ()),
    ("Performance Metrics", "Bundle size unchanged (<300KB)", ("bundle_size_kb",)),
    ("Cron Job Monitoring", "All cron jobs executed on schedule", ("cron_runs_missed", "cron_runs_late")),
    ("Cron Job Monitoring", "No cron job failures", ("cron_runs_failed",)),
    ("Cron Job Monitoring", "Execution times acceptable", ("cron_runs_failed", "cron_avg_seconds")),
    ("Cron Job Monitoring", "Results as expected (data processed correctly)", ()),
    ("User Activity Monitoring", "Users can login successfully", ("portal_logins",)),
    ("User Activity Monitoring", "Core workflows working (create opportunity, etc.)", ("feature_*",)),
    ("User Activity Monitoring", "No unusual drop in activity", ("unique_users", "page_views")),
    ("User Activity Monitoring", "No complaints from users", ("tickets_bug",)),
    ("User Activity Monitoring", "Support tickets normal volume", ("tickets_total",)),
    ("Feature Usage Tracking", EACH_FEATURE, ()),
    ("Feature Usage Tracking", "Customer portal accessible", ("app_up",)),
    ("Feature Usage Tracking", "Analytics dashboards loading", ()),
)
OVERNIGHT: tuple[Box, ...] = (
    ("Overnight Health Check", "No overnight outages", ("downtime_events",)),
    ("Overnight Health Check", "No spike in errors", ("error_rate_pct",)),
    ("Overnight Health Check", "Cron jobs executed successfully", ("cron_runs_failed", "cron_runs_missed")),
    ("Overnight Health Check", "Database health good", ("db_cpu_pct", "db_memory_pct", "db_connection_errors")),
    (
        "Overnight Health Check",
        "Integration health good",
        ("integration_stripe", "integration_twilio", "integration_resend", "integration_supabase"),
    ),
    ("Daily Metrics Review", "Metrics stable or improving", ()),
    ("Daily Metrics Review", "No concerning trends (rising errors, response times)", ()),
    ("Daily Metrics Review", "Traffic patterns normal", ("requests_per_min_avg",)),
    ("Daily Metrics Review", "No unusual spikes or drops", ()),
    ("Feature Adoption Tracking", "Features being used", ("feature_*",)),
    ("Feature Adoption Tracking", "Usage growing or stable", ("feature_*",)),
    ("Feature Adoption Tracking", "No abandoned features", ("feature_*",)),
    ("Feature Adoption Tracking", "User feedback positive or neutral", ("support_rating",)),
    ("Support Ticket Review", "Review all new support tickets", ()),
    ("Support Ticket Review", "Identify deployment-related issues", ()),
    ("Support Ticket Review", "Track recurring problems", ()),
    ("Support Ticket Review", "Respond to critical tickets", ()),
)
DAILY: tuple[Box, ...] = (
    ("System Health", "Health endpoint: OK", ("health_ok",)),
    ("System Health", "Error rate: <0.5%", ("error_rate_pct",)),
    ("System Health", "Response time p95: <1s", ("latency_p95_ms",)),
    ("System Health", "No critical errors in Sentry", ("issues_critical",)),
    ("Database", "CPU usage: <70%", ("db_cpu_pct",)),
    ("Database", "Memory usage: <80%", ("db_memory_pct",)),
    ("Database", "No connection issues", ("db_connection_errors",)),
    ("Database", "No slow queries (>100ms)", ("db_slow_queries",)),
    ("Integrations", "Stripe: No errors", ("integration_stripe", "payment_failures")),
    ("Integrations", "Twilio: No delivery failures", ("integration_twilio", "sms_failed_pct")),
    ("Integrations", "Resend: No bounce rate spikes", ("integration_resend", "email_bounce_pct")),
    ("Cron Jobs", "All jobs executed successfully", ("cron_runs_missed",)),
    ("Cron Jobs", "No failures in last 24 hours", ("cron_runs_failed",)),
    ("Feature Usage", EACH_FEATURE, ()),
    ("Support", "Reviewed new tickets", ()),
    ("Support", "No deployment-related issues", ()),
    ("Support", "All critical tickets addressed", ()),
)
WEEKLY: tuple[Box, ...] = (
    ("Week 2: Performance Optimization", "Optimize slow database queries", ("db_slow_queries",)),
    ("Week 2: Performance Optimization", "Review and optimize API endpoints", ("latency_p95_ms",)),
    ("Week 2: Performance Optimization", "Check bundle size and optimize if needed", ("bundle_size_kb",)),
    ("Week 2: Performance Optimization", "Implement additional caching if beneficial", ("db_cache_hit_pct",)),
    ("Week 3: Feature Refinement", "Analyze feature adoption", ("feature_*",)),
    ("Week 3: Feature Refinement", "Gather user feedback on new features", ()),
    ("Week 3: Feature Refinement", "Identify UX improvements", ()),
    ("Week 3: Feature Refinement", "Plan feature enhancements", ()),
    ("Week 4: Stability & Planning", "Month 1 comprehensive review", ()),
    ("Week 4: Stability & Planning", "Capacity planning for growth", ("db_storage_pct", "db_connections_pct")),
    ("Week 4: Stability & Planning", "Roadmap planning", ()),
    ("Week 4: Stability & Planning", "Documentation updates", ()),
)

BOXES: dict[str, tuple[Box, ...]] = {
    "hour1": HOUR1,
    "day1": DAY1,
    "daily": OVERNIGHT + DAILY,
    "week1": OVERNIGHT,
    "weekly-review": WEEKLY,
    "month1": WEEKLY,
    "ongoing": DAILY + WEEKLY,
}


def checklist(
    phase: str,
    readings: Iterable[Reading],
    site: Site,
    findings: Iterable[Finding] = (),
    days: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Rows of the phase's checklist: section, box, state done, failed or manual, and what decided it.

    Args:
        days: rows of the table `daily`.
    """
    known = {reading.id: reading for reading in readings}
    found = {finding.reading: finding.title for finding in findings if finding.active}
    whole = [row for row in days if row["complete"]]
    boxes = [box for row in BOXES.get(phase, ()) for box in _expanded(row, site)]
    return [
        {"section": section, "box": box}
        | (_by_days(box, whole, found) if box in DAYS else _state(box, _deciding(names, known), found))
        for section, box, names in boxes
    ]


def _expanded(row: Box, site: Site) -> list[Box]:
    section, text, _ = row
    if text != EACH_FEATURE:
        return [row]
    return [(section, feature.title, (f"feature_{feature.name}",)) for feature in site.features if feature.grid]


def _deciding(names: tuple[str, ...], known: dict[str, Reading]) -> list[Reading]:
    found: list[Reading] = []
    for name in names:
        if name.endswith("*"):
            found += [reading for key, reading in known.items() if key.startswith(name[:-1])]
        elif name in known:
            found.append(known[name])
    return found


def _state(box: str, readings: list[Reading], found: Mapping[str, str]) -> dict[str, Any]:
    """State of a box that readings decide, the one that decided it, and why it is not ticked."""
    if not readings:
        return {"state": "manual", "reading": None, "reason": "a person decides"}
    failed = [(r, why) for r in readings if (why := _against(box, r, found))]
    unsure = [(r, why) for r in readings if (why := _unsure(box, r))]
    state = "failed" if failed else "manual" if unsure else "done"
    decided, reason = next(iter(failed or unsure), (readings[0], None))
    return {"state": state, "reading": decided.id, "reason": reason}


def _against(box: str, reading: Reading, found: Mapping[str, str]) -> str | None:
    """Why a reading forbids to tick a box; None when it does not."""
    if reading.status in (Status.FAIL, Status.WARN):
        return reading.reason or reading.title
    if reading.status is Status.UNKNOWN:
        return None
    if reading.id in NONE_OF and box.startswith("No ") and reading.value:
        return f"{reading.title}: {reading.value}"
    if reading.measurement.trend == STEADY.get(box, "none"):
        return f"{reading.title}: {reading.measurement.trend} against before"
    unjudged = reading.status is Status.INFO or reading.id.startswith("feature_")
    return found.get(reading.id) if unjudged else None


def _unsure(box: str, reading: Reading) -> str | None:
    """Why a reading leaves a box to a person; None when it does not."""
    if reading.status is Status.UNKNOWN:
        return reading.reason or f"{reading.title} is not known"
    if box in STEADY and reading.measurement.trend == "unknown":
        return f"{reading.title}: {reading.value}; too little to say what is usual"
    used = box in USED or box == reading.title
    return f"{reading.title}: none in the window" if used and not reading.value else None


def _by_days(box: str, whole: list[Mapping[str, Any]], found: Mapping[str, str]) -> dict[str, Any]:
    """State of a box that the newest whole days decide: failed where a trend was bad on all of them."""
    names, bad, newest = DAYS[box]
    days = whole[-newest:]
    trends = {name: [row[f"{name.removesuffix('_total')}_trend"] for row in days] for name in names}
    said = {n: ", ".join(f"{d['date']} {t}" for d, t in zip(days, trends[n], strict=True)) for n in names}
    failed = [(n, said[n]) for n in names if days and set(trends[n]) <= set(bad)]
    failed += [(n, found[n]) for n in names if n in found]
    unsure = [(n, said[n] or "no day is over yet") for n in names if not days or "unknown" in trends[n]]
    decided, reason = next(iter(failed or unsure), (names[0], None))
    return {"state": "failed" if failed else "manual" if unsure else "done", "reading": decided, "reason": reason}
