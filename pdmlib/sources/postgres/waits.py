"""What the sessions at work wait for, looked at once a second for a few seconds, by statement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.statement_text import redacted
from pdmlib.site.site import Site
from pdmlib.sources.postgres.session import SOURCE, Row, session

SAMPLES, APART_S = 5, 1.0
SAMPLE_S = 1.0  # for one sample, which takes a millisecond
AT_WORK = "CPU"  # a session that waits for nothing is at work, or waits for a processor
TEXT = 500  # characters of a statement: enough to know it again


def waits(site: Site, at: datetime, sleep: Callable[[float], None] = time.sleep) -> dict[str, pd.DataFrame]:
    """The frame `waits` of one round; a database that cannot be sampled is a row of `gaps`."""
    try:
        with session(site) as opened:
            if not opened.can.monitors:
                raise SourceError(
                    SOURCE, f"the sessions of other roles are hidden: GRANT pg_monitor TO {opened.can.grantee};"
                )
            seen: list[Row] = []
            for number in range(SAMPLES):
                if number:
                    sleep(APART_S)
                seen += opened.named("at_work", timeout_s=SAMPLE_S)
    except SourceError as error:
        gap = {"source": SOURCE, "item": "waits", "state": "error", "reason": error.reason}
        return {"gaps": frame("gaps", [gap])}
    return {"waits": frame("waits", _counted(seen, at))}


def _counted(seen: list[Row], at: datetime) -> list[Row]:
    """A row each kind of session that was seen, and one of the round itself, which may have seen none."""
    kinds = ("role", "queryid", "query", "wait", "blocker")
    found = Counter(tuple(_told(row)[kind] for kind in kinds) for row in seen)
    return [
        {"at": at, "samples": 0, "taken": SAMPLES},
        *(
            {**dict(zip(kinds, kind, strict=True)), "at": at, "samples": count, "taken": SAMPLES}
            for kind, count in found.items()
        ),
    ]


def _told(row: Row) -> Row:
    blocker = None
    if row["blocker"] is not None:
        blocker = f"{row['blocker_role']} ({row['blocker_state']}): {redacted(row['blocker'], TEXT)}"
    return {**row, "query": redacted(row["query"], TEXT), "wait": row["wait"] or AT_WORK, "blocker": blocker}
