"""Supabase: what is asked, each field that is read, and the specification it is from.

The management API publishes its OpenAPI. Of the metrics endpoint only the list of its names is published, in the
repository of Supabase's dashboard; what a value may be is Prometheus' text format.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pdmlib.sources.fields import MOST, UTC_OR_NUMBER, Answer, moment, number, part, text, word

API = "Management API openapi of 2026-06-01"
# The changelog of 2026-07-23 calls the column of the source `source_name`; the endpoint knows `source` alone, as
# the reference says, and tells what it cannot answer as a 200 with `error`.
LOGS = "Management API; columns by the reference of the logs table of 2026-09"
METRICS = "GET https://{ref}.supabase.co/customer/v1/privileged/metrics"
NAMES = "supabase/supabase-grafana metrics.md of 2026-02-17; values by Prometheus' text format 0.0.4"
# A century of seconds on each of a thousand processors: counters of processor time end far below.
MOST_SECONDS = 3e12
# Of these the vendor itself says that nothing runs; the others are on their way or not told.
STATES = {
    "ACTIVE_HEALTHY": True,
    "ACTIVE_UNHEALTHY": False,
    "INACTIVE": False,
    "GOING_DOWN": False,
    "INIT_FAILED": False,
    "REMOVED": False,
    "RESTORE_FAILED": False,
    "PAUSE_FAILED": False,
    "PAUSING": False,
    "COMING_UP": False,
    "RESTORING": False,
    "UPGRADING": False,
    "RESTARTING": False,
    "RESIZING": False,
    "UNKNOWN": None,
}
SERVICE_STATES = {"ACTIVE_HEALTHY": True, "UNHEALTHY": False, "COMING_UP": False}


class Project(Answer):
    """The project."""

    item, request, specification = "project", "GET /v1/projects/{ref}", API
    status: str | None = word(
        "status", "only ACTIVE_HEALTHY is well; of UNKNOWN Supabase itself does not know", " ".join(STATES)
    )


class Service(Answer):
    """One service of the project; `healthy` is deprecated and not read."""

    item, request, specification = "services", "GET /v1/projects/{ref}/health?services=..", API
    name: str | None = word("name", "which", "auth db db_postgres_user pooler realtime rest storage pg_bouncer")
    status: str | None = word("status", "only ACTIVE_HEALTHY is well", " ".join(SERVICE_STATES))
    error: str | None = text("error", "why it is not", null=True)


class Disk(Answer):
    """The disk of the database."""

    item, request, specification = "disk", "GET /v1/projects/{ref}/config/disk/util", API
    size: float | None = number("fs_size_bytes", "its size", unit="bytes")
    used: float | None = number("fs_used_bytes", "how much of it is taken", unit="bytes")


class Utilisation(Answer):
    """The disk's answer; it needs the permission `infra_disk_config_read`."""

    item, request, specification = "disk", "GET /v1/projects/{ref}/config/disk/util", API
    metrics: Disk | None = part("metrics", "the disk's figures", Disk)


class Refusal(Answer):
    """One line of the server's log: a connection that it refused, as all were taken."""

    item, request, specification = "refusals", "GET /v1/projects/{ref}/analytics/endpoints/logs?sql=..", LOGS
    id: str | None = text("id", "the line")
    at: datetime | None = moment(
        "timestamp", "when it was written; of a number its size tells the unit", UTC_OR_NUMBER
    )


@dataclass(frozen=True)
class Series:
    """One name of the metrics endpoint that is read.

    Attributes:
        high: the most that it can be; it is never negative, and +Inf and NaN are values that Prometheus allows and
            that mean nothing here.
        counts: whether it only grows, until the host starts again.
    """

    name: str
    unit: str
    meaning: str
    high: float = MOST
    counts: bool = False


SCRAPED: tuple[Series, ...] = (
    Series(
        "node_cpu_seconds_total", "s", "processor time by mode; idle is unused", high=MOST_SECONDS, counts=True
    ),
    Series("node_memory_MemAvailable_bytes", "bytes", "memory that programs can still get"),
    Series("node_memory_MemTotal_bytes", "bytes", "memory of the host"),
    Series("node_filesystem_size_bytes", "bytes", "size of a disk; /data holds the database"),
    Series("node_filesystem_avail_bytes", "bytes", "what is free of it"),
    Series("pg_up", "0 1", "whether the exporter reached the database", 1),
    Series("pg_stat_database_num_backends", "connections", "open connections", 1e6),
    Series("connection_stats_connection_count", "connections", "the same by user", 1e6),
    Series("max_connections_connection_count", "connections", "how many may be open", 1e6),
    Series("pgbouncer_pools_client_waiting_connections", "clients", "those that wait for the pooler", 1e6),
    Series("pg_stat_statements_total_queries", "queries", "statements that ran", counts=True),
    Series("pg_database_size_bytes", "bytes", "size of a database; `postgres` is the application's"),
)

ASKED: tuple[type[Answer], ...] = (Project, Service, Utilisation, Disk, Refusal)
