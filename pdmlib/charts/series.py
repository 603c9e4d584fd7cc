"""Figures over time: response time, error rate, requests, the database's processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from itertools import pairwise
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdmlib.charts.picture import (
    BLUE,
    INK,
    MUTED,
    NO_ROWS,
    PALE,
    PAPER,
    RED,
    SKY,
    WIDTH,
    Axes,
    Look,
    Picture,
    boxes,
    count_text,
    day_text,
    key,
    minutes_text,
    moment_text,
    ms_text,
    nothing,
    sheet,
    spread,
    styled,
)
from pdmlib.window import Window, days_between

Floats = npt.NDArray[np.float64]
POINTS = 800
BY_DAY = 16 * 86400
FEW_REQUESTS = 100
FEW_LOOK: Look = {"marker": "D", "color": SKY, "markerfacecolor": "white", "markersize": 5, "zorder": 2.7}
HEIGHT = 3.3


@dataclass(frozen=True)
class Timeline:
    """Buckets in time order, a missing stretch as one bucket without values.

    Attributes:
        starts: seconds since 1970; a bucket ends where the next one starts, the last one at `end`.
        step: usual length of a bucket in seconds.
        complete: False for a bucket that was not over, or not fully collected.
    """

    starts: Floats
    values: dict[str, Floats]
    complete: npt.NDArray[np.bool_]
    step: float
    end: float
    zone: ZoneInfo

    @property
    def middles(self) -> Floats:
        """Where a bucket's value is drawn."""
        ends: Floats = np.append(self.starts[1:], self.end)
        return (self.starts + ends) / 2

    def has(self, name: str) -> bool:
        """Whether any bucket has a value of that name."""
        return bool(np.isfinite(self.values[name]).any())

    def text(self, seconds: float) -> str:
        """A time in the site's zone."""
        return moment_text(seconds, self.zone)

    @property
    def span_text(self) -> str:
        """From when to when, for the alt text."""
        return f"from {self.text(self.starts[0])} to {self.text(self.end)}, {self.zone.key}"


def timeline(table: pd.DataFrame, names: Sequence[str], zone: ZoneInfo, window: Window | None) -> Timeline | None:
    """The columns of a frame as a timeline that covers the window; None without any row."""
    if table.empty or "at" not in table:
        return None
    rows = table.dropna(subset=["at"]).drop_duplicates("at", keep="last").sort_values("at")
    at = pd.to_datetime(rows["at"], utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy() / 1e6
    if not at.size:
        return None
    step = float(np.median(np.diff(at))) if at.size > 1 else 3600.0
    values = {n: _numbers(rows, n) for n in names}
    complete = rows["complete"].fillna(True).to_numpy(dtype=bool) if "complete" in rows else np.full(at.size, True)
    return _with_gaps(Timeline(at, values, complete, step, float(at[-1] + step), zone), window)


def _numbers(rows: pd.DataFrame, name: str) -> Floats:
    if name not in rows:
        return np.full(len(rows), np.nan)
    found = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _with_gaps(line: Timeline, window: Window | None) -> Timeline:
    ends = line.starts + line.step
    places = np.flatnonzero(np.diff(line.starts) > 1.5 * line.step) + 1
    starts, end = ends[places - 1], line.end
    if window and window.start.timestamp() < line.starts[0] - line.step / 2:
        places, starts = np.insert(places, 0, 0), np.insert(starts, 0, window.start.timestamp())
    if window and window.end.timestamp() > ends[-1] + line.step / 2:
        places, starts = np.append(places, len(ends)), np.append(starts, ends[-1])
        end = window.end.timestamp()
    return Timeline(
        np.insert(line.starts, places, starts),
        {n: np.insert(v, places, np.nan) for n, v in line.values.items()},
        np.insert(line.complete, places, True),
        line.step,
        end,
        line.zone,
    )


def thin(values: Floats, limit: int = POINTS) -> npt.NDArray[np.intp]:
    """Indices, at most `limit`, that keep the extremes of each stretch and one NaN of each gap."""
    if len(values) <= limit:
        return np.arange(len(values))
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(values)), limit // 3):
        seen = values[part]
        kept.update(part[np.isnan(seen)][:1].tolist())
        if np.isfinite(seen).any():
            kept.update((int(part[np.nanargmin(seen)]), int(part[np.nanargmax(seen)])))
    return np.array(sorted(kept))


def time_axis(ax: Axes, start: float, end: float, zone: ZoneInfo) -> None:
    """Local days or hours along the foot, as many as fit, and the zone's name at the top right."""
    inches = ax.get_position().width * WIDTH
    days = end - start > 2 * 86400
    ticks = _day_ticks if days else _hour_ticks
    places, words = ticks(start, end, zone, inches)
    ax.set_xlim(start, end)
    ax.set_xticks(places, words)
    if days and end - start <= BY_DAY:
        ax.set_xticks(_midnights(start, end, zone), minor=True)
    ax.grid(True, axis="x", which="minor" if days and end - start <= BY_DAY else "major")
    ax.tick_params(which="minor", length=0)
    edge = (1 - 0.15 / WIDTH - ax.get_position().x0) / ax.get_position().width
    ax.text(edge, 1.03, zone.key, transform=ax.transAxes, ha="right", va="bottom", color=MUTED)


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
    minutes = next((m for m in (5, 10, 15, 30, 60, 120, 180, 360) if length / m <= most), 720)
    days = days_between(_local(start, zone).date(), _local(end, zone).date(), zone)
    clock = [time(m // 60, m % 60) for m in range(0, 1440, minutes)]
    places = [datetime.combine(d.date, t, zone).timestamp() for d in days for t in clock]
    places = sorted({p for p in places if start <= p <= end})
    return places, [f"{_local(p, zone):%a %H:%M}" for p in places]


def _frame(ax: Axes, line: Timeline, top: float, unit: str, deployed_at: datetime | None) -> None:
    ax.set_ylim(0, top)
    ax.set_ylabel(unit)
    ax.locator_params(axis="y", nbins=5)
    ax.yaxis.set_major_formatter(lambda value, _: count_text(value) if value >= 10 else f"{value:g}")
    ax.grid(True, axis="y")
    time_axis(ax, line.starts[0], line.end, line.zone)
    if deployed_at is not None:
        _deployment(ax, line, deployed_at.timestamp())


def _deployment(ax: Axes, line: Timeline, at: float) -> None:
    above = ax.get_xaxis_transform()
    if at < line.starts[0]:
        ax.text(line.starts[0], 1.03, f"◀ deployed {line.text(at)}, before this", transform=above, va="bottom")
    elif at <= line.end:
        ax.axvline(at, color=INK, linewidth=1.6, zorder=3)
        right = (at - line.starts[0]) / (line.end - line.starts[0]) > 0.7
        word = f"deployed {line.text(at)} ▼" if right else f"▼ deployed {line.text(at)}"
        ax.text(at, 1.03, word, transform=above, va="bottom", ha="right" if right else "left")


def _gaps(ax: Axes, line: Timeline, missing: Any, word: str, hatch: str) -> float:
    """Hatches the missing stretches, names those wide enough, and gives their sum in minutes."""
    ends = np.append(line.starts[1:], line.end)
    change = np.diff(np.concatenate(([0], missing.astype(int), [0])))
    firsts, lasts = np.flatnonzero(change == 1), np.flatnonzero(change == -1) - 1
    spans = [(float(line.starts[a]), float(ends[b])) for a, b in zip(firsts, lasts, strict=True)]
    high = ax.get_ylim()[1]
    boxes(
        ax,
        [(a, 0, b - a, high) for a, b in spans],
        facecolor="#f6f7f8",
        edgecolor="#b4bbc1",
        linewidth=0,
        hatch=hatch,
        zorder=1.5,
    )
    longest = max((b - a for a, b in spans), default=0)
    for a, b in spans:
        share = (b - a) / (line.end - line.starts[0])
        if share > 0.026 or b - a == longest:
            turned = 0 if share > 0.1 else 90
            ax.text((a + b) / 2, high * 0.5, word, ha="center", va="center", rotation=turned, bbox=PAPER, zorder=3)
    return sum(b - a for a, b in spans) / 60


def _draw(ax: Axes, line: Timeline, name: str, color: str, width: float) -> None:
    """A line, broken at gaps; what leads to an incomplete bucket is dotted, the bucket a hollow ring."""
    values, x = line.values[name], line.middles
    whole = np.where(line.complete, values, np.nan)
    lone = np.isfinite(whole) & np.isnan(np.append(whole[1:], np.nan)) & np.isnan(np.insert(whole[:-1], 0, np.nan))
    kept = thin(whole)
    width = width * 0.6 if len(kept) > POINTS // 2 else width
    ax.plot(x[kept], whole[kept], color=color, linewidth=width, solid_capstyle="round", zorder=2.5)
    ax.plot(x[lone], whole[lone], "o", color=color, markersize=4, zorder=2.5)
    ragged = np.flatnonzero(~line.complete & np.isfinite(values))[-POINTS:]
    for i in ragged[ragged > 0]:
        ax.plot(x[i - 1 : i + 1], values[i - 1 : i + 1], ":", color=color, linewidth=width, zorder=2.5)
    ax.plot(x[ragged], values[ragged], "o", color=color, markerfacecolor="white", markersize=6, zorder=2.6)


def _right_labels(ax: Axes, line: Timeline, labels: Sequence[tuple[float, str, str]]) -> None:
    """Words in the right margin beside what they name: place, word, colour; moved apart when too near."""
    high = ax.get_ylim()[1]
    gap = high * 0.195 / (ax.bbox.height / ax.figure.dpi)
    moved = spread([min(max(p, 0), high) for p, _, _ in labels], gap, gap * 0.3, high)
    for (_, word, color), y in zip(labels, moved, strict=True):
        ax.annotate(
            word,
            (line.end, y),
            (10, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,
        )


def _limit(ax: Axes, value: float, color: str = INK) -> None:
    ax.axhline(value, color=color, linewidth=1.2, dashes=(6, 4), zorder=2)


def _last(line: Timeline, name: str) -> float:
    values = line.values[name]
    return float(values[np.isfinite(values)][-1])


def _peak(line: Timeline, name: str) -> tuple[float, float]:
    place = int(np.nanargmax(line.values[name]))
    return float(line.middles[place]), float(line.values[name][place])


def _peak_note(ax: Axes, line: Timeline, peak: tuple[float, float], word: str) -> None:
    x, y = peak
    left, high = (x - line.starts[0]) / (line.end - line.starts[0]) > 0.6, ax.get_ylim()[1]
    ax.plot([x], [y], "o", color=INK, markersize=5, zorder=4)
    ax.annotate(
        word,
        (x, min(y, high)),
        (-9 if left else 9, 1),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top" if y > 0.88 * high else "bottom",
        bbox=PAPER,
        zorder=4,
    )


def _ragged(line: Timeline, named: Sequence[str]) -> int:
    seen = np.any([np.isfinite(line.values[n]) for n in named], axis=0)
    return int((~line.complete & seen).sum())


def _incomplete_note(line: Timeline, named: Sequence[str]) -> str:
    count = _ragged(line, named)
    return f" {count} incomplete, drawn hollow." if count else ""


def _mark_key(
    line: Timeline, named: Sequence[str], more: Sequence[tuple[str, Look]] = ()
) -> list[tuple[str, Look]]:
    ring: Look = {"marker": "o", "color": BLUE, "markerfacecolor": "white", "markersize": 6}
    return [*more, *([("incomplete", ring)] if _ragged(line, named) else [])]


def _gap_note(minutes: float) -> str:
    return f" No data for {minutes_text(minutes)}." if minutes else ""


@styled
def response_time(
    hourly: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    target_ms: float = 1000,
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """p50, p95 and p99 of each bucket (`at, p50, p95, p99` in ms, `complete`), with the target for p95.

    A few p99s far above all else are cut off at the top and named.
    """
    title = "Response time: p50, p95 and p99"
    names = ("p50", "p95", "p99")
    line = timeline(hourly, names, zone, window)
    shown = [n for n in names if line and line.has(n)]
    if line is None or not shown:
        return nothing(title, reason)
    figure, ax = sheet(title, HEIGHT)
    peaks = {n: _peak(line, n) for n in shown}
    main = max([target_ms * 1.15, *(peaks[n][1] * 1.2 for n in shown if n != "p99")])
    most = max(y for _, y in peaks.values())
    _frame(ax, line, main if most > 2.5 * main else max(main, most * 1.2), "ms", deployed_at)
    missing = _gaps(ax, line, np.all([np.isnan(line.values[n]) for n in shown], axis=0), "no data", "//")
    looks = {"p50": (SKY, 1.4), "p95": (BLUE, 2.4), "p99": ("#8d969e", 1.1)}
    for name in shown:
        _draw(ax, line, name, *looks[name])
    _limit(ax, target_ms)
    labels = [(_last(line, n), f"{n} {ms_text(_last(line, n))}", MUTED if n == "p99" else BLUE) for n in shown]
    _right_labels(ax, line, [*labels, (target_ms, f"p95 target {ms_text(target_ms)}", INK)])
    main_name = "p95" if "p95" in shown else shown[-1]
    _peak_note(ax, line, peaks[main_name], f"highest {main_name} {ms_text(peaks[main_name][1])}")
    if most > 2.5 * main:
        x = peaks["p99"][0]
        ax.annotate(f"▲ p99 up to {ms_text(most)}", (x, ax.get_ylim()[1]), va="top", ha="center", bbox=PAPER)
    key(figure, _mark_key(line, shown))
    said = ", ".join(
        f"{n} last {ms_text(_last(line, n))}, highest {ms_text(peaks[n][1])} at {line.text(peaks[n][0])}"
        for n in shown
    )
    return Picture(
        figure,
        f"{title} {line.span_text}: {said}; target for p95 {ms_text(target_ms)}."
        f"{_gap_note(missing)}{_incomplete_note(line, shown)}",
    )


@styled
def error_rate(
    hourly: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    limits: Sequence[float] = (0.5, 1, 5),
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """Errors in % of each bucket's requests (`at, requests, errors, error_rate_pct`), with the limits.

    Columns `low` and `high` (percent), where given, are drawn as a band. Buckets with fewer than
    100 requests do not set the scale, those with errors are hollow diamonds (at the top edge when beyond
    it); buckets without a request are told apart from missing ones.
    """
    title, name = "Error rate", "error_rate_pct"
    line = timeline(hourly, (name, "requests", "errors", "low", "high"), zone, window)
    if line is None or not line.has(name):
        return nothing(title, reason)
    figure, ax = sheet(f"{title}: errors in % of requests", HEIGHT)
    rate, requests = line.values[name], line.values["requests"]
    few = np.isfinite(rate) & (requests < FEW_REQUESTS)
    solid = _with_only(line, name, ~few) if np.isfinite(rate[~few]).any() else line
    x, most = _peak(solid, name)
    drawn = [v for v in limits if v <= max(most * 1.5, limits[0])]
    top = max([most * 1.25, *(v * 1.15 for v in drawn), 0.1])
    _frame(ax, line, top, "% of requests", deployed_at)
    silent = np.isnan(rate) & (requests == 0)
    missing = _gaps(ax, line, np.isnan(rate) & ~silent, "no data", "//")
    _gaps(ax, line, silent, "no requests", "--")
    if line.has("low") and line.has("high"):
        ax.fill_between(line.middles, line.values["low"], line.values["high"], color=PALE, linewidth=0, zorder=1)
    if rate.size <= POINTS // 2:
        _draw(ax, line, name, SKY, 1)
    _draw(ax, solid, name, BLUE, 2)
    telling = few & (rate > 0)
    ax.plot(line.middles[telling], np.minimum(rate[telling], top), linestyle="none", clip_on=False, **FEW_LOOK)
    words = dict(zip(limits, ("target", "P1", "rollback"), strict=False))
    for value in drawn:
        _limit(ax, value, INK if value == limits[0] else RED)
    labels = [(v, f"{words.get(v, 'limit')} {v:g} %", INK if v == limits[0] else RED) for v in drawn]
    _right_labels(ax, line, [*labels, (_last(line, name), f"last {_last(line, name):.2f} %", BLUE)])
    of = _of_requests(line, x)
    if most > 0:
        _peak_note(ax, line, (x, most), f"highest {most:.2f} %{of}")
    rare = [(f"fewer than {FEW_REQUESTS} requests", FEW_LOOK)] if telling.any() else []
    key(figure, _mark_key(line, [name], rare))
    edges = ", ".join(f"{words.get(v, 'limit')} {v:g} %" for v in limits)
    notes = f"{_few_note(rate[telling])}{_gap_note(missing)}{_incomplete_note(line, [name])}"
    said = f"last {_last(line, name):.2f} %, highest {most:.2f} %{of} at {line.text(x)}; {edges}."
    return Picture(figure, f"{title} {line.span_text}: {said}{notes}")


def _with_only(line: Timeline, name: str, kept: Any) -> Timeline:
    return replace(line, values={**line.values, name: np.where(kept, line.values[name], np.nan)})


def _of_requests(line: Timeline, x: float) -> str:
    place = int(np.argmin(np.abs(line.middles - x)))
    errors, requests = line.values["errors"][place], line.values["requests"][place]
    return f" ({errors:,.0f} of {requests:,.0f})" if np.isfinite(errors + requests) else ""


def _few_note(rates: Floats) -> str:
    few = f"fewer than {FEW_REQUESTS} requests"
    return f" {rates.size} with errors among {few}, up to {rates.max():.0f} %." if rates.size else ""


@styled
def request_volume(
    hourly: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    baseline: pd.DataFrame | None = None,
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """Requests of each bucket (`at, requests`), over the usual range (`at, low, high`) where one is given."""
    title = "Requests"
    line = timeline(hourly, ("requests",), zone, window)
    if line is None or not line.has("requests"):
        return nothing(title, reason)
    usual = timeline(baseline, ("low", "high"), zone, None) if baseline is not None else None
    x, most = _peak(line, "requests")
    usual = usual if usual and usual.has("low") and usual.has("high") else None
    top = max(most, float(np.nanmax(usual.values["high"])) if usual else 0)
    figure, ax = sheet(f"{title} per {minutes_text(line.step / 60)}", HEIGHT)
    _frame(ax, line, max(top * 1.2, 1), "requests", deployed_at)
    missing = _gaps(ax, line, np.isnan(line.values["requests"]), "no data", "//")
    if usual:
        ax.fill_between(
            usual.middles, usual.values["low"], usual.values["high"], color="#e4e7ea", linewidth=0, zorder=1
        )
    kept = thin(line.values["requests"])
    ax.fill_between(line.middles[kept], 0, line.values["requests"][kept], color=PALE, alpha=0.6, linewidth=0)
    _draw(ax, line, "requests", BLUE, 2)
    last = count_text(_last(line, "requests"))
    _right_labels(ax, line, [(_last(line, "requests"), f"last {last}", BLUE)])
    _peak_note(ax, line, (x, most), f"highest {count_text(most)}")
    band: Look = {"facecolor": "#e4e7ea", "linewidth": 0}
    key(figure, _mark_key(line, ["requests"], [("usual range", band)] if usual else []))
    said = f"{line.span_text}: last {last}, highest {count_text(most)} at {line.text(x)}."
    notes = f"{_gap_note(missing)}{_incomplete_note(line, ['requests'])}"
    return Picture(figure, f"{title} per {minutes_text(line.step / 60)} {said}{notes}")


@styled
def database_cpu(
    series: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """The database's processor, average of each interval in percent (`at, cpu_pct`), peak named."""
    title = "Database processor"
    line = timeline(series, ("cpu_pct",), zone, window)
    if line is None or not line.has("cpu_pct"):
        return nothing(title, reason)
    figure, ax = sheet(f"{title}: average of each {minutes_text(line.step / 60)}", HEIGHT)
    _frame(ax, line, 100, "% busy", deployed_at)
    for low, high, color in ((70, 80, "#fdf0d0"), (80, 100, "#f8dcd8")):
        ax.axhspan(low, high, color=color, linewidth=0, zorder=0.5)
        _limit(ax, low, INK if low == 70 else RED)
    missing = _gaps(ax, line, np.isnan(line.values["cpu_pct"]), "no data", "//")
    _draw(ax, line, "cpu_pct", BLUE, 2)
    x, most = _peak(line, "cpu_pct")
    last = _last(line, "cpu_pct")
    key(figure, _mark_key(line, ["cpu_pct"]))
    _peak_note(ax, line, (x, most), f"peak {most:.0f} % {line.text(x)}")
    _right_labels(
        ax, line, [(70, "target < 70 %", INK), (80, "alert > 80 %", RED), (last, f"last {last:.0f} %", BLUE)]
    )
    return Picture(
        figure,
        f"{title} {line.span_text}: last {last:.0f} %, peak {most:.0f} % at {line.text(x)}; target below 70 %, "
        f"alert above 80 %.{_gap_note(missing)}{_incomplete_note(line, ['cpu_pct'])}",
    )
