"""Supabase: one scrape of the database host's metrics, the state of the project, and refused connections."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.states import Unread
from pdmlib.frames.understanding import Kind, Said, Unclear
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso, spoken_day
from pdmlib.site.masking import masked
from pdmlib.site.site import Site
from pdmlib.site.vendors import Supabase
from pdmlib.sources import threads
from pdmlib.sources.fields import entries
from pdmlib.sources.http import Api, Budget, told, worded
from pdmlib.sources.live import live
from pdmlib.sources.permissions import Optional, unread
from pdmlib.sources.specifications import supabase as said

SERVICES = ("db", "auth", "pooler", "rest", "storage", "realtime")
# Senders of a replication are open connections that do not count among the allowed: a few more are no mistake.
BEYOND = 2
DATA = {"mountpoint": "/data"}
# SQLSTATE of a connection that PostgreSQL refuses: no slot is left, or none for this role or database.
TAKEN = "53300"
_SERVER = "select id, timestamp from logs where source = 'postgres_logs'"
_REFUSED = f"{_SERVER} and log_attributes['parsed.sql_state_code'] = '{TAKEN}' order by timestamp desc"
_LINES = 1000  # more are cut off without a word
_CALLS = 10  # that the endpoint of logs takes in a minute; each may ask for a day
UP, UP_STATES = ("down", "up"), {"down": False, "up": True}
NO_PLATFORM = "Supabase is hosted by yourself: no API tells the server's log"
_READ = {series.name.removesuffix("_total"): series for series in said.SCRAPED}
_NAME = re.compile(r"[A-Za-z_:][\w:]*")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `host_metrics` (one sample, at the end of the scope), `vendor_states` and `vendor_errors`.

    CPU seconds are counters: only the difference to an earlier sample tells a load.
    """
    block = site.source("supabase")
    assert isinstance(block, Supabase)
    budget, unclear, optional = Budget(), Unclear("supabase"), Optional("supabase")
    key = (block.metrics_user, site.secret(block.metrics_key_env))
    at, platform = scope.seen_at - timedelta(seconds=1), block.management_token_env
    token = {"Authorization": f"Bearer {site.secret(platform)}"} if platform else {}
    with (
        Api("supabase", block.metrics_url, basic=key, budget=budget) as metrics,
        Api("supabase", block.management_url, headers=token, budget=budget) as management,
    ):
        project = f"/v1/projects/{block.project_ref}"
        now: list[threads.Part] = [("host_metrics", partial(_scrape, metrics, at, unclear, alone=not platform))]
        then: list[threads.Part] = []
        if platform:
            logs = f"{project}/analytics/endpoints/logs"
            # The host's own disk comes after that of the API, so that it is the one that counts.
            now = [
                optional.part("disk", partial(_disk, management, f"{project}/config/disk/util", at, unclear)),
                *now,
                ("project", partial(_project, management, project, unclear)),
                ("services", partial(_services, management, f"{project}/health", unclear)),
            ]
            then = [optional.part("refusals", partial(_refusals, management, logs, scope.known, unclear))]
        found = threads.read("supabase", [*live(site, scope, "supabase", now), *then])
        unasked = {} if platform else _unasked(NO_PLATFORM)
        return merge([found, unasked, optional.frames(), unclear.frames()])


def _scrape(api: Api, at: datetime, unclear: Unclear, alone: bool) -> threads.Frames:
    """One look at the host; where it did not reach the database, or nothing else tells of that, that too."""
    answer = api.get("", ())
    if answer.is_page():
        raise SourceError("supabase", "its metrics are a web page: maintenance, a login or a wrong address")
    values = host_values(answer.text(), unclear)
    rows = [{"metric": name, "at": at, "value": value} for name, value in values.items()]
    if not rows:
        raise SourceError("supabase", "its metrics hold none of the expected names")
    up = values.get("db_up")
    item = "db" if alone else "db by the host's metrics"
    told = _states([_state(item, UP[up > 0], UP_STATES)]) if up is not None and (alone or not up) else {}
    return {"host_metrics": frame("host_metrics", rows), **told}


def _project(api: Api, path: str, unclear: Unclear) -> threads.Frames:
    found = said.Project.of(api.get(path).json(), unclear)
    status = found.status if found else None
    return _states([_state("project", status, said.STATES)] if status else [])


def _services(api: Api, path: str, unclear: Unclear) -> threads.Frames:
    listed = entries("supabase", api.get(path, [("services", s) for s in SERVICES]).json())
    found = said.Service.each(listed, unclear)
    if not any(one.name == SERVICES[0] for one in found):
        raise SourceError("supabase", "its health does not tell of the database")
    return _states(_state(one.name, one.status, said.SERVICE_STATES, one.error) for one in found if one.name)


def _state(
    item: str, status: str | None, known: Mapping[str, bool | None], error: str | None = None
) -> dict[str, Any]:
    """A state as the vendor words it; whether all is well is unknown where the word is."""
    ok = known[status] if status else None
    return {"vendor": "supabase", "kind": "service", "item": item, "status": status, "ok": ok, "detail": error}


def _unasked(reason: str) -> threads.Frames:
    """Why the server's log was not asked for refused connections."""
    return _states([unread("supabase", "refusals", Unread.UNASKED, reason)])


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}


def _disk(api: Api, path: str, at: datetime, unclear: Unclear) -> threads.Frames:
    """The disk as the management API sees it, where the host's metrics tell no /data."""
    found = said.Utilisation.of(api.get(path).json(), unclear)
    disk = found.metrics if found else None
    if disk and disk.used is not None and disk.size is not None and disk.used > disk.size:
        unclear.note("disk.fs_used_bytes", "more than the disk's size", disk.used)
        disk = None
    values = {"disk_used_bytes": disk.used, "disk_size_bytes": disk.size} if disk else {}
    rows = [{"metric": name, "at": at, "value": value} for name, value in values.items() if value is not None]
    return {"host_metrics": frame("host_metrics", rows)}


def _refusals(api: Api, path: str, window: Window, unclear: Unclear) -> threads.Frames:
    """Connections that the server refused.

    Raises:
        SourceError: as `Api.get`, or the log is not kept for so long.
    """
    days = threads.pieces(window, DAY)
    if len(days) >= _CALLS:
        many = f"the server's log takes {_CALLS} calls a minute, too few for {len(days)} days"
        return _unasked(many)
    if days and not _lines(api, path, f"{_SERVER} limit 1", days[0]):
        first = spoken_day(days[0].start.date())
        raise SourceError("supabase", f"the server's log of {first} is empty, or no longer kept")
    calls = [partial(_lines, api, path, f"{_REFUSED} limit {_LINES}", day) for day in days]
    found = [
        line
        for day, lines in zip(days, threads.all_of(calls), strict=True)
        for line in said.Refusal.each(lines, unclear)
        if line.at is None or day.contains(line.at)
    ]
    rows = [
        {"vendor": "supabase", "event": line.id, "at": line.at, "kind": "connection", "code": TAKEN}
        for line in found
        if line.id
    ]
    lost = {"refusals:rest": f"only the newest {_LINES:,} refused connections of a day were read"}
    gaps = threads.gaps("supabase", lost) if len(found) >= _LINES else {}
    return {"vendor_errors": frame("vendor_errors", rows), **gaps}


def _lines(api: Api, path: str, sql: str, window: Window) -> list[Any]:
    """What the log answers to a query; one that it cannot answer is told beside an empty result."""
    asked = {"sql": sql, "iso_timestamp_start": iso(window.start), "iso_timestamp_end": iso(window.end)}
    body = api.get(path, asked).json()
    if isinstance(body, dict) and body.get("error"):
        reason = told(worded(body)) or "no reason given"
        raise SourceError("supabase", f"the server's log cannot be asked: {reason}")
    return entries("supabase", body, "result")


@dataclass(frozen=True)
class Sample:
    """One line of a scrape; the value is None where it was not understood."""

    name: str
    labels: Mapping[str, str]
    value: float | None


def samples(text: str, unclear: Unclear) -> Iterator[Sample]:
    """The samples of a scrape that are read; what is not understood of a line costs that line alone.

    A NaN is the exporter's own word for "I do not know", and no more than that.
    """
    for line in text.splitlines():
        series = _READ.get(_name(line))
        if series is None:
            continue
        try:
            found = [s for family in text_string_to_metric_families(line + "\n") for s in family.samples]
        except Exception:  # the parser of a line that is none fails in ways that it does not promise
            found = []
        if not found:
            unclear.note(f"metrics.{series.name}", "not a line of metrics", line)
        for s in found:
            if not (
                isinstance(s.value, float) and math.isnan(s.value)
            ):  # a whole number may be too large for a float
                value = unclear.number(f"metrics.{series.name}", s.value, 0, series.high)
                yield Sample(s.name.removesuffix("_total"), s.labels, value)


def _name(line: str) -> str:
    """The metric that a line begins with; empty for a comment."""
    found = _NAME.match(line)
    return found[0].removesuffix("_total") if found else ""


def host_values(text: str, unclear: Unclear) -> dict[str, float]:
    """The values of `host_metrics` in a scrape, those that it does not hold left out."""
    scrape = list(samples(text, unclear))
    unclear.example("metrics", 0, partial(_said, scrape))
    values = {name: measure(scrape) for name, measure in MEASURES.items()}
    taken, most = values["connections"], values["max_connections"]
    if taken is not None and most is not None and taken > BEYOND * most:
        unclear.note("metrics.max_connections_connection_count", f"far fewer than the {taken:g} open", most)
        values |= {"connections": None, "max_connections": None}
    return {name: value for name, value in values.items() if value is not None}


def _said(scrape: list[Sample]) -> Iterator[Said]:
    """The first line of each name, as it is understood."""
    for series in said.SCRAPED:
        line = next((s for s in scrape if s.name == series.name.removesuffix("_total")), None)
        labels = "" if line is None or not line.labels else str(dict(line.labels))
        value = None if line is None else line.value
        yield Said(
            ours=series.name,
            theirs=series.name if line else None,
            value=None if line is None else masked(f"{labels} {value}"),
            taken_for="" if value is None else f"{value:.15g} {series.unit}",
            kind=Kind.NUMBER,
            means=series.meaning,
        )


def _all(scrape: list[Sample], name: str, **labels: str) -> list[float | None]:
    wanted = labels.items()
    return [s.value for s in scrape if s.name == name and wanted <= s.labels.items()]


def _one(name: str, **labels: str) -> Callable[[list[Sample]], float | None]:
    return lambda scrape: next(iter(_all(scrape, name, **labels)), None)


def _sum(name: str, **labels: str) -> Callable[[list[Sample]], float | None]:
    """The sum of a metric's lines; unknown where one of them is, since half of a sum is none."""

    def total(scrape: list[Sample]) -> float | None:
        values = _all(scrape, name, **labels)
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    return total


def _memory_pct(scrape: list[Sample]) -> float | None:
    free = _one("node_memory_MemAvailable_bytes")(scrape)
    size = _one("node_memory_MemTotal_bytes")(scrape)
    return None if free is None or not size or free > size else 100 * (1 - free / size)


def _disk_used(scrape: list[Sample]) -> float | None:
    free = _one("node_filesystem_avail_bytes", **DATA)(scrape)
    size = _one("node_filesystem_size_bytes", **DATA)(scrape)
    return None if free is None or size is None or free > size else size - free


def _disk_size(scrape: list[Sample]) -> float | None:
    """The size of the disk whose use is known, so that both are of one look."""
    return None if _disk_used(scrape) is None else _one("node_filesystem_size_bytes", **DATA)(scrape)


def _connections(scrape: list[Sample]) -> float | None:
    backends = _one("pg_stat_database_num_backends")(scrape)
    by_user = _sum("connection_stats_connection_count")(scrape)
    return backends if by_user is None else by_user


MEASURES: Mapping[str, Callable[[list[Sample]], float | None]] = {
    "cpu_idle_s": _sum("node_cpu_seconds", mode="idle"),
    "cpu_all_s": _sum("node_cpu_seconds"),
    "memory_pct": _memory_pct,
    "disk_used_bytes": _disk_used,
    "disk_size_bytes": _disk_size,
    "connections": _connections,
    "max_connections": _one("max_connections_connection_count"),
    "pooler_waiting": _sum("pgbouncer_pools_client_waiting_connections"),
    "db_up": _one("pg_up"),
    "queries_total": _one("pg_stat_statements_total_queries"),
    "db_size_bytes": _one("pg_database_size_bytes", datname="postgres"),
}
