"""Supabase: one scrape of the database host's metrics, and the state of the project and its services."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.site.vendors import Supabase
from pdmlib.sources import live, threads
from pdmlib.sources.http import Api, Budget, listed, one_line

SERVICES = ("db", "auth", "pooler", "rest", "storage", "realtime")
DATA = {"mountpoint": "/data"}


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `host_metrics` (one sample, at the end of the scope) and `vendor_states` (kind service).

    CPU seconds are counters: only the difference to an earlier sample tells a load.
    """
    block = site.source("supabase")
    assert isinstance(block, Supabase)
    budget = Budget()
    key = (block.metrics_user, site.secret(block.metrics_key_env))
    token = {"Authorization": f"Bearer {site.secret(block.management_token_env)}"}
    at = scope.seen_at - timedelta(seconds=1)
    with (
        Api("supabase", block.metrics_url, basic=key, budget=budget) as metrics,
        Api("supabase", block.management_url, headers=token, budget=budget) as management,
    ):
        project = f"/v1/projects/{block.project_ref}"
        parts: list[threads.Part] = [
            ("disk", lambda: _disk(management, f"{project}/config/disk/util", at)),
            ("host_metrics", lambda: _scrape(metrics, at)),
            ("project", lambda: _project(management, project)),
            ("services", lambda: _services(management, f"{project}/health")),
        ]
        return threads.read("supabase", live.live(site, scope, "supabase", parts))


def _scrape(api: Api, at: datetime) -> threads.Frames:
    text = api.get("", ()).text()
    rows = [{"metric": name, "at": at, "value": value} for name, value in host_values(text).items()]
    if not rows:
        raise SourceError("supabase", "its metrics hold none of the expected names")
    return {"host_metrics": frame("host_metrics", rows)}


def _project(api: Api, path: str) -> threads.Frames:
    status = str(api.get(path).json()["status"])
    return _states([_state("project", status, status == "ACTIVE_HEALTHY", None)])


def _services(api: Api, path: str) -> threads.Frames:
    found = listed("supabase", api.get(path, [("services", s) for s in SERVICES]).json())
    return _states(_state(e["name"], e["status"], e["status"] == "ACTIVE_HEALTHY", e.get("error")) for e in found)


def _state(item: str, status: str, ok: bool, error: Any) -> dict[str, Any]:
    detail = one_line(error) if isinstance(error, str) else None
    return {"vendor": "supabase", "kind": "service", "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}


def _disk(api: Api, path: str, at: datetime) -> threads.Frames:
    """The disk as the management API sees it, where the host's metrics tell no /data."""
    found = api.get(path).json()["metrics"]
    names = {"disk_used_bytes": "fs_used_bytes", "disk_size_bytes": "fs_size_bytes"}
    rows = [{"metric": name, "at": at, "value": found[key]} for name, key in names.items()]
    return {"host_metrics": frame("host_metrics", rows)}


@dataclass(frozen=True)
class Sample:
    """One line of a scrape."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """The samples of a scrape; a line that cannot be read costs only itself, a NaN is no sample."""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        try:
            found = [s for family in text_string_to_metric_families(line + "\n") for s in family.samples]
        except (ValueError, KeyError, IndexError):
            continue
        yield from (Sample(s.name, s.labels, s.value) for s in found if not math.isnan(s.value))


def host_values(text: str) -> dict[str, float]:
    """The values of `host_metrics` in a scrape, those that it does not hold left out."""
    scrape = list(samples(text))
    values = {name: measure(scrape) for name, measure in _MEASURES.items()}
    return {name: value for name, value in values.items() if value is not None}


def _all(scrape: list[Sample], name: str, **labels: str) -> list[float]:
    wanted = labels.items()
    return [s.value for s in scrape if s.name in (name, f"{name}_total") and wanted <= s.labels.items()]


def _one(name: str, **labels: str) -> Callable[[list[Sample]], float | None]:
    return lambda scrape: next(iter(_all(scrape, name, **labels)), None)


def _sum(name: str, **labels: str) -> Callable[[list[Sample]], float | None]:
    return lambda scrape: sum(_all(scrape, name, **labels)) if _all(scrape, name, **labels) else None


def _memory_pct(scrape: list[Sample]) -> float | None:
    free = _one("node_memory_MemAvailable_bytes")(scrape)
    size = _one("node_memory_MemTotal_bytes")(scrape)
    return None if free is None or not size else 100 * (1 - free / size)


def _disk_used(scrape: list[Sample]) -> float | None:
    free = _one("node_filesystem_avail_bytes", **DATA)(scrape)
    size = _one("node_filesystem_size_bytes", **DATA)(scrape)
    return None if free is None or size is None else size - free


def _connections(scrape: list[Sample]) -> float | None:
    backends = _one("pg_stat_database_num_backends")(scrape)
    by_user = _sum("connection_stats_connection_count")(scrape)
    return backends if by_user is None else by_user


_MEASURES: Mapping[str, Callable[[list[Sample]], float | None]] = {
    "cpu_idle_s": _sum("node_cpu_seconds", mode="idle"),
    "cpu_all_s": _sum("node_cpu_seconds"),
    "memory_pct": _memory_pct,
    "disk_used_bytes": _disk_used,
    "disk_size_bytes": _one("node_filesystem_size_bytes", **DATA),
    "connections": _connections,
    "max_connections": _one("max_connections_connection_count"),
    "db_up": _one("pg_up"),
    "queries_total": _one("pg_stat_statements_total_queries"),
    "rollbacks_total": _sum("pg_stat_database_xact_rollback"),
    "deadlocks_total": _sum("pg_stat_database_deadlocks"),
    "db_size_bytes": _one("pg_database_size_bytes", datname="postgres"),
    "load5": _one("node_load5"),
}
