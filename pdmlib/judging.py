"""One measurement against one ladder: the step it stands on, why, and what would make it pass."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from pdmlib import stats
from pdmlib.readings import Limit, Measurement, Metric, Priority, Reading, State, Status, Value
from pdmlib.site import Site, Step

_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}


def as_step(limit: Limit) -> Step:
    """A limit as a site file would write it."""
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
    step, why = step_of(metric, found) if found.judged else (None, None)
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


def step_of(metric: Metric, found: Measurement) -> tuple[Limit | None, str | None]:
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
    unit = "" if metric.unit in ("count", "bool") else f" {metric.unit}"
    return found.evidence or f"{shown(found.value)} is {words[limit.op]} {edge}{unit}"


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
    now = f"now {shown(found.value)} {metric.unit}".strip()
    if metric.rate and found.samples:
        events = round(float(found.value or 0) * found.samples / 100)
        need = int(events / (float(metric.limits[-1].edge) / 100)) + 1 - found.samples
        if need > 0:
            return f"becomes GREEN after {need} more requests without an error ({now}, target {metric.target})"
    return f"becomes GREEN when {metric.title} is {metric.target} {metric.unit} ({now})".replace("  ", " ")


def shown(value: Value) -> str:
    """A value in a sentence."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
