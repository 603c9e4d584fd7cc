"""Where a site stands: its phase, which reports are due and when, which are written, and the next check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pdmlib.memory import reports_of
from pdmlib.phases import PHASES, Phase, phase_at
from pdmlib.window import day_of, parse_time
from pdmlib.workbook import SHAPES

MORNING = time(8)
DAY = timedelta(days=1)
DAILY_UNTIL, ONGOING_FROM = 7 * DAY, 30 * DAY


@dataclass(frozen=True)
class Due:
    """One report of the guide's timeline.

    Attributes:
        due: when it is, or was last, due; for one that is not yet, the first time.
        state: written, due (and not written since), or not yet.
        written: the newest report of the phase as `report.json`, None when there is none.
    """

    phase: Phase
    due: datetime | None
    state: str
    written: Mapping[str, Any] | None


@dataclass(frozen=True)
class Standing:
    """Where a site stands at a moment.

    Attributes:
        next_check: when to look next: what the newest report says, else the pace of the phase.
        collected_at: when the history was last added to, None where it is empty.
    """

    phase: Phase
    deployed_at: datetime
    moment: datetime
    reports: tuple[Due, ...]
    next_check: datetime
    collected_at: datetime | None


def standing(
    deployed_at: datetime, moment: datetime, zone: ZoneInfo, folder: Path, collected_at: datetime | None
) -> Standing:
    """Where a site stands.

    Args:
        folder: the site's folder of outputs.
    """
    phase = phase_at(deployed_at, moment)
    collected_at = collected_at if collected_at and collected_at <= moment else None
    reports = tuple(_due(p, deployed_at, moment, zone, newest_report(folder / p.name, moment)) for p in PHASES)
    said = max((parse_time(r.written["next_check"]) for r in reports if r.written), default=None)
    next_check = said if said and said > moment else (collected_at or moment) + phase.cadence
    return Standing(phase, deployed_at, moment, reports, max(moment, next_check), collected_at)


def newest_report(folder: Path, moment: datetime) -> Mapping[str, Any] | None:
    """The newest report of a phase's folder that is not from after the moment."""
    for path in reversed(reports_of(folder)):
        content = json.loads((path / "report.json").read_text(encoding="utf-8"))
        if parse_time(content["as_of"]) <= moment:
            return dict(content)
    return None


def last_deployment(folder: Path) -> datetime | None:
    """The deployment that the newest report of a site judged."""
    written = [path for phase in PHASES for path in reports_of(folder / phase.name)]
    if not written:
        return None
    newest = max(written, key=lambda path: path.name) / "report.json"
    return parse_time(json.loads(newest.read_text(encoding="utf-8"))["deployed_at"])


def _due(
    phase: Phase, deployed_at: datetime, moment: datetime, zone: ZoneInfo, written: Mapping[str, Any] | None
) -> Due:
    times = list(due_times(phase, deployed_at, moment, zone))
    past = [at for at in times if at <= moment]
    if not past:
        return Due(phase, times[0] if times else None, "not yet", written)
    done = written is not None and parse_time(written["as_of"]) >= past[-1]
    return Due(phase, past[-1], "written" if done else "due", written)


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
        if _is_due(phase.name, morning, morning - deployed_at, zone):
            yield morning
            if morning > moment:
                return
        morning = _next_morning(morning, zone)


def _is_due(name: str, morning: datetime, since: timedelta, zone: ZoneInfo) -> bool:
    if name == "daily":
        return since <= DAILY_UNTIL
    if name == "weekly-review":
        return morning.astimezone(zone).weekday() == 0
    return since > ONGOING_FROM


def _next_morning(moment: datetime, zone: ZoneInfo) -> datetime:
    tomorrow = day_of(moment, zone).window.end.astimezone(zone).date()
    today = datetime.combine(moment.astimezone(zone).date(), MORNING, zone)
    found = today if today > moment else datetime.combine(tomorrow, MORNING, zone)
    return parse_time(found.isoformat())


def picture(found: Standing, title: str, zone: ZoneInfo) -> RenderableType:
    """Where a site stands, as lines and a table."""
    table = Table("Report", "Due", "State", "Newest", "Status", box=None)
    for row in found.reports:
        newest = row.written
        table.add_row(
            row.phase.name,
            _local(row.due, zone) if row.due else "",
            {"written": "✓ written", "due": "■ due", "not yet": "· not yet"}.get(row.state, row.state),
            _local(parse_time(newest["as_of"]), zone) if newest else "none",
            f"{SHAPES[newest['status']]} {newest['status']}" if newest else "",
        )
    lines = (
        f"{title}: {found.phase.name} since the deployment of {_local(found.deployed_at, zone)}",
        f"as of {_local(found.moment, zone)}; last collected {_local(found.collected_at, zone)}",
    )
    return Group(*map(Text, lines), table, Text(f"next check {_local(found.next_check, zone)}"))


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" if moment else "never"
