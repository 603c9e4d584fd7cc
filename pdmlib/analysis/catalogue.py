"""What a report is made of: every metric, finding and table of the sections, in the report's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pdmlib.analysis import coverage, cron, cron_habits, deployment, errors, performance
from pdmlib.analysis.availability import stability
from pdmlib.analysis.compare.same_hours import before_after
from pdmlib.analysis.database import health, plans, pooler, regressions, waits
from pdmlib.analysis.integrations import operational
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.product import activity, costs, features, feedback
from pdmlib.analysis.traffic.days import daily
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding
from pdmlib.phases.phase import Phase
from pdmlib.site.site import Site


def all_metrics(site: Site) -> tuple[Metric, ...]:
    """Every metric of a site, in the order of the report."""
    return (
        *coverage.METRICS,
        *stability.metrics(site),
        *performance.METRICS,
        *deployment.METRICS,
        *errors.METRICS,
        *operational.METRICS,
        *cron.METRICS,
        *features.metrics(site),
        *activity.METRICS,
        *feedback.metrics(site),
        *health.metrics(site),
        *costs.metrics(site),
    )


# Sections of metrics that a site has only with blocks of its file: a notebook may name them, whatever the site.
OPTIONAL_SECTIONS = (features.SECTION, "queries", costs.SECTION)


def metrics_of(site: Site, phase: Phase) -> tuple[Metric, ...]:
    """The metrics that a phase's report shows."""
    shown = (metric for metric in all_metrics(site) if metric.topic in phase.topics)
    return tuple(metric for metric in shown if not metric.phases or phase.name in metric.phases)


def metrics_in(case: Case) -> tuple[Metric, ...]:
    """The metrics that a case's report shows: its phase's, but for those of sources that the site does without.

    Integrations that only the application's own checks name are among them, and what an analyst added.
    """
    shown = [*metrics_of(case.site, case.scope.phase), *operational.further(case), *case.own]
    return tuple(metric for metric in shown if not case.is_without(metric.of(case)))


FINDINGS: tuple[Callable[[Case], Iterable[Finding]], ...] = (
    stability.findings,
    performance.findings,
    deployment.findings,
    errors.findings,
    operational.findings,
    cron.findings,
    cron_habits.findings,
    features.findings,
    feedback.findings,
    health.findings,
    pooler.findings,
)

TABLES: Mapping[str, Callable[[Case], list[dict[str, Any]]]] = {
    "feature_adoption": features.adoption,
    "cron": cron.table,
    "cron_drift": cron.drift,
    "daily": daily,
    "routes": performance.routes,
    "before_after": before_after,
    "top_errors": errors.top_errors,
    "incidents": stability.incidents,
    "integrations": operational.table,
    "queries": health.queries,
    "plans": plans.plans,
    "plan_history": regressions.plans_of_statements,
    "index_advice": regressions.index_advice,
    "waits": waits.waits,
    "database_findings": health.database_findings,
    "visibility": health.visibility,
    "tickets": feedback.tickets,
    "capacity": costs.capacity,
}
