"""What sessions wait for, sampled while a real lock is held; what of it the analysis tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pdmlib.analysis.database.waits import waits as told
from pdmlib.phases.window import Window, iso, now
from pdmlib.sources.postgres.waits import SAMPLES, waits
from pdmlib.storage.history import recall
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.watch import Pace, Watch
from tests.builders import DEPLOYED, a_case
from tests.looks import a_story
from tests.servers import BLIND, Database

UPDATE = "UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1"


@contextmanager
def held(database: Database) -> Iterator[psycopg.Cursor]:
    """The row of the one branch locked by a session that then does nothing."""
    with database.admin() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.execute("UPDATE pgbench_branches SET filler = 'customer 4711' WHERE bid = 1")
        yield cursor


def test_who_waits_for_a_lock_is_named_with_the_statement_that_holds_it(database: Database) -> None:
    database.pgbench("-i", "-s", "1", "-q")
    with held(database):
        waiting = threading.Thread(target=lambda: database.run(UPDATE))
        waiting.start()
        time.sleep(0.3)
        found = waits(database.site(), now(), sleep=lambda _: time.sleep(0.05))
    waiting.join()
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
    with held(database):
        waiting = threading.Thread(target=lambda: database.run(UPDATE))
        waiting.start()
        time.sleep(0.3)
        seen = watch.round()
    waiting.join()
    assert seen.troubles == ()
    kept = recall(history_folder(site, tmp_path), Window(now() - timedelta(hours=1), now()))
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
