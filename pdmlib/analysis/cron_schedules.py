"""Runs of the cron log, and the slots of the jobs that they are matched to one to one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from pdmlib.frames.states import Slot
from pdmlib.phases.window import Window
from pdmlib.site.schedules import slots_of
from pdmlib.site.tables import Cron, Job

TIME = "datetime64[us, UTC]"
ENDED = ("completed", "failed")
UNCLEAR = Slot.UNCLEAR
RUN_COLUMNS = ("job", "started_at", "ended_at", "outcome", "seconds", "error", "attempts")


def runs_of(logs: pd.DataFrame, cron: Cron | None, until: datetime) -> pd.DataFrame:
    """Runs in the cron log, as known at a moment: a run is one (job, started_at), whatever rows it wrote.

    `outcome` is completed, failed, not_understood (it ended in a word that nobody has declared), or NaN
    as long as no row of its end is there. Jobs that the site file lists have its name of them.
    """
    logs = logs.dropna(subset=["job", "started_at"])
    logs = logs[logs["started_at"] <= until]
    known = logs["completed_at"].isna() | (logs["completed_at"] <= until)
    ended, unclear = logs["status"].isin(ENDED) & known, logs["status"].isna() & known
    outcome = logs["status"].where(ended).mask(unclear, UNCLEAR)
    length = (logs["completed_at"] - logs["started_at"]).dt.total_seconds()
    rows = pd.DataFrame(
        {
            "job": logs["job"].replace(ours_of(logs["job"], cron)),
            "started_at": logs["started_at"],
            "ended_at": logs["completed_at"].where(ended),
            "outcome": outcome,
            "seconds": (logs["duration_ms"] / 1000).fillna(length).where(ended),
            "error": logs["error"].where(ended),
            "attempts": logs["attempts"].where(ended),
        }
    )
    says = 2 * ended.astype(int) + unclear.astype(int)
    rows = rows.assign(says=says).sort_values(["job", "started_at", "says", "ended_at"])
    return rows.groupby(["job", "started_at"], as_index=False).tail(1)[list(RUN_COLUMNS)].reset_index(drop=True)


def ours_of(names: pd.Series, cron: Cron | None) -> dict[str, str]:
    """The log's names of jobs that the site file lists -> its own."""
    return {theirs: ours for theirs in names.dropna().unique() if cron and (ours := cron.job_of(theirs))}


def matched(jobs: Sequence[Job], cron: Cron, runs: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Slots of jobs in a window, each with its run: job, expected_at, nth, and the columns of `runs_of`.

    A run belongs to the slot it follows, or comes before by at most the early tolerance. `nth` is
    0 for a slot's first run or for none, and counts on for further runs of the same slot.
    """
    plans = [slots_of(job, window) for job in jobs]
    due = [[slot for slot in slots if slot < window.end] for slots in plans]
    started, owner = runs["started_at"].astype("int64").to_numpy(), runs["job"].to_numpy()
    number = np.full(len(runs), -1)
    for job, slots, inside in zip(jobs, plans, due, strict=True):
        mine = np.flatnonzero(owner == job.name)
        place = np.searchsorted(_edges(slots, cron.early_s), started[mine], side="right") - 1
        number[mine] = np.where(place < len(inside), place, -1)
    counts = [len(inside) for inside in due]
    plan = pd.DataFrame(
        {
            "job": pd.Series(np.repeat([job.name for job in jobs], counts), dtype=runs["job"].dtype),
            "slot": np.concatenate([np.arange(count) for count in counts]).astype("int64"),
            "expected_at": pd.Series([slot for inside in due for slot in inside], dtype=TIME),
        }
    )
    ran = runs.assign(slot=number)[number >= 0].sort_values("started_at")
    ran = ran.assign(nth=ran.groupby(["job", "slot"]).cumcount())
    table = plan.merge(ran, on=["job", "slot"], how="left").drop(columns="slot")
    return table.assign(nth=table["nth"].fillna(0).astype(int))


def _edges(slots: tuple[datetime, ...], early_s: float) -> np.ndarray:
    """From when on a run counts for each slot, in microseconds; never before the middle to the slot before."""
    moments = np.array([slot.timestamp() for slot in slots])
    early = min(early_s, float(np.diff(moments).min()) / 2) if len(moments) > 1 else early_s
    return ((moments - early) * 1e6).astype("int64")
