"""Days and times that are unlike others: public holidays, incidents, maintenance, other deployments and events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from pydantic import Field, model_validator

from pdmlib.errors import one_of
from pdmlib.phases.window import Window
from pdmlib.site.types import Day, MisplacedError, Moment, Part, Schedule, Zone

# The longest maintenance that a schedule may declare, in minutes: a day, or every day would be one.
LONGEST_MINUTES = 24 * 60


class Holidays(Part):
    """Days off: those of a country, by the `holidays` package, and days of the site's own."""

    country: str | None = Field(
        default=None, description="two letters of ISO 3166 such as DE: its public holidays are days off"
    )
    subdivision: str | None = Field(
        default=None, description="its state or province, by ISO 3166-2 without the country: BY"
    )
    extra: tuple[Day, ...] = Field(default=(), description="further days off")

    @model_validator(mode="after")
    def _is_known(self) -> Holidays:
        if self.country is None:
            if self.subdivision is not None:
                raise MisplacedError(("subdivision",), "needs country")
            return self
        try:
            _public(self.country, self.subdivision)
        except NotImplementedError:
            raise _unknown(self.country, self.subdivision) from None
        return self

    def __contains__(self, day: date) -> bool:
        """Whether it is a day off."""
        return day in self.extra or (self.country is not None and day in _public(self.country, self.subdivision))


@cache
def _public(country: str, subdivision: str | None) -> Any:
    # Imported where a site asks for it: it takes half a second.
    import holidays

    return holidays.country_holidays(country, subdiv=subdivision)


def _unknown(country: str, subdivision: str | None) -> MisplacedError:
    # The public list of them would import the rules of every country, which takes two seconds.
    from holidays.registry import EntityLoader

    countries = sorted(code for code in EntityLoader.get_country_codes() if len(code) == 2)
    if country not in countries:
        return MisplacedError(("country",), one_of(country, countries, "a country whose holidays are known"))
    parts = _public(country, None).subdivisions
    return MisplacedError(("subdivision",), one_of(str(subdivision), parts, f"a part of {country}"))


def days_off(value: Any) -> Any:
    """A list of days alone as a block."""
    return {"extra": value} if isinstance(value, list | tuple) else value


class Maintenance(Part):
    """Time in which the site is expected to be down: once from start to end, or again and again by a schedule."""

    start: Moment | None = Field(default=None, description="when it begins, with a zone")
    end: Moment | None = Field(default=None, description="when it ends, with a zone")
    cron: Schedule | None = Field(
        default=None, description="instead: a five-field cron expression of when it begins"
    )
    minutes: Annotated[float, Field(gt=0, le=LONGEST_MINUTES)] | None = Field(
        default=None, description="how long it takes, with `cron`"
    )
    time_zone: Zone | None = Field(default=None, description="the zone of `cron`; absent: the site's")
    reason: str | None = Field(default=None, description="what is done")

    @model_validator(mode="after")
    def _once_or_again(self) -> Maintenance:
        once, again = (self.start, self.end), (self.cron, self.minutes)
        if (None in once) == (None in again) or any(once) == any(again):
            raise ValueError("give either start and end, or cron and minutes")
        if self.start and self.end and self.end <= self.start:
            raise MisplacedError(("end",), "is not after start")
        return self

    def within(self, window: Window, zone: ZoneInfo) -> Iterator[Window]:
        """Its times that meet a window, whole, in order.

        Args:
            zone: the site's, for a schedule without a zone of its own.
        """
        for start, end in self._times(window, ZoneInfo(self.time_zone) if self.time_zone else zone):
            if start < window.end and end > window.start:
                yield Window(start, end)

    def _times(self, window: Window, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        if self.start and self.end:
            yield self.start, self.end
        elif self.cron and self.minutes:
            length = timedelta(minutes=self.minutes)
            begin = (window.start - length).astimezone(zone) - timedelta(minutes=1)
            for local in CronSim(self.cron, begin):
                start = local.astimezone(window.start.tzinfo)
                if start >= window.end:
                    return
                yield start, start + length


class Deployment(Part):
    """A deployment that no platform knows."""

    at: Moment = Field(description="when it went live, with a zone")
    name: str | None = Field(default=None, description="what people call it: a version, a tag, a ticket")


class Event(Part):
    """Something that may explain a change beside the deployment: a campaign, a migration, a fair."""

    at: Moment = Field(description="when it began, with a zone")
    name: Annotated[str, Field(min_length=1)] = Field(description="what it was")
