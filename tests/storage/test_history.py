"""The history: nothing lost, nothing twice, only whole files."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pdmlib.errors import ReportError
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.phases.window import Window
from pdmlib.storage import sampled
from pdmlib.storage.history import (
    LOOSE,
    Needed,
    append,
    compact,
    load_collection,
    recall,
    save_collection,
    with_history,
)

START = datetime(2025, 1, 31, 23, 0, tzinfo=UTC)


def samples(count: int, start: datetime = START) -> Collection:
    rows = [{"metric": "db_up", "at": start + timedelta(minutes=5 * i), "value": i} for i in range(count)]
    return Collection(
        {"host_metrics": frame("host_metrics", rows)}, (Coverage("supabase", Answer.OK, count, 0.1),)
    )


def test_a_saved_collection_comes_back_with_types_and_coverage(tmp_path: Path) -> None:
    save_collection(tmp_path, samples(3))
    loaded = load_collection(tmp_path)
    assert loaded["host_metrics"].equals(samples(3)["host_metrics"])
    assert loaded.coverage == samples(3).coverage


def test_samples_across_a_month_are_all_recalled(tmp_path: Path) -> None:
    assert append(tmp_path, samples(24)) == 24
    window = Window(START, START + timedelta(hours=2))
    assert len(recall(tmp_path, window)["host_metrics"]) == 24
    assert {p.name for p in (tmp_path / "host_metrics").iterdir()} == {"2025-01", "2025-02"}


@pytest.mark.parametrize("name", ["it's", "out[1]", "50%?", "a*b", 'say "so"', "größe"])
def test_a_history_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    append(tmp_path / name, samples(24))
    append(tmp_path / name, samples(30))
    compact(tmp_path / name)
    window = Window(START, START + timedelta(hours=3))
    assert len(recall(tmp_path / name, window)["host_metrics"]) == 30


def test_the_window_is_half_open(tmp_path: Path) -> None:
    append(tmp_path, samples(3))
    window = Window(START, START + timedelta(minutes=10))
    assert len(recall(tmp_path, window)["host_metrics"]) == 2


def test_the_same_samples_twice_are_read_once(tmp_path: Path) -> None:
    append(tmp_path, samples(5))
    append(tmp_path, samples(5))
    assert len(recall(tmp_path, Window(START, START + timedelta(hours=1)))["host_metrics"]) == 5


def test_compacting_keeps_every_sample_in_one_file(tmp_path: Path) -> None:
    for i in range(4):
        append(tmp_path, samples(1, START + timedelta(minutes=5 * i)))
    assert compact(tmp_path) == 3
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert len(recall(tmp_path, Window(START, START + timedelta(hours=1)))["host_metrics"]) == 4


def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    append(tmp_path, samples(2))
    (tmp_path / "host_metrics" / "2025-01" / ".x.parquet.1.part").write_bytes(b"PAR1 half")
    assert len(recall(tmp_path, Window(START, START + timedelta(hours=1)))["host_metrics"]) == 2


def test_history_joins_what_was_just_collected(tmp_path: Path) -> None:
    append(tmp_path, samples(3))
    joined = with_history(samples(5), tmp_path, Window(START, START + timedelta(hours=1)))
    assert len(joined["host_metrics"]) == 5
    assert joined.coverage[0].source == "supabase"


def test_of_the_time_long_before_the_last_sample_of_each_hour_is_read(tmp_path: Path) -> None:
    append(tmp_path, samples(24))
    needed = Needed(START + timedelta(hours=1, minutes=30), ())
    sparse = recall(tmp_path, ALL, ["host_metrics"], needed)["host_metrics"]
    minutes_kept = ((sparse["at"] - pd.Timestamp(START)) // pd.Timedelta(minutes=1)).tolist()
    assert sorted(minutes_kept) == [55, *range(90, 120, 5)]


def test_of_the_time_long_before_no_peak_is_lost(tmp_path: Path) -> None:
    """Connections peak at 0:20, fall, and hold at 5 from 1:00 on."""
    values = [3, 4, 5, 6, 21, 6, 5, 4, 3, 3, 3, 3, *[5] * 12]
    rows = [
        {"metric": "connections", "at": START + timedelta(minutes=5 * i), "value": float(v)}
        for i, v in enumerate(values)
    ]
    append(tmp_path, Collection({"host_metrics": frame("host_metrics", rows)}))
    found = recall(tmp_path, ALL, ["host_metrics"], Needed(START + timedelta(days=1), ()))["host_metrics"]
    assert sorted(found["value"]) == [3.0, 5.0, 21.0]


def test_of_looks_at_counters_only_those_that_a_comparison_rests_on_are_read(tmp_path: Path) -> None:
    """A look every 10 minutes, statements only at every other: first, last up to 1:05, last up to 2:05."""
    at = [START + timedelta(minutes=10 * i) for i in range(18)]
    gauges = [
        {"metric": "rows", "object": name, "at": m, "value": 1.0} for m in at for name in (None, "public.orders")
    ]
    append(tmp_path, Collection({"database_gauges": frame("database_gauges", gauges)}))
    append(tmp_path, snapshots(at[::2], START))
    needed = Needed(START, (START + timedelta(minutes=65), START + timedelta(minutes=125)))
    found = recall(tmp_path, ALL, ["statements", "database_gauges"], needed)
    of_one = found["database_gauges"]["object"].notna()
    assert sorted(found["statements"]["at"]) == [at[0], at[6], at[12]]
    assert sorted(found["database_gauges"].loc[of_one, "at"]) == [at[0], at[6], at[12]]
    assert sorted(found["database_gauges"].loc[~of_one, "at"]) == at


def test_a_statement_whose_text_the_newest_look_lacks_has_that_of_a_look_between(tmp_path: Path) -> None:
    """First seen at 0:10, a look that no comparison rests on; at 0:20 its text could not be read."""
    at = [START + timedelta(minutes=10 * i) for i in range(3)]
    frames = [snapshots([m], START)["statements"].assign(queryid=q) for m, q in zip(at, "122", strict=True)]
    texts = [frame("statements", f.assign(query=t)) for f, t in zip(frames, ("a", "b", None), strict=True)]
    for looked in texts:
        append(tmp_path, Collection({"statements": looked}))
    found = with_history(Collection({}), tmp_path, ALL, Needed(START, (at[0], at[2])))["statements"]
    assert dict(zip(found["queryid"], found["query"], strict=True)) == {"1": "a", "2": "b"}


def test_what_is_compared_was_seen_together(tmp_path: Path) -> None:
    """Statements were last read at 0:40, gauges ten minutes later: both looks have both, old or not."""
    at = [START + timedelta(minutes=10 * i) for i in range(6)]
    gauges = [{"metric": "rows", "object": "public.orders", "at": m, "value": 1.0} for m in at]
    append(tmp_path, Collection({"database_gauges": frame("database_gauges", gauges)}))
    append(tmp_path, snapshots(at[:5], START))
    needed = Needed(START + timedelta(days=1), (START + timedelta(minutes=55),))
    found = recall(tmp_path, ALL, ["database_gauges"], needed)["database_gauges"]
    assert sorted(found["at"]) == [at[0], at[4], at[5]]


ALL = Window(START, START + timedelta(days=300))
COLLECTOR = """
import sys
from datetime import timedelta
from pathlib import Path
from pdmlib.storage.history import append
from tests.storage.test_history import START, samples

first, count = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for i in range(first, first + count):
    append(Path(sys.argv[1]), samples(1, START + timedelta(minutes=i)))
    print(i, flush=True)
"""


def a_collector(folder: Path, first: int, count: int) -> subprocess.Popen[str]:
    """A process that appends one sample a minute, saying each minute that is kept."""
    call = [sys.executable, "-c", COLLECTOR, str(folder), str(first), str(count)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def minutes(folder: Path) -> list[int]:
    at = recall(folder, ALL)["host_metrics"]["at"]
    return sorted(((at - pd.Timestamp(START)) // pd.Timedelta(minutes=1)).tolist())


@pytest.mark.slow
def test_two_collectors_at_once_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Half of their minutes are the same; each merges the other's files on the way."""
    collectors = [a_collector(tmp_path, first, 45) for first in (0, 25)]
    for collector in collectors:
        collector.communicate(timeout=600)
        assert collector.returncode == 0
    assert minutes(tmp_path) == list(range(70))
    compact(tmp_path)
    assert minutes(tmp_path) == list(range(70))


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_files_and_every_sample_that_was_kept(tmp_path: Path) -> None:
    said: set[int] = set()
    for turn in range(4):
        collector = a_collector(tmp_path, 100 * turn, 100)
        assert collector.stdout is not None
        for line in collector.stdout:
            if line.strip() != "ready":
                said.add(int(line))
            if len(said) % 9 == 8:
                break
        collector.kill()
        rest, _ = collector.communicate(timeout=600)
        said |= {int(line) for line in rest.splitlines() if line.strip().isdigit()}
    kept = minutes(tmp_path)
    assert said <= set(kept)
    assert len(kept) == len(set(kept)) <= len(said) + 4
    compact(tmp_path)
    assert minutes(tmp_path) == kept


@pytest.mark.slow
def test_merging_while_others_read_and_write_loses_nothing(tmp_path: Path) -> None:
    wrong: list[object] = []
    stop = threading.Event()

    def reader() -> None:
        while not stop.is_set():
            try:
                compact(tmp_path)
                recall(tmp_path, ALL)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(60):
        append(tmp_path, samples(1, START + timedelta(minutes=i)))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert minutes(tmp_path) == list(range(60))


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small disk needs root on Linux"
)
def test_a_full_disk_is_one_clear_line_and_loses_no_earlier_sample(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount")
    try:
        append(disk, samples(12))
        (disk / "ballast").write_bytes(b"")
        with pytest.raises(OSError), (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(256_000))
        with pytest.raises(ReportError, match="cannot be written") as caught:
            append(disk, samples(2000, START + timedelta(hours=3)))
        assert "\n" not in str(caught.value)
        assert len(recall(disk, ALL)["host_metrics"]) == 12
        assert not list(disk.rglob("*.part"))
        (disk / "ballast").unlink()
        append(disk, samples(12, START + timedelta(hours=3)))
        assert len(recall(disk, ALL)["host_metrics"]) == 24
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_log_that_is_read_whole_each_time_is_stored_once(tmp_path: Path) -> None:
    assert append(tmp_path, samples(24)) == 24
    assert append(tmp_path, samples(26)) == 2
    assert append(tmp_path, samples(26)) == 0


@pytest.mark.slow
def test_many_small_files_are_merged_on_the_way(tmp_path: Path) -> None:
    late = datetime(2025, 2, 3, tzinfo=UTC)
    for i in range(LOOSE + 1):
        append(tmp_path, samples(1, late + timedelta(minutes=i)))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert len(recall(tmp_path, ALL)["host_metrics"]) == LOOSE + 1


def test_the_newest_sample_is_known_without_reading(tmp_path: Path) -> None:
    assert sampled.newest(tmp_path) is None
    append(tmp_path, samples(3))
    assert sampled.newest(tmp_path) == START + timedelta(minutes=10)
    compact(tmp_path)
    assert sampled.newest(tmp_path) == START + timedelta(minutes=10)


def snapshots(moments: list[datetime], since: datetime) -> Collection:
    rows = [
        {"at": m, "role": "app", "queryid": "1", "toplevel": True, "calls": 1.0, "since": since} for m in moments
    ]
    return Collection({"statements": frame("statements", rows)})


def test_old_looks_at_counters_are_thinned_to_hours_and_days_but_not_around_a_reset(tmp_path: Path) -> None:
    """Ten looks an hour; the counters were reset on 5 January between 10:24 and 10:30."""
    start, reset = datetime(2025, 1, 5, 10, tzinfo=UTC), datetime(2025, 1, 5, 10, 25, tzinfo=UTC)
    looks = [start + timedelta(minutes=6 * i) for i in range(10)]
    append(tmp_path, snapshots(looks[:5], datetime(2025, 1, 1, tzinfo=UTC)))
    append(tmp_path, snapshots(looks[5:], reset))
    recent = datetime(2025, 2, 20, 10, tzinfo=UTC)
    append(tmp_path, snapshots([recent + timedelta(minutes=6 * i) for i in range(20)], reset))
    append(tmp_path, snapshots([recent + timedelta(days=3)], reset))
    compact(tmp_path)
    kept = recall(tmp_path, Window(start, recent + timedelta(days=4)), ["statements"])["statements"]["at"]
    assert [f"{at:%d %H:%M}" for at in sorted(kept)] == [
        "05 10:00",  # the first of all
        "05 10:24",  # the last before the reset
        "05 10:30",  # the first after it
        "05 10:54",  # the last of its day
        "20 10:00",  # the first of its month
        "20 10:54",  # the last of each hour
        "20 11:54",
        "23 10:00",
    ]


def plan(hours: float, fingerprint: str | None, **changes: str) -> Collection:
    row = {
        "at": START + timedelta(hours=hours),
        "role": "app",
        "queryid": "1",
        "fingerprint": fingerprint,
        **changes,
    }
    return Collection({"statement_plans": frame("statement_plans", [row])})


def test_a_plan_is_kept_when_it_is_another_and_once_a_day(tmp_path: Path) -> None:
    """Looked at each hour for 30 hours, another plan from the 5th to the 7th hour."""
    for hour in range(31):
        append(tmp_path, plan(hour, "b" if 5 <= hour < 8 else "a"))
    found = recall(tmp_path, Window(START, START + timedelta(hours=40)))["statement_plans"]
    assert [int((at - START) / timedelta(hours=1)) for at in found["at"]] == [0, 5, 8]
    append(tmp_path, plan(33, "a"))
    append(tmp_path, plan(34, None, reason="permission denied for table orders"))
    found = recall(tmp_path, Window(START, START + timedelta(hours=40)))["statement_plans"]
    assert [int((at - START) / timedelta(hours=1)) for at in found["at"]] == [0, 5, 8, 33, 34]
    assert append(tmp_path, plan(34, None, reason="permission denied for table orders")) == 0


def test_plans_of_several_looks_that_are_written_at_once_are_told_apart_as_well(tmp_path: Path) -> None:
    looks = [plan(0, "a"), plan(1, "a"), plan(2, "b"), plan(3, "b")]
    table = pd.concat([look["statement_plans"] for look in looks])
    assert append(tmp_path, Collection({"statement_plans": table})) == 2
