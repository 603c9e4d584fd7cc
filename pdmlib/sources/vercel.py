"""Vercel: deployments, build logs, crons, requests by status, response times, visits, charges.

Metrics need Observability Plus and a role, visits Web Analytics: without them the rest is still read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Vercel
from pdmlib.sources import threads
from pdmlib.sources.http import Api, listed, one_line

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
PAGES, LIMIT, LINES = 20, 1000, 200
NEAR = timedelta(minutes=30)
REQUESTS = "vercel.request.count"
DURATIONS = (
    "vercel.function_invocation.request_duration_ms",
    "vercel.function_invocation.function_duration_ms",
)
PERCENTILES = ("p50", "p95", "p99", "avg")
SMALLEST = ((HOUR, MINUTE), (12 * HOUR, 5 * MINUTE), (3 * DAY, HOUR), (30 * DAY, 4 * HOUR))
INVOCATIONS = "vercel.function_invocation.count"
PRODUCTS = {"request_counts": "observability", "activity": "web_analytics", "costs": "billing"}
ERROR_LINE = re.compile(r"^\s*(error\b|fatal\b|failed to\b)|\btype error:|exited with [1-9]", re.IGNORECASE)
SIZE_LINE = re.compile(r"First Load JS|^\s*[┌├└+].*\d\s*[kM]?B\s*$")


@dataclass(frozen=True)
class _Platform:
    """What every call is about; `denied` holds the first refusal of the metrics."""

    api: Api
    block: Vercel
    denied: list[SourceError] = field(default_factory=list)

    @property
    def team(self) -> dict[str, str]:
        team = self.block.team
        return {} if team is None else {"teamId" if team.startswith("team_") else "slug": team}

    @cached_property
    def project(self) -> Mapping[str, Any]:
        found = self.api.get(f"/v9/projects/{self.block.project}", self.team).json()
        if not isinstance(found, dict):
            raise SourceError("vercel", "its answer is not a project")
        return found

    @cached_property
    def project_id(self) -> str:
        named = self.block.project
        return named if named.startswith("prj_") else str(self.project["id"])

    @cached_property
    def metrics(self) -> frozenset[str]:
        """The ids of the metrics that can be asked for."""
        body = self.api.get("/v2/observability/schema", self.team).json()
        return frozenset(str(metric["id"]) for metric in listed("vercel", body, "metrics"))

    def deployments(self, query: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
        """Production deployments, newest first."""
        asked = [*self.team.items(), ("projectId", self.block.project), ("target", "production"), ("limit", 100)]
        until: Any = None
        for _ in range(PAGES):
            paged = [p for p in query if until is None or p[0] != "until"]
            body = self.api.get("/v7/deployments", [*asked, *paged, ("until", until)]).json()
            yield from map(_deployment, listed("vercel", body, "deployments"))
            following = body.get("pagination", {}).get("next")
            if following is None or following == until:
                return
            until = following

    def query(
        self,
        metric: str,
        aggregation: str,
        window: Window,
        bucket: timedelta | None = None,
        by: tuple[str, ...] = (),
    ) -> tuple[str, Mapping[str, Any]]:
        """The name of the value in its rows, and the answer.

        Raises:
            SourceError: as `Api.post`; the metric is not known; or more rows than are returned.
        """
        if self.denied:
            raise self.denied[0]
        if metric not in self.metrics:
            raise SourceError("vercel", f"it has no metric {metric}")
        asked = {
            "metric": metric,
            "aggregation": aggregation,
            "scope": {"type": "project", "ownerId": self._owner(), "projectIds": [self.project_id]},
            "startTime": iso(window.start),
            "endTime": iso(window.end),
            "granularity": {"minutes": int((bucket or _smallest(window)) / MINUTE)},
            "groupBy": list(by),
            "filter": f"environment eq '{self.block.environment}'",
            "limit": LIMIT,
        }
        try:
            body = self.api.post("/v2/observability/query", asked, self.team).json()
        except SourceError as error:
            if error.reason.startswith(("402", "403")):
                self.denied.append(error)
            raise
        if len(listed("vercel", body, "summary")) >= LIMIT:
            raise SourceError("vercel", f"more than {LIMIT} groups of {metric}, some were left off")
        return f"{metric.replace('.', '_')}_{aggregation}", body

    def _owner(self) -> str:
        team = self.block.team or ""
        return team if team.startswith("team_") else str(self.project["accountId"])


def newest_deployment(site: Site, before: datetime) -> datetime | None:
    """When the newest production deployment that was ready by a moment went live; None when there is none.

    Raises:
        SourceError: Vercel could not be asked.
    """
    with _api(site) as api:
        for entry in _Platform(api, _block(site)).deployments([("state", "READY"), ("until", _ms(before))]):
            ready = entry["ready_at"]
            if isinstance(ready, datetime) and ready <= before:
                return ready
    return None


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `deployments`, `build_logs`, `platform_crons`, `request_counts`, `latencies`, `activity`, `costs`.

    Response times are of functions alone; static answers have none.
    """
    with _api(site) as api:
        platform = _Platform(api, _block(site))
        first: list[threads.Part] = [
            ("deployments", partial(_deployments, platform, scope)),
            ("platform_crons", partial(_crons, platform)),
        ]
        known = threads.read("vercel", first)
        rest = [*_logs_of(platform, scope, known), *_metrics_of(platform, scope), *_products_of(platform, scope)]
        return _with_products(merge([known, threads.read("vercel", rest, strict=False)]))


def _block(site: Site) -> Vercel:
    block = site.source("vercel")
    assert isinstance(block, Vercel)
    return block


def _api(site: Site) -> Api:
    block = _block(site)
    return Api("vercel", block.base_url, {"Authorization": f"Bearer {site.secret(block.token_env)}"})


def _logs_of(platform: _Platform, scope: Scope, known: threads.Frames) -> list[threads.Part]:
    table = known.get("deployments", frame("deployments"))
    return [("build_logs", partial(_build_logs, platform, uid)) for uid in _judged(table, scope)]


def _metrics_of(platform: _Platform, scope: Scope) -> list[threads.Part]:
    routed = dict.fromkeys((scope.window, scope.latest, scope.before))
    return [
        *(("request_counts:baseline", partial(_requests, platform, w, HOUR)) for w in _hours_before(scope)),
        *(("request_counts", partial(_requests, platform, w, HOUR)) for w in _hours_since(scope)),
        *(("request_counts", partial(_requests, platform, w, MINUTE)) for w in _edges(scope)),
        *((f"routes:{iso(w.start)}", partial(_requests_by_route, platform, w)) for w in routed if w.seconds),
        *((threads.named(scope, "latencies", w), partial(_latency, platform, w, scope)) for w in _spans(scope)),
        *((f"routes:{iso(w.start)}", partial(_latency_by_route, platform, w)) for w in routed if w.seconds),
    ]


def _products_of(platform: _Platform, scope: Scope) -> list[threads.Part]:
    return [
        *((threads.named(scope, "activity", w), partial(_visits, platform, w)) for w in _spans(scope)),
        ("costs", partial(_charges, platform, scope)),
    ]


def _with_products(found: threads.Frames) -> threads.Frames:
    """What could not be read named a second time by the product that it needs."""
    table = found.get("gaps", frame("gaps"))
    extra = table[table["item"].isin(list(PRODUCTS))]
    extra = extra.assign(item=extra["item"].map(PRODUCTS))
    return merge([found, {"gaps": extra}])


def _spans(scope: Scope) -> list[Window]:
    return [w for w in scope.spans if w.seconds]


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


def _smallest(window: Window) -> timedelta:
    """The smallest bucket that is allowed for a range."""
    return next((bucket for limit, bucket in SMALLEST if window.end - window.start <= limit), DAY)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(milliseconds: Any) -> datetime | None:
    known = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if known else None


def _deployments(platform: _Platform, scope: Scope) -> threads.Frames:
    times: list[tuple[str, Any]] = [("since", _ms(scope.baseline.start)), ("until", _ms(scope.as_of))]
    rows = [row for row in platform.deployments(times) if row["created_at"] and row["created_at"] < scope.as_of]
    return {"deployments": frame("deployments", rows)}


def _deployment(entry: Mapping[str, Any]) -> dict[str, Any]:
    meta = entry.get("meta")
    words = [str(entry[key]) for key in ("errorCode", "errorMessage") if entry.get(key)]
    return {
        "source": "vercel",
        "deployment": entry["uid"],
        "created_at": _moment(entry.get("createdAt", entry.get("created"))),
        "ready_at": _moment(entry.get("ready")),
        "state": entry.get("readyState") or entry.get("state"),
        "target": entry.get("target") or "preview",
        "sha": meta.get("githubCommitSha") if isinstance(meta, dict) else None,
        "error": one_line(": ".join(words)) if words else None,
        "rollback_candidate": entry.get("isRollbackCandidate"),
    }


def _judged(table: pd.DataFrame, scope: Scope) -> list[str]:
    """The deployment that went live nearest to the judged time, and the one before it."""
    made = table["ready_at"].fillna(table["created_at"])
    table = table.assign(made=made).sort_values("made")
    table = table[(table["made"] <= scope.deployed_at + NEAR) & (table["state"] == "READY")]
    return [str(uid) for uid in table["deployment"].tail(2)]


def _build_logs(platform: _Platform, uid: str) -> threads.Frames:
    """Lines of errors and of bundle sizes."""
    query = {**platform.team, "builds": 1, "limit": -1, "direction": "backward", "follow": 0}
    found = listed("vercel", platform.api.get(f"/v3/deployments/{uid}/events", query).json())
    rows = [row for entry in found for row in _line(uid, entry)]
    return {"build_logs": frame("build_logs", rows[:LINES])}


def _line(uid: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    payload = entry["payload"] if isinstance(entry.get("payload"), dict) else entry
    text = payload.get("text")
    if not isinstance(text, str):
        return
    level = str(entry.get("level") or payload.get("level") or "").lower()
    if level not in ("error", "fatal"):
        level = "error" if entry.get("type") in ("stderr", "fatal") and ERROR_LINE.search(text) else "info"
    if level != "info" or SIZE_LINE.search(text):
        at = _moment(payload.get("date", entry.get("created")))
        yield {"deployment": uid, "at": at, "level": level, "text": one_line(text)}


def _crons(platform: _Platform) -> threads.Frames:
    """Schedules of the platform; none while it has them switched off."""
    crons = platform.project.get("crons") or {}
    off = crons.get("disabledAt") and crons["disabledAt"] > (crons.get("enabledAt") or 0)
    entries = [] if off else listed("vercel", crons.get("definitions") or [])
    rows = [{"path": e["path"], "schedule": e["schedule"]} for e in entries]
    return {"platform_crons": frame("platform_crons", rows)}


def _requests(platform: _Platform, window: Window, bucket: timedelta) -> threads.Frames:
    """Requests by status in buckets that lie wholly in the window.

    Where the buckets are not the ones asked for, or hold less than the whole, the whole is taken as one.
    """
    key, body = platform.query(REQUESTS, "sum", window, bucket, ("http_status",))
    cells = [(_at(entry), entry) for entry in listed("vercel", body, "data")]
    whole = [_counted(e, window.start, window.seconds, e.get(key)) for e in listed("vercel", body, "summary")]
    counted = sum(_number(entry[key]) or 0 for _, entry in cells)
    lost = counted < 0.99 * sum(row["requests"] or 0 for row in whole)
    if whole and (lost or any((at - window.start) % bucket for at, _ in cells)):
        return {"request_counts": frame("request_counts", whole)}
    rows = [
        _counted(entry, at, bucket.total_seconds(), entry[key])
        for at, entry in cells
        if window.start <= at and at + bucket <= window.end
    ]
    return {"request_counts": frame("request_counts", rows)}


def _at(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["timestamp"]).astimezone(UTC)


def _requests_by_route(platform: _Platform, window: Window) -> threads.Frames:
    key, body = platform.query(REQUESTS, "sum", window, by=("route", "http_status"))
    rows = [
        {**_counted(entry, window.start, window.seconds, entry[key]), "route": entry["route"]}
        for entry in listed("vercel", body, "summary")
        if entry.get("route")
    ]
    return {"request_counts": frame("request_counts", rows)}


def _counted(entry: Mapping[str, Any], at: datetime, seconds: float, requests: Any) -> dict[str, Any]:
    status = str(entry.get("http_status") or "")
    return {
        "source": "vercel",
        "at": at,
        "interval_s": seconds,
        "status": int(status) if re.fullmatch(r"-?\d+", status) else None,
        "requests": _number(requests),
        "sample_rate": 1.0,
    }


def _number(cell: Any) -> float | None:
    return None if cell is None else float(cell)


def _duration_metric(platform: _Platform) -> str:
    return next((name for name in DURATIONS if name in platform.metrics), DURATIONS[0])


def _latency(platform: _Platform, window: Window, scope: Scope) -> threads.Frames:
    """Response times of exactly a window; of single days the average and the p95 only, to ask less."""
    main = window in threads.main_windows(scope)
    metric = _duration_metric(platform)
    row = _interval(window)
    for name in PERCENTILES if main else ("p95", "avg"):
        row[f"{name}_ms"] = _whole(platform, metric, name, window)
    if main and INVOCATIONS in platform.metrics:
        row["samples"] = _whole(platform, INVOCATIONS, "sum", window)
    return {"latencies": frame("latencies", [row])}


def _whole(platform: _Platform, metric: str, aggregation: str, window: Window) -> float | None:
    key, body = platform.query(metric, aggregation, window)
    summary = listed("vercel", body, "summary")
    return _number(summary[0].get(key)) if summary else None


def _latency_by_route(platform: _Platform, window: Window) -> threads.Frames:
    routes: dict[str, dict[str, Any]] = defaultdict(lambda: _interval(window))
    metric = _duration_metric(platform)
    for name in PERCENTILES:
        key, body = platform.query(metric, name, window, by=("route",))
        for entry in listed("vercel", body, "summary"):
            if entry.get("route"):
                routes[entry["route"]] |= {"route": entry["route"], f"{name}_ms": _number(entry.get(key))}
    return {"latencies": frame("latencies", routes.values())}


def _interval(window: Window) -> dict[str, Any]:
    return {"source": "vercel", "start": window.start, "end": window.end, "sample_rate": 1.0, "complete": True}


def _visits(platform: _Platform, window: Window) -> threads.Frames:
    query = {
        **platform.team,
        "projectId": platform.project_id,
        "since": _ms(window.start),
        "until": _ms(window.end),
    }
    found = platform.api.get("/v1/query/web-analytics/visits/count", query).json()["data"]
    row = {"source": "vercel", "start": window.start, "end": window.end}
    return {
        "activity": frame("activity", [{**row, "visitors": found["visitors"], "page_views": found["pageviews"]}])
    }


def _charges(platform: _Platform, scope: Scope) -> threads.Frames:
    """Charges of the project, and those of the team that name none, by service and day."""
    start = min(scope.previous.start, scope.window.start)
    query = {**platform.team, "from": iso(start), "to": iso(scope.window.end)}
    sums: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    for charge in _json_lines(platform.api.get("/v1/billing/charges", query).text()):
        if _is_ours(platform, charge.get("Tags")):
            keys = ("ChargePeriodStart", "ChargePeriodEnd", "ServiceName", "BillingCurrency")
            period_start, period_end, service, currency = (str(charge[key]) for key in keys)
            sums[period_start, period_end, service, currency] += Decimal(str(charge["BilledCost"]))
    rows = [
        {"start": s, "end": e, "name": "vercel", "service": service, "amount": float(amount), "currency": currency,
         "source": "vercel"}
        for (s, e, service, currency), amount in sums.items()
    ]  # fmt: skip
    table = frame("costs", rows)
    return {"costs": table[table["start"] < scope.window.end].reset_index(drop=True)}


def _is_ours(platform: _Platform, tags: Any) -> bool:
    if not isinstance(tags, dict):
        return True
    names = {tags.get("ProjectId"), tags.get("ProjectName")} - {None, ""}
    return not names or bool(names & {platform.block.project, platform.project_id})


def _json_lines(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError:
                raise SourceError("vercel", "its charges are not JSON lines") from None
            yield found
