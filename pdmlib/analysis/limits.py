"""The ladder in force: a metric's limits as the site and the phase of the report have them.

The numbers of a ladder stand in the METRICS of an analysis and nowhere else. A finding, a table, a chart or a
sentence that needs one asks here, so that a site's own limit moves all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Limit, Priority, Status, Value, number_of
from pdmlib.site.site import Site, Step

_OPPOSITE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
ABSOLUTE = ("value", "low")  # a step of the baseline or the trend has no edge in the metric's own unit


class Mark(NamedTuple):
    """An edge of a ladder as a chart draws it.

    Attributes:
        word: `target` for the mildest edge, else what is beyond it: `rollback`, a priority, or a status.
    """

    edge: float
    word: str


def in_force(metric: Metric, site: Site, phase: str) -> Metric:
    """The metric with the site's own limits, else with the site's target for the phase."""
    if metric.id in site.limits:
        return _with_own(metric, site.limits[metric.id])
    target = site.targets.get(metric.id, {}).get(phase)
    if target is None or not metric.limits or metric.limits[-1].of not in ABSOLUTE:
        return metric
    *worse, mildest = metric.limits
    aimed = replace(mildest, edge=target)
    return replace(metric, limits=(*worse, aimed), target=_target(aimed))


def _with_own(metric: Metric, steps: Sequence[Step | Limit]) -> Metric:
    limits = tuple(step if isinstance(step, Limit) else _as_limit(step) for step in steps)
    return replace(metric, limits=limits, target=ladder_target(limits))


def _as_limit(step: Step) -> Limit:
    return Limit(
        step.op,
        step.edge,
        Status(step.status),
        priority=Priority(step.priority) if step.priority else None,
        action=step.action,
        critical=step.critical,
        rollback=step.rollback,
    )


def with_edge(site: Site, metric: Metric, phase: str, edge: float | str | bool) -> Site:
    """The site as if its mildest limit of a metric, which must have some, were another; all else of it stays."""
    *worse, mildest = in_force(metric, site, phase).limits
    ladder = (*worse, replace(mildest, edge=edge))
    return site.model_copy(update={"limits": {**site.limits, metric.id: ladder}})


def ladder_target(ladder: Sequence[Limit]) -> str:
    """What a pass looks like by a ladder, in words: `< 800`; empty without one."""
    return _target(ladder[-1]) if ladder else ""


def _target(mildest: Limit) -> str:
    edge = number_of(mildest.edge)
    aim = f"{_OPPOSITE[mildest.op]} {mildest.edge if edge is None else f'{edge:.10g}'}"
    return {"baseline": f"{aim} times the baseline", "trend": f"trend {aim}"}.get(mildest.of, aim)


def unreached(ladder: Sequence[Limit]) -> tuple[Limit, Limit] | None:
    """The first step that never holds, and the worse one that holds for all its values; None without one."""
    for position, step in enumerate(ladder):
        for worse in ladder[:position]:
            if worse.of == step.of and _as_step(worse).covers(_as_step(step)):
                return step, worse
    return None


def _as_step(limit: Limit) -> Step:
    """A step as a site file writes it, which is what its order is checked by."""
    return Step.model_validate({"op": limit.op, "edge": limit.edge, "status": limit.status.value})


def for_case(case: Case, metric: Metric) -> Metric:
    """The metric with the ladder that is in force for the case's site and phase."""
    return in_force(metric, case.site, case.scope.phase.name)


def target_of(case: Case, metric: Metric) -> float | None:
    """The edge of the mildest step in force, in the metric's unit; None where the ladder has none."""
    return target_edge(for_case(case, metric))


def target_edge(metric: Metric) -> float | None:
    """The edge of a metric's mildest step; None where its ladder has no number."""
    edges = [edge for limit in metric.limits if (edge := _edge(limit)) is not None]
    return edges[-1] if edges else None


def fails(case: Case, metric: Metric, value: Value) -> bool:
    """Whether a value of a part (a route, say) is beyond the worst failing step of the whole's ladder."""
    worst = next(iter(for_case(case, metric).limits), None)
    return worst is not None and worst.status is Status.FAIL and worst.holds(value)


def rollback_edge(case: Case, metric: Metric) -> float | None:
    """The edge beyond which the guide rolls back, as it is in force; None where no step says so."""
    steps = (limit for limit in for_case(case, metric).limits if limit.rollback)
    return next((edge for limit in steps if (edge := _edge(limit)) is not None), None)


def marks(case: Case, metric: Metric) -> tuple[Mark, ...]:
    """The edges in force, mildest first, for a chart to draw."""
    found: dict[float, str] = {}
    for limit in reversed(for_case(case, metric).limits):
        edge = _edge(limit)
        if edge is not None:
            found.setdefault(edge, _word(limit) if found else "target")
    return tuple(Mark(edge, word) for edge, word in found.items())


def _word(limit: Limit) -> str:
    return "rollback" if limit.rollback else (limit.priority or limit.status).value


def _edge(limit: Limit) -> float | None:
    return number_of(limit.edge) if limit.of in ABSOLUTE else None
