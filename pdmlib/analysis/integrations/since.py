"""Since when some of the payments, messages or checks go wrong as often as they do now.

A failure is one event of a share, so that no single good one ends a run: the run is the newest stretch in which
the share did not surely change. What it was before the deployment tells whether the deployment can be the reason.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from pdmlib import stats
from pdmlib.analysis.metric import Began
from pdmlib.analysis.traffic.onset import CHANGED, of_rates
from pdmlib.frames.case import Case
from pdmlib.frames.readings import FEWEST_EVENTS

OVER = 0.05  # chance of as many good ones in a row as the newest are, below which a run is over
SURELY_MORE = 0.01  # level of the test against before the deployment, strict since reports come by the day


def of_events(case: Case, at: pd.Series, wrong: pd.Series) -> Began | None:
    """As `of_counts`, of single events, each of which went wrong or did not."""
    return of_counts(case, pd.DataFrame({"at": at, "events": wrong.astype(float), "trials": 1.0}))


def of_counts(case: Case, counts: pd.DataFrame) -> Began | None:
    """When the newest run of what goes wrong began, and whether it is over; None where nothing does.

    It is of before the deployment where at least three went wrong between the run's start and the deployment, and
    surely no larger share does since. It is usual where nothing that is known of before was better.

    Args:
        counts: at, events, trials; of the time up to now and as far back as it is known.
    """
    known = counts[(counts["trials"] > 0) & (counts["at"] < case.scope.present.end)].sort_values("at")
    first = _newest_level(known)
    run = known.iloc[first:]
    earlier = run["at"] < case.scope.deployed_at
    stands = _stands(run[earlier], run[~earlier])
    mine = run if stands else run[~earlier]
    moment = mine.loc[mine["events"] > 0, "at"].min()
    return None if pd.isna(moment) else Began(_plain(moment), usual=stands and first == 0, over=_is_over(run))


def _is_over(run: pd.DataFrame) -> bool:
    """Whether what came after the last that went wrong was too much good in a row for what went on before it.

    A cut into two levels does not find a short run in the middle of many good ones.
    """
    wrong = np.flatnonzero(run["events"].to_numpy("float64"))
    if not len(wrong):
        return False
    while_it_lasted = run.iloc[wrong[0] : wrong[-1] + 1]
    share, _ = stats.wilson(while_it_lasted["events"].sum(), while_it_lasted["trials"].sum())
    return bool((1 - share) ** run["trials"].iloc[wrong[-1] + 1 :].sum() < OVER)


def _plain(moment: pd.Timestamp) -> datetime:
    return moment.to_pydatetime()  # type: ignore[no-any-return]


def _stands(before: pd.DataFrame, since: pd.DataFrame) -> bool:
    """Whether a share is what it was before the deployment, and not for want of events."""
    events, trials = before["events"].sum(), before["trials"].sum()
    if events < FEWEST_EVENTS:
        return False
    now = since["events"].sum(), since["trials"].sum()
    return stats.rate_ratio(*now, events, trials, level=SURELY_MORE)[0] <= 1


def _newest_level(known: pd.DataFrame) -> int:
    """Place of the first row of the newest stretch in which the share did not surely change."""
    first = 0
    while len(known) - first > 1:
        events, trials = (known[name].to_numpy("float64")[first:] for name in ("events", "trials"))
        gains = of_rates(events, trials)
        if gains.max() < CHANGED:
            break
        first += int(np.argmax(gains)) + 1
    return first
