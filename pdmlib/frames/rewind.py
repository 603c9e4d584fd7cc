"""The past as it was then: rows of later are left out, and what became of a row later is not known yet.

A column that says when something happened takes back what hangs on it. What has no such column cannot be
taken back; `TODAY` names it, so that the report says that it is as known today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pandas as pd

from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer


@dataclass(frozen=True)
class Later:
    """A column of times and what is taken back where it lies after the report's moment.

    Attributes:
        becomes: column -> what it was before that happened; None: not known.
    """

    column: str
    becomes: Mapping[str, Any] = field(default_factory=dict)


# When a row came to be: later rows are left out.
MADE: Mapping[str, str] = {
    "probes": "checked_at",
    "health_checks": "checked_at",
    "request_counts": "at",
    "latencies": "start",
    "route_hours": "at",
    "log_silences": "start",
    "error_counts": "start",
    "issues": "first_seen",
    "deployments": "created_at",
    "build_logs": "at",
    "cron_logs": "started_at",
    "feature_counts": "at",
    "activity": "start",
    "tickets": "created_at",
    "app_alerts": "at",
    "integration_checks": "at",
    "payments": "created_at",
    "disputes": "created_at",
    "webhook_events": "created_at",
    "vendor_errors": "at",
    "deployment_probes": "at",
    "messages": "created_at",
    "email_counts": "at",
    "host_metrics": "at",
    "query_plans": "at",
    "statements": "at",
    "statement_plans": "at",
    "waits": "at",
    "database_gauges": "at",
    "costs": "start",
}
# Our own looks are taken a little after the moment that they are for.
LOOKS = (
    *("probes", "health_checks", "host_metrics", "query_plans"),
    *("statements", "statement_plans", "waits", "database_gauges"),
)
_UNENDED = {"status": "started", "duration_ms": None, "error": None, "attempts": None}
LATER: Mapping[str, tuple[Later, ...]] = {
    "tickets": (Later("resolved_at", {"status": "open", "rating": None}),),
    "cron_logs": (Later("completed_at", _UNENDED),),
    "deployments": (
        Later("ready_at", {"state": "BUILDING", "error": None}),
        Later("live_at", {"move": None, "share_pct": None}),
    ),
    "issues": (Later("last_seen"),),
}
# What the vendors tell of now and keep no history of, by source.
TODAY: Mapping[str, str] = {
    "sentry": "the status and last event of issues",
    "stripe": "the status of payments and disputes and whether events were delivered",
    "twilio": "the status of messages",
}


def rewound(collection: Collection, as_of: datetime, looked_until: datetime, live: bool) -> Collection:
    """A collection as it was at a moment.

    Args:
        looked_until: until when our own looks belong to the moment.
        live: the sources were asked at that moment; else what cannot be taken back is said to be as known today.
    """
    frames = {
        name: _then(name, table, looked_until if name in LOOKS else as_of)
        for name, table in collection.frames.items()
    }
    coverage = collection.coverage
    if not live:
        coverage = tuple(replace(row, detail=_today(row.source, row.status, row.detail)) for row in coverage)
    return Collection(frames, coverage)


def _then(name: str, table: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    if name in MADE:
        made = table[MADE[name]]
        table = table[made.isna() | (made <= moment)]
    for later in LATER.get(name, ()):
        table = _taken_back(table, later, moment)
    return table.reset_index(drop=True)


def _taken_back(table: pd.DataFrame, later: Later, moment: datetime) -> pd.DataFrame:
    after = (table[later.column] > moment).fillna(False).astype(bool)
    if not after.any():
        return table
    back = {later.column: None, **later.becomes}
    was = {c: table[c].mask(after) if value is None else table[c].mask(after, value) for c, value in back.items()}
    return table.assign(**was)


def _today(source: str, status: Answer, detail: str | None) -> str | None:
    if source not in TODAY or not status.heard:
        return detail
    return "; ".join(filter(None, (f"as known today: {TODAY[source]}", detail)))
