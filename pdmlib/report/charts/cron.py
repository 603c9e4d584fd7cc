"""Cron: slots by job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pdmlib.frames.states import Slot
from pdmlib.phases.window import Window
from pdmlib.report.charts.clock import time_axis
from pdmlib.report.charts.picture import (
    BLUE,
    HATCHED,
    INK,
    MUTED,
    NO_ROWS,
    RED,
    SKY,
    Look,
    Picture,
    Rows,
    boxes,
    key,
    listing,
    moment_text,
    nothing,
    plain,
    styled,
)

SLOT_LOOKS: Mapping[str, Look] = {
    Slot.FAILED: {
        "marker": "X",
        "color": RED,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "markersize": 11,
    },
    Slot.HUNG: {"marker": "s", "color": RED, "markerfacecolor": "white", "markeredgewidth": 2, "markersize": 8},
    Slot.MISSED: {"marker": "o", "color": RED, "markerfacecolor": "white", "markeredgewidth": 2, "markersize": 9},
    Slot.UNCLEAR: {"marker": "$?$", "color": INK, "markeredgewidth": 0, "markersize": 8},
    Slot.DUPLICATE: {
        "marker": "P",
        "color": INK,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "markersize": 9,
    },
    Slot.LATE: {"marker": "^", "color": "#8a5a00", "markeredgewidth": 0, "markersize": 8},
    Slot.RUNNING: {"marker": ">", "color": BLUE, "markerfacecolor": "white", "markersize": 8},
    Slot.OK: {"marker": "|", "color": SKY, "markersize": 11, "markeredgewidth": 2},
    Slot.PENDING: {"marker": ".", "color": MUTED, "markersize": 6},
}
BINS, DENSE = 168, 130
EPOCH = pd.Timestamp(0, tz="UTC")


@styled
def cron_slots(slots: pd.DataFrame, zone: ZoneInfo, window: Window, *, reason: str = NO_ROWS) -> Picture:
    """One row a job (`job, expected_at, state`): a mark for each slot, the worst one of each bin for dense jobs.

    At the right stands how many of the slots that were due went well. A job without a slot that was
    due says why: its states in words.
    """
    title = "Cron jobs"
    rows = slots.dropna(subset=["job"]) if "job" in slots else slots
    if rows.empty or not window.seconds:
        return nothing(title, reason)
    rows = rows.assign(
        state=rows["state"].astype(str),
        x=(pd.to_datetime(rows["expected_at"], utc=True) - EPOCH) / pd.Timedelta(seconds=1),
    )
    jobs = list(dict.fromkeys(rows["job"]))
    start, end = window.start.timestamp(), window.end.timestamp()
    listed = listing(title, len(jobs), left=2.9, right=2.1, pitch=0.3, foot=0.42)
    time_axis(listed.ax, start, end, zone)
    by_job = [rows[rows["job"] == job] for job in jobs]
    words = [_job_words(listed, i, found) for i, found in enumerate(by_job)]
    _slot_marks(listed, [found[(found["x"] >= start) & (found["x"] < end)] for found in by_job], (start, end))
    seen = set(rows["state"])
    key(listed.figure, [(state.replace("_", " "), look) for state, look in SLOT_LOOKS.items() if state in seen])
    said = " ".join(f"{plain(job, 60)}: {word}." for job, word in zip(jobs, words, strict=True))
    return Picture(listed.figure, f"{title} from {moment_text(start, zone)} to {moment_text(end, zone)}. {said}")


def _job_words(listed: Rows, row: int, slots: pd.DataFrame) -> str:
    counts = {str(state): int(n) for state, n in slots["state"].value_counts().items()}
    due = {s: counts[s] for s in SLOT_LOOKS if s in counts and s not in (Slot.PENDING, Slot.RUNNING)}
    if not counts.keys() & SLOT_LOOKS.keys():
        low, high = listed.ax.get_xlim()
        boxes(listed.ax, [(low, row + listed.middle - 0.25, high - low, 0.5)], **{**HATCHED, "linewidth": 0})
    bad = [f"{n} {s.replace('_', ' ')}" for s, n in due.items() if s != Slot.OK]
    ok = (
        f"ok {due.get(Slot.OK, 0):,}/{sum(due.values()):,}"
        if due
        else ", ".join(s.replace("_", " ") for s in counts)
    )
    urgent = bool(due.keys() - {Slot.OK, Slot.LATE}) or Slot.NEVER_LOGGED in counts
    listed.tell(row, str(slots["job"].iloc[0]), ", ".join([ok, *bad]), bold=urgent)
    return ", ".join([ok, *bad])


def _slot_marks(listed: Rows, by_job: Sequence[pd.DataFrame], span: tuple[float, float]) -> None:
    """A mark for each slot; of a dense job a band where it ran and a mark for the worst trouble of each bin."""
    places: dict[str, list[tuple[float, float]]] = {state: [] for state in SLOT_LOOKS}
    bands: list[tuple[float, float, float, float]] = []
    for row, slots in enumerate(by_job):
        dense = len(slots) > DENSE
        found = _worst(slots, span) if dense else zip(slots["x"], slots["state"], strict=True)
        for x, state in found:
            if state in places and not (dense and state == Slot.OK):
                places[state].append((x, row + listed.middle))
        if dense:
            bands += [(a, row + listed.middle - 0.2, b - a, 0.4) for a, b in _bands(slots["x"].to_numpy(), span)]
    boxes(listed.ax, bands, facecolor="#abd0ea", linewidth=0)
    for state, marks in places.items():
        x, y = np.array(marks).reshape(-1, 2).T
        listed.ax.plot(x, y, linestyle="none", zorder=2 + (state != Slot.OK), **SLOT_LOOKS[state])


def _bin_seconds(span: tuple[float, float]) -> float:
    return max(3600.0, (span[1] - span[0]) / BINS)


def _worst(slots: pd.DataFrame, span: tuple[float, float]) -> list[tuple[float, str]]:
    """The worst state of each bin, at the bin's middle."""
    size, states = _bin_seconds(span), list(SLOT_LOOKS)
    rank = slots["state"].map({state: i for i, state in enumerate(states)})
    worst = rank.groupby(np.floor((slots["x"] - span[0]) / size)).min().dropna()
    return [(span[0] + (i + 0.5) * size, states[int(r)]) for i, r in worst.items()]


def _bands(x: Any, span: tuple[float, float]) -> list[tuple[float, float]]:
    """Stretches of neighbouring bins that hold a slot."""
    size = _bin_seconds(span)
    bins = np.unique(np.floor((x - span[0]) / size))
    parts = np.split(bins, np.flatnonzero(np.diff(bins) > 1) + 1)
    return [(span[0] + p[0] * size, min(span[1], span[0] + (p[-1] + 1) * size)) for p in parts if p.size]
