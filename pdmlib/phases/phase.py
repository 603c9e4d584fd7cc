"""The phases of the guide, a row each: everything that a phase is.

A new phase is one row here, a notebook and a Markdown template of its name. In `PHASES` stand those whose report
falls due by itself, in `EXTRAS` those that somebody asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto

from pdmlib.errors import CallError, one_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Topic(StrEnum):
    """What a metric is about, as far as it decides in which phases it is shown."""

    NOW = "now"  # what an hour can tell
    DAYS = "days"  # what needs a day: uptime, cron, activity, tickets
    USE = "use"  # how features are used
    COSTS = "costs"


class Checklist(Enum):
    """A list of boxes of the guide; `verdict/checklist.py` has the boxes."""

    FIRST_HOUR = auto()
    FIRST_DAY = auto()
    OVERNIGHT = auto()
    EVERY_DAY = auto()
    WEEKS_2_TO_4 = auto()


class Due(Enum):
    """When the report of a phase falls due."""

    AT_THE_END = auto()  # once, when the phase is over
    MORNINGS_OF_WEEK_1 = auto()
    MONDAYS = auto()
    MORNINGS_AFTER_MONTH_1 = auto()
    NEVER = auto()  # only when somebody asks for it


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase: a row of the guide's timeline.

    Attributes:
        title, question: head of the report.
        length: of the window since the deployment, or back from the as-of time where `rolling`.
        present: the last part of the data, which alerts and decisions rest on: a mean over a day is not now.
        latest: length of the window's latest part, in which what happens seldom is looked for.
        cadence: how often `watch` collects.
        next_check: how long after a report the next one is advised.
        looks: how often the same growing data are judged, which every interval allows for.
        topics: which metrics the report shows.
        decides: the reading without which this report is not GREEN, beside those that hold in all; empty for none.
        checklists: whose boxes it ticks, one list after the other.
        outcome: whether the phase ends as a success or a failure.
        due: when its report falls due.
        slides: whether the notebook is written as slides too.
        refresh_s: how often a browser loads the page anew; 0 for never.
        sorts: whether a click on the title of a column sorts a table of its page.
        named_window: a person names the window, whatever was deployed when.
        beside: the phase at whose end a replay writes this report too; empty for none.
    """

    name: str
    title: str
    question: str
    length: timedelta
    rolling: bool = False
    present: timedelta = HOUR
    latest: timedelta = DAY
    cadence: timedelta = DAY
    next_check: timedelta = DAY
    looks: int = 1
    topics: tuple[Topic, ...] = (Topic.NOW, Topic.DAYS, Topic.USE)
    decides: str = ""
    checklists: tuple[Checklist, ...] = ()
    outcome: bool = False
    due: Due = Due.AT_THE_END
    slides: bool = False
    refresh_s: int = 0
    sorts: bool = False
    named_window: bool = False
    beside: str = ""


ALL_TOPICS = tuple(Topic)
FIVE_MINUTES = timedelta(minutes=5)  # the guide's pace while a deployment is fresh

HOUR1 = Phase(
    name="hour1",
    title="1-Hour Post-Deployment Report",
    question="Is the deployment safe to leave running?",
    length=HOUR,
    present=timedelta(minutes=15),
    latest=HOUR,
    cadence=FIVE_MINUTES,
    next_check=timedelta(minutes=10),
    looks=HOUR // FIVE_MINUTES,
    topics=(Topic.NOW,),
    checklists=(Checklist.FIRST_HOUR,),
)
DAY1 = Phase(
    name="day1",
    title="24-Hour Post-Deployment Report",
    question="Did the deployment survive its first day?",
    length=DAY,
    latest=HOUR,
    cadence=timedelta(minutes=30),
    next_check=HOUR,
    checklists=(Checklist.FIRST_DAY,),
)
DAILY = Phase(
    name="daily",
    title="Daily Monitoring",
    question="Is anything different from the last seven days?",
    length=DAY,
    rolling=True,
    cadence=8 * HOUR,
    next_check=8 * HOUR,
    checklists=(Checklist.OVERNIGHT, Checklist.EVERY_DAY),
    due=Due.MORNINGS_OF_WEEK_1,
)
WEEK1 = Phase(
    name="week1",
    title="Week 1 Post-Deployment Summary",
    question="Was the deployment a success?",
    length=7 * DAY,
    cadence=8 * HOUR,
    checklists=(Checklist.OVERNIGHT,),
    outcome=True,
)
WEEKLY_REVIEW = Phase(
    name="weekly-review",
    title="Weekly Review",
    question="What changed this week, and what do we do about it?",
    length=7 * DAY,
    rolling=True,
    next_check=7 * DAY,
    topics=ALL_TOPICS,
    checklists=(Checklist.WEEKS_2_TO_4,),
    due=Due.MONDAYS,
    slides=True,
)
MONTH1 = Phase(
    name="month1",
    title="Month 1 Comprehensive Review",
    question="Does the system meet its targets, and how long will it hold?",
    length=30 * DAY,
    next_check=7 * DAY,
    topics=ALL_TOPICS,
    checklists=(Checklist.WEEKS_2_TO_4,),
    outcome=True,
)
ONGOING = Phase(
    name="ongoing",
    title="Ongoing Operations",
    question="Is operation normal today and this week?",
    length=7 * DAY,
    rolling=True,
    checklists=(Checklist.EVERY_DAY, Checklist.WEEKS_2_TO_4),
    due=Due.MORNINGS_AFTER_MONTH_1,
)
DATABASE = Phase(
    name="database",
    title="Database Analysis",
    question="Which query did the deployment break?",
    length=30 * DAY,
    topics=(Topic.NOW, Topic.DAYS),
    decides="db_findings",
    due=Due.NEVER,
    sorts=True,
    beside="month1",
)
DASHBOARD = Phase(
    name="dashboard",
    title="Monitoring Dashboard",
    question="How is it right now?",
    length=DAY,
    rolling=True,
    cadence=FIVE_MINUTES,
    next_check=FIVE_MINUTES,
    topics=(Topic.NOW, Topic.DAYS),
    due=Due.NEVER,
    refresh_s=60,
    beside="ongoing",
)
INCIDENT = Phase(
    name="incident",
    title="Incident Report",
    question="What happened, whom did it hit, and is it over?",
    length=HOUR,
    latest=HOUR,
    cadence=FIVE_MINUTES,
    next_check=timedelta(minutes=15),
    topics=(Topic.NOW, Topic.DAYS),
    due=Due.NEVER,
    named_window=True,
)

PHASES: tuple[Phase, ...] = (HOUR1, DAY1, DAILY, WEEK1, WEEKLY_REVIEW, MONTH1, ONGOING)
EXTRAS: tuple[Phase, ...] = (
    DATABASE,
    DASHBOARD,
    INCIDENT,
)


def phase_named(name: str) -> Phase:
    """The phase of that name.

    Raises:
        CallError: there is none.
    """
    for phase in (*PHASES, *EXTRAS):
        if phase.name == name:
            return phase
    raise CallError(one_of(name, [phase.name for phase in (*PHASES, *EXTRAS)], "a phase"))


def phase_at(deployed_at: datetime, moment: datetime) -> Phase:
    """The phase that a site is in: the shortest since the deployment that is not over, else `ongoing`."""
    since = sorted((p for p in PHASES if not p.rolling), key=lambda p: p.length)
    return next((p for p in since if moment < deployed_at + p.length), ONGOING)
