"""Vercel's metrics: requests by status, response times of functions, and visits.

Requests and response times need Observability Plus and a role, visits Web Analytics. Response times are of
functions alone; static answers have none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.sources import threads
from pdmlib.sources.specifications import vercel as said
from pdmlib.sources.vercel.platform import HOUR, MINUTE, TOO_SMALL, Platform, milliseconds, spans

REQUESTS = "vercel.request.count"
DURATIONS = (
    "vercel.function_invocation.request_duration_ms",
    "vercel.function_invocation.function_duration_ms",
)
INVOCATIONS = "vercel.function_invocation.count"
TAKEN = "vercel.function_invocation.peak_memory_mb"
GIVEN = "vercel.function_invocation.provisioned_memory_mb"
PERCENTILES = ("p50", "p95", "p99", "avg")
WHOLE = 0.99  # share of the whole that its buckets must hold: a series that was cut short holds far less


def metrics_of(platform: Platform, scope: Scope) -> list[threads.Part]:
    """The parts that ask for requests, response times and visits."""
    routed = spans(tuple(dict.fromkeys((scope.window, scope.latest, scope.before))))
    every = spans(scope.spans)
    return [
        *(("request_counts:baseline", partial(_requests, platform, w, HOUR)) for w in _hours_before(scope)),
        *(("request_counts", partial(_requests, platform, w, HOUR)) for w in _hours_since(scope)),
        *(("request_counts", partial(_edge, platform, w)) for w in _edges(scope)),
        *((f"routes:{iso(w.start)}", partial(_requests_by_route, platform, w)) for w in routed),
        *((threads.named(scope, "latencies", w), partial(_latency, platform, w, scope)) for w in every),
        *((f"routes:{iso(w.start)}", partial(_latency_by_route, platform, w)) for w in routed),
        ("memory", partial(_memory, platform, scope.window)),
        *((threads.named(scope, "activity", w), partial(_visits, platform, w)) for w in spans(scope.visits)),
    ]


def _full(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _hours_before(scope: Scope) -> list[Window]:
    return threads.pieces(Window(_full(scope.baseline.start), _full(scope.baseline.end)), 3 * DAY)


def _hours_since(scope: Scope) -> list[Window]:
    return threads.pieces(Window(_full(scope.baseline.end), _full(scope.present.end)), 3 * DAY)


def _edges(scope: Scope) -> list[Window]:
    """The first and the last hour of the judged windows: minutes make up for the parts of hours at their ends."""
    edges = []
    for window in (scope.window, scope.present, scope.latest, scope.previous):
        for hour in (Window(window.start, min(window.end, window.start + HOUR)), window.last(HOUR)):
            start = hour.start.replace(second=0, microsecond=0)
            start += MINUTE if start < hour.start else timedelta(0)
            end = hour.end.replace(second=0, microsecond=0)
            if start < end:
                edges.append(Window(start, end))
    return list(dict.fromkeys(edges))


def _requests(platform: Platform, window: Window, bucket: timedelta) -> threads.Frames:
    """Requests by status in buckets that lie wholly in the window.

    Where the buckets are not the ones asked for, or hold less than the whole, the whole is taken as one.
    """
    summary, data = platform.query(REQUESTS, "sum", window, bucket=bucket, by=("http_status",))
    totals = said.Requests.each(summary, platform.unclear)
    cells = [(one.at, one) for one in said.Requests.each(data, platform.unclear) if one.at is not None]
    counted = sum(one.value or 0 for _, one in cells)
    lost = counted < WHOLE * sum(one.value or 0 for one in totals)
    if totals and (lost or any((at - window.start) % bucket for at, _ in cells)):
        return _whole(totals, window)
    rows = [
        _counted(one, at, bucket.total_seconds())
        for at, one in cells
        if window.start <= at and at + bucket <= window.end
    ]
    return {"request_counts": frame("request_counts", rows)}


def _edge(platform: Platform, window: Window) -> threads.Frames:
    """Requests by minutes; of the window as a whole where a plan refuses buckets as small as that."""
    try:
        return _requests(platform, window, MINUTE)
    except SourceError as error:
        if not error.reason.startswith(TOO_SMALL):
            raise
    summary, _ = platform.query(REQUESTS, "sum", window, by=("http_status",))
    return _whole(said.Requests.each(summary, platform.unclear), window)


def _whole(totals: Iterable[said.Requests], window: Window) -> threads.Frames:
    rows = [_counted(one, window.start, window.seconds) for one in totals]
    return {"request_counts": frame("request_counts", rows)}


def _requests_by_route(platform: Platform, window: Window) -> threads.Frames:
    summary, _ = platform.query(REQUESTS, "sum", window, by=("route", "http_status"))
    rows = [
        {**_counted(one, window.start, window.seconds), "route": one.route}
        for one in said.Requests.each(summary, platform.unclear)
        if one.route
    ]
    return {"request_counts": frame("request_counts", rows)}


def _counted(one: said.Requests, at: datetime, seconds: float) -> dict[str, Any]:
    return {
        "source": "vercel",
        "at": at,
        "interval_s": seconds,
        "status": one.status,
        "requests": one.value,
        "sample_rate": 1.0,
    }


def _duration_metric(platform: Platform) -> str:
    return next((name for name in DURATIONS if name in platform.metrics), DURATIONS[0])


def _latency(platform: Platform, window: Window, scope: Scope) -> threads.Frames:
    """Response times of exactly a window; of single days the average and the p95 only, to ask less."""
    main = window in threads.main_windows(scope)
    metric = _duration_metric(platform)
    row = _interval(window)
    for name in PERCENTILES if main else ("p95", "avg"):
        row[f"{name}_ms"] = next((one.value for one in _times(platform, metric, name, window)), None)
    if main and INVOCATIONS in platform.metrics:
        summary, _ = platform.query(INVOCATIONS, "sum", window)
        row["samples"] = next((one.value for one in said.Ran.each(summary, platform.unclear)), None)
    return {"latencies": frame("latencies", [row])}


def _latency_by_route(platform: Platform, window: Window) -> threads.Frames:
    routes: dict[str, dict[str, Any]] = defaultdict(lambda: _interval(window))
    metric = _duration_metric(platform)
    for name in PERCENTILES:
        for one in _times(platform, metric, name, window, by=("route",)):
            if one.route:
                routes[one.route] |= {"route": one.route, f"{name}_ms": one.value}
    return {"latencies": frame("latencies", routes.values())}


def _times(
    platform: Platform, metric: str, name: str, window: Window, by: tuple[str, ...] = ()
) -> Iterator[said.Times]:
    summary, _ = platform.query(metric, name, window, by=by)
    yield from said.Times.each(summary, platform.unclear)


def _memory(platform: Platform, window: Window) -> threads.Frames:
    """Each route's functions: well, unless an invocation took all the memory that it was given.

    No error code that means this is documented, but what was taken and given are.
    """
    if not {TAKEN, GIVEN} <= platform.metrics:
        return {}
    taken, given = (
        {one.route: one.value for one in said.Memory.each(found, platform.unclear) if one.route}
        for found, _ in (platform.query(metric, "max", window, by=("route",)) for metric in (TAKEN, GIVEN))
    )
    rows = [
        {
            "vendor": "vercel",
            "kind": "memory",
            "item": route,
            "status": f"{most:.0f} of {limit:.0f} MB",
            "ok": most < limit,
        }
        for route, most in taken.items()
        if most is not None and (limit := given.get(route))
    ]
    return {"vendor_states": frame("vendor_states", rows)}


def _interval(window: Window) -> dict[str, Any]:
    return {"source": "vercel", "start": window.start, "end": window.end, "sample_rate": 1.0, "complete": True}


def _visits(platform: Platform, window: Window) -> threads.Frames:
    """Visits of a window; the moment of its end is left out, since `until` is inclusive."""
    query = {
        "projectId": platform.project_id,
        "since": milliseconds(window.start),
        "until": milliseconds(window.end) - 1,
    }
    body = platform.get("/v1/query/web-analytics/visits/count", query)
    found = said.Visits.of(body.get("data") if isinstance(body, dict) else body, platform.unclear)
    row = {"source": "vercel", "start": window.start, "end": window.end}
    seen = {} if found is None else {"visitors": found.visitors, "page_views": found.pageviews}
    return {"activity": frame("activity", [{**row, **seen}] if found else [])}
