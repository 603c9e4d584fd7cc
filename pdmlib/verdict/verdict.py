"""The only judge: readings, alerts, status, recommendation and confidence, as one object.

Everything that a report shows is written from a `Verdict`, so that all its files agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.analysis import performance
from pdmlib.analysis.availability import incident
from pdmlib.analysis.catalogue import FINDINGS, TABLES, metrics_in, metrics_of
from pdmlib.analysis.confounders import rivals as rival_explanations
from pdmlib.analysis.limits import in_force
from pdmlib.analysis.metric import Metric
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.frames.readings import ORDER, Finding, Measurement, Reading, Status
from pdmlib.frames.rows import json_rows
from pdmlib.frames.states import Confidence, Outcome, Recommendation, ReportStatus
from pdmlib.phases.phase import HOUR
from pdmlib.phases.window import Window, parse_time
from pdmlib.site.site import Site
from pdmlib.verdict.alerts import Alert, alerts_of
from pdmlib.verdict.causes import Cause, CauseStatus, action_items, causes_of
from pdmlib.verdict.checklist import checklist
from pdmlib.verdict.ladder import as_step, reading_of, shown
from pdmlib.verdict.present import measure_once, now_of
from pdmlib.verdict.status import confidence_of, outcome_of, recommendation_of, status_of
from pdmlib.verdict.symptoms import is_standing, symptoms_of

MOST_TROUBLES, MOST_UNCLEAR, MOST_MISSING = 5, 4, 6  # named in the summary, which a person reads at one look
MOST_PAST = 3  # incidents that are over and told in the summary, the newest; the table has them all
_RECOMMENDATIONS = {
    Recommendation.CONTINUE: "Continue normal monitoring",
    Recommendation.WATCH: "Enhanced monitoring needed",
    Recommendation.INVESTIGATE: "Investigate issues",
    Recommendation.ROLLBACK: "Rollback",
}


@dataclass(frozen=True)
class Verdict:
    """What a report says.

    Attributes:
        symptoms: readings beyond their limits, as findings.
        causes: what findings and symptoms come from, each in exactly one.
        outcome: of a whole week or month; None in the other phases.
        actions: proposed action items, most urgent first.
    """

    case: Case
    readings: tuple[Reading, ...]
    alerts: tuple[Alert, ...]
    findings: tuple[Finding, ...]
    incidents: tuple[Mapping[str, Any], ...]
    rivals: tuple[str, ...]
    status: ReportStatus
    recommendation: Recommendation
    outcome: Outcome | None
    confidence: Confidence
    confidence_reasons: tuple[str, ...]
    next_check: datetime
    summary: str
    actions: tuple[Mapping[str, Any], ...]
    tables: Mapping[str, list[dict[str, Any]]]
    symptoms: tuple[Finding, ...] = ()
    causes: tuple[Cause, ...] = ()

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
    def not_understood(self) -> list[dict[str, Any]]:
        """What was read and not understood, most often first: the rows of `report.json`."""
        return json_rows(self.case["not_understood"].sort_values("count", ascending=False, kind="stable"))

    @property
    def recommendation_text(self) -> str:
        """The recommendation in the guide's words."""
        return _RECOMMENDATIONS[self.recommendation]


def judge(case: Case) -> Verdict:
    """The verdict on a case; pure: the same frames give the same verdict."""
    phase = case.scope.phase.name
    metrics = metrics_in(case)
    readings = tuple(_reading(case, metric, case.site) for metric in metrics)
    reported = {metric.id for metric in metrics}
    found = (f for find in FINDINGS for f in find(case) if f.reading in reported)
    findings = tuple(sorted(found, key=lambda f: (ORDER[f.priority], f.id)))
    tables = {name: make(case) for name, make in TABLES.items()}
    fired = alerts_of(case, metrics, findings)
    symptoms = tuple(symptoms_of(case, metrics, readings, fired))
    standing = _standing(case, metrics, [*findings, *symptoms], tables["database_findings"])
    causes = causes_of(case, [*findings, *symptoms], standing)
    alerts = tuple(alert for alert in fired if alert.id not in standing)
    incidents = tuple(tables["incidents"])
    status = status_of([r for r in readings if r.id not in standing], alerts, incidents)
    recommendation = recommendation_of(status, alerts)
    rivals = tuple(rival_explanations(case))
    confidence, reasons = confidence_of(case, readings, rivals)
    actions = action_items(causes)
    tables["performance"] = performance.table(readings)
    tables["action_items"] = [dict(action) for action in actions]
    if case.scope.phase.named_window:
        tables |= _incident_tables(case, metrics, readings)
    tables["checklist"] = checklist(phase, readings, case.site, findings=findings, days=tables["daily"])
    draft = Verdict(
        case=case,
        readings=readings,
        alerts=alerts,
        findings=findings,
        symptoms=symptoms,
        causes=causes,
        incidents=incidents,
        rivals=rivals,
        status=status,
        recommendation=recommendation,
        outcome=outcome_of(case, status),
        confidence=confidence,
        confidence_reasons=reasons,
        next_check=_next_check(case, status),
        summary="",
        actions=actions,
        tables=tables,
    )
    return replace(draft, summary=summarise(draft))


def _reading(case: Case, metric: Metric, site: Site) -> Reading:
    """A metric's reading of the window; what makes a report RED or calls for a rollback must hold at present."""
    phase = case.scope.phase.name
    found = reading_of(metric, measure_once(case, metric), site, phase)
    if not (found.critical or found.rollback):
        return found
    now = now_of(case, in_force(metric, site, phase))
    if now is None:
        return replace(found, critical=False, rollback=False)
    return replace(found, critical=now.step.critical, rollback=now.step.rollback)


def _standing(
    case: Case, metrics: Iterable[Metric], findings: Iterable[Finding], checks: Iterable[Mapping[str, Any]]
) -> set[str]:
    """Ids of the findings that were there before the deployment."""
    appeared = " ".join(str(row["object"]) for row in checks if str(row["detail"]).startswith("new: "))
    known = {metric.id: in_force(metric, case.site, case.scope.phase.name) for metric in metrics}
    return {finding.id for finding in findings if is_standing(case, finding, known, appeared)}


def _incident_tables(
    case: Case, metrics: Iterable[Metric], readings: Iterable[Reading]
) -> dict[str, list[dict[str, Any]]]:
    known = {metric.id: metric for metric in metrics_of(case.site, case.scope.phase)}
    shown = {metric.id: metric.title for metric in metrics}

    def measured(name: str, window: Window) -> Measurement:
        return measure_once(case.at(window), known[name])

    return {
        "timeline": incident.timeline(case),
        "impact": incident.impact(case, measured),
        "response": incident.response(case),
        "criteria": incident.criteria(case, metrics, readings),
        "verification": incident.verification(case, measured, shown),
    }


def flipped(verdict: Verdict, reading: str, edge: float) -> list[dict[str, Any]]:
    """What if the mildest limit of one reading were another: rows what, before, after of what would flip.

    A reading of a source that the site does without flips nothing.

    Raises:
        CallError: no such reading, or it has no limits.
    """
    case, phase = verdict.case, verdict.case.scope.phase.name
    metrics = metrics_in(case)
    metric = next((m for m in metrics_of(case.site, case.scope.phase) if m.id == reading and m.limits), None)
    if metric is None:
        raise CallError(f"{reading!r} is not a reading with limits")
    if metric not in metrics:
        return []
    *worse, mildest = in_force(metric, case.site, phase).limits
    site = case.site.model_copy(
        update={
            "limits": {
                **case.site.limits,
                reading: tuple(as_step(s) for s in (*worse, replace(mildest, edge=edge))),
            }
        }
    )
    after = [_reading(case, m, site) for m in metrics]
    old = {name for c in verdict.causes if c.status is CauseStatus.STANDING for name in c.chain} - {reading}
    fired = alerts_of(case, metrics, verdict.findings, site)
    status = status_of(
        [r for r in after if r.id not in old], [a for a in fired if a.id not in old], verdict.incidents
    )
    before = {"status": verdict.status} | {r.id: r.status.value for r in verdict.readings}
    now = {"status": status} | {r.id: r.status.value for r in after}
    return [
        {"what": name, "before": before[name], "after": now[name]} for name in now if before[name] != now[name]
    ]


def _next_check(case: Case, status: ReportStatus) -> datetime:
    wait = case.scope.phase.next_check
    return case.scope.as_of + (min(wait, timedelta(minutes=15)) if status is ReportStatus.RED else wait)


def _past(incident: Mapping[str, Any], zone: ZoneInfo) -> str:
    """An incident that is over, in the past tense."""
    start, end = (parse_time(incident[edge]).astimezone(zone) for edge in ("start", "end"))
    what = "It was down" if incident["reading"] == "app_up" else "Too many requests failed"
    until = f"{end:%H:%M %Z}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M %Z}"
    return f"{what} from {start:%Y-%m-%d %H:%M} to {until} and has recovered."


def summarise(verdict: Verdict) -> str:
    """One or two paragraphs of facts: what the verdict is, why, and what could not be seen."""
    scope = verdict.case.scope
    part = "" if scope.complete else f" so far ({scope.days_done} of {len(scope.days)} days are over)"
    verb = "is" if scope.as_of - scope.present.end <= HOUR else "was"
    lines = [f"{verdict.case.site.title} {verb} {verdict.status}{part}: {verdict.recommendation_text.lower()}."]
    over = [row for row in verdict.incidents if row["end"]]
    lines += [_past(row, scope.zone) for row in over[-MOST_PAST:]]
    key = [verdict.reading(name) for name in ("uptime_pct", "error_rate_pct", "latency_p95_ms")]
    facts = [
        f"{r.title.lower()} {shown(r.value)} {r.unit} (target {r.target})"
        for r in key
        if r and r.value is not None
    ]
    if facts:
        lines.append("Measured: " + ", ".join(facts) + ".")
    troubles = [cause.title for cause in verdict.causes if cause.status is CauseStatus.NEW]
    if troubles:
        more = f", and {len(troubles) - MOST_TROUBLES} more" if len(troubles) > MOST_TROUBLES else ""
        lines.append("Found: " + "; ".join(troubles[:MOST_TROUBLES]) + more + ".")
    elif verdict.status is ReportStatus.GREEN:
        lines.append("No limit was broken and nothing was found that began with the deployment.")
    lines += [f"{c.title}." for c in verdict.causes if c.status is CauseStatus.STANDING]
    text = " ".join(lines)
    unread = [c.source for c in verdict.case.collection.coverage if not c.status.heard]
    if unread:
        text += f"\n\nNot read: {', '.join(unread)}; what they would tell is not known."
    unclear = list(dict.fromkeys(f"{row['item']} {row['example']!r}" for row in verdict.not_understood))
    if unclear:
        more = f" and {len(unclear) - MOST_UNCLEAR} more" if len(unclear) > MOST_UNCLEAR else ""
        text += f"\n\nNot understood: {', '.join(unclear[:MOST_UNCLEAR])}{more}; what rests on it is not known."
    missing = [r.title for r in verdict.unknown if r.measurement.source not in verdict.case.site.unused]
    if missing:
        named = ", ".join(missing[:MOST_MISSING]) + (
            f" and {len(missing) - MOST_MISSING} more" if len(missing) > MOST_MISSING else ""
        )
        text += f"\n\nNot measured: {named}; the reasons stand beside each."
    return text
