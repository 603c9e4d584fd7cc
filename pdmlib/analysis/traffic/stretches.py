"""Stretches of time in which too many requests failed: when each began, and whether it is over.

The series itself says so: a cumulative sum of log-likelihood ratios dates what it finds.
Source: Page 1954, Biometrika 41; the thresholds are those of Wald's sequential test, 1945.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any, cast

import numpy as np
import pandas as pd

from pdmlib import stats
from pdmlib.analysis.traffic.populations import buckets, finest
from pdmlib.analysis.traffic.silence import Floats
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import FEWEST_EVENTS
from pdmlib.frames.states import Probe
from pdmlib.phases.window import Window

# Evidence, in natural logarithms of odds: 1000 to 1 that a stretch began, since a month has some 700 hours to
# begin in, and 20 to 1 that it is over.
BEGAN, OVER = math.log(1000), math.log(20)
# That it began before the deployment: little is asked, as a rollback for what began before mends nothing.
BEFORE = math.log(5)
PAUSED = BEGAN + math.log(60)  # that a pause between failures was none by chance, in each minute of those hours
ROLLBACK_PCT = 5.0  # of requests, the guide's edge for a rollback
# The rates that are told apart: half of what is allowed, and half as much again; a known stretch has its own.
USUAL, WORSE, MOST = 0.5, 1.5, 0.9
# Requests that the usual rate would have brought while none came: a tenth of that rate, as at night, makes two.
MISSED = 20
WEEK = timedelta(days=7)  # before a window, of which every source is asked
# What came back twice after pauses of at most an hour, which is the present of every limit, comes and goes: that
# it pauses now is its end only once that is longer than each of those.
RETURNS, SHORT_PAUSE = 2, timedelta(hours=1)


@dataclass(frozen=True)
class Stretch:
    """Time in which more requests failed than an edge allows; `end` None while it lasts."""

    start: datetime
    end: datetime | None
    failures: float
    requests: float

    @property
    def share_pct(self) -> float:
        """Failed requests in percent of all."""
        return 100 * self.failures / self.requests


@once
def stretches(case: Case, edge_pct: float) -> list[Stretch]:
    """Stretches of the case's window in which surely more requests failed than the edge, oldest first.

    One that was there before the window began is told from its own beginning in the week before.
    """
    rows = _unplanned(case)
    found = _stretches(case, rows, edge_pct)
    if found:
        week = Window(case.window.start - WEEK, case.window.start)
        longer = pd.concat([_unplanned(case.at(week)), rows], ignore_index=True)
        found = [one for one in _stretches(case, longer, edge_pct) if (one.end or case.window.end) > week.end]
    return found


def _stretches(case: Case, rows: pd.DataFrame, edge_pct: float) -> list[Stretch]:
    edge = edge_pct / 100
    found: list[Stretch] = []
    for first, last, undecided in _extents(rows, edge):
        part = rows.iloc[first : last + 1]
        last_seen = part["end_at"].iloc[-1].to_pydatetime()
        start = _or_deployed(case, _began(case, rows, (first, last), edge), edge)
        lasts = undecided and (last_seen > case.scope.present.start or _fell_silent(case, rows, last))
        # What lasts is counted up to now: cut at its last failure it would seem worse than it is. How bad it was
        # before the deployment says nothing of now.
        counted = rows.iloc[max(first, int((rows["at"] < case.scope.deployed_at).sum())) :] if lasts else part
        failed, asked = float(counted["failures"].sum()), float(counted["requests"].sum())
        found.append(Stretch(start, None if lasts else last_seen, failed, asked))
    return found


def _extents(rows: pd.DataFrame, edge: float) -> list[tuple[int, int, bool]]:
    """First and last bucket of each stretch, and whether it is not known to be over.

    Two are one where requests between them may have failed as often as in the milder one: a level that fell is no
    pause. What comes and goes is one, and not over.
    """
    found: list[tuple[int, int, bool]] = []
    place = 0
    while (alarm := _alarm(rows, place, edge)) is not None:
        first, last, place = _extent(rows, *alarm, edge)
        failed, asked = _sums(rows, first, last)
        if failed < FEWEST_EVENTS or stats.wilson(failed, asked)[0] <= edge:
            continue
        while found and not _paused(rows, found[-1], (first, last), edge):
            first = found.pop()[0]
        found.append((first, last, place > len(rows)))
    again = _returns(rows, found)
    return [*found[:again], (found[again][0], found[-1][1], True)] if again < len(found) else found


def _paused(rows: pd.DataFrame, one: tuple[int, int, bool], later: tuple[int, int], edge: float) -> bool:
    """Whether requests surely failed less between two stretches than in the milder of them."""
    sums = _sums(rows, *one[:2]), _sums(rows, *later)
    mild = min(max(edge, min(failed / asked for failed, asked in sums)), MOST)
    return bool(-_evidence(*_sums(rows, one[1] + 1, later[0] - 1), USUAL * edge, mild) >= PAUSED)


def _returns(rows: pd.DataFrame, found: list[tuple[int, int, bool]]) -> int:
    """The first of the newest stretches that come and go; their number where the newest is over or lasts."""
    if not found or found[-1][2]:
        return len(found)
    starts, ends = (rows[name].to_list() for name in ("at", "end_at"))
    pauses = [starts[later[0]] - ends[one[1]] for one, later in pairwise(found)]
    short = list(takewhile(lambda pause: pause <= SHORT_PAUSE, reversed(pauses)))
    come_again = len(short) >= RETURNS and ends[-1] - ends[found[-1][1]] <= max(short)
    return len(found) - 1 - len(short) if come_again else len(found)


def _sums(rows: pd.DataFrame, first: int, last: int) -> tuple[float, float]:
    """Failures and requests of some buckets."""
    part = rows.iloc[first : last + 1]
    return float(part["failures"].sum()), float(part["requests"].sum())


def _began(case: Case, rows: pd.DataFrame, extent: tuple[int, int], edge: float) -> datetime:
    """When a stretch began: in the finer bucket that it began in, where these tell all of its first one.

    The bucket before may hold its beginning, too little of it to show there.
    """
    first, last = extent
    start = _since_deployed(case, rows, first, last)
    near = rows.iloc[max(0, first - 1) : first + 1]
    fine = finest(case.at(Window(near["at"].iloc[0].to_pydatetime(), near["end_at"].iloc[-1].to_pydatetime())))
    if len(fine) <= len(near) or not math.isclose(fine["requests"].sum(), near["requests"].sum()):
        return start
    total = _total(fine, edge)
    place = _start(total, int(_gain(total).argmax()))
    return cast(datetime, fine["at"].iloc[place].to_pydatetime())


def _or_deployed(case: Case, start: datetime, edge: float) -> datetime:
    """The start of a stretch; the deployment where what failed before it may be chance.

    The few failures that any site has place a beginning some minutes too early.
    """
    deployed = case.scope.deployed_at
    if start >= deployed:
        return start
    before = finest(case.at(Window(start, deployed)))
    total = _total(before[before["end_at"] <= deployed], edge)
    return deployed if len(total) and total[-1] < BEFORE else start


def _since_deployed(case: Case, rows: pd.DataFrame, first: int, last: int) -> datetime:
    """The start of a stretch's first bucket; the deployment where it lies in that bucket and explains it.

    It does where no larger share of the bucket failed than of the rest of the stretch, of the time since then.
    """
    bucket, deployed = rows.iloc[first], case.scope.deployed_at
    start, end = bucket["at"].to_pydatetime(), bucket["end_at"].to_pydatetime()
    if not start < deployed < end:
        return cast(datetime, start)
    failed, asked = _sums(rows, first + 1, last)
    most = stats.wilson(failed, asked)[1] * ((end - deployed) / (end - start)) if asked else 1.0
    return start if stats.wilson(bucket["failures"], bucket["requests"])[0] > most else deployed


def _fell_silent(case: Case, rows: pd.DataFrame, last: int) -> bool:
    """Whether no request came after a stretch, where many would have, and no look found the application well.

    What fails and then is not asked any more has not recovered.
    """
    if last < len(rows) - 1:
        return False
    seen = rows["end_at"].iloc[last]
    rate = rows["requests"].sum() / (seen - rows["at"].iloc[0]).total_seconds()
    probes = case["probes"]
    well = probes[(probes["checked_at"] > seen) & (probes["status"] == Probe.UP)]
    return bool(rate * (case.window.end - seen).total_seconds() >= MISSED) and well.empty


def _unplanned(case: Case) -> pd.DataFrame:
    """The buckets of the window that meet no declared maintenance."""
    rows = buckets(case)
    for span in case.site.maintenance_in(case.window):
        rows = rows[(rows["end_at"] <= span.start) | (rows["at"] >= span.end)]
    return rows.reset_index(drop=True)


def last_stretch(case: Case, edge_pct: float) -> Stretch | None:
    """The newest stretch up to the present; None when there is none."""
    found = stretches(case.at(case.scope.known), edge_pct)
    return found[-1] if found else None


def worsened(case: Case, since: datetime) -> bool:
    """Whether surely far more requests fail since the deployment than did between a moment before it and it.

    A bucket that holds the deployment tells of neither side, and one in which it began not how bad it was.
    """
    rows = _unplanned(case.at(Window(since, case.scope.present.end))).iloc[1:]
    sides = rows["at"] >= case.scope.deployed_at, rows["end_at"] <= case.scope.deployed_at
    counts = [float(rows.loc[side, name].sum()) for side in sides for name in ("failures", "requests")]
    return counts[-1] > 0 and stats.rate_ratio(*counts)[0] > WORSE


def _evidence(failed: Any, asked: Any, usual: float, now: float) -> Any:
    """How much each bucket speaks for the rate of now against the usual one."""
    return failed * math.log(now / usual) + (asked - failed) * math.log((1 - now) / (1 - usual))


def _alarm(rows: pd.DataFrame, place: int, edge: float) -> tuple[int, int] | None:
    """Where the next stretch begins, and where it is sure; None when there is none."""
    total = _total(rows.iloc[place:], edge)
    sure = _gain(total) >= BEGAN
    if not sure.any():
        return None
    at = int(sure.argmax())
    return place + _start(total, at), place + at


def _total(rows: pd.DataFrame, edge: float) -> Floats:
    """Evidence of all buckets up to each for a rate above the edge."""
    return np.cumsum(
        _evidence(rows["failures"], rows["requests"], USUAL * edge, min(WORSE * edge, MOST)).to_numpy()
    )


def _gain(total: Floats) -> Floats:
    """Evidence at each bucket since the best place to begin."""
    return total - np.minimum(np.minimum.accumulate(total), 0.0)


def _start(total: Floats, at: int) -> int:
    """The bucket in which what is seen at another most likely began."""
    before = total[:at]
    return int(before.argmin()) + 1 if at and before.min() < 0 else 0


def _extent(rows: pd.DataFrame, first: int, sure: int, edge: float) -> tuple[int, int, int]:
    """A stretch's first and last bucket and where to look on; beyond the end of all while it lasts.

    That it is over by now is told at 20 to 1 for each hour that it lasted: what went on for days seldom ends in
    the last minutes. Whether it paused before is looked at in every bucket, and that is allowed for.
    """
    failed, asked = rows["failures"].to_numpy(), rows["requests"].to_numpy()
    last, against = sure, 0.0
    for place in range(sure + 1, len(rows)):
        share = min(max(failed[first : last + 1].sum() / asked[first : last + 1].sum(), edge), MOST)
        tail = slice(last + 1, place + 1)
        against = float(-_evidence(failed[tail].sum(), asked[tail].sum(), USUAL * edge, share))
        if against <= 0:
            last = place
        elif against >= PAUSED:
            return first, last, place
    hours = (rows["end_at"].iloc[last] - rows["at"].iloc[first]) / timedelta(hours=1)
    over = OVER + math.log(max(1.0, hours))
    return first, last, len(rows) if against >= over else len(rows) + 1
