"""The pictures of a case by name: which series or rows each chart draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pdmlib import charts
from pdmlib.analysis import costs, cron, database, features
from pdmlib.case import Case
from pdmlib.days import daily
from pdmlib.errors import CallError
from pdmlib.routes import routes
from pdmlib.series import hourly
from pdmlib.uptime import uptime_segments
from pdmlib.window import Window

MOST_FEATURES = 15


def picture(case: Case, name: str) -> Any:
    """The picture of that name.

    Raises:
        CallError: there is none.
    """
    if name not in CHARTS:
        raise CallError(f"chart {name!r} is not one of {', '.join(CHARTS)}")
    return CHARTS[name](case)


def _telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of features that fit one picture, in their order: those in trouble before the others."""
    troubled = ("broken", "abandoned", "rare")
    kept = sorted(range(len(rows)), key=lambda i: rows[i]["state"] not in troubled)[:MOST_FEATURES]
    return [rows[i] for i in sorted(kept)]


def _span(case: Case) -> Window:
    """What a time series shows: the window and the same length before it."""
    return Window(case.scope.previous.start, case.window.end)


def _over_time(draw: Callable[..., Any], series: Callable[[Case], Any]) -> Callable[[Case], Any]:
    """A chart of a series over the window and the same length before it."""

    def chart(case: Case) -> Any:
        span = _span(case)
        return draw(series(case.at(span)), case.scope.deployed_at, case.site.zone, window=span)

    return chart


CHARTS: dict[str, Callable[[Case], Any]] = {
    "response_time": _over_time(charts.response_time, hourly),
    "error_rate": _over_time(charts.error_rate, hourly),
    "request_volume": _over_time(charts.request_volume, hourly),
    "database_cpu": _over_time(charts.database_cpu, database.cpu_series),
    "uptime": lambda c: charts.uptime_strip(uptime_segments(c), c.site.zone, c.window),
    "adoption": lambda c: charts.adoption_heatmap(_telling(features.adoption(c))),
    "cron": lambda c: charts.cron_slots(cron.slots(c), c.site.zone, c.window),
    "days": lambda c: charts.day_trend(daily(c)),
    "routes": lambda c: charts.routes_bar(routes(c)),
    "queries": lambda c: charts.query_bar(database.queries(c)),
    "costs": lambda c: charts.cost_bars(costs.rows(c)),
    "capacity": lambda c: charts.capacity_line(costs.capacity(c)),
}
