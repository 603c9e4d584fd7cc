"""Status, recommendation, outcome and confidence, each from the readings and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pdmlib.frames.case import Case
from pdmlib.frames.readings import Priority, Reading, Status
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.ladder import KEY_READINGS


def status_of(readings: Iterable[Reading], alerts: Iterable[Alert], incidents: Iterable[Mapping[str, Any]]) -> str:
    """RED, YELLOW, UNKNOWN or GREEN, in this order of precedence."""
    readings, alerts = list(readings), list(alerts)
    if any(a.priority is Priority.P0 for a in alerts) or any(r.critical for r in readings):
        return "RED"
    troubled = any(r.status in (Status.WARN, Status.FAIL) for r in readings)
    if alerts or troubled or any(i["priority"] in ("P0", "P1") for i in incidents):
        return "YELLOW"
    if any(r.key and r.status is Status.UNKNOWN for r in readings):
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
    if not case.scope.phase.outcome:
        return None
    if not case.scope.complete:
        return "UNKNOWN"
    return {"GREEN": "SUCCESSFUL", "YELLOW": "PARTIAL", "RED": "FAILED"}.get(status, "UNKNOWN")


def confidence_of(case: Case, readings: Iterable[Reading], rivals: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """high, medium or low, with the reasons: coverage, sample sizes, rival explanations."""
    readings = list(readings)
    low = [f"{r.title} is unknown: {r.reason}" for r in readings if r.key and r.status is Status.UNKNOWN]
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
