"""The checks of a database that compare two looks at it: load, rollbacks, cache, spills, growth, drift.

Results have the shape of the frame `database_findings`. A check without two looks, or across a reset of its
counter, is unknown and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pdmlib.analysis.database import drift, plans, statements, waits
from pdmlib.analysis.database.gauge_deltas import Between
from pdmlib.analysis.database.statements import looks
from pdmlib.frames.case import Case, once
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import counted, significant
from pdmlib.frames.statement_text import normalised
from pdmlib.phases.window import spoken

# Times the time a statement that sessions are at work beside executing it: planning and commits vary by less.
APART_FACTOR = 3.0
COMMIT_MS = 2.0  # to write a commit to a disk that is not slow: less is not told from it
FEWEST_AT_WORK = 0.1  # sessions: twice as much of a server that idles is no load
ROLLED_BACK = 0.05  # share of transactions: a healthy application undoes few
DEADLOCKS_A_MIN = 5  # a pace at which users wait, no longer an accident
FULL_PCT = 90  # of pg_stat_statements.max: from its end on the server evicts entries, and with them their past
GROWTH_PCT, GROWTH_BYTES = 20, 100e6  # in twelve hours; below 100 MB a share tells nothing of the room left
SECONDS_A_MIN = 60
MS_PER_S = 1000
FEWEST_CHECKPOINTS = 10  # asked for in a window: a restore or a person asks for a few
SPILLED_MB = 100  # of temporary files an hour: sorts and hashes that no longer fit into work_mem
Row = dict[str, Any]

# A server with the default 128 MB of shared memory reads 16,384 blocks once to fill it, whatever runs: of fewer
# blocks than these the start of the server, and not the load, decides the share that comes from disk.
FEWEST_BLOCKS = 100_000
FILL = 16_384
MEGABYTE = 1e6
_EPOCHS = {
    "started_at": "the server was started again",
    "stats_reset": "the statistics of the database were reset",
    "server_stats_reset": "the statistics of the server were reset: a crash or a person",
    "statements_reset": "pg_stat_statements was reset",
}


@once
def checks(case: Case) -> pd.DataFrame:
    """Rows of `database_findings`: the case's own, and those of two looks at the counters."""
    found = looks(case, "database_gauges")
    rows: list[Row] = []
    if found is not None:
        for name, check in _CHECKS:
            rows += _run(name, check, Between(case, found))
    return pd.concat([case["database_findings"], frame("database_findings", rows)], ignore_index=True)


def _run(name: str, check: Callable[[Between], Iterator[Row]], between: Between) -> list[Row]:
    if between.found.before is None:
        why = f"{between.found.notes[0]}: no verdict without a look before and one after the deployment"
        return [_row(name, "unknown", window=None, unknown_reason=why)]
    results = [{**row, "check": name, "window": between.window} for row in check(between)]
    return results or [_row(name, "pass", window=between.window, evidence="nothing found")]


def _row(check: str, severity: str, **changes: Any) -> Row:
    return {"check": check, "severity": severity, **changes}


def _unknown(reason: str) -> Row:
    return {"severity": "unknown", "unknown_reason": reason}


_FELL = "a look lacks the counter, or it fell: the statistics were reset in between"


def query_regression(between: Between) -> Iterator[Row]:
    """Statements slower since the deployment; what cannot wait fails."""
    for row in statements.compare(between.case):
        if row["regressed"]:
            yield {
                "object": f"{row['role']}: {row['query'][:120]}",
                "severity": "fail" if statements.urgent(row) else "warn",
                "value": row["mean_ms"],
                "unit": "ms",
                "threshold": f"< {significant(statements.FACTOR * row['before_mean_ms'])} ms",
                "evidence": row["reason"],
                "action": "EXPLAIN it with the parameters of today; its reason names what to look at",
            }


def load(between: Between) -> Iterator[Row]:
    """Sessions at work on average, against the pace of the window before: twice as many warn.

    As many times more calls are more users and no fault.
    """
    grown = between.grown("active_time")
    if grown is None:
        yield _unknown(_FELL)
        return
    busy = (grown + (between.value("in_flight_ms") or 0.0)) / 1000
    now = busy / between.found.seconds
    pace = between.pace("active_time")
    before = None if pace is None else pace / 1000
    # Of a window shorter than a minute one heavy call of a person would be the load.
    much = busy / max(between.found.seconds, SECONDS_A_MIN) >= FEWEST_AT_WORK
    busier = before is not None and much and now >= 2 * before * max(between.traffic, 1.0)
    yield {
        "severity": "warn" if busier else "info" if before is None else "pass",
        "value": now,
        "unit": "sessions at work",
        "threshold": None if before is None else f"< {2 * before * max(between.traffic, 1.0):.2f}",
        "evidence": f"{now:.2f} sessions at work on average"
        + ("" if before is None else f", {before:.2f} in the window before"),
        "action": "See `queries`: its volume and latency say where the load comes from" if busier else None,
    }


def lock_waits(between: Between) -> Iterator[Row]:
    """Statements that wait for locks: those seen so by the samples, and what the counters of all of them lack.

    The lock of a table is waited for before a statement is executed: that is time of a session at work, and none
    of the statement. Cancelled statements, planning and commits are such time as well, so it is no sure sign.
    """
    (before, after), earlier = between.windows
    slower = {normalised(row["query"]) for row in statements.compare(between.case) if row["regressed"]}
    for waiting in waits.locked(between.case, before, after, told=slower):
        yield {
            "object": f"{waiting.role}: {waiting.query[:120]}",
            "severity": "warn",
            "value": waiting.share_pct,
            "unit": "%",
            "threshold": f"< {waits.LOCKED_PCT} %",
            "evidence": f"seen at work it waited: {waiting.told}",
            "action": "Shorten the transaction that holds it; a migration by a short lock_timeout and more tries",
        }
    now, past = _apart(between, before, after), _apart(between, *earlier)
    if now is None:
        return
    usual = max(past.each if past else 0.0, COMMIT_MS)
    sessions = (now.each - usual) * now.calls / MS_PER_S / max(between.found.seconds, SECONDS_A_MIN)
    if sessions >= FEWEST_AT_WORK and now.each >= APART_FACTOR * usual:
        yield {
            "severity": "warn",
            "value": now.each,
            "unit": "ms a statement",
            "threshold": f"< {significant(APART_FACTOR * usual)} ms a statement",
            "evidence": f"sessions were at work {significant(now.each)} ms a statement without executing it"
            f"{f', {significant(past.each)} ms before' if past else ''}: likely they waited for the lock of a "
            "table, which no counter of a statement tells",
            "action": "Find who holds it: `pdm watch` samples that; log_lock_waits = on writes who is held up "
            "beyond deadlock_timeout to the server's log. Cancelled statements count so as well",
        }


@dataclass(frozen=True)
class _Apart:
    """Statements of a window, and the time that sessions were at work beside executing them."""

    calls: float
    ms: float

    @property
    def each(self) -> float:
        """ms a statement."""
        return self.ms / self.calls


def _apart(between: Between, start: pd.Timestamp | None, end: pd.Timestamp | None) -> _Apart | None:
    """None without statements that are all counted, and before PostgreSQL 14, which has no such time."""
    steps = [between.step(name, start, end) for name in ("active_time", "statements_dealloc")]
    spent = statements.executed(between.case, start, end)
    if steps[0] is None or steps[1] != 0 or spent is None or not spent[0]:
        return None
    return _Apart(spent[0], max(steps[0] - spent[1], 0.0))


def rollbacks(between: Between) -> Iterator[Row]:
    """Deadlocks (any warns, over five a minute fails), rollbacks (over 5 % and twice as usual), lost sessions."""
    undone, done = between.grown("xact_rollback"), between.grown("xact_commit")
    if undone is None or done is None:
        yield _unknown(_FELL)
        return
    share = undone / (undone + done) if undone + done else 0.0
    paces = between.pace("xact_rollback"), between.pace("xact_commit")
    usual = paces[0] / sum(p or 0 for p in paces) if paces[0] and sum(p or 0 for p in paces) else 0.0
    if share > ROLLED_BACK and share > 2 * usual:
        evidence = (
            f"{undone:.0f} of {undone + done:.0f} transactions were rolled back, usually {100 * usual:.1f} %"
        )
        action = "Look for errors and timeouts in the application's log"
        yield {
            "object": "rollbacks",
            "severity": "warn",
            "value": 100 * share,
            "unit": "%",
            "threshold": "< 5 %",
            "evidence": evidence,
            "action": action,
        }
    deadlocks = between.grown("deadlocks") or 0.0
    if deadlocks:
        severity = "fail" if deadlocks / (between.found.seconds / SECONDS_A_MIN) > DEADLOCKS_A_MIN else "warn"
        yield {
            "object": "deadlocks",
            "severity": severity,
            "value": deadlocks,
            "unit": "count",
            "threshold": "0",
            "evidence": f"{deadlocks:.0f} deadlocks",
            "action": "Take locks in one order",
        }
    for metric in ("sessions_fatal", "sessions_abandoned", "sessions_killed"):
        lost = between.grown(metric) or 0.0
        if lost:
            yield {
                "object": metric,
                "severity": "info",
                "value": lost,
                "unit": "count",
                "evidence": f"{counted(lost, 'session')} ended so; refusals by a limit are in no counter",
            }


def statistics_epoch(between: Between) -> Iterator[Row]:
    """Whether the counters run unbroken from look to look, and whether pg_stat_statements is too small."""
    for metric, meaning in _EPOCHS.items():
        old, new = (
            statements.gauge(between.case, metric, at) for at in (between.found.before, between.found.after)
        )
        now = between.case.scope.as_of.timestamp()
        # A database whose statistics were never reset has no time of it: the first reset is one all the same.
        began = between.found.before.timestamp() if old is None and between.found.before is not None else old
        if new is not None and began is not None and began + 1 < new <= now:
            when = spoken(pd.Timestamp(new, unit="s", tz="UTC"), between.case.site.zone)
            yield {
                "object": metric,
                "severity": "warn",
                "evidence": f"{meaning} at {when}",
                "action": "Trust no difference across that moment",
            }
    evicted = between.grown("statements_dealloc") or 0.0
    entries, most = between.value("statements_entries"), between.value("pg_stat_statements.max")
    full = 100 * entries / most if entries is not None and most else 0.0
    if evicted or full > FULL_PCT:
        yield {
            "object": "pg_stat_statements",
            "severity": "warn",
            "value": full,
            "unit": "% full",
            "threshold": "< 90 %, nothing evicted",
            "evidence": f"entries were evicted {counted(evicted, 'time')}"
            if evicted
            else f"{entries:,.0f} of {most:,.0f} entries are in use; a full table evicts the rarest",
            "action": "Raise pg_stat_statements.max",
        }


def cache_hit(between: Between) -> Iterator[Row]:
    """Blocks found in memory in the window, to be graded by the ladder of the cache hits; too few say nothing."""
    hit, read = between.grown("blks_hit"), between.grown("blks_read")
    if hit is None or read is None:
        yield _unknown(_FELL)
    elif hit + read < FEWEST_BLOCKS:
        yield _unknown(f"only {hit + read:,.0f} blocks were asked for; it takes {FEWEST_BLOCKS:,}")
    else:
        share = hit_share(hit, read)
        action = "Look at the statements that read most before buying memory"
        yield {
            "severity": "info",
            "value": share,
            "unit": "%",
            "evidence": from_disk(hit, read),
            "action": action,
        }


def from_disk(hit: float, read: float) -> str:
    """The blocks behind the share, and why reads of a memory that was empty are no misses."""
    filling = ", fewer than it takes to fill the memory once" if 0 < read <= FILL else ""
    return f"{read:,.0f} of {hit + read:,.0f} blocks came from disk{filling}"


def hit_share(hit: float, read: float) -> float:
    """Per cent of the blocks that were found in memory; those that fill an empty memory once are no misses."""
    return 100 * hit / (hit + max(read - FILL, 0.0))


def temp_spills(between: Between) -> Iterator[Row]:
    """Temporary files: over 100 MB an hour warns; in a shorter window, over 100 MB."""
    spilled = between.grown("temp_bytes")
    if spilled is None:
        yield _unknown(_FELL)
        return
    # Of a window shorter than an hour what was written, not what an hour of it would be.
    rate = spilled / MEGABYTE / max(between.hours, 1.0)
    if rate > SPILLED_MB:
        yield {
            "severity": "warn",
            "value": rate,
            "unit": "MB/h",
            "threshold": f"< {SPILLED_MB} MB/h",
            "evidence": f"{spilled / MEGABYTE:.0f} MB went to temporary files",
            "action": "Index the sort, or raise work_mem for that role only",
        }


def checkpoints(between: Between) -> Iterator[Row]:
    """Checkpoints that the amount of written log asked for: told where they are more than those by the clock."""
    asked, timed = between.grown("checkpoints_req"), between.grown("checkpoints_timed")
    if asked is None or timed is None:
        yield _unknown(_FELL)
    elif asked >= FEWEST_CHECKPOINTS and asked > timed:
        yield {
            "severity": "info",
            "value": asked,
            "unit": "count",
            "threshold": f"< {FEWEST_CHECKPOINTS}",
            "evidence": f"{asked:.0f} checkpoints because much was written, {timed:.0f} by the clock",
            "action": "Raise max_wal_size, or find out what writes so much",
        }


def size_growth(between: Between) -> Iterator[Row]:
    """Growth of the database: 20 % in twelve hours warns."""
    grown, size = between.grown("db_size_bytes"), between.value("db_size_bytes")
    if not grown or not size or size == grown:
        return
    share = 100 * grown / (size - grown) * 12 / between.hours
    severity = "warn" if share >= GROWTH_PCT and grown > GROWTH_BYTES else "info"
    yield {
        "severity": severity,
        "value": share,
        "unit": "% in 12 h",
        "threshold": "< 20 %",
        "evidence": f"it grew by {significant(grown / MEGABYTE, 2)} MB to {size / MEGABYTE:.0f} MB",
    }


def own_cost(between: Between) -> Iterator[Row]:
    """What our own last look cost the server."""
    queries, spent = between.value("own_queries"), between.value("own_ms")
    if queries is not None and spent is not None:
        yield {
            "severity": "info",
            "value": spent,
            "unit": "ms",
            "evidence": f"{counted(queries, 'statement')} of this workbook",
        }


_CHECKS: tuple[tuple[str, Callable[[Between], Iterator[Row]]], ...] = (
    ("query_regression", query_regression),
    ("changed_plans", plans.changed_plans),
    ("load", load),
    ("lock_waits", lock_waits),
    ("rollbacks", rollbacks),
    ("drift", drift.drift),
    ("seq_scans", drift.seq_scans),
    ("statistics_epoch", statistics_epoch),
    ("cache_hit", cache_hit),
    ("temp_spills", temp_spills),
    ("checkpoints", checkpoints),
    ("size_growth", size_growth),
    ("density", drift.density),
    ("own_cost", own_cost),
)
