"""Buckets over time with their gaps, and how a line of them is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
    PAPER,
    Look,
    boxes,
    count_text,
    minutes_text,
    moment_text,
    spread,
)

Floats = npt.NDArray[np.float64]
POINTS = 800


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


def furnish(ax: Axes, line: Timeline, top: float, unit: str, deployed_at: datetime | None) -> None:
    """Axes from 0 to `top` in a unit, the times of the line below, the deployment as a labelled line."""
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
            turned = 0 if share > 0.1 else 90
            ax.text(
                (a + b) / 2, high * 0.05, word, ha="center", va="bottom", rotation=turned, bbox=PAPER, zorder=3
            )
    return sum(b - a for a, b in spans) / 60


def draw_line(ax: Axes, line: Timeline, name: str, color: str, width: float) -> None:
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


def right_labels(ax: Axes, line: Timeline, labels: Sequence[tuple[float, str, str]]) -> None:
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
    """A dot at the peak and words beside it."""
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


def incomplete_note(line: Timeline, named: Sequence[str]) -> str:
    """How many buckets are incomplete, for the alt text; empty when none is."""
    count = _ragged(line, named)
    return f" {count} incomplete, drawn hollow." if count else ""


def mark_key(
    line: Timeline, named: Sequence[str], more: Sequence[tuple[str, Look]] = ()
) -> list[tuple[str, Look]]:
    """Entries of the key: more marks, and the ring of an incomplete bucket if one is drawn."""
    ring: Look = {"marker": "o", "color": BLUE, "markerfacecolor": "white", "markersize": 6}
    return [*more, *([("incomplete", ring)] if _ragged(line, named) else [])]


def gap_note(minutes: float) -> str:
    """For how long there is no data, for the alt text; empty when there is always some."""
    return f" No data for {minutes_text(minutes)}." if minutes else ""
