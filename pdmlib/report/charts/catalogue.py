"""The pictures of a case by name: which series or rows each chart draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pdmlib.analysis import cron, limits, performance
from pdmlib.analysis.availability.uptime import uptime_segments
from pdmlib.analysis.database import health
from pdmlib.analysis.product import costs, features
from pdmlib.analysis.traffic.days import daily
from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.errors import CallError, one_of
from pdmlib.frames.case import Case
from pdmlib.frames.states import Usage
from pdmlib.phases.window import Window
from pdmlib.report.charts.adoption import adoption_heatmap
from pdmlib.report.charts.bars import capacity_line, cost_bars, query_bar, routes_bar
from pdmlib.report.charts.cron import cron_slots
from pdmlib.report.charts.days import day_trend
from pdmlib.report.charts.series import database_cpu, error_rate, request_volume, response_time
from pdmlib.report.charts.uptime import uptime_strip

MOST_FEATURES, WEEK = 15, pd.Timedelta(days=7)


def picture(case: Case, name: str) -> Any:
    """The picture of that name.

    Raises:
        CallError: there is none.
    """
    if name not in CHARTS:
        raise CallError(one_of(name, CHARTS, "a chart"))
    return CHARTS[name](case)


def _telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of features that fit one picture, in their order: those in trouble before the others."""
    troubled = (Usage.BROKEN, Usage.ABANDONED, Usage.RARE)
    kept = sorted(range(len(rows)), key=lambda i: rows[i]["state"] not in troubled)[:MOST_FEATURES]
    return [rows[i] for i in sorted(kept)]


def _span(case: Case) -> Window:
    """What a time series shows: the window and the same length before it."""
    return Window(case.scope.previous.start, case.window.end)


def _over_time(
    draw: Callable[..., Any],
    series: Callable[[Case], Any],
    edges: Callable[[Case], Mapping[str, Any]] | None = None,
) -> Callable[[Case], Any]:
    """A chart of a series over the window and the same length before it.

    Args:
        edges: what the chart takes of the ladder in force.
    """

    def chart(case: Case) -> Any:
        span, more = _span(case), edges(case) if edges else {}
        return draw(series(case.at(span)), case.scope.deployed_at, case.site.zone, window=span, **more)

    return chart


def _usual(case: Case) -> pd.DataFrame | None:
    """The least and most requests of each hour of the week before the deployment, laid under the chart's hours.

    A single week before shows no range: what is usual needs two.
    """
    before, span = hourly(case.at(case.scope.baseline)), _span(case)
    if before.empty or before["at"].max() - before["at"].min() < 2 * WEEK:
        return None
    hours = pd.Series(pd.date_range(pd.Timestamp(span.start).floor("h"), span.end, freq="h"))
    groups = before["requests"].groupby(_hour_of_week(before["at"]))
    place = _hour_of_week(hours)
    return pd.DataFrame({"at": hours, "low": place.map(groups.min()), "high": place.map(groups.max())})


def _hour_of_week(moments: pd.Series) -> pd.Series:
    found: pd.Series = moments.dt.day_of_week * 24 + moments.dt.hour
    return found


CHARTS: dict[str, Callable[[Case], Any]] = {
    "response_time": _over_time(
        response_time, hourly, lambda c: {"target_ms": limits.target_of(c, performance.P95)}
    ),
    "error_rate": _over_time(error_rate, hourly, lambda c: {"limits": limits.marks(c, performance.ERROR_RATE)}),
    "request_volume": _over_time(request_volume, hourly, lambda c: {"baseline": _usual(c)}),
    "database_cpu": _over_time(database_cpu, health.cpu_series, lambda c: {"limits": limits.marks(c, health.CPU)}),
    "uptime": lambda c: uptime_strip(uptime_segments(c), c.site.zone, c.window),
    "adoption": lambda c: adoption_heatmap(_telling(features.adoption(c))),
    "cron": lambda c: cron_slots(cron.slots(c), c.site.zone, c.window),
    "days": lambda c: day_trend(daily(c)),
    "routes": lambda c: routes_bar(performance.routes(c)),
    "queries": lambda c: query_bar(health.queries(c)),
    "costs": lambda c: cost_bars(costs.rows(c)),
    "capacity": lambda c: capacity_line(costs.capacity(c)),
}
