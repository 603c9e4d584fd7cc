"""Alerts: which limits are broken at present."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pdmlib.analysis.limits import in_force
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import ORDER, Finding, Priority, Value
from pdmlib.phases.window import Window
from pdmlib.site.site import Site
from pdmlib.verdict.present import now_of


@dataclass(frozen=True)
class Alert:
    """A limit that is broken at present.

    Attributes:
        rollback: a rollback criterion of the guide holds.
        window: what the value was measured over, where a measurement of now fired it.
        unit: the value's, where it is a reading's.
        times: how many times what is usual the value is, where that is the limit.
        trials: of how many events the value counts some.
        unsure: of a rate, too few were counted to tell a fault from none.
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
    window: Window | None = None
    unit: str = ""
    times: float | None = None
    trials: int | None = None
    unsure: bool = False


def alerts_of(
    case: Case, metrics: Iterable[Metric], findings: Iterable[Finding], site: Site | None = None
) -> tuple[Alert, ...]:
    """What is broken at present; a finding speaks for its reading.

    Args:
        site: whose limits are in force, when not the case's own.
    """
    spoken = [
        Alert(
            f.id,
            f.priority,
            f.reading,
            title=f.title,
            value=f.value,
            threshold=f.threshold,
            action=f.action,
            since=f.since,
            rollback=f.rollback,
        )
        for f in findings
        if f.active
    ]
    covered = {alert.reading for alert in spoken if alert.priority is not Priority.P2}
    measured = [
        alert
        for metric in metrics
        if (alert := _attempted(case, metric, site or case.site))
        and (alert.reading not in covered or alert.rollback)
    ]
    return tuple(sorted((*measured, *spoken), key=lambda a: (ORDER[a.priority], a.id)))


def _attempted(case: Case, metric: Metric, site: Site) -> Alert | None:
    """The alert of a metric, none where that could not be told: the report says so."""

    def measured() -> Alert | None:
        return _measured(case, in_force(metric, site, case.scope.phase.name))

    return case.attempt(f"alert {metric.title}", measured, lambda _: None)


def _measured(case: Case, metric: Metric) -> Alert | None:
    if not (metric.alerts and any(limit.priority for limit in metric.limits)):
        return None
    now = now_of(case, metric)
    if now is None or now.step.priority is None:
        return None
    return Alert(
        metric.id,
        now.step.priority,
        metric.id,
        title=metric.title,
        value=now.value,
        threshold=f"{now.step.op} {now.step.edge}",
        action=now.step.action,
        since=now.since,
        rollback=now.step.rollback,
        window=now.window,
        unit=metric.unit,
        times=now.times,
        trials=now.trials,
        unsure=now.step.unsure,
    )
