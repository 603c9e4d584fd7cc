"""One measurement against one ladder: the step it stands on, why, and what would make it pass."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from pdmlib import stats
from pdmlib.analysis.limits import in_force
from pdmlib.analysis.metric import Metric
from pdmlib.frames.readings import (
    FEWEST_EVENTS,
    OPERATORS,
    Limit,
    Measurement,
    Priority,
    Reading,
    State,
    Status,
    amount,
    lowered,
    number_of,
    significant,
    written,
)
from pdmlib.phases.phase import phase_named
from pdmlib.site.site import Site

SIGNS = {"<": "under", "<=": "at most", ">": "over", ">=": "at least"}
KEY_READINGS = ("app_up", "error_rate_pct", "latency_p95_ms", "uptime_pct", "sources_read")


def reading_of(metric: Metric, found: Measurement, site: Site, phase: str) -> Reading:
    """A measurement judged by the metric's ladder, the site's own limits and targets before it."""
    metric, level = in_force(metric, site, phase), stats.level_for_looks(phase_named(phase).looks)
    plain = Reading(
        metric.id,
        metric.title,
        metric.unit,
        section=metric.section,
        status=Status.UNKNOWN,
        target=metric.target,
        measurement=found,
        reason=found.reason,
        key=_is_key(metric, found, site, phase),
    )
    if found.state is not State.MEASURED or found.value is None:
        return replace(plain, measurement=replace(found, value=None), reason=found.reason or "not measured")
    step, why, few = step_of(metric, found, level) if found.judged else Standing()
    if step is None:
        status, doubt = _passing(metric, found)
        goal = _becomes_green(metric, found, level) if doubt else None
        reason = doubt or found.reason
        return replace(
            plain,
            status=status,
            reason=reason,
            becomes_green=goal,
            unsure=doubt is not None,
            few=found.few or doubt is not None,
        )
    return replace(
        plain,
        status=step.status,
        critical=step.critical,
        rollback=step.rollback,
        reason=why,
        action=step.action,
        becomes_green=_becomes_green(metric, found, level),
        unsure=step.unsure,
        few=found.few or few,
    )


def _is_key(metric: Metric, found: Measurement, site: Site, phase: str) -> bool:
    """Whether no report is GREEN without this reading: behind a limit that wakes somebody, or that decides.

    What the site does without, and what was not due, is no gap.
    """
    urgent = any(limit.rollback or limit.priority in (Priority.P0, Priority.P1) for limit in metric.limits)
    if metric.id in (*KEY_READINGS, phase_named(phase).decides):
        return found.source not in site.without
    return urgent and metric.alerts and found.state not in (State.NOT_DUE, State.NOT_CONFIGURED)


class Standing(NamedTuple):
    """Where a measurement stands: the step that holds, why, and whether too few were counted for a worse one."""

    step: Limit | None = None
    why: str | None = None
    few: bool = False


def step_of(metric: Metric, found: Measurement, level: float = stats.LEVEL) -> Standing:
    """The worst step that holds, and why. A rate that may as well be below its edge turns no report RED.

    Args:
        level: of the rate's interval.
    """
    for limit in metric.limits:
        if not limit.reached(found):
            continue
        if not metric.rate or _sure(limit, found):
            return Standing(limit, found.reason or _why(metric, limit, found))
        if limit.of == "value":
            reason = _undecided_reason(metric, limit, found, level)
            return Standing(_undecided(metric, limit, found), reason, few=True)
    return Standing()


def _sure(limit: Limit, found: Measurement) -> bool:
    """Whether a rate is beyond an edge with its lower bound, and not by one or two events alone."""
    return _events(found) >= FEWEST_EVENTS and (limit.of == "low" or limit.holds(found.low))


def _undecided(metric: Metric, limit: Limit, found: Measurement) -> Limit:
    """The step of a rate that is beyond an edge, but so little that chance could explain it.

    It is the worst step that the rate is surely beyond. Without one the reading only warns, its alert is P1 at
    most, and where the edge raises no alert it is shown without a judgement.
    """
    softer = next((x for x in metric.limits if x is not limit and x.holds(found.low) and _sure(x, found)), None)
    milder = (x.action for x in metric.limits if x.action and not x.rollback)
    action = next(milder, limit.action) if limit.rollback else limit.action
    base = softer or replace(
        limit, status=_doubtful(limit), critical=False, rollback=False, unsure=True, action=action
    )
    if softer is None and limit.priority is Priority.P0:  # nobody is called at night for what may be chance
        base = replace(base, priority=Priority.P1)
    return replace(base, action=base.action or limit.action)


def _doubtful(limit: Limit) -> Status:
    return Status.WARN if limit.priority else Status.INFO


def _undecided_reason(metric: Metric, limit: Limit, found: Measurement, level: float) -> str:
    events, trials, edge = _events(found), int(found.samples or 0), float(limit.edge)
    seen = f"too few {metric.rate} to be sure: {events:,} of {trials:,} is beyond {written(edge)} %"
    if limit.holds(found.low):
        return f"{seen}, but rests on fewer than {FEWEST_EVENTS} events"
    needed = stats.trials_to_decide(events, trials, edge / 100, level)
    more = f"{needed - trials:,} more {metric.rate} at this rate would decide" if needed else "no number decides"
    return f"{seen}, but its 95 % interval ({found.low:.2f} to {found.high:.2f}) is not: {more}"


def _events(found: Measurement) -> int:
    return round(float(found.value or 0) * int(found.samples or 0) / 100)


def _why(metric: Metric, limit: Limit, found: Measurement) -> str:
    number = number_of(limit.edge)
    edge = limit.edge if number is None else written(number)
    words = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below", "==": "equal to", "!=": "not"}
    unit = "" if metric.unit in ("count", "bool") else f" {metric.unit}"
    return found.evidence or f"{amount(found.value, metric.unit)} is {words[limit.op]} {edge}{unit}"


def _passing(metric: Metric, found: Measurement) -> tuple[Status, str | None]:
    if not metric.limits or not found.judged:
        return Status.INFO, None
    if metric.rate and found.high is not None and float(found.high) >= 2 * float(metric.limits[-1].edge):
        doubt = f"too few {metric.rate}: {found.samples} leave the rate anywhere up to {found.high:.2f} %"
        return _doubtful(metric.limits[-1]), doubt
    return Status.PASS, None


def _becomes_green(metric: Metric, found: Measurement, level: float) -> str:
    now = f"now {amount(found.value, metric.unit)}"
    if metric.rate and found.samples and metric.limits[-1].op in (">", ">=") and float(metric.limits[-1].edge) > 0:
        more = _trials_to_pass(metric, found, level) - found.samples
        target = target_in_words(metric.target, metric.unit)
        return f"{more:,} more {metric.rate} without a failure are counted ({now}, the target is {target})"
    return f"{_goal(metric, found)} ({now})"


def _goal(metric: Metric, found: Measurement) -> str:
    """That a metric meets its target, as a sentence."""
    target = _target(metric, found)
    title = metric.title if _is_name(metric) else lowered(metric.title)
    if target == "0":
        return f"there are no more {title}"
    if target.startswith("no "):
        return f"there is {target} in {title}"
    return f"{title} is {'yes' if metric.unit == 'bool' else target_in_words(target, metric.unit)}"


def _is_name(metric: Metric) -> bool:
    """Whether a title is the name of a vendor or a feature, which stays as it is inside a sentence."""
    return metric.id.startswith(("integration_", "feature_", "cost_"))


def target_in_words(target: str, unit: str) -> str:
    """A target such as `< 1000` inside a sentence: `under 1,000 ms`."""
    sign, _, limit = target.partition(" ")
    try:
        return f"{SIGNS[sign]} {amount(float(limit), unit.removesuffix(' of requests'))}"
    except (KeyError, ValueError):
        return target.replace("x baseline", " times the usual")


def _trials_to_pass(metric: Metric, found: Measurement, level: float) -> int:
    """How many trials pass if no further one fails: rate in its target, upper bound under twice the limit."""
    limit = metric.limits[-1]

    def is_well(share: float) -> bool:
        return not OPERATORS[limit.op](100 * share, limit.edge)

    edge = float(limit.edge) / 100
    return stats.trials_to_pass(_events(found), int(found.samples or 1), is_well=is_well, limit=edge, level=level)


def _target(metric: Metric, found: Measurement) -> str:
    """The target in numbers, also where it is a multiple of the baseline."""
    edges = [
        (x.op, float(x.edge) * found.baseline) for x in metric.limits if x.of == "baseline" and found.baseline
    ]
    low = max((edge for op, edge in edges if op.startswith("<")), default=None)
    high = min((edge for op, edge in edges if op.startswith(">")), default=None)
    if low is None or high is None:
        return metric.target
    return f"between {significant(low)} and {significant(high)}"
