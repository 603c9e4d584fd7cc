"""Requests of a window: how many, how many failed, from which source, and how sure.

Vendors give finer buckets for newer times, so that buckets overlap: a window is tiled (see `tiling`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pdmlib.analysis.traffic.log_silence import SOURCE as LOG
from pdmlib.analysis.traffic.log_silence import unheard_s
from pdmlib.analysis.traffic.silence import Floats, silent_s
from pdmlib.analysis.traffic.tiling import Buckets, ending, tile_of
from pdmlib.frames.case import Case, once
from pdmlib.frames.rows import Moments, microseconds
from pdmlib.phases.window import Window
from pdmlib.stats import KNOWN_SHARE

REFUSED = (400, 499)  # HTTP statuses from and to which the client is at fault (RFC 9110, section 15.5)
SERVER_ERRORS = 500  # HTTP statuses from here on are the server's own failures (RFC 9110, section 15.6)
# Best first: what counts each request itself, and what only samples them. Any other source comes between.
COUNTED, SAMPLED = ("requests", "vercel"), ("sentry",)
# Best first: raw times of all requests, times of a sample of them, times per route of the platform.
TIMED = ("requests", "sentry", "vercel")
CRASHED = -1  # status of a function that ended without an answer
FINE_S = 60.0  # buckets up to this length show where in an hour nothing was counted
COUNTED_PCT = 90.0  # of a window: a total of less is no total of the window


@dataclass(frozen=True)
class Population:
    """Requests of one window as one source counts them.

    Attributes:
        requests, failures: extrapolated to all requests; failures None when the source tells none.
        sampled: requests that the source really looked at; None when its sample rate is unknown.
        covered_s: seconds that were counted: from the first to the last bucket, without silences in which nobody
            can tell "no request" from "not counted".
        refused: requests answered with a status of 400 to 499, which are no failures; None when untold.
    """

    source: str
    requests: float
    failures: float | None
    sampled: int | None
    covered_s: float
    refused: float | None = None

    @property
    def rate(self) -> float:
        """Requests a minute over the part that was counted."""
        return 60 * self.requests / self.covered_s

    def coverage_pct(self, window: Window) -> float:
        """Share of the window that was counted."""
        return round(100 * self.covered_s / window.seconds, 2) if window.seconds else 0.0


def counting(case: Case) -> tuple[str, ...]:
    """The sources that count requests, best first."""
    return (*COUNTED, *_others(case, {*COUNTED, *SAMPLED}), *SAMPLED)


def timing(case: Case) -> tuple[str, ...]:
    """The sources that tell response times, best first."""
    return (*TIMED, *_others(case, set(TIMED)))


def _others(case: Case, named: set[str]) -> list[str]:
    return sorted(_sources(case.at(case.scope.window)) - named)


@once
def _sources(case: Case) -> frozenset[str]:
    """All that count requests or time them, whenever that was."""
    told = pd.concat([case["request_counts"]["source"], case["latencies"]["source"]])
    return frozenset(told.dropna().unique())


def populations(case: Case) -> Iterator[Population]:
    """What each source counts in the case's window, best source first: raw logs, platform, traces."""
    for source in counting(case):
        found = population(case, source)
        if found is not None:
            yield found


@once
def population(case: Case, source: str) -> Population | None:
    """What one source counts in the case's window: of exactly the window, else tiled from shorter stretches.

    Last comes a sample of known rate, scaled up, that nothing was counted beside.
    """
    if source in SAMPLED and not _traced(case.at(case.scope.window), source):
        return None
    exact = spanned(case, source)
    if exact is not None and not pd.isna(exact["requests"]):
        return _of_span(case, source, exact)
    buckets = tiled(case, source)
    if len(buckets) and buckets["requests"].notna().all():  # a sum over what is not understood is none
        return _of_buckets(source, buckets)
    stretches = _stretches(case, source)
    if len(stretches):
        return _of_stretches(source, stretches)
    sampled = exact is not None and not pd.isna(exact["samples"] / exact["sample_rate"])
    return _of_span(case, source, exact) if sampled else None


@once
def _traced(case: Case, source: str) -> bool:
    """Whether a source of traces ever had one: without, it sees no requests, and its zeros count nothing."""
    counts = pd.concat([case["latencies"], case["request_counts"]])
    mine = counts[counts["source"] == source]
    return bool((mine["requests"] > 0).any() or (mine["samples"] > 0).any() or mine["requests"].isna().all())


@once
def requests_of(case: Case, source: str) -> float | None:
    """Requests of the case's window, of the buckets at its edges in proportion; None where too little was counted.

    So windows that begin in the middle of a bucket cover the same time as those they are compared with.
    """
    for table in _tables(case.at(case.scope.window), source):
        parts = table.filling(case.window, over=case.scope.as_of)
        if len(parts.requests) and not np.isnan(parts.requests).any():
            counted_pct = 100 * _covered_s(parts.starts, parts.ends, parts.requests) / case.window.seconds
            return float(parts.requests.sum()) if counted_pct >= COUNTED_PCT else None
    return None


@once
def _tables(case: Case, source: str) -> tuple[Buckets, ...]:
    """What a source counts: by status first, then by stretches of all routes.

    A stretch of which a part was not counted has no share for each of its days.
    """
    stretches = _all_stretches(case, source)
    whole = stretches[stretches["complete"].fillna(True).to_numpy(dtype=bool)]
    both = _count_buckets(case, source), Buckets.of(whole)
    return tuple(buckets for buckets in both if len(buckets.starts))


@once
def _count_buckets(case: Case, source: str) -> Buckets:
    return Buckets.of(_counts(case, source))


@once
def _stretch_buckets(case: Case, source: str) -> Buckets:
    return Buckets.of(_all_stretches(case, source))


@once
def tables_of(case: Case, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a source counts, whenever and however long: by status, and stretches of all routes, which may overlap.

    Columns at, end_at, requests, failures (NaN where untold) and sample_rate, among others.
    """
    whole = case.at(case.scope.window)
    counts, stretches = _counts(whole, source), _all_stretches(whole, source)
    if source in SAMPLED and not _traced(whole, source):
        counts, stretches = counts.iloc[:0], stretches.iloc[:0]
    return counts.assign(failures=counts["failures"].where(counts["status"].notna())), stretches


@once
def timed_stretches(case: Case, source: str) -> pd.DataFrame:
    """Stretches of all routes (at, end_at, p95_ms) that a source timed; they may overlap."""
    table = _unrouted(case.at(case.scope.window), source).dropna(subset=["p95_ms"])
    return table.assign(at=table["start"], end_at=table["end"])


def _stretches(case: Case, source: str) -> pd.DataFrame:
    """Rows of `latencies` of all routes that tile the case's window."""
    whole = case.at(case.scope.window)
    return tile_of(_all_stretches(whole, source), _stretch_buckets(whole, source), case.window)


@once
def buckets(case: Case) -> pd.DataFrame:
    """Requests and failures of each of the finest buckets of the window, as the best source that tells both.

    Columns at, end_at, requests, failures, in order; of a sample, what was really looked at.
    """
    parts = _around(case.window, case.scope.present)
    for source in counting(case):
        rows = pd.concat([_told(case.at(part), source) for part in parts], ignore_index=True)
        if len(rows):
            return _with_minutes(case, source, _summed(rows))
    return pd.DataFrame(columns=["at", "end_at", "requests", "failures"])


@once
def in_maintenance(case: Case) -> float:
    """Failed requests of the window in declared maintenance, as far as its buckets lie in it; none are a fault."""
    spans = case.site.maintenance_in(case.window)
    rows = buckets(case) if spans else pd.DataFrame(columns=["at", "end_at", "failures"])
    inside = [rows[(rows["at"] >= span.start) & (rows["end_at"] <= span.end)] for span in spans]
    return float(sum(part["failures"].sum() for part in inside))


def _with_minutes(case: Case, source: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Buckets, with the shorter ones in place of those of which these tell every request."""
    counts = _counts(case.at(case.scope.window), source)
    fine = counts[counts["interval_s"] <= FINE_S]
    fine = _summed(_as_looked_at(fine[fine["status"].notna()]))
    first, last = (fine["at"].searchsorted(rows[edge]) for edge in ("at", "end_at"))
    total = np.concatenate([[0.0], fine["requests"].cumsum()])
    told = (last - first > 1) & np.isclose(total[last] - total[first], rows["requests"].to_numpy(dtype=float))
    if not told.any():
        return rows
    inside = np.concatenate([np.arange(*edges) for edges in zip(first[told], last[told], strict=True)])
    return pd.concat([rows[~told], fine.iloc[inside]]).sort_values("at", ignore_index=True)


@once
def finest(case: Case) -> pd.DataFrame:
    """As `buckets`, of the shortest buckets alone that any part of the window is counted by."""
    for source in counting(case):
        rows = _counts(case.at(case.scope.window), source)
        rows = rows[(rows["at"] >= case.window.start) & (rows["end_at"] <= case.window.end)]
        rows = rows[rows["interval_s"] == rows["interval_s"].min()]
        if rows["status"].notna().any():
            return _summed(_as_looked_at(_with_status(rows)))
    return pd.DataFrame(columns=["at", "end_at", "requests", "failures"])


def _around(window: Window, present: Window) -> list[Window]:
    """A window cut at the present, which is counted by the minute where the rest is by the hour."""
    if present.start >= window.end or present.end <= window.start:
        return [window]
    inside = present.clip(window)
    cuts = [Window(window.start, inside.start), inside, Window(inside.end, window.end)]
    return [part for part in (cuts if inside.seconds else [window]) if part.seconds > 0] or [window]


def _told(case: Case, source: str) -> pd.DataFrame:
    rows = tiled(case, source)
    if rows["status"].isna().all():
        rows = _stretches(case, source).dropna(subset=["failures"])
    else:
        rows = _with_status(rows)
    return _as_looked_at(rows)


def _with_status(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts of which is known whether they failed; none where that is known of too few."""
    known = rows[rows["status"].notna()]
    return known if known["requests"].sum() >= KNOWN_SHARE * rows["requests"].sum() else known.iloc[:0]


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    sums = rows.groupby(["at", "end_at"], as_index=False)[["requests", "failures"]].sum()
    return sums.sort_values("at", ignore_index=True)


def _as_looked_at(rows: pd.DataFrame) -> pd.DataFrame:
    """Requests and failures of buckets, of a sample those that were really looked at."""
    looked = rows["sample_rate"].fillna(1.0).to_numpy("float64")
    counts = {name: rows[name].to_numpy("float64") * looked for name in ("requests", "failures")}
    return rows[["at", "end_at"]].assign(**counts)


@once
def _all_stretches(case: Case, source: str) -> pd.DataFrame:
    table = _unrouted(case, source)
    table = table[table["requests"].notna()]
    return table.assign(at=table["start"], end_at=table["end"])


def _of_stretches(source: str, rows: pd.DataFrame) -> Population:
    known = bool(rows["samples"].notna().all() and rows["sample_rate"].notna().all())
    return Population(
        source,
        float(rows["requests"].sum()),
        _sum(rows["failures"]),
        sampled=int(rows["samples"].sum()) if known else None,
        covered_s=_covered_s(*_spans(rows)),
        refused=_sum(rows["refused"]),
    )


def _sum(column: pd.Series) -> float | None:
    """The sum of a column of which every value is known."""
    return float(column.sum()) if column.notna().all() else None


def spanned(case: Case, source: str) -> pd.Series | None:
    """The row of `latencies` of exactly the case's window, all routes; None when there is none."""
    whole = case.at(case.scope.window)
    place = _places(whole, source).get((case.window.start, case.window.end))
    return None if place is None else _unrouted(whole, source).iloc[place]


@once
def _places(case: Case, source: str) -> dict[tuple[datetime, datetime], int]:
    rows = _unrouted(case, source)
    spans = zip(rows["start"].dt.to_pydatetime(), rows["end"].dt.to_pydatetime(), strict=True)
    return {span: place for place, span in reversed(list(enumerate(spans)))}


@once
def _unrouted(case: Case, source: str) -> pd.DataFrame:
    """Rows of `latencies` of one source, of all routes together."""
    table = case["latencies"]
    return table[(table["source"] == source) & table["route"].isna()]


@once
def tiled(case: Case, source: str) -> pd.DataFrame:
    """Rows of `request_counts` that tile the case's window without overlap, with `end_at` and `failures`."""
    whole = case.at(case.scope.window)
    return tile_of(_counts(whole, source), _count_buckets(whole, source), case.window)


@once
def _counts(case: Case, source: str) -> pd.DataFrame:
    table = case["request_counts"]
    counts = ending(all_routes(table[table["source"] == source]))
    return counts.assign(failures=failures(counts))


def all_routes(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of all routes together where a source gives them, else those of each route."""
    whole = table["route"].isna()
    return table[whole] if whole.any() else table


def _spans(table: pd.DataFrame) -> tuple[Moments, Moments, Floats]:
    return microseconds(table["at"]), microseconds(table["end_at"]), table["requests"].to_numpy("float64")


def _covered_s(starts: Moments, ends: Moments, requests: Floats) -> float:
    return float(ends.max() - starts.min()) / 1e6 - silent_s(starts, ends, requests)


def failures(table: pd.DataFrame) -> pd.Series:
    """Requests of each row of `request_counts` that failed: a status of 500 or more, or a crash."""
    return table["requests"].where(
        ((table["status"] >= SERVER_ERRORS) | (table["status"] == CRASHED)).fillna(False), 0.0
    )


def failures_of_all(sums: pd.DataFrame) -> pd.Series:
    """Failures of each row (requests, failures, and `known`: requests of which the status is known) among all.

    Those of unknown status fail as often as the others, if they are few; else there are none to tell.
    """
    known = sums["known"]
    scaled = (sums["failures"] * sums["requests"] / known.where(known > 0)).where(known > 0, sums["failures"])
    return scaled.where(known >= KNOWN_SHARE * sums["requests"])


def _of_buckets(source: str, buckets: pd.DataFrame) -> Population:
    """Requests by status; those whose status was not understood fail as often as the others, if they are few."""
    rates, counts = buckets["sample_rate"].to_numpy(), buckets["requests"].to_numpy()
    requests = float(counts.sum())
    sampled = None if np.isnan(rates).any() else round(float((counts * rates).sum()))
    status = buckets["status"].to_numpy("float64", na_value=np.nan)
    known = ~np.isnan(status)
    share = float(counts[known].sum()) / requests if requests else float(known.any())
    failed = buckets["failures"].to_numpy()[known].sum()
    refused = np.where((status >= REFUSED[0]) & (status <= REFUSED[1]), counts, 0.0)[known].sum()
    told = (None, None) if share < KNOWN_SHARE else (float(failed / share), float(refused / share))
    return Population(
        source, requests, told[0], sampled=sampled, covered_s=_covered_s(*_spans(buckets)), refused=told[1]
    )


def _of_span(case: Case, source: str, row: pd.Series) -> Population:
    requests, rate, samples = row["requests"], row["sample_rate"], row["samples"]
    if pd.isna(requests):
        requests = samples / rate
    if pd.isna(samples) and not pd.isna(rate):
        samples = requests * rate
    known = not (pd.isna(samples) or pd.isna(rate))
    failed, refused = (None if pd.isna(row[name]) else float(row[name]) for name in ("failures", "refused"))
    sampled = round(samples) if known else None
    return Population(
        source, float(requests), failed, sampled=sampled, covered_s=_spanned_s(case, source), refused=refused
    )


def _before_its_first_s(case: Case, source: str, rows: pd.DataFrame, first: int) -> float:
    """Seconds of the window from before the first count that a source ever had, where requests were due."""
    if _counts(case.at(case.scope.window), source)["at"].min() < rows["at"].min():
        return 0.0
    starts, ends, requests = _spans(rows)
    within_s = silent_s(starts, ends, requests)
    return silent_s(starts, ends, requests, edges=(first, int(ends.max()))) - within_s


def _spanned_s(case: Case, source: str) -> float:
    """Seconds that a figure of the whole window rests on.

    Without the silences that its minutes show and what the request log does not hold. Longer buckets show only
    that the source begins within the window.
    """
    rows, unheard = tiled(case, source), unheard_s(case) if source == LOG else 0.0
    if rows.empty:
        return case.window.seconds - unheard
    first, last = microseconds(pd.Series([case.window.start, case.window.end]))
    coarse = bool((rows["interval_s"] > FINE_S).any())
    edges = (first, last)
    silent = _before_its_first_s(case, source, rows, first) if coarse else silent_s(*_spans(rows), edges=edges)
    return case.window.seconds - max(unheard, silent)
