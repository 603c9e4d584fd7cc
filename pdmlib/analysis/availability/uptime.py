"""Uptime, measured in time and not in probes: how long each probe speaks for, and the outages.

A probe vouches for the time up to the next one if that comes within twice the interval, else for
one interval; the rest is unknown, neither up nor down. `degraded` is up. A probe whose word is not
understood leaves its time unknown; planned maintenance is left out of the time that is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.states import Probe
from pdmlib.phases.window import Window
from pdmlib.site.vendors import App

LOG = "uptime_logs"
WORKING = (Probe.UP, Probe.DEGRADED)
SAID = (*WORKING, Probe.DOWN, Probe.MAINTENANCE)
UNCLEAR = Probe.UNCLEAR
FAR, MOST = 0.2, 0.75  # a gap shorter than a fifth of what three of four gaps are at most lies inside a round
BURST = timedelta(minutes=1)  # probes nearer together than this are one look


@dataclass(frozen=True)
class Uptime:
    """Seconds of a window by state, with the probes behind them.

    Attributes:
        unknown: what no probe vouches for, and what a probe says in a word that is not understood.
        unclear: the second part of it.
    """

    up: float
    degraded: float
    down: float
    unknown: float
    maintenance: float
    unclear: float
    probes: int

    @property
    def known(self) -> float:
        """Seconds that a probe vouches for."""
        return self.up + self.degraded + self.down

    @property
    def total(self) -> float:
        """Seconds of the window, without planned maintenance."""
        return self.known + self.unknown

    @property
    def low_pct(self) -> float:
        """Uptime in percent, were all unknown time down."""
        return 100 * (self.up + self.degraded) / self.total

    @property
    def high_pct(self) -> float:
        """Uptime in percent, were all unknown time up."""
        return 100 * (self.total - self.down) / self.total


@dataclass(frozen=True)
class Outage:
    """Down time not interrupted by a sight of the application up; `end` None while it lasts.

    Attributes:
        probes: how many found it down.
    """

    start: datetime
    end: datetime | None
    down: timedelta
    probes: int = 0


def log_of(case: Case) -> tuple[str, str]:
    """Source and item of the log of probes: the application's table, or Sentry's where it keeps none."""
    block = case.site.uptime
    if block is not None and block.in_sentry:
        return "sentry", "uptime"
    return "postgres", "probes" if block is None else f"table:{block.table}"


def name_of(case: Case, target: str) -> str:
    """What is probed, as people know it: the application's own log by the name of its table."""
    block = case.site.uptime
    if target != LOG or block is None:
        return target
    return "Sentry's monitor" if block.in_sentry else block.table.removeprefix("public.")


@once
def pooled(case: Case) -> pd.DataFrame:
    """Probes that tell of the window's uptime, oldest first."""
    probes = _watched(case)
    reach = 2 * interval_of(case)
    first, end = case.window.start - reach, case.window.end + reach
    return probes[probes["checked_at"].between(first, end, inclusive="left")]


def _watched(case: Case) -> pd.DataFrame:
    """Probes of any time up to the report's moment, oldest first: the application's log, ours of its health."""
    probes = case["probes"]
    block = case.site.source("app")
    health = block.health if isinstance(block, App) else "/api/health"
    wanted = (probes["target"] == LOG) | ((probes["target"] == health) & probes["status"].isin(SAID))
    return probes[wanted & (probes["checked_at"] <= case.scope.as_of)].sort_values("checked_at")


def interval_of(case: Case) -> timedelta:
    """How often probes are due: the site file's interval, else the usual distance of the probes seen."""
    if case.site.uptime is not None and case.site.uptime.interval_s is not None:
        return timedelta(seconds=case.site.uptime.interval_s)
    probes = case["probes"]
    logged = probes.loc[probes["target"] == LOG, "checked_at"]
    own = (logged if len(logged) > 1 else probes["checked_at"]).drop_duplicates().sort_values()
    gaps = own.diff().dropna()
    # Probes of several places come seconds apart, our own in bursts: what is far shorter than most is no interval.
    apart = gaps[gaps > (FAR * gaps.quantile(MOST) if len(logged) > 1 else BURST)]
    return case.scope.phase.cadence if apart.empty else apart.median().to_pytimedelta()


@once
def uptime_segments(case: Case) -> pd.DataFrame:
    """The window cut where the state changes: start, end, state (up, degraded, down, maintenance, unknown).

    What a probe says in a word that is not understood is `not_understood`.

    Empty when no probe says anything about the window.
    """
    window, spans = case.window, _vouched(case)
    rows: list[tuple[datetime, datetime, str]] = []
    reached = window.start
    for start, end, state in spans:
        start, end = max(start, window.start), min(end, window.end)
        if start >= end:
            continue
        if start > reached:
            rows.append((reached, start, Probe.UNKNOWN))
        if rows and rows[-1][2] == state and rows[-1][1] == start:
            rows[-1] = (rows[-1][0], end, state)
        else:
            rows.append((start, end, state))
        reached = end
    if rows and reached < window.end:
        rows.append((reached, window.end, Probe.UNKNOWN))
    planned = case.site.maintenance_in(window)
    pieces = [piece for start, end, state in rows for piece in _planned(start, end, state, planned)]
    table = pd.DataFrame(pieces, columns=["start", "end", "state"])
    return table.astype({"start": "datetime64[us, UTC]", "end": "datetime64[us, UTC]", "state": "str"})


def _planned(
    start: datetime, end: datetime, state: str, planned: Iterable[Window]
) -> Iterator[tuple[datetime, datetime, str]]:
    """A stretch cut at declared maintenance, in which it is neither down nor unknown; up is up then too."""
    if state not in WORKING:
        for span in planned:
            if span.start >= end or span.end <= start:
                continue
            if span.start > start:
                yield start, span.start, state
            yield max(start, span.start), min(end, span.end), "maintenance"
            start = min(end, span.end)
    if start < end:
        yield start, end, state


def _vouched(case: Case) -> list[tuple[datetime, datetime, str]]:
    """What each probe vouches for: start, end and state."""
    probes, interval = pooled(case), interval_of(case)
    moments = [m.to_pydatetime() for m in probes["checked_at"]]
    following = [*moments[1:], *(max(case.window.end, last) for last in moments[-1:])]
    ends = [n if n - m <= 2 * interval else m + interval for m, n in zip(moments, following, strict=True)]
    return list(zip(moments, ends, probes["status"].fillna(UNCLEAR), strict=True))


@once
def uptime(case: Case) -> Uptime | None:
    """Seconds of the window by state; None when no probe says anything about it."""
    segments = uptime_segments(case)
    if segments.empty:
        return None
    seconds = (segments["end"] - segments["start"]).dt.total_seconds().groupby(segments["state"]).sum()
    at = pooled(case)["checked_at"]
    counted = int(((at >= case.window.start) & (at < case.window.end)).sum())
    up, degraded, down, unknown, maintenance, unclear = (
        float(seconds.get(state, 0.0))
        for state in (*WORKING, Probe.DOWN, Probe.UNKNOWN, Probe.MAINTENANCE, UNCLEAR)
    )
    return Uptime(
        up, degraded, down, unknown=unknown + unclear, maintenance=maintenance, unclear=unclear, probes=counted
    )


@once
def outages(case: Case) -> list[Outage]:
    """Outages in the window; down time on both sides of a gap without a sight of `up` is one.

    One that was there when the window began is told from its own beginning. One that lasts to the window's end is
    open, unless a later probe, of up to the report's moment, found it up.
    """
    found, start = _seen_down(case), case.window.start
    if found and found[0].start == start and (begun := _last_working(case)) is not None:
        found[0] = _seen_down(case.at(Window(begun, case.window.end)))[0]
    return found


def _last_working(case: Case) -> datetime | None:
    """When the application was last seen working before the window; the first probe where it never was."""
    seen = _watched(case)
    seen = seen[seen["checked_at"] < case.window.start]
    working = seen.loc[seen["status"].isin(WORKING), "checked_at"]
    moment = working.max() if len(working) else seen["checked_at"].min()
    return None if pd.isna(moment) else moment.to_pydatetime()


def _seen_down(case: Case) -> list[Outage]:
    found: list[Outage] = []
    down, first, last = timedelta(0), None, None
    for start, end, state in uptime_segments(case).itertuples(index=False):
        if state == Probe.DOWN:
            first, last, down = first or start.to_pydatetime(), end.to_pydatetime(), down + (end - start)
        elif state in WORKING and first:
            found.append(_outage(case, first, last, down))
            down, first = timedelta(0), None
    return [*found, _outage(case, first, _up_again(case), down)] if first else found


def _outage(case: Case, start: datetime, end: datetime | None, down: timedelta) -> Outage:
    seen = pooled(case)
    inside = (seen["checked_at"] >= start) & (seen["checked_at"] < (end or case.window.end))
    return Outage(start, end, down, int((inside & (seen["status"] == Probe.DOWN)).sum()))


def _up_again(case: Case) -> datetime | None:
    """When the application was first seen up after the window's end, up to the report's moment."""
    seen = _watched(case)
    later = seen[(seen["checked_at"] >= case.window.end) & seen["status"].isin(WORKING)]
    return later["checked_at"].min().to_pydatetime() if len(later) else None
