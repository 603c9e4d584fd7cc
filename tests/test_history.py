"""The history: nothing lost, nothing twice, only whole files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pdmlib.frames import Collection, Coverage, frame
from pdmlib.history import append, compact, load_collection, recall, save_collection, with_history
from pdmlib.window import Window

START = datetime(2025, 1, 31, 23, 0, tzinfo=UTC)


def samples(count: int, start: datetime = START) -> Collection:
    rows = [{"metric": "load5", "at": start + timedelta(minutes=5 * i), "value": i} for i in range(count)]
    return Collection({"host_metrics": frame("host_metrics", rows)}, (Coverage("supabase", "ok", count, 0.1),))


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
