"""The only judge: readings, alerts, status, recommendation and confidence, as one object.

Everything that a report shows is written from a `Verdict`, so that all its files agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pdmlib.actions import actions_of
from pdmlib.analysis import incident, performance
from pdmlib.case import Case
from pdmlib.checklist import checklist
from pdmlib.errors import CallError
from pdmlib.judging import as_step, in_force, reading_of, shown, step_of
from pdmlib.readings import Finding, Limit, Measurement, Metric, Priority, Reading, State, Status, Value
from pdmlib.rivals import rivals as rival_explanations
from pdmlib.sections import FINDINGS, TABLES, metrics_of
from pdmlib.site import Site
from pdmlib.window import Window

KEY_READINGS = ("app_up", "error_rate_pct", "latency_p95_ms", "uptime_pct", "sources_read")
ORDER = {Priority.P0: 0, Priority.P1: 1, Priority.P2: 2}
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


def judge(case: Case) -> Verdict:
    """The verdict on a case; pure: the same frames give the same verdict."""
    phase = case.scope.phase.name
    metrics = metrics_of(case.site, phase)
    readings = tuple(reading_of(metric, _measured(case, metric), case.site, phase) for metric in metrics)
    reported = {metric.id for metric in metrics}
    found = (f for find in FINDINGS for f in find(case) if f.reading in reported)
    findings = tuple(sorted(found, key=lambda f: (ORDER[f.priority], f.id)))
    alerts = alerts_of(case, metrics, findings)
    tables = {name: make(case) for name, make in TABLES.items()}
    incidents = tuple(tables["incidents"])
    status = status_of(readings, alerts, incidents)
    recommendation = recommendation_of(status, alerts)
    rivals = tuple(rival_explanations(case))
    confidence, reasons = confidence_of(case, readings, rivals)
    actions = actions_of(case, readings, findings, {alert.reading: alert.priority for alert in alerts})
    tables["performance"] = performance.table(readings)
    tables["action_items"] = [dict(action) for action in actions]
    if phase == "incident":
        tables |= _incident_tables(case, metrics, readings)
    tables["checklist"] = checklist(phase, readings, case.site, findings, tables["daily"])
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
    metrics = metrics_of(case.site, phase)
    metric = next((m for m in metrics if m.id == reading and m.limits), None)
    if metric is None:
        raise CallError(f"{reading!r} is not a reading with limits")
    *worse, mildest = in_force(metric, case.site, phase).limits
    site = case.site.model_copy(
        update={
            "limits": {
                **case.site.limits,
                reading: tuple(as_step(s) for s in (*worse, replace(mildest, edge=edge))),
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
        step = _firing(latest, metric)
        if step is None or step.priority is None or (metric.id in covered and not step.rollback):
            continue
        measured.append(
            Alert(
                metric.id,
                step.priority,
                metric.id,
                metric.title,
                _measured(latest, metric).value,
                f"{step.op} {step.edge}",
                step.action,
                _since(case, metric),
                step.rollback,
            )
        )
    return tuple(sorted((*measured, *spoken), key=lambda a: (ORDER[a.priority], a.id)))


def _firing(case: Case, metric: Metric) -> Limit | None:
    """The step of an alert that holds in the case's window, None when none does or nothing was measured."""
    found = _measured(case, metric)
    if found.state is not State.MEASURED or found.value is None:
        return None
    step, _ = step_of(metric, found, case.level)
    return step if step is not None and step.priority is not None else None


def _since(case: Case, metric: Metric) -> datetime | None:
    """Start of the unbroken run of days, back from the newest, on which the alert held."""
    since = case.scope.latest.start
    days = [day.window.clip(case.scope.window) for day in case.scope.review_days if day.window.start < since]
    for window in reversed([day for day in days if day.seconds > 0]):
        if _firing(case.at(window), metric) is None:
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


def recommendation_of(status: str, alerts: Iterable[Alert]) -> str:
    """`rollback` exactly when a rollback criterion holds now; else by status."""
    alerts = list(alerts)
    if any(alert.rollback for alert in alerts):
        return "rollback"
    urgent = any(alert.priority is not Priority.P2 for alert in alerts)
    if status in ("RED", "UNKNOWN") or urgent:
        return "investigate"
    return "continue" if status == "GREEN" else "enhanced_monitoring"


def outcome_of(case: Case, status: str) -> str | None:
    """What the week or month was; UNKNOWN as long as it is not over, for better or worse."""
    if case.scope.phase.name not in ("week1", "month1"):
        return None
    if not case.scope.complete:
        return "UNKNOWN"
    return {"GREEN": "SUCCESSFUL", "YELLOW": "PARTIAL", "RED": "FAILED"}.get(status, "UNKNOWN")


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
        f"{r.title.lower()} {shown(r.value)} {r.unit} (target {r.target})"
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
    missing = [r.title for r in verdict.unknown if r.measurement.source not in verdict.case.site.unused]
    if missing:
        named = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        text += f"\n\nNot measured: {named}; the reasons stand beside each."
    return text
