"""What times tell: how regular they are, the schedule that they follow, and the zone that they are written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from pdmlib.workbook.survey.guess import Guess

FEWEST_GAPS = 10  # fewer say nothing of a rhythm
CLOSE = 0.2  # of the median: a gap so near to it is regular; pingers wait for an answer, schedulers drift less
QUARTER_S = 900  # zones differ by whole quarters of an hour (Nepal is 5:45 ahead)
NIGHT = range(1, 6)  # hours of a day at which people sleep
BY_DAY = 0.5  # of an even share: a night with fewer rows than that shows that people make them
# The zone with most people of each offset, where nothing else tells.
POPULOUS = (
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/London",
    "Asia/Tokyo",
    "America/Denver",
    "Europe/Athens",
    "Europe/Istanbul",
    "Africa/Lagos",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Dhaka",
    "Asia/Jakarta",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Yangon",
    "Pacific/Auckland",
    "America/Halifax",
    "America/St_Johns",
    "America/Anchorage",
    "Pacific/Honolulu",
)


def interval(times: Sequence[float]) -> float | None:
    """Seconds between times that follow each other regularly: four of five gaps are close to it; else None."""
    ordered = sorted(set(times))
    gaps = [b - a for a, b in pairwise(ordered)]
    if len(gaps) < FEWEST_GAPS:
        return None
    middle = median(gaps)
    close = sum(abs(gap - middle) <= CLOSE * middle for gap in gaps)
    return middle if close >= 0.8 * len(gaps) else None


def schedule(minutes: Sequence[float], zone: str) -> Guess | None:
    """The five-field schedule that starts follow, in a zone; None where there is none, or too few to tell.

    Args:
        minutes: whole minutes as seconds since 1970, in order.
    """
    local = [datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)) for at in minutes]
    if len(local) < 2:
        return None
    found = _by_gap(local) or _by_clock(local)
    return Guess(found, f"from {len(local)} starts in the log") if found else None


def _by_gap(local: Sequence[datetime]) -> str | None:
    """Schedules of every few minutes or hours."""
    gaps = Counter(round((b - a) / timedelta(minutes=1)) for a, b in pairwise(local))
    step, times = gaps.most_common(1)[0]
    if len(local) < FEWEST_GAPS or times < 0.8 * sum(gaps.values()):
        return None
    minute = Counter(at.minute for at in local).most_common(1)[0][0]
    if step < 60 and 60 % step == 0:
        return f"*/{step} * * * *" if step > 1 and minute % step == 0 else "* * * * *" if step == 1 else None
    hours = step // 60
    if step % 60 or hours >= 24 or 24 % hours:
        return None
    first = Counter(at.hour % hours for at in local).most_common(1)[0][0]
    spread = f"*/{hours}" if first == 0 else f"{first}-23/{hours}"
    return f"{minute} * * * *" if hours == 1 else f"{minute} {spread} * * *"


def _by_clock(local: Sequence[datetime]) -> str | None:
    """Schedules at set times of a day: daily, on some weekdays, or on one day of the month."""
    minutes, hours = {at.minute for at in local}, sorted({at.hour for at in local})
    if len(minutes) > 1 or len(hours) > 6:
        return None
    clock = f"{local[0].minute} {','.join(map(str, hours))}"
    days = sorted({at.date() for at in local})
    span = (days[-1] - days[0]).days + 1
    weekdays = sorted({at.isoweekday() % 7 for at in local})
    if len(days) >= 0.8 * span and span >= 3:
        return f"{clock} * * *"
    if len({at.day for at in local}) == 1 and len(days) >= 2:
        return f"{clock} {local[0].day} * *"
    weeks = span / 7
    if len(days) >= 2 and len(weekdays) <= 5 and len(days) >= 0.6 * weeks * len(weekdays):
        return f"{clock} * * {'1-5' if weekdays == [1, 2, 3, 4, 5] else ','.join(map(str, weekdays))}"
    return None


def offset_of(zone: str, at: float) -> int:
    """Seconds by which a zone is ahead of UTC at a moment."""
    ahead = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return int((ahead or timedelta()).total_seconds())


def zone_at(offset: int, at: float, preferred: Sequence[str] = ()) -> str | None:
    """A zone that is so many seconds ahead of UTC: one of those preferred, UTC, else the one with most people."""
    return next((zone for zone in (*preferred, "UTC", *POPULOUS) if offset_of(zone, at) == offset), None)


def offset_from_twin(naive: Sequence[float | None], aware: Sequence[float | None]) -> int | None:
    """How far a column without zone is ahead of one with a zone of the same rows, where half of them agree."""
    pairs = [a - b for a, b in zip(naive, aware, strict=True) if a is not None and b is not None]
    quarters = Counter(round(d / QUARTER_S) for d in pairs if abs(d - QUARTER_S * round(d / QUARTER_S)) < 120)
    if len(pairs) < FEWEST_GAPS or not quarters:
        return None
    best, times = quarters.most_common(1)[0]
    return best * QUARTER_S if times >= 0.5 * len(pairs) and abs(best) <= 56 else None


def offset_from_newest(times: Sequence[float], now: float) -> int | None:
    """How far the newest of busy rows is ahead of the server's clock, by quarters of an hour; None: unsure."""
    ordered = sorted(times)[-200:]
    gaps = [b - a for a, b in pairwise(ordered)]
    if len(gaps) < FEWEST_GAPS or median(gaps) > QUARTER_S / 2:
        return None
    ahead = ordered[-1] - now
    offset = QUARTER_S * -(-(ahead - 30) // QUARTER_S)
    fresh = offset - ahead <= 2 * max(median(gaps), 60)
    return int(offset) if fresh and -12 * 3600 <= offset <= 14 * 3600 else None


def sleeps(hours: Sequence[int]) -> bool:
    """Whether rows by hour of the day show a night at all: some five hours have few."""
    total = sum(hours)
    return total >= 100 and _night(hours, _quietest(hours)) < BY_DAY * total * len(NIGHT) / 24


def _night(hours: Sequence[int], first: int) -> int:
    return sum(hours[(first + n) % 24] for n in range(len(NIGHT)))


def _quietest(hours: Sequence[int]) -> int:
    """The hour at which the quietest five hours begin."""
    return min(range(24), key=lambda first: _night(hours, first))


def offset_from_night(hours: Sequence[int]) -> int | None:
    """How far ahead of UTC people live who sleep from 1 to 6 and whose rows are counted by hours of UTC."""
    if not sleeps(hours):
        return None
    ahead = (NIGHT.start - _quietest(hours)) % 24
    return (ahead if ahead <= 14 else ahead - 24) * 3600


def fits_night(hours: Sequence[int], candidates: Sequence[str], home: str, at: float) -> str | None:
    """The candidate in which the stored hours leave the nights of a home zone quietest; None where none does."""
    if not sleeps(hours):
        return None

    def by_night(zone: str) -> int:
        shift = round((offset_of(home, at) - offset_of(zone, at)) / 3600)
        return sum(hours[(hour - shift) % 24] for hour in NIGHT)

    scored = sorted((by_night(zone), zone) for zone in dict.fromkeys(candidates))
    quiet = scored[0][0] < BY_DAY * sum(hours) * len(NIGHT) / 24
    is_clear = len(scored) < 2 or scored[0][0] <= 0.5 * scored[1][0]
    return scored[0][1] if quiet and is_clear else None
