"""What sessions wait for, sampled while a real lock is held; what of it the analysis tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pdmlib.analysis.database import counters, statements
from pdmlib.analysis.database.waits import waits as told
from pdmlib.phases.window import Window, iso, now
from pdmlib.sources.postgres.waits import SAMPLES, waits
from pdmlib.storage.history import recall
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.watch import Pace, Watch
from tests.builders import DEPLOYED, a_case
from tests.looks import a_story
from tests.servers import BLIND, Database

PATIENCE_S = 60  # for a session on a busy machine
UPDATE = "UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1"


@contextmanager
def held(database: Database) -> Iterator[psycopg.Cursor]:
    """The row of the one branch locked by a session that then does nothing."""
    with database.admin() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.execute("UPDATE pgbench_branches SET filler = 'customer 4711' WHERE bid = 1")
        yield cursor


@contextmanager
def stuck(database: Database) -> Iterator[None]:
    """A session that waits for that row, seen to wait before anything is looked at."""
    with held(database):
        waiting = threading.Thread(target=lambda: database.run(UPDATE))
        waiting.start()
        with database.admin() as connection:
            end = time.monotonic() + PATIENCE_S
            while not connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                assert time.monotonic() < end
                time.sleep(0.05)
        yield
    waiting.join()


def test_who_waits_for_a_lock_is_named_with_the_statement_that_holds_it(database: Database) -> None:
    database.pgbench("-i", "-s", "1", "-q")
    with stuck(database):
        found = waits(database.site(), now(), sleep=lambda _: time.sleep(0.05))
    (row,) = found["waits"].dropna(subset=["wait"]).to_dict("records")
    assert (row["wait"], row["samples"], row["taken"]) == ("Lock: transactionid", SAMPLES, SAMPLES)
    assert row["query"] == "UPDATE pgbench_branches SET bbalance = bbalance + ? WHERE bid = ?"
    assert row["blocker"] == (
        "supabase_admin (idle in transaction): UPDATE pgbench_branches SET filler = '?' WHERE bid = ?"
    )


@pytest.mark.slow
def test_each_round_of_the_watch_keeps_what_sessions_waited_for(database: Database, tmp_path: Path) -> None:
    database.pgbench("-i", "-s", "1", "-q")
    site = database.site(unused=["app", "sentry", "vercel", "supabase", "stripe", "twilio", "resend"])
    pace = Pace(sleep=lambda _: time.sleep(0.05))
    watch = Watch(site, tmp_path, deployed_at=iso(now() - timedelta(hours=1)), dashboard=False, pace=pace)
    with stuck(database):
        seen = watch.round()
    assert seen.troubles == ()
    # `now` is in whole seconds, and the look may be of this one.
    kept = recall(history_folder(site, tmp_path), Window(now() - timedelta(hours=1), now() + timedelta(minutes=1)))
    assert kept["waits"]["wait"].dropna().tolist() == ["Lock: transactionid"]
    assert set(kept["waits"]["at"]) == set(kept["statements"]["at"])


def test_a_role_that_sees_no_sessions_of_others_is_a_gap_and_no_silence(database: Database) -> None:
    found = waits(database.site(BLIND), now(), sleep=lambda _: None)
    assert "waits" not in found
    assert list(found["gaps"]["reason"]) == [
        "the sessions of other roles are hidden: GRANT pg_monitor TO pdm_blind;"
    ]


@pytest.mark.slow
def test_a_regression_with_the_same_work_is_told_by_what_its_sessions_waited_for(database: Database) -> None:
    database.pgbench("-i", "-s", "1", "-q")
    story = a_story(database)
    database.pgbench("-c", "1", "-t", "60", script=f"{UPDATE};\n")
    story.look()
    story.deploy()
    script = f"BEGIN;\n{UPDATE};\n\\sleep 20 ms\nEND;\n"
    busy = threading.Thread(target=lambda: database.pgbench("-c", "6", "-j", "2", "-T", "6", script=script))
    busy.start()
    time.sleep(1)
    sampled = waits(database.site(), now())
    busy.join()
    story.look().update(sampled)
    (row,) = [r for r in story.verdicts("UPDATE pgbench_branches").values() if r["regressed"]]
    assert "so the work is the same; seen at work it waited: Lock: " in row["reason"]
    assert "likely it waits" not in row["reason"]


def test_waits_are_added_up_over_the_rounds_since_the_deployment() -> None:
    """Three rounds of 5 samples, one idle: 4 + 2 sessions on a lock and 6 of a processor, each 0.4 at a time."""
    lock = {
        "role": "app",
        "query": "UPDATE a SET b = ?",
        "wait": "Lock: tuple",
        "blocker": "app (active): X",
        "taken": 5,
    }
    cpu = {"role": "app", "query": "SELECT ?", "wait": "CPU", "taken": 5}
    rounds = [DEPLOYED + timedelta(minutes=m) for m in (-5, 5, 10, 15)]
    samples = [
        {**lock, "at": rounds[0], "samples": 100},
        {**lock, "at": rounds[1], "samples": 4},
        {**lock, "at": rounds[2], "samples": 2},
        {**cpu, "at": rounds[2], "samples": 6},
        {"at": rounds[3], "samples": 0, "taken": 5},
    ]
    rows = told(a_case({"waits": samples}))
    assert [(r["wait"], r["samples"], r["share_pct"], r["sessions"]) for r in rows] == [
        ("CPU", 6, 50.0, 0.4),
        ("Lock: tuple", 6, 50.0, 0.4),
    ]


TEXT = "UPDATE a SET b = $1"
S0, S1, S2 = (DEPLOYED + timedelta(minutes=m) for m in (-62, -2, 58))


def lock_waits(
    *waits: dict[str, Any], looks: Sequence[tuple[datetime, float, float, float]]
) -> list[dict[str, Any]]:
    """The results of `lock_waits` of looks, each with calls, ms executed and ms at work."""
    entry = {"role": "app", "queryid": "1", "toplevel": True, "query": TEXT, "mean_ms": 1.0, "stddev_ms": 0.0}
    entries = [{**entry, "at": at, "calls": calls, "total_ms": ms} for at, calls, ms, _ in looks]
    gauges = [
        {"metric": metric, "at": at, "value": value}
        for at, _, _, ms in looks
        for metric, value in (("active_time", ms), ("statements_dealloc", 0.0))
    ]
    case = a_case({"statements": entries, "database_gauges": gauges, "waits": waits})
    table = counters.checks(case)
    return [
        {str(k): v for k, v in row.items()} for row in table[table["check"] == "lock_waits"].to_dict("records")
    ]


def test_time_at_work_that_no_statement_was_executed_in_is_likely_a_wait_for_a_table() -> None:
    """1,000 calls of 1 ms in an hour, 2 ms at work each; then 1,000 more at 402 ms each: 400 s of waiting."""
    looks = [(S0, 0.0, 0.0, 0.0), (S1, 1000.0, 1000.0, 2000.0), (S2, 2000.0, 2000.0, 404_000.0)]
    (row,) = lock_waits(looks=looks)
    assert (row["severity"], row["value"]) == ("warn", pytest.approx(401))
    assert (
        "401 ms a statement without executing it, 1 ms before: likely they waited for the lock" in row["evidence"]
    )


@pytest.mark.parametrize(
    ("calls", "ms", "at_work"),
    [(1000, 1000, 2000), (4000, 4000, 12_000), (1000, 500_000, 501_000), (1000, 1000, 400_000 / 2)],
)
def test_as_much_time_beside_a_statement_as_before_and_a_little_more_are_no_wait(
    calls: float, ms: float, at_work: float
) -> None:
    """As before; of four times the calls; of slower statements; 0.05 sessions, which nobody notices."""
    looks = [
        (S0, 0.0, 0.0, 0.0),
        (S1, 1000.0, 1000.0, 2000.0),
        (S2, 1000.0 + calls, 1000.0 + ms, 2000.0 + at_work),
    ]
    (row,) = lock_waits(looks=looks)
    assert row["severity"] == "pass"


def sampled(minutes: float, wait: str | None, samples: int) -> dict[str, Any]:
    """A row of a round of 5 samples; the session logged in as another role than that which it became."""
    seen = {"role": "authenticator", "query": "UPDATE a SET b = ?", "wait": wait} if wait else {}
    return {**seen, "at": DEPLOYED + timedelta(minutes=minutes), "samples": samples, "taken": 5}


LOOKS = ((S1, 1000.0, 1000.0, 2000.0), (S2, 2000.0, 2000.0, 4000.0))


def test_a_statement_seen_waiting_for_a_lock_is_told_though_its_own_time_is_as_before() -> None:
    """Ten samples: 4 of 5 sessions that were seen waited."""
    rounds = sampled(5, "Lock: relation", 4), sampled(10, "CPU", 1)
    (row,) = lock_waits(*rounds, looks=LOOKS)
    assert (row["object"], row["severity"], row["value"]) == ("authenticator: UPDATE a SET b = ?", "warn", 80)
    assert "waited: Lock: relation 4 of 5, CPU 1 of 5" in row["evidence"]


@pytest.mark.parametrize(
    "rounds",
    [
        (sampled(5, "Lock: relation", 2),),
        (sampled(5, "Lock: relation", 4), sampled(10, "CPU", 16)),
        (sampled(-30, "Lock: relation", 3), sampled(5, "Lock: relation", 3)),
        (sampled(5, "Lock: relation", 4), *(sampled(6 + n, None, 0) for n in range(50))),
        (sampled(5, "IO: DataFileRead", 20),),
    ],
    ids=["too few", "mostly at work", "as before", "once in an hour", "no lock"],
)
def test_a_wait_that_is_rare_or_usual_is_none(rounds: tuple[dict[str, Any], ...]) -> None:
    (row,) = lock_waits(*rounds, looks=LOOKS)
    assert row["severity"] == "pass"


def test_what_a_statement_waits_for_is_known_though_its_session_became_another_role() -> None:
    """From 1 to 100 ms with the same blocks."""
    entry = {"role": "anon", "queryid": "1", "toplevel": True, "query": TEXT, "stddev_ms": 0.0}
    looks = ((S1, 1000, 1000.0), (S2, 2000, 101_000.0))
    entries = [{**entry, "at": at, "calls": n, "total_ms": ms, "mean_ms": ms / n} for at, n, ms in looks]
    case = a_case({"statements": entries, "waits": [sampled(5, "Lock: tuple", 4)]})
    (row,) = statements.compare(case)
    assert "seen at work it waited: Lock: tuple 4 of 4" in row["reason"]
