"""The frames of a report equal a plain loop over the same lines, and say what they rest on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pdmlib import stats
from pdmlib.analysis.traffic.stretches import stretches
from pdmlib.errors import CallError, SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import Scope, scope_of
from pdmlib.phases.window import Window
from pdmlib.site.site import Site
from pdmlib.storage.request_logs import figures, manifests
from pdmlib.storage.request_logs.figures import breakdown, collect, percentiles_of
from pdmlib.storage.request_logs.ingest import ingest
from tests.storage.request_logs.logs import START, Oracle, between, failures, line, rank, site_of, traffic, write

ROWS = traffic(1500, hours=5)
DEPLOYED = datetime(2026, 3, 9, 23, 7, 30, tzinfo=UTC)
AS_OF = datetime(2026, 3, 10, 2, 45, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    ingest(site_of(), [write(folder / "drain" / "log.ndjson.gz", ROWS)], folder / "store")
    return folder / "store"


@pytest.fixture(params=[True, False])
def exact(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether percentiles come from the rows; else every window is taken for a large one."""
    if not request.param:
        monkeypatch.setattr(figures, "EXACT_REQUESTS", 0)
    return bool(request.param)


def scope(phase: str = "day1", deployed: datetime = DEPLOYED, as_of: datetime = AS_OF) -> Scope:
    return scope_of(site_of().zone, phase_named(phase), deployed, as_of)


def row(table: pd.DataFrame, window: Window, route: str | None = None) -> pd.Series:
    wanted = table["route"].isna() if route is None else table["route"] == route
    found = table[(table["start"] == window.start) & (table["end"] == window.end) & wanted]
    assert len(found) == 1
    return found.iloc[0]


def test_latencies_of_every_span_equal_a_plain_loop(store: Path, exact: bool) -> None:
    oracle, table = Oracle(ROWS), collect(site_of(), scope(), store)["latencies"]
    for window in scope().spans:
        rows = oracle.inside(window.start, window.end)
        if not rows:
            assert table[(table["start"] == window.start) & (table["end"] == window.end)].empty
            continue
        found, times = row(table, window), [ms for _, _, ms in rows]
        assert (found["requests"], found["samples"], found["failures"]) == (len(rows), len(rows), failures(rows))
        assert found["avg_ms"] == pytest.approx(sum(times) / len(times))
        assert found["confidence"] == ("exact" if exact else "histogram")
        for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            expected = between(times, q) if exact else rank(times, q)
            assert found[name] == pytest.approx(expected, rel=1e-9 if exact else 0.010001)


def test_percentiles_come_with_the_order_statistics_that_bound_them(store: Path, exact: bool) -> None:
    window, table = scope().window, collect(site_of(), scope(), store)["latencies"]
    for route in (None, "/portal"):
        times = sorted(ms for _, _, ms in Oracle(ROWS).inside(window.start, window.end, route))
        found = row(table, window, route)
        for name, q in (("p50", 0.5), ("p95", 0.95)):
            low, high = stats.quantile_interval(times, q)
            assert low is not None
            assert high is not None
            assert found[f"{name}_low_ms"] == pytest.approx(low, rel=0.0203)
            assert found[f"{name}_high_ms"] == pytest.approx(high, rel=0.0203)
            assert found[f"{name}_low_ms"] <= low < found[f"{name}_ms"] < high <= found[f"{name}_high_ms"]


def test_the_first_hour_widens_its_intervals_for_all_its_looks(store: Path) -> None:
    hour = scope("hour1", START + HOUR, START + 2 * HOUR)
    times = [ms for _, _, ms in Oracle(ROWS).inside(hour.window.start, hour.window.end)]
    found = row(collect(site_of(), hour, store)["latencies"], hour.window)
    low, high = stats.quantile_interval(times, 0.95, stats.level_for_looks(12))
    assert (found["p95_low_ms"], found["p95_high_ms"]) == (
        pytest.approx(low, rel=0.0203),
        pytest.approx(high, rel=0.0203),
    )
    assert found["p95_high_ms"] > 1.05 * (stats.quantile_interval(times, 0.95)[1] or 0)


def test_routes_of_the_window_and_before_equal_a_plain_loop(store: Path) -> None:
    oracle, frames = Oracle(ROWS), collect(site_of(), scope(), store)
    counts = frames["request_counts"].dropna(subset="route")
    for window in (scope().window, scope().before):
        inside = counts[(counts["at"] == window.start) & (counts["interval_s"] == window.seconds)]
        found = {(r.route, r.status): r.requests for r in inside.itertuples()}
        assert found == oracle.by_route(window.start, window.end)
    for route in ("/", "/portal", "/api/jobs/[id]", "/api/customers/[id]"):
        rows = oracle.inside(scope().window.start, scope().window.end, route)
        found = row(frames["latencies"], scope().window, route)
        assert (found["requests"], found["failures"]) == (len(rows), failures(rows))
        assert found["p95_ms"] == pytest.approx(between([ms for _, _, ms in rows], 0.95))


def test_hours_equal_a_plain_loop(store: Path) -> None:
    frames, oracle = collect(site_of(), scope(), store), Oracle(ROWS)
    counts = frames["request_counts"]
    hours = counts[(counts["interval_s"] == 3600) & counts["route"].isna()]
    over = {key: n for key, n in oracle.by_hour().items() if key[0] + HOUR <= AS_OF}
    assert {(r.at.to_pydatetime(), r.status): r.requests for r in hours.itertuples()} == over
    hour = Window(START + HOUR, START + 2 * HOUR)
    rows = oracle.inside(hour.start, hour.end)
    assert frames["latencies"]["end"].max() == AS_OF, "an hour that is not over would hold requests of later"
    assert row(frames["latencies"], hour)["p99_ms"] == pytest.approx(between([ms for _, _, ms in rows], 0.99))


def test_a_window_of_an_hour_has_its_minutes_and_its_busiest_one(store: Path) -> None:
    one = scope("hour1", datetime(2026, 3, 9, 23, 0, tzinfo=UTC), datetime(2026, 3, 10, 1, 0, tzinfo=UTC))
    frames, oracle = collect(site_of(), one, store), Oracle(ROWS)
    counts = frames["request_counts"]
    minutes = counts[(counts["interval_s"] == 60) & (counts["at"] >= one.window.start)]
    expected = Counter(
        (at.replace(second=0, microsecond=0), status)
        for at, _, status, _ in oracle.requests.values()
        if one.window.contains(at)
    )
    # A minute in which crawlers alone came is a count of none, since the log goes on in it.
    assert {(r.at.to_pydatetime(), r.status): r.requests for r in minutes.itertuples() if r.requests} == expected
    crawled = {
        datetime.fromtimestamp(r["proxy"]["timestamp"] // 60_000 * 60, UTC)
        for r in ROWS
        if "Googlebot" in r["proxy"]["userAgent"][0]
    }
    none = {r.at.to_pydatetime() for r in minutes.itertuples() if not r.requests}
    assert none == {m for m in crawled if one.window.contains(m)} - {minute for minute, _ in expected}
    latencies = frames["latencies"]
    peaks = latencies[(latencies["end"] - latencies["start"]).dt.total_seconds() == 60]
    per_minute: Counter[datetime] = Counter()
    for (at, _), count in expected.items():
        per_minute[at] += count
    assert peaks[peaks["start"] >= one.window.start]["requests"].max() == max(per_minute.values())


def test_frames_have_exactly_their_schemas_and_one_source(store: Path) -> None:
    for name, table in collect(site_of(), scope(), store).items():
        assert list(table.columns) == list(SCHEMAS[name].columns)
        assert set(table["source"]) == {"requests"}


def test_a_sampled_log_is_scaled_and_says_how_much_was_seen(store: Path) -> None:
    whole = row(collect(site_of(), scope(), store)["latencies"], scope().window)
    tenth = row(collect(site_of(sample_rate=0.1), scope(), store)["latencies"], scope().window)
    assert tenth["requests"] == pytest.approx(10 * whole["requests"])
    assert tenth["samples"] == whole["samples"]
    assert tenth["sample_rate"] == 0.1


def test_days_of_which_nothing_was_ingested_are_gaps_and_never_zero(store: Path) -> None:
    week = scope("week1", datetime(2026, 3, 8, 12, 0, tzinfo=UTC), datetime(2026, 3, 12, 12, 0, tzinfo=UTC))
    frames = collect(site_of(), week, store)
    gaps = frames["gaps"].set_index("item")["reason"]
    assert gaps["days"].endswith("of 31 days: 2026-02-08 to 2026-03-08, 2026-03-11 to 2026-03-12")
    assert gaps["hours"].endswith("2026-03-09 00:00 to 03-09 22:00, 2026-03-10 03:00 to 03-11 00:00 UTC")
    assert not row(frames["latencies"], week.window)["complete"]
    assert (frames["request_counts"]["requests"] > 0).all()


def test_a_window_of_which_nothing_is_held_is_one_gap_of_the_whole_source(store: Path, tmp_path: Path) -> None:
    later = scope("day1", datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC))
    for folder, text in ((store, "the newest day held is 2026-03-10"), (tmp_path, "no request log was ingested")):
        gaps = collect(site_of(), later, folder)["gaps"]
        assert gaps["item"].isna().all()
        assert text in gaps["reason"].iloc[0]


def test_whose_requests_count_is_the_sites_choice_and_can_be_changed(tmp_path: Path) -> None:
    rows = [line("a"), line("b", path="/api/health"), line("c", path="/api/cron/x", ms=9000.0)]
    log = write(tmp_path / "log.ndjson", rows)
    ingest(site_of(), [log], tmp_path / "store")
    span = Window(START, START + HOUR)
    one = scope("hour1", START, START + HOUR)
    assert row(collect(site_of(), one, tmp_path / "store")["latencies"], span)["requests"] == 2
    users = site_of(counted=["user"])
    ingest(users, [log], tmp_path / "store")
    table = collect(users, one, tmp_path / "store")["latencies"]
    assert set(table["requests"]) == {1.0}
    assert set(table["p99_ms"]) == {100.0}


def test_requests_without_durations_have_counts_and_no_percentiles(tmp_path: Path) -> None:
    bare = site_of(columns={})
    ingest(
        bare,
        [write(tmp_path / "log.ndjson", [line("a", ms=None), line("b", status=500, ms=None)])],
        tmp_path / "s",
    )
    found = row(
        collect(bare, scope("hour1", START, START + HOUR), tmp_path / "s")["latencies"],
        Window(START, START + HOUR),
    )
    assert (found["requests"], found["failures"]) == (2, 1)
    assert pd.isna(found["p95_ms"])
    assert pd.isna(found["avg_ms"])


def test_requests_that_have_a_time_are_told_from_all(tmp_path: Path, exact: bool) -> None:
    rows = [line(f"r{i}", DEPLOYED + timedelta(minutes=i), ms=20.0 if i % 10 == 0 else None) for i in range(60)]
    ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    found = row(collect(site_of(), scope(), tmp_path / "store")["latencies"], scope().window)
    assert (found["samples"], found["timed"]) == (60, 6)


@pytest.mark.parametrize(
    ("ms", "seconds", "told"),
    [  # requests at 0, 10, 20 .. s from START; that at 20 s has no time
        (5.0, 10, None),
        (5.0, 1, "the request log holds no request from 22:00:11 to 22:00:12 UTC of 2026-03-09"),
        (5.0, 10.5, "no request of this time has a response time in the log, though others of it have"),
        (None, 1, "the request log holds no request from 22:00:11 to 22:00:12 UTC of 2026-03-09"),
        (None, 10.5, "the request log has no response times; name the field"),
    ],
)
def test_a_log_is_said_to_have_no_response_times_only_where_it_has_none(
    tmp_path: Path, ms: float | None, seconds: float, told: str | None
) -> None:
    rows = [line(f"r{n}", START + timedelta(seconds=10 * n), ms=None if n == 2 else ms) for n in range(60)]
    ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    begin = START + timedelta(seconds=11 if seconds < 10 or seconds > 10 else 0)
    gaps = collect(site_of(), scope("hour1", begin, begin + timedelta(seconds=seconds)), tmp_path / "store")[
        "gaps"
    ]
    found = dict(zip(gaps["item"], gaps["reason"], strict=True)).get("latencies")
    assert found == told if told is None else str(found).startswith(told)


def test_a_store_that_is_added_to_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a watch meets it beside `pdm ingest --follow`: what its manifest names is gone after two more changes."""
    store, seen = tmp_path / "store", []
    for name in "abc":
        ingest(site_of(), [write(tmp_path / name / "log.ndjson", [line(name)])], store)
        seen.append(manifests.load(store))
    given = iter([seen[0], seen[2]])
    monkeypatch.setattr(figures.manifests, "load", lambda _: next(given))
    found = collect(site_of(), scope("hour1", START, START + HOUR), store)
    assert row(found["latencies"], Window(START, START + HOUR))["requests"] == 3
    monkeypatch.setattr(figures.manifests, "load", lambda _: seen[0])
    with pytest.raises(SourceError):
        collect(site_of(), scope("hour1", START, START + HOUR), store)


def log_with_statuses(folder: Path, unknown: int) -> Path:
    """Two hundred requests of the hour from START and as many of that hour a week before; every tenth failed."""
    rows = []
    for begin in (START, START - timedelta(days=7)):
        for n in range(200):
            status = "abc" if n < unknown else 500 if n % 10 == 9 else 200
            at = begin + timedelta(seconds=15 * n)
            took = "NaN" if 100 <= n < 103 else 20
            rows.append(
                {"time": at.isoformat(), "path": "/", "status": status, "duration_ms": took, "region": "x"}
            )
    return write(folder / "log.ndjson", rows)


@pytest.mark.parametrize(
    ("unknown", "failed"),
    [
        (0, 20.0),
        (8, 20 * 200 / 192),  # the first of each side; the first that failed is the tenth
        (10, 19 * 200 / 190),
        (11, None),  # more than 5 %
        (200, None),
    ],
)
def test_a_request_of_unknown_status_counts_neither_as_failed_nor_as_well(
    tmp_path: Path, exact: bool, unknown: int, failed: float | None
) -> None:
    plain, window = site_of(format="json", columns={}), Window(START, START + HOUR)
    log = log_with_statuses(tmp_path, unknown if unknown < 200 else 0)
    if unknown == 200:
        log.write_text(log.read_text().replace('"status"', '"code"'))
    ingest(plain, [log], tmp_path / "store")
    found = collect(plain, scope("hour1", START, START + HOUR), tmp_path / "store")
    spans = [row(found["latencies"], window), row(found["latencies"], window, "/")]
    for span in spans:
        assert (span["requests"], span["timed"]) == (200, 197)
    table = breakdown(plain, window, tmp_path / "store", by="region")
    both = found["same_hours"]
    assert sorted(both["dimension"]) == ["all", "region", "route"]
    for count in [span["failures"] for span in spans] + [
        *table["failures"],
        *both["failures"],
        *both["failures_before"],
    ]:
        assert pd.isna(count) if failed is None else count == pytest.approx(failed)
    told = dict(zip(found["gaps"]["item"], found["gaps"]["reason"], strict=True)).get("request_counts")
    so = ": more than 5 %, so that there is no error rate"
    so = so if failed is None else "; they count neither as failed nor as well"
    assert told == (f"the status of {unknown} of 200 requests of the log is not known{so}" if unknown else None)


def test_the_whole_hours_of_each_route_equal_a_plain_loop(store: Path) -> None:
    oracle, table = Oracle(ROWS), collect(site_of(), scope(), store)["route_hours"]
    hours = [START + n * HOUR for n in range(4)]  # the fifth is not over at 2:45
    assert sorted(table["at"].unique()) == hours
    for hour in hours:
        rows = oracle.inside(hour, hour + HOUR)
        told = table[table["at"] == hour].set_index("route")
        assert sorted(told.index) == sorted({route for route, _, _ in rows})
        for route, found in told.iterrows():
            mine = [row for row in rows if row[0] == route]
            assert (found["requests"], found["failures"]) == (len(mine), failures(mine))
            assert found["avg_ms"] == pytest.approx(sum(ms for _, _, ms in mine) / len(mine))


def test_minutes_tell_where_failures_begin_and_end_and_what_came_about_the_deployment(tmp_path: Path) -> None:
    """A request a minute for two days; those of 40 minutes fail, twenty hours after the deployment."""
    began, deployed = START + 44 * HOUR, START + 24 * HOUR + HOUR / 3
    minutes = [START + n * MINUTE for n in range(48 * 60)]
    rows = [
        line(f"r{n}", at, status=503 if began <= at < began + 40 * MINUTE else 200) for n, at in enumerate(minutes)
    ]
    ingest(site_of(), [write(tmp_path / "drain" / "log.ndjson", rows)], tmp_path / "store")
    day = scope("day1", deployed, START + 48 * HOUR)
    counts = collect(site_of(), day, tmp_path / "store")["request_counts"]
    told = counts[(counts["interval_s"] == 60) & counts["route"].isna()]
    assert list(told.loc[told["status"] == 503, "at"]) == [began + n * MINUTE for n in range(40)]
    about = {deployed - HOUR / 3 + n * MINUTE for n in range(-60, 60)}
    loud = {began + n * MINUTE for n in range(-60, 120)}
    last = {START + 47 * HOUR + n * MINUTE for n in range(60)}
    assert set(told["at"]) == about | loud | last
    assert not counts.duplicated(["at", "interval_s", "route", "status"]).any()
    case = Case(site_of(), day, Collection({"request_counts": counts}, ()), day.window)
    (found,) = stretches(case, 5.0)
    assert (found.start, found.end) == (began, began + 40 * MINUTE)
    assert (found.failures, found.requests) == (40, 40)


def test_percentiles_of_any_window_come_with_their_intervals(store: Path) -> None:
    window = Window(START + timedelta(minutes=13), START + timedelta(hours=4, minutes=2))
    times = sorted(ms for _, _, ms in Oracle(ROWS).inside(window.start, window.end))
    p50, p95, _ = percentiles_of(site_of(), window, store)
    assert p95.ms == pytest.approx(rank(times, 0.95), rel=0.010001)
    assert p50.low_ms is not None
    assert p50.high_ms is not None
    assert p50.low_ms < rank(times, 0.5) < p50.high_ms
    assert sum(ms <= p50.high_ms for ms in times) / len(times) < 0.6


def test_page_views_and_sessions_of_an_analytics_drain(tmp_path: Path) -> None:
    def event(
        session: int | None, device: int, minute: int, kind: str = "pageview", **more: object
    ) -> dict[str, object]:
        at = round((START + timedelta(minutes=minute)).timestamp() * 1000)
        row = {"schema": "vercel.analytics.v2", "eventType": kind, "timestamp": at, "sessionId": session}
        return {**row, "deviceId": device, "path": f"/p{minute}", "vercelEnvironment": "production", **more}

    rows: list[dict[str, object] | str] = [
        event(1, 71, 0),
        event(1, 71, 1),
        event(1, 71, 6, "event", eventName="portal_login"),
        event(2, 72, 8),
        event(2, 72, 8),
        event(None, 73, 9),
        event(3, 74, 200),
        event(4, 75, 1, vercelEnvironment="preview"),
        '{"schema":"vercel.analytics.v2","even',
    ]
    write(tmp_path / "drain" / "views.ndjson", rows)
    write(tmp_path / "drain" / "logs.ndjson", [line("a")])
    report = ingest(site_of(), [tmp_path / "drain"], tmp_path / "store")
    assert (report.views, report.requests, report.excluded, report.rejected, report.duplicates) == (6, 1, 1, 1, 1)
    table = collect(site_of(), scope("hour1", START, START + HOUR), tmp_path / "store")["activity"]
    found = table[(table["start"] == START) & (table["end"] == START + HOUR)].iloc[0]
    assert (found["visitors"], found["sessions"], found["page_views"], found["bounced"]) == (3, 2, 4, 1)
    assert found["session_s"] == pytest.approx((360 + 0) / 2)


def test_a_site_without_requests_has_no_frames(tmp_path: Path) -> None:
    bare = Site.model_validate({"site": "x", "title": "X", "time_zone": "UTC", "sources": {}})
    assert collect(bare, scope(), tmp_path) == {}


def test_a_window_by_release_and_by_kind(tmp_path: Path) -> None:
    rows = [
        line("a", deploymentId="dpl_1", ms=10.0),
        line("b", deploymentId="dpl_2", ms=20.0, status=500),
        line("c", deploymentId="dpl_2", ms=40.0),
        line("d", path="/api/health", deploymentId="dpl_2"),
    ]
    ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    window = Window(START, START + HOUR)
    releases = breakdown(site_of(), window, tmp_path / "store").set_index("release")
    assert list(releases.index) == ["dpl_2", "dpl_1"]
    assert list(releases.loc["dpl_2", ["requests", "failures", "p50_ms"]]) == [2, 1, 30]
    kinds = breakdown(site_of(), window, tmp_path / "store", "kind").set_index("kind")["requests"]
    assert kinds.to_dict() == {"user": 3, "health": 1}
    with pytest.raises(CallError, match="is not a breakdown; allowed are release, region"):
        breakdown(site_of(), window, tmp_path / "store", "ms; DROP")
