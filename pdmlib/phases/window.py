"""Time: half-open UTC windows, local days, and the only clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pdmlib.errors import CallError, Spelt


def now() -> datetime:
    """The present moment in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as UTC.

    Raises:
        CallError: not an ISO time, or one without its zone, which is nowhere taken for UTC in silence.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CallError(f"{text!r} is not an ISO time such as 2025-03-10T15:00:00Z") from None
    if moment.tzinfo is None:
        raise CallError(
            f"{text!r} has no zone; write a time such as 2025-03-10T15:00:00Z or 2025-03-10T09:00-06:00"
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise CallError(f"{text!r} lies outside the years 1 to 9999 in UTC") from None


def comes_twice(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock of a zone shows the same time again an hour before or after: summer time ends."""
    local = moment.astimezone(zone).replace(tzinfo=None)
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and first > second


def iso(moment: datetime) -> str:
    """A UTC time as `2025-03-10T15:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def spoken(moment: datetime, zone: tzinfo) -> str:
    """A time in a sentence, as a person of the site says it: `Mon 10 Mar 10:00 CDT`."""
    return f"{moment.astimezone(zone):%a %-d %b %H:%M %Z}"


def spoken_day(day: date) -> str:
    """A day in a sentence: `Mon 10 Mar`."""
    return f"{day:%a %-d %b}"


def stamp(moment: datetime) -> str:
    """A UTC time as a name of a file or folder, `20250310T150000Z`; names sort as their times."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True)
class Window(Spelt):
    """A half-open span of time `[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise CallError("a window needs times with a zone")
        if self.end < self.start:
            raise CallError(f"the window ends ({iso(self.end)}) before it starts ({iso(self.start)})")

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return (self.end - self.start).total_seconds()

    @property
    def minutes(self) -> float:
        """Its length in minutes."""
        return self.seconds / 60

    def contains(self, moment: datetime) -> bool:
        """Whether the moment lies in `[start, end)`."""
        return self.start <= moment < self.end

    def clip(self, other: Window) -> Window:
        """The part of this window inside another; empty at its own start when they do not meet."""
        start = max(self.start, other.start)
        return Window(start, max(start, min(self.end, other.end)))

    def last(self, length: timedelta) -> Window:
        """Its latest part, at most `length` long."""
        return Window(max(self.start, self.end - length), self.end)

    def shifted(self, by: timedelta) -> Window:
        """The same length of time, earlier or later."""
        return Window(self.start + by, self.end + by)

    def days_earlier(self, days: int, zone: ZoneInfo) -> Window:
        """As long a window from the same time of day, by the zone's clock, so many days before."""
        local = self.start.astimezone(zone)
        day = local.date() - timedelta(days=days)
        start = datetime.combine(day, local.time(), zone).astimezone(UTC)
        return Window(start, start + (self.end - self.start))

    def __str__(self) -> str:
        return f"{iso(self.start)} to {iso(self.end)}"


@dataclass(frozen=True)
class Day:
    """A calendar day of a site: 23, 24 or 25 hours of UTC."""

    date: date
    window: Window


def day_of(moment: datetime, zone: ZoneInfo) -> Day:
    """The local day that holds a moment."""
    return local_day(moment.astimezone(zone).date(), zone)


def local_day(day: date, zone: ZoneInfo) -> Day:
    """A local calendar day with its true length in UTC."""
    start = datetime.combine(day, time.min, zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    return Day(day, Window(start, end))


def days_between(first: date, last: date, zone: ZoneInfo) -> tuple[Day, ...]:
    """Local days from first to last, both included."""
    return tuple(local_day(first + timedelta(days=i), zone) for i in range((last - first).days + 1))
