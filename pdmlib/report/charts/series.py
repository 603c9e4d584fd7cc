"""Figures over time: response time, error rate, requests, the database's processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pdmlib.analysis.limits import Mark
from pdmlib.report.charts.picture import (
    BLUE,
    INK,
    MUTED,
    PALE,
    RED,
    SKY,
    Look,
    Picture,
    count_text,
    is_narrow,
    key,
    minutes_text,
    ms_text,
    nothing,
    sheet,
    styled,
)
from pdmlib.report.charts.timeline import (
    POINTS,
    Around,
    Floats,
    Timeline,
    draw_limit,
    draw_line,
    draw_usual,
    furnish,
    gap_note,
    hatch_gaps,
    incomplete_note,
    last_value,
    mark_key,
    name_spots,
    peak,
    peak_note,
    right_labels,
    thin,
    timeline,
)

FEW_REQUESTS = 100
FEW_LOOK: Look = {"marker": "D", "color": SKY, "markerfacecolor": "white", "markersize": 5, "zorder": 2.7}
HEIGHT, HOUR_S = 3.0, 3600.0
GROUNDS = {INK: "#fdf0d0", RED: "#f8dcd8"}  # behind what is beyond a limit, by the colour of its line
LINES = {"p50": (SKY, 1.4), "p95": (BLUE, 2.4), "p99": ("#8d969e", 1.1)}


@styled
def response_time(hourly: pd.DataFrame, around: Around, target_ms: float | None = None) -> Picture:
    """p50, p95 and p99 of each bucket (`at, p50, p95, p99` in ms, `complete`), with the target for p95.

    Behind them what is usual for p95.
    """
    title = "Response time: p50, p95 and p99"
    line = timeline(hourly, tuple(LINES), around.zone, around.window)
    shown = [n for n in LINES if line and line.has(n)]
    if line is None or not shown:
        return nothing(title, around.reason)
    figure, ax = sheet(title, HEIGHT)
    peaks, newest = {n: peak(line, n) for n in shown}, {n: last_value(line, n) for n in shown}
    main_name = "p95" if "p95" in shown else shown[-1]
    top = max([(target_ms or 0) * 1.15, *(y * 1.2 for _, y in peaks.values())])
    usual_top = max(target_ms or 0, float(np.nanmedian(line.values[main_name])))
    furnish(ax, line, around, top, unit="ms", usual_top=usual_top)
    usual = draw_usual(ax, line, around)
    lacking = np.all([np.isnan(line.values[n]) for n in shown], axis=0)
    missing = hatch_gaps(ax, line, lacking, word="no data", hatch="//")
    for name in reversed(shown):
        draw_line(ax, line, name, *LINES[name])
    labels = [(v, f"{n} {ms_text(v)}", MUTED if n == "p99" else BLUE) for n, v in newest.items()]
    if target_ms is not None:
        draw_limit(ax, target_ms)
        labels.append((target_ms, f"{'' if is_narrow() else 'p95 '}target {ms_text(target_ms)}", INK))
    right_labels(ax, line, labels)
    peak_note(ax, line, peaks[main_name], f"highest {main_name} {ms_text(peaks[main_name][1])}")
    key(figure, mark_key(line, around, shown, usual))
    name_spots(ax, line, main_name, _each(line, {n: (n, ms_text) for n in shown}))
    said = ", ".join(
        f"{n} last {ms_text(newest[n])}, highest {ms_text(peaks[n][1])} at {line.text(peaks[n][0])}" for n in shown
    )
    aim = "" if target_ms is None else f"; target for p95 {ms_text(target_ms)}"
    notes = f"{gap_note(missing)}{incomplete_note(line, shown)}"
    return Picture(figure, f"{title} {line.span_text}: {said}{aim}.{notes}")


def _each(line: Timeline, named: dict[str, tuple[str, Any]]) -> list[str]:
    """The values of each bucket in words."""
    return [
        " · ".join(
            f"{word} {text(float(line.values[name][i]))}".strip()
            for name, (word, text) in named.items()
            if np.isfinite(line.values[name][i])
        )
        or "no data"
        for i in range(line.starts.size)
    ]


@styled
def error_rate(hourly: pd.DataFrame, around: Around, limits: Sequence[Mark] = ()) -> Picture:
    """Errors in % of each bucket's requests (`at, requests, errors, error_rate_pct`), mildest limit first.

    Buckets with fewer than 100 requests do not set the scale, those with errors are hollow diamonds (at the top
    edge when beyond it); buckets without a request are told apart from missing ones.
    """
    title, name = "Error rate", "error_rate_pct"
    line = timeline(hourly, (name, "requests", "errors"), around.zone, around.window)
    if line is None or not line.has(name):
        return nothing(title, around.reason)
    figure, ax = sheet(title, HEIGHT)
    rate, requests = line.values[name], line.values["requests"]
    few = np.isfinite(rate) & (requests < FEW_REQUESTS)
    solid = _with_only(line, name, ~few) if np.isfinite(rate[~few]).any() else line
    x, most = peak(solid, name)
    drawn = [m for m in limits if m is limits[0] or m.edge <= most * 1.5]
    top = max([most * 1.25, *(m.edge * 1.15 for m in drawn), 0.1])
    usual_top = max([float(np.nanmedian(solid.values[name])), *(m.edge for m in drawn[:1])])
    furnish(ax, line, around, top, unit="%" if is_narrow() else "% of requests", usual_top=usual_top)
    usual = draw_usual(ax, line, around)
    silent = np.isnan(rate) & (requests == 0)
    missing = hatch_gaps(ax, line, np.isnan(rate) & ~silent, word="no data", hatch="//")
    hatch_gaps(ax, line, silent, word="no requests", hatch="--")
    if rate.size <= POINTS // 2:
        draw_line(ax, line, name, color=SKY, width=1)
    draw_line(ax, solid, name, color=BLUE, width=2)
    telling = few & (rate > 0)
    ax.plot(line.middles[telling], np.minimum(rate[telling], top), linestyle="none", clip_on=False, **FEW_LOOK)
    _limit_lines(ax, line, drawn, last=(last_value(line, name), f"last {last_value(line, name):.2f} %"))
    of = _of_requests(line, x)
    if most > 0:
        peak_note(ax, line, (x, most), f"highest {most:.2f} %{'' if is_narrow() else of}")
    rare = [(f"fewer than {FEW_REQUESTS} requests", FEW_LOOK)] if telling.any() else []
    key(figure, mark_key(line, around, [name], usual, more=rare))
    of_all = {name: ("", "{:.2f} %".format), "errors": ("errors", count_text), "requests": ("of", count_text)}
    name_spots(ax, line, name, _each(line, of_all))
    edges = "".join(f"; {m.word} {m.edge:g} %" for m in limits)
    notes = f"{_few_note(rate[telling])}{gap_note(missing)}{incomplete_note(line, [name])}"
    said = f"last {last_value(line, name):.2f} %, highest {most:.2f} %{of} at {line.text(x)}{edges}."
    return Picture(figure, f"{title} {line.span_text}: {said}{notes}")


def _limit_lines(ax: Axes, line: Timeline, limits: Sequence[Mark], last: tuple[float, str]) -> None:
    """A line for each limit, and in the margin the words of each and of the last value."""
    labels = [(m.edge, f"{m.word} {m.edge:g} %", INK if m is limits[0] else RED) for m in limits]
    for value, _, color in labels:
        draw_limit(ax, value, color)
    right_labels(ax, line, [*labels, (*last, BLUE)])


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
def request_volume(hourly: pd.DataFrame, around: Around) -> Picture:
    """Requests of each bucket (`at, requests`), over the usual range of an hour where one is given."""
    title = "Requests"
    line = timeline(hourly, ("requests",), around.zone, around.window)
    if line is None or not line.has("requests"):
        return nothing(title, around.reason)
    length = f"{title} per {'hour' if line.step == HOUR_S else minutes_text(line.step / 60)}"
    share = line.step / HOUR_S
    usual_top = 0.0 if around.usual is None else float(np.nan_to_num(around.usual["high"].max())) * share
    x, most = peak(line, "requests")
    figure, ax = sheet(length, HEIGHT)
    median = float(np.nanmedian(line.values["requests"]))
    furnish(
        ax, line, around, max(most * 1.2, usual_top * 1.2, 1), unit="requests", usual_top=max(median, usual_top)
    )
    missing = hatch_gaps(ax, line, np.isnan(line.values["requests"]), word="no data", hatch="//")
    usual = draw_usual(ax, line, around, share)
    if not usual:
        kept = thin(line.values["requests"])
        ax.fill_between(line.middles[kept], 0, line.values["requests"][kept], color=PALE, alpha=0.6, linewidth=0)
    draw_line(ax, line, "requests", color=BLUE, width=2)
    last = count_text(last_value(line, "requests"))
    right_labels(ax, line, [(last_value(line, "requests"), f"last {last}", BLUE)])
    peak_note(ax, line, (x, most), f"highest {count_text(most)}")
    key(figure, mark_key(line, around, ["requests"], usual))
    name_spots(ax, line, "requests", _each(line, {"requests": ("requests", count_text)}))
    said = f"{line.span_text}: last {last}, highest {count_text(most)} at {line.text(x)}."
    return Picture(figure, f"{length} {said}{gap_note(missing)}{incomplete_note(line, ['requests'])}")


@styled
def database_cpu(series: pd.DataFrame, around: Around, limits: Sequence[Mark] = ()) -> Picture:
    """The database's processor, average of each interval in percent (`at, end, cpu_pct`), peak named.

    Above each limit, the mildest first, the ground is coloured.
    """
    title = "Database processor"
    line = timeline(series, ("cpu_pct",), around.zone, around.window)
    if line is None or not line.has("cpu_pct"):
        return nothing(title, around.reason)
    figure, ax = sheet(title, HEIGHT)
    furnish(ax, line, around, 100, unit="% busy" + f", each {minutes_text(line.step / 60)}" * (not is_narrow()))
    labels = [
        (m.edge, f"target < {m.edge:g} %" if m is limits[0] else f"{m.word} > {m.edge:g} %", color)
        for m, color in zip(limits, (INK, *[RED] * len(limits)), strict=False)
    ]
    for (edge, _, color), end in zip(labels, [*(m.edge for m in limits[1:]), 100], strict=False):
        ax.axhspan(edge, end, color=GROUNDS[color], linewidth=0, zorder=0.5)
        draw_limit(ax, edge, color)
    usual = draw_usual(ax, line, around)
    missing = hatch_gaps(ax, line, np.isnan(line.values["cpu_pct"]), word="no data", hatch="//")
    draw_line(ax, line, "cpu_pct", color=BLUE, width=2)
    x, most = peak(line, "cpu_pct")
    last = last_value(line, "cpu_pct")
    key(figure, mark_key(line, around, ["cpu_pct"], usual))
    peak_note(ax, line, (x, most), f"peak {most:.0f} % {line.text(x)}")
    right_labels(ax, line, [*labels, (last, f"last {last:.0f} %", BLUE)])
    name_spots(ax, line, "cpu_pct", _each(line, {"cpu_pct": ("", "{:.0f} % busy".format)}))
    aims = "".join(f"; {words}" for _, words, _ in labels)
    said = f"last {last:.0f} %, peak {most:.0f} % at {line.text(x)}{aims}."
    return Picture(
        figure, f"{title} {line.span_text}: {said}{gap_note(missing)}{incomplete_note(line, ['cpu_pct'])}"
    )
