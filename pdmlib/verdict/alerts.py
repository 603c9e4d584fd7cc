"""Alerts: which limits are broken in the latest part of the window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pdmlib.analysis.limits import in_force
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Value
from pdmlib.site.site import Site
from pdmlib.verdict.ladder import step_of

ORDER = {Priority.P0: 0, Priority.P1: 1, Priority.P2: 2}


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


def measure_once(case: Case, metric: Metric) -> Measurement:
    """What a metric measures of a case, asked once."""
    found: Measurement = case.kept(metric.id, metric.measure)
    return found


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
    measured: list[Alert] = []
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
                measure_once(latest, metric).value,
                f"{step.op} {step.edge}",
                step.action,
                _since(case, metric),
                step.rollback,
            )
        )
    return tuple(sorted((*measured, *spoken), key=lambda a: (ORDER[a.priority], a.id)))


def _firing(case: Case, metric: Metric) -> Limit | None:
    """The step of an alert that holds in the case's window, None when none does or nothing was measured."""
    found = measure_once(case, metric)
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
