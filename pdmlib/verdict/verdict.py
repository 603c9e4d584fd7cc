"""The only judge: readings, alerts, status, recommendation and confidence, as one object.

Everything that a report shows is written from a `Verdict`, so that all its files agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pdmlib.analysis import performance
from pdmlib.analysis.availability import incident
from pdmlib.analysis.catalogue import FINDINGS, TABLES, all_metrics, metrics_in, metrics_of
from pdmlib.analysis.confounders import rivals as rival_explanations
from pdmlib.analysis.integrations import operational
from pdmlib.analysis.limits import in_force, with_edge
from pdmlib.analysis.metric import Metric
from pdmlib.errors import CallError, nearest
from pdmlib.frames.case import INTERNAL_ERROR, Case
from pdmlib.frames.readings import ORDER, Finding, Measurement, Reading, State, Status, amount, counted, lowered
from pdmlib.frames.rows import json_rows
from pdmlib.frames.states import Confidence, Outcome, Recommendation, ReportStatus
from pdmlib.phases.phase import HOUR
from pdmlib.phases.window import Window, parse_time, spoken
from pdmlib.site.site import Site
from pdmlib.verdict.alerts import Alert, alerts_of
from pdmlib.verdict.causes import Cause, action_items, causes_of
from pdmlib.verdict.checklist import Witness, checklist
from pdmlib.verdict.ladder import reading_of, target_in_words
from pdmlib.verdict.present import now_of
from pdmlib.verdict.status import confidence_of, outcome_of, recommendation_of, status_of
from pdmlib.verdict.symptoms import is_standing, symptoms_of

T = TypeVar("T")
MOST_TROUBLES, MOST_UNCLEAR, MOST_MISSING = 5, 4, 6  # named in the summary, which a person reads at one look
MOST_PAST = 3  # incidents that are over and told in the summary, the newest; the table has them all
_RECOMMENDATIONS = {
    Recommendation.CONTINUE: "Continue normal monitoring",
    Recommendation.WATCH: "Enhanced monitoring needed",
    Recommendation.INVESTIGATE: "Investigate issues",
    Recommendation.ROLLBACK: "Rollback",
}


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"Verdict({self.status}: {len(self.readings)} readings, {len(self.causes)} causes)"

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
    def beyond(self) -> tuple[Reading, ...]:
        """What is beyond a limit of its own, since whenever."""
        return tuple(reading for reading in self.readings if reading.status in (Status.WARN, Status.FAIL))

    @property
    def not_understood(self) -> list[dict[str, Any]]:
        """What was read and not understood, most often first: the rows of `report.json`."""
        return json_rows(self.case["not_understood"].sort_values("count", ascending=False, kind="stable"))

    @property
    def recommendation_text(self) -> str:
        """The recommendation in the guide's words."""
        return _RECOMMENDATIONS[self.recommendation]


def judge(case: Case) -> Verdict:
    """The verdict on a case; pure: the same frames give the same verdict.

    Whatever breaks on the way costs its own part and no other: that part is unknown, named in a reading and in the
    table `internal_errors`, and the report is neither GREEN nor missing.
    """
    metrics = metrics_in(case)
    readings = tuple(_reading(case, metric, case.site) for metric in metrics)
    reported = {metric.id for metric in metrics}
    found = (f for find in FINDINGS for f in _parts(case, find) if f.reading in reported)
    findings = tuple(sorted(found, key=lambda f: (ORDER[f.priority], f.id)))
    tables = {name: _parts(case, make, f"table {name}") for name, make in TABLES.items()}
    fired = alerts_of(case, metrics, findings)
    symptoms = tuple(_parts(case, lambda c: symptoms_of(c, metrics, readings, fired), "symptoms"))
    everything = [*findings, *symptoms]
    checks = tables["database_findings"]
    standing = set(_parts(case, lambda c: _standing(c, metrics, everything, checks), "what was there before"))
    causes = tuple(_parts(case, lambda c: causes_of(c, everything, standing), "causes"))
    actions = tuple(_parts(case, lambda _: action_items(causes), "action items"))
    rivals = tuple(_parts(case, rival_explanations, "rival explanations"))
    tables["performance"] = _parts(case, lambda _: performance.table(readings), "table performance")
    tables["action_items"] = [dict(action) for action in actions]
    if case.scope.phase.named_window:
        for name, make in _incident_tables(metrics, readings).items():
            tables[name] = _parts(case, make, f"table {name}")
    tables["checklist"] = _parts(case, lambda c: _checklist(c, readings, everything, tables), "checklist")
    readings = (*readings, *_broken(case))
    # What no site is excused from is told apart where it is old, and decides all the same.
    standing -= {f.id for f in everything if f.decides}
    alerts = tuple(alert for alert in fired if alert.id not in standing)
    incidents = tuple(tables["incidents"])
    status = status_of(_counting(readings, standing), alerts, incidents)
    confidence, reasons = confidence_of(case, readings, rivals)
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
        recommendation=recommendation_of(status, alerts),
        outcome=outcome_of(case, status),
        confidence=confidence,
        confidence_reasons=reasons,
        next_check=_next_check(case, status),
        summary="",
        actions=actions,
        tables=tables,
    )

    def shortest(reason: str) -> str:
        return f"{case.site.title} is {status}; the summary could not be written: {reason}."

    return replace(draft, summary=case.attempt("summary", lambda: summarise(draft), shortest))


def _parts(case: Case, make: Callable[[Case], Iterable[T]], part: str = "") -> list[T]:
    """A part of the report that is a list: empty, and noted as broken, where it could not be computed."""
    name = part or f"findings of {make.__module__.rpartition('.')[2]}"
    return case.attempt(name, lambda: list(make(case)), lambda _: [])


def _broken(case: Case) -> tuple[Reading, ...]:
    """A reading that says what could not be computed; none where everything was."""
    if not case.broken:
        return ()
    reason = f"{INTERNAL_ERROR}: " + "; ".join(f"{row['part']} ({row['error']})" for row in case.broken)
    return (_unknown("internal_errors", "Parts of the report that were computed", "sources", reason),)


def _unknown(name: str, title: str, section: str, reason: str) -> Reading:
    """A reading without which no report is GREEN."""
    return Reading(
        name,
        title,
        "",
        section=section,
        status=Status.UNKNOWN,
        target="all",
        measurement=Measurement.missing(State.ERROR, reason),
        reason=reason,
        key=True,
    )


def _checklist(
    case: Case,
    readings: tuple[Reading, ...],
    findings: list[Finding],
    tables: Mapping[str, list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    return checklist(
        case.scope.phase,
        readings,
        case.site,
        findings=findings,
        days=tables["daily"],
        incidents=tables["incidents"],
        probes=case["deployment_probes"].to_dict("records"),
        witnesses={
            name: said
            for name, say in (
                (Witness.WEBHOOKS, operational.webhooks_off),
                (Witness.RECORDED, operational.recorded),
            )
            if (said := say(case))
        },
    )


def _reading(case: Case, metric: Metric, site: Site) -> Reading:
    """A metric's reading; one that cannot be judged is unknown."""

    def unknown(reason: str) -> Reading:
        return replace(_unknown(metric.id, metric.title, metric.section, reason), unit=metric.unit)

    return case.attempt(metric.title, lambda: _judged(case, metric, site), unknown)


def _judged(case: Case, metric: Metric, site: Site) -> Reading:
    """A metric's reading of the window; what makes a report RED or calls for a rollback must hold at present."""
    phase = case.scope.phase.name
    found = reading_of(metric, metric.of(case), site, phase)
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


def _counting(readings: Iterable[Reading], standing: set[str]) -> list[Reading]:
    """Readings that decide: a warning that stood before the deployment does not, what fails always does."""
    return [r for r in readings if r.id not in standing or r.status is Status.FAIL]


def _incident_tables(
    metrics: Iterable[Metric], readings: Iterable[Reading]
) -> Mapping[str, Callable[[Case], Iterable[dict[str, Any]]]]:
    shown = {metric.id: metric for metric in metrics}

    def measured(case: Case) -> Callable[[str, Window], Measurement]:
        known = {metric.id: metric for metric in metrics_of(case.site, case.scope.phase)}
        return lambda name, window: known[name].of(case.at(window))

    return {
        "timeline": incident.timeline,
        "impact": lambda case: incident.impact(case, measured(case)),
        "response": incident.response,
        "criteria": lambda case: incident.criteria(case, metrics, readings),
        "verification": lambda case: incident.verification(case, measured(case), shown),
    }


def flipped(verdict: Verdict, reading: str, edge: float | str | bool) -> list[dict[str, Any]]:
    """What if the mildest limit of one reading were another: rows what, before, after of what would flip.

    Nothing flips by the limit of a reading that this site does without.

    Raises:
        CallError: no such reading, or it has no limits.
    """
    case, phase = verdict.case, verdict.case.scope.phase.name
    metrics = metrics_in(case)
    known = [m.id for m in (*all_metrics(case.site), *metrics) if m.limits]
    if reading not in known:
        raise CallError(
            f"{reading!r} is not a reading with limits; {nearest(reading, known)}`readings` lists them"
        )
    metric = next((m for m in metrics if m.id == reading), None)
    if metric is None:
        return []
    site = with_edge(case.site, metric, phase, edge)
    after = [_reading(case, m, site) for m in metrics]
    old = {name for c in verdict.causes if c.waits for name in c.chain} - {reading}
    fired = alerts_of(case, metrics, verdict.findings, site)
    status = status_of(_counting(after, old), [a for a in fired if a.id not in old], verdict.incidents)
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
    down = incident["reading"] == "app_up"
    what, over = ("It was down", "and") if down else ("Too many requests failed", "and it")
    until = f"{end:%H:%M}" if end.date() == start.date() else spoken(end, zone)
    return f"{what} from {spoken(start, zone)} to {until} {over} has recovered."


def summarise(verdict: Verdict) -> str:
    """One or two paragraphs of facts: what the verdict is, why, and what could not be seen."""
    scope = verdict.case.scope
    part = "" if scope.complete else f" so far ({scope.over} are over)"
    verb = "is" if scope.as_of - scope.present.end <= HOUR else "was"
    lines = [f"{verdict.case.site.title} {verb} {verdict.status}{part}: {verdict.recommendation_text.lower()}."]
    over = [row for row in verdict.incidents if row["end"]]
    lines += [_past(row, scope.zone) for row in over[-MOST_PAST:]]
    key = [verdict.reading(name) for name in ("uptime_pct", "error_rate_pct", "latency_p95_ms")]
    facts = [
        f"{lowered(r.title)} {amount(r.value, r.unit)} (target {target_in_words(r.target, r.unit)})"
        for r in key
        if r and r.value is not None
    ]
    if facts:
        lines.append("Measured: " + ", ".join(facts) + ".")
    troubles = [cause.sentence for cause in verdict.causes if cause.decides]
    if troubles:
        left = len(troubles) - MOST_TROUBLES
        lines += [f"{told}." for told in troubles[:MOST_TROUBLES]]
        lines += [f"And {counted(left, 'more cause')}."] if left > 0 else []
    elif verdict.status is ReportStatus.GREEN:
        which = " that held before it," if verdict.beyond else ""
        lines.append(f"No limit was broken{which} and nothing was found that began with the deployment.")
    lines += [f"{c.sentence}." for c in verdict.causes if c.waits]
    text = " ".join(lines)
    unread = [c.source for c in verdict.case.collection.coverage if not c.status.heard]
    if unread:
        it = "it" if len(unread) == 1 else "they"
        text += f"\n\nNot read: {', '.join(unread)}; what {it} would tell is not known."
    unclear = list(dict.fromkeys(f"{row['item']} {row['example']!r}" for row in verdict.not_understood))
    if unclear:
        more = f" and {len(unclear) - MOST_UNCLEAR} more" if len(unclear) > MOST_UNCLEAR else ""
        text += f"\n\nNot understood: {', '.join(unclear[:MOST_UNCLEAR])}{more}; what rests on it is not known."
    missing = [r.title for r in verdict.unknown if r.measurement.source not in verdict.case.site.without]
    if missing:
        named = ", ".join(missing[:MOST_MISSING]) + (
            f" and {len(missing) - MOST_MISSING} more" if len(missing) > MOST_MISSING else ""
        )
        text += f"\n\nNot measured: {named}; the reasons stand beside each."
    return text
