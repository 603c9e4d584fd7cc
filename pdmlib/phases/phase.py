"""The phases of the guide: which window each looks at, how often, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pdmlib.errors import CallError


@dataclass(frozen=True)
class Phase:
    """One phase: a row of the guide's timeline.

    Attributes:
        length: of the window since the deployment, or back from the as-of time for rolling phases.
        latest: length of the window's latest part, in which what happens seldom is looked for.
        cadence: how often `watch` collects.
    """

    name: str
    title: str
    question: str
    length: timedelta
    rolling: bool
    latest: timedelta
    cadence: timedelta
    next_check: timedelta
    checklist: tuple[str, ...] = ()

    @property
    def looks(self) -> int:
        """How often growing data are judged: at each collection of the first hour, else once."""
        return round(self.length / self.cadence) if self.name == "hour1" else 1


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

PHASES: tuple[Phase, ...] = (
    Phase(
        "hour1",
        "1-Hour Post-Deployment Report",
        "Is the deployment safe to leave running?",
        HOUR,
        False,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=10),
    ),
    Phase(
        "day1",
        "24-Hour Post-Deployment Report",
        "Did the deployment survive its first day?",
        DAY,
        False,
        HOUR,
        timedelta(minutes=30),
        timedelta(hours=1),
    ),
    Phase(
        "daily",
        "Daily Monitoring",
        "Is anything different from the last seven days?",
        DAY,
        True,
        DAY,
        timedelta(hours=8),
        timedelta(hours=8),
    ),
    Phase(
        "week1",
        "Week 1 Post-Deployment Summary",
        "Was the deployment a success?",
        7 * DAY,
        False,
        DAY,
        timedelta(hours=8),
        DAY,
    ),
    Phase(
        "weekly-review",
        "Weekly Review",
        "What changed this week, and what do we do about it?",
        7 * DAY,
        True,
        DAY,
        DAY,
        7 * DAY,
    ),
    Phase(
        "month1",
        "Month 1 Comprehensive Review",
        "Does the system meet its targets, and how long will it hold?",
        30 * DAY,
        False,
        DAY,
        DAY,
        7 * DAY,
    ),
    Phase(
        "ongoing",
        "Ongoing Operations",
        "Is operation normal today and this week?",
        7 * DAY,
        True,
        DAY,
        DAY,
        DAY,
    ),
)

EXTRAS: tuple[Phase, ...] = (
    Phase(
        "database", "Database Analysis", "Which query did the deployment break?", 30 * DAY, False, DAY, DAY, DAY
    ),
    Phase(
        "dashboard",
        "Monitoring Dashboard",
        "How is it right now?",
        DAY,
        True,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=5),
    ),
    Phase(
        "incident",
        "Incident Report",
        "What happened, whom did it hit, and is it over?",
        HOUR,
        False,
        HOUR,
        timedelta(minutes=5),
        timedelta(minutes=15),
    ),
)

AFTER_HOUR1 = tuple(phase.name for phase in (*PHASES, *EXTRAS) if phase.name != "hour1")


def phase_named(name: str) -> Phase:
    """The phase of that name.

    Raises:
        CallError: there is none.
    """
    for phase in (*PHASES, *EXTRAS):
        if phase.name == name:
            return phase
    raise CallError(f"phase {name!r} is not one of {', '.join(p.name for p in (*PHASES, *EXTRAS))}")


def phase_at(deployed_at: datetime, moment: datetime) -> Phase:
    """The phase that a site is in: the shortest since the deployment that is not over, else `ongoing`."""
    since = sorted((p for p in PHASES if not p.rolling), key=lambda p: p.length)
    return next((p for p in since if moment < deployed_at + p.length), phase_named("ongoing"))
