"""When the report of each phase is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pdmlib.phases.phase import DAY, Due, Phase
from pdmlib.phases.window import day_of, parse_time

MORNING = time(8)  # the guide's morning check, in the site's zone
WEEK_1, MONTH_1 = 7 * DAY, 30 * DAY
MONDAY = 0
# How late a report may be before it was missed: until it falls due again. One that comes once stays due.
PERIODS = {Due.MORNINGS_OF_WEEK_1: DAY, Due.MONDAYS: 7 * DAY, Due.MORNINGS_AFTER_MONTH_1: DAY}
FOR_EVER = 3650 * DAY


def period(phase: Phase) -> timedelta:
    """How long a report that is due stays due before it was missed."""
    return PERIODS.get(phase.due, FOR_EVER)


def due_times(phase: Phase, deployed_at: datetime, moment: datetime, zone: ZoneInfo) -> Iterable[datetime]:
    """When a phase's report is due, up to the first time after the moment."""
    if phase.due is Due.NEVER:
        return
    if phase.due is Due.AT_THE_END:
        yield deployed_at + phase.length
        return
    morning = _next_morning(deployed_at, zone)
    while morning <= max(moment, deployed_at + MONTH_1) + WEEK_1 + DAY:
        if _is_due(phase.due, morning.astimezone(zone), deployed_at.astimezone(zone)):
            yield morning
            if morning > moment:
                return
        morning = _next_morning(morning, zone)


def _is_due(due: Due, morning: datetime, deployed_at: datetime) -> bool:
    """Whether a report is due on a local morning; days are those of the wall's clock, whatever their length."""
    since = morning.replace(tzinfo=None) - deployed_at.replace(tzinfo=None)
    if due is Due.MORNINGS_OF_WEEK_1:
        return since <= WEEK_1
    if due is Due.MONDAYS:
        return morning.weekday() == MONDAY
    return since > MONTH_1


def _next_morning(moment: datetime, zone: ZoneInfo) -> datetime:
    tomorrow = day_of(moment, zone).window.end.astimezone(zone).date()
    today = datetime.combine(moment.astimezone(zone).date(), MORNING, zone)
    found = today if today > moment else datetime.combine(tomorrow, MORNING, zone)
    return parse_time(found.isoformat())
