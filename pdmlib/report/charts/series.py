"""Figures over time: response time, error rate, requests, the database's processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pdmlib.analysis.limits import Mark
from pdmlib.phases.window import Window
from pdmlib.report.charts.picture import (
    BLUE,
    INK,
    MUTED,
    NO_ROWS,
    PALE,
    PAPER,
    RED,
    SKY,
    Look,
    Picture,
    count_text,
    key,
    minutes_text,
    ms_text,
    nothing,
    sheet,
    styled,
)
from pdmlib.report.charts.timeline import (
    POINTS,
    Floats,
    Timeline,
    draw_limit,
    draw_line,
    furnish,
    gap_note,
    hatch_gaps,
    incomplete_note,
    last_value,
    mark_key,
    peak,
    peak_note,
    right_labels,
    thin,
    timeline,
)

FEW_REQUESTS = 100
FEW_LOOK: Look = {"marker": "D", "color": SKY, "markerfacecolor": "white", "markersize": 5, "zorder": 2.7}
HEIGHT, USUAL = 3.3, "#ccd4da"
GROUNDS = {INK: "#fdf0d0", RED: "#f8dcd8"}  # behind what is beyond a limit, by the colour of its line


@styled
def response_time(
    hourly: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    target_ms: float | None = None,
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
    peaks = {n: peak(line, n) for n in shown}
    main = max([(target_ms or 0) * 1.15, *(peaks[n][1] * 1.2 for n in shown if n != "p99")])
    most = max(y for _, y in peaks.values())
    furnish(ax, line, main if most > 2.5 * main else max(main, most * 1.2), unit="ms", deployed_at=deployed_at)
    missing = hatch_gaps(
        ax, line, np.all([np.isnan(line.values[n]) for n in shown], axis=0), word="no data", hatch="//"
    )
    looks = {"p50": (SKY, 1.4), "p95": (BLUE, 2.4), "p99": ("#8d969e", 1.1)}
    for name in shown:
        draw_line(ax, line, name, *looks[name])
    newest = {n: last_value(line, n) for n in shown}
    labels = [(v, f"{n} {ms_text(v)}", MUTED if n == "p99" else BLUE) for n, v in newest.items()]
    if target_ms is not None:
        draw_limit(ax, target_ms)
        labels.append((target_ms, f"p95 target {ms_text(target_ms)}", INK))
    right_labels(ax, line, labels)
    main_name = "p95" if "p95" in shown else shown[-1]
    peak_note(ax, line, peaks[main_name], f"highest {main_name} {ms_text(peaks[main_name][1])}")
    if most > 2.5 * main:
        x = peaks["p99"][0]
        ax.annotate(f"▲ p99 up to {ms_text(most)}", (x, ax.get_ylim()[1]), va="top", ha="center", bbox=PAPER)
    key(figure, mark_key(line, shown))
    said = ", ".join(
        f"{n} last {ms_text(newest[n])}, highest {ms_text(peaks[n][1])} at {line.text(peaks[n][0])}" for n in shown
    )
    aim = "" if target_ms is None else f"; target for p95 {ms_text(target_ms)}"
    return Picture(
        figure,
        f"{title} {line.span_text}: {said}{aim}.{gap_note(missing)}{incomplete_note(line, shown)}",
    )


@styled
def error_rate(
    hourly: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    limits: Sequence[Mark] = (),
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """Errors in % of each bucket's requests (`at, requests, errors, error_rate_pct`), mildest limit first.

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
    x, most = peak(solid, name)
    drawn = [m for m in limits if m is limits[0] or m.edge <= most * 1.5]
    top = max([most * 1.25, *(m.edge * 1.15 for m in drawn), 0.1])
    furnish(ax, line, top, unit="% of requests", deployed_at=deployed_at)
    silent = np.isnan(rate) & (requests == 0)
    missing = hatch_gaps(ax, line, np.isnan(rate) & ~silent, word="no data", hatch="//")
    hatch_gaps(ax, line, silent, word="no requests", hatch="--")
    if line.has("low") and line.has("high"):
        ax.fill_between(line.middles, line.values["low"], line.values["high"], color=PALE, linewidth=0, zorder=1)
    if rate.size <= POINTS // 2:
        draw_line(ax, line, name, color=SKY, width=1)
    draw_line(ax, solid, name, color=BLUE, width=2)
    telling = few & (rate > 0)
    ax.plot(line.middles[telling], np.minimum(rate[telling], top), linestyle="none", clip_on=False, **FEW_LOOK)
    labels = [(m.edge, f"{m.word} {m.edge:g} %", INK if m is limits[0] else RED) for m in drawn]
    for value, _, color in labels:
        draw_limit(ax, value, color)
    right_labels(ax, line, [*labels, (last_value(line, name), f"last {last_value(line, name):.2f} %", BLUE)])
    of = _of_requests(line, x)
    if most > 0:
        peak_note(ax, line, (x, most), f"highest {most:.2f} %{of}")
    rare = [(f"fewer than {FEW_REQUESTS} requests", FEW_LOOK)] if telling.any() else []
    key(figure, mark_key(line, [name], rare))
    edges = "".join(f"; {m.word} {m.edge:g} %" for m in limits)
    notes = f"{_few_note(rate[telling])}{gap_note(missing)}{incomplete_note(line, [name])}"
    said = f"last {last_value(line, name):.2f} %, highest {most:.2f} %{of} at {line.text(x)}{edges}."
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
    x, most = peak(line, "requests")
    usual = usual if usual and usual.has("low") and usual.has("high") else None
    top = max(most, float(np.nanmax(usual.values["high"])) if usual else 0)
    figure, ax = sheet(f"{title} per {minutes_text(line.step / 60)}", HEIGHT)
    furnish(ax, line, max(top * 1.2, 1), unit="requests", deployed_at=deployed_at)
    missing = hatch_gaps(ax, line, np.isnan(line.values["requests"]), word="no data", hatch="//")
    if usual:
        ax.fill_between(
            usual.middles, usual.values["low"], usual.values["high"], color=USUAL, linewidth=0, zorder=1
        )
    else:
        kept = thin(line.values["requests"])
        ax.fill_between(line.middles[kept], 0, line.values["requests"][kept], color=PALE, alpha=0.6, linewidth=0)
    draw_line(ax, line, "requests", color=BLUE, width=2)
    last = count_text(last_value(line, "requests"))
    right_labels(ax, line, [(last_value(line, "requests"), f"last {last}", BLUE)])
    peak_note(ax, line, (x, most), f"highest {count_text(most)}")
    band: Look = {"facecolor": USUAL, "linewidth": 0}
    key(figure, mark_key(line, ["requests"], [("usual range", band)] if usual else []))
    said = f"{line.span_text}: last {last}, highest {count_text(most)} at {line.text(x)}."
    notes = f"{gap_note(missing)}{incomplete_note(line, ['requests'])}"
    return Picture(figure, f"{title} per {minutes_text(line.step / 60)} {said}{notes}")


@styled
def database_cpu(
    series: pd.DataFrame,
    deployed_at: datetime | None,
    zone: ZoneInfo,
    limits: Sequence[Mark] = (),
    *,
    window: Window | None = None,
    reason: str = NO_ROWS,
) -> Picture:
    """The database's processor, average of each interval in percent (`at, end, cpu_pct`), peak named.

    Above each limit, the mildest first, the ground is coloured.
    """
    title = "Database processor"
    line = timeline(series, ("cpu_pct",), zone, window)
    if line is None or not line.has("cpu_pct"):
        return nothing(title, reason)
    figure, ax = sheet(f"{title}: average between samples, mostly {minutes_text(line.step / 60)}", HEIGHT)
    furnish(ax, line, 100, unit="% busy", deployed_at=deployed_at)
    labels = [
        (m.edge, f"target < {m.edge:g} %" if m is limits[0] else f"{m.word} > {m.edge:g} %", color)
        for m, color in zip(limits, (INK, *[RED] * len(limits)), strict=False)
    ]
    for (edge, _, color), end in zip(labels, [*(m.edge for m in limits[1:]), 100], strict=False):
        ax.axhspan(edge, end, color=GROUNDS[color], linewidth=0, zorder=0.5)
        draw_limit(ax, edge, color)
    missing = hatch_gaps(ax, line, np.isnan(line.values["cpu_pct"]), word="no data", hatch="//")
    draw_line(ax, line, "cpu_pct", color=BLUE, width=2)
    x, most = peak(line, "cpu_pct")
    last = last_value(line, "cpu_pct")
    key(figure, mark_key(line, ["cpu_pct"]))
    peak_note(ax, line, (x, most), f"peak {most:.0f} % {line.text(x)}")
    right_labels(ax, line, [*labels, (last, f"last {last:.0f} %", BLUE)])
    aims = "".join(f"; {words}" for _, words, _ in labels)
    return Picture(
        figure,
        f"{title} {line.span_text}: last {last:.0f} %, peak {most:.0f} % at {line.text(x)}{aims}."
        f"{gap_note(missing)}{incomplete_note(line, ['cpu_pct'])}",
    )
