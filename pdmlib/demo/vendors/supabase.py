"""Supabase: the metrics of the database host, and the management API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso_s, parse
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.world.grid import DAY, ms
from pdmlib.demo.world.host import CORES, DISK_BYTES, MAX_CONNECTIONS, MEMORY_BYTES
from pdmlib.demo.world.issues import ISSUES

REF = "dirtfreedemoproject0"
_VERSION = "18.6"
_METRICS = "/customer/v1/privileged/metrics"
_OUTAGE_ISSUE = next(n for n, issue in enumerate(ISSUES) if issue.number == 401)
_BROKEN_LINE = (
    f'supavisor_connections_active{{supabase_project_ref="{REF}",service_type="pooler",mode="transaction",'
    f'supabase_project_ref="{REF}",user="postgres"}} 4'
)


def _allows(call: Call, stage: Stage) -> Reply | None:
    if call.path == _METRICS:
        expected = ("service_role", stage.secrets["PDM_DEMO_SUPABASE_METRICS_KEY"])
        return None if call.basic() == expected else Reply({"message": "Unauthorized"}, 401)
    right = call.bearer() == stage.secrets["PDM_DEMO_SUPABASE_ACCESS_TOKEN"]
    return None if right else Reply({"message": "Unauthorized"}, 401)


def _series(name: str, kind: str, service: str, rows: Sequence[tuple[Mapping[str, str], float]]) -> list[str]:
    base = {"supabase_project_ref": REF, "supabase_identifier": REF, "service_type": service}
    lines = [f"# TYPE {name} {kind}"]
    for labels, value in rows:
        inner = ",".join(f'{k}="{v}"' for k, v in {**base, **labels}.items())
        lines.append(f"{name}{{{inner}}} {value!r}")
    return lines


def _metrics(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    s = stage.world.host.sample(stage.clock, stage.elapsed_s())
    up = not stage.plan.database_down
    cpu = [
        ({"cpu": str(core), "mode": mode}, seconds / CORES)
        for core in range(CORES)
        for mode, seconds in s.cpu_s.items()
    ]
    root, data = {"mountpoint": "/", "fstype": "ext4"}, {"mountpoint": "/data", "fstype": "ext4"}
    server = {"server": "localhost:5432"}
    lines = [
        *_series("node_cpu_seconds_total", "counter", "db", cpu),
        *_series("node_memory_MemTotal_bytes", "gauge", "db", [({}, float(MEMORY_BYTES))]),
        *_series("node_memory_MemAvailable_bytes", "gauge", "db", [({}, s.memory_available)]),
        *_series("node_load5", "gauge", "db", [({}, s.load5)]),
        *_series("node_filesystem_size_bytes", "gauge", "db", [(root, 10213466112.0), (data, float(DISK_BYTES))]),
        *_series("node_filesystem_avail_bytes", "gauge", "db", [(root, 6.1e9), (data, s.disk_available)]),
        *_series("pg_up", "gauge", "postgresql", [({}, int(up))]),
    ]
    if up:
        lines += [
            *_series("pg_stat_database_num_backends", "gauge", "postgresql", [(server, s.connections)]),
            *_series("connection_stats_connection_count", "gauge", "postgresql", _users(s.connections)),
            *_series("pg_stat_statements_total_queries", "counter", "postgresql", [(server, s.queries)]),
            *_series(
                "pg_stat_statements_total_time_seconds", "counter", "postgresql", [(server, s.query_seconds)]
            ),
            *_series(
                "pg_stat_database_xact_rollback_total", "counter", "postgresql", [(server, int(s.rollbacks))]
            ),
            *_series("pg_stat_database_deadlocks_total", "counter", "postgresql", [(server, 0)]),
            *_series(
                "pg_database_size_bytes", "gauge", "postgresql", [({"datname": "postgres"}, s.database_bytes)]
            ),
        ]
    lines += [
        *_series("max_connections_connection_count", "gauge", "postgresql", [(server, MAX_CONNECTIONS)]),
        *_series("pgbouncer_used_clients", "gauge", "db", [({}, max(s.connections - 8, 0))]),
        *_series("pgbouncer_pools_client_waiting_connections", "gauge", "db", [({"database": "postgres"}, 0)]),
        *_series("go_goroutines", "gauge", "db", [({}, 9)]),
        *_series("go_goroutines", "gauge", "postgresql", [({}, 17)]),
        *_series(
            "physical_replication_lag_physical_replication_lag_seconds",
            "gauge",
            "postgresql",
            [(server, float("nan"))],
        ),
        "# TYPE supavisor_connections_active untyped",
        _BROKEN_LINE,
    ]
    return Reply("\n".join(lines).replace(" nan", " NaN") + "\n", content_type="text/plain; version=0.0.4")


def _users(connections: int) -> list[tuple[Mapping[str, str], float]]:
    admin, other = 6, 3
    shares = {"authenticator": connections - admin - other, "supabase_admin": admin, "other": other}
    return [({"server": "localhost:5432", "username": name}, count) for name, count in shares.items()]


def _project(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    return Reply(
        {
            "id": REF,
            "ref": REF,
            "organization_id": "dirtfree-org",
            "organization_slug": "dirtfree-org",
            "name": "dirt-free-crm",
            "region": "us-east-1",
            "created_at": iso_s(ms(DEPLOYED) - 300 * DAY),
            "status": "ACTIVE_UNHEALTHY" if stage.plan.database_down else "ACTIVE_HEALTHY",
            "database": {
                "host": f"db.{REF}.supabase.co",
                "version": _VERSION,
                "postgres_engine": "18",
                "release_channel": "ga",
            },
        }
    )


def _health(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    services = call.query.get("services", ())
    if not services:
        return Reply({"message": "services is required"}, 400)
    return Reply([_service(name, stage) for name in services])


def _service(name: str, stage: Stage) -> dict[str, Any]:
    if stage.plan.database_down and name in ("db", "db_postgres_user", "rest", "pooler"):
        return {"name": name, "healthy": False, "status": "UNHEALTHY", "error": "connection refused"}
    return {"name": name, "healthy": True, "status": "ACTIVE_HEALTHY"}


def _disk(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    free = round(stage.world.host.sample(stage.clock, 0).disk_available)
    used = {"fs_size_bytes": DISK_BYTES, "fs_avail_bytes": free, "fs_used_bytes": DISK_BYTES - free}
    return Reply({"timestamp": iso_s(stage.clock), "metrics": used})


def _logs(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """Lines of the server's log: refused connections of the outage, else one of those that are always there."""
    start, end = parse(call.one("iso_timestamp_start")), parse(call.one("iso_timestamp_end"))
    if start is None or end is None or end - start > DAY:
        return Reply({"message": "the range of a query may be at most 24 hours"}, 400)
    if "where source = 'postgres_logs'" not in call.one("sql"):
        return Reply({"error": "Backend error! Retry your query. Please contact support if this continues."})
    if "53300" not in call.one("sql"):
        return Reply({"result": [_line(start, 0)], "error": None})
    events = stage.world["events"].between(start, stage.past(end))
    times = events["at"][events["issue"] == _OUTAGE_ISSUE].tolist()
    return Reply({"result": [_line(at, n) for n, at in enumerate(times)][:1000], "error": None})


def _line(at: int, number: int) -> dict[str, Any]:
    return {"id": f"{at}-{number}", "timestamp": iso_s(at).removesuffix("Z")}


_GARBAGE = "<!doctype html><html><body><h1>Maintenance</h1><p>We will be back soon.</p></body></html>"
_PROJECT = rf"/v1/projects/{REF}"
VENDOR = Vendor(
    allows=_allows,
    routes=(
        ("GET", _METRICS, _metrics),
        ("GET", _PROJECT, _project),
        ("GET", rf"{_PROJECT}/health", _health),
        ("GET", rf"{_PROJECT}/config/disk/util", _disk),
        ("GET", rf"{_PROJECT}/analytics/endpoints/logs", _logs),
    ),
    unknown=Reply({"message": "Not Found"}, 404),
    refusals={"garbage": Reply(_GARBAGE, content_type="text/html; charset=utf-8")},
    headers=lambda stage: {"X-RateLimit-Limit": "120", "X-RateLimit-Remaining": "118", "X-RateLimit-Reset": "41"},
)
