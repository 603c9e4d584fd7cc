"""Uptime: one strip a local day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pdmlib.frames.states import Probe
from pdmlib.phases.window import Day, Window, days_between
from pdmlib.report.charts.picture import (
    AMBER,
    GREEN,
    HATCHED,
    INK,
    NO_ROWS,
    RED,
    SKY,
    Look,
    Picture,
    boxes,
    day_text,
    is_narrow,
    key,
    listing,
    minutes_text,
    nothing,
    styled,
)

EPOCH, HOUR = pd.Timestamp(0, tz="UTC"), pd.Timedelta(hours=1)
SECOND = 1 / 3600
UPTIME_LOOKS: Mapping[str, Look] = {
    Probe.UP: {"facecolor": GREEN, "linewidth": 0},
    Probe.DEGRADED: {"facecolor": AMBER, "edgecolor": INK, "linewidth": 0, "hatch": "|||"},
    Probe.MAINTENANCE: {"facecolor": SKY, "linewidth": 0},
    Probe.UNCLEAR: {"facecolor": "white", "edgecolor": INK, "linewidth": 0, "hatch": "..."},
    Probe.DOWN: {"facecolor": RED, "edgecolor": RED, "linewidth": 1.5},
}


@dataclass(frozen=True)
class _DayStrip:
    """One local day: what of it the window covers, and its spans, in hours since midnight."""

    day: Day
    seen: tuple[float, float]
    spans: tuple[tuple[str, float, float], ...]

    def minutes(self, state: str) -> float:
        return sum(b - a for s, a, b in self.spans if s == state) * 60

    @property
    def unprobed(self) -> float:
        known = sum(self.minutes(state) for state in UPTIME_LOOKS)
        return max(0.0, (self.seen[1] - self.seen[0]) * 60 - known)

    @property
    def words(self) -> str:
        times = sum(state == Probe.DOWN for state, _, _ in self.spans)
        often = f" ({times} times)" if times > 1 else ""
        whole = self.unprobed > (self.seen[1] - self.seen[0]) * 60 - 0.5
        said = [
            f"down {minutes_text(self.minutes(Probe.DOWN))}{often}" * bool(times),
            *(
                f"{state.replace('_', ' ')} {minutes_text(self.minutes(state))}" * (self.minutes(state) > 0)
                for state in (Probe.DEGRADED, Probe.MAINTENANCE, Probe.UNCLEAR)
            ),
            "not probed" if whole else f"not probed {minutes_text(self.unprobed)}" * (self.unprobed >= 0.5),
        ]
        length = round(self.day.window.minutes / 60)
        change = f" ({length}-hour day)" if length != 24 else ""
        return (", ".join(filter(None, said)) or "up") + change


@styled
def uptime_strip(segments: pd.DataFrame, zone: ZoneInfo, window: Window, *, reason: str = NO_ROWS) -> Picture:
    """One strip a local day (`start, end, state`, as `uptime_segments` has them), outages with their minutes.

    Time that no segment vouches for is hatched as not probed. On days of a clock change the strip
    is 23 or 25 hours long.
    """
    title = "Uptime by day"
    strips = [] if segments.empty else _strips(segments, zone, window)
    if not strips:
        return nothing(title, reason)
    roomy = len(strips) <= 12
    listed = listing(title, len(strips), left=1.25, right=3.0, pitch=0.38 if roomy else 0.22)
    # An outage's minutes stand above it where there is room.
    half = 0.24 if roomy else 0.42
    middle = listed.middle + 0.2 * (roomy and not is_narrow())
    listed = replace(listed, middle=middle)
    tops = [i + middle - half for i in range(len(strips))]
    boxes(
        listed.ax,
        [(s.seen[0], y, s.seen[1] - s.seen[0], 2 * half) for y, s in zip(tops, strips, strict=True)],
        **HATCHED,
    )
    for state, look in UPTIME_LOOKS.items():
        spans = [(y, a, b) for y, d in zip(tops, strips, strict=True) for s, a, b in d.spans if s == state]
        places = [(a, y, b - a, 2 * half) for y, a, b in spans]
        boxes(listed.ax, places, gid=state, **look)
        if state == Probe.DOWN:
            boxes(listed.ax, places, facecolor="none", edgecolor="white", linewidth=0, hatch="xx")
    _clock_axis(listed.ax, strips)
    for i, strip in enumerate(strips):
        if roomy and not is_narrow():
            _outage_words(listed.ax, tops[i], strip)
        listed.tell(i, day_text(strip.day.date), strip.words, bold=strip.minutes(Probe.DOWN) > 0)
    words = " ".join(f"{day_text(s.day.date)}: {s.words}." for s in strips)
    key(
        listed.figure,
        [
            *((s.replace("_", " "), x) for s, x in UPTIME_LOOKS.items() if any(d.minutes(s) for d in strips)),
            ("not probed", HATCHED),
        ],
    )
    return Picture(listed.figure, f"{title}, {zone.key}. {words}")


def _strips(segments: pd.DataFrame, zone: ZoneInfo, window: Window) -> list[_DayStrip]:
    rows = segments.dropna(subset=["start", "end"])
    starts, ends = (((pd.to_datetime(rows[c], utc=True) - EPOCH) / HOUR).to_numpy() for c in ("start", "end"))
    states = rows["state"].astype(str).to_numpy()
    days = days_between(window.start.astimezone(zone).date(), window.end.astimezone(zone).date(), zone)
    strips = []
    for day in days:
        seen = day.window.clip(window)
        zero, low, high = (m.timestamp() / 3600 for m in (day.window.start, seen.start, seen.end))
        inside = np.flatnonzero((starts < high) & (ends > low))
        clipped = np.clip(starts[inside], low, high) - zero, np.clip(ends[inside], low, high) - zero
        spans = _merged(zip(states[inside], *(c.tolist() for c in clipped), strict=True))
        if seen.seconds:
            strips.append(_DayStrip(day, (low - zero, high - zero), spans))
    return strips


def _merged(spans: Iterable[tuple[str, float, float]]) -> tuple[tuple[str, float, float], ...]:
    """Spans of one state that touch, as one: an outage of three probes is one outage."""
    merged: list[tuple[str, float, float]] = []
    for state, start, end in sorted(spans, key=lambda span: span[1]):
        if merged and merged[-1][0] == state and start - merged[-1][2] < SECOND:
            merged[-1] = (state, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((state, start, end))
    return tuple(merged)


def _outage_words(ax: Axes, y: float, strip: _DayStrip) -> None:
    free = -1.0
    for state, a, b in sorted(strip.spans, key=lambda span: span[1]):
        middle = (a + b) / 2
        middle = min(max(middle, 1.4), 22.7)
        if state == Probe.DOWN and middle - 1.2 >= free:
            ax.text(middle, y - 0.03, minutes_text((b - a) * 60), ha="center", va="bottom", color=RED)
            free = middle + 1.2


def _clock_axis(ax: Axes, strips: Sequence[_DayStrip]) -> None:
    ax.set_xlim(0, max(24.0, *(s.day.window.minutes / 60 for s in strips)))
    hours = range(6, 24, 6) if is_narrow() else range(0, 25, 3)
    ax.set_xticks(hours, [f"{h:02}:00" for h in hours])
    ax.spines["bottom"].set_visible(False)
    ax.grid(True, axis="x")
