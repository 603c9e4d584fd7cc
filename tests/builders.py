"""Small sites, scopes and cases for the tests of the analyses."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import Scope, scope_of
from pdmlib.site.site import SOURCE_NAMES, Site

DEPLOYED = datetime(2025, 3, 3, 15, tzinfo=UTC)
WEEK_LATER = DEPLOYED + timedelta(days=7)

Rows = Iterable[Mapping[str, Any]] | pd.DataFrame


def slowly(*values: Any) -> list[Any]:
    """Parameters that only the slow tests try: what differs most from them is tried each time."""
    return [pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow) for v in values]


def at(text: str) -> datetime:
    """A UTC time such as `2025-03-03T15:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_feature(name: str, **changes: Any) -> dict[str, Any]:
    """A feature's block of a site file."""
    block = {"name": name, "title": name.replace("_", " ").capitalize(), "kind": "create"}
    return {**block, "table": f"public.{name}", "time_column": "created_at", **changes}


def a_site(**changes: Any) -> Site:
    """A site in Chicago with every source, an uptime log, two cron jobs and two features."""
    tree: dict[str, Any] = {
        "site": "shop",
        "title": "Shop",
        "time_zone": "America/Chicago",
        "sources": {
            "app": {"base_url": "https://shop.example"},
            "sentry": {"organization": "shop", "project": "web", "trace_sample_rate": 0.05},
            "vercel": {"project": "prj_shop"},
            "supabase": {"metrics_url": "https://shop.example/metrics", "project_ref": "shopref"},
            "postgres": {},
            "stripe": {},
            "twilio": {"account_sid": "AC1"},
            "resend": {},
        },
        "uptime": {"table": "public.uptime_logs", "interval_s": 300},
        "cron": {
            "jobs": [
                {"name": "deliver", "schedule": "*/30 * * * *", "timeout_s": 300},
                {"name": "nightly", "schedule": "0 8 * * *", "timeout_s": 600},
            ]
        },
        "features": [
            a_feature("orders", targets={"week1": 50}),
            a_feature("sales", kind="convert", attempts="orders"),
        ],
        "tickets": {"table": "public.support_tickets"},
        "activity": {"sessions_table": "public.website_sessions"},
    }
    found = {**tree, **changes}
    used = {name: block for name, block in found["sources"].items() if name not in found.get("unused", ())}
    return Site.model_validate({**found, "sources": used})


def a_scope(
    site: Site | None = None,
    phase: str = "week1",
    deployed_at: datetime = DEPLOYED,
    as_of: datetime = WEEK_LATER,
) -> Scope:
    """The scope of a phase; a whole first week where nothing is said."""
    return scope_of((site or a_site()).zone, phase_named(phase), deployed_at, as_of)


def a_case(
    frames: Mapping[str, Rows] | None = None,
    phase: str = "week1",
    deployed_at: datetime = DEPLOYED,
    as_of: datetime = WEEK_LATER,
    coverage: Mapping[str, str] | None = None,
    site: Site | None = None,
) -> Case:
    """A case of a few rows.

    Args:
        frames: rows by name of frame; `gaps` among them.
        coverage: source -> status, where it is not ok; `absent` leaves the source out.
    """
    site = site or a_site()
    scope = a_scope(site, phase, deployed_at, as_of)
    said = dict.fromkeys(SOURCE_NAMES, "ok") | dict(coverage or {})
    answers = tuple(Coverage(name, Answer(status), 0, 0.1) for name, status in said.items() if status != "absent")
    tables = {name: frame(name, rows) for name, rows in (frames or {}).items()}
    return Case(site, scope, Collection(tables, answers), scope.window)


def a_gap(source: str, reason: str, item: str | None = None, state: str = "error") -> dict[str, Any]:
    """A row of `gaps`."""
    return {"source": source, "item": item, "state": state, "reason": reason}


def every(minutes: float, start: datetime, end: datetime) -> list[datetime]:
    """Moments from start, before end."""
    count = int((end - start) / timedelta(minutes=minutes) + 0.999999)
    return [start + timedelta(minutes=minutes * i) for i in range(count)]


def the_probes(
    minutes: float, start: datetime, end: datetime, down: Iterable[datetime] = (), target: str = "uptime_logs"
) -> list[dict[str, Any]]:
    """Probes of one target, `down` at the moments given and up at the others."""
    failed = set(down)
    moments = every(minutes, start, end)
    return [{"target": target, "checked_at": m, "status": "down" if m in failed else "up"} for m in moments]
