"""Cron schedules as the moments that they make, and which job a path of the platform calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import groupby, islice, zip_longest
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pdmlib.phases.window import Window
from pdmlib.site.tables import Job

PERIODS = 2  # "never" needs a look back over at least so many periods of a schedule
ALIKE = 500  # slots compared: a year of daily ones; of those every minute a working day, to the minute
HALF_A_YEAR = timedelta(days=182)

Timed = tuple[str, str]
"""A schedule and the time zone that it is in."""


@lru_cache(maxsize=4096)
def expand(schedule: str, zone: str, window: Window) -> tuple[datetime, ...]:
    """The moments in a window at which a schedule is due in its own zone, and the first one after it.

    Over a change of the clock it does as cron: a job of a fixed hour runs once, one of every hour
    or minute runs with the time that passes.
    """
    found: list[datetime] = []
    for due in _following(schedule, zone, window.start):
        found.append(due)
        if due >= window.end:
            break
    return tuple(found)


def _following(schedule: str, zone: str, start: datetime) -> Iterator[datetime]:
    # Started within a repeated hour, the expansion would not know that the job has run already.
    for moment in CronSim(schedule, (start - timedelta(hours=3)).astimezone(ZoneInfo(zone))):
        due = moment.astimezone(UTC)
        if due >= start:
            yield due


def slots_of(job: Job, window: Window) -> tuple[datetime, ...]:
    """The moments in a window at which a job is due by any of its schedules, and the first one after it."""
    due = sorted({slot for schedule in job.schedules for slot in expand(schedule, job.time_zone, window)})
    inside = sum(slot < window.end for slot in due)
    return tuple(due[: inside + 1])


def periods_before(job: Job, moment: datetime) -> datetime:
    """A moment so early that two whole periods of each schedule of a job lie between it and the one given."""
    return min(_earlier(schedule, job.time_zone, moment) for schedule in job.schedules)


def _earlier(schedule: str, zone: str, moment: datetime) -> datetime:
    back = CronSim(schedule, moment.astimezone(ZoneInfo(zone)), reverse=True)
    return min((slot.astimezone(UTC) for slot in islice(back, PERIODS + 1)), default=moment)


def timed(job: Job) -> list[Timed]:
    """The schedules of a job, each with its zone."""
    return [(schedule, job.time_zone) for schedule in job.schedules]


def is_same(ours: Iterable[Timed], theirs: Iterable[Timed], near: datetime) -> bool:
    """Whether two sets of schedules make the same slots, in this season and half a year on.

    A stranger's schedule that is none is not the same as any.
    """
    one, other = frozenset(ours), frozenset(theirs)
    try:
        return all(_are_equal(one, other, start) for start in (near, near + HALF_A_YEAR))
    except CronSimError:
        return False


def _are_equal(one: frozenset[Timed], other: frozenset[Timed], start: datetime) -> bool:
    """Whether two sets of schedules make the same slots from a moment on; of the same ones the first tells."""
    alike = ALIKE if one != other else 1
    pairs = zip_longest(_slots(one, start), _slots(other, start))
    return all(ours == theirs for ours, theirs in islice(pairs, alike))


def _slots(schedules: frozenset[Timed], start: datetime) -> Iterator[datetime]:
    """The moments at which any of some schedules is due, each once."""
    due = merge(*(_following(text, zone, start) for text, zone in schedules))
    return (slot for slot, _ in groupby(due))


def names_in(path: str) -> list[str]:
    """What of a path may be a job's name: the values of its query, then its last part."""
    parts = urlsplit(path)
    return [*(value for _, value in parse_qsl(parts.query)), _last(parts.path)]


def end_of(path: str) -> str:
    """The last part of a path, with its query."""
    parts = urlsplit(path)
    return f"{_last(parts.path)}?{parts.query}" if parts.query else _last(parts.path)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
