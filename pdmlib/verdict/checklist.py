"""The guide's checklists: a box a row, with the readings that tick it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.limits import in_force, target_edge
from pdmlib.frames.readings import Finding, Reading, State, Status, Trend, amount, aside, counted_title
from pdmlib.frames.states import Proof
from pdmlib.phases.phase import Checklist, Phase
from pdmlib.phases.window import spoken_day
from pdmlib.site.site import Site
from pdmlib.verdict.status import MOST_PCT, WHOLE_PCT
from pdmlib.verdict.symptoms import called


class BoxState(StrEnum):
    """What became of a box."""

    DONE = "done"
    FAILED = "failed"
    MANUAL = "manual"  # a person decides


class Witness(StrEnum):
    """What a vendor or the platform says beside the readings, by which a box is not ticked."""

    WEBHOOKS = "webhooks"  # endpoints for events that are switched off
    RECORDED = "recorded"  # errors of the window in the vendors' own logs


@dataclass(frozen=True)
class Days:
    """How the newest whole days decide a box.

    Attributes:
        bad: trends that forbid to tick it when each of those days has one of them.
        newest: how many whole days are looked at.
    """

    bad: tuple[Trend, ...]
    newest: int = 1


@dataclass(frozen=True)
class Box:
    """A box of the guide, and what ticks it. Without a reading a person decides.

    Attributes:
        text: in the guide's words; `{limit}` is the limit in force of the first reading, `{seconds}` the same
            limit of a time in ms.
        readings: ids of the readings that decide; one that ends in `*` stands for all that begin so.
        none: ticked at zero only, for a count that has no limit of its own.
        told: ids of readings whose active findings forbid to tick it, whatever their values are.
        witness: a name of `Witness`, of what the readings do not tell.
        steady: the trend of a reading that forbids to tick it.
        by_days: decided by the newest whole days instead of the whole window.
        used: not ticked where nothing happened.
        counted: not ticked where nothing was counted by which its readings could be wrong.
        at_no_time: not ticked either where an incident that is over broke the limit for a while.
        work: something that people do: its readings are told beside it, and none of them ticks it.
        each_feature: stands for one box for each feature of the site's day grid.
        proof: a vendor, and what of it a probe with a side effect looks at, which ticks the box, too.
    """

    section: str
    text: str = ""
    readings: tuple[str, ...] = ()
    none: bool = False
    told: tuple[str, ...] = ()
    witness: Witness | None = None
    steady: Trend | None = None
    by_days: Days | None = None
    used: bool = False
    counted: bool = False
    at_no_time: bool = False
    each_feature: bool = False
    work: bool = False
    proof: tuple[str, str] | None = None


MS_PER_S = 1000
CONNECTIONS = ("db_connection_errors", "db_connections_refused")
DATABASE = (
    "db_cpu_pct",
    "db_memory_pct",
    "db_connections_pct",
    *CONNECTIONS,
    "db_storage_pct",
    "db_cache_hit_pct",
    "db_slow_queries",
)
EXCHANGED = (  # with the integrations, by which they are told to work
    "payment_failures",
    "payments_declined_pct",
    "webhooks_pending",
    "sms_failed_pct",
    "email_bounce_pct",
    "email_failed_pct",
)
JOBS = ("cron_jobs_expected", "cron_runs_expected")  # by which jobs are told that fail unlisted or never ran

FIRST_HOUR: tuple[Box, ...] = (
    Box("System Health Check", "Application accessible at production URL", ("app_up",)),
    Box("System Health Check", "Health endpoint returning 200 OK", ("health_ok",), told=("health_ok",)),
    Box("System Health Check", "No 500 errors in Sentry", ("errors_total",), none=True),
    Box("System Health Check", "Response times < {seconds:g}s (p95)", ("latency_p95_ms",)),
    Box("System Health Check", "No deployment errors in Vercel logs", ("deploy_errors",)),
    Box("Error Monitoring", "Error rate < {limit:g}%", ("error_rate_pct",)),
    Box("Error Monitoring", "No new critical/fatal errors", ("issues_critical",)),
    Box("Error Monitoring", "No recurring error patterns", ("issues_recurring",), none=True),
    Box("Error Monitoring", "No security-related errors", ("issues_security",)),
    Box("Database Health", "Database connections stable", ("db_connections_pct", *CONNECTIONS)),
    Box("Database Health", "CPU usage < {limit:g}%", ("db_cpu_pct",)),
    Box("Database Health", "Memory usage < {limit:g}%", ("db_memory_pct",)),
    Box("Database Health", "No connection errors", CONNECTIONS),
    Box(
        "Database Health",
        "Query performance acceptable",
        ("query_*", "db_slow_queries"),
        told=("db_slow_queries",),
    ),
    Box("Integration Health", "Stripe: Test payment processed", proof=("stripe", "payment")),
    Box("Integration Health", "Twilio: Test SMS delivered", proof=("twilio", "message")),
    Box("Integration Health", "Resend: Test email delivered", proof=("resend", "e-mail")),
    Box(
        "Integration Health",
        "Webhooks receiving events",
        ("webhooks_pending",),
        witness=Witness.WEBHOOKS,
        counted=True,
        proof=("stripe", "webhook"),
    ),
    Box(
        "Integration Health",
        "No integration errors in logs",
        ("integration_*",),
        told=EXCHANGED,
        witness=Witness.RECORDED,
    ),
)
FIRST_DAY: tuple[Box, ...] = (
    Box(
        "Performance Metrics",
        "Response times within targets",
        ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms"),
    ),
    Box("Performance Metrics", "No timeouts (30s+)", ("timeouts",)),
    Box("Performance Metrics", "No memory issues", ("memory_limit_hits", "db_memory_pct")),
    Box("Performance Metrics", "No CPU throttling"),
    Box(
        "Performance Metrics",
        "Bundle size unchanged (<{limit:g}KB)",
        ("bundle_size_kb",),
        steady=Trend.UP,
    ),
    Box(
        "Cron Job Monitoring",
        "All cron jobs executed on schedule",
        ("cron_runs_missed", "cron_runs_late"),
        none=True,
        told=JOBS,
    ),
    Box("Cron Job Monitoring", "No cron job failures", ("cron_runs_failed",), told=JOBS[:1]),
    Box(
        "Cron Job Monitoring",
        "Execution times acceptable",
        ("cron_runs_failed", "cron_avg_seconds"),
        told=JOBS[:1],
    ),
    Box("Cron Job Monitoring", "Results as expected (data processed correctly)"),
    Box(
        "User Activity Monitoring",
        "Users can login successfully",
        ("app_up", "portal_logins"),
        used=True,
        steady=Trend.DOWN,
    ),
    Box(
        "User Activity Monitoring",
        "Core workflows working (create opportunity, etc.)",
        ("app_up", "feature_*"),
        used=True,
    ),
    Box(
        "User Activity Monitoring",
        "No unusual drop in activity",
        ("unique_users", "page_views"),
        steady=Trend.DOWN,
    ),
    Box(
        "User Activity Monitoring",
        "No complaints from users",
        ("tickets_bug", "tickets_access", "tickets_performance"),
        none=True,
    ),
    Box("User Activity Monitoring", "Support tickets normal volume", ("tickets_total",), steady=Trend.UP),
    Box("Feature Usage Tracking", each_feature=True),
    Box("Feature Usage Tracking", "Customer portal accessible", ("app_up", "portal_logins"), used=True),
    Box("Feature Usage Tracking", "Analytics dashboards loading"),
)
OVERNIGHT: tuple[Box, ...] = (
    Box("Overnight Health Check", "No overnight outages", ("downtime_events",), none=True, told=("app_up",)),
    Box(
        "Overnight Health Check",
        "No spike in errors",
        ("error_rate_pct",),
        at_no_time=True,
        told=("error_rate_pct",),
    ),
    Box(
        "Overnight Health Check",
        "Cron jobs executed successfully",
        ("cron_runs_failed", "cron_runs_missed"),
        told=JOBS,
    ),
    Box("Overnight Health Check", "Database health good", DATABASE, told=("db_slow_queries",)),
    Box("Overnight Health Check", "Integration health good", ("integration_*",), told=EXCHANGED),
    Box(
        "Daily Metrics Review",
        "Metrics stable or improving",
        ("error_rate_pct", "latency_avg_ms", "latency_p95_ms"),
        by_days=Days((Trend.UP,)),
    ),
    Box(
        "Daily Metrics Review",
        "No concerning trends (rising errors, response times)",
        ("error_rate_pct", "latency_p95_ms"),
        by_days=Days((Trend.UP,), newest=2),
    ),
    Box("Daily Metrics Review", "Traffic patterns normal", ("requests_per_min_avg",)),
    Box(
        "Daily Metrics Review",
        "No unusual spikes or drops",
        ("requests_total",),
        by_days=Days((Trend.UP, Trend.DOWN)),
        told=("app_up", "requests_per_min_avg"),
    ),
    Box("Feature Adoption Tracking", "Features being used", ("feature_*",), used=True),
    Box("Feature Adoption Tracking", "Usage growing or stable", ("feature_*",), steady=Trend.DOWN),
    Box("Feature Adoption Tracking", "No abandoned features", ("feature_*",), used=True),
    Box("Feature Adoption Tracking", "User feedback positive or neutral", ("support_rating",)),
    Box("Support Ticket Review", "Review all new support tickets"),
    Box("Support Ticket Review", "Identify deployment-related issues"),
    Box("Support Ticket Review", "Track recurring problems"),
    Box("Support Ticket Review", "Respond to critical tickets"),
)
EVERY_DAY: tuple[Box, ...] = (
    Box("System Health", "Health endpoint: OK", ("health_ok",), told=("health_ok",)),
    Box("System Health", "Error rate: <{limit:g}%", ("error_rate_pct",)),
    Box("System Health", "Response time p95: <{seconds:g}s", ("latency_p95_ms",)),
    Box("System Health", "No critical errors in Sentry", ("issues_critical",)),
    Box("Database", "CPU usage: <{limit:g}%", ("db_cpu_pct",)),
    Box("Database", "Memory usage: <{limit:g}%", ("db_memory_pct",)),
    Box("Database", "No connection issues", CONNECTIONS),
    Box("Database", "No slow queries (>100ms)", ("db_slow_queries",)),
    Box("Integrations", "Stripe: No errors", ("integration_stripe", "payment_failures")),
    Box("Integrations", "Twilio: No delivery failures", ("integration_twilio", "sms_failed_pct")),
    Box("Integrations", "Resend: No bounce rate spikes", ("integration_resend", "email_bounce_pct")),
    Box("Cron Jobs", "All jobs executed successfully", ("cron_runs_missed", "cron_runs_failed"), told=JOBS),
    Box("Cron Jobs", "No failures in last 24 hours", ("cron_runs_failed",), told=JOBS[:1]),
    Box("Feature Usage", each_feature=True),
    Box("Support", "Reviewed new tickets"),
    Box("Support", "No deployment-related issues"),
    Box("Support", "All critical tickets addressed"),
)
WEEKS_2_TO_4: tuple[Box, ...] = (
    Box("Week 2: Performance Optimization", "Optimize slow database queries", ("db_slow_queries",), work=True),
    Box("Week 2: Performance Optimization", "Review and optimize API endpoints", ("latency_p95_ms",), work=True),
    Box(
        "Week 2: Performance Optimization",
        "Check bundle size and optimize if needed",
        ("bundle_size_kb",),
        work=True,
    ),
    Box(
        "Week 2: Performance Optimization",
        "Implement additional caching if beneficial",
        ("db_cache_hit_pct",),
        work=True,
    ),
    Box("Week 3: Feature Refinement", "Analyze feature adoption", ("feature_*",), work=True),
    Box("Week 3: Feature Refinement", "Gather user feedback on new features"),
    Box("Week 3: Feature Refinement", "Identify UX improvements"),
    Box("Week 3: Feature Refinement", "Plan feature enhancements"),
    Box("Week 4: Stability & Planning", "Month 1 comprehensive review"),
    Box(
        "Week 4: Stability & Planning",
        "Capacity planning for growth",
        ("db_storage_pct", "db_connections_pct"),
        work=True,
    ),
    Box("Week 4: Stability & Planning", "Roadmap planning"),
    Box("Week 4: Stability & Planning", "Documentation updates"),
)

BOXES: Mapping[Checklist, tuple[Box, ...]] = {
    Checklist.FIRST_HOUR: FIRST_HOUR,
    Checklist.FIRST_DAY: FIRST_DAY,
    Checklist.OVERNIGHT: OVERNIGHT,
    Checklist.EVERY_DAY: EVERY_DAY,
    Checklist.WEEKS_2_TO_4: WEEKS_2_TO_4,
}


def checklist(
    phase: Phase,
    readings: Iterable[Reading],
    site: Site,
    findings: Iterable[Finding] = (),
    days: Iterable[Mapping[str, Any]] = (),
    incidents: Iterable[Mapping[str, Any]] = (),
    probes: Iterable[Mapping[Any, Any]] = (),
    witnesses: Mapping[Witness, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Rows of the phase's checklist: section, box, state done, failed or manual, and what decided it.

    Args:
        findings: and readings beyond their limits, as findings of their own name.
        days: rows of the table `daily`.
        incidents: rows of the table `incidents`.
        probes: rows of the frame `deployment_probes`.
        witnesses: what each of them says against a box.
    """
    known = {reading.id: reading for reading in readings}
    # What was found of a reading tells more than that it is beyond its limit, so that it is taken where both are.
    unsure = {name for name, reading in known.items() if reading.unsure}
    findings = [f for f in findings if not (f.id == f.reading and f.id in unsure)]
    findings.sort(key=lambda finding: finding.id != finding.reading)
    found = {finding.reading: finding.title for finding in findings if finding.active}
    now = {f.id: f.title for f in findings if f.active and f.id == f.reading}
    spikes = {row["reading"]: _spike(row) for row in incidents}
    whole = [row for row in days if row["complete"]]
    edges = {m.id: target_edge(in_force(m, site, phase.name)) or target_edge(m) for m in all_metrics(site)}
    titles = {m.id: m.title for m in all_metrics(site)}
    rows = [row for each in phase.checklists for row in BOXES[each] if not _is_without(row, site)]
    boxes = [box for row in rows for box in _expanded(row, site)]
    return [
        {"section": box.section, "box": _words(box, edges)}
        | _spoken_against(
            box,
            _by_days(box.by_days, [(n, titles[n]) for n in box.readings], whole, found)
            if box.by_days
            else _proven(
                _state(box, _deciding(box, known), found=spikes if box.at_no_time else found, now=now),
                _proofs(box, probes),
            ),
            {**(spikes if box.by_days else {}), **found},
            witnesses,
        )
        for box in boxes
    ]


def _spike(row: Mapping[str, Any]) -> str:
    what = "down" if row["reading"] == "app_up" else "beyond its limit"
    lasted = f"{row['minutes']:.0f} min of the window" if row["minutes"] >= 1 else "less than a minute"
    return f"{what} for {lasted}"


def _spoken_against(
    box: Box, decided: dict[str, Any], found: Mapping[str, str], witnesses: Mapping[Witness, str]
) -> dict[str, Any]:
    """A box as its readings decide it; not ticked where a finding beside them, or a witness, speaks against it."""
    said = [(name, found[name]) for name in box.told if name in found]
    if box.witness and box.witness in witnesses:
        said.append((box.readings[0], witnesses[box.witness]))
    if decided["state"] == BoxState.FAILED or not said:
        return decided
    return {"state": BoxState.FAILED, "reading": said[0][0], "reason": said[0][1]}


def _proofs(box: Box, probes: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """What probes found of a box; one that could not be sent, or be read again, tells of its vendor alone."""
    return [row for row in probes if box.proof and row["vendor"] == box.proof[0] and row["what"] in box.proof]


def _proven(decided: dict[str, Any], proofs: list[Mapping[Any, Any]]) -> dict[str, Any]:
    """A box as probes decide it: what failed is not ticked, and what worked is, unless a reading forbids it."""
    for state, box in ((Proof.FAILED, BoxState.FAILED), (Proof.WORKED, BoxState.DONE)):
        row = next((row for row in proofs if row["state"] == state), None)
        if row and decided["state"] != BoxState.FAILED:
            return {**decided, "state": box, "reason": f"{row['what']} {state}: {row['evidence']}"}
    if proofs and decided["state"] == BoxState.MANUAL:
        return {**decided, "reason": f"{proofs[0]['what']} {Proof.NOT_KNOWN}: {proofs[0]['evidence']}"}
    return decided


def _is_without(box: Box, site: Site) -> bool:
    """Whether a box is about a vendor that the site does without: the guide's boxes name theirs."""
    words = box.text.replace(":", " ").split()
    return any(name.title() in words for name in site.without)


def _expanded(box: Box, site: Site) -> list[Box]:
    if not box.each_feature:
        return [box]
    features = [feature for feature in site.features if feature.grid]
    return [replace(box, text=f.title, readings=(f"feature_{f.name}",), used=True) for f in features]


def _words(box: Box, edges: Mapping[str, float | None]) -> str:
    """The text with the limit that is in force; a feature's title is nobody's pattern."""
    limit = edges.get(box.readings[0]) if box.readings and not box.each_feature else None
    return box.text if limit is None else box.text.format(limit=limit, seconds=limit / MS_PER_S)


def _deciding(box: Box, known: Mapping[str, Reading]) -> list[Reading]:
    found: list[Reading] = []
    for name in box.readings:
        if name.endswith("*"):
            found += [reading for key, reading in known.items() if key.startswith(name[:-1])]
        elif name in known:
            found.append(known[name])
    return found


def _state(box: Box, readings: list[Reading], found: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Any]:
    """State of a box that readings decide, the one that decided it, and why it is not ticked.

    Args:
        now: readings beyond a limit at present, though that of the whole window may pass.
    """
    if not readings:
        return {"state": BoxState.MANUAL, "reading": None, "reason": "a person decides"}
    if box.work:
        told = "; ".join(_measured(r) for r in readings[:3])
        return {"state": BoxState.MANUAL, "reading": readings[0].id, "reason": told}
    failed = [(r, why) for r in readings if (why := _against(box, r, found) or now.get(r.id))]
    unsure = [(r, why) for r in readings if (why := _unsure(box, r))]
    decided, why = next(iter(failed or unsure), (readings[0], None))
    reason = why and _named(box, decided, why)
    return {"state": _decided(failed, unsure), "reading": decided.id, "reason": reason}


def _named(box: Box, reading: Reading, why: str) -> str:
    """A reason with what it is of, where neither it nor the box says so."""
    source = reading.measurement.source or ""
    unread = reading.measurement.state is State.ERROR and source not in why
    subject = called(source) if unread else reading.title
    alone = len(box.readings) == 1 and not box.readings[0].endswith("*") and not unread
    if alone or subject.lower() in why.lower() or (not unread and subject in box.text):
        return why
    return (
        f"{subject} {why}"
        if why[:1].isdigit() and not (unread or isinstance(reading.value, str))
        else f"{subject}: {why}"
    )


def _measured(reading: Reading) -> str:
    """A reading beside a box that people decide: its value, and how it stands to its target."""
    judged = {
        Status.PASS: ", within its target",
        Status.WARN: ", beyond its target",
        Status.FAIL: ", beyond its limit",
    }
    return f"{reading.title}: {amount(reading.value, reading.unit)}{judged.get(reading.status, '')}"


def _decided(failed: Iterable[Any], unsure: Iterable[Any]) -> BoxState:
    return BoxState.FAILED if failed else BoxState.MANUAL if unsure else BoxState.DONE


def _against(box: Box, reading: Reading, found: Mapping[str, str]) -> str | None:
    """Why a reading forbids to tick a box; None when it does not."""
    if reading.unsure:
        return None
    if reading.status in (Status.FAIL, Status.WARN):
        return (found.get(reading.id) if reading.id.startswith("feature_") else None) or _beyond(reading)
    if reading.status is Status.UNKNOWN:
        return None
    if box.none and reading.value:
        return f"{reading.title}: {amount(reading.value, reading.unit)}"
    if box.steady and reading.measurement.trend == box.steady:
        return f"{reading.title}: {reading.measurement.trend} against before"
    unjudged = box.at_no_time or reading.status is Status.INFO or reading.id.startswith("feature_")
    return found.get(reading.id) if unjudged else None


def _beyond(reading: Reading) -> str:
    """A reading beyond its limit: the reason, behind the value where that is more than a word."""
    if reading.reason is None:
        return f"{reading.title}: {amount(reading.value, reading.unit)}"
    value = amount(reading.value, reading.unit)
    if reading.target == "0" and isinstance(reading.value, int):
        return f"{counted_title(reading.value, reading.title)}{aside(reading.reason)}"
    return reading.reason if value == amount(reading.value) else f"{value}: {reading.reason}"


def _unsure(box: Box, reading: Reading) -> str | None:
    """Why a reading leaves a box to a person; None when it does not."""
    if reading.status is Status.UNKNOWN:
        return reading.reason or f"{reading.title} is not known"
    if reading.unsure and reading.status is Status.WARN:
        return _beyond(reading)
    found = reading.measurement
    if box.used:
        return None if reading.value else f"{reading.title}: none in the window"
    if box.steady and found.trend == Trend.UNKNOWN:
        return f"{reading.title}: {amount(reading.value, reading.unit)}; too little to say what is usual"
    if box.counted and not found.samples:
        return f"{reading.title}: {amount(reading.value)}, but none was seen to arrive"
    if found.coverage_pct is not None and found.coverage_pct < (WHOLE_PCT if box.none else MOST_PCT):
        return f"{reading.title}: {found.coverage_pct:.1f} % of the window was measured"
    return _unjudged(box, reading)


def _unjudged(box: Box, reading: Reading) -> str | None:
    """Why a value that was not held against its target ticks no box: it is too early, or there are too few."""
    if box.none or box.steady or reading.status is not Status.INFO or not reading.target:
        return None
    if reading.id.startswith("feature_"):  # what nobody uses any more is told by a finding
        return None
    return f"{reading.title}: {amount(reading.value, reading.unit)}; {reading.reason or 'too little to judge it'}"


def _told(days: Iterable[str], trends: Iterable[Trend]) -> str:
    """The trend of each day, and together those that cannot be compared."""
    told = [(spoken_day(date.fromisoformat(day)), trend) for day, trend in zip(days, trends, strict=True)]
    known = [f"{day} {trend}" for day, trend in told if trend != Trend.UNKNOWN]
    odd = " and ".join(day for day, trend in told if trend == Trend.UNKNOWN)
    return ", ".join([*known, *([f"too little to compare {odd} with"] if odd else [])])


def _by_days(
    rule: Days, asked: list[tuple[str, str]], whole: list[Mapping[str, Any]], found: Mapping[str, str]
) -> dict[str, Any]:
    """State of a box that the newest whole days decide: failed where a trend was bad on all of them.

    Args:
        asked: id and title of the readings whose trends decide.
    """
    names, days = [name for name, _ in asked], whole[-rule.newest :]
    trends = {name: [row[f"{name.removesuffix('_total')}_trend"] for row in days] for name in names}
    said = {name: f"{title}: {_told([day['date'] for day in days], trends[name])}" for name, title in asked}
    failed = [(n, said[n]) for n in names if days and set(trends[n]) <= set(rule.bad)]
    failed += [(n, found[n]) for n in names if n in found]
    unsure = [
        (n, said[n] if days else "no day is over yet") for n in names if not days or Trend.UNKNOWN in trends[n]
    ]
    decided, reason = next(iter(failed or unsure), (names[0], None))
    return {"state": _decided(failed, unsure), "reading": decided, "reason": reason}
