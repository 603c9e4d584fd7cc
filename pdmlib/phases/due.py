"""When the report of each phase is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pdmlib.phases.phase import Phase
from pdmlib.phases.window import day_of, parse_time

MORNING = time(8)
DAY = timedelta(days=1)
DAILY_UNTIL, ONGOING_FROM = 7 * DAY, 30 * DAY


def due_times(phase: Phase, deployed_at: datetime, moment: datetime, zone: ZoneInfo) -> Iterable[datetime]:
    """When a phase's report is due, up to the first time after the moment.

    Once at the end of a phase that begins with the deployment; else in the mornings of the site:
    daily in week 1, on Mondays from then on, and every day after month 1.
    """
    if not phase.rolling:
        yield deployed_at + phase.length
        return
    morning = _next_morning(deployed_at, zone)
    while morning <= max(moment, deployed_at + ONGOING_FROM) + 8 * DAY:
        if _is_due(phase.name, morning.astimezone(zone), deployed_at.astimezone(zone)):
            yield morning
            if morning > moment:
                return
        morning = _next_morning(morning, zone)


def _is_due(name: str, morning: datetime, deployed_at: datetime) -> bool:
    """Whether a report is due on a local morning; days are those of the wall's clock, whatever their length."""
    since = morning.replace(tzinfo=None) - deployed_at.replace(tzinfo=None)
    if name == "daily":
        return since <= DAILY_UNTIL
    if name == "weekly-review":
        return morning.weekday() == 0
    return since > ONGOING_FROM


def _next_morning(moment: datetime, zone: ZoneInfo) -> datetime:
    tomorrow = day_of(moment, zone).window.end.astimezone(zone).date()
    today = datetime.combine(moment.astimezone(zone).date(), MORNING, zone)
    found = today if today > moment else datetime.combine(tomorrow, MORNING, zone)
    return parse_time(found.isoformat())
