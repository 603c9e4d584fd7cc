"""Samples of a host: gauges that hold until the next sample, counters, of which only differences tell anything.

A gauge and a load vouch for at most two hours; an amount counted is one however long it took. A
counter that fell means a restart: that stretch is discarded and told, never read as a negative amount.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import microsecond, microseconds, rows_at
from pdmlib.phases.window import Window

LONGEST = timedelta(hours=2)  # a sample says nothing of what comes later than that


@dataclass(frozen=True)
class Stretches:
    """Stretches of a window with a value each, and what they vouch for.

    Attributes:
        table: start, end, value and `seconds` (length inside the window) of each stretch.
        restarts: stretches discarded because a counter fell.
    """

    table: pd.DataFrame
    window: Window
    restarts: int = 0

    @property
    def coverage_pct(self) -> float:
        """Share of the window that the stretches vouch for."""
        vouched = float(self.table["seconds"].sum())
        return round(100 * vouched / self.window.seconds, 2) if self.window.seconds else 0.0

    @property
    def mean(self) -> float:
        """Average of the values, weighted by time; NaN when there is none."""
        seconds = self.table["seconds"]
        return float((self.table["value"] * seconds).sum() / seconds.sum()) if seconds.sum() else float("nan")

    @property
    def peak(self) -> pd.Series:
        """The stretch with the highest value, the earliest of equals."""
        return self.table.loc[self.table["value"].idxmax()]


def samples(case: Case, metric: str) -> pd.DataFrame:
    """All samples of a metric, oldest first, the same for every window of a case."""
    return _samples(case.at(case.scope.window), metric)


@once
def _samples(case: Case, metric: str) -> pd.DataFrame:
    """Those of the platform, else of the database itself.

    What was kept before infinite values were told apart is left out: they are no sample.

    A look at the database that belongs to the report's moment was taken a little after it.
    """
    host, gauges = _by_metric(case)
    if metric in host:
        table = host[metric].assign(source="supabase")
    else:
        table = gauges.get(metric, case["database_gauges"][:0])
        table = table.assign(source="postgres", at=table["at"].where(~_of_now(case, table["at"]), _moment(case)))
    table = table[table["value"].abs() < math.inf]
    return table[["at", "value", "source"]].sort_values("at", ignore_index=True)


@once
def _by_metric(case: Case) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The values of the platform, and those of the whole database, by metric."""
    host, gauges = case["host_metrics"], case["database_gauges"]
    known = host[host["value"].notna()], gauges[gauges["object"].isna() & gauges["value"].notna()]
    platform, own = ({str(name): rows for name, rows in table.groupby("metric", sort=False)} for table in known)
    return platform, own


def _of_now(case: Case, moments: pd.Series) -> pd.Series:
    return (moments >= case.scope.seen_at) & (moments <= case.scope.looked_until)


def _moment(case: Case) -> pd.Timestamp:
    return pd.Timestamp(case.scope.seen_at) - pd.Timedelta(seconds=1)


def newest(case: Case, metric: str) -> pd.Series | None:
    """The newest sample in the case's window; None when there is none.

    Where the report's own window has none, it is the first that was taken after its end, as long as what
    is seen then is evidence for it; `age` says how much later that was.
    """
    inside = in_window(case, metric)
    if len(inside):
        return inside.iloc[-1]
    after = samples(case, metric)["at"].between(case.window.end, case.scope.seen_at)
    late = samples(case, metric)[after & (case.window.end == case.scope.window.end)]
    return late.iloc[0] if len(late) else None


def age(case: Case, sample: pd.Series) -> str:
    """How long after the window a sample was taken, as an addition to a sentence; empty inside it."""
    minutes = (sample["at"] - case.window.end).total_seconds() / 60
    if minutes < 0:
        return ""
    length = f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.0f} h"
    return f", {length} after the window's end: no sample falls into it"


@once
def in_window(case: Case, metric: str) -> pd.DataFrame:
    """The samples of a metric that were taken in the case's window."""
    table = samples(case, metric)
    return table[(table["at"] >= case.window.start) & (table["at"] < case.window.end)]


@once
def gauge(case: Case, metric: str) -> Stretches:
    """A gauge over the window: each sample holds until the next one."""
    table = samples(case, metric)
    ends = table["at"].shift(-1).fillna(case.window.end).clip(upper=table["at"] + LONGEST)
    return _clipped(case, table.assign(start=table["at"], end=ends))


@once
def cpu_pct(case: Case) -> Stretches:
    """Busy share of all processors in percent between successive samples of their counters.

    A sample that repeats the one before is the platform's own copy of it and no new measurement.
    """
    idle, total = samples(case, "cpu_idle_s"), samples(case, "cpu_all_s")
    both = idle.merge(total, on="at", suffixes=("_idle", "_all"))
    both = both[(both["value_all"].diff() != 0) | (both["value_idle"].diff() != 0)]
    step_idle, step_all = both["value_idle"].diff(), both["value_all"].diff()
    table = both.assign(start=both["at"].shift(), end=both["at"], value=100 * (1 - step_idle / step_all))
    near = table["end"] - table["start"] <= LONGEST
    return _differences(case, table[near], (step_idle < 0) | (step_all <= 0))


@once
def increments(case: Case, metric: str) -> Stretches:
    """What a counter grew by between successive samples, per second."""
    table = samples(case, metric)
    step, seconds = table["value"].diff(), table["at"].diff().dt.total_seconds()
    table = table.assign(start=table["at"].shift(), end=table["at"], value=step / seconds)
    return _differences(case, table.iloc[1:], step < 0)


def _differences(case: Case, table: pd.DataFrame, fell: pd.Series) -> Stretches:
    lost = fell.reindex(table.index)
    if not lost.any():
        return _clipped(case, table)
    return _clipped(case, table[~lost], len(_clipped(case, table[lost]).table))


def _clipped(case: Case, table: pd.DataFrame, restarts: int = 0) -> Stretches:
    window, starts, ends = case.window, microseconds(table["start"]), microseconds(table["end"])
    known = table["start"].notna().to_numpy() & table["end"].notna().to_numpy()
    first, last = np.maximum(starts, microsecond(window.start)), np.minimum(ends, microsecond(window.end))
    places = np.flatnonzero(known & (last > first))
    inside = rows_at(table[["start", "end", "value"]], places)
    return Stretches(inside.assign(seconds=(last - first)[places] / 1e6), window, restarts)
