"""One function per figure: a frame or rows in, a `Picture` out that says in words what it shows.

Nothing is computed here beyond layout. An empty input gives a picture with the reason.
"""

from pdmlib.charts.adoption import adoption_heatmap
from pdmlib.charts.bars import capacity_line, cost_bars, query_bar, routes_bar
from pdmlib.charts.cron import cron_slots
from pdmlib.charts.days import day_trend
from pdmlib.charts.picture import Picture, nothing
from pdmlib.charts.series import database_cpu, error_rate, request_volume, response_time
from pdmlib.charts.uptime import uptime_strip

__all__ = [
    "Picture",
    "adoption_heatmap",
    "capacity_line",
    "cost_bars",
    "cron_slots",
    "database_cpu",
    "day_trend",
    "error_rate",
    "nothing",
    "query_bar",
    "request_volume",
    "response_time",
    "routes_bar",
    "uptime_strip",
]
