"""Status, recommendation, outcome and confidence, each from the readings and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pdmlib.frames.case import Case
from pdmlib.frames.readings import Answer, Priority, Reading, Status, aside
from pdmlib.frames.states import Confidence, Outcome, Recommendation, ReportStatus
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.ladder import KEY_READINGS

NOT_READ = "not every source was read"
WHOLE_PCT, MOST_PCT = 99.5, 80  # of a window: above the first the rest is rounding, below the second is no window


def status_of(
    readings: Iterable[Reading], alerts: Iterable[Alert], incidents: Iterable[Mapping[str, Any]]
) -> ReportStatus:
    """RED, YELLOW, UNKNOWN or GREEN, in this order of precedence."""
    readings, alerts = list(readings), list(alerts)
    if any(a.priority is Priority.P0 for a in alerts) or any(r.critical for r in readings):
        return ReportStatus.RED
    troubled = any(r.status in (Status.WARN, Status.FAIL) for r in readings)
    if alerts or troubled or any(i["priority"] in (Priority.P0, Priority.P1) for i in incidents):
        return ReportStatus.YELLOW
    if any(r.key and r.status is Status.UNKNOWN for r in readings):
        return ReportStatus.UNKNOWN
    return ReportStatus.GREEN


def recommendation_of(status: ReportStatus, alerts: Iterable[Alert]) -> Recommendation:
    """`rollback` exactly when a rollback criterion holds now; else by status."""
    alerts = list(alerts)
    if any(alert.rollback for alert in alerts):
        return Recommendation.ROLLBACK
    urgent = any(alert.priority is not Priority.P2 for alert in alerts)
    if status in (ReportStatus.RED, ReportStatus.UNKNOWN) or urgent:
        return Recommendation.INVESTIGATE
    return Recommendation.CONTINUE if status is ReportStatus.GREEN else Recommendation.WATCH


_OUTCOMES = {
    ReportStatus.GREEN: Outcome.SUCCESSFUL,
    ReportStatus.YELLOW: Outcome.PARTIAL,
    ReportStatus.RED: Outcome.FAILED,
    ReportStatus.UNKNOWN: Outcome.UNKNOWN,
}


def outcome_of(case: Case, status: ReportStatus) -> Outcome | None:
    """What the week or month was; UNKNOWN as long as it is not over, for better or worse."""
    if not case.scope.phase.outcome:
        return None
    if not case.scope.complete:
        return Outcome.UNKNOWN
    return _OUTCOMES[status]


def confidence_of(
    case: Case, readings: Iterable[Reading], rivals: Iterable[str]
) -> tuple[Confidence, tuple[str, ...]]:
    """high, medium or low, with the reasons: coverage, sample sizes, rival explanations."""
    readings = list(readings)
    low = _unknown(r for r in readings if r.key and r.status is Status.UNKNOWN)
    low += [f"it is not known which deployment this is about: {case.doubt}"] if case.doubt else []
    partial: dict[str, list[str]] = {}
    for row in case.collection.coverage:
        if row.status is not Answer.OK and not any(row.brief in told for told in low):
            partial.setdefault(row.brief, []).append(row.source)
    medium = [f"{', '.join(sources)}: {why}" for why, sources in partial.items()]
    for reading in readings:
        covered = reading.measurement.coverage_pct
        if reading.id in KEY_READINGS and covered is not None and covered < WHOLE_PCT:
            (low if covered < MOST_PCT else medium).append(
                f"{reading.title}: {covered:.1f} % of the window was measured"
            )
    medium += [f"{r.title}: {r.reason}" for r in readings if r.id in KEY_READINGS and r.few]
    medium += list(rivals)
    if not case.scope.complete:
        medium.append(f"{case.scope.over} are over")
    level = Confidence.LOW if low else Confidence.MEDIUM if medium else Confidence.HIGH
    reasons = low + medium or ["all sources answered, all key readings are known, nothing else explains a change"]
    return level, tuple(dict.fromkeys(reasons))


def _unknown(readings: Iterable[Reading]) -> list[str]:
    """Key readings that are not known, a line for each reason; what a source did not tell goes with the source."""
    readings = list(readings)
    unread = next((r.reason or "" for r in readings if r.id == "sources_read"), "")
    titles: dict[str, list[str]] = {}
    for reading in readings:
        if reading.reason and reading.reason not in unread:
            titles.setdefault(reading.reason, []).append(reading.title)
    told = [f"not known: {', '.join(named)}{aside(reason)}" for reason, named in titles.items()]
    return [f"{NOT_READ}: {unread}", *told] if unread else told
