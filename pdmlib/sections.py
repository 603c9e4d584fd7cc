"""What a report is made of: every metric, finding and table of the sections, in the report's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pdmlib.analysis import (
    activity,
    costs,
    coverage,
    cron,
    database,
    deployment,
    features,
    feedback,
    integrations,
    issues,
    performance,
    plans,
    stability,
)
from pdmlib.attribution import before_after
from pdmlib.case import Case
from pdmlib.days import daily
from pdmlib.readings import Finding, Metric
from pdmlib.routes import routes
from pdmlib.site import Site


def all_metrics(site: Site) -> tuple[Metric, ...]:
    """Every metric of a site, in the order of the report."""
    return (
        *coverage.METRICS,
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


def metrics_of(site: Site, phase: str) -> tuple[Metric, ...]:
    """The metrics that a phase's report shows."""
    return tuple(metric for metric in all_metrics(site) if not metric.phases or phase in metric.phases)


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
    "before_after": before_after,
    "top_errors": issues.top_errors,
    "incidents": stability.incidents,
    "integrations": integrations.table,
    "queries": database.queries,
    "plans": plans.plans,
    "database_findings": database.database_findings,
    "visibility": database.visibility,
    "tickets": feedback.tickets,
    "capacity": costs.capacity,
}
