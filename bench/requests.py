"""Raw request logs: lines a second, memory, and what a month costs, against other ways to do the same.

`python -m bench.requests [--millions 1 5] [--rounds 5] [--md FILE]`. Every candidate runs in a
process of its own, all of a round in turn on the same file; medians of the rounds are shown.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.drains import Drain, write

if TYPE_CHECKING:
    from pdmlib.site.site import Site

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
BY_HAND = """
    SELECT GROUPING(r), GROUPING(m), r, m, count(*), count(*) FILTER (s >= 500), quantile_cont(ms, [.5, .95, .99])
    FROM (SELECT "timestamp" // 60000 AS m, path AS r, durationMs AS ms, proxy.statusCode AS s
      FROM read_ndjson('{file}', ignore_errors = true, columns = {{"timestamp": 'BIGINT', path: 'VARCHAR',
        durationMs: 'DOUBLE', proxy: 'STRUCT(statusCode INTEGER)'}}) WHERE proxy IS NOT NULL)
    GROUP BY GROUPING SETS ((), (r), (m))"""


def site() -> Site:
    """A site whose log is the generator's."""
    from pdmlib.site.site import Site

    block = {"columns": {"duration_ms": "durationMs"}, "counted": ["user", "bot", "health", "cron"]}
    return Site.model_validate(
        {"site": "bench", "title": "Bench", "time_zone": "UTC", "sources": {}, "requests": block}
    )


def run_ingest(file: str, folder: str) -> None:
    """Ours: the log into a fresh store, all tables made."""
    from pdmlib.storage.request_logs.ingest import ingest

    ingest(site(), [file], Path(folder) / "fresh")


def run_report(file: str, folder: str) -> None:
    """Ours: the frames of a week from the store."""
    from pdmlib.phases.phase import phase_named
    from pdmlib.phases.scope import scope_of
    from pdmlib.storage.request_logs.figures import collect

    scope = scope_of(site().zone, phase_named("week1"), START, START + WEEK)
    collect(site(), scope, Path(folder) / "kept")


def run_parquet(file: str, folder: str) -> None:
    """Ours: the same job as by hand, exact, from the store's rows."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"""
            SELECT GROUPING(r), GROUPING(m), r, m, count(*), count(*) FILTER (s >= 500),
              quantile_cont(ms, [.5, .95, .99])
            FROM (SELECT date_trunc('minute', moment) AS m, route AS r, ms, status AS s
              FROM read_parquet('{folder}/kept/requests/*.parquet'))
            GROUP BY GROUPING SETS ((), (r), (m))""").fetchall()


def run_by_hand(file: str, folder: str) -> None:
    """Peer: one hand-written query on the same engine; keeps nothing, tells no bots, counts lines."""
    import duckdb

    with duckdb.connect(config={"preserve_insertion_order": False}) as connection:
        connection.execute(BY_HAND.format(file=file)).fetchall()


def run_by_hand_once_each(file: str, folder: str) -> None:
    """Peer: the same by hand, each request once by its id, and its rows kept as Parquet."""
    import duckdb

    with duckdb.connect(config={"preserve_insertion_order": False}) as connection:
        connection.execute(f"""
            COPY (SELECT min(proxy."timestamp") AS moment, any_value(path) AS route,
                max(proxy.statusCode) AS status, max(durationMs) AS ms,
                any_value(proxy.userAgent ILIKE '%bot%') AS bot, requestId
              FROM read_ndjson('{file}', columns = {{path: 'VARCHAR', durationMs: 'DOUBLE', requestId: 'VARCHAR',
                proxy: 'STRUCT("timestamp" BIGINT, statusCode INTEGER, userAgent VARCHAR)'}}, ignore_errors = true)
              WHERE proxy IS NOT NULL GROUP BY requestId)
            TO '{folder}/by-hand.parquet' (FORMAT parquet, COMPRESSION zstd)""")
        connection.execute(f"""
            SELECT route, moment // 60000, GROUPING(route), count(*), count(*) FILTER (status >= 500),
              quantile_cont(ms, [.5, .95, .99])
            FROM '{folder}/by-hand.parquet' GROUP BY GROUPING SETS ((), (route), (moment // 60000))""").fetchall()


def run_by_hand_same_tables(file: str, folder: str) -> None:
    """Peer: by hand what ingest keeps of this log: rows by day, histograms, counts, minutes and hours.

    As ingest does, it checks each line and counts those of no request and those rejected, by their verdict. It
    knows of this one log what ingest has to find out: which fields are always there, that paths hold no ids.
    """
    _by_hand(file, folder, {"path": "path", "request": "requestId", "region": "executionRegion"})


def run_by_hand_any_drain(file: str, folder: str) -> None:
    """Peer: the same for any log drain: a field that may be absent has its stand-in, ids in paths are masked."""
    path = "split_part(coalesce(path, proxy.path), '?', 1)"
    path = f"regexp_replace({path}, '/([0-9]+|[0-9a-f-]{{8,}})(/|$)', '/[id]\\2', 'g')"
    found = {"path": path, "request": "coalesce(requestId, proxy.vercelId, id)"}
    _by_hand(file, folder, {**found, "region": "coalesce(executionRegion, proxy.region)"})


def _by_hand(file: str, folder: str, found: Mapping[str, str]) -> None:
    import duckdb

    place = Path(folder) / "by-hand"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    with duckdb.connect(config={"preserve_insertion_order": False}) as connection:
        connection.execute(f"""
            CREATE TABLE lines AS
            SELECT verdict, CASE WHEN verdict = 0 THEN {found["request"]} END AS request,
              make_timestamp(1000 * min(proxy."timestamp")) AS moment, any_value({found["path"]}) AS route,
              any_value(CASE WHEN starts_with(proxy.path, '/api/cron/') THEN 'cron' WHEN path = '/api/health'
                THEN 'health' WHEN proxy.userAgent ILIKE '%bot%' THEN 'bot' ELSE 'user' END) AS kind,
              max(CASE WHEN statusCode = -1 THEN -1 ELSE proxy.statusCode END) AS status, max(durationMs) AS ms,
              CAST(md5_number(request) AS UUID) AS id, any_value({found["region"]}) AS region,
              any_value(deploymentId) AS release, count(*) AS n
            FROM (SELECT *, CASE WHEN proxy IS NULL AND "timestamp" IS NULL THEN 2
                WHEN proxy IS NULL OR source = 'build' OR environment <> 'production' THEN 1
                WHEN path IS NULL OR proxy."timestamp" NOT BETWEEN 946684800000 AND 4102444799999
                  OR NOT (proxy.statusCode = -1 OR proxy.statusCode BETWEEN 100 AND 599)
                  OR NOT durationMs BETWEEN 0 AND 1e9 THEN 3 ELSE 0 END AS verdict
              FROM read_ndjson('{file}', ignore_errors = true, columns = {{{_fields(" ".join(found.values()))}}}))
            GROUP BY verdict, request""")
        connection.execute("SELECT verdict, sum(n) FROM lines GROUP BY verdict").fetchall()
        connection.execute(
            "CREATE VIEW requests AS SELECT * EXCLUDE (verdict, request, n) FROM lines WHERE verdict = 0"
        )
        connection.execute(f"""
            COPY (SELECT *, CAST(moment AS DATE) AS day FROM requests ORDER BY moment)
            TO '{place}/rows' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))""")
        for name, query in SMALL_TABLES.items():
            connection.execute(f"COPY ({query}) TO '{place}/{name}.parquet' (COMPRESSION zstd)")


def _fields(asked: str) -> str:
    """The columns of a drain as a reader takes them; of the stand-ins only those that are asked for."""
    fields = (
        "path: 'VARCHAR', durationMs: 'DOUBLE', requestId: 'VARCHAR', source: 'VARCHAR', environment: 'VARCHAR', "
    )
    fields += (
        "statusCode: 'INTEGER', executionRegion: 'VARCHAR', deploymentId: 'VARCHAR', \"timestamp\": 'BIGINT', "
    )
    inside = '"timestamp" BIGINT, statusCode INTEGER, path VARCHAR, userAgent VARCHAR'
    if "proxy" in asked:
        fields, inside = fields + "id: 'VARCHAR', ", inside + ", region VARCHAR, vercelId VARCHAR"
    return f"{fields}proxy: 'STRUCT({inside})'"


def same_rows(folder: Path) -> str:
    """Whether what was kept by hand is what ingest kept, row by row."""
    import duckdb

    columns = "moment, route, kind, status, ms, id, region, release"
    ours, theirs = (
        f"SELECT {columns} FROM '{folder}/{place}.parquet'" for place in ("kept/requests/*", "by-hand/rows/*/*")
    )
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        differing = "SELECT count(*) FROM ((({0}) EXCEPT ALL ({1})) UNION ALL (({1}) EXCEPT ALL ({0})))"
        found = connection.execute(differing.format(ours, theirs)).fetchone()
    return f"Rows that ingest and the SQL by hand keep differently: {found[0] if found else None}."


SMALL_TABLES = {
    "buckets": """
        SELECT date_trunc('hour', moment) AS hour, kind, route, status // 100 AS class,
          CAST(ceil(ln(greatest(ms, 1e-3)) / ln(1.01 / 0.99)) AS SMALLINT) AS bucket, count(*) AS n
        FROM requests GROUP BY ALL ORDER BY ALL""",
    "totals": """
        SELECT date_trunc('hour', moment) AS hour, kind, route, status, count(*) AS n, sum(ms) AS sum_ms
        FROM requests GROUP BY ALL ORDER BY ALL""",
    "intervals": """
        SELECT hour, minute, count(*), count(*) FILTER (status >= 500), avg(ms), quantile_cont(ms, [.5, .95, .99])
        FROM (SELECT *, date_trunc('hour', moment) AS hour, date_trunc('minute', moment) AS minute FROM requests)
        GROUP BY GROUPING SETS ((hour), (minute))""",
}


def run_goaccess(file: str, folder: str) -> None:
    """Peer: GoAccess, a report of counts; it knows no percentiles and takes decimal times as 0."""
    form = '{"timestamp":"%x","durationMs":"%L","proxy":{"method":"%m","path":"%U","userAgent":["%u"],'
    form += '"statusCode":"%s","clientIp":"%h"}}'
    call = [
        "goaccess",
        file,
        "--no-global-config",
        "--no-progress",
        f"--log-format={form}",
        "--datetime-format=%s",
    ]
    call += ["--date-format=%s", "--time-format=%s", "-o", f"{folder}/goaccess.json"]
    subprocess.run(call, check=True, capture_output=True)


def run_pandas(file: str, folder: str) -> None:
    """Peer: pandas, in chunks."""
    import pandas as pd

    parts = []
    for chunk in pd.read_json(file, lines=True, chunksize=200_000):
        chunk = chunk[chunk["proxy"].notna()]
        status = chunk["proxy"].map(lambda proxy: proxy["statusCode"])
        parts.append(chunk[["timestamp", "path", "durationMs"]].assign(failed=status >= 500))
    rows = pd.concat(parts, ignore_index=True)
    for by in (rows["path"], rows["timestamp"].astype("int64") // 60_000_000_000):
        rows.groupby(by)["durationMs"].quantile([0.5, 0.95, 0.99])
        rows.groupby(by)["failed"].agg(["size", "sum"])


def run_polars(file: str, folder: str) -> None:
    """Peer: polars, streaming."""
    import polars as pl  # type: ignore[import-not-found]

    schema = {
        "timestamp": pl.Int64,
        "path": pl.String,
        "durationMs": pl.Float64,
        "proxy": pl.Struct({"statusCode": pl.Int32}),
    }
    rows = pl.scan_ndjson(file, schema=schema, ignore_errors=True).filter(pl.col("proxy").is_not_null())
    rows = rows.with_columns(s=pl.col("proxy").struct.field("statusCode"), m=pl.col("timestamp") // 60_000)
    wanted = [pl.len(), (pl.col("s") >= 500).sum().alias("failed")]
    wanted += [pl.col("durationMs").quantile(q, "linear").alias(f"q{q}") for q in (0.5, 0.95, 0.99)]
    pl.collect_all(
        [rows.group_by("path").agg(wanted), rows.group_by("m").agg(wanted), rows.select(wanted)],
        engine="streaming",
    )


def run_clickhouse(file: str, folder: str) -> None:
    """Peer: ClickHouse local, as the library chdb, the same query; nothing kept."""
    import chdb  # type: ignore[import-not-found]

    columns = "timestamp Int64, path Nullable(String), durationMs Nullable(Float64), proxy Tuple(statusCode Int32)"
    chdb.query(
        f"""SELECT path, intDiv(timestamp, 60000) AS m, count(), countIf(proxy.statusCode >= 500),
              quantilesExactInclusive(0.5, 0.95, 0.99)(durationMs)
            FROM file('{file}', 'JSONEachRow', '{columns}') WHERE proxy.statusCode != 0
            GROUP BY GROUPING SETS ((), (path), (m))
            SETTINGS input_format_allow_errors_ratio = 0.01, input_format_skip_unknown_fields = 1"""
    )


def run_lines(file: str, folder: str) -> None:
    """Limit: `wc -l`."""
    subprocess.run(["wc", "-l", file], check=True, stdout=subprocess.DEVNULL)


CANDIDATES: dict[str, tuple[str, Callable[[str, str], None]]] = {
    "lines": ("wc -l", run_lines),
    "by_hand": ("DuckDB, one query by hand, nothing kept", run_by_hand),
    "once_each": ("DuckDB by hand, each request once, rows kept", run_by_hand_once_each),
    "same_tables": ("DuckDB by hand for this log alone, the same tables", run_by_hand_same_tables),
    "any_drain": ("DuckDB by hand for any drain, the same tables", run_by_hand_any_drain),
    "ingest": ("**pdm ingest**: rows, histograms, minutes, by day", run_ingest),
    "polars": ("polars, streaming, nothing kept", run_polars),
    "clickhouse": ("ClickHouse local (chdb), nothing kept", run_clickhouse),
    "pandas": ("pandas, in chunks, nothing kept", run_pandas),
    "goaccess": ("GoAccess, counts only, nothing kept", run_goaccess),
    "parquet": ("the same query from the store's rows", run_parquet),
    "report": ("**collect**: every frame of week 1 from the store", run_report),
}


SLOW = ("pandas", "goaccess")


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of processor, and peak memory, of one candidate's process."""

    seconds: float
    cpu: float
    mib: float


def child(name: str, file: str, folder: str) -> None:
    """Runs one candidate here and prints its seconds and peak memory, imports apart."""
    import duckdb  # noqa: F401

    import pdmlib.storage.request_logs.figures  # noqa: F401

    began, busy = time.perf_counter(), _processor()
    CANDIDATES[name][1](file, folder)
    took, busy = time.perf_counter() - began, _processor() - busy
    peak = (
        max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    )
    print(json.dumps({"seconds": took, "cpu": busy, "mib": peak}))


def _processor() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in used)


def measure(name: str, file: Path, folder: Path, python: str = sys.executable) -> Run:
    """One candidate in a process of its own."""
    shutil.rmtree(folder / "fresh", ignore_errors=True)
    call = [python, "-m", "bench.requests", "--child", name, str(file), str(folder)]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def goaccess() -> str:
    """Why GoAccess cannot be measured here; empty when it is there or could be installed."""
    if shutil.which("goaccess"):
        return ""
    try:
        subprocess.run(["apt-get", "install", "-y", "goaccess"], check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        return f"GoAccess could not be installed: {error}"
    return ""


def peers(folder: Path) -> tuple[str | None, str]:
    """A Python that has polars and chdb beside what this one has, or the reason why there is none."""
    place = folder / "peers"
    try:
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", str(place)], check=True)
        uv = Path(sys.executable).with_name("uv")
        install = [str(uv), "pip", "install", "--python", str(place / "bin/python")]
        if not uv.exists():
            install = [str(place / "bin/python"), "-m", "pip", "install"]
        subprocess.run([*install, "--quiet", "polars", "chdb"], check=True, capture_output=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        return None, f"polars and chdb could not be installed: {error}"
    (next(place.glob("lib/python*/site-packages")) / "outer.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages"))
    )
    return str(place / "bin/python"), ""


def table(file: Path, folder: Path, rounds: int, chosen: Sequence[str], polars: str | None) -> dict[str, Run]:
    """Medians of alternating rounds, on one file; those of `SLOW` run in the first round only."""
    found: dict[str, list[Run]] = {name: [] for name in chosen}
    for number in range(rounds):
        for name in chosen:
            if name in SLOW and number:
                continue
            python = polars if name in ("polars", "clickhouse") else sys.executable
            if python:
                found[name].append(measure(name, file, folder, python))
    return {
        name: Run(*(statistics.median(column) for column in zip(*map(astuple, runs), strict=True)))
        for name, runs in found.items()
        if runs
    }


def prepare(folder: Path, millions: float) -> Path:
    """The log of so many lines, and a store that holds it."""
    file = folder / f"{millions:g}m.ndjson"
    if not file.exists():
        write(file, Drain(round(millions * 1e6)))
    old = time.time() - 3600
    os.utime(file, (old, old))
    shutil.rmtree(folder / "kept", ignore_errors=True)
    from pdmlib.storage.request_logs.ingest import ingest

    ingest(site(), [file], folder / "kept")
    return file


def month(folder: Path) -> dict[str, float]:
    """CPU seconds for a day more beside one day and beside 28, for a month's percentiles, and their error."""
    import duckdb

    from pdmlib.phases.window import Window
    from pdmlib.storage.request_logs.figures import percentiles_of
    from pdmlib.storage.request_logs.ingest import ingest

    store, log = folder / "month", folder / "day.ndjson"
    shutil.rmtree(store, ignore_errors=True)
    found: dict[str, float] = {}
    for day in range(29):
        write(log, Drain(100_000, days=1, start=f"{START + timedelta(days=day):%Y-%m-%d}", seed=day))
        began = _processor()
        ingest(site(), [log], store)
        if day in (1, 28):
            found[f"day {day + 1}"] = _processor() - began
    window = Window(START, START + timedelta(days=29))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        pooled = percentiles_of(site(), window, store)
        times.append(time.perf_counter() - began)
    found["month"] = statistics.median(times)
    with duckdb.connect() as connection:
        exact = connection.execute(
            f"SELECT quantile_disc(ms, [.5, .95, .99]) FROM read_parquet('{store}/requests/*.parquet')"
        ).fetchone()
    assert exact is not None
    found["error"] = max(abs(p.ms / x - 1) for p, x in zip(pooled, exact[0], strict=True))
    return found


def machine() -> str:
    """The machine in words."""
    import duckdb

    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} vCPU ({model.split(':')[1].strip()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}; "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )


def report(millions: Sequence[float], rounds: int, folder: Path) -> Iterator[str]:
    """All tables as Markdown, each as soon as it is measured."""
    (python, why), missing = peers(folder), goaccess()
    yield f"Machine: {machine()}. Medians of {rounds} alternating rounds; pandas and GoAccess once.\n"
    for reason in filter(None, (why, missing)):
        yield reason + "\n"
    left_out = {"goaccess"} if missing else set()
    took: list[tuple[float, float]] = []
    for size in millions:
        file = prepare(folder, size)
        chosen = [n for n in CANDIDATES if n not in left_out and not (n in SLOW and size > 1)]
        found = table(file, folder, rounds, chosen=chosen, polars=python)
        took.append((size, found["ingest"].cpu))
        kept = sum(path.stat().st_size for path in (folder / "kept").rglob("*.parquet")) / 1e6
        log = file.stat().st_size / 1e6
        yield f"{size:g} million lines, {log:,.0f} MB; the store holds them in {kept:,.1f} MB:\n"
        yield "| | s | CPU s | million lines/s | CPU x any drain | CPU x this log alone | peak MiB |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        for name, run in found.items():
            drain, same = (run.cpu / found[peer].cpu for peer in ("any_drain", "same_tables"))
            figures = f"{run.seconds:.2f} | {run.cpu:.2f} | {size / run.seconds:.2f} | {drain:.2f} | {same:.2f}"
            figures += f" | {run.mib:.0f}"
            yield f"| {CANDIDATES[name][0]} | {figures} |"
        yield ""
        yield same_rows(folder) + "\n"
    for (a, first), (b, last) in pairwise(took):
        exponent = math.log(last / first) / math.log(b / a)
        yield f"Scaling of ingest (CPU) from {a:g} to {b:g} million lines: exponent {exponent:.2f}."
    costs = month(folder)
    first, last = costs["day 2"], costs["day 29"]
    yield f"A day of 100,000 lines more: {first:.2f} CPU s beside 1 day held, {last:.2f} beside 28."
    yield f"p50, p95 and p99 of 29 days (2.8 million requests) from histograms: {costs['month']:.3f} s;"
    yield f"largest error against the order statistic {100 * costs['error']:.2f} %."


def main() -> None:
    """Command line of the benchmark."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the logs here; default a temporary folder")
    parser.add_argument("--child", nargs=3)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    with tempfile.TemporaryDirectory(prefix="pdm-bench-") as folder:
        place = asked.folder or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for text in report(asked.millions, asked.rounds, place):
            print(text, flush=True)


if __name__ == "__main__":
    main()
