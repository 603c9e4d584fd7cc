"""What holds now: the one place that decides whether a limit is broken at present, and since when.

Now is the last hour of data (`Scope.present`). What broke a limit of the window and has ended since is past, and
what a mean of a day hides is present.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pdmlib import stats
from pdmlib.analysis.availability.stability import NO_REMEDY, down_since
from pdmlib.analysis.compare.weeks import USUAL_SPREAD
from pdmlib.analysis.metric import Began, Metric
from pdmlib.analysis.traffic.stretches import last_stretch, worsened
from pdmlib.frames.case import Case
from pdmlib.frames.readings import ORDER, Limit, Measurement, Priority, State, Value
from pdmlib.phases.window import Window
from pdmlib.verdict.ladder import step_of
from pdmlib.verdict.links import DOWN

PIECE, QUARTER = timedelta(minutes=5), timedelta(minutes=15)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RATE_OF_REQUESTS = "error_rate_pct"
PROBED = ("app_up", "health_ok")
STANDING = (
    "Mend it apart from this deployment: it was as bad all the week before, and a rollback would not mend it"
)
# What declared maintenance brings, and what is no fault as long as it lasts.
EXPECTED = (*DOWN, "db_connection_errors")


@dataclass(frozen=True)
class Now:
    """A step of a metric's ladder that holds at present.

    Attributes:
        value: what is measured now, not over the whole window.
        since: the first moment of the present stretch, as far as the series goes back.
        window: what the value was measured over.
        usual: it was as bad all the time before the deployment that is known.
        times: how many times what is usual the value is, of a step of such a multiple.
        trials: of how many events the value counts some.
    """

    step: Limit
    value: Value
    since: datetime | None
    window: Window
    usual: bool = False
    times: float | None = None
    trials: int | None = None


def now_of(case: Case, metric: Metric) -> Now | None:
    """The worst step of a metric that holds at present; None when none does, or nothing was measured."""
    found: Now | None = case.kept(("now", metric), lambda one: _attempted(one, metric))
    return found


def _attempted(case: Case, metric: Metric) -> Now | None:
    found = case.attempt(f"{metric.title} at present", lambda: _now_of(case, metric), lambda _: None)
    if found is None or not case.scope.precedes(found.since):
        return found
    if found.since and metric.id == RATE_OF_REQUESTS and worsened(case, found.since):
        return replace(found, since=case.scope.deployed_at)
    if not found.step.rollback:
        return found
    step = replace(found.step, rollback=False, action=NO_REMEDY)
    if found.usual:  # nobody is woken by each deployment for what each of them finds
        step = replace(step, critical=False, priority=Priority.P1, action=STANDING)
    return replace(found, step=step)


def _now_of(case: Case, metric: Metric) -> Now | None:
    if metric.id in EXPECTED and case.maintained:
        return None
    if metric.id == RATE_OF_REQUESTS:
        return _failing(case, metric)
    looked = _looked_at(case, metric)
    found = metric.of(looked)
    step = _step(looked, metric, found) or _as_before(case, metric, found)
    if step is None or not metric.holds(looked):
        return None
    began = _began(case, looked.window, metric)
    times = _times(found) if step.of == "baseline" else None
    return Now(
        step, found.value, began.moment, looked.window, usual=began.usual, times=times, trials=found.samples
    )


def _as_before(case: Case, metric: Metric, found: Measurement) -> Limit | None:
    """The step of the whole window, which goes on where the present is not beyond it by chance alone."""
    whole = _step(case, metric, metric.of(case))
    return whole if whole is not None and _may_be(metric, _place(metric, whole), found) else None


def _times(found: Measurement) -> float | None:
    known = isinstance(found.value, int | float) and found.baseline
    return float(found.value or 0) / found.baseline if known and found.baseline else None


def _looked_at(case: Case, metric: Metric) -> Case:
    """The present as far as the metric was measured in it; where it was not, the latest part of the window.

    What happens seldom needs more than an hour to be seen: the stretch of its newest events.
    """
    present = _with_events(case, metric, metric.events) if metric.events else case.present()
    if (quarter := _fallen(present, metric)) is not None:
        return quarter
    measured = metric.of(present).state is State.MEASURED
    return present if measured else case.latest() if _ends_now(case) else present


def _with_events(case: Case, metric: Metric, events: tuple[str, str, int]) -> Case:
    """The newest of what happens seldom: of the latest part, or of an earlier run that has not surely ended."""
    newest, (name, column, count) = case.at(case.with_events(events)), events
    began = metric.began(case) if len(newest.within(name, column)) < count else None
    if began is None or began.over or began.moment is None or began.moment >= newest.window.start:
        return newest
    return case.at(case.with_events(events, case.scope.window))


def _fallen(present: Case, metric: Metric) -> Case | None:
    """The last quarter of an hour, where what is held against its usual level fell far in it; else None."""
    if not any((limit.of, limit.op) == ("baseline", "<") for limit in metric.limits):
        return None
    quarter = present.at(present.window.last(QUARTER))
    step = _step(quarter, metric, metric.of(quarter))
    return quarter if step is not None and step.op == "<" and step.priority is Priority.P1 else None


def _ends_now(case: Case) -> bool:
    return case.scope.present.end <= case.scope.window.end


def _step(case: Case, metric: Metric, found: Measurement) -> Limit | None:
    if found.state is not State.MEASURED or found.value is None or not found.judged:
        return None
    return step_of(metric, found, case.level).step


def _failing(case: Case, metric: Metric) -> Now | None:
    """Requests that fail now: over the present, or in a stretch of it that its hour dilutes, unless it is over."""
    looked = _looked_at(case, metric)
    found = metric.of(looked)
    step, lasting = _step(looked, metric, found), _lasting(case, metric)
    if lasting is not None and (step is None or _rank(lasting.step) <= _rank(step)):
        return lasting
    if step is None:
        return None
    last = last_stretch(case, float(step.edge))
    if last is None:
        return Now(step, found.value, _began(case, looked.window, metric).moment, looked.window)
    return None if last.end is not None else Now(step, found.value, last.start, looked.window)


def _lasting(case: Case, metric: Metric) -> Now | None:
    """The worst step of which a stretch lasts that is surely beyond it."""
    for limit in metric.limits:
        last = last_stretch(case, float(limit.edge)) if limit.op in (">", ">=") else None
        if last is not None and last.end is None and limit.holds(last.share_pct):
            return Now(limit, last.share_pct, last.start, Window(last.start, case.scope.present.end))
    return None


def _rank(step: Limit) -> int:
    return len(ORDER) if step.priority is None else ORDER[step.priority]


def _began(case: Case, looked: Window, metric: Metric) -> Began:
    """When what is broken now began: by its own events, by the probes, else by looking back."""
    if metric.id in PROBED:
        down = down_since(case)
        return Began(down or _since(case, looked, metric))
    return metric.began(case.at(looked)) or Began(_since(case, looked, metric))


def _since(case: Case, looked: Window, metric: Metric) -> datetime | None:
    """Start of the unbroken run, back from now, in which the limit was broken: by minutes, hours, then days.

    What was surely not so until the deployment, and was so when it was next known, began with it. None where it
    goes back to the start of a window that begins after the deployment, and may be older.
    """
    held, first, before = _holding(case, looked, metric), looked, None
    for window in _back(case, looked, metric.series):
        said = held(window)
        if said:
            first = window
        elif said is False:
            before = window
            break
    scope = case.scope
    if before is None and not metric.series and scope.deployed_at < first.start <= scope.window.start:
        return first.start if held(scope.previous) is False else None
    if before is not None and before.end == scope.deployed_at:
        return scope.deployed_at
    return _to_the_hour(held, first, before) if first.seconds > HOUR.total_seconds() else first.start


def _holding(case: Case, looked: Window, metric: Metric) -> Callable[[Window], bool | None]:
    """Whether the limit that is broken now was in an earlier window; None where that is not known.

    Time in which nothing was measured by the same source ends no run, nor does a rate that may be beyond, nor a
    few requests that may be as few, or as many, by chance.
    """
    now = metric.of(case.at(looked))
    worst = _mildest(metric, _step(case.at(looked), metric, now) or _as_before(case, metric, now))

    def held(window: Window) -> bool | None:
        found = metric.of(case.at(window))
        if found.state is not State.MEASURED or found.source != now.source:
            return None
        if _place(metric, _step(case, metric, found)) <= worst:
            return True
        doubtful = metric.rate and not _surely_below(metric, found)
        return None if doubtful or _may_be(metric, worst, found) else False

    return held


def _may_be(metric: Metric, place: int, found: Measurement) -> bool:
    """Whether a count a minute that is not beyond a multiple of its usual is so by chance alone.

    Chance is that of the count, and by how much weeks differ.
    """
    limit = metric.limits[place] if place < len(metric.limits) else None
    if limit is None or limit.of != "baseline" or found.window is None or not found.baseline:
        return False
    low, high = stats.count_interval(float(found.value or 0) * found.window.minutes)
    edge, differ = float(limit.edge) * found.baseline * found.window.minutes, math.exp(2 * USUAL_SPREAD)
    return low / differ <= edge <= high * differ


def _to_the_hour(held: Callable[[Window], bool | None], first: Window, before: Window | None) -> datetime:
    """When in its first day, or late in the day before that, a run began.

    Told by the hour where it was broken in each from there on and in none earlier, else by the day.
    """
    start = before.start if before else first.start
    said = [(hour.start, told) for hour in _hours(start, first.end) if (told := held(hour)) is not None]
    beyond = next((moment for moment, told in said if told), None)
    clear = beyond is not None and all(told == (moment >= beyond) for moment, told in said)
    return beyond if beyond is not None and clear else first.start


def _hours(start: datetime, end: datetime) -> Iterator[Window]:
    """The hours of the clock from one moment to another, the first and the last cut."""
    while start < end:
        whole = min(start.replace(minute=0, second=0, microsecond=0) + HOUR, end)
        yield Window(start, whole)
        start = whole


def _place(metric: Metric, step: Limit | None) -> int:
    """Which step of a ladder it is, the worst first; beyond all of them where it is none."""
    edges = [(limit.of, limit.op, limit.edge) for limit in metric.limits]
    return len(edges) if step is None else edges.index((step.of, step.op, step.edge))


def _mildest(metric: Metric, step: Limit | None) -> int:
    """The place of the mildest step that goes on with a run: of a multiple of what is usual any to the same side.

    Traffic that is twelve times the usual, and in an hour of the night nine times, did not begin anew after it.
    """
    if step is None or step.of != "baseline":
        return _place(metric, step)
    return max(_place(metric, x) for x in metric.limits if (x.of, x.op) == (step.of, step.op))


def _surely_below(metric: Metric, found: Measurement) -> bool:
    """Whether a rate is below its mildest limit, and not for want of requests."""
    return found.high is not None and found.high < float(metric.limits[-1].edge)


def _back(case: Case, looked: Window, before: bool) -> Iterator[Window]:
    """Pieces of the present, the whole hours of the day before and the days before them, newest first.

    What holds the deployment is cut there.

    Args:
        before: they go on before the window, to the week before the deployment.
    """
    whole = Window(min(case.scope.near_from, case.scope.window.start), looked.end) if before else case.scope.window
    start, oldest = looked.end, max(whole.start, looked.end - DAY)
    while start - PIECE >= max(whole.start, looked.end - HOUR):
        start -= PIECE
        yield Window(start, start + PIECE)
    if whole.start <= looked.end - HOUR < looked.start:  # what is sampled is measured by the hour alone
        yield Window(looked.end - HOUR, looked.end)
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour - HOUR >= oldest:
        hour -= HOUR
        yield from _cut(Window(hour, hour + HOUR), case.scope.deployed_at)
    earlier = Window(whole.start, max(whole.start, hour))
    for day in reversed([day.window.clip(earlier) for day in case.scope.review_days]):
        yield from _cut(day, case.scope.deployed_at) if day.seconds > 0 else ()


def _cut(window: Window, deployed: datetime) -> list[Window]:
    """What a window holds of the time since the deployment, then of that before it."""
    if not window.start < deployed < window.end:
        return [window]
    return [Window(deployed, window.end), Window(window.start, deployed)]
