"""Where a site stands, as lines and a table of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pdmlib.phases.window import parse_time
from pdmlib.report.words import SHAPES
from pdmlib.workbook.status import Due, Standing

STATES = {"written": "✓ written", "due": "■ due", "missed": "✗ missed", "not yet": "· not yet"}
COLUMNS = ("Report", "Due", "State", "Newest", "Status", "Next due")


def lines(found: Standing, title: str, zone: ZoneInfo) -> Iterator[str]:
    """Where a site stands, line by line."""
    yield f"{title}: {found.phase.name} since the deployment of {_local(found.deployed_at, zone)}"
    yield f"as of {_local(found.moment, zone)}; last collected {_local(found.collected_at, zone)}"
    yield from _table([COLUMNS, *(_row(row, zone) for row in found.reports)])
    yield from (_missed(row, zone) for row in found.reports if row.missed)
    if coming := found.next_due:
        yield f"next due: {coming.phase.name} {_local(coming.following, zone)}"
    yield f"next check {_local(found.next_check, zone)}"


def _row(row: Due, zone: ZoneInfo) -> tuple[str, ...]:
    newest = row.written
    return (
        row.phase.name,
        _short(row.due, zone),
        STATES[row.state],
        _short(parse_time(newest["as_of"]), zone) if newest else "none",
        f"{SHAPES[newest['status']]} {newest['status']}" if newest else "",
        _short(row.following, zone),
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with their columns under each other, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield f" {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))}".rstrip()


def _missed(row: Due, zone: ZoneInfo) -> str:
    """Which times were missed, the newest three by name, and what to do."""
    shown = ", ".join(_local(at, zone) for at in row.missed[-3:])
    more = f" and {len(row.missed) - 3} before" if len(row.missed) > 3 else ""
    return f"✗ missed: {row.phase.name} of {shown}{more}; `pdm report {row.phase.name} --as-of ..` writes it late"


def _short(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %d %b %H:%M}" if moment else ""


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" if moment else "never"
