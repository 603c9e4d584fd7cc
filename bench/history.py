"""What a year of five-minute collections weighs on disk; what recalling a week and writing a report cost on it."""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import yaml

from bench.timing import alternate, table
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.phases.window import Window
from pdmlib.storage import history

END = datetime(2025, 3, 10, 15, tzinfo=UTC)
SITE = Path("params/demo.yaml")
WEEK = timedelta(days=7)
PAGES = ("/", "/api/health", "/api/health/detailed")
COMPONENTS = ("database", "stripe", "twilio", "email", "cache", "memory", "filesystem", "overall")
GAUGES = 60
STATEMENTS = 300


def moments(window: Window, every: str) -> pd.DatetimeIndex:
    """Times of collections in a window."""
    return pd.date_range(window.start, window.end, freq=every, inclusive="left")


def collected(window: Window) -> Collection:
    """Everything that collections every five minutes would have kept in a window.

    Statements are there once an hour, before the last five weeks once a day: what thinning leaves.
    """
    rng = np.random.default_rng(20250303)
    at, kept_at = moments(window, "5min"), moments(window, "h" if END - window.end < 5 * WEEK else "D")
    return Collection(
        {
            "probes": _probes(at, rng),
            "health_checks": _checks(at, rng),
            "host_metrics": _host(at, rng),
            "database_gauges": _gauges(at, rng),
            "statements": _statements(kept_at, rng),
        }
    )


def _product(at: pd.DatetimeIndex, names: list[str], column: str, time_column: str) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([names, at], names=[column, time_column])
    return index.to_frame(index=False)


def _probes(at: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    table = _product(at, ["uptime_logs", *PAGES], "target", "checked_at")
    ms = rng.lognormal(5, 0.4, len(table)).round()
    return frame("probes", table.assign(status="up", response_ms=ms))


def _checks(at: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    table = _product(at, list(COMPONENTS), "component", "checked_at")
    ms = rng.lognormal(3, 0.5, len(table)).round()
    return frame("health_checks", table.assign(target=PAGES[2], status="up", response_ms=ms))


def _host(at: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    names = ["cpu_idle_s", "cpu_all_s", "memory_pct", "disk_used_bytes", "disk_size_bytes", "connections"]
    names += ["max_connections", "db_up", "queries_total", "rollbacks_total", "deadlocks_total", "load5"]
    table = _product(at, [*names, "db_size_bytes"], "metric", "at")
    return frame("host_metrics", table.assign(value=rng.normal(1e6, 1e4, len(table)).round(2)))


def _gauges(at: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    table = _product(at, [f"public.table_{i}" for i in range(GAUGES)], "object", "at")
    value = rng.poisson(20, len(table)).cumsum()
    return frame("database_gauges", table.assign(metric="table_rows", unit="count", value=value))


def _statements(at: pd.DatetimeIndex, rng: np.random.Generator) -> pd.DataFrame:
    table = _product(at, [str(2**40 + i) for i in range(STATEMENTS)], "queryid", "at")
    calls = rng.poisson(30, len(table)).cumsum()
    total = calls * rng.normal(2, 0.1, len(table))
    return frame(
        "statements",
        table.assign(
            role="authenticated",
            toplevel=True,
            calls=calls,
            total_ms=total,
            mean_ms=total / calls,
            stddev_ms=rng.normal(1, 0.1, len(table)),
            rows=calls * 3,
            hit_blocks=calls * 12,
            read_blocks=0,
            query=("SELECT * FROM public.orders WHERE id = $1 AND note = " + table["queryid"]),
            temp_blocks=0,
            wal_bytes=calls * 100,
            since=pd.Timestamp("2024-03-01", tz="UTC"),
        ),
    )


def kept(folder: Path, length: timedelta) -> None:
    """A merged history that ends at `END`, a month appended at a time."""
    start = END - length
    while start < END:
        end = min(END, start + timedelta(days=31))
        history.append(folder, collected(Window(start, end)))
        start = end
    history.compact(folder)


def size_mb(folder: Path) -> float:
    """Size of a folder's files in 10^6 bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6


def recall_s(folder: Path, rounds: int = 7) -> float:
    """Median seconds to recall the last week."""
    return median(_timed(folder) for _ in range(rounds))


def _timed(folder: Path) -> float:
    began = time.perf_counter()
    history.recall(folder, Window(END - WEEK, END))
    return time.perf_counter() - began


def reporting(folder: Path, kept_in: Path) -> list[str]:
    """The command that writes the week-1 report of the demo on a history."""
    site = kept_in / f"{folder.name}.yaml"
    tree = yaml.safe_load(SITE.read_text(encoding="utf-8")) | {"history": str(folder)}
    site.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    pdm = str(Path(sys.executable).with_name("pdm"))
    return [pdm, "report", "week1", "--site", str(site), "--out", str(kept_in / "out")]


def main(rounds: int = 5) -> None:
    """Prints the size of a year and its parts, then what a week's recall and a report cost on each history."""
    with tempfile.TemporaryDirectory() as made:
        lengths = {"week": 7, "five_weeks": 35, "year": 365}
        folders = {name: Path(made, name) for name in lengths}
        for name, days in lengths.items():
            kept(folders[name], timedelta(days=days))
        print(f"{'year, MB':24} {size_mb(folders['year']):8.1f}")
        for path in sorted(folders["year"].iterdir()):
            print(f"{'  ' + path.name:24} {size_mb(path):8.1f}")
        for name, folder in folders.items():
            print(f"{'recall from ' + name + ', ms':24} {1000 * recall_s(folder):8.1f}")
        commands = {f"report on {name}": reporting(folder, Path(made)) for name, folder in folders.items()}
        timings = alternate(commands, rounds)
    print(table(timings))
    *shorter, year = timings.values()
    for other in shorter:
        print(year.against(other))


if __name__ == "__main__":
    main()
