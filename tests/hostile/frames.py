"""Cases of rows that no source would make: infinite, huge, null, unknown words, texts, times out of order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.phases.phase import PHASES
from pdmlib.site.site import GUIDE_SOURCES
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_site
from tests.hostile.texts import TEXTS

SITE = a_site()
# Words that the analyses know, so that a row comes past the first look at it; most columns take several.
WORDS = (
    *(
        "up",
        "down",
        "degraded",
        "started",
        "completed",
        "failed",
        "success",
        "error",
        "fatal",
        "succeeded",
        "pending",
    ),
    *("uptime_logs", "/api/health", "deliver", "nightly", "orders", "sales", "database", "memory", "redis"),
    *(
        "vercel",
        "stripe",
        "twilio",
        "resend",
        "sentry",
        "postgres",
        "supabase",
        "app",
        "site",
        "requests",
        "database",
    ),
    *(
        "production",
        "READY",
        "ERROR",
        "deployment",
        "rollback",
        "promotion",
        "delivered",
        "undelivered",
        "outbound-api",
    ),
    *(
        "webhook",
        "domain",
        "account",
        "service",
        "quota",
        "call",
        "customer",
        "ours",
        "open",
        "closed",
        "bug",
        "P0",
    ),
    *(
        "cpu_idle_s",
        "cpu_all_s",
        "memory_pct",
        "disk_used_bytes",
        "disk_size_bytes",
        "connections",
        "max_connections",
    ),
    *(
        "db_up",
        "queries_total",
        "db_size_bytes",
        "cache_hit",
        "deadlocks",
        "stats_reset",
        "schema",
        "bytes",
        "count",
    ),
    *("monitor", "application", "pass", "warn", "fail", "info", "unknown", "full", "denied", "usd", "eur", "high"),
    *("{}", '{"Node Type": "Seq Scan"}', "SELECT 1", "2025-03-04T10:00:00Z"),
)
NUMBERS = (0, 1, 2, 3, 5, 60, 100, 200, 404, 500, 503, 300.0, 0.5, 99.9, 1e6)
ODD_NUMBERS = (float("inf"), float("-inf"), float("nan"), 1e308, -1e308, 2**63, -1, 1e-320, 10**19, None)
SPAN_S = int(timedelta(days=45).total_seconds())


def odd_case(chance: Random) -> Case:
    """A case of a phase, whose frames have some rows each that mean something and many that do not."""
    phase = chance.choice(PHASES).name
    known = sorted(SCHEMAS.keys() - {"not_understood"})  # made by us alone, and never with nothing in it
    names = chance.sample(known, chance.randint(1, len(known)))
    oddity = chance.choice((0.0, 0.05, 0.3))
    frames = {name: _rows(chance, SCHEMAS[name].columns, oddity) for name in names}
    base = a_case(phase=phase, deployed_at=DEPLOYED, as_of=WEEK_LATER, site=SITE)
    answers = tuple(
        Coverage(name, chance.choice((Answer.OK, Answer.OK, Answer.PARTIAL, Answer.FAILED)), 1, 0.1)
        for name in GUIDE_SOURCES
    )
    tables = {name: frame(name, rows) for name, rows in frames.items()}
    return Case(SITE, base.scope, Collection(tables, answers), base.scope.window)


def _rows(chance: Random, columns: Mapping[str, str], oddity: float) -> list[dict[str, Any]]:
    empty = {name for name in columns if chance.random() < 0.1}
    few = {name: chance.sample(WORDS, 3) for name in columns}
    return [
        {n: None if n in empty else _value(chance, kind, few[n], oddity) for n, kind in columns.items()}
        for _ in range(chance.choice((1, 2, 8, 40)))
    ]


def _value(chance: Random, kind: str, few: list[str], oddity: float) -> Any:
    odd = chance.random() < oddity
    if kind == "time":
        moment = WEEK_LATER + timedelta(days=9) - timedelta(seconds=chance.randrange(SPAN_S))
        return None if odd else moment.replace(minute=chance.choice((0, 5, 30)), second=0)
    if kind in ("int", "float"):
        return chance.choice(ODD_NUMBERS if odd else NUMBERS)
    if kind == "bool":
        return None if odd else chance.random() < 0.5
    return chance.choice((*TEXTS.values(), None)) if odd else chance.choice(few)
