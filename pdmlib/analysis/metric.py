"""A metric: what is measured, how, and the ladder of limits that it is held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pdmlib.frames.case import Case
from pdmlib.frames.readings import Ladder, Measurement, State, number_of
from pdmlib.phases.phase import Topic


class Began(NamedTuple):
    """When what is broken at present, or was broken last, began.

    Attributes:
        moment: None where it began before what is known.
        usual: it was as bad all the time before the deployment that is known.
        over: it has surely ended since.
    """

    moment: datetime | None
    usual: bool = False
    over: bool = False


@dataclass(frozen=True)
class Metric:
    """A row of an analysis' METRICS: what is measured, how, and its ladder, worst step first.

    Attributes:
        measure: pure function of a case (site, window, frames).
        target: what a pass looks like, in the guide's words, for the report.
        better: "lower", "higher" or "neither": which direction is good.
        adds_up: it is a sum over the time of its window, as a count of events is: in twice the time twice as much.
            A level, a peak, a rate, a share and a count of distinct things are none.
        rate: what the `samples` are that the value is a percentage of, judged by its Wilson interval; else empty.
        alerts: an alert may fire on what holds at present.
        holds: whether what is measured at present is confirmed and still so; without it, it is.
        began: when what is broken at present began, where the data tell it; without it, by looking back.
        series: the time before the window is known as the window is, so that a beginning is looked for there, too.
        events: frame, time column and number of the newest events that are its present, where an hour has fewer.
        topic: what it is about; a phase names the topics that it shows.
        phases: names of the phases of that topic that show it, where a target differs; empty for all.
    """

    id: str
    title: str
    unit: str
    section: str
    measure: Callable[[Case], Measurement]
    limits: Ladder = ()
    target: str = ""
    better: str = "neither"
    adds_up: bool = False
    rate: str = ""
    alerts: bool = True
    topic: Topic = Topic.NOW
    phases: tuple[str, ...] = ()
    series: bool = False
    events: tuple[str, str, int] | None = None
    holds: Callable[[Case], bool] = lambda _: True
    began: Callable[[Case], Began | None] = lambda _: None

    def of(self, case: Case) -> Measurement:
        """What is measured of a case, asked once; an error in it is a measurement that could not be made."""
        found: Measurement = case.kept(self.id, self._attempted)
        return found

    def _attempted(self, case: Case) -> Measurement:
        def missing(reason: str) -> Measurement:
            return Measurement.missing(State.ERROR, reason)

        return case.attempt(self.title, lambda: _finite(self.measure(case)), missing)


def _finite(found: Measurement) -> Measurement:
    """The measurement as it is.

    Raises:
        OverflowError: its value is no number, as after a division by next to nothing.
    """
    value = number_of(found.value)
    if value is not None and not math.isfinite(value):
        raise OverflowError("its value is too large to be a number")
    return found
