"""The scope of a report: the windows that one phase looks at, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pdmlib.errors import CallError
from pdmlib.phases.phase import DAY, HOUR, INCIDENT, Phase
from pdmlib.phases.window import Day, Window, day_of, days_between, local_day

BASELINE = timedelta(days=28)
FRESH = timedelta(minutes=15)
# What began so shortly before a deployment's moment may be its own: traffic moves while somebody notes it.
ROLL_OUT = timedelta(minutes=5)
# What a window of at most so long is told in, as people say it; longer ones in days.
_PARTS = ((3 * HOUR, timedelta(minutes=1)), (DAY, HOUR))


@dataclass(frozen=True)
class Scope:
    """What one report looks at.

    Attributes:
        window: the part of the phase that has passed at `as_of`, half-open.
        full: the whole phase, which may lie partly in the future.
        baseline: the weeks before the deployment, never overlapping it.
        doubt: why the deployment is only supposed, None where it is known.
    """

    phase: Phase
    deployed_at: datetime
    as_of: datetime
    window: Window
    full: Window
    baseline: Window
    days: tuple[Day, ...]
    zone: ZoneInfo
    doubt: str | None = None

    @property
    def latest(self) -> Window:
        """The window's latest part, long enough for what happens seldom: jobs, issues, single routes."""
        return self.window.last(self.phase.latest)

    @property
    def present(self) -> Window:
        """The last hour of data: what alerts and decisions rest on, in every phase.

        What came after an incident's window decides whether it is over, and is its present.
        """
        return self.known.last(self.phase.present)

    @property
    def known(self) -> Window:
        """The window, and what is known of the time after an incident's: until then every source is read."""
        return Window(self.window.start, self.after.end) if self.phase.named_window else self.window

    def precedes(self, moment: datetime | None) -> bool:
        """Whether what began at a moment surely began before the deployment, and is none of its making."""
        return moment is not None and moment < self.deployed_at - ROLL_OUT

    @property
    def deployment_or_start(self) -> datetime:
        """From when on what piles up counts: the deployment, or the window's start where that is earlier."""
        return min(self.deployed_at, self.window.start)

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
        is asked for by itself: the window, its present, its latest part, the same length before it, the
        seven days before the deployment, and each day of `review_days` as far as it has passed.
        """
        ends = (self.window.end, self.as_of)
        days = (
            Window(d.window.start, min(d.window.end, max(ends)))
            for d in self.review_days
            if d.window.start < max(ends)
        )
        after = (self.after,) if self.after.seconds else ()
        now = (self.present, self.latest)
        return tuple(dict.fromkeys((self.window, *now, self.previous, self.before, *after, *days)))

    @property
    def visits(self) -> tuple[Window, ...]:
        """The intervals that distinct visitors are asked for: `spans`, and the window in each week before."""
        weeks = (self.window.days_earlier(days, self.zone) for days in range(7, BASELINE.days + 1, 7))
        inside = (w for w in weeks if self.baseline.start <= w.start and w.end <= self.baseline.end)
        return tuple(dict.fromkeys((*self.spans, *inside)))

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
        return self.as_of if self.phase.named_window else self.seen_at

    @property
    def days_done(self) -> int:
        """How many of the phase's days are over at `as_of`."""
        return sum(day.window.end <= self.as_of for day in self.days)

    @property
    def over(self) -> str:
        """How much of the phase is over, in words: of an hour its minutes, of a day its hours, else days."""
        unit = next((unit for longest, unit in _PARTS if self.full.seconds <= longest.total_seconds()), None)
        if unit is None:
            return f"{self.days_done} of {len(self.days)} days"
        name = "minutes" if unit < HOUR else "hours"
        return f"{(self.as_of - self.full.start) // unit} of {timedelta(seconds=self.full.seconds) // unit} {name}"

    @property
    def so_far(self) -> str:
        """How much of the phase has come, in words: `4 of 7 days, the last not over`, `40 of 60 minutes`."""
        if self.full.seconds <= DAY.total_seconds():
            return self.over
        begun = sum(day.window.start < self.as_of for day in self.days)
        return f"{begun} of {len(self.days)} days" + (", the last not over" if self.days_done < begun else "")

    @property
    def complete(self) -> bool:
        """Whether the whole phase has passed."""
        return self.as_of >= self.full.end


def incident_scope(
    zone: ZoneInfo, deployed_at: datetime, window: Window, as_of: datetime, full: Window | None = None
) -> Scope:
    """The scope of an incident: the window that a person names, whatever was deployed when.

    Args:
        full: the window as it was named, where a part of it lies in the future.
    """
    full, end = full or window, min(deployed_at, window.start)
    days = days_between(day_of(full.start, zone).date, day_of(full.end, zone).date, zone)
    return Scope(
        INCIDENT,
        deployed_at,
        as_of,
        window=window,
        full=full,
        baseline=Window(end - BASELINE, end),
        days=days,
        zone=zone,
    )


def scope_of(zone: ZoneInfo, phase: Phase, deployed_at: datetime, as_of: datetime) -> Scope:
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
    days = _days(zone, phase, deployed_at, full)
    baseline_end = min(deployed_at, window.start)
    return Scope(
        phase,
        deployed_at,
        as_of,
        window=window,
        full=full,
        baseline=Window(baseline_end - BASELINE, baseline_end),
        days=days,
        zone=zone,
    )


def _days(zone: ZoneInfo, phase: Phase, deployed_at: datetime, full: Window) -> tuple[Day, ...]:
    if phase.rolling:
        last = day_of(full.end - timedelta(seconds=1), zone).date
        count = max(1, round(phase.length / DAY))
        return days_between(last - timedelta(days=count - 1), last, zone)
    first = day_of(deployed_at, zone).date
    count = max(1, round(phase.length / DAY))
    return tuple(local_day(first + timedelta(days=i), zone) for i in range(count))
