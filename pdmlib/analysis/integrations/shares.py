"""Shares of payments and messages that went wrong, with their interval and beside the week before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pdmlib import stats
from pdmlib.analysis import limits
from pdmlib.analysis.compare.baseline import change
from pdmlib.analysis.compare.change import beside, practical_pct, rate_before
from pdmlib.analysis.metric import Began, Metric
from pdmlib.frames.case import NOT_UNDERSTOOD, Case
from pdmlib.frames.readings import FEWEST_EVENTS, Limit, Measurement, Priority, State, Status

CHECK = "Check integration status and logs"
# Calls that a vendor refuses and webhooks that do not answer are errors of the application: its own edge, 0.5 %.
REFUSED_PCT = 0.5
# Of ten payments in a row one fails with 65 % where one in ten does, and of sixty messages the lower bound of 10 %
# lost lies above the 2 % that carriers lose: fewer tell nothing, more is no longer the present.
PRESENT_PAYMENTS = ("payments", "created_at", 10)
PRESENT_MESSAGES = ("messages", "created_at", 60)
PRESENT_EMAILS = ("email_counts", "at", 12)  # rows of an hour: the only times that emails are counted by
JUMP_PCT = 100.0  # a share that doubled; smaller changes come with another mix of customers

# The guide gives no edge: carriers lose about one message in fifty, mail hosts throttle from one in twenty on.
LOSSES = (
    Limit(">", 5, Status.FAIL, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", 2, Status.WARN, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", 2, Status.WARN, action=CHECK),
)


class Cause(NamedTuple):
    """Why an integration has issues, what would have to be seen for it to have none, and since when, if known.

    Attributes:
        over: it has surely ended, though it is of the window.
        calls: how many calls of the vendor to the application failed; 0 where it is something else.
    """

    words: str
    goal: str
    since: datetime | None = None
    over: bool = False
    calls: int = 0

    @classmethod
    def dated(cls, words: str, goal: str, began: Began | None) -> Cause:
        """With the run that it is of, where one is known."""
        return cls(words, goal) if began is None else cls(words, goal, began.moment, over=began.over)


@dataclass(frozen=True)
class Share:
    """How many of some trials were events.

    Attributes:
        unclear: of the trials, how many may have been events or not: what they were is not understood.
    """

    events: int
    trials: int
    unclear: int = 0

    def interval_pct(self, level: float) -> tuple[float, float]:
        """Lower bound when nothing unclear was an event, upper bound when all of it was."""
        low, _ = stats.proportion(self.events, self.trials, level)
        _, high = stats.proportion(self.events + self.unclear, self.trials, level)
        return 100 * low, 100 * high


def jump(action: str) -> tuple[Limit, ...]:
    """The ladder of a share that is the customers' own: nearly all of it, or surely twice what it was.

    Of 70 %, nine of nine is the first that surely lies above; one person who tries a bad card four times does not.
    """
    return (
        Limit(">", 70, Status.FAIL, priority=Priority.P1, action=action, of="low"),
        Limit("==", "up", Status.WARN, priority=Priority.P1, action=action, of="trend"),
        Limit("==", "new", Status.WARN, priority=Priority.P1, action=action, of="trend"),
    )


def nothing(case: Case, source: str, item: str, week: int, what: str) -> Measurement:
    """Nothing in the window: not due where the week before makes that likely, else silence that tells nothing.

    Args:
        week: how many there were in the week before the deployment.
    """
    due = week * case.window.seconds / case.scope.before.seconds
    usual = f"where {due:,.1f} were due by the week before" if week else "nor in the week before"
    words = f"no {what} in the window, {usual}"
    if case.collection.gap(source, item) is None and stats.chance_of_none(due) >= stats.LEVEL:
        return Measurement.missing(State.NOT_DUE, words, source)
    return case.missing(source, item, words)


def share_pct(
    case: Case,
    metric: Metric,
    source: str,
    shares: tuple[Share, Share],
    words: str,
    jumps: bool = False,
    fields: str = "",
) -> Measurement:
    """A share of the window in percent, beside that of the week before.

    Where some trials are not understood there is a value only when it would be judged the same whatever they were.

    Args:
        shares: of the window, and of the week before.
        words: what the events are, such as `text messages were lost`.
        jumps: the share is judged by its change, which any doubt leaves unknown.
        fields: what the names of the source's fields begin with that it rests on.
    """
    now, before = shares
    low, high = now.interval_pct(case.level)
    why = case.unclear(source, fields) or "the reason is not known"
    doubt = f"{now.unclear} of {now.trials} are not understood: {why.removeprefix(NOT_UNDERSTOOD)}"
    if now.unclear and not _is_decided(now, low, limits.target_of(case, metric), jumps):
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, source)
    was = f"; before the deployment {before.events} of {before.trials}" if before.trials else ""
    found = Measurement(
        State.MEASURED,
        100 * now.events / now.trials,
        samples=now.trials,
        low=low,
        high=high,
        source=source,
        window=case.window,
        evidence=f"{now.events} of {now.trials} {words}{was}{case.many_looks}"
        + (f"; {doubt}, and counted for neither" if now.unclear else ""),
    )
    if now.unclear or before.unclear:
        return found
    base = rate_before(now.trials, before.events, before.trials)
    smallest = case.site.practical_pct.get(metric.id, JUMP_PCT) if jumps else practical_pct(case, metric.id)
    seen = change(now.events, base, "lower", practical_pct=smallest, looks=case.scope.phase.looks)
    return beside(found, seen, 100 * before.events / before.trials if before.trials else None)


def _is_decided(now: Share, low: float, edge: float | None, jumps: bool) -> bool:
    """Whether a share is judged the same whatever its unclear part was."""
    if edge is None:
        return not jumps
    return low > edge or (not jumps and 100 * (now.events + now.unclear) / now.trials <= edge)


def surely_above(
    case: Case, now: Share, edge: float | None, noun: str, what: str, since: Began | None = None
) -> Iterator[Cause]:
    """The cause that a share is surely above an edge, by more than one or two events."""
    low, _ = now.interval_pct(case.level)
    if edge is None or now.events < FEWEST_EVENTS or low <= edge:
        return
    most, pct = edge / 100, 100 * now.events / now.trials
    goal = f"no {noun} are lost"
    if most > 0:  # else no number of others outweighs those
        enough = stats.trials_to_pass(
            now.events, now.trials, is_well=lambda share: share <= most, limit=most, level=case.level
        )
        goal = f"{enough - now.trials} more {noun} go out without a loss"
    words = f"{pct:.1f} % {what} ({now.events} of {now.trials} {noun})"
    yield Cause.dated(words, goal, since)
