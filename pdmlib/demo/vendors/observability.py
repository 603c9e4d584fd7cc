"""Vercel's metrics query: counts and durations of the requests, in buckets and groups."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, iso, parse
from pdmlib.demo.vendors.cells import counts, plain, statistic
from pdmlib.demo.world.grid import DAY, HOUR, MINUTE, Array, Table
from pdmlib.demo.world.traffic import REGIONS, ROUTES

_DISTRIBUTION = ("avg", "min", "max", "p50", "p75", "p90", "p95", "p99")
_DIMENSIONS = ("route", "http_status", "environment", "region")
_UNITS = {"minutes": MINUTE, "hours": HOUR, "days": DAY}
_ALLOWED = ((HOUR, MINUTE), (12 * HOUR, 5 * MINUTE), (3 * DAY, HOUR), (30 * DAY, 4 * HOUR))
Values = Callable[[Table], Array]


@dataclass(frozen=True)
class Metric:
    """One metric of the schema and where its values come from; None: it counts."""

    id: str
    description: str
    unit: str
    values: Values | None = None

    @property
    def aggregations(self) -> tuple[str, ...]:
        """What may be asked of it."""
        return _DISTRIBUTION if self.values else ("sum", "persecond")


def _memory(requests: Table) -> Array:
    return np.asarray(150 + 9.0 * requests["route"] + requests["at"] % 37)


def _given(requests: Table) -> Array:
    return np.full(len(requests), 2048.0)


def _duration(requests: Table) -> Array:
    return requests["duration_ms"].astype(np.float64)


METRICS: tuple[Metric, ...] = (
    Metric("vercel.request.count", "Requests", "count"),
    Metric("vercel.function_invocation.count", "Function Invocations", "count"),
    Metric("vercel.function_invocation.function_duration_ms", "Function Duration", "milliseconds", _duration),
    Metric("vercel.function_invocation.request_duration_ms", "Request Duration", "milliseconds", _duration),
    Metric("vercel.function_invocation.peak_memory_mb", "Peak Memory", "megabytes", _memory),
    Metric("vercel.function_invocation.provisioned_memory_mb", "Provisioned Memory", "megabytes", _given),
)


def _refuse(status: int, code: str, message: str) -> Reply:
    return Reply({"error": {"code": code, "message": message}}, status)


_NO_PLUS = _refuse(402, "payment_required", "Observability Plus is required to query metrics.")


def schema(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """The ids of all metrics."""
    return Reply({"metrics": [{"id": m.id, "description": m.description} for m in METRICS]})


def query(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """One metric, aggregated over the whole span (`summary`) and over its buckets (`data`)."""
    if not stage.plan.observability_plus:
        return _NO_PLUS
    try:
        return _result(json.loads(call.body), stage)
    except (KeyError, TypeError, ValueError) as error:
        return _refuse(400, "bad_request", f"Invalid query: {error}")


def _result(asked: dict[str, Any], stage: Stage) -> Reply:
    metric = next((m for m in METRICS if m.id == asked["metric"]), None)
    aggregation, group_by = asked.get("aggregation", "sum"), list(asked.get("groupBy", ()))
    if metric is None or aggregation not in metric.aggregations or set(group_by) - set(_DIMENSIONS):
        raise ValueError("unknown metric, aggregation or dimension")
    start, end = parse(asked["startTime"]), parse(asked["endTime"])
    if start is None or end is None or end <= start:
        raise ValueError("startTime and endTime must be ISO times in order")
    step = _step(asked.get("granularity"), end - start)
    requests = _filtered(stage.world["requests"].between(start, stage.past(end)), asked.get("filter", ""))
    if metric.id.startswith("vercel.function_invocation"):
        requests = requests.where(requests["status"] != 304)
    key = f"{metric.id.replace('.', '_')}_{aggregation}"
    groups, names = _groups(requests, group_by, int(asked.get("limit", 10)))
    chosen = groups >= 0
    shown, group = requests.where(chosen), groups[chosen]
    whole = _values(metric, aggregation, shown, cell=group, number=len(names), span=end - start)
    summary = [{**name, key: value} for name, value in zip(names, whole, strict=True)]
    bucket = shown["at"] // step
    found, cell = np.unique(bucket * len(names) + group, return_inverse=True)
    parts = _values(metric, aggregation, shown, cell=cell, number=len(found), span=step)
    data = [
        {"timestamp": iso(number // len(names) * step), **names[number % len(names)], key: value}
        for number, value in zip(found.tolist(), parts, strict=True)
    ]
    return Reply({"summary": summary, "data": data, "statistics": {"rowsRead": len(requests)}})


def _step(granularity: dict[str, int] | None, span: int) -> int:
    smallest = next((step for limit, step in _ALLOWED if span <= limit), DAY)
    if not granularity:
        return smallest
    unit, count = next(iter(granularity.items()))
    step = _UNITS[unit] * int(count)
    if step < smallest:
        raise ValueError(f"granularity is too fine for the range; at least {smallest // MINUTE} minutes")
    return step


def _dimension(requests: Table, name: str) -> tuple[Array, list[str]]:
    """The position of each request among the values of a dimension, and the values."""
    if name == "route":
        return requests["route"].astype(np.int64), [r.path for r in ROUTES]
    if name == "region":
        return requests["region"].astype(np.int64), list(REGIONS)
    if name == "environment":
        return np.zeros(len(requests), dtype=np.int64), ["production"]
    return requests["status"].astype(np.int64), [str(code) for code in range(600)]


def _groups(requests: Table, by: list[str], limit: int) -> tuple[Array, list[dict[str, str]]]:
    """The group number of each request, biggest group first (-1 beyond the limit), and their names."""
    if not by:
        return np.zeros(len(requests), dtype=np.int64), [{}]
    joined, parts = np.zeros(len(requests), dtype=np.int64), [_dimension(requests, name) for name in by]
    for positions, values in parts:
        joined = joined * len(values) + positions
    found, position, counts = np.unique(joined, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:limit]
    rank = np.full(len(found), -1)
    rank[order] = np.arange(len(order))
    return rank[position], [_named(int(found[i]), by, [values for _, values in parts]) for i in order]


def _named(joined: int, by: list[str], values: list[list[str]]) -> dict[str, str]:
    name = {}
    for dimension, known in zip(by[::-1], values[::-1], strict=True):
        joined, position = divmod(joined, len(known))
        name[dimension] = known[position]
    return name


def _values(
    metric: Metric, aggregation: str, requests: Table, cell: Array, number: int, span: int
) -> list[float | None]:
    if metric.values is None:
        found = counts(cell, number).tolist()
        return found if aggregation == "sum" else [count / (span / 1000) for count in found]
    return [plain(v, 2) for v in statistic(metric.values(requests), cell, number, aggregation).tolist()]


_COMPARE: dict[str, Callable[[Array, int], Array]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
}
_CONDITION = re.compile(r"(\w+)\s+(eq|ne|ge|gt|le|lt)\s+('[^']*'|\d+)")


def _filtered(requests: Table, text: str) -> Table:
    """Requests that meet every condition of an OData filter joined with `and`."""
    for part in [p for p in re.split(r"\s+and\s+", text.strip()) if p]:
        found = _CONDITION.fullmatch(part.strip("() "))
        if not found or found[1] not in _DIMENSIONS:
            raise ValueError(f"cannot read the filter {part!r}")
        positions, values = _dimension(requests, found[1])
        operand = found[3].strip("'")
        sought = values.index(operand) if operand in values else -1
        requests = requests.where(_COMPARE[found[2]](positions, sought))
    return requests
