"""Sentry's monitors, where the application keeps no table: checks of its uptime, check-ins of its cron jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.understanding import Vocabulary
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.site import Site
from pdmlib.site.tables import Job
from pdmlib.sources import threads
from pdmlib.sources.fields import entries
from pdmlib.sources.sentry_api import PAGE, Project
from pdmlib.sources.specifications import sentry as said

PAGES = 20
LOG = "uptime_logs"  # what the probes of the application's own table are called
COLUMNS = ("timestamp", "check_status", "check_duration_us", "status_reason_type")
FIRST = "request_sequence:0"  # of a check that was redirected, each request is a row
UP = Vocabulary({"up": ["success"], "down": ["failure"]})
ENDED = {"ok": "completed", "error": "failed"}
NOT_TAKEN = "Sentry takes no check-in of it, so that nobody knows whether its job runs"
HOUR = timedelta(hours=1)


def parts_of(project: Project, site: Site, scope: Scope) -> list[threads.Part]:
    """What the site file says to read here: frames `probes` and `cron_logs`."""
    parts: list[threads.Part] = []
    if site.uptime is not None and site.uptime.in_sentry:
        # A day before the window tells when what lasts began; more would be a request a day.
        early = scope.before.start if scope.phase.named_window else scope.window.start - DAY
        start = min(scope.previous.start, early)
        days = threads.pieces(Window(start, min(scope.as_of, scope.known.end + HOUR)), DAY)
        parts += [("uptime", partial(_checks, project, day)) for day in days]
    if site.cron is not None and site.cron.in_sentry:
        parts.append(("check_ins", partial(_runs, project, site.cron.expected, scope)))
    return parts


def _checks(project: Project, window: Window) -> threads.Frames:
    """Checks of a day; one that Sentry left out is no probe."""
    rows, whole = project.table("uptime_results", FIRST, COLUMNS, window, PAGES, sort="timestamp")
    if not whole or len(rows) >= PAGE * PAGES:
        raise SourceError("sentry", f"more than {PAGE * PAGES} checks a day, or only a part was scanned")
    found = [
        {
            "target": LOG,
            "checked_at": check.at,
            "status": UP.of(check.status),
            "response_ms": None if check.duration is None else check.duration / 1000,
            "detail": check.reason,
        }
        for check in said.Check.each(rows, project.unclear)
        if check.at is not None and check.status not in ("missed_window", "disallowed_by_robots")
    ]
    return {"probes": frame("probes", found)}


def _runs(project: Project, jobs: Sequence[Job], scope: Scope) -> threads.Frames:
    """Runs of the expected jobs, from two days before the window, which tell a job that was late."""
    names = {name for job in jobs for name in (job.name, *job.aliases)}
    pages = project.pages("monitors", project.asked(), PAGES)
    listed = said.Monitor.each([one for page in pages for one in entries("sentry", page)], project.unclear)
    mine = {one.slug: one.status for one in listed if one.slug in names}
    start = scope.window.start - 2 * DAY
    calls = [partial(_of_monitor, project, slug, start) for slug in mine if slug]
    rows = [row for found in threads.all_of(calls) for row in found]
    off = [slug for slug, status in mine.items() if status == "disabled"]
    settings = frame("cron_settings", [{"job": slug, "enabled": False} for slug in off])
    lost = threads.gaps(
        "sentry", {f"check_ins:{slug}": f"the monitor {slug} is disabled: {NOT_TAKEN}" for slug in off}
    )
    return {"cron_logs": frame("cron_logs", rows), "cron_settings": settings, **(lost if off else {})}


def _of_monitor(project: Project, slug: str, start: datetime) -> list[dict[str, Any]]:
    """Runs of one job, newest first, back to a moment."""
    found: list[dict[str, Any]] = []
    for page in project.pages(f"monitors/{slug}/checkins", (), PAGES):
        seen = said.CheckIn.each(entries("sentry", page), project.unclear)
        mine = [one for one in seen if one.environment == project.block.environment]
        found += [row for one in mine for row in _run(slug, one)]
        if any(one.added is not None and one.added < start for one in seen):
            break
    return found


def _run(slug: str, one: said.CheckIn) -> Iterator[dict[str, Any]]:
    """A run; one that was missed is none, and one that ran out of time never told its end."""
    if one.status == "missed" or one.added is None:
        return
    took = timedelta(milliseconds=one.duration or 0)
    began = one.began or one.added - took
    ended = one.status in ENDED or one.status is None
    yield {
        "job": slug,
        "started_at": began,
        "completed_at": began + took if ended and one.duration is not None else one.added if ended else None,
        "status": ENDED.get(one.status, "started") if one.status else None,
        "duration_ms": one.duration,
        "error": "it checked in with an error" if one.status == "error" else None,
    }
