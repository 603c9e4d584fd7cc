"""Sentry: response times of sampled spans, errors counted whole, issues, releases and quota.

Percentiles and distinct counts cannot be added up, so each of the scope's spans is asked for by
itself. Counts of spans are extrapolated by Sentry; how many were really stored stands beside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.rows import microseconds
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Sentry
from pdmlib.sources import sentry_monitors, threads
from pdmlib.sources.fields import entries
from pdmlib.sources.http import Api
from pdmlib.sources.sentry_api import PAGE, Project, plain
from pdmlib.sources.specifications import sentry as said

HOUR = timedelta(hours=1)
ISSUE_PAGES = 10
DURATIONS = {f"{name}_ms": f"{name}(span.duration)" for name in ("p50", "p95", "p99", "avg")}
COUNT, FAILED, REFUSED = "count()", "http_response_rate(5)", "http_response_rate(4)"
STATUSES = "count_unique(span.status_code)"
FIGURES = (*DURATIONS.values(), COUNT, FAILED, REFUSED, STATUSES)
USERS, ISSUES = "count_unique(user)", "count_unique(issue)"
COUNTED = ("error", "fatal")
DROPPED = ("rate_limited", "abuse", "cardinality_limited")
PARTIAL = "only a part of the data was scanned"
Cells = list[tuple[datetime, said.Value]]


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `latencies`, `error_counts`, `issues`, `deployments` and `vendor_states` (quota)."""
    block = site.source("sentry")
    assert isinstance(block, Sentry)
    headers = {"Authorization": f"Bearer {site.secret(block.token_env)}"}
    with Api("sentry", block.base_url, headers=headers) as api:
        project = Project(api, block)
        found = threads.read("sentry", [*_parts(project, scope), *sentry_monitors.parts_of(project, site, scope)])
    found = _with_rates(_without_statuses(_since_heard(found), scope), block.trace_sample_rate)
    return merge([found, project.unclear.frames()])


def _parts(project: Project, scope: Scope) -> list[threads.Part]:
    whole = _hours(Window(scope.baseline.start, scope.known.end))
    recent = _hours(Window(scope.before.start, scope.known.end))
    return [
        *((_series_item(scope, w), partial(_hourly, project, w, scope)) for w in threads.pieces(whole, 7 * DAY)),
        *(("error_counts:hours", partial(_errors_hourly, project, w)) for w in threads.pieces(recent, 7 * DAY)),
        *((threads.named(scope, "latencies", w), partial(_latency, project, w)) for w in _spans(scope)),
        *((f"routes:{iso(w.start)}", partial(_routes, project, w)) for w in _compared(scope)),
        *((threads.named(scope, "error_counts", w), partial(_errors, project, w)) for w in _spans(scope)),
        ("issues", partial(_issues, project, scope)),
        ("deployments", partial(_releases, project, scope)),
        ("quota", partial(_quota, project, scope)),
    ]


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


def _latency(project: Project, window: Window) -> threads.Frames:
    rows, whole = project.table("spans", project.block.span_query, FIGURES, window)
    found = said.Figures.each(rows[:1], project.unclear)
    return {"latencies": frame("latencies", [_measured(row, window, whole) for row in found])}


def _routes(project: Project, window: Window) -> threads.Frames:
    """The hundred busiest routes."""
    fields = ["transaction", *FIGURES]
    rows, whole = project.table("spans", project.block.span_query, fields, window, sort=f"-{COUNT}")
    found = [row for row in said.Figures.each(rows, project.unclear) if row.transaction]
    return {
        "latencies": frame(
            "latencies", [{**_measured(row, window, whole), "route": row.transaction} for row in found]
        )
    }


def _measured(row: said.Figures, window: Window, whole: bool) -> dict[str, Any]:
    """A row of `latencies`: of no span there is no percentile, and of spans without a status no failure."""
    times = {name: getattr(row, name) for name in DURATIONS}
    return {
        "source": "sentry",
        "start": window.start,
        "end": window.end,
        **(times if row.count != 0 else {}),
        "requests": row.count,
        "failures": _part_of(row.count, row.failed if row.statuses else None),
        "refused": _part_of(row.count, row.refused if row.statuses else None),
        "confidence": None if whole else "low",
        "complete": True,
    }


def _part_of(requests: float | None, share: float | None) -> float | None:
    if requests == 0:
        return 0.0
    return None if requests is None or share is None else requests * share


def _hourly(project: Project, window: Window, scope: Scope) -> threads.Frames:
    """Percentiles and counts of each hour; an hour that is not over, or still filling, is not complete.

    Where nothing was sampled the server writes 0, which is no response time.
    """
    axes = {**DURATIONS, "requests": COUNT, "failures": FAILED}
    columns = _series(project, "spans", project.block.span_query, axes=list(axes.values()), window=window)
    names = {axis: column for column, axis in axes.items()}
    rows: dict[datetime, dict[str, Any]] = {}
    for axis, (length, cells) in columns.items():
        for start, cell in cells:
            end = start + length
            row = rows.setdefault(start, {"source": "sentry", "start": start, "end": end, "complete": True})
            row[names[axis]] = None if cell.samples == 0 and axis != COUNT else cell.value
            row["complete"] &= cell.incomplete is False and end <= scope.as_of
            if axis == COUNT:
                row |= {"samples": cell.samples, "sample_rate": cell.rate}
    for row in rows.values():
        row["failures"] = _part_of(row.get("requests"), row.get("failures"))
    return {"latencies": frame("latencies", rows.values())}


def _series(
    project: Project, dataset: str, query: str, axes: list[str], window: Window
) -> dict[str, tuple[timedelta, Cells]]:
    """Of each axis the length of its buckets, as the server chose it, and those that start in the window."""
    asked = [("dataset", dataset), ("query", query), ("yAxis", axes), ("interval", "1h")]
    body = project.api.get(project.path("events-timeseries"), [*project.asked(window), *asked]).json()
    found = {}
    for entry in entries("sentry", body, "timeSeries"):
        line = said.Line.of(entry, project.unclear)
        if line is None or line.axis not in axes or line.meta is None or line.meta.interval is None:
            continue
        if line.meta.scanned == "partial" and dataset == "errors":
            project.unclear.note("errors.dataScanned", PARTIAL, "partial", taken_for="hours without a count")
            continue
        cells = _model(line.axis).each(entries("sentry", entry, "values"), project.unclear)
        inside = [(cell.at, cell) for cell in cells if cell.at is not None and window.contains(cell.at)]
        found[line.axis] = (timedelta(milliseconds=line.meta.interval), inside)
    return found


def _model(axis: str) -> type[said.Value]:
    """How the values of an axis are read."""
    if axis in DURATIONS.values():
        return said.Duration
    return said.Share if axis == FAILED else said.Value


def _errors(project: Project, window: Window) -> threads.Frames:
    rows, whole = project.table("errors", project.block.error_query, [COUNT, USERS, ISSUES], window)
    if not whole:
        project.unclear.note("errors.dataScanned", PARTIAL, "partial", taken_for="a window without a count")
        return {}
    counted = [
        {
            "start": window.start,
            "end": window.end,
            "errors": row.count,
            "users": row.users,
            "issues": row.issues,
        }
        for row in said.ErrorFigures.each(rows[:1], project.unclear)
    ]
    return {"error_counts": frame("error_counts", counted)}


def _errors_hourly(project: Project, window: Window) -> threads.Frames:
    """Errors of each hour that is over and complete."""
    columns = _series(project, "errors", project.block.error_query, axes=[COUNT], window=window)
    rows = [
        {"start": start, "end": start + length, "errors": cell.value}
        for length, cells in columns.values()
        for start, cell in cells
        if cell.incomplete is False and start + length <= window.end
    ]
    return {"error_counts": frame("error_counts", rows)}


def _since_heard(found: threads.Frames) -> threads.Frames:
    """Without the hours before the first of which spans are there.

    Of a range that begins before what the plan keeps the server answers the rest, and 0 for what is gone.
    """
    table = found.get("latencies")
    if table is None:
        return found
    first = table.loc[table["samples"] > 0, "start"].min()
    gone = (table["samples"] == 0) & (table["start"] < first)
    return {**found, "latencies": table[~gone.fillna(False)].reset_index(drop=True)}


def _without_statuses(found: threads.Frames, scope: Scope) -> threads.Frames:
    """Hours whose failures are unknown since no span of the site has an HTTP status.

    An hour alone does not tell: a share of 0 stands there for no failure and for no status.
    """
    table = found.get("latencies")
    if table is None:
        return found
    spans = {(w.start, w.end) for w in _spans(scope)}
    whole = pd.Series(
        [pair in spans for pair in zip(table["start"], table["end"], strict=True)], index=table.index
    )
    told = table[whole & table["route"].isna() & (table["requests"] > 0)]
    if len(told) and told["failures"].notna().any():
        return found
    hours = ~whole & (table["requests"] > 0)
    return {**found, "latencies": table.assign(failures=table["failures"].mask(hours.fillna(False)))}


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


def _issues(project: Project, scope: Scope) -> threads.Frames:
    """Issues seen in the window whatever their status, and those new since the deployment, with their events.

    Events are counted from the errors themselves: of which time an issue's own count is, is not said.
    """
    queries = ("", f"firstSeen:>={plain(scope.deployed_at)}")
    lists = threads.all_of([partial(_found, project, query, scope.window) for query in queries])
    windows = (scope.window, scope.latest, scope.before)
    counts = threads.all_of([partial(_events, project, w) for w in windows])
    releases, lost = _releases_told(project, scope)
    issues = {issue.short_id: issue for found in lists for issue in found if issue.short_id}
    rows = [_counted(issue, counts, releases) for issue in issues.values()]
    full = any(len(found) >= PAGE * ISSUE_PAGES for found in lists)
    lost |= {"issues:rest": f"only the {PAGE * ISSUE_PAGES} most frequent issues were read"} if full else {}
    return {"issues": frame("issues", rows), **(threads.gaps("sentry", lost) if lost else {})}


def _found(project: Project, query: str, window: Window) -> list[said.Issue]:
    asked = [*project.asked(window), ("query", query), ("sort", "freq"), ("limit", PAGE)]
    pages = [entries("sentry", body) for body in project.pages("issues", asked, ISSUE_PAGES)]
    return said.Issue.each([entry for page in pages for entry in page], project.unclear)


def _events(project: Project, window: Window) -> dict[str, said.ErrorFigures]:
    """Events and users of each issue in a window, errors only."""
    return {row.issue: row for row in _by_issue(project, window, USERS) if row.issue}


def _by_issue(project: Project, window: Window, column: str) -> list[said.ErrorFigures]:
    if not window.seconds:
        return []
    fields, query = ["issue", COUNT, column], project.block.error_query
    rows, whole = project.table("errors", query, fields, window, ISSUE_PAGES, sort=f"-{COUNT}")
    if not whole:
        raise SourceError("sentry", f"{PARTIAL}, so that an issue's events are not known")
    return said.ErrorFigures.each(rows, project.unclear)


_TOLD = ("title", "culprit", "link", "level", "status", "substatus", "priority", "unhandled")


def _counted(
    issue: said.Issue, counts: Sequence[Mapping[str, said.ErrorFigures]], releases: Mapping[str, str]
) -> dict[str, Any]:
    """An issue with its events: none is a zero for an error, and unknown for levels that are not counted."""
    name = str(issue.short_id)
    found = [of.get(name) for of in counts]
    none = 0 if issue.level in COUNTED else None
    events, latest, before = (none if row is None else row.count for row in found)
    return {
        **{name: getattr(issue, name) for name in _TOLD},
        "issue": name,
        "first_seen": issue.first_seen,
        "last_seen": issue.last_seen,
        "events": events,
        "events_latest": latest,
        "events_before": before,
        "users": issue.users if found[0] is None else found[0].users,
        "last_release": (issue.last_release.version if issue.last_release else None) or releases.get(name),
        "assigned_to": issue.assigned_to.name if issue.assigned_to else None,
    }


def _releases_told(project: Project, scope: Scope) -> tuple[dict[str, str], dict[str, str]]:
    """The newest release of each issue; a key that may not read releases loses them alone, and no issue."""
    try:
        return _last_releases(project, scope), {}
    except SourceError as error:
        return {}, {"releases": error.reason}


def _last_releases(project: Project, scope: Scope) -> dict[str, str]:
    """The newest release among each issue's events of the window."""
    made = {one.version: _made(one, project.block.environment) for one in _entries(project)}
    newest: dict[str, str] = {}
    for row in _by_issue(project, scope.window, "release"):
        if row.issue and row.release and made.get(row.release):
            newest[row.issue] = max(row.release, newest.get(row.issue, row.release), key=lambda v: made[v] or "")
    return newest


def _entries(project: Project) -> list[said.Made]:
    pages = [entries("sentry", body) for body in project.pages("releases", _release_query(project), 2)]
    return said.Made.each([entry for page in pages for entry in page], project.unclear)


def _release_query(project: Project) -> list[tuple[str, Any]]:
    return [*project.asked(), ("per_page", PAGE)]


def _made(release: said.Made, environment: str) -> str | None:
    """When a release went live: its deployment to the environment, else its release or its making."""
    deploy = release.deploy
    if deploy is not None and deploy.environment == environment and deploy.finished is not None:
        return iso(deploy.finished)
    made = release.released or release.created
    return None if made is None else iso(made)


def _releases(project: Project, scope: Scope) -> threads.Frames:
    rows = [
        {
            "source": "sentry",
            "deployment": release.version,
            "created_at": release.created,
            "ready_at": _made(release, project.block.environment),
            "live_at": _made(release, project.block.environment),
            "move": "deployment",
            "state": "READY",
            "target": project.block.environment,
        }
        for release in _entries(project)
        if release.version
    ]
    table = frame("deployments", rows)
    return {"deployments": table[~(table["created_at"] >= scope.as_of)].reset_index(drop=True)}


def _quota(project: Project, scope: Scope) -> threads.Frames:
    """What became of the errors sent in the window; dropped ones mean that counts are too low."""
    asked = [("field", "sum(quantity)"), ("groupBy", "outcome"), ("category", "error"), ("interval", "1h")]
    times = [pair for pair in project.asked(scope.window) if pair[0] in ("start", "end")]
    query = [("project", _number_of(project)), *times, *asked]
    body = project.api.get(project.path("stats_v2"), query).json()
    rows = []
    for group in said.Quota.each(entries("sentry", body, "groups"), project.unclear):
        outcome, amount = group.by and group.by.outcome, group.totals and group.totals.quantity
        if outcome is None or amount is None:
            continue
        ok = amount == 0 if outcome in DROPPED else True if outcome == "accepted" else None
        rows.append(
            {"vendor": "sentry", "kind": "quota", "item": outcome, "status": f"{amount:.0f} errors", "ok": ok}
        )
    return {"vendor_states": frame("vendor_states", rows)}


def _number_of(project: Project) -> str:
    """The project's number: `stats_v2` alone takes no name; releases tell both.

    Raises:
        SourceError: no release of the project names it.
    """
    named = project.block.project
    if named.isdigit():
        return named
    for body in project.pages("releases", _release_query(project), 1):
        for release in entries("sentry", body):
            listed = release.get("projects") if isinstance(release, dict) else None
            for one in said.InProject.each(listed if isinstance(listed, list) else [], project.unclear):
                if one.slug == named and one.id is not None:
                    return f"{one.id:.0f}"
    raise SourceError(
        "sentry", f"no release tells the number of the project {named}, without which quotas are not told"
    )
