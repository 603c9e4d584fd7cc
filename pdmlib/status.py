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
from pdmlib.window import Window, day_of, parse_time
from pdmlib.workbook import SHAPES

MORNING = time(8)
DAY = timedelta(days=1)
DAILY_UNTIL, ONGOING_FROM = 7 * DAY, 30 * DAY
# How late a report may be before it is missed; one that comes once is due until it is written.
PERIODS = {"daily": DAY, "weekly-review": 7 * DAY, "ongoing": DAY}
LATE = 3650 * DAY


@dataclass(frozen=True)
class Due:
    """One report of the guide's timeline.

    Attributes:
        due: when it is, or was last, due; for one that is not yet, the first time.
        state: written; due and not written since; missed, when that was a period ago and no other
            fell due since; or not yet.
        written: the newest report of the phase as `report.json`, None when there is none.
        missed: the times at which it was due and was not written before it fell due again.
        following: when it is due next, None when never again.
    """

    phase: Phase
    due: datetime | None
    state: str
    written: Mapping[str, Any] | None
    missed: tuple[datetime, ...] = ()
    following: datetime | None = None


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

    @property
    def next_due(self) -> Due | None:
        """The report that falls due next."""
        coming = [row for row in self.reports if row.following]
        return min(coming, key=lambda row: row.following or row.due or self.moment, default=None)


def standing(
    deployed_at: datetime, moment: datetime, zone: ZoneInfo, folder: Path, collected_at: datetime | None
) -> Standing:
    """Where a site stands.

    Args:
        folder: the site's folder of outputs.
    """
    phase = phase_at(deployed_at, moment)
    collected_at = collected_at if collected_at and collected_at <= moment else None
    reports = tuple(_due(p, deployed_at, moment, zone, folder / p.name) for p in PHASES)
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


def _due(phase: Phase, deployed_at: datetime, moment: datetime, zone: ZoneInfo, folder: Path) -> Due:
    written = newest_report(folder, moment)
    times = list(due_times(phase, deployed_at, moment, zone))
    past, following = [at for at in times if at <= moment], next((at for at in times if at > moment), None)
    if not past:
        return Due(phase, following, "not yet", written, (), following)
    known = [parse_time(path.name) for path in reports_of(folder)]
    ends = [*past[1:], past[-1] + PERIODS.get(phase.name, LATE)]
    slots = [Window(at, end) for at, end in zip(past, ends, strict=True) if end <= moment]
    missed = tuple(slot.start for slot in slots if not any(slot.contains(at) for at in known))
    done = written is not None and parse_time(written["as_of"]) >= past[-1]
    state = "written" if done else "missed" if past[-1] in missed else "due"
    return Due(phase, past[-1], state, written, missed, following)


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


STATES = {"written": "✓ written", "due": "■ due", "missed": "✗ missed", "not yet": "· not yet"}


def picture(found: Standing, title: str, zone: ZoneInfo) -> RenderableType:
    """Where a site stands, as lines and a table."""
    table = Table("Report", "Due", "State", "Newest", "Status", "Next due", box=None)
    for row in found.reports:
        newest = row.written
        table.add_row(
            row.phase.name,
            _short(row.due, zone),
            STATES[row.state],
            _short(parse_time(newest["as_of"]), zone) if newest else "none",
            f"{SHAPES[newest['status']]} {newest['status']}" if newest else "",
            _short(row.following, zone),
        )
    lines = (
        f"{title}: {found.phase.name} since the deployment of {_local(found.deployed_at, zone)}",
        f"as of {_local(found.moment, zone)}; last collected {_local(found.collected_at, zone)}",
    )
    missed = [Text(_missed(row, zone)) for row in found.reports if row.missed]
    following = [Text(f"next due: {r.phase.name} {_local(r.following, zone)}") for r in (found.next_due,) if r]
    check = Text(f"next check {_local(found.next_check, zone)}")
    return Group(*map(Text, lines), table, *missed, *following, check)


def _missed(row: Due, zone: ZoneInfo) -> str:
    """Which times were missed, the newest three by name, and what to do."""
    shown = ", ".join(_local(at, zone) for at in row.missed[-3:])
    more = f" and {len(row.missed) - 3} before" if len(row.missed) > 3 else ""
    return f"✗ missed: {row.phase.name} of {shown}{more}; `pdm report {row.phase.name} --as-of ..` writes it late"


def _short(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M}" if moment else ""


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" if moment else "never"
