"""Sentry: response times of sampled spans, errors counted whole, issues, releases and quota.

Percentiles and distinct counts cannot be added up, so each of the scope's spans is asked for by
itself. Counts of spans are extrapolated by Sentry; how many were really stored stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pdmlib.frames.frame import frame
from pdmlib.frames.rows import microseconds
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Sentry
from pdmlib.sources import threads
from pdmlib.sources.http import Api, listed

HOUR = timedelta(hours=1)
PAGE, ISSUE_PAGES = 100, 10
DURATIONS = {f"{name}_ms": f"{name}(span.duration)" for name in ("p50", "p95", "p99", "avg")}
COUNT, FAILURES = "count()", "failure_count()"
USERS, ISSUES = "count_unique(user)", "count_unique(issue)"
COUNTED = ("error", "fatal")
DROPPED = ("rate_limited", "abuse", "cardinality_limited")


@dataclass(frozen=True)
class _Project:
    """What every call is about."""

    api: Api
    block: Sentry

    def path(self, what: str) -> str:
        return f"/api/0/organizations/{self.block.organization}/{what}/"

    def asked(self, window: Window | None = None) -> list[tuple[str, Any]]:
        """Project, environment and times; without a zone, since Sentry ignores one."""
        query: list[tuple[str, Any]] = [("project", self.block.project), ("environment", self.block.environment)]
        if window is not None:
            query += [("start", _plain(window.start)), ("end", _plain(window.end))]
        return query

    def table(
        self, dataset: str, query: str, fields: Iterable[str], window: Window, pages: int = 1, **more: Any
    ) -> list[Mapping[str, Any]]:
        """Rows of the events table, its first pages."""
        asked = [("dataset", dataset), ("query", query), ("field", list(fields)), ("per_page", PAGE)]
        return list(self.pages("events", [*self.asked(window), *asked, *more.items()], "data", pages))

    def pages(
        self, what: str, query: Sequence[tuple[str, Any]], key: str | None, pages: int
    ) -> Iterator[Mapping[str, Any]]:
        """Entries of a list over its first pages; the cursor alone is taken from the link."""
        cursor: str | None = None
        for _ in range(pages):
            answer = self.api.get(self.path(what), [*query, ("cursor", cursor)])
            yield from listed("sentry", answer.json(), key)
            following = answer.links().get("next", {})
            if following.get("results") != "true":
                return
            cursor = following.get("cursor")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `latencies`, `error_counts`, `issues`, `deployments` and `vendor_states` (quota)."""
    block = site.source("sentry")
    assert isinstance(block, Sentry)
    headers = {"Authorization": f"Bearer {site.secret(block.token_env)}"}
    with Api("sentry", block.base_url, headers=headers) as api:
        project = _Project(api, block)
        whole = _hours(Window(scope.baseline.start, scope.window.end))
        recent = _hours(Window(scope.before.start, scope.window.end))
        parts: list[threads.Part] = [
            *(
                (_series_item(scope, w), partial(_hourly, project, w, scope))
                for w in threads.pieces(whole, 7 * DAY)
            ),
            *(
                ("error_counts:hours", partial(_errors_hourly, project, w))
                for w in threads.pieces(recent, 7 * DAY)
            ),
            *((threads.named(scope, "latencies", w), partial(_latency, project, w)) for w in _spans(scope)),
            *((f"routes:{iso(w.start)}", partial(_routes, project, w)) for w in _compared(scope)),
            *((threads.named(scope, "error_counts", w), partial(_errors, project, w)) for w in _spans(scope)),
            ("issues", partial(_issues, project, scope)),
            ("deployments", partial(_releases, project, scope)),
            ("quota", partial(_quota, project, scope)),
        ]
        return _with_rates(threads.read("sentry", parts), block.trace_sample_rate)


def _spans(scope: Scope) -> list[Window]:
    return [w for w in scope.spans if w.seconds]


def _compared(scope: Scope) -> list[Window]:
    """The windows whose routes and issues are told."""
    return list(dict.fromkeys((scope.window, scope.latest, scope.before)))


def _series_item(scope: Scope, window: Window) -> str:
    return "latencies:baseline" if window.end <= scope.window.start else "latencies:hours"


def _hours(window: Window) -> Window:
    """The window from its first full hour back."""
    return Window(window.start.replace(minute=0, second=0, microsecond=0), window.end)


def _plain(moment: datetime) -> str:
    return iso(moment).removesuffix("Z")


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)


def _latency(project: _Project, window: Window) -> threads.Frames:
    rows = project.table("spans", project.block.span_query, [*DURATIONS.values(), COUNT, FAILURES], window)
    return {"latencies": frame("latencies", [_measured(row, window) for row in rows[:1]])}


def _routes(project: _Project, window: Window) -> threads.Frames:
    """The hundred busiest routes."""
    fields = ["transaction", *DURATIONS.values(), COUNT, FAILURES]
    rows = project.table("spans", project.block.span_query, fields, window, sort=f"-{COUNT}")
    return {"latencies": frame("latencies", [{**_measured(r, window), "route": r["transaction"]} for r in rows])}


def _measured(row: Mapping[str, Any], window: Window) -> dict[str, Any]:
    return {
        "source": "sentry",
        "start": window.start,
        "end": window.end,
        **{column: row.get(field) for column, field in DURATIONS.items()},
        "requests": row.get(COUNT),
        "failures": row.get(FAILURES),
        "complete": True,
    }


def _hourly(project: _Project, window: Window, scope: Scope) -> threads.Frames:
    """Percentiles and counts of each hour; an hour that is not over, or still filling, is not complete."""
    axes = {**DURATIONS, "requests": COUNT, "failures": FAILURES}
    columns = _series(project, "spans", project.block.span_query, list(axes.values()), window)
    names = {field: column for column, field in axes.items()}
    rows: dict[datetime, dict[str, Any]] = {}
    for field, (seconds, values) in columns.items():
        for value in values:
            start = _moment(value["timestamp"])
            if not window.contains(start):
                continue
            end = start + timedelta(seconds=seconds)
            row = rows.setdefault(start, {"source": "sentry", "start": start, "end": end, "complete": True})
            row[names[field]] = value.get("value")
            row["complete"] &= not value.get("incomplete") and end <= scope.as_of
            if field == COUNT:
                row |= {"samples": value.get("sampleCount"), "sample_rate": value.get("sampleRate")}
            if field == DURATIONS["p95_ms"]:
                row["confidence"] = value.get("confidence")
    return {"latencies": frame("latencies", rows.values())}


def _series(
    project: _Project, dataset: str, query: str, axes: list[str], window: Window
) -> dict[str, tuple[float, list[Mapping[str, Any]]]]:
    """Of each axis its buckets and their length in seconds, as the server chose it."""
    asked = [("dataset", dataset), ("query", query), ("yAxis", axes), ("interval", "1h")]
    body = project.api.get(project.path("events-timeseries"), [*project.asked(window), *asked]).json()
    found = {}
    for line in listed("sentry", body, "timeSeries"):
        if line["yAxis"] in axes:
            found[line["yAxis"]] = (float(line["meta"]["interval"]) / 1000, listed("sentry", line, "values"))
    return found


def _errors(project: _Project, window: Window) -> threads.Frames:
    rows = project.table("errors", project.block.error_query, [COUNT, USERS, ISSUES], window)
    counted = [
        {
            "start": window.start,
            "end": window.end,
            "errors": row.get(COUNT),
            "users": row.get(USERS),
            "issues": row.get(ISSUES),
        }
        for row in rows[:1]
    ]
    return {"error_counts": frame("error_counts", counted)}


def _errors_hourly(project: _Project, window: Window) -> threads.Frames:
    """Errors of each hour that is over and complete."""
    columns = _series(project, "errors", project.block.error_query, [COUNT], window)
    rows = []
    for seconds, values in columns.values():
        for value in values:
            start = _moment(value["timestamp"])
            end = start + timedelta(seconds=seconds)
            if not value.get("incomplete") and window.start <= start and end <= window.end:
                rows.append({"start": start, "end": end, "errors": value.get("value")})
    return {"error_counts": frame("error_counts", rows)}


def _with_rates(found: threads.Frames, declared: float | None) -> threads.Frames:
    """Each interval with the share of requests that was sampled, and how many that were.

    The rate is the vendor's own where its hours tell it, else the one declared in the site file.
    """
    table = found.get("latencies")
    if table is None:
        return found
    spans = table[["start", "end"]].drop_duplicates()
    rates = spans.assign(rate=_rates(table, spans, math.nan if declared is None else declared))
    rate = table["sample_rate"].fillna(table.merge(rates, how="left")["rate"].set_axis(table.index))
    sampled = (table["requests"] * rate).round().astype("Int64")
    found["latencies"] = table.assign(sample_rate=rate, samples=table["samples"].fillna(sampled))
    return found


def _rates(table: pd.DataFrame, spans: pd.DataFrame, otherwise: float) -> list[float]:
    """The sampled share of the requests of the hours that each span touches."""
    hours = table[table["samples"].notna() & table["requests"].notna() & table["route"].isna()]
    starts, ends = microseconds(hours["start"]), microseconds(hours["end"])
    counted = hours[["samples", "requests"]].to_numpy("float64")
    rates = []
    for start, end in zip(microseconds(spans["start"]), microseconds(spans["end"]), strict=True):
        samples, requests = counted[(ends > start) & (starts < end)].sum(axis=0)
        rates.append(min(1.0, samples / requests) if requests else otherwise)
    return rates


def _issues(project: _Project, scope: Scope) -> threads.Frames:
    """Issues seen in the window, and those new since the deployment, with their events.

    Events are counted from the errors themselves: of which time an issue's own count is, is not said.
    """
    queries = ("is:unresolved", "is:resolved", f"firstSeen:>={_plain(scope.deployed_at)}")
    lists = threads.all_of([partial(_found, project, query, scope.window) for query in queries])
    windows = (scope.window, scope.latest, scope.before)
    counts = threads.all_of([partial(_events, project, w) for w in windows])
    releases = _last_releases(project, scope)
    issues = {i["issue"]: i for found in lists for i in found}
    rows = [_counted(issue, counts, releases) for issue in issues.values()]
    full = [q for q, found in zip(queries, lists, strict=True) if len(found) >= PAGE * ISSUE_PAGES]
    lost = {"issues:rest": f"only the {PAGE * ISSUE_PAGES} most frequent issues of {', '.join(full)} were read"}
    return {"issues": frame("issues", rows), **(threads.gaps("sentry", lost) if full else {})}


def _found(project: _Project, query: str, window: Window) -> list[dict[str, Any]]:
    asked = [*project.asked(window), ("query", query), ("sort", "freq"), ("limit", PAGE)]
    return [_issue(entry) for entry in project.pages("issues", asked, None, ISSUE_PAGES)]


def _issue(entry: Mapping[str, Any]) -> dict[str, Any]:
    assigned = entry.get("assignedTo")
    return {
        "issue": entry["shortId"],
        "title": entry.get("title"),
        "culprit": entry.get("culprit"),
        "level": entry.get("level"),
        "status": entry.get("status"),
        "substatus": entry.get("substatus"),
        "priority": entry.get("priority"),
        "first_seen": entry.get("firstSeen"),
        "last_seen": entry.get("lastSeen"),
        "users": entry.get("userCount"),
        "unhandled": entry.get("isUnhandled"),
        "first_release": _version(entry.get("firstRelease")),
        "last_release": _version(entry.get("lastRelease")),
        "assigned_to": assigned.get("name") if isinstance(assigned, dict) else None,
        "link": entry.get("permalink"),
    }


def _version(release: Any) -> str | None:
    found = release.get("version") if isinstance(release, dict) else None
    return found if isinstance(found, str) else None


def _events(project: _Project, window: Window) -> dict[str, Mapping[str, Any]]:
    """Events and users of each issue in a window, errors only."""
    if not window.seconds:
        return {}
    fields = ["issue", COUNT, USERS]
    rows = project.table("errors", project.block.error_query, fields, window, ISSUE_PAGES, sort=f"-{COUNT}")
    return {str(row["issue"]): row for row in rows}


def _counted(
    issue: dict[str, Any], counts: Sequence[Mapping[str, Mapping[str, Any]]], releases: Mapping[str, str]
) -> dict[str, Any]:
    """An issue with its events: none is a zero for an error, and unknown for levels that are not counted."""
    name = issue["issue"]
    window, latest, before = (found.get(name, {}) for found in counts)
    none = 0 if issue["level"] in COUNTED else None
    return {
        **issue,
        "events": window.get(COUNT, none),
        "events_latest": latest.get(COUNT, none),
        "events_before": before.get(COUNT, none),
        "users": window.get(USERS, issue["users"]),
        "last_release": issue["last_release"] or releases.get(name),
    }


def _last_releases(project: _Project, scope: Scope) -> dict[str, str]:
    """The newest release among each issue's events of the window."""
    made = {entry["version"]: _made(entry, project.block.environment) for entry in _entries(project)}
    fields = ["issue", "release", COUNT]
    rows = project.table("errors", project.block.error_query, fields, scope.window, ISSUE_PAGES, sort=f"-{COUNT}")
    newest: dict[str, str] = {}
    for row in rows:
        name, release = str(row["issue"]), row.get("release")
        if isinstance(release, str) and release in made:
            newest[name] = max(release, newest.get(name, release), key=lambda version: made[version])
    return newest


def _entries(project: _Project) -> list[Mapping[str, Any]]:
    return list(project.pages("releases", [*project.asked(), ("per_page", PAGE)], None, 2))


def _made(entry: Mapping[str, Any], environment: str) -> str:
    """When a release went live: its deployment to the environment, else its release or its making."""
    deploy = entry.get("lastDeploy")
    if isinstance(deploy, dict) and deploy.get("environment") == environment and deploy.get("dateFinished"):
        return str(deploy["dateFinished"])
    return str(entry.get("dateReleased") or entry["dateCreated"])


def _releases(project: _Project, scope: Scope) -> threads.Frames:
    rows = [
        {
            "source": "sentry",
            "deployment": entry["version"],
            "created_at": entry["dateCreated"],
            "ready_at": _made(entry, project.block.environment),
            "state": "READY",
            "target": project.block.environment,
        }
        for entry in _entries(project)
    ]
    table = frame("deployments", rows)
    return {"deployments": table[table["created_at"] < scope.as_of].reset_index(drop=True)}


def _quota(project: _Project, scope: Scope) -> threads.Frames:
    """What became of the errors sent in the window; dropped ones mean that counts are too low."""
    asked = [("field", "sum(quantity)"), ("groupBy", "outcome"), ("category", "error"), ("interval", "1h")]
    times = [p for p in project.asked(scope.window) if p[0] != "environment"]
    body = project.api.get(project.path("stats_v2"), [*times, *asked]).json()
    rows = []
    for group in listed("sentry", body, "groups"):
        outcome, amount = str(group["by"]["outcome"]), float(group["totals"]["sum(quantity)"])
        ok = amount == 0 if outcome in DROPPED else True if outcome == "accepted" else None
        rows.append(
            {"vendor": "sentry", "kind": "quota", "item": outcome, "status": f"{amount:.0f} errors", "ok": ok}
        )
    return {"vendor_states": frame("vendor_states", rows)}
