"""Performance: response times, error rate and traffic of the window, by day, by hour and by route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from statistics import median
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis import limits
from pdmlib.analysis.availability.uptime import LOG, log_of, name_of
from pdmlib.analysis.compare.baseline import Change, change
from pdmlib.analysis.compare.change import beside, practical_pct, weeks_before
from pdmlib.analysis.compare.same_hours import on_same_hours
from pdmlib.analysis.confounders import rivals
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic import log_silence
from pdmlib.analysis.traffic.hourly import NEEDED
from pdmlib.analysis.traffic.onset import after_deployment, onset_of, onset_of_route
from pdmlib.analysis.traffic.populations import (
    Population,
    all_routes,
    counting,
    in_maintenance,
    population,
    populations,
    requests_of,
    spanned,
    tiled,
    timing,
)
from pdmlib.analysis.traffic.routes import (
    FEWEST_FAILED,
    PRACTICAL_FACTOR,
    PRACTICAL_RISE,
    rises,
    routes_failing_from,
)
from pdmlib.analysis.traffic.stretches import last_stretch
from pdmlib.frames.case import Case
from pdmlib.frames.readings import (
    ORDER,
    Finding,
    Limit,
    Measurement,
    Priority,
    Reading,
    State,
    Status,
    Trend,
    amount,
    significant,
)
from pdmlib.frames.states import Probe
from pdmlib.phases.window import spoken

MINUTE_S, HOUR_S = 60, 3600
SECTION = "performance"
TRAFFIC = "traffic"
SLOW = "Check database queries, optimize"
SHARED = "Look at what all routes share: the database, the host, the network, and what runs for every request"
ROLLBACK = "Investigate immediately, likely rollback"
CAUSE = "Investigate errors, identify root cause"
MORE_MEMORY = "Give the functions more memory, or find out what takes it"
CROWD = "Find out where the requests come from, and whether the platform carries them"
WATCH = "Monitor, investigate if persists"
DELIVER = "Find out whether the log is still written and taken in (`pdm ingest`)"
NOBODY = "Look from outside whether users still reach it: domain name, certificate, network, sign-in"
P95_SHARE = 0.95
NAMES = {"avg": "average"}
SHOWN_ROUTES = 3  # that one line holds
# What routes do together: a star stands in the place of a route's path.
ALL_SLOWER, ALL_FAILING = "route:*:slower", "route:*:failing"
# Routes that surely slowed, or of which one surely did and the others seem to have, and their share of all: two
# may slow for two reasons, and a p95 of twenty requests is 1.3 times another by chance once in five times.
FEWEST_SURE, FEWEST_TOGETHER, TOGETHER = 3, 5, 0.8
TIMED_OUT = (504, 524)  # HTTP: gateway timeout (RFC 9110), and that of Cloudflare
# What a source calls the figures of requests in its answers, and the fields of their number and of a failed one.
ITEMS = {"requests": "requests", "vercel": "requests", "sentry": "spans"}
COUNT_ITEMS = {"vercel": "requests.value", "sentry": "spans.count"}
STATUS_ITEMS = {"vercel": "requests.http_status", "sentry": "spans.http_response_rate"}
SHOWN = (
    "latency_avg_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "error_rate_pct",
    "requests_total",
)
UNDECLARED = "the sample rate of {} is not declared, so its counts are no rate"


def latency(case: Case, column: str) -> Measurement:
    """A percentile (or the mean) of users' requests of the window, from the source's own requests.

    Raw logs come before traces, traces before the platform. Never an average of percentiles, never of probes.
    """
    for source in timing(case):
        row = spanned(case, source)
        if row is not None and not pd.isna(row[column]):
            return _of_row(case, source, row, column)
    return _no_latency(case, column)


def _of_row(case: Case, source: str, row: pd.Series, column: str) -> Measurement:
    known = [int(row[kept]) for kept in ("timed", "samples") if not pd.isna(row[kept])]
    count = known[0] if known else None
    name, needed = column.removesuffix("_ms"), NEEDED[column]
    reason = None
    if count is not None and count < needed:
        reason = f"low confidence: {count:,} requests are too few for a {name}, which takes {needed:,}"
    elif row["confidence"] == "low":
        reason = f"low confidence: {source} says so of its own {name}"
    rate = row["sample_rate"]
    share = "" if pd.isna(rate) or rate == 1 else f", {significant(100 * rate)} % of all"
    untimed = known[1] - known[0] if len(known) > 1 else 0
    share += f"; the time of {untimed:,} more is not known" if untimed > 0 else ""
    low, high = (_known(row.get(f"{name}_{edge}_ms")) for edge in ("low", "high"))
    if low is not None and high is not None:
        share += case.many_looks
    return Measurement(
        State.MEASURED,
        float(row[column]),
        reason=reason,
        samples=count,
        few=count is not None and count < needed,
        low=low,
        high=high,
        source=source,
        window=case.window,
        coverage_pct=_counted_pct(case, source),
        evidence=None
        if count is None
        else f"{NAMES.get(name, name)} of {_looked_at(count, row['confidence'])}{share}",
    )


def _counted_pct(case: Case, source: str) -> float | None:
    """Share of the window that a source counted; None where it only times."""
    found = population(case, source)
    return None if found is None else found.coverage_pct(case.window)


def _looked_at(count: int, confidence: str) -> str:
    """How many requests a statistic is of, and how it is known."""
    if confidence == "exact":
        return f"{count:,} requests, exact"
    if confidence == "histogram":
        return f"{count:,} requests, from histograms within 1 % of a request's time"
    return f"{count:,} sampled requests"


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def probe_latency(case: Case) -> Measurement:
    """p95 of the probes that found the health check up: of the checks alone, no response time of users' requests.

    A probe that failed tells how long it was waited for, not how fast the application is.
    """
    probes = case.within("probes", "checked_at").dropna(subset="response_ms")
    probes = probes[probes["status"].isin((Probe.UP, Probe.DEGRADED))]
    if len(probes):
        target = LOG if (probes["target"] == LOG).any() else probes["target"].iloc[0]
        probes = probes[probes["target"] == target]
    if len(probes) < NEEDED["p95_ms"]:
        teller = ("app", "probes") if case.site.uptime is None else log_of(case)
        return case.missing(*teller, f"fewer than {NEEDED['p95_ms']} probes found the health check up")
    times = probes["response_ms"]
    low, high = stats.quantile_interval(times, P95_SHARE, case.level)
    odd = case.unclear("postgres", "uptime.response_ms") if target == LOG else None
    return Measurement(
        State.MEASURED,
        float(times.quantile(P95_SHARE, interpolation="higher")),
        low=low,
        high=high,
        samples=len(times),
        source="probe",
        window=case.window,
        reason=odd and f"of the times that are understood alone; {odd}",
        evidence=f"p95 of {len(times):,} probes of {name_of(case, target)}, not of users' requests",
    )


def _no_latency(case: Case, column: str) -> Measurement:
    """Unknown; percentiles of shorter intervals are told in the reason, as no percentile of the window."""
    table = case["latencies"]
    inside = (table["start"] >= case.window.start) & (table["end"] <= case.window.end) & table["route"].isna()
    parts = table.loc[inside, ["source", column]].dropna()
    teller = "vercel" if "sentry" in case.site.without and "vercel" not in case.site.without else "sentry"
    name = {"avg_ms": "average"}.get(column, column.removesuffix("_ms"))
    nobody = f"no source measured the {name} response time of users' requests in this window"
    lost = _lost(case, teller, "latencies", nobody)
    if parts.empty:
        return lost
    text = f"median of {len(parts)} intervals' {name} is {parts[column].median():.0f} ms, not the window's {name}"
    return replace(lost, reason=f"{lost.reason}; {text}")


def _untold(case: Case) -> Measurement:
    """Why nobody tells how many requests there were: the platform's reason, on a site without it the traces'."""
    alone = "vercel" in case.site.without and "sentry" not in case.site.without and not case.site.requests
    teller = ("sentry", "latencies") if alone else ("vercel", "request_counts")
    return _lost(case, *teller, "no source counted requests in this window")


def _lost(case: Case, source: str, item: str, otherwise: str) -> Measurement:
    """Why a source gave no figure: what of its answers was not understood, else its gap, else that it has none.

    The site's own request logs answer for a source that it does without.
    """
    source = "requests" if case.site.requests and source in case.site.without else source
    unclear = next((told for name in ITEMS if (told := case.unclear(name, ITEMS[name]))), None)
    found = case.missing(source, item, otherwise)
    return (
        replace(found, state=State.NOT_UNDERSTOOD, reason=unclear)
        if unclear and found.state is State.NO_DATA
        else found
    )


def error_rate_pct(case: Case) -> Measurement:
    """Requests that failed in percent of all, both from one population, with its Wilson interval.

    Without failures in any population: errors counted whole over requests extrapolated by a known rate.
    """
    undeclared = None
    for found in populations(case):
        failures = found.failures if found.failures is not None else _errors_counted(case)
        if failures is None and (gap := case.collection.gap(found.source, "request_counts")):
            undeclared = undeclared or Measurement.missing(*gap, found.source)
        if failures is None or not found.requests:
            continue
        if found.failures is None and case.unclear(found.source, COUNT_ITEMS.get(found.source, "requests")):
            continue  # errors are counted whole, and requests of which the number is not understood are left out
        if found.sampled:
            return _rate(case, found, failures - min(failures, in_maintenance(case)))
        undeclared = undeclared or Measurement.missing(
            State.NO_DATA, UNDECLARED.format(found.source), found.source
        )
    return undeclared or _untold(case)


def _errors_counted(case: Case) -> float | None:
    counts = case["error_counts"]
    exact = counts[(counts["start"] == case.window.start) & (counts["end"] == case.window.end)]["errors"].dropna()
    return float(exact.iloc[0]) if len(exact) else None


def _rate(case: Case, found: Population, failures: float) -> Measurement:
    whole = found.failures is None
    trials = round(found.requests) if whole else found.sampled or 0
    share = min(failures / found.requests, 1.0)
    low, high = stats.proportion(round(share * trials), trials, case.level)
    what = "error events counted whole" if whole else "failed"
    beside_them = f", {found.refused:,.0f} more were refused with 4xx" if found.refused else ""
    planned = in_maintenance(case)
    beside_them += f", {planned:,.0f} more failed in declared maintenance" if planned else ""
    return Measurement(
        State.MEASURED,
        100 * share,
        samples=trials,
        low=100 * low,
        high=100 * high,
        source=found.source,
        window=case.window,
        coverage_pct=found.coverage_pct(case.window),
        reason=_without_status(case, found.source),
        evidence=f"{failures:,.0f} {what} of {found.requests:,.0f} requests{_looked(found)}{beside_them}"
        f"{case.many_looks}",
    )


def _without_status(case: Case, source: str) -> str | None:
    """Of how many requests of a source nobody knows whether they failed; None where it is known of all."""
    if source in STATUS_ITEMS:
        return case.unclear(source, STATUS_ITEMS[source])
    gap = case.collection.gap(source, "request_counts") if case.window == case.scope.window else None
    return gap[1] if gap else None


def requests_total(case: Case) -> Measurement:
    """Requests of the window; extrapolated where only a sample was seen."""
    found = next(populations(case), None)
    if found is None:
        return _untold(case)
    counted = _counted(case, found, round(found.requests))
    looked = _looked(found).strip(" ()") or None
    return beside(replace(counted, samples=found.sampled, evidence=looked), _against_usual(case, found))


def _looked(found: Population) -> str:
    """How many of the requests were looked at, where that is not all of them."""
    if found.sampled is None:
        return f" ({UNDECLARED.format(found.source)})"
    return "" if found.sampled >= round(found.requests) else f" ({found.sampled:,} looked at)"


def requests_per_min_avg(case: Case) -> Measurement:
    """Requests a minute over what was counted of the window, beside the same hours of the weeks before."""
    found = next(populations(case), None)
    if found is None:
        return _untold(case)
    seen = _against_usual(case, found)
    usual = None if seen.baseline is None else seen.baseline / case.window.minutes
    return beside(_counted(case, found, found.rate), seen, usual, judged=seen.trend is not Trend.UNKNOWN)


def _counted(case: Case, found: Population, value: float) -> Measurement:
    coverage = found.coverage_pct(case.window)
    return Measurement(State.MEASURED, value, source=found.source, window=case.window, coverage_pct=coverage)


def _against_usual(case: Case, found: Population) -> Change:
    """The requests of the window against the same stretch of the weeks before."""

    def whole(other: Case) -> float | None:
        return requests_of(other, found.source)

    current = whole(case)
    if current is None:
        return Change(Trend.UNKNOWN, reason="too little of the window was counted")
    base, practical = weeks_before(case, whole), practical_pct(case, "requests_total")
    return change(current, base, "neither", practical_pct=practical, looks=case.scope.phase.looks)


def requests_per_min_peak(case: Case) -> Measurement:
    """The busiest interval of the window, per minute: at least the true peak of one minute's length."""
    for source, table in _intervals(case):
        rate = table["requests"] / (table["seconds"] / 60)
        if len(rate):
            top = table.loc[rate.idxmax()]
            text = f"average of the {top['seconds'] / 60:.0f} min from {spoken(top['at'], case.site.zone)}"
            return Measurement(State.MEASURED, float(rate.max()), source=source, window=case.window, evidence=text)
    return _lost(case, "vercel", "request_counts", "no source counted requests by the minute")


def _intervals(case: Case) -> Iterable[tuple[str, pd.DataFrame]]:
    """Requests of each interval of at least a minute inside the window, by source, best source first."""
    counts, spans = case["request_counts"], case["latencies"]
    counts = pd.concat([all_routes(counts[counts["source"] == source]) for source in counting(case)])
    counts = counts[counts["interval_s"] >= MINUTE_S]
    ends = counts["at"] + pd.to_timedelta(counts["interval_s"], unit="s")
    counts = counts[(counts["at"] >= case.window.start) & (ends <= case.window.end)]
    # An interval of which a part is not understood has no sum.
    sums = counts.groupby(["source", "at", "interval_s"])["requests"].agg(lambda parts: parts.sum(skipna=False))
    counts = sums.dropna().reset_index().rename(columns={"interval_s": "seconds"})
    inside = (spans["start"] >= case.window.start) & (spans["end"] <= case.window.end) & spans["route"].isna()
    spans = spans[inside & spans["requests"].notna()]
    spans = spans.assign(at=spans["start"], seconds=(spans["end"] - spans["start"]).dt.total_seconds())
    spans = spans.loc[
        (spans["seconds"] >= MINUTE_S) & (spans["seconds"] <= HOUR_S), ["source", "at", "seconds", "requests"]
    ]
    both = pd.concat([counts, spans], ignore_index=True)
    for source in counting(case):
        yield source, both[both["source"] == source]


def timeouts(case: Case) -> Measurement:
    """Requests that the platform gave up on (504, 524)."""
    for source in counting(case):
        counts = tiled(case, source)
        if counts["status"].notna().any():
            lost = counts.loc[counts["status"].isin(TIMED_OUT), "requests"].sum()
            if not lost and counts[["status", "requests"]].isna().any(axis=None):
                return _lost(case, source, "request_counts", "the status of some requests is not known")
            return Measurement(State.MEASURED, round(float(lost)), source=source, window=case.window)
    return _lost(case, "vercel", "request_counts", "no source counted requests by their status")


def memory_limit_hits(case: Case) -> Measurement:
    """Routes of which a function took all the memory that it was given, over the report's own window."""
    states = case["vendor_states"]
    told = states[(states["vendor"] == "vercel") & (states["kind"] == "memory") & states["ok"].notna()]
    if doubt := case.unclear("vercel", "requests.memory"):
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, "vercel")
    if told.empty or case.window != case.scope.window:
        return case.missing("vercel", "memory", "no source tells how much memory the functions took")
    bad = told[~told["ok"].astype(bool)]
    first = bad.head(SHOWN_ROUTES)
    shown = [f"{route} took {how_much}" for route, how_much in zip(first["item"], first["status"], strict=True)]
    return Measurement(
        State.MEASURED,
        len(bad),
        samples=len(told),
        source="vercel",
        window=case.window,
        evidence="; ".join(shown) or None,
    )


def table(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    """Rows of `performance`: metric, value, target and status of what the guide's table shows."""
    known = {reading.id: reading for reading in readings}
    shown = [known[name] for name in SHOWN if name in known]
    return [
        {"metric": r.title, "value": r.value, "unit": r.unit, "target": r.target, "status": r.status.value}
        for r in shown
    ]


def routes(case: Case) -> list[dict[str, Any]]:
    """Rows of `routes`; a route fails from the error rate on that is the whole's target."""
    return routes_failing_from(case, limits.target_of(case, ERROR_RATE) or 0.0)


def findings(case: Case) -> list[Finding]:
    """Routes that became slower, or fail more often, since the deployment, with what else may explain it.

    Of an hour that is not over nobody can tell which failures of a route are those of declared maintenance.
    """
    latest = {row["route"]: row for row in routes(case.latest())}
    slower, failing = (
        [tell(case, row, latest.get(row["route"])) for row in routes(case) if row[kind]]
        for tell, kind in ((_slower, "regressed"), (_failing, "failing"))
    )
    failing = [] if case.maintained else failing
    return [
        *_nobody(case),
        *_everywhere(case, slower),
        *slower,
        *_failing_everywhere(case, failing),
        *failing,
    ]


def _nobody(case: Case) -> Iterator[Finding]:
    """That the request log ends too early: users stay away, or it is not delivered any more."""
    last = None if case.maintained else log_silence.ended(case)
    if last is None:
        return
    came = log_silence.delivered(case)
    since, due = spoken(last.window.start, case.site.zone), f"about {max(1, round(last.due)):,}"
    lost = f"{'a part of ' * last.goes_on}the request log is not delivered{' any more' * (not last.goes_on)}"
    which = {
        True: f"Users stay away: the last request is of {since}",
        False: f"{lost[:1].upper()}{lost[1:]}: its last request is of {since}",
        None: f"No request since {since}: users stay away, or {lost}",
    }
    beside_it = log_silence.evidence(case)
    yield Finding(
        id="requests:ended",
        title=which[came],
        priority=Priority.P2 if came is False else Priority.P1,
        reading="requests_per_min_avg",
        evidence=f"{due} requests were due since" + (f"; {beside_it}." if beside_it else "."),
        action={True: NOBODY, False: DELIVER, None: f"{DELIVER}; if it is, {NOBODY[:1].lower()}{NOBODY[1:]}"}[
            came
        ],
        becomes_green="requests come again, or the log holds those that came",
        since=last.window.start,
        value=0,
        threshold="> 0 requests",
        said={
            True: "Nobody uses it",
            False: "The log of its requests is not delivered",
            None: "Nobody uses it, or the log of its requests is not delivered",
        }[came],
    )


def _everywhere(case: Case, slower: Sequence[Finding]) -> Iterator[Finding]:
    """That routes slowed together, which is to be looked for in what they share and in none of them."""
    every = rises(case)
    times = [x for x in every if x >= PRACTICAL_RISE]
    enough = len(slower) >= FEWEST_SURE or (slower and len(times) >= FEWEST_TOGETHER)
    if not enough or len(times) < TOGETHER * len(every):
        return
    among = len(every)
    which, (least, factor, most) = _routes(len(times), among), _spread(times)
    yield replace(
        min(slower, key=lambda found: ORDER[found.priority]),
        id=ALL_SLOWER,
        title=f"{which[:1].upper()}{which[1:]} became {factor} times slower",
        evidence=f"By {least} to {most} times, of {among} routes that have enough requests before and now.",
        action=SHARED,
        becomes_green=f"the p95 of each is under {PRACTICAL_RISE} times what it was before",
        since=_all_since(case, P95.id),
        active=any(found.active for found in slower),
        value=len(times),
        size=("times", median(times)),
        threshold=f"< {TOGETHER * among:g}",
        said=f"Customers wait {factor} times longer on {which}",
    )


def _failing_everywhere(case: Case, failing: Sequence[Finding]) -> Iterator[Finding]:
    """That routes fail together, which is to be looked for in what they share and in none of them."""
    if len(failing) < FEWEST_SURE:
        return
    rows = [row for row in routes(case) if row["samples"] and row["before_error_rate_pct"] is not None]
    rates = [row["error_rate_pct"] for row in rows if row["failing"]]
    # Of others nobody can tell: at that rate too few of their requests would fail.
    known = [row for row in rows if row["failing"] or row["samples"] * median(rates) / 100 >= FEWEST_FAILED]
    among = len(known)
    if len(failing) < TOGETHER * among:
        return
    which, (least, share, most) = _routes(len(failing), among), _spread(rates)
    yield replace(
        min(failing, key=lambda found: ORDER[found.priority]),
        id=ALL_FAILING,
        title=f"{which[:1].upper()}{which[1:]} fail",
        evidence=f"{least} to {most} % of their requests, of {among} routes that have enough of them to tell.",
        action=SHARED,
        becomes_green="none of them fails more often than its own limit",
        since=_all_since(case, ERROR_RATE.id),
        active=any(found.active for found in failing),
        value=median(rates),
        size=("requests", sum(found.size[1] for found in failing if found.size)),
        threshold=f"< {TOGETHER * among:g} routes",
        said=f"{share} % of the requests to {which} fail",
    )


def _routes(count: int, among: int) -> str:
    return f"all {among} routes" if count == among else f"{count} of {among} routes"


def _spread(values: Sequence[float]) -> tuple[str, str, str]:
    """The least, the middle and the greatest of some values, in words."""
    return significant(min(values), 2), significant(median(values), 2), significant(max(values), 2)


def _all_since(case: Case, reading: str) -> datetime:
    """When all requests changed: the deployment, where that may be."""
    onset, deployed = onset_of(case.at(case.scope.window), reading), case.scope.deployed_at
    return deployed if onset is None or onset.holds(deployed) else onset.moment


def _route_since(case: Case, row: Mapping[str, Any], column: str, latest: float | None, goal: float) -> datetime:
    """When a route changed: as its own hours say, which a request log alone tells; else as all requests do.

    Of a route vendors tell the window and its latest part alone: what began late is much worse in that part, and
    what is over is well there. Without either it is the deployment.

    Args:
        column: the row's figure that is told of.
        goal: under which it is well.
    """
    now, reading = row[column], ERROR_RATE.id if column == ERROR_RATE.id else P95.id
    failed = now / 100 if reading == ERROR_RATE.id else None
    own = onset_of_route(case, row["route"], failed) if latest is None or latest >= goal else None
    if own is not None:
        return case.scope.deployed_at if own.holds(case.scope.deployed_at) else own.moment
    if latest is None or goal <= latest < PRACTICAL_RISE * now:
        return case.scope.deployed_at
    if reading == ERROR_RATE.id and (found := _stretch_since(case, over=latest < goal)) is not None:
        return found
    return after_deployment(case, onset_of(case.at(case.scope.window), reading) if latest >= goal else None)


def _stretch_since(case: Case, over: bool) -> datetime | None:
    """When the newest stretch of failing requests began that is over, or lasts; None where it began earlier."""
    told = (last_stretch(case, float(limit.edge)) for limit in ERROR_RATE.limits)
    fits = (one.start for one in told if one and (one.end is not None) == over)
    return next((start for start in fits if start > case.scope.deployed_at), None)


def _slower(case: Case, row: dict[str, Any], latest: dict[str, Any] | None) -> Finding:
    before, now = row["before_p95"], row["p95"]
    share = row["share_of_change_pct"]
    part = "" if share is None else f"; {share:.0f} % of all time added since the deployment"
    goal = PRACTICAL_RISE * before
    found = Finding(
        id=f"route:{row['route']}:slower",
        title=f"{row['route']} became {significant(now / before, 2)} times slower",
        priority=Priority.P1 if limits.fails(case, P95, now) else Priority.P2,
        reading="latency_p95_ms",
        evidence=f"p95 of {row['route']}: {before:,.0f} ms before, {now:,.0f} ms now "
        f"({row['requests']:,.0f} requests, {row['samples']:,.0f} looked at){part}.",
        action=SLOW,
        becomes_green=f"its p95 is under {amount(goal, 'ms')} (now {amount(now, 'ms')})",
        active=latest is None or latest["p95"] is None or latest["p95"] >= goal,
        value=now,
        size=("times", now / before) if before else None,
        threshold=f"< {goal:.0f} ms",
        since=_route_since(case, row, "p95", latest["p95"] if latest else None, goal=goal),
        said=f"Customers wait {significant(now / before, 2)} times longer on {row['route']}",
    )
    return _of_route(case, row["route"], found)


def _failing(case: Case, row: dict[str, Any], latest: dict[str, Any] | None) -> Finding:
    before, now = row["before_error_rate_pct"], row["error_rate_pct"]
    goal = max(limits.target_of(case, ERROR_RATE) or 0.0, PRACTICAL_FACTOR * before)
    often = f"{significant(now / before, 2)} times as often" if before else "and did not before"
    found = Finding(
        id=f"route:{row['route']}:failing",
        title=f"{row['route']} fails {often}",
        priority=Priority.P1 if limits.fails(case, ERROR_RATE, now) else Priority.P2,
        reading="error_rate_pct",
        evidence=f"{before:.2f} % of the requests of {row['route']} failed before, {now:.2f} % of "
        f"{row['requests']:,.0f} do now.",
        action=CAUSE,
        becomes_green=f"under {goal:.2f} % of its requests fail (now {now:.2f} %)",
        active=latest is None or latest["error_rate_pct"] is None or latest["error_rate_pct"] >= goal,
        value=now,
        size=("requests", (now - before) / 100 * row["requests"]),
        threshold=f"< {goal:.2f} %",
        since=_route_since(case, row, ERROR_RATE.id, latest["error_rate_pct"] if latest else None, goal=goal),
        said=f"{significant(now, 2)} % of the requests to {row['route']} fail",
    )
    return _of_route(case, row["route"], found)


def _of_route(case: Case, route: str, found: Finding) -> Finding:
    """A route's finding with what holds for all of them: whose it is, what else may explain it."""
    return replace(
        found,
        evidence=found.evidence + on_same_hours(case, route),
        owner=case.site.people.owners.get("application"),
        rivals=tuple(rivals(case)),
    )


def _response(title: str, name: str, target: float, critical: float, priority: Priority | None) -> Metric:
    """The guide's 24-hour table: target, warning up to the critical edge, critical beyond it."""
    ladder = (
        Limit(">", critical, Status.FAIL, priority=priority, action=SLOW, critical=True),
        Limit(">=", target, Status.WARN, action=SLOW),
    )
    measure = partial(latency, column=name.removeprefix("latency_"))
    return Metric(
        name,
        title,
        "ms",
        section=SECTION,
        measure=measure,
        limits=ladder,
        target=f"< {target:.10g}",
        better="lower",
    )


_ERRORS = (
    Limit(">", 5, Status.FAIL, priority=Priority.P0, action=ROLLBACK, critical=True, rollback=True),
    Limit(">", 1, Status.FAIL, priority=Priority.P1, action=CAUSE, critical=True),
    Limit(">=", 0.5, Status.WARN, priority=Priority.P2, action=WATCH),
)
_TRAFFIC = (
    Limit(">", 10, Status.FAIL, priority=Priority.P1, action=CROWD, critical=True, of="baseline"),
    # The guide's factor of ten the other way: probes may find well what no user reaches any more.
    Limit("<", 0.1, Status.FAIL, priority=Priority.P1, action=NOBODY, of="baseline"),
    Limit("<", 0.5, Status.WARN, priority=Priority.P2, action=NOBODY, of="baseline"),
    Limit(">", 2, Status.WARN, action=WATCH, of="baseline"),
)
_NONE = (Limit(">", 0, Status.WARN, action=SLOW),)

P95 = _response("Response time p95", "latency_p95_ms", 1000, critical=2000, priority=Priority.P1)
ERROR_RATE = Metric(
    "error_rate_pct",
    "Error rate",
    "% of requests",
    section=SECTION,
    measure=error_rate_pct,
    limits=_ERRORS,
    target="< 0.5",
    better="lower",
    rate="requests",
)

METRICS: tuple[Metric, ...] = (
    _response("Response time p50", "latency_p50_ms", 300, critical=500, priority=None),
    P95,
    _response("Response time p99", "latency_p99_ms", 2000, critical=5000, priority=None),
    Metric(
        "latency_avg_ms",
        "Response time average",
        "ms",
        section=SECTION,
        measure=partial(latency, column="avg_ms"),
        better="lower",
    ),
    Metric("probe_p95_ms", "Health check p95 (probes)", "ms", section=SECTION, measure=probe_latency),
    ERROR_RATE,
    Metric("requests_total", "Requests", "count", adds_up=True, section=TRAFFIC, measure=requests_total),
    Metric(
        "requests_per_min_peak",
        "Requests per minute, peak",
        "count",
        section=TRAFFIC,
        measure=requests_per_min_peak,
    ),
    Metric(
        "requests_per_min_avg",
        "Requests per minute",
        "count",
        section=TRAFFIC,
        measure=requests_per_min_avg,
        limits=_TRAFFIC,
        series=True,
        target="0.5 to 2x baseline",
    ),
    Metric(
        "timeouts",
        "Timeouts",
        "count",
        adds_up=True,
        section=TRAFFIC,
        measure=timeouts,
        limits=_NONE,
        target="0",
        better="lower",
    ),
    Metric(
        "memory_limit_hits",
        "Memory limit hits",
        "count",
        adds_up=True,
        section=TRAFFIC,
        measure=memory_limit_hits,
        limits=(Limit(">", 0, Status.WARN, action=MORE_MEMORY),),
        target="0",
        better="lower",
    ),
)
