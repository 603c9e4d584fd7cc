"""The only judge: readings, alerts, status, recommendation and confidence, as one object.

Everything that a report shows is written from a `Verdict`, so that all its files agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pdmlib import stats
from pdmlib.analysis import (
    activity,
    costs,
    cron,
    database,
    deployment,
    features,
    feedback,
    incident,
    integrations,
    issues,
    performance,
    stability,
)
from pdmlib.case import Case
from pdmlib.checklist import checklist
from pdmlib.days import daily
from pdmlib.errors import CallError
from pdmlib.readings import Finding, Limit, Measurement, Metric, Priority, Reading, State, Status, Value
from pdmlib.rivals import rivals as rival_explanations
from pdmlib.routes import routes
from pdmlib.site import SOURCE_NAMES, Site, Step
from pdmlib.window import Window

KEY_READINGS = ("app_up", "error_rate_pct", "latency_p95_ms", "uptime_pct", "sources_read")
DUE = {Priority.P0: timedelta(0), Priority.P1: timedelta(days=1), Priority.P2: timedelta(days=7)}
ORDER = {Priority.P0: 0, Priority.P1: 1, Priority.P2: 2}
_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
_RECOMMENDATIONS = {
    "continue": "Continue normal monitoring",
    "enhanced_monitoring": "Enhanced monitoring needed",
    "investigate": "Investigate issues",
    "rollback": "Rollback",
}


@dataclass(frozen=True)
class Alert:
    """A limit that is broken in the latest part of the window.

    Attributes:
        rollback: a rollback criterion of the guide holds.
    """

    id: str
    priority: Priority
    reading: str
    title: str
    value: Value
    threshold: str
    action: str
    since: datetime | None
    rollback: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a report says.

    Attributes:
        outcome: of a whole week or month; None in the other phases.
        actions: proposed action items, most urgent first.
    """

    case: Case
    readings: tuple[Reading, ...]
    alerts: tuple[Alert, ...]
    findings: tuple[Finding, ...]
    incidents: tuple[Mapping[str, Any], ...]
    rivals: tuple[str, ...]
    status: str
    recommendation: str
    outcome: str | None
    confidence: str
    confidence_reasons: tuple[str, ...]
    next_check: datetime
    summary: str
    actions: tuple[Mapping[str, Any], ...]
    tables: Mapping[str, list[dict[str, Any]]]

    def reading(self, name: str) -> Reading | None:
        """The reading of that id, None where the phase has none."""
        return next((reading for reading in self.readings if reading.id == name), None)

    def section(self, name: str) -> tuple[Reading, ...]:
        """The readings of a section, in their order."""
        return tuple(reading for reading in self.readings if reading.section == name)

    @property
    def unknown(self) -> tuple[Reading, ...]:
        """What could not be measured."""
        return tuple(reading for reading in self.readings if reading.status is Status.UNKNOWN)

    @property
    def recommendation_text(self) -> str:
        """The recommendation in the guide's words."""
        return _RECOMMENDATIONS[self.recommendation]


def all_metrics(site: Site) -> tuple[Metric, ...]:
    """Every metric of a site, in the order of the report."""
    return (
        *SOURCE_METRICS,
        *stability.METRICS,
        *performance.METRICS,
        *deployment.METRICS,
        *issues.METRICS,
        *integrations.METRICS,
        *cron.METRICS,
        *features.metrics(site),
        *activity.METRICS,
        *feedback.metrics(site),
        *database.metrics(site),
        *costs.metrics(site),
    )


FINDINGS: tuple[Callable[[Case], Iterable[Finding]], ...] = (
    stability.findings,
    performance.findings,
    deployment.findings,
    issues.findings,
    integrations.findings,
    cron.findings,
    features.findings,
    feedback.findings,
    database.findings,
)

TABLES: Mapping[str, Callable[[Case], list[dict[str, Any]]]] = {
    "feature_adoption": features.adoption,
    "cron": cron.table,
    "cron_drift": cron.drift,
    "daily": daily,
    "routes": routes,
    "top_errors": issues.top_errors,
    "incidents": stability.incidents,
    "integrations": integrations.table,
    "queries": database.queries,
    "database_findings": database.database_findings,
    "visibility": database.visibility,
    "tickets": feedback.tickets,
    "capacity": costs.capacity,
}


def judge(case: Case) -> Verdict:
    """The verdict on a case; pure: the same frames give the same verdict."""
    phase = case.scope.phase.name
    metrics = [m for m in all_metrics(case.site) if not m.phases or phase in m.phases]
    readings = tuple(reading_of(metric, _measured(case, metric), case.site, phase) for metric in metrics)
    findings = tuple(sorted((f for find in FINDINGS for f in find(case)), key=lambda f: (ORDER[f.priority], f.id)))
    alerts = alerts_of(case, metrics, findings)
    tables = {name: make(case) for name, make in TABLES.items()}
    incidents = tuple(tables["incidents"])
    status = status_of(readings, alerts, incidents)
    recommendation = recommendation_of(status, readings, alerts)
    rivals = tuple(rival_explanations(case))
    confidence, reasons = confidence_of(case, readings, rivals)
    actions = actions_of(case, readings, findings, alerts)
    tables["performance"] = performance.table(readings)
    tables["action_items"] = [dict(action) for action in actions]
    if phase == "incident":
        tables |= _incident_tables(case, metrics, readings)
    tables["checklist"] = checklist(phase, readings, case.site, findings)
    draft = Verdict(
        case,
        readings,
        alerts,
        findings,
        incidents,
        rivals,
        status,
        recommendation,
        outcome_of(case, status),
        confidence,
        reasons,
        _next_check(case, status),
        "",
        actions,
        tables,
    )
    return replace(draft, summary=summarise(draft))


def _incident_tables(
    case: Case, metrics: Iterable[Metric], readings: Iterable[Reading]
) -> dict[str, list[dict[str, Any]]]:
    known = {metric.id: metric for metric in metrics}

    def measured(name: str, window: Window) -> Measurement:
        return _measured(case.at(window), known[name])

    return {
        "timeline": incident.timeline(case),
        "impact": incident.impact(case, measured),
        "response": incident.response(case),
        "criteria": incident.criteria(readings),
        "verification": incident.verification(case, measured, {m.id: m.title for m in known.values()}),
    }


def _measured(case: Case, metric: Metric) -> Measurement:
    """What a metric measures of a case, asked once."""
    found: Measurement = case.kept(metric.id, metric.measure)
    return found


def flipped(verdict: Verdict, reading: str, edge: float) -> list[dict[str, Any]]:
    """What if the mildest limit of one reading were another: rows what, before, after of what would flip.

    Raises:
        CallError: no such reading, or it has no limits.
    """
    case, phase = verdict.case, verdict.case.scope.phase.name
    metrics = [m for m in all_metrics(case.site) if not m.phases or phase in m.phases]
    metric = next((m for m in metrics if m.id == reading and m.limits), None)
    if metric is None:
        raise CallError(f"{reading!r} is not a reading with limits")
    *worse, mildest = in_force(metric, case.site, phase).limits
    site = case.site.model_copy(
        update={
            "limits": {
                **case.site.limits,
                reading: tuple(_as_step(s) for s in (*worse, replace(mildest, edge=edge))),
            }
        }
    )
    after = [reading_of(m, _measured(case, m), site, phase) for m in metrics]
    status = status_of(after, alerts_of(case, metrics, verdict.findings, site), verdict.incidents)
    before = {"status": verdict.status} | {r.id: r.status.value for r in verdict.readings}
    now = {"status": status} | {r.id: r.status.value for r in after}
    return [
        {"what": name, "before": before[name], "after": now[name]} for name in now if before[name] != now[name]
    ]


def _as_step(limit: Limit) -> Step:
    return Step.model_validate({name: getattr(limit, name) for name in Step.model_fields})


def reading_of(metric: Metric, found: Measurement, site: Site, phase: str) -> Reading:
    """A measurement judged by the metric's ladder, the site's own limits and targets before it."""
    metric = in_force(metric, site, phase)
    plain = Reading(
        metric.id, metric.title, metric.unit, metric.section, Status.UNKNOWN, metric.target, found,
        reason=found.reason,
    )  # fmt: skip
    if found.state is not State.MEASURED or found.value is None:
        return replace(plain, measurement=replace(found, value=None), reason=found.reason or "not measured")
    step, why = _step(metric, found) if found.judged else (None, None)
    if step is None:
        status, doubt = _passing(metric, found)
        more = _more_requests(metric, found, doubt)
        return replace(plain, status=status, reason=doubt or found.reason, becomes_green=more)
    return replace(
        plain, status=step.status, critical=step.critical, rollback=step.rollback, reason=why, action=step.action,
        becomes_green=_becomes_green(metric, found),
    )  # fmt: skip


def in_force(metric: Metric, site: Site, phase: str) -> Metric:
    """The metric with the site's own limits, else with the site's target for the phase."""
    if metric.id in site.limits:
        steps = tuple(
            Limit(
                s.op,
                s.edge,
                Status(s.status),
                Priority(s.priority) if s.priority else None,
                s.action,
                s.critical,
                s.rollback,
            )
            for s in site.limits[metric.id]
        )
        mildest = steps[-1]
        words = f"{_OPPOSITE[mildest.op]} {mildest.edge}"
        return replace(metric, limits=steps, target=words)
    target = site.targets.get(metric.id, {}).get(phase)
    if target is None or not metric.limits or metric.limits[-1].of not in ("value", "low"):
        return metric
    *worse, mildest = metric.limits
    aimed = replace(mildest, edge=target)
    return replace(metric, limits=(*worse, aimed), target=f"{_OPPOSITE[mildest.op]} {target:g}")


def _step(metric: Metric, found: Measurement) -> tuple[Limit | None, str | None]:
    """The worst step that holds. A rate needs its lower bound beyond an edge that turns the report RED."""
    for limit in metric.limits:
        if not limit.reached(found):
            continue
        if metric.rate and (limit.critical or limit.rollback) and not limit.holds(found.low):
            trials = int(found.samples or 0)
            events = round(float(found.value or 0) * trials / 100)
            more = stats.trials_to_decide(events, trials, float(limit.edge) / 100)
            reason = (
                f"{events} of {trials} is beyond {limit.edge:g} {metric.unit}, but its 95 % interval "
                f"({found.low:.2f} to {found.high:.2f}) is not: {_needed(more, trials)}"
            )
            softer = next((x for x in metric.limits if x is not limit and x.holds(found.low)), None)
            base = softer or replace(limit, status=Status.WARN, critical=False, rollback=False)
            return replace(
                base,
                priority=limit.priority if softer is None else softer.priority,
                action=base.action or limit.action,
            ), reason
        return limit, found.reason or _why(metric, limit, found)
    return None, None


def _needed(more: int | None, trials: int) -> str:
    return f"{more - trials} more requests at this rate would decide" if more else "no number of requests decides"


def _why(metric: Metric, limit: Limit, found: Measurement) -> str:
    edge = (
        f"{limit.edge:g}"
        if isinstance(limit.edge, float | int) and not isinstance(limit.edge, bool)
        else limit.edge
    )
    words = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "==": "equal to", "!=": "not"}
    return found.evidence or f"{_text(found.value)} is {words[limit.op]} {edge} {metric.unit}".strip()


def _passing(metric: Metric, found: Measurement) -> tuple[Status, str | None]:
    if not metric.limits or not found.judged:
        return Status.INFO, None
    if metric.rate and found.high is not None and float(found.high) >= 2 * float(metric.limits[-1].edge):
        return Status.WARN, (
            f"too few requests: {found.samples} leave the rate anywhere up to {found.high:.2f} {metric.unit}"
        )
    return Status.PASS, None


def _more_requests(metric: Metric, found: Measurement, why: str | None) -> str | None:
    if why is None:
        return None
    trials, limit = int(found.samples or 0), float(metric.limits[-1].edge) / 100
    events = round(float(found.value or 0) * trials / 100)
    tries = range(max(trials, 1), 1_000_000)
    need = tries[bisect_left(tries, -2 * limit, key=lambda n: -stats.wilson(events, n)[1]) :][:1]
    more = need[0] - trials if need else None
    return f"{metric.title} becomes GREEN after {more} more requests without an error" if more else None


def _becomes_green(metric: Metric, found: Measurement) -> str:
    now = f"now {_text(found.value)} {metric.unit}".strip()
    if metric.rate and found.samples:
        events = round(float(found.value or 0) * found.samples / 100)
        need = int(events / (float(metric.limits[-1].edge) / 100)) + 1 - found.samples
        if need > 0:
            return f"becomes GREEN after {need} more requests without an error ({now}, target {metric.target})"
    return f"becomes GREEN when {metric.title} is {metric.target} {metric.unit} ({now})".replace("  ", " ")


def _text(value: Value) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def alerts_of(
    case: Case, metrics: Iterable[Metric], findings: Iterable[Finding], site: Site | None = None
) -> tuple[Alert, ...]:
    """What is broken in the latest part of the window; a finding speaks for its reading.

    Args:
        site: whose limits are in force, when not the case's own.
    """
    latest, phase = case.latest(), case.scope.phase.name
    spoken = [
        Alert(f.id, f.priority, f.reading, f.title, f.value, f.threshold, f.action, f.since, f.rollback)
        for f in findings
        if f.active
    ]
    covered = {alert.reading for alert in spoken if alert.priority is not Priority.P2}
    measured = []
    for plain in metrics:
        metric = in_force(plain, site or case.site, phase)
        if not (metric.alerts and any(limit.priority for limit in metric.limits)):
            continue
        found = _measured(latest, metric)
        if found.state is not State.MEASURED or found.value is None:
            continue
        step, _ = _step(metric, found)
        if step is None or step.priority is None or (metric.id in covered and not step.rollback):
            continue
        threshold = f"{step.op} {step.edge}"
        measured.append(
            Alert(
                metric.id,
                step.priority,
                metric.id,
                metric.title,
                found.value,
                threshold,
                step.action,
                _since(case, metric),
                step.rollback,
            )
        )
    return tuple(sorted((*measured, *spoken), key=lambda a: (ORDER[a.priority], a.id)))


def _since(case: Case, metric: Metric) -> datetime | None:
    """Start of the unbroken run of days, back from the newest, on which the alert held."""
    since = case.scope.latest.start
    days = [day.window.clip(case.scope.window) for day in case.scope.review_days if day.window.start < since]
    for window in reversed([day for day in days if day.seconds > 0]):
        found = _measured(case.at(window), metric)
        if found.state is not State.MEASURED or found.value is None:
            break
        step, _ = _step(metric, found)
        if step is None or step.priority is None:
            break
        since = window.start
    return since


def status_of(readings: Iterable[Reading], alerts: Iterable[Alert], incidents: Iterable[Mapping[str, Any]]) -> str:
    """RED, YELLOW, UNKNOWN or GREEN, in this order of precedence."""
    readings, alerts = list(readings), list(alerts)
    if any(a.priority is Priority.P0 for a in alerts) or any(r.critical for r in readings):
        return "RED"
    troubled = any(r.status in (Status.WARN, Status.FAIL) for r in readings)
    if alerts or troubled or any(i["priority"] in ("P0", "P1") for i in incidents):
        return "YELLOW"
    if any(r.id in KEY_READINGS and r.status is Status.UNKNOWN for r in readings):
        return "UNKNOWN"
    return "GREEN"


def recommendation_of(status: str, readings: Iterable[Reading], alerts: Iterable[Alert]) -> str:
    """`rollback` exactly when a rollback criterion holds now; else by status."""
    alerts = list(alerts)
    if any(alert.rollback for alert in alerts):
        return "rollback"
    urgent = any(alert.priority is not Priority.P2 for alert in alerts)
    if status in ("RED", "UNKNOWN") or urgent:
        return "investigate"
    return "continue" if status == "GREEN" else "enhanced_monitoring"


def outcome_of(case: Case, status: str) -> str | None:
    """What the week or month was; UNKNOWN as long as a good one is not over."""
    if case.scope.phase.name not in ("week1", "month1"):
        return None
    outcome = {"GREEN": "SUCCESSFUL", "YELLOW": "PARTIAL", "RED": "FAILED"}.get(status, "UNKNOWN")
    return "UNKNOWN" if outcome == "SUCCESSFUL" and not case.scope.complete else outcome


def confidence_of(case: Case, readings: Iterable[Reading], rivals: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """high, medium or low, with the reasons: coverage, sample sizes, rival explanations."""
    readings = list(readings)
    low = [
        f"{r.title} is unknown: {r.reason}"
        for r in readings
        if r.id in KEY_READINGS and r.status is Status.UNKNOWN
    ]
    medium = [f"{c.source}: {c.detail or c.status}" for c in case.collection.coverage if c.status != "ok"]
    for reading in readings:
        covered = reading.measurement.coverage_pct
        if reading.id in KEY_READINGS and covered is not None and covered < 99.5:
            (low if covered < 80 else medium).append(
                f"{reading.title}: {covered:.1f} % of the window was measured"
            )
    medium += [
        f"{r.title}: {r.reason}" for r in readings if r.id in KEY_READINGS and "too few" in (r.reason or "")
    ]
    medium += list(rivals)
    if not case.scope.complete:
        medium.append(f"{case.scope.days_done} of {len(case.scope.days)} days are over")
    level = "low" if low else "medium" if medium else "high"
    reasons = low + medium or ["all sources answered, all key readings are known, nothing else explains a change"]
    return level, tuple(dict.fromkeys(reasons))


def actions_of(
    case: Case, readings: Iterable[Reading], findings: Iterable[Finding], alerts: Iterable[Alert]
) -> tuple[Mapping[str, Any], ...]:
    """Action items proposed from what was found: one per finding, and per reading that no finding explains."""
    owners, found = case.site.people.owners, list(findings)
    items = [
        _action(f"{f.action} ({f.title})", f.priority, f.owner or owners.get(_area(f.reading)), case, f.id)
        for f in found
    ]
    spoken = {f.reading for f in found}
    priorities = {alert.reading: alert.priority for alert in alerts}
    for r in readings:
        if r.status in (Status.WARN, Status.FAIL) and r.id not in spoken:
            what = r.action or "Look into it"
            priority = priorities.get(r.id, Priority.P1 if r.status is Status.FAIL else Priority.P2)
            items.append(_action(f"{what} ({r.title}: {r.reason})", priority, owners.get(_area(r.id)), case, r.id))
        if r.id == "sources_read" and r.status is Status.UNKNOWN:
            items.append(_action(f"Make every source readable ({r.reason})", Priority.P1, None, case, r.id))
    return tuple(sorted(items, key=lambda item: (item["priority"], item["id"])))


def _action(text: str, priority: Priority, owner: str | None, case: Case, name: str) -> Mapping[str, Any]:
    due = (case.scope.as_of.astimezone(case.site.zone) + DUE[priority]).date().isoformat()
    return {
        "id": name,
        "action": text,
        "priority": priority.value,
        "owner": owner,
        "due": due,
        "state": "proposed",
    }


def _area(reading: str) -> str:
    prefixes = {
        "db_": "database",
        "query_": "database",
        "cron_": "cron",
        "feature_": "features",
        "integration_": "integrations",
        "sms_": "integrations",
        "email_": "integrations",
        "payment_": "integrations",
        "webhooks": "integrations",
        "tickets": "support",
        "support": "support",
    }
    return next((area for prefix, area in prefixes.items() if reading.startswith(prefix)), "application")


def _next_check(case: Case, status: str) -> datetime:
    wait = case.scope.phase.next_check
    return case.scope.as_of + (min(wait, timedelta(minutes=15)) if status == "RED" else wait)


def summarise(verdict: Verdict) -> str:
    """One or two paragraphs of facts: what the verdict is, why, and what could not be seen."""
    scope = verdict.case.scope
    part = "" if scope.complete else f" so far ({scope.days_done} of {len(scope.days)} days are over)"
    lines = [f"{verdict.case.site.title} is {verdict.status}{part}: {verdict.recommendation_text.lower()}."]
    key = [verdict.reading(name) for name in ("uptime_pct", "error_rate_pct", "latency_p95_ms")]
    facts = [
        f"{r.title.lower()} {_text(r.value)} {r.unit} (target {r.target})"
        for r in key
        if r and r.value is not None
    ]
    if facts:
        lines.append("Measured: " + ", ".join(facts) + ".")
    troubles = [f.title for f in verdict.findings] + [
        f"{r.title}: {r.reason}"
        for r in verdict.readings
        if r.status is Status.FAIL and r.id not in {f.reading for f in verdict.findings}
    ]
    if troubles:
        more = f", and {len(troubles) - 5} more" if len(troubles) > 5 else ""
        lines.append("Found: " + "; ".join(troubles[:5]) + more + ".")
    elif verdict.status == "GREEN":
        lines.append("No limit was broken and nothing was found.")
    text = " ".join(lines)
    unread = [c.source for c in verdict.case.collection.coverage if c.status in ("failed", "not_configured")]
    if unread:
        text += f"\n\nNot read: {', '.join(unread)}; what they would tell is not known."
    missing = [r.title for r in verdict.unknown]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        text += f"\n\nNot measured: {shown}; the reasons stand beside each."
    return text


def sources_read(case: Case) -> Measurement:
    """How many of the sources that the site needs were read; unknown as soon as one was not.

    A table or query that the site file names and that could not be read counts like a source.
    """
    wanted = [name for name in SOURCE_NAMES if name not in case.site.unused]
    wanted += ["requests"] if case.site.requests else []
    lost = [
        f"{c.source}: {c.detail or c.status}"
        for c in case.collection.coverage
        if c.source in wanted and c.status in ("failed", "not_configured")
    ]
    gaps = case["gaps"]
    named = gaps[
        gaps["item"].fillna("").str.match(r"(table|feature|query):") & (gaps["state"] == State.ERROR.value)
    ]
    lost += [f"{item}: {reason}" for item, reason in zip(named["item"], named["reason"], strict=True)]
    seen = {c.source for c in case.collection.coverage}
    lost += [f"{name}: not asked" for name in wanted if name not in seen]
    if lost:
        return Measurement.missing(State.ERROR, "; ".join(dict.fromkeys(lost)))
    return Measurement(State.MEASURED, len(wanted), samples=len(wanted))


SOURCE_METRICS: tuple[Metric, ...] = (
    Metric("sources_read", "Sources read", "count", "sources", sources_read, (), "all", "higher", alerts=False),
)
