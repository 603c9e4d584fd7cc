"""Figures of cells and strips: uptime by day, adoption by feature and day, cron slots by job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pdmlib.charts.picture import (
    AMBER,
    BLUE,
    GREEN,
    HATCHED,
    INK,
    MUTED,
    NO_ROWS,
    PAPER,
    RED,
    RULE,
    SKY,
    Axes,
    Look,
    Picture,
    beside,
    boxes,
    count_text,
    day_text,
    key,
    minutes_text,
    moment_text,
    nothing,
    plain,
    shade,
    sheet,
    styled,
)
from pdmlib.charts.series import time_axis
from pdmlib.window import Day, Window, days_between

UPTIME_LOOKS: Mapping[str, Look] = {
    "up": {"facecolor": GREEN, "linewidth": 0},
    "degraded": {"facecolor": AMBER, "edgecolor": INK, "linewidth": 0, "hatch": "|||"},
    "down": {"facecolor": RED, "edgecolor": RED, "linewidth": 1.5},
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
        times = sum(state == "down" for state, _, _ in self.spans)
        often = f" ({times} times)" if times > 1 else ""
        whole = self.unprobed > (self.seen[1] - self.seen[0]) * 60 - 0.5
        said = [
            f"down {minutes_text(self.minutes('down'))}{often}" * bool(times),
            f"degraded {minutes_text(self.minutes('degraded'))}" * (self.minutes("degraded") > 0),
            "not probed" if whole else f"not probed {minutes_text(self.unprobed)}" * (self.unprobed >= 0.5),
        ]
        length = round(self.day.window.minutes / 60)
        change = f" ({length}-hour day)" if length != 24 else ""
        return (", ".join(filter(None, said)) or "up") + change


@styled
def uptime_strip(segments: pd.DataFrame, zone: ZoneInfo, window: Window, *, reason: str = NO_ROWS) -> Picture:
    """One strip a local day (`start, end, state`: up, degraded, down, unknown), outages with their minutes.

    Time that no segment vouches for is hatched as not probed. On days of a clock change the strip
    is 23 or 25 hours long.
    """
    title = "Uptime by day"
    strips = [] if segments.empty else _strips(segments, zone, window)
    if not strips:
        return nothing(title, reason)
    roomy = len(strips) <= 12
    pitch, offset = (0.44, 0.46) if roomy else (0.22, 0.1)
    figure, ax = sheet(title, 1.05 + pitch * len(strips), left=1.25, right=3.3, top=0.62)
    boxes(
        ax,
        [(s.seen[0], i + offset, s.seen[1] - s.seen[0], 0.94 - offset) for i, s in enumerate(strips)],
        **HATCHED,
    )
    for state, look in UPTIME_LOOKS.items():
        places = [
            (a, i + offset, b - a, 0.94 - offset)
            for i, d in enumerate(strips)
            for s, a, b in d.spans
            if s == state
        ]
        boxes(ax, places, gid=state, **look)
        if state == "down":
            boxes(ax, places, facecolor="none", edgecolor="white", linewidth=0, hatch="xx")
    for i, strip in enumerate(strips):
        if roomy:
            _outage_words(ax, i, strip)
        beside(ax, (offset + 0.94) / 2 + i, plain(strip.words, 42), bold="down" in strip.words)
    _clock_axis(ax, strips, (offset + 0.94) / 2)
    words = " ".join(f"{day_text(s.day.date)}: {s.words}." for s in strips)
    key(
        figure,
        [
            *((s, look) for s, look in UPTIME_LOOKS.items() if any(d.minutes(s) for d in strips)),
            ("not probed", HATCHED),
        ],
    )
    return Picture(figure, f"{title}, {zone.key}. {words}")


def _strips(segments: pd.DataFrame, zone: ZoneInfo, window: Window) -> list[_DayStrip]:
    rows = segments.dropna(subset=["start", "end"])
    starts, ends = (
        pd.to_datetime(rows[c], utc=True).astype("datetime64[us, UTC]").astype("int64") / 3.6e9
        for c in ("start", "end")
    )
    days = days_between(window.start.astimezone(zone).date(), window.end.astimezone(zone).date(), zone)
    strips = []
    for day in days:
        seen = day.window.clip(window)
        if not seen.seconds:
            continue
        zero, low, high = (m.timestamp() / 3600 for m in (day.window.start, seen.start, seen.end))
        inside = (starts < high) & (ends > low)
        spans = zip(
            rows["state"][inside].astype(str),
            starts[inside].clip(lower=low) - zero,
            ends[inside].clip(upper=high) - zero,
            strict=True,
        )
        strips.append(_DayStrip(day, (low - zero, high - zero), tuple(spans)))
    return strips


def _outage_words(ax: Axes, row: int, strip: _DayStrip) -> None:
    free = -1.0
    for state, a, b in sorted(strip.spans, key=lambda span: span[1]):
        middle = (a + b) / 2
        middle = min(max(middle, 1.4), 22.7)
        if state == "down" and middle - 1.2 >= free:
            ax.text(middle, row + 0.43, minutes_text((b - a) * 60), ha="center", va="bottom", color=RED)
            free = middle + 1.2


def _clock_axis(ax: Axes, strips: Sequence[_DayStrip], middle: float) -> None:
    ax.set_xlim(0, max(24.0, *(s.day.window.minutes / 60 for s in strips)))
    ax.set_ylim(len(strips), 0)
    ax.set_xticks(range(0, 25, 3), [f"{h:02}:00" for h in range(0, 25, 3)])
    names = [day_text(s.day.date) for s in strips]
    ax.set_yticks([i + middle for i in range(len(strips))], names)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(True, axis="x")


CELL_LOOKS: Mapping[str, Look] = {
    "count": {"linewidth": 1, "edgecolor": "white"},
    "zero": {"facecolor": "white", "linewidth": 1, "edgecolor": RULE},
    "no_data": {**HATCHED, "hatch": "//"},
    "not_yet": {"facecolor": "white", "linewidth": 0},
    "partial": {"linewidth": 1.4, "edgecolor": INK, "linestyle": (0, (3, 2))},
}
CELL_KEY: Sequence[tuple[str, str, Look]] = (
    ("no_data", "no data", CELL_LOOKS["no_data"]),
    ("partial", "day not over", {**CELL_LOOKS["partial"], "facecolor": "white"}),
    ("not_yet", "not yet", {"marker": ".", "markersize": 4, "color": MUTED}),
)
BLOCK_DAYS = 15


@styled
def adoption_heatmap(rows: Sequence[Mapping[str, Any]], *, reason: str = NO_ROWS) -> Picture:
    """Counts of each feature on each day; darker is nearer to the feature's own best day.

    A row has `title` (or `feature`), `dates`, `days` (count or None) and `cells` (count, zero,
    no_data, not_yet, partial); optional `total`, `target` and `abandoned`, or `state` with a word
    of its own. More than 15 days go on in a block below.
    """
    title = "Use of features by day"
    rows = [r for r in rows if r.get("days")]
    if not rows:
        return nothing(title, reason)
    dates = list(max((r.get("dates") or () for r in rows), key=len))
    days = max(len(dates), *(len(r["days"]) for r in rows))
    blocks = -(-days // BLOCK_DAYS)
    wide = -(-days // blocks)
    pitch = len(rows) + 1.5
    figure, ax = sheet(title, 0.55 + 0.3 * blocks * pitch, left=2.3, right=2.6, top=0.5, bottom=0.05)
    ax.set(xlim=(0, max(wide, 5)), ylim=(blocks * pitch, 0))
    ax.set_axis_off()
    for block in range(blocks):
        shown = range(block * wide, min(days, (block + 1) * wide))
        _dates(ax, dates, shown, block * pitch + 1.4)
        _cells(ax, rows, shown, block * pitch + 1.5, 10_000 if wide <= 8 else 1000)
        for i, row in enumerate(rows):
            _row_words(ax, row, block * pitch + 2 + i)
    kinds = {_kind(r, i) for r in rows for i in range(days)}
    key(figure, [(word, look) for kind, word, look in CELL_KEY if kind in kinds])
    return Picture(figure, f"{title}. " + " ".join(_adoption_words(r, days) for r in rows))


def _value(row: Mapping[str, Any], i: int) -> float | None:
    value = row["days"][i] if i < len(row["days"]) else None
    return None if value is None or value != value else float(value)


def _kind(row: Mapping[str, Any], i: int) -> str:
    cells, value = row.get("cells") or (), _value(row, i)
    kind = str(cells[i]) if i < len(cells) else "count"
    if kind not in CELL_LOOKS or (value is None and kind != "not_yet"):
        return "no_data"
    return "zero" if kind == "count" and value == 0 else kind


def _dates(ax: Axes, dates: Sequence[date | str], shown: range, y: float) -> None:
    for x, i in enumerate(shown):
        if i < len(dates):
            value = dates[i]
            day = date.fromisoformat(value) if isinstance(value, str) else value
            ax.text(x + 0.5, y, f"{day:%a}\n{day.day}", ha="center", va="bottom", color=MUTED, linespacing=1)


def _cells(ax: Axes, rows: Sequence[Mapping[str, Any]], shown: range, y: float, limit: int) -> None:
    places: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in CELL_LOOKS}
    colors: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in CELL_LOOKS}
    for r, row in enumerate(rows):
        best = max((v for v in (_value(row, i) for i in range(len(row["days"]))) if v is not None), default=0)
        for x, i in enumerate(shown):
            kind, value = _kind(row, i), _value(row, i)
            share = min(1.0, (value or 0) / best) if best > 0 else 0.0
            places[kind].append((x + 0.03, y + r + 0.06, 0.94, 0.88))
            colors[kind].append(shade(share))
            paper = PAPER if kind == "no_data" else None
            color = "white" if share > 0.55 else INK
            word = _cell_text(kind, value, limit)
            ax.text(x + 0.5, y + r + 0.5, word, ha="center", va="center", color=color, bbox=paper)
    for kind, look in CELL_LOOKS.items():
        shaded: Look = {"facecolor": colors[kind]} if "facecolor" not in look else {}
        boxes(ax, places[kind], **look, **shaded)


def _cell_text(kind: str, value: float | None, limit: int = 10_000) -> str:
    if kind == "not_yet":
        return "·"
    return "?" if kind == "no_data" or value is None else count_text(value, limit)


def _state(row: Mapping[str, Any]) -> str:
    return "abandoned" if row.get("abandoned") else plain(row.get("state") or "", 12)


def _row_words(ax: Axes, row: Mapping[str, Any], y: float) -> None:
    name = plain(row.get("title") or row.get("feature") or "?", 23)
    ax.annotate(name, (0, y), (-10, 0), textcoords="offset points", ha="right", va="center", annotation_clip=False)
    total, target = row.get("total"), row.get("target")
    parts = (
        []
        if total is None
        else [count_text(float(total)) + (f" (target {count_text(float(target))})" if target else "")]
    )
    state = _state(row)
    beside(ax, y, "  ".join([*([state] if state else []), *parts]), bold=bool(row.get("abandoned")))


def _adoption_words(row: Mapping[str, Any], days: int) -> str:
    kinds = [_kind(row, i) for i in range(days)]
    said = [
        _cell_text(k, _value(row, i)) + " (day not over)" * (k == "partial")
        for i, k in enumerate(kinds)
        if k in ("count", "zero", "partial")
    ]
    lacking = [
        f"{kinds.count(kind)} {word}"
        for kind, word, _ in CELL_KEY
        if kind in ("no_data", "not_yet") and kind in kinds
    ]
    state = _state(row)
    name = plain(row.get("title") or row.get("feature") or "?", 60)
    return f"{name}{f' ({state})' if state else ''}: {', '.join([*said, *lacking])}."


SLOT_LOOKS: Mapping[str, Look] = {
    "failed": {"marker": "X", "color": RED, "markeredgecolor": "white", "markeredgewidth": 0.6, "markersize": 11},
    "hung": {"marker": "s", "color": RED, "markerfacecolor": "white", "markeredgewidth": 2, "markersize": 8},
    "missed": {"marker": "o", "color": RED, "markerfacecolor": "white", "markeredgewidth": 2, "markersize": 9},
    "duplicate": {
        "marker": "P",
        "color": INK,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "markersize": 9,
    },
    "late": {"marker": "^", "color": "#8a5a00", "markeredgewidth": 0, "markersize": 8},
    "running": {"marker": ">", "color": BLUE, "markerfacecolor": "white", "markersize": 8},
    "ok": {"marker": "|", "color": SKY, "markersize": 11, "markeredgewidth": 2},
    "pending": {"marker": ".", "color": MUTED, "markersize": 6},
}
BINS, DENSE = 168, 130


@styled
def cron_slots(slots: pd.DataFrame, zone: ZoneInfo, window: Window, *, reason: str = NO_ROWS) -> Picture:
    """One row a job (`job, expected_at, state`): a mark for each slot, the worst one of each bin for dense jobs.

    At the right stands how many of the slots that were due went well. A job without a slot that was
    due says why: its states in words.
    """
    title = "Cron jobs"
    rows = slots.dropna(subset=["job"]) if "job" in slots else slots
    if rows.empty:
        return nothing(title, reason)
    rows = rows.assign(
        state=rows["state"].astype(str),
        x=pd.to_datetime(rows["expected_at"], utc=True).map(lambda at: at.timestamp(), na_action="ignore"),
    )
    jobs = list(dict.fromkeys(rows["job"]))
    start, end = window.start.timestamp(), window.end.timestamp()
    figure, ax = sheet(title, 1.0 + 0.3 * len(jobs), left=2.8, right=2.75, top=0.62, bottom=0.42)
    ax.set_ylim(len(jobs), 0)
    time_axis(ax, start, end, zone)
    words = [_job(ax, i, rows[rows["job"] == job], (start, end)) for i, job in enumerate(jobs)]
    ax.set_yticks([i + 0.5 for i in range(len(jobs))], [plain(j, 29) for j in jobs])
    ax.spines["left"].set_visible(False)
    seen = set(rows["state"])
    key(figure, [(state, look) for state, look in SLOT_LOOKS.items() if state in seen])
    said = " ".join(f"{plain(job, 60)}: {word}." for job, word in zip(jobs, words, strict=True))
    return Picture(figure, f"{title} from {moment_text(start, zone)} to {moment_text(end, zone)}. {said}")


def _job(ax: Axes, row: int, slots: pd.DataFrame, span: tuple[float, float]) -> str:
    counts = {str(state): int(n) for state, n in slots["state"].value_counts().items()}
    due = {s: counts[s] for s in SLOT_LOOKS if s in counts and s not in ("pending", "running")}
    _slot_marks(ax, row + 0.5, slots[(slots["x"] >= span[0]) & (slots["x"] < span[1])], span)
    if not counts.keys() & SLOT_LOOKS.keys():
        boxes(ax, [(span[0], row + 0.15, span[1] - span[0], 0.7)], **{**HATCHED, "linewidth": 0})
    bad = [f"{n} {s}" for s, n in due.items() if s != "ok"]
    ok = f"ok {due.get('ok', 0)}/{sum(due.values())}" if due else ", ".join(s.replace("_", " ") for s in counts)
    urgent = bool(due.keys() - {"ok", "late"}) or "never_logged" in counts
    beside(ax, row + 0.5, plain(", ".join([ok, *bad[:1], *["…"][: len(bad) - 1]]), 28), bold=urgent)
    return ", ".join([ok, *bad])


def _slot_marks(ax: Axes, y: float, slots: pd.DataFrame, span: tuple[float, float]) -> None:
    """A mark for each slot; of a dense job a box for each bin and marks for its worst troubles only."""
    if len(slots) <= DENSE:
        for state, look in SLOT_LOOKS.items():
            at = slots["x"][slots["state"] == state].to_numpy()
            ax.plot(at, np.full(len(at), y), linestyle="none", zorder=2 + (state != "ok"), **look)
        return
    size = max(3600.0, (span[1] - span[0]) / BINS)
    rank = slots["state"].map({state: i for i, state in enumerate(SLOT_LOOKS)})
    worst = rank.groupby(np.floor((slots["x"] - span[0]) / size)).min().dropna()
    starts = span[0] + worst.index.to_numpy() * size
    boxes(ax, [(x, y - 0.22, size, 0.44) for x in starts], facecolor="#abd0ea", edgecolor="face", linewidth=0.3)
    for i, (state, look) in enumerate(SLOT_LOOKS.items()):
        at = starts[worst.to_numpy() == i] + size / 2
        if state != "ok":
            ax.plot(at, np.full(len(at), y), linestyle="none", zorder=3, **look)
