"""What a collector of this production had kept before: samples of the host and looks at its counters.

The looks are taken by the real collector while the database is prepared; the host is sampled from the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.workload import CLAIMS
from pdmlib.demo.world import World
from pdmlib.demo.world.grid import DAY, HOUR, MINUTE, START, moment, ms
from pdmlib.demo.world.host import DISK_BYTES, MAX_CONNECTIONS, MEMORY_BYTES

LOOKS = (DEPLOYED - timedelta(days=7), DEPLOYED - timedelta(minutes=30))
CRITICAL: tuple[Mapping[str, Any], ...] = (
    {
        "name": "customer_lookup",
        "title": "Customer lookup",
        "sql": "SELECT * FROM public.customers WHERE id = %(id)s",
        "parameters": {"id": "SELECT id FROM public.customers ORDER BY id LIMIT 1"},
        "limit_ms": 50,
    },
    {
        "name": "opportunities",
        "title": "Pending opportunities",
        "sql": "SELECT * FROM public.missed_opportunities WHERE status = 'pending' LIMIT 20",
        "limit_ms": 100,
    },
    {
        "name": "analytics",
        "title": "Opportunities by status, 30 days",
        "sql": "SELECT count(*), status FROM public.missed_opportunities WHERE created_at > "
        "%(as_of)s::timestamptz AT TIME ZONE 'UTC' - interval '30 days' GROUP BY status",
        "limit_ms": 200,
    },
)
"""The critical queries of `params/demo.yaml`."""
_URL = "PDM_DEMO_DATABASE_URL"


def keep_host(folder: Path, world: World, clock: int) -> None:
    """Adds samples of the host: hourly, every quarter of an hour in the last eight days, then every 5 minutes."""
    import pandas as pd

    from pdmlib.frames.collection import Collection
    from pdmlib.frames.frame import frame
    from pdmlib.storage.history import append

    first, last = ms(START) + HOUR, clock // HOUR * HOUR
    steps = ((first, last - 8 * DAY, HOUR), (last - 8 * DAY, last - 2 * DAY, 15 * MINUTE))
    times = [at for start, end, step in steps for at in range(max(start, first), end, step)]
    times += range(max(last - 2 * DAY, first), clock, 5 * MINUTE)
    samples = pd.DataFrame(
        [host_values(world, at) for at in times], index=pd.to_datetime(times, unit="ms", utc=True)
    )
    rows = samples.rename_axis("at").melt(var_name="metric", ignore_index=False).reset_index()
    append(folder, Collection({"host_metrics": frame("host_metrics", rows)}))


def host_values(world: World, at: int) -> dict[str, float]:
    """The host at a moment, under the names that the collector gives to what the metrics endpoint shows."""
    sample = world.host.sample(at, 0)
    return {
        "cpu_idle_s": sample.cpu_s["idle"],
        "cpu_all_s": sum(sample.cpu_s.values()),
        "memory_pct": 100 * (1 - sample.memory_available / MEMORY_BYTES),
        "disk_used_bytes": DISK_BYTES - sample.disk_available,
        "disk_size_bytes": float(DISK_BYTES),
        "connections": float(sample.connections),
        "max_connections": float(MAX_CONNECTIONS),
        "db_up": 1.0,
        "queries_total": sample.queries,
        "db_size_bytes": sample.database_bytes,
    }


def looker(folder: Path, address: str) -> Callable[[datetime], None]:
    """A function that looks at the database as the monitoring role and keeps its counters as of a moment."""
    from pydantic import SecretStr

    from pdmlib.frames.collection import Collection
    from pdmlib.phases.phase import phase_named
    from pdmlib.phases.scope import scope_of
    from pdmlib.site.site import Site
    from pdmlib.site.tables import Query
    from pdmlib.site.vendors import Postgres, Sources
    from pdmlib.sources.postgres.session import session
    from pdmlib.sources.postgres.snapshot import entries, gauges, statements, total_ms
    from pdmlib.sources.postgres.statement_plans import chosen, statement_plans
    from pdmlib.sources.postgres.timings import query_plans, query_timings
    from pdmlib.sources.postgres.visibility import ledger
    from pdmlib.storage.history import append

    site = Site(
        site="demo",
        title="Demo",
        time_zone="UTC",
        sources=Sources(
            postgres=Postgres(
                url_env=_URL, sslmode="disable", application_role="authenticated", application_claims=CLAIMS
            )
        ),
        queries=tuple(Query.model_validate(query) for query in CRITICAL),
        secrets={_URL: SecretStr(address)},
    )

    def look(at: datetime) -> None:
        def ignore(item: str, state: str, reason: str) -> None:
            """A gap of a look in the past is of no interest."""

        scope = scope_of(site.zone, phase_named("hour1"), at - timedelta(minutes=30), at)
        with session(site) as opened:
            timed = query_timings(opened, site, scope, ledger=ledger(opened, site), say=ignore)
            known = entries(opened, ignore)
            seen = {
                "statements": statements(known, at),
                "statement_plans": statement_plans(opened, at, chosen(known, total_ms(opened))),
                "database_gauges": gauges(opened, at, ignore),
                "query_plans": query_plans(timed, at),
            }
        append(folder, Collection(seen))

    return look


def adopt(source: Path, target: Path) -> None:
    """Adds what was kept in one history to another, before and after the time that the other covers itself."""
    from pdmlib.frames.collection import Collection
    from pdmlib.phases.window import Window
    from pdmlib.storage.history import KEPT, append, extent, recall

    everything = Window(moment(ms(START)), moment(ms(START) + 80 * DAY))
    found = recall(source, everything)
    for name, table in found.items():
        if covered := extent(target, name, everything):
            found[name] = table[~table[KEPT[name]].between(*covered)]
    append(target, Collection(found))
