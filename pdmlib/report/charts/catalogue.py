"""The pictures of a case by name: which series or rows each chart draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pdmlib.analysis import cron, limits, performance
from pdmlib.analysis.availability.stability import incidents
from pdmlib.analysis.availability.uptime import uptime_segments
from pdmlib.analysis.catalogue import metrics_in
from pdmlib.analysis.compare.baseline import usable
from pdmlib.analysis.database import health
from pdmlib.analysis.product import costs, features
from pdmlib.analysis.traffic.days import daily
from pdmlib.analysis.traffic.hourly import counted, hourly
from pdmlib.errors import CallError, one_of
from pdmlib.frames.case import Case
from pdmlib.frames.states import Usage
from pdmlib.phases.window import Window, parse_time
from pdmlib.report.charts.adoption import adoption_heatmap
from pdmlib.report.charts.bars import capacity_line, cost_bars, query_bar, routes_bar
from pdmlib.report.charts.cron import cron_slots
from pdmlib.report.charts.days import day_trend
from pdmlib.report.charts.picture import NO_ROWS, Picture
from pdmlib.report.charts.series import database_cpu, error_rate, request_volume, response_time
from pdmlib.report.charts.timeline import Around
from pdmlib.report.charts.uptime import uptime_strip

MOST_FEATURES, WEEK, HOUR = 15, pd.Timedelta(days=7), timedelta(hours=1)
Series = Callable[[Case], pd.DataFrame]


def picture(case: Case, name: str) -> Picture:
    """The picture of that name.

    Raises:
        CallError: there is none.
    """
    if name not in CHARTS:
        raise CallError(one_of(name, CHARTS, "a chart"))
    chart = CHARTS[name]
    return chart.draw(case, _why(case, chart.readings))


def _telling(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of features that fit one picture, in their order: those in trouble before the others."""
    troubled = (Usage.BROKEN, Usage.ABANDONED, Usage.RARE)
    kept = sorted(range(len(rows)), key=lambda i: rows[i]["state"] not in troubled)[:MOST_FEATURES]
    return [rows[i] for i in sorted(kept)]


def _why(case: Case, readings: tuple[str, ...]) -> str:
    """Why there is nothing to draw, where there is nothing: what the first unknown of its readings says."""
    found = (metric.of(case) for metric in metrics_in(case) if metric.id.startswith(readings))
    return next((one.reason for one in found if one.value is None and one.reason), NO_ROWS)


def _span(case: Case) -> Window:
    """What a time series shows: the window and the same length before it."""
    return Window(case.scope.previous.start, case.window.end)


def _over_time(case: Case, series: Series, column: str, why: str) -> tuple[pd.DataFrame, Around]:
    """A series over the window and the same length before it, and all that stands around it."""
    span = _span(case)
    around = Around(
        case.site.zone,
        case.scope.deployed_at,
        window=span,
        usual=_usual(case, series, column),
        incidents=list(_incidents(case)),
        reason=why,
    )
    return series(case.at(span)), around


def _incidents(case: Case) -> Iterator[Window]:
    for row in incidents(case):
        yield Window(parse_time(row["start"]), parse_time(row["end"]) if row["end"] else case.window.end)


def _usual(case: Case, series: Series, column: str) -> pd.DataFrame | None:
    """The least and most of each hour of the week before the deployment, laid under the chart's hours.

    Hours of holidays, incidents and the like are left out, as wherever something is compared. A single week before
    shows no range: what is usual needs two.
    """
    before, span, zone = series(case.at(case.scope.baseline)), _span(case), case.site.zone
    before = before.dropna(subset=[column])
    before = before[[usable(case, Window(at, at + HOUR)) for at in before["at"]]]
    if before.empty or before["at"].max() - before["at"].min() < 2 * WEEK:
        return None
    hours = pd.Series(pd.date_range(pd.Timestamp(span.start).floor("h"), span.end, freq="h"))
    groups = before[column].groupby(_hour_of_week(before["at"], zone))
    place = _hour_of_week(hours, zone)
    return pd.DataFrame({"at": hours, "low": place.map(groups.min()), "high": place.map(groups.max())})


def _hour_of_week(moments: pd.Series, zone: ZoneInfo) -> pd.Series:
    local = moments.dt.tz_convert(zone).dt
    found: pd.Series = local.day_of_week * 24 + local.hour
    return found


def _response_time(c: Case, why: str) -> Picture:
    series, around = _over_time(c, hourly, "p95", why)
    return response_time(series, around, limits.target_of(c, performance.P95))


def _error_rate(c: Case, why: str) -> Picture:
    series, around = _over_time(c, counted, "error_rate_pct", why)
    return error_rate(series, around, limits.marks(c, performance.ERROR_RATE))


def _database_cpu(c: Case, why: str) -> Picture:
    series, around = _over_time(c, health.cpu_series, "cpu_pct", why)
    return database_cpu(series, around, limits.marks(c, health.CPU))


@dataclass(frozen=True)
class Chart:
    """A picture of a case.

    Attributes:
        readings: ids, or what they begin with, of the readings whose course or parts it shows.
        draw: given the case, and why there is nothing to draw where there is nothing.
    """

    readings: tuple[str, ...]
    draw: Callable[[Case, str], Picture]


CHARTS: dict[str, Chart] = {
    "response_time": Chart(("latency_p95_ms",), _response_time),
    "error_rate": Chart(("error_rate_pct",), _error_rate),
    "request_volume": Chart(
        ("requests_total",), lambda c, why: request_volume(*_over_time(c, counted, "requests", why))
    ),
    "database_cpu": Chart(("db_cpu_",), _database_cpu),
    "uptime": Chart(
        ("uptime_pct", "app_up"),
        lambda c, why: uptime_strip(uptime_segments(c), c.site.zone, c.window, reason=why),
    ),
    "adoption": Chart(("feature_",), lambda c, why: adoption_heatmap(_telling(features.adoption(c)), reason=why)),
    "cron": Chart(("cron_",), lambda c, why: cron_slots(cron.slots(c), c.site.zone, c.window, reason=why)),
    "days": Chart(("requests_total",), lambda c, why: day_trend(daily(c), reason=why)),
    "routes": Chart(("latency_p95_ms",), lambda c, why: routes_bar(performance.routes(c), reason=why)),
    "queries": Chart(("db_slow_queries", "db_"), lambda c, why: query_bar(health.queries(c), reason=why)),
    "costs": Chart(("cost_",), lambda c, why: cost_bars(costs.rows(c), reason=why)),
    "capacity": Chart(("db_storage", "db_"), lambda c, why: capacity_line(costs.capacity(c), reason=why)),
}
