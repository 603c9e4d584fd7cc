"""What a report asks for: its scope, its sources and its history. Light: what starts first imports this."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from pdmlib.errors import CallError, SourceError
from pdmlib.phases import Scope, incident_scope, phase_named, scope_of
from pdmlib.site import Site
from pdmlib.window import Window, now, parse_time

if TYPE_CHECKING:
    from pdmlib.frames import Collection


def incident_scope_for(site: Site, start: str, end: str, as_of: str = "", deployed_at: str = "") -> Scope:
    """The scope of an incident report."""
    moment = moment_of(site, as_of)
    deployed = _deployment(site, moment, deployed_at)
    window = Window(parse_time(start), min(parse_time(end), moment) if end else moment)
    return incident_scope(site, deployed, window, moment)


def span_of(alert: str, site: Site, out: Path) -> tuple[str, str]:
    """Start and end of an alert or incident of the site's latest reports, ISO times; no end: still so.

    Raises:
        CallError: no latest report knows the id.
    """
    known: dict[str, tuple[str, str]] = {}
    for path in sorted((out / site.site).glob("*/latest/report.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        known |= {row["id"]: (row["since"] or content["window"]["start"], "") for row in content["alerts"]}
        for row in content["tables"].get("incidents", []):
            known[f"incident:{row['start']}"] = (row["start"], row["end"] or "")
    if alert not in known:
        raise CallError(
            f"--alert: {alert!r} is not in the latest reports; they know {', '.join(sorted(known)) or 'none'}"
        )
    return known[alert]


def scope_for(site: Site, phase: str, as_of: str = "", deployed_at: str = "") -> Scope:
    """The scope of a phase; the deployment is the site file's, else the platform's newest one.

    Raises:
        CallError: no deployment is known, or as-of lies before it.
    """
    moment = moment_of(site, as_of)
    return scope_of(site, phase_named(phase), _deployment(site, moment, deployed_at), moment)


def moment_of(site: Site, as_of: str) -> datetime:
    """The moment to look from: as asked, else now, or the demo's own clock."""
    return parse_time(as_of) if as_of else site.demo.clock if site.demo else now()


def _deployment(site: Site, moment: datetime, deployed_at: str) -> datetime:
    known = parse_time(deployed_at) if deployed_at else site.deployed_at or _newest(site, moment)
    if known is None:
        raise CallError(f"{site.file}: deployed_at: not given, and the platform knows no production deployment")
    return known


def _newest(site: Site, moment: datetime) -> datetime | None:
    if site.source("vercel") is None:
        return None
    from pdmlib.sources import vercel

    return vercel.newest_deployment(site, moment)


def gather(
    site: Site, scope: Scope, out: Path, on_progress: Callable[[str, str], None] | None = None
) -> Collection:
    """What the sources answer now, together with the site's history of the same weeks."""
    from pdmlib.sources import collect

    collected = _with_requests(collect(site, scope, on_progress=on_progress), site, scope, out)
    return with_past(collected, site, scope, out)


def with_past(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """A collection together with the site's history of the weeks that a scope looks at."""
    from pdmlib import history

    span = Window(scope.baseline.start, scope.as_of)
    needed = history.Needed(scope.near_from, (scope.deployed_at, scope.looked_until))
    return history.with_history(collected, history_folder(site, out), span, needed)


def _with_requests(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """A collection with what the site's own request logs tell of the same windows."""
    if site.requests is None:
        return collected
    from pdmlib import requests
    from pdmlib.frames import Collection, Coverage, frame, merge

    started = monotonic()
    try:
        found = requests.collect(site, scope, requests_folder(site, out))
    except SourceError as error:
        row = Coverage("requests", "failed", 0, round(monotonic() - started, 2), error.reason)
        return Collection(collected.frames, (*collected.coverage, row))
    gaps = found.get("gaps", frame("gaps"))
    whole = gaps[gaps["item"].isna()]
    status = "failed" if len(whole) else "partial" if len(gaps) else "ok"
    detail = "; ".join(gaps["reason"].head(3)) or None
    rows = sum(len(table) for name, table in found.items() if name != "gaps")
    row = Coverage("requests", status, rows, round(monotonic() - started, 2), detail)
    return Collection(merge((collected.frames, found)), (*collected.coverage, row))


def requests_folder(site: Site, out: Path) -> Path:
    """Where a site's raw requests are kept, unless its file says otherwise."""
    return out / site.site / "requests"


def looking_scope(site: Site, as_of: str = "", deployed_at: str = "") -> Scope:
    """The scope of one collection: the last day, whether a deployment is known yet or not."""
    moment = moment_of(site, as_of)
    try:
        deployed = _deployment(site, moment, deployed_at)
    except (CallError, SourceError):
        deployed = moment - timedelta(days=1)
    return scope_of(site, phase_named("daily"), deployed, moment)


def history_folder(site: Site, out: Path) -> Path:
    """Where a site's history lies; a demo keeps one for each scenario."""
    if site.history:
        return Path(site.history)
    return out / site.site / (f"history-{site.demo.scenario}" if site.demo else "history")
