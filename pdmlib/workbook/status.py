"""Where a site stands: its phase, which reports are written, due or missed, and the next check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.phases.due import due_times, period
from pdmlib.phases.phase import PHASES, Phase, phase_at
from pdmlib.phases.window import Window, iso, parse_time
from pdmlib.storage.reports import reports_of


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

    def as_json(self) -> dict[str, Any]:
        """The same for a program, times in UTC."""
        return {
            "phase": self.phase.name,
            "deployed_at": iso(self.deployed_at),
            "as_of": iso(self.moment),
            "next_check": iso(self.next_check),
            "collected_at": self.collected_at and iso(self.collected_at),
            "reports": [
                {
                    "phase": row.phase.name,
                    "state": row.state,
                    "due": row.due and iso(row.due),
                    "next_due": row.following and iso(row.following),
                    "missed": [iso(moment) for moment in row.missed],
                    "status": row.written and row.written["status"],
                }
                for row in self.reports
            ],
        }


def standing(
    deployed_at: datetime, moment: datetime, zone: ZoneInfo, folder: Path, collected_at: datetime | None
) -> Standing:
    """Where a site stands.

    Args:
        folder: the site's folder of outputs.
    """
    phase = phase_at(deployed_at, moment)
    collected_at = collected_at if collected_at and collected_at <= moment else None
    reports = tuple(_due(p, deployed_at, moment, zone=zone, folder=folder / p.name) for p in PHASES)
    said = max((parse_time(r.written["next_check"]) for r in reports if r.written), default=None)
    next_check = said if said and said > moment else (collected_at or moment) + phase.cadence
    return Standing(
        phase, deployed_at, moment, reports=reports, next_check=max(moment, next_check), collected_at=collected_at
    )


def newest_report(folder: Path, moment: datetime) -> Mapping[str, Any] | None:
    """The newest report of a phase's folder that is not from after the moment."""
    for path in reversed(reports_of(folder)):
        content = json.loads((path / "report.json").read_text(encoding="utf-8"))
        if parse_time(content["as_of"]) <= moment:
            return dict(content)
    return None


def _due(phase: Phase, deployed_at: datetime, moment: datetime, zone: ZoneInfo, folder: Path) -> Due:
    written = newest_report(folder, moment)
    times = list(due_times(phase, deployed_at, moment, zone))
    past, following = [at for at in times if at <= moment], next((at for at in times if at > moment), None)
    if not past:
        return Due(phase, following, "not yet", written=written, missed=(), following=following)
    known = [parse_time(path.name) for path in reports_of(folder)]
    ends = [*past[1:], past[-1] + period(phase)]
    slots = [Window(at, end) for at, end in zip(past, ends, strict=True) if end <= moment]
    missed = tuple(slot.start for slot in slots if not any(slot.contains(at) for at in known))
    done = written is not None and parse_time(written["as_of"]) >= past[-1]
    state = "written" if done else "missed" if past[-1] in missed else "due"
    return Due(phase, past[-1], state, written=written, missed=missed, following=following)
