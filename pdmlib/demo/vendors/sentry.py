"""Sentry: tables and time series of events, releases, sessions, outcomes; issues are in `sentry_issues`."""

from __future__ import annotations

import re
from typing import Any

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso_s
from pdmlib.demo.vendors import sentry_issues, sentry_query
from pdmlib.demo.vendors.cells import counts
from pdmlib.demo.world.grid import HOUR, MINUTE, Table, ms
from pdmlib.demo.world.issues import ISSUES
from pdmlib.demo.world.operations import DEPLOYMENTS, RELEASES
from pdmlib.demo.world.traffic import SAMPLE_RATE

ORGANIZATION = "dirtfree"
PROJECT = {"id": 4501, "slug": "dirt-free-crm", "name": "dirt-free-crm"}
_DATASETS = ("spans", "errors", "uptime_results")
_INGESTION_MS = MINUTE


def _detail(text: str, status: int) -> Reply:
    return Reply({"detail": text}, status)


def _allows(call: Call, stage: Stage) -> Reply | None:
    if call.bearer() != stage.secrets["PDM_DEMO_SENTRY_TOKEN"]:
        return _detail("Invalid token", 401)
    if not call.path.startswith(f"/api/0/organizations/{ORGANIZATION}/"):
        return _detail("The requested resource does not exist", 404)
    return None


def _headers(stage: Stage) -> dict[str, str]:
    return {
        "X-Sentry-Rate-Limit-Limit": "40",
        "X-Sentry-Rate-Limit-Remaining": "39",
        "X-Sentry-Rate-Limit-Reset": str(stage.clock // 1000 + 1),
        "X-Sentry-Rate-Limit-ConcurrentLimit": "25",
        "X-Sentry-Rate-Limit-ConcurrentRemaining": "24",
    }


def _dataset(call: Call, stage: Stage) -> Table:
    if call.one("dataset") == "spans":
        return sentry_query.spans(stage)
    if call.one("dataset") == "errors":
        return sentry_query.errors(stage)
    return sentry_query.nothing(stage)


def _events(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    dataset = call.one("dataset")
    if dataset not in _DATASETS:
        return _detail(f"dataset must be one of: {', '.join(_DATASETS)}", 400)
    try:
        span = sentry_query.span(call, stage)
        table = sentry_query.matching(_dataset(call, stage).between(*span), call.one("query"), dataset)
        fields = list(call.query.get("field", ()))
        rows = sentry_query.aggregate(table, fields, dataset)
        rows = sentry_query.ordered(rows, call.one("sort"), fields)
    except sentry_query.QueryError as error:
        return _detail(f"Invalid query. {error}", 400)
    kinds = {f: sentry_query.kind(f) for f in fields}
    meta = {
        "fields": {f: k[0] for f, k in kinds.items()},
        "units": {f: k[1] for f, k in kinds.items()},
        "isMetricsData": False,
        "tips": {},
        "datasetReason": "unchanged",
        "dataset": dataset,
        "dataScanned": "full",
    }
    page, headers = sentry_query.page(call, rows, call.number("per_page", 50))
    return Reply({"data": page, "meta": meta}, headers=headers)


def _timeseries(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    dataset = call.one("dataset")
    axes = list(call.query.get("yAxis", ("count()",)))
    try:
        start, end = sentry_query.span(call, stage)
        step = sentry_query.interval(call.one("interval"), end - start)
        table = sentry_query.matching(_dataset(call, stage).between(start, end), call.one("query"), dataset)
        series = [_series(table, axis, dataset, span=(start, end), step=step, stage=stage) for axis in axes]
    except sentry_query.QueryError as error:
        return _detail(f"Invalid query. {error}", 400)
    meta = {"dataset": dataset, "start": float(start), "end": float(end)}
    return Reply({"meta": meta, "timeSeries": series})


def _series(
    table: Table, axis: str, dataset: str, span: tuple[int, int], step: int, stage: Stage
) -> dict[str, Any]:
    values = []
    starts = range(span[0] // step * step, span[1], step)
    cell = (table["at"] - starts[0]) // step
    found = sentry_query.by_cell(table, axis, dataset, cell=cell, cells=len(starts))
    for at, value, samples in zip(starts, found, counts(cell, len(starts)).tolist(), strict=True):
        unfinished = at + step > stage.clock - _INGESTION_MS
        entry: dict[str, Any] = {"timestamp": at, "value": value, "incomplete": unfinished}
        if unfinished:
            entry["incompleteReason"] = "INCOMPLETE_BUCKET"
        if dataset == "spans":
            confidence = "high" if samples >= 100 else "low"
            rate = SAMPLE_RATE if samples else None
            entry |= {"sampleCount": samples, "sampleRate": rate, "confidence": confidence}
        values.append(entry)
    kind = sentry_query.kind(axis)
    meta = {"valueType": kind[0], "valueUnit": kind[1], "interval": step, "dataScanned": "full"}
    return {"values": values, "yAxis": axis, "meta": meta}


def _release(stage: Stage, number: int) -> dict[str, Any]:
    version = RELEASES[number]
    deployment = next(d for d in DEPLOYMENTS if d.release == version)
    events = stage.world["events"].until(stage.clock)
    mine = events.where(events["release"] == number)
    released = ms(deployment.ready or deployment.created)
    firsts = [sentry_issues.first_seen(n, stage) for n in range(len(ISSUES))]
    following = [ms(d.ready) for d in DEPLOYMENTS if d.release and d.ready and ms(d.ready) > released]
    until = min(following, default=2**45)
    return {
        "id": 90200 + number,
        "version": version,
        "shortVersion": version.partition("@")[2],
        "status": "open",
        "dateCreated": iso_s(ms(deployment.created)),
        "dateReleased": iso_s(released),
        "firstEvent": iso_s(int(mine["at"][0])) if len(mine) else None,
        "lastEvent": iso_s(int(mine["at"][-1])) if len(mine) else None,
        "newGroups": sum(f is not None and released <= f < until for f in firsts),
        "commitCount": 9 + number,
        "deployCount": 1,
        "lastDeploy": _deploy(number, released),
        "authors": [],
        "projects": [{"id": PROJECT["id"], "slug": PROJECT["slug"]}],
        "data": {},
        "versionInfo": None,
        "ref": deployment.sha,
        "url": None,
    }


def _deploy(number: int, released: int) -> dict[str, Any]:
    finished = iso_s(released)
    return {
        "id": str(760 + number),
        "environment": "production",
        "dateStarted": None,
        "dateFinished": finished,
        "name": None,
        "url": None,
    }


def _out(stage: Stage) -> list[int]:
    """Releases that are out at the clock, newest first."""
    ready = [ms(d.ready) for d in DEPLOYMENTS if d.release and d.ready]
    return [n for n, at in enumerate(ready) if at <= stage.clock][::-1]


def _releases(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    wanted = [n for n in _out(stage) if call.one("query") in RELEASES[n]]
    page, headers = sentry_query.page(call, wanted, call.number("per_page", 100))
    return Reply([_release(stage, n) for n in page], headers=headers)


def _hours(call: Call, stage: Stage) -> tuple[int, int, int]:
    start, end = sentry_query.span(call, stage)
    step = max(sentry_query.interval(call.one("interval") or "1h", end - start), HOUR)
    return start // step * step, end, step


def _totals(by: dict[str, str], field: str, series: list[Any], total: Any) -> dict[str, Any]:
    return {"by": by, "totals": {field: total}, "series": {field: series}}


def _stats(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    if "outcome" not in call.query.get("groupBy", ()):
        return _detail("groupBy is required", 400)
    try:
        start, end, step = _hours(call, stage)
    except sentry_query.QueryError as error:
        return _detail(f"Invalid query. {error}", 400)
    intervals = list(range(start, end, step))
    kept = sentry_query.everything(stage) if call.one("category", "error") == "error" else stage.world.spans
    accepted = [len(kept.between(at, stage.past(at + step))) for at in intervals]
    zeros = [0] * len(intervals)
    field = "sum(quantity)"
    groups = [
        _totals({"outcome": "accepted"}, field, accepted, sum(accepted)),
        _totals({"outcome": "rate_limited"}, field, zeros, 0),
    ]
    times = [iso_s(at) for at in intervals]
    return Reply({"start": iso_s(start), "end": iso_s(end), "intervals": times, "groups": groups})


_ORG = rf"/api/0/organizations/{ORGANIZATION}"


_ROUTES = (
    ("GET", rf"{_ORG}/events/", _events),
    ("GET", rf"{_ORG}/events-timeseries/", _timeseries),
    ("GET", rf"{_ORG}/issues/", sentry_issues.listing),
    ("GET", rf"{_ORG}/releases/", _releases),
    ("GET", rf"{_ORG}/stats_v2/", _stats),
)
VENDOR = Vendor(
    allows=_allows,
    routes=_ROUTES,
    unknown=_detail("The requested resource does not exist", 404),
    refusals={"unauthorized": _detail("Invalid token", 401)},
    headers=_headers,
)
