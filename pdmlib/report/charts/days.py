"""Day by day: requests, error rate and response time side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from matplotlib.axes import Axes

from pdmlib.report.charts.picture import (
    BLUE,
    HATCHED,
    MUTED,
    NO_ROWS,
    SKY,
    Look,
    Picture,
    Row,
    axes_at,
    blank,
    boxes,
    count_text,
    day_text,
    is_narrow,
    key,
    ms_text,
    nothing,
    number,
    styled,
    width,
)

Text = Callable[[float], str]
DAY_PANELS: Sequence[tuple[str, str, Text]] = (
    ("requests", "Requests", count_text),
    ("error_rate_pct", "Error rate, % of requests", lambda value: f"{value:.2f} %"),
    ("latency_p95_ms", "Response time, p95", ms_text),
)


@styled
def day_trend(daily_rows: Sequence[Row], *, reason: str = NO_ROWS) -> Picture:
    """Each day's `requests, error_rate_pct, latency_p95_ms` (and `date`), the last whole day dark.

    A day without a value is a hatched column; one that is not over or not fully
    covered (`complete` False) is hollow.
    """
    title = "Day by day"
    rows = list(daily_rows)
    if not any(number(r, name) is not None for r in rows for name, _, _ in DAY_PANELS):
        return nothing(title, reason)
    narrow = is_narrow()
    high = 5.75 if narrow else 2.9
    figure = blank(title, high)
    days = [_day(r["date"]) for r in rows]
    complete = [r.get("complete", True) is not False for r in rows]
    wide, said = width() - 0.25 if narrow else (width() - 1.1) / 3, []
    for i, (name, words, text) in enumerate(DAY_PANELS):
        left, foot = (0.1, high - 1.9 - 1.65 * i) if narrow else (0.15 + i * (wide + 0.4), 0.55)
        panel = axes_at(figure, left, foot, width=wide, height=1.0 if narrow else 1.5)
        values = [number(r, name) for r in rows]
        _day_columns(panel, values, complete, text)
        _day_names(panel, days, complete)
        figure.text(left / width(), (foot + (1.1 if narrow else 1.75)) / high, words)
        said.append(f"{words}: {', '.join('no data' if v is None else text(v) for v in values)}.")
    ragged = [day_text(d) for d, whole in zip(days, complete, strict=True) if not whole]
    said += [f"Incomplete: {', '.join(ragged)}."] if ragged else []
    key(
        figure,
        [("no data", {**HATCHED, "hatch": "//"})] * ("no data" in " ".join(said))
        + [("incomplete", HOLLOW)] * bool(ragged),
    )
    return Picture(figure, f"{title} from {day_text(days[0])} to {day_text(days[-1])}. {' '.join(said)}")


HOLLOW: Mapping[str, Any] = {"facecolor": "white", "edgecolor": BLUE, "linewidth": 1.5, "linestyle": (0, (3, 2))}


def _day(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _day_columns(ax: Axes, values: Sequence[float | None], complete: Sequence[bool], text: Text) -> None:
    top = max((v for v in values if v is not None), default=0) or 1.0
    last = len(values) - 1
    told = max((i for i, whole in enumerate(complete) if whole), default=last)
    ax.set(xlim=(-0.6, max(last, 6) + 0.6), ylim=(0, top * 1.22))
    bars = [(i, v, whole) for i, (v, whole) in enumerate(zip(values, complete, strict=True)) if v is not None]
    boxes(
        ax,
        [(i - 0.4, 0, 0.8, v) for i, v, whole in bars if whole and i != told],
        facecolor=SKY,
        alpha=0.55,
        linewidth=0,
    )
    boxes(ax, [(i - 0.4, 0, 0.8, v) for i, v, whole in bars if whole and i == told], facecolor=BLUE, linewidth=0)
    boxes(ax, [(i - 0.4, 0, 0.8, v) for i, v, whole in bars if not whole], **HOLLOW)
    absent = [i for i, v in enumerate(values) if v is None]
    boxes(ax, [(i - 0.4, 0, 0.8, top) for i in absent], **{**HATCHED, "hatch": "//", "linewidth": 0})
    shown = values[told] if values else None
    if shown is not None:
        place: Look = {"ha": "right" if told > 2 else "left", "va": "bottom"}
        edge = told + (0.5 if told > 2 else -0.5)
        ax.text(edge, top * 1.03, text(shown), weight="bold", color=BLUE, **place)
    most, at = max((v, i) for i, v, _ in bars) if bars else (0.0, last)
    if abs(told - at) > max(2, len(values) / 3) and most > 0:
        ax.text(at, most + top * 0.03, text(most), ha="left" if at < 2 else "center", va="bottom", color=MUTED)


def _day_names(ax: Axes, days: Sequence[date], complete: Sequence[bool]) -> None:
    every = -(-len(days) // 7)
    told = max((i for i, whole in enumerate(complete) if whole), default=len(days) - 1)
    shown = [i for i in range(len(days)) if (i - told) % every == 0]
    ax.set_xticks(shown, [f"{days[i]:%a}\n{days[i].day}" for i in shown], linespacing=1)
    ax.set_yticks([])
    ax.tick_params(length=0, pad=4)
    ax.spines["left"].set_visible(False)
    ax.get_xticklabels()[shown.index(told)].set_fontweight("bold")
