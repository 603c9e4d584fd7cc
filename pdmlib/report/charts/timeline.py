"""Buckets over time with their gaps, and how a line of them is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor, log10
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from pdmlib.frames.rows import microseconds
from pdmlib.phases.window import Window
from pdmlib.report.charts.clock import time_axis
from pdmlib.report.charts.picture import (
    BLUE,
    INK,
    NO_ROWS,
    PAPER,
    RED,
    Look,
    Sheet,
    boxes,
    column_inches,
    count_text,
    is_narrow,
    minutes_text,
    moment_text,
    spread,
)

Floats = npt.NDArray[np.float64]
POINTS, FEW_POINTS = 800, 300  # of a line on a screen, and on a phone
SPOTS = 340  # along a picture that a pointer can tell apart: two pixels each
SPIKE = 4.0  # times the limit and the median: above it a linear axis would press all else into its lowest quarter
EDGE = 4.0  # pixels between words and the axis that they must not touch
POINTS_PER_INCH = 72
USUAL: Look = {"facecolor": "#ccd4da", "linewidth": 0}
INCIDENT: Look = {"facecolor": RED, "alpha": 0.16, "linewidth": 0}


@dataclass(frozen=True)
class Around:
    """What stands around a series.

    Attributes:
        window: what the picture covers; where it is left out the series alone says so.
        usual: `at, low, high`: what the same hours of the weeks before held; None where nothing is known.
        incidents: the spans in which something was broken.
        reason: why there is nothing to draw, where there is nothing.
    """

    zone: ZoneInfo
    deployed_at: datetime | None = None
    window: Window | None = None
    usual: pd.DataFrame | None = None
    incidents: Sequence[Window] = ()
    reason: str = NO_ROWS


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
    """The columns of a frame as a timeline that covers the window; None without any row.

    A row reaches from `at` to its `end` where the frame has that column, else over the usual step.
    """
    if table.empty or "at" not in table:
        return None
    rows = table.dropna(subset=["at"]).drop_duplicates("at", keep="last").sort_values("at")
    at = _seconds(rows["at"])
    if not at.size:
        return None
    step = float(np.median(np.diff(at))) if at.size > 1 else 3600.0
    ends = _seconds(rows["end"]) if "end" in rows else at + step
    values = {n: _numbers(rows, n) for n in names}
    complete = rows["complete"].fillna(True).to_numpy(dtype=bool) if "complete" in rows else np.full(at.size, True)
    return _with_gaps(Timeline(at, values, complete, step=step, end=float(ends[-1]), zone=zone), ends, window)


def _seconds(times: pd.Series) -> Floats:
    return microseconds(pd.to_datetime(times, utc=True)) / 1e6


def _numbers(rows: pd.DataFrame, name: str) -> Floats:
    if name not in rows:
        return np.full(len(rows), np.nan)
    found = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _with_gaps(line: Timeline, ends: Floats, window: Window | None) -> Timeline:
    places = np.flatnonzero(line.starts[1:] > ends[:-1] + line.step / 2) + 1
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
        step=line.step,
        end=end,
        zone=line.zone,
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


def furnish(ax: Axes, line: Timeline, around: Around, top: float, unit: str, usual_top: float = 0.0) -> None:
    """Axes from 0 to `top` in a unit, the times below, the deployment as a labelled line, incidents shaded.

    Args:
        usual_top: the limit or what most values are; where `top` is far above, the axis is logarithmic from there.
    """
    spiked = 0 < usual_top * SPIKE < top
    if spiked:
        ax.set_yscale("symlog", linthresh=usual_top, linscale=1)
        ax.set_yticks(_log_ticks(usual_top, top))
        ax.set_yticks([], minor=True)
    else:
        ax.locator_params(axis="y", nbins=5)
    ax.set_ylim(0, top)
    shown = f"{unit}, log scale" if spiked else unit
    ax.set_ylabel("" if is_narrow() else shown)
    ax.yaxis.set_major_formatter(lambda value, _: count_text(value) if value >= 10 else f"{value:g}")
    ax.grid(True, axis="y")
    time_axis(ax, line.starts[0], line.end, line.zone, note=f"{shown} · " if is_narrow() else "")
    spans = [(span.start.timestamp(), span.end.timestamp()) for span in around.incidents]
    boxes(ax, [(a, 0, b - a, top) for a, b in _within(line, spans)], zorder=0.8, **INCIDENT)
    if around.deployed_at is not None:
        _deployment(ax, line, around.deployed_at.timestamp())


def _log_ticks(low: float, top: float) -> list[float]:
    """Zero, and up to four round numbers above it."""
    places = [m * 10.0**e for e in range(floor(log10(low)), floor(log10(top)) + 1) for m in (1, 2, 5)]
    places = [v for v in places if low * 0.7 <= v <= top]
    return [0.0, *places[:: -(-len(places) // 4)]]


def _within(line: Timeline, spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What of each span the picture shows, wide enough to be seen."""
    least = (line.end - line.starts[0]) / 300
    shown = [(max(a, float(line.starts[0])), min(b, line.end)) for a, b in spans]
    return [(a, max(b, a + least)) for a, b in shown if a < b]


def draw_usual(ax: Axes, line: Timeline, around: Around, share: float = 1.0) -> bool:
    """The range of the same hours of the weeks before, behind all; whether there is one.

    Args:
        share: of an hour that a bucket of the line is long, where values are counts.
    """
    usual = timeline(around.usual, ("low", "high"), line.zone, None) if around.usual is not None else None
    if usual is None or not usual.has("low"):
        return False
    low, high = usual.values["low"] * share, usual.values["high"] * share
    ax.fill_between(usual.middles, low, np.minimum(high, ax.get_ylim()[1]), zorder=1, **USUAL)
    return True


def _deployment(ax: Axes, line: Timeline, at: float) -> None:
    above = ax.get_xaxis_transform()
    if at < line.starts[0]:
        ax.text(line.starts[0], 1.03, f"◀ deployed {line.text(at)}, before this", transform=above, va="bottom")
    elif at <= line.end:
        ax.axvline(at, color=INK, linewidth=1.6, zorder=3)
        right = (at - line.starts[0]) / (line.end - line.starts[0]) > (0.6 if is_narrow() else 0.7)
        word = f"deployed {line.text(at)} ▼" if right else f"▼ deployed {line.text(at)}"
        ax.text(at, 1.03, word, transform=above, va="bottom", ha="right" if right else "left")


def share_up(ax: Axes, value: float) -> float:
    """How far up the axes a value stands, from 0 to 1."""
    place = ax.transData + ax.transAxes.inverted()
    return float(place.transform((ax.get_xlim()[0], value))[1])


def name_spots(ax: Axes, line: Timeline, main: str, words: Sequence[str]) -> None:
    """What each bucket says under the pointer, of buckets finer than a pointer the highest; a phone has none."""
    figure, ends = ax.figure, np.append(line.starts[1:], line.end)
    if is_narrow() or not isinstance(figure, Sheet):
        return
    (low, high), values = ax.get_ylim(), np.nan_to_num(line.values[main], nan=-1.0)
    for part in np.array_split(np.arange(values.size), min(values.size, SPOTS)):
        worst = int(part[np.argmax(values[part])])
        words_of = f"{line.text(float(line.starts[worst]))}: {words[worst]}"
        corners = (float(line.starts[part[0]]), low), (float(ends[part[-1]]), high)
        figure.spots.append((ax, corners, words_of))


def hatch_gaps(ax: Axes, line: Timeline, missing: Any, word: str, hatch: str) -> float:
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
    longest = max(spans, key=lambda span: span[1] - span[0], default=None)
    for a, b in spans:
        share = (b - a) / (line.end - line.starts[0])
        if share > 0.026 or (a, b) == longest:
            turned = 0 if share > (0.25 if is_narrow() else 0.1) else 90
            place: Look = {"ha": "center", "va": "bottom", "transform": ax.get_xaxis_transform()}
            ax.text((a + b) / 2, 0.05, word, rotation=turned, bbox=PAPER, zorder=3, **place)
    return sum(b - a for a, b in spans) / 60


def draw_line(ax: Axes, line: Timeline, name: str, color: str, width: float) -> None:
    """A line, broken at gaps; what leads to an incomplete bucket is dotted, the bucket a hollow ring."""
    values, x = line.values[name], line.middles
    whole = np.where(line.complete, values, np.nan)
    lone = np.isfinite(whole) & np.isnan(np.append(whole[1:], np.nan)) & np.isnan(np.insert(whole[:-1], 0, np.nan))
    kept = thin(whole, FEW_POINTS if is_narrow() else POINTS)
    width = width * 0.6 if len(kept) > POINTS // 2 or is_narrow() else width
    ax.plot(x[kept], whole[kept], color=color, linewidth=width, solid_capstyle="round", zorder=2.5)
    if lone.any():
        ax.plot(x[lone], whole[lone], "o", color=color, markersize=4, zorder=2.5)
    ragged = np.flatnonzero(~line.complete & np.isfinite(values))[-POINTS:]
    for i in ragged[ragged > 0]:
        ax.plot(x[i - 1 : i + 1], values[i - 1 : i + 1], ":", color=color, linewidth=width, zorder=2.5)
    if ragged.size:
        ax.plot(x[ragged], values[ragged], "o", color=color, markerfacecolor="white", markersize=6, zorder=2.6)


def right_labels(ax: Axes, line: Timeline, labels: Sequence[tuple[float, str, str]]) -> None:
    """Words in the right margin beside what they name: place, word, colour; moved apart when too near."""
    gap = 1.9 * column_inches() / (ax.bbox.height / ax.figure.dpi)
    moved = spread([min(max(share_up(ax, p), 0), 1) for p, _, _ in labels], gap, gap * 0.3, 1.0)
    for (_, word, color), y in zip(labels, moved, strict=True):
        place: Look = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
        ax.annotate(word, (1, y), (5 if is_narrow() else 10, 0), va="center", color=color, **place)


def draw_limit(ax: Axes, value: float, color: str = INK) -> None:
    """A dashed line across, to be named in the right margin."""
    ax.axhline(value, color=color, linewidth=1.2, dashes=(6, 4), zorder=2)


def last_value(line: Timeline, name: str) -> float:
    """The newest value."""
    values = line.values[name]
    return float(values[np.isfinite(values)][-1])


def peak(line: Timeline, name: str) -> tuple[float, float]:
    """When (the bucket's middle) and how much the greatest value is."""
    place = int(np.nanargmax(line.values[name]))
    return float(line.middles[place]), float(line.values[name][place])


def peak_note(ax: Axes, line: Timeline, peak: tuple[float, float], word: str) -> None:
    """A dot at the peak and words beside it, inside the axes: above or below where there is no room beside it."""
    x, y = peak
    left = (x - line.starts[0]) / (line.end - line.starts[0]) > 0.6
    ax.plot([x], [y], "o", color=INK, markersize=5, zorder=4)
    under = share_up(ax, y) > 0.88
    note = ax.annotate(
        word,
        (x, min(y, ax.get_ylim()[1])),
        (-9 if left else 9, 1),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top" if under else "bottom",
        bbox=PAPER,
        zorder=4,
    )
    said, room = note.get_window_extent(), ax.get_window_extent()
    beyond = max(0, room.x0 + EDGE - said.x0) - max(0, said.x1 - room.x1)
    if beyond:
        points = beyond * POINTS_PER_INCH / ax.figure.dpi
        note.xyann = (note.xyann[0] + points, -9 if under else 9)


def _ragged(line: Timeline, named: Sequence[str]) -> int:
    seen = np.any([np.isfinite(line.values[n]) for n in named], axis=0)
    return int((~line.complete & seen).sum())


def incomplete_note(line: Timeline, named: Sequence[str]) -> str:
    """How many buckets are incomplete, for the alt text; empty when none is."""
    count = _ragged(line, named)
    return f" {count} incomplete, drawn hollow." if count else ""


def mark_key(
    line: Timeline, around: Around, named: Sequence[str], usual: bool, more: Sequence[tuple[str, Look]] = ()
) -> list[tuple[str, Look]]:
    """Entries of the key, each only where it is drawn: more marks, the usual band, an incident, an open bucket."""
    spans = [(span.start.timestamp(), span.end.timestamp()) for span in around.incidents]
    band = [("usual for the hour", USUAL)] if usual else []
    broken = [("incidents", INCIDENT)] if _within(line, spans) else []
    ring: Look = {"marker": "o", "color": BLUE, "markerfacecolor": "white", "markersize": 6}
    return [*more, *band, *broken, *([("incomplete", ring)] if _ragged(line, named) else [])]


def gap_note(minutes: float) -> str:
    """For how long there is no data, for the alt text; empty when there is always some."""
    return f" No data for {minutes_text(minutes)}." if minutes else ""
