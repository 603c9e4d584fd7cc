"""Starting and stopping: nothing is left behind, and what was half made is made again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from pdmlib.demo import cache, start
from pdmlib.demo.cache import Order, run_folder
from pdmlib.demo.scenarios import plan_of
from pdmlib.errors import CallError
from pdmlib.phases.window import parse_time

CLOCK = parse_time("2025-03-03T16:00:00Z")


def children_of(pid: int) -> set[int]:
    """Processes that descend from one, by /proc."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found, grew = {pid}, True
    while grew:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grew = found | more, bool(more)
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found |= {pid} if state != "Z" else set()
    return found


def gone(pids: set[int]) -> bool:
    """Whether all processes end soon; a busy machine has a minute."""
    deadline = time.monotonic() + 60
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pids)


def test_stopping_ends_every_process_and_removes_the_private_folder():
    before = children_of(os.getpid())
    running = start()
    ours = children_of(os.getpid()) - before
    folder = running._history.parent if running._history else None
    assert len(ours) > 3 and folder and folder.is_dir()
    running.stop()
    running.stop()
    assert gone(ours) and not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["parent", "supervisor"])
def test_a_kill_without_warning_leaves_no_process(victim):
    script = (
        "import time; from pdmlib.demo import start\n"
        "p = start(); print(p._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    supervisor = int(parent.stdout.readline())
    everyone = {supervisor} | children_of(supervisor)
    assert len(everyone) > 3
    os.kill(parent.pid if victim == "parent" else supervisor, signal.SIGKILL)
    assert gone(everyone)
    parent.kill()
    parent.communicate()


@pytest.mark.slow
def test_a_half_made_cache_is_made_again_and_then_used(tmp_path):
    order = Order(plan_of("healthy", CLOCK), 7, CLOCK)
    (tmp_path / order.key() / "data").mkdir(parents=True)
    (tmp_path / order.key() / "data/PG_VERSION").write_text("18\n")
    steps: list[str] = []
    with start("healthy", 7, CLOCK, cache=tmp_path, on_progress=steps.append) as first:
        assert steps[0].startswith("preparing")
        with psycopg.connect(first.environ["PDM_DEMO_DATABASE_URL"]) as connection:
            newest = connection.execute("SELECT max(checked_at) FROM public.uptime_logs").fetchone()
            assert newest and newest[0] <= CLOCK
    steps.clear()
    with (
        start("healthy+vercel_403", 7, CLOCK, cache=tmp_path, on_progress=steps.append),
        contextlib.ExitStack() as stack,
    ):
        assert steps == []
        second = stack.enter_context(start("healthy", 7, CLOCK, tmp_path))
        assert httpx.get(second.environ["PDM_DEMO_URL"] + "/app/api/health").status_code == 200


def test_the_folder_of_a_dead_run_is_removed_by_the_next():
    with run_folder() as mine:
        left = mine.parent / "run-left-by-a-dead-process"
        left.mkdir()
        (left / "data").write_text("x")
        with run_folder() as other:
            assert not left.exists() and mine.exists() and other.exists()
    assert not mine.exists()


def test_what_a_dead_run_left_in_memory_is_removed_by_one_that_is_on_disk(tmp_path, monkeypatch):
    """With TMPDIR set, or too little room, the next run is on disk; the room in memory comes back all the same."""
    monkeypatch.setattr(cache, "MEMORY", tmp_path)
    left = tmp_path / f"pdm-demo-{os.getuid()}/run-left-by-a-dead-process"
    left.mkdir(parents=True)
    monkeypatch.setattr(cache, "ROOM", 2**62)
    with run_folder() as mine:
        assert not left.exists() and tmp_path not in mine.parents


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_in_memory_stops_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MEMORY", tmp_path)
    monkeypatch.setattr(cache, "ROOM", 0)
    monkeypatch.delenv("TMPDIR", raising=False)
    theirs = tmp_path / f"pdm-demo-{os.getuid()}"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with run_folder() as mine:
        assert tmp_path not in mine.parents


def test_an_unknown_scenario_is_refused_before_anything_starts():
    with pytest.raises(CallError, match="'nope' is not a scenario; allowed are healthy, rough"):
        start("nope")
