"""The time axis: local days or hours, as many as fit."""

from __future__ import annotations

from datetime import UTC, datetime, time
from itertools import pairwise
from math import ceil
from zoneinfo import ZoneInfo

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import Formatter, Locator

from pdmlib.phases.window import days_between
from pdmlib.report.charts.picture import MUTED, RULE, Look, day_text, is_flat, is_narrow, moment_text, width

BY_DAY = 16 * 86400
GRID_POINTS, GRID_ORDER = 0.8, 0.5  # those of matplotlib's own grid, below all that is drawn


class Times(Locator):
    """Where the local days or hours of what an axis shows are marked, whatever part of it that is."""

    def __init__(self, zone: ZoneInfo, inches: float) -> None:
        self.zone, self.inches = zone, inches

    def __call__(self) -> list[float]:
        """The places."""
        return self.marked()[0]

    def marked(self) -> tuple[list[float], list[str]]:
        """The places, and the words that stand there."""
        assert self.axis is not None  # set_major_locator gives it
        start, end = sorted(self.axis.get_view_interval())
        ticks = _day_ticks if end - start > 2 * 86400 else _hour_ticks
        return ticks(start, end, self.zone, self.inches)


class _Said(Formatter):
    """What stands at each place of `Times`."""

    def __init__(self, times: Times) -> None:
        self.times = times

    def format_ticks(self, values: list[float]) -> list[str]:
        """The words of all places."""
        return self.times.marked()[1]

    def __call__(self, x: float, pos: int | None = None) -> str:
        """A time under the pointer."""
        return moment_text(x, self.times.zone)


def time_axis(ax: Axes, start: float, end: float, zone: ZoneInfo, note: str = "") -> None:
    """Local days or hours along the foot, as many as fit, and a note and the zone's name at the top right."""
    inches = ax.get_position().width * width()
    days, times = end - start > 2 * 86400, Times(zone, inches)
    ax.set_xlim(start, end)
    ax.xaxis.set_major_locator(times)
    ax.xaxis.set_major_formatter(_Said(times))
    if days and end - start <= BY_DAY:  # between the words, where lines of their own cost less than ticks
        lines = [[(at, 0), (at, 1)] for at in _midnights(start, end, zone)]
        look: Look = {"color": RULE, "linewidth": GRID_POINTS, "zorder": GRID_ORDER}
        ax.add_collection(LineCollection(lines, transform=ax.get_xaxis_transform(), **look), autolim=False)
    else:
        ax.grid(True, axis="x")
    if is_flat():
        return
    box, high = ax.get_position(), ax.bbox.height / ax.figure.dpi / ax.get_position().height
    above = 1 - 0.1 / high if is_narrow() else box.y1 + 0.05 / high  # beside the title, where the sheet is narrow
    ax.figure.text(
        1 - 0.1 / width(), above, note + zone.key, ha="right", va="top" if is_narrow() else "bottom", color=MUTED
    )


def _local(seconds: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone)


def _midnights(start: float, end: float, zone: ZoneInfo) -> list[float]:
    days = days_between(_local(start, zone).date(), _local(end, zone).date(), zone)
    return [s for s in (d.window.start.timestamp() for d in days) if start <= s <= end]


def _day_ticks(start: float, end: float, zone: ZoneInfo, inches: float) -> tuple[list[float], list[str]]:
    day = inches * 86400 / (end - start)
    if end - start > BY_DAY:
        mondays = [s for s in _midnights(start, end, zone) if _local(s, zone).weekday() == 0]
        mondays = mondays[:: ceil(1.05 / (7 * day))]
        return mondays, [day_text(_local(s, zone).date()) for s in mondays]
    word = day_text if day > 1 else lambda date: f"{date:%a} {date.day}"
    least = (0.95 if day > 1 else 0.6) / day * 86400
    edges = [start, *_midnights(start, end, zone), end]
    middles = [(a + b) / 2 for a, b in pairwise(edges) if b - a >= min(least, 80000)]
    middles = middles[:: ceil(0.6 / day)]
    return middles, [word(_local(m, zone).date()) for m in middles]


def _hour_ticks(start: float, end: float, zone: ZoneInfo, inches: float) -> tuple[list[float], list[str]]:
    most, length = inches / 1.0, (end - start) / 60
    minutes = next((m for m in (5, 10, 15, 30, 60, 120, 180, 360, 720) if length / m <= most), 1440)
    days = days_between(_local(start, zone).date(), _local(end, zone).date(), zone)
    clock = [time(m // 60, m % 60) for m in range(0, 1440, minutes)]
    places = [datetime.combine(d.date, t, zone).timestamp() for d in days for t in clock]
    places = sorted({p for p in places if start <= p <= end})
    return places, [f"{_local(p, zone):%a %H:%M}" for p in places]
