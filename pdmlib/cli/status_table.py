"""Where a site stands, as lines and a table of the terminal."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pdmlib.phases.window import parse_time
from pdmlib.report.words import SHAPES
from pdmlib.workbook.status import Due, Standing

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
