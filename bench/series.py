"""Arrows on real series: `python -m bench.series FOLDER` of files `time_utc,value`, judged by the workbook itself.

At moments drawn at random nothing was deployed, so that every arrow is false; what is counted after such a moment,
times a factor, is a change to find. Other methods stand beside, each with the threshold at which it is wrong as
often as the workbook. `series.yaml` in the folder may tell of a file, by its name without `.csv`, what a site file
tells of a site: `time_zone`, `holidays`, `incident_days`. Draws keep clear of those days.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import math
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from pdmlib.analysis.compare.baseline import PRACTICAL_PCT
from pdmlib.analysis.performance import requests_total
from pdmlib.analysis.traffic.days import daily
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer, Trend
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.phases.window import Window, day_of
from pdmlib.site.site import Site
from pdmlib.stats import wilson

DAY, BEFORE, AFTER = timedelta(days=1), 28, 7
FACTORS = (1.0, 0.5, 0.8, 1.3, 2.0)
MOVED = (Trend.UP, Trend.DOWN, Trend.NEW)
SAMPLES = 400  # of Prophet's forecasts: enough for a standard error

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Series:
    """One file: its buckets, and the days that a draw keeps clear of."""

    name: str
    site: Site
    rows: pd.DataFrame

    def draws(self, count: int, seed: int) -> Iterator[datetime]:
        """Moments with four whole weeks before and one after, free of declared days; midnights of daily series."""
        hours = self.rows["interval_s"].median() / 3600
        found = [m for m in self._moments(hours) if self._is_plain(m)]
        yield from sorted(random.Random(seed).sample(found, min(count, len(found))))

    def _moments(self, hours: float) -> list[datetime]:
        moments = [m.to_pydatetime() for m in self.rows["at"]]
        return moments if hours > 1 else moments[:: 1 + BEFORE // 4]

    def _is_plain(self, moment: datetime) -> bool:
        window = self.span(moment)
        part = self.rows[(self.rows["at"] >= window.start) & (self.rows["at"] < window.end)]
        whole = part["interval_s"].sum() >= 0.98 * window.seconds and (part["requests"] > 0).mean() > 0.9
        first = day_of(window.start, self.site.zone).date
        days = [first + n * DAY for n in range(BEFORE + AFTER + 1)]
        return bool(whole) and not any(d in self.site.holidays or d in self.site.incident_days for d in days)

    def span(self, moment: datetime) -> Window:
        """Four weeks before and one after."""
        near = Window(moment, moment)
        return Window(
            near.days_earlier(BEFORE, self.site.zone).start, near.days_earlier(-AFTER, self.site.zone).start
        )

    def days(self, moment: datetime) -> Floats:
        """The five weeks by days of 24 hours from the moment on."""
        near = Window(moment, moment)
        edges = [near.days_earlier(BEFORE - n, self.site.zone).start for n in range(BEFORE + AFTER + 1)]
        places = np.searchsorted(pd.DatetimeIndex(edges), self.rows["at"], side="right")
        return np.array([self.rows["requests"][places == n + 1].sum() for n in range(BEFORE + AFTER)])


def read(folder: Path) -> list[Series]:
    """Every file of a folder."""
    told = folder / "series.yaml"
    sites = yaml.safe_load(told.read_text(encoding="utf-8")) if told.exists() else {}
    return [_read(path, sites.get(path.stem) or {}) for path in sorted(folder.glob("*.csv"))]


def _read(path: Path, told: Mapping[str, Any]) -> Series:
    table = pd.read_csv(path).dropna()
    at = pd.to_datetime(table["time_utc"], utc=True)
    usual = at.diff().dt.total_seconds().median()
    lengths = at.diff().shift(-1).dt.total_seconds().clip(upper=usual * 1.05).fillna(usual)
    rows = {"source": "requests", "at": at, "interval_s": lengths, "status": 200, "sample_rate": 1.0}
    tree = {"time_zone": "UTC", **told, "site": "series", "title": path.stem, "sources": {}}
    return Series(path.stem, Site.model_validate(tree), pd.DataFrame({**rows, "requests": table["value"]}))


def judged(series: Series, moment: datetime, factor: float) -> tuple[bool, list[bool]]:
    """Whether the week's total has an arrow in the report of week 1, and, where nothing changed, each day."""
    window = series.span(moment)
    rows = series.rows[(series.rows["at"] >= window.start) & (series.rows["at"] < window.end)]
    rows = rows.assign(requests=rows["requests"] * np.where(rows["at"] >= moment, factor, 1.0))
    scope = scope_of(series.site.zone, phase_named("week1"), moment, window.end)
    coverage = (Coverage("requests", Answer.OK, 0, 0.0),)
    case = Case(
        series.site, scope, Collection({"request_counts": frame("request_counts", rows)}, coverage), scope.window
    )
    days = [
        row
        for row in (daily(case) if factor == 1 else ())
        if row["complete"] and row["date"] >= scope.days[0].date.isoformat()
    ]
    return requests_total(case).trend in MOVED, [row["requests_trend"] in MOVED for row in days]


Rival = Callable[[Floats, Floats], tuple[float, float]]


def seasonal_naive(before: Floats, after: Floats) -> tuple[float, float]:
    """The week before, by how much weeks differed from the one before them."""
    weeks = np.log(before.reshape(-1, 7).sum(axis=1))
    return math.log(after.sum()) - weeks[-1], float(np.sqrt(np.mean(np.diff(weeks) ** 2)))


def stl(before: Floats, after: Floats) -> tuple[float, float]:
    """Seasonal and trend decomposition by loess of logarithms; days are taken as independent."""
    from statsmodels.tsa.seasonal import STL

    found = STL(np.log(before), period=7, robust=True).fit()
    expected = np.exp(found.trend[-1] + found.seasonal[-7:])
    return math.log(after.sum() / expected.sum()), float(np.std(found.resid, ddof=8) * math.sqrt(1 / 7 + 1 / 28))


def structural(before: Floats, after: Floats) -> tuple[float, float]:
    """A local level with weekdays, by maximum likelihood."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    model = UnobservedComponents(np.log(before), level="llevel", seasonal=7, stochastic_seasonal=False)
    fitted = model.fit(disp=0, maxiter=100)
    forecast = fitted.get_forecast(AFTER)
    variances = dict(zip(model.param_names, fitted.params, strict=True))
    drift, noise = variances["sigma2.level"], variances["sigma2.irregular"]
    expected = np.exp(forecast.predicted_mean)
    parts, days = expected / expected.sum(), np.arange(AFTER)
    shared = max(forecast.se_mean[0] ** 2 - noise, 0.0)
    covariance = shared + drift * np.minimum.outer(days, days) + noise * np.eye(AFTER)
    return math.log(after.sum() / expected.sum()), float(np.sqrt(parts @ covariance @ parts))


def prophet(before: Floats, after: Floats) -> tuple[float, float]:
    """Prophet as it comes, with its own forecasts of the week's total."""
    from prophet import Prophet

    dates = pd.date_range("2024-01-01", periods=BEFORE + AFTER)
    model = Prophet(uncertainty_samples=SAMPLES, daily_seasonality=False, yearly_seasonality=False)
    model.fit(pd.DataFrame({"ds": dates[:BEFORE], "y": before}))
    totals = model.predictive_samples(pd.DataFrame({"ds": dates[BEFORE:]}))["yhat"].sum(axis=0)
    logs = np.log(np.clip(totals, 1e-9, None))
    return math.log(after.sum()) - float(np.median(logs)), float(np.std(logs))


RIVALS: Mapping[str, tuple[Rival, str]] = {
    "seasonal naive": (seasonal_naive, "numpy"),
    "STL": (stl, "statsmodels"),
    "structural model": (structural, "statsmodels"),
    "Prophet": (prophet, "prophet"),
}


def alarms(seen: Sequence[tuple[float, float]], factor: float, threshold: float) -> float:
    """Share of draws that a method calls changed: beyond its threshold, and by what matters."""
    away = [(logarithm + math.log(factor), error) for logarithm, error in seen]
    matters = [abs(math.expm1(a)) >= PRACTICAL_PCT / 100 and abs(a) > threshold * e for a, e in away]
    return sum(matters) / len(matters)


def threshold_at(seen: Sequence[tuple[float, float]], share: float) -> float:
    """The lowest threshold at which a method is wrong no more often than that."""
    candidates = sorted({0.0, *(abs(away) / error for away, error in seen if error > 0)})
    return next((t for t in candidates if alarms(seen, 1.0, t) <= share), math.inf)


def _share(hits: Sequence[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * sum(hits) / max(len(hits), 1):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def table(found: Mapping[str, list[tuple[datetime, dict[float, tuple[bool, list[bool]]]]]]) -> str:
    """What the workbook says, in percent of draws, a line a series."""
    lines = ["| series | draws | false: weeks | false: days | x0.5 | x0.8 | x1.3 | x2 |", "| --- " * 8 + "|"]
    for name, draws in found.items():
        weeks = {factor: [seen[factor][0] for _, seen in draws] for factor in FACTORS}
        days = [hit for _, seen in draws for hit in seen[1.0][1]]
        sizes = " | ".join(f"{100 * sum(weeks[f]) / max(len(draws), 1):.0f}" for f in FACTORS[1:])
        lines.append(f"| {name} | {len(draws)} | {_share(weeks[1.0])} | {_share(days)} | {sizes} |")
    return "\n".join(lines)


def beside(name: str, seen: Sequence[tuple[float, float]], share: float) -> str:
    """A line of a rival: as it comes, and at as many false alarms as the workbook."""
    raw, level = (100 * alarms(seen, factor, 1.96) for factor in (1.0, 0.8)), threshold_at(seen, share)
    sizes = " | ".join(f"{100 * alarms(seen, factor, level):.0f}" for factor in FACTORS[1:])
    figures = " | ".join(f"{value:.1f}" for value in (*raw, 100 * alarms(seen, 1.0, level)))
    return f"| {name} | {figures} | {sizes} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judges draws of every series and prints both tables as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.series", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=100, help="of each series")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="series whose name is among these words")
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    series = [s for s in read(given.folder) if not given.only or s.name in given.only.split()]
    found: dict[str, list[tuple[datetime, dict[float, tuple[bool, list[bool]]]]]] = {}
    for one in series:
        moments = list(one.draws(given.draws, given.seed))
        found[one.name] = [(m, {f: judged(one, m, f) for f in FACTORS}) for m in moments]
        sys.stderr.write(f"{one.name}: {len(moments)} draws\n")
    print(f"{table(found)}\n")
    print(_against(series, found))
    return 0


def _against(
    series: Sequence[Series], found: Mapping[str, list[tuple[datetime, dict[float, tuple[bool, list[bool]]]]]]
) -> str:
    """The workbook beside the rivals, over all draws, week totals in percent."""
    draws = [(one, moment, seen) for one in series for moment, seen in found[one.name]]
    ours = {f: sum(seen[f][0] for _, _, seen in draws) / len(draws) for f in FACTORS}
    sizes = " | ".join(f"{100 * ours[f]:.0f}" for f in FACTORS[1:])
    lines = [
        "| method | false at 95 % | x0.8 at 95 % | false, made equal | x0.5 | x0.8 | x1.3 | x2 |",
        "| --- " * 8 + "|",
        f"| this workbook | {100 * ours[1.0]:.1f} | {100 * ours[0.8]:.1f} | {100 * ours[1.0]:.1f} | {sizes} |",
    ]
    for name, (rival, needs) in RIVALS.items():
        if importlib.util.find_spec(needs) is None:
            lines.append(f"| {name} | {needs} is not installed |" + " |" * 6)
            continue
        days = [one.days(moment) for one, moment, _ in draws]
        lines.append(beside(name, [rival(d[:BEFORE], d[BEFORE:]) for d in days], ours[1.0]))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
