"""The scope of a report: from what a person asks, a site file says and the platform knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from pdmlib.errors import CallError, SourceError
from pdmlib.phases.phase import DAILY, DAY, phase_named
from pdmlib.phases.scope import Scope, incident_scope, scope_of
from pdmlib.phases.window import Window, iso, now, parse_time
from pdmlib.site.site import Site
from pdmlib.storage.reports import last_deployment, read_json

# The clock of who asks may run a little ahead of this machine's.
CLOCKS_APART = timedelta(minutes=1)
# Of a window that a person names: a year and a month, so that two Christmases fit. The plans of most vendors keep
# less; a year of the demo takes half a minute to read, and a thousand years had no end.
LONGEST = timedelta(days=400)


def incident_scope_for(
    site: Site, start: str, end: str, as_of: str = "", deployed_at: str = "", out: Path | None = None
) -> Scope:
    """The scope of an incident report, about the deployment that was live when it began; `out` as for `scope_for`.

    An outage needs no deployment: where none is known, one a day before is supposed, and the scope says so. Of a
    window that is not over, what has passed is looked at, and the report says how much of it that is.

    Raises:
        CallError: the window is empty, has not begun, ends before it starts, or is longer than `LONGEST`.
    """
    moment = moment_of(site, as_of)
    full = _asked(start, end, moment)
    window = Window(full.start, min(full.end, moment))
    try:
        deployed, doubt = _known_or_supposed(site, window.start, deployed_at, out=out, length=DAY)
    except CallError as error:
        if deployed_at:
            raise
        deployed, doubt = window.start - DAY, str(error)
    return replace(incident_scope(site.zone, deployed, window, moment, full=full), doubt=doubt)


def _asked(start: str, end: str, moment: datetime) -> Window:
    """The window that a person names, as one that can be looked at."""
    full = Window(parse_time(start), parse_time(end) if end else max(moment, parse_time(start)))
    if full.start >= moment and (not end or full.end > moment):
        raise CallError(f"the window starts at {iso(full.start)}, which lies in the future: it is {iso(moment)}")
    if not full.seconds:
        raise CallError(f"the window is empty: it ends when it starts, at {iso(full.start)}")
    if full.end - full.start > LONGEST:
        days = (full.end - full.start).days
        raise CallError(f"the window is {days:,} days long; at most {LONGEST.days} can be looked at in one report")
    return full


def span_of(alert: str, site: Site, out: Path) -> tuple[str, str]:
    """Start and end of an alert or incident of the site's latest reports, ISO times; no end: still so.

    Raises:
        CallError: no latest report knows the id.
    """
    known: dict[str, tuple[str, str]] = {}
    for path in sorted((out / site.site).glob("*/latest/report.json")):
        content = read_json(path)
        if content is None:
            continue
        known |= {row["id"]: (row["since"] or content["window"]["start"], "") for row in content["alerts"]}
        for row in content["tables"].get("incidents", []):
            known[f"incident:{row['start']}"] = (row["start"], row["end"] or "")
    if alert not in known:
        raise CallError(
            f"--alert: {alert!r} is not in the latest reports; they know {', '.join(sorted(known)) or 'none'}"
        )
    return known[alert]


def scope_for(site: Site, phase: str, as_of: str = "", deployed_at: str = "", out: Path | None = None) -> Scope:
    """The scope of a phase; the deployment is the site file's, else the platform's newest one.

    Args:
        out: folder of the outputs. Given, a platform that does not answer ends no report: the deployment that the
            last report judged is supposed, else one when the phase would have begun, and the scope says so.

    Raises:
        CallError: no deployment is known, or as-of lies before it.
        SourceError: the platform does not answer, and `out` is not given.
    """
    moment, named = moment_of(site, as_of), phase_named(phase)
    deployed, doubt = _known_or_supposed(site, moment, deployed_at, out=out, length=named.length)
    return replace(scope_of(site.zone, named, deployed, moment), doubt=doubt)


def _known_or_supposed(
    site: Site, moment: datetime, deployed_at: str, out: Path | None, length: timedelta
) -> tuple[datetime, str | None]:
    """The deployment, or the one supposed and why."""
    try:
        return _deployment(site, moment, deployed_at), None
    except SourceError as error:
        if out is None:
            raise
        last = last_deployment(out / site.site)
        supposed = last if last is not None and last < moment else moment - length
        return supposed, f"the platform does not say when the deployment was ({error.reason})"


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
