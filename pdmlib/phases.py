"""The phases of the guide: which window each looks at, how often, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pdmlib.errors import CallError
from pdmlib.site import Site
from pdmlib.window import Day, Window, day_of, days_between, local_day

BASELINE = timedelta(days=28)
FRESH = timedelta(minutes=15)


@dataclass(frozen=True)
class Phase:
    """One phase: a row of the guide's timeline.

    Attributes:
        length: of the window since the deployment, or back from the as-of time for rolling phases.
        latest: length of the window's latest part, on which alerts fire.
        cadence: how often `watch` collects.
    """

    name: str
    title: str
    question: str
    length: timedelta
    rolling: bool
    latest: timedelta
    cadence: timedelta
    next_check: timedelta
    checklist: tuple[str, ...] = ()

    @property
    def looks(self) -> int:
        """How often growing data are judged: at each collection of the first hour, else once."""
        return round(self.length / self.cadence) if self.name == "hour1" else 1


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

PHASES: tuple[Phase, ...] = (
    Phase(
        "hour1",
        "1-Hour Post-Deployment Report",
        "Is the deployment safe to leave running?",
        HOUR,
        False,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=10),
    ),
    Phase(
        "day1",
        "24-Hour Post-Deployment Report",
        "Did the deployment survive its first day?",
        DAY,
        False,
        HOUR,
        timedelta(minutes=30),
        timedelta(hours=1),
    ),
    Phase(
        "daily",
        "Daily Monitoring",
        "Is anything different from the last seven days?",
        DAY,
        True,
        DAY,
        timedelta(hours=8),
        timedelta(hours=8),
    ),
    Phase(
        "week1",
        "Week 1 Post-Deployment Summary",
        "Was the deployment a success?",
        7 * DAY,
        False,
        DAY,
        timedelta(hours=8),
        DAY,
    ),
    Phase(
        "weekly-review",
        "Weekly Review",
        "What changed this week, and what do we do about it?",
        7 * DAY,
        True,
        DAY,
        DAY,
        7 * DAY,
    ),
    Phase(
        "month1",
        "Month 1 Comprehensive Review",
        "Does the system meet its targets, and how long will it hold?",
        30 * DAY,
        False,
        DAY,
        DAY,
        7 * DAY,
    ),
    Phase(
        "ongoing",
        "Ongoing Operations",
        "Is operation normal today and this week?",
        7 * DAY,
        True,
        DAY,
        DAY,
        DAY,
    ),
)


EXTRAS: tuple[Phase, ...] = (
    Phase(
        "database", "Database Analysis", "Which query did the deployment break?", 30 * DAY, False, DAY, DAY, DAY
    ),
    Phase(
        "dashboard",
        "Monitoring Dashboard",
        "How is it right now?",
        DAY,
        True,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=5),
    ),
    Phase(
        "incident",
        "Incident Report",
        "What happened, whom did it hit, and is it over?",
        HOUR,
        False,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=15),
    ),
)


AFTER_HOUR1 = tuple(phase.name for phase in (*PHASES, *EXTRAS) if phase.name != "hour1")


def phase_named(name: str) -> Phase:
    """The phase of that name.

    Raises:
        CallError: there is none.
    """
    for phase in (*PHASES, *EXTRAS):
        if phase.name == name:
            return phase
    raise CallError(f"phase {name!r} is not one of {', '.join(p.name for p in (*PHASES, *EXTRAS))}")


def phase_at(deployed_at: datetime, moment: datetime) -> Phase:
    """The phase that a site is in: the shortest since the deployment that is not over, else `ongoing`."""
    since = sorted((p for p in PHASES if not p.rolling), key=lambda p: p.length)
    return next((p for p in since if moment < deployed_at + p.length), phase_named("ongoing"))


@dataclass(frozen=True)
class Scope:
    """What one report looks at.

    Attributes:
        window: the part of the phase that has passed at `as_of`, half-open.
        full: the whole phase, which may lie partly in the future.
        baseline: the weeks before the deployment, never overlapping it.
    """

    phase: Phase
    deployed_at: datetime
    as_of: datetime
    window: Window
    full: Window
    baseline: Window
    days: tuple[Day, ...]
    zone: ZoneInfo

    @property
    def latest(self) -> Window:
        """The window's latest part, on which alerts fire."""
        return self.window.last(self.phase.latest)

    @property
    def before(self) -> Window:
        """The seven days before the deployment."""
        return self.baseline.last(7 * DAY)

    @property
    def previous(self) -> Window:
        """The stretch of the same length just before the window."""
        return self.window.shifted(-(self.window.end - self.window.start))

    @property
    def near_from(self) -> datetime:
        """Where the windows begin that are looked at closely; the weeks before only tell what is usual."""
        return min(self.before.start, self.previous.start)

    @property
    def review_days(self) -> tuple[Day, ...]:
        """The phase's days and the seven before them: the days that get a row of their own."""
        zone = self.zone
        first, last = self.days[0].date, self.days[-1].date
        return days_between(first - timedelta(days=7), last, zone)

    @property
    def spans(self) -> tuple[Window, ...]:
        """The intervals for which a source gives percentiles and distinct counts of their own.

        Percentiles and distinct counts cannot be added up, so each interval that a report names
        is asked for by itself: the window, its latest part, the same length before it, the seven
        days before the deployment, and each day of `review_days` as far as it has passed.
        """
        ends = (self.window.end, self.as_of)
        days = (
            Window(d.window.start, min(d.window.end, max(ends)))
            for d in self.review_days
            if d.window.start < max(ends)
        )
        after = (self.after,) if self.after.seconds else ()
        return tuple(dict.fromkeys((self.window, self.latest, self.previous, self.before, *after, *days)))

    @property
    def after(self) -> Window:
        """What has passed since the window's end, at most its own length; empty when it ends now."""
        end = min(self.window.end + (self.window.end - self.window.start), max(self.as_of, self.window.end))
        return Window(self.window.end, end)

    @property
    def seen_at(self) -> datetime:
        """For when what is seen live is evidence: now, or the window's end when that is long past."""
        return self.as_of if self.as_of - self.window.end <= self.phase.latest else self.window.end

    @property
    def looked_until(self) -> datetime:
        """Until when a look at the database belongs to the report: it is taken a little after its moment."""
        return self.seen_at + FRESH

    @property
    def asked_at(self) -> datetime:
        """As of when stand-ins of vendors answer: an incident is compared with what came after it."""
        return self.as_of if self.phase.name == "incident" else self.seen_at

    @property
    def days_done(self) -> int:
        """How many of the phase's days are over at `as_of`."""
        return sum(day.window.end <= self.as_of for day in self.days)

    @property
    def so_far(self) -> str:
        """Which of the phase's days have come, in words: `4 of 7 days, the last not over`."""
        begun = sum(day.window.start < self.as_of for day in self.days)
        return f"{begun} of {len(self.days)} days" + (", the last not over" if self.days_done < begun else "")

    @property
    def complete(self) -> bool:
        """Whether the whole phase has passed."""
        return self.as_of >= self.full.end


def incident_scope(site: Site, deployed_at: datetime, window: Window, as_of: datetime) -> Scope:
    """The scope of an incident: the window that a person names, whatever was deployed when."""
    phase = phase_named("incident")
    end = min(deployed_at, window.start)
    days = days_between(day_of(window.start, site.zone).date, day_of(window.end, site.zone).date, site.zone)
    return Scope(phase, deployed_at, as_of, window, window, Window(end - BASELINE, end), days, site.zone)


def scope_of(site: Site, phase: Phase, deployed_at: datetime, as_of: datetime) -> Scope:
    """The windows of a phase at a moment.

    The days of a phase are the deployment's local day and those after it, so that Day 1 is the
    rest of the day of the deployment.

    Raises:
        CallError: as_of lies before the deployment.
    """
    if as_of <= deployed_at and not phase.rolling:
        raise CallError(f"as-of {as_of.isoformat()} is not after the deployment {deployed_at.isoformat()}")
    start = as_of - phase.length if phase.rolling else deployed_at
    full = Window(start, start + phase.length)
    window = Window(start, min(full.end, as_of))
    days = _days(site, phase, deployed_at, full)
    baseline_end = min(deployed_at, window.start)
    return Scope(
        phase, deployed_at, as_of, window, full, Window(baseline_end - BASELINE, baseline_end), days, site.zone
    )


def _days(site: Site, phase: Phase, deployed_at: datetime, full: Window) -> tuple[Day, ...]:
    if phase.rolling:
        last = day_of(full.end - timedelta(seconds=1), site.zone).date
        count = max(1, round(phase.length / DAY))
        return days_between(last - timedelta(days=count - 1), last, site.zone)
    first = day_of(deployed_at, site.zone).date
    count = max(1, round(phase.length / DAY))
    return tuple(local_day(first + timedelta(days=i), site.zone) for i in range(count))
