"""The scope of a report: from what a person asks, a site file says and the platform knows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from pdmlib.errors import CallError, SourceError
from pdmlib.phases.phase import DAILY, phase_named
from pdmlib.phases.scope import Scope, incident_scope, scope_of
from pdmlib.phases.window import Window, iso, now, parse_time
from pdmlib.site.site import Site

# The clock of who asks may run a little ahead of this machine's.
CLOCKS_APART = timedelta(minutes=1)


def incident_scope_for(site: Site, start: str, end: str, as_of: str = "", deployed_at: str = "") -> Scope:
    """The scope of an incident report."""
    moment = moment_of(site, as_of)
    deployed = _deployment(site, moment, deployed_at)
    window = Window(parse_time(start), min(parse_time(end), moment) if end else moment)
    return incident_scope(site.zone, deployed, window, moment)


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
    return scope_of(site.zone, phase_named(phase), _deployment(site, moment, deployed_at), moment)


def moment_of(site: Site, as_of: str) -> datetime:
    """The moment to look from: as asked, else now, or the demo's own clock.

    Raises:
        CallError: it has not come yet, so nothing can be known of it.
    """
    if not as_of:
        return site.demo.clock if site.demo else now()
    moment = parse_time(as_of)
    if site.demo is None and moment > now() + CLOCKS_APART:
        raise CallError(f"as-of {iso(moment)} has not come yet: it is {iso(now())}")
    return moment


def _deployment(site: Site, moment: datetime, deployed_at: str) -> datetime:
    """The deployment that a report of a moment is about.

    As asked; else the newest at or before the moment of those that the site file names and, where it has no
    `deployed_at`, the platform knows. The others are its rivals.
    """
    if deployed_at:
        return parse_time(deployed_at)
    known = [at for at in (declared_at(site, moment),) if at is not None]
    if site.deployed_at is None:
        known += _from_platform(site, moment, needed=not known)
    if not known:
        raise CallError(f"{site.file}: deployed_at: not given, and the platform knows no production deployment")
    return max((at for at in known if at <= moment), default=known[0])


def declared_at(site: Site, moment: datetime) -> datetime | None:
    """The newest deployment of the site file at or before a moment; the first where all are later."""
    known = [deployment.at for deployment in site.declared]
    return max((at for at in known if at <= moment), default=min(known, default=None))


def _from_platform(site: Site, moment: datetime, needed: bool) -> list[datetime]:
    """The platform's newest deployment; one that does not answer matters only where nothing else is known."""
    try:
        newest = _newest(site, moment)
    except SourceError:
        if needed:
            raise
        return []
    return [newest] if newest else []


def _newest(site: Site, moment: datetime) -> datetime | None:
    if site.source("vercel") is None:
        return None
    from pdmlib.sources.vercel import moves

    return moves.newest_deployment(site, moment)


def looking_scope(site: Site, as_of: str = "", deployed_at: str = "") -> Scope:
    """The scope of one collection: the last day, whether a deployment is known yet or not."""
    moment = moment_of(site, as_of)
    try:
        deployed = _deployment(site, moment, deployed_at)
    except (CallError, SourceError):
        deployed = moment - timedelta(days=1)
    return scope_of(site.zone, DAILY, deployed, moment)
