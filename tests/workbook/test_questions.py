"""A report open to questions: slices, comparisons, moved limits and own metrics, held against counts by hand."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from pdmlib import Report, compare, open_report
from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.limits import in_force, with_edge
from pdmlib.analysis.own import ladder
from pdmlib.analysis.slices import sliced
from pdmlib.frames.about import FILLED_BY, about, unit_of
from pdmlib.frames.readings import Status
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.phases.phase import PHASES
from pdmlib.report import tables
from pdmlib.site.notes import Notes
from pdmlib.storage.history import save_collection
from pdmlib.verdict.causes import CauseStatus
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, Rows, a_case, a_gap, a_site, at

MONDAY = at("2025-03-03T18:00")  # noon in Chicago
HOSTILE = "<script>alert(1)</script>"


def latency(p95_ms: float, failures: float = 0, days: int = 1) -> dict[str, Any]:
    """The requests of the last days as logs tell them: 20,000, all of them looked at."""
    row = {"source": "requests", "start": WEEK_LATER - timedelta(days=days), "end": WEEK_LATER, "complete": True}
    times = {"p50_ms": 200, "p95_ms": p95_ms, "p99_ms": p95_ms * 1.5, "avg_ms": 300}
    return {**row, **times, "requests": 20_000, "failures": failures, "samples": 20_000, "sample_rate": 1.0}


def counts(moment: Any, status: int, requests: float) -> dict[str, Any]:
    """An hour of requests with one status, counted whole."""
    row = {"source": "vercel", "at": moment, "interval_s": 3600, "route": None, "status": status}
    return {**row, "requests": requests, "sample_rate": 1.0}


def a_report(phase: str = "daily", **frames: Rows) -> Report:
    case = a_case(frames, phase)
    return Report(case, judge(case), Notes(), WEEK_LATER)


@pytest.fixture(scope="module")
def day() -> Report:
    """A day whose p95 is 1,200 ms."""
    return a_report(latencies=[latency(1200)])


@pytest.fixture(scope="module")
def week() -> Report:
    return a_report(
        "week1",
        latencies=[latency(1200, days=7)],
        request_counts=[
            counts(MONDAY, 200, 990),
            counts(MONDAY, 500, 10),
            counts(MONDAY + timedelta(days=1), 200, 500),
        ],
        issues=[{"issue": "1", "title": HOSTILE, "level": "fatal", "first_seen": MONDAY, "events": 9, "users": 3}],
    )


def test_a_slice_by_weekday_adds_up_the_hours_of_each_local_day(week: Report) -> None:
    rows = week.slice("request_counts", by="weekday").frame.set_index("weekday")
    assert rows.loc["Monday", ["requests", "error_rate_pct"]].tolist() == [1000, 1.0]
    assert rows.loc["Tuesday", "requests"] == 500
    low, high = proportion_confint(10, 1000, method="wilson")
    assert rows.loc["Monday", "error_rate_low"] == pytest.approx(100 * low)
    assert rows.loc["Monday", "error_rate_high"] == pytest.approx(100 * high)


def test_a_slice_by_hour_is_of_the_sites_own_clock(week: Report) -> None:
    assert week.slice(by="hour").frame["hour"].tolist() == ["12:00"]


def test_a_slice_of_another_frame_counts_its_rows_by_a_word(week: Report) -> None:
    rows = week.slice("issues", "level").frame
    assert rows[["level", "rows", "events"]].to_numpy().tolist() == [["fatal", 1, 9]]


def test_a_slice_by_region_says_what_it_needs_where_nothing_tells_regions(week: Report) -> None:
    assert "it needs the site&#39;s request log" in week.slice(by="region").html


def test_a_slice_by_release_says_which_field_it_needs_where_the_log_has_none() -> None:
    """A log with a region and no release, on one hour of both weeks; and one that shares no hour."""
    row = {
        "source": "requests",
        "dimension": "region",
        "item": "iad1",
        "hours": 1,
        "hours_before": 1,
        "requests": 9,
    }
    site = a_site(requests={"format": "json"})
    logged = a_case({"same_hours": [row, {**row, "dimension": "all", "item": ""}]}, site=site)
    said = sliced(logged, "latencies", "release").said
    assert "names no release" in said and "requests.columns.release of the site file" in said
    assert sliced(logged, "latencies", "region").rows[0]["item"] == "iad1"
    assert "share no hour of the week" in sliced(a_case(site=site), "latencies", "release").said
    lost = a_case({"gaps": [a_gap("requests", "no request log was ingested")]}, site=site)
    assert sliced(lost, "latencies", "release").said.endswith("by release here: no request log was ingested.")


def test_a_moved_limit_is_judged_anew_and_said_to_be_tried(day: Report) -> None:
    assert (day["latency_p95_ms"].status, day["latency_p95_ms"].target) == (Status.WARN, "< 1000")
    moved = day.limits("latency_p95_ms", 1500)
    assert (moved["latency_p95_ms"].status, moved["latency_p95_ms"].target) == (Status.PASS, "< 1500")
    assert day["latency_p95_ms"].status is Status.WARN
    assert "Tried here: latency_p95_ms < 1500 ms" in repr(moved)
    assert "Tried in this notebook" in moved._repr_html_() and "Tried" not in day._repr_html_()


def test_a_moved_limit_changes_nothing_else_of_any_ladder() -> None:
    site = a_site()
    for metric in (m for m in all_metrics(site) if m.limits):
        before = in_force(metric, site, "week1").limits
        after = in_force(metric, with_edge(site, metric, "week1", before[-1].edge), "week1").limits
        assert after == before, metric.id


def test_a_curve_shows_at_which_limit_the_verdict_turns(day: Report) -> None:
    rows = day.what_if("latency_p95_ms", [1100, 1199, 1201, 1500]).frame
    assert rows["reading"].tolist() == ["warn", "warn", "pass", "pass"]
    assert day.what_if("latency_p95_ms").frame["edge"].iloc[[0, -1]].tolist() == [600, 2400]


def test_limits_say_which_step_makes_the_whole_report_red_or_calls_for_a_rollback(day: Report) -> None:
    # docs/reference/readings.md: error_rate_pct `> 5 rollback, P0; > 1 RED, P1; >= 0.5 warns, P2`.
    listed = {row["reading"]: row["ladder"] for row in day.limits().rows}
    assert listed["latency_p95_ms"] == "> 2,000 ms RED, P1; >= 1,000 ms warns"
    assert listed["error_rate_pct"] == "> 5 % rollback, P0; > 1 % RED, P1; >= 0.5 % warns, P2"
    assert [row["report"] for row in day.limits("error_rate_pct").rows] == ["rollback", "RED", None]
    slow = a_report(latencies=[latency(2500)])["latency_p95_ms"]
    assert (slow.critical, slow.rollback) == (True, False)
    assert repr(slow) == "Reading(latency_p95_ms: 2,500 ms, fail, RED, target < 1000)"
    assert "Limits: &gt; 2,000 ms RED, P1; &gt;= 1,000 ms warns." in slow._repr_html_()


def test_every_step_is_written_as_the_reference_of_readings_writes_it(day: Report) -> None:
    page = (
        (Path(__file__).parents[2] / "docs/reference/readings.md").read_text(encoding="utf-8").replace("&lt;", "<")
    )
    wrote = {
        cells[1].strip("` "): cells[-2].strip() for line in page.splitlines() if len(cells := line.split("|")) > 7
    }
    told = {row["reading"]: row["ladder"] for row in day.limits().rows}
    ends = re.compile(r"(RED|rollback|warns|fails)(, P\d)?(?=;|$)")
    known = {name: steps for name, steps in told.items() if wrote.get(name)}
    assert len(known) > 20
    for name, steps in known.items():
        assert [m[0] for m in ends.finditer(steps)] == [m[0] for m in ends.finditer(wrote[name])], name


def test_a_curve_says_which_limit_a_worse_one_holds_before(day: Report) -> None:
    rows = day.what_if("latency_p95_ms", [2000, 4000]).frame
    assert rows["limit"].tolist() == ["< 2000 ms", "< 4000 ms, never reached: > 2,000 ms RED, P1"]
    assert day.what_if("latency_p95_ms", 2000).rows, "the guide's own worse step is > 2000"


def test_a_limit_in_times_the_baseline_is_moved_and_shown_in_times() -> None:
    report = a_report("week1", request_counts=[counts(MONDAY, 200, 1800)])
    moved = report.limits("requests_per_min_avg", 4)
    assert "Tried here: requests_per_min_avg <= 4 times the baseline." in repr(moved)
    rows = report.what_if("requests_per_min_avg").frame  # no week before is known: around the limit, which is 2
    assert rows["edge"].iloc[[0, 4, -1]].tolist() == [1, 2, 4]
    assert rows["limit"].iloc[4] == "<= 2 times the baseline"
    held = report.limits("requests_per_min_avg").rows
    assert {row["holds"] for row in held} == {None}, "without a baseline nobody knows"


def test_a_reading_of_ones_own_has_limits_to_move_whatever_its_unit(day: Report) -> None:
    mine = day.add("carts", 3, limits=["> 2 warn"])
    assert (mine["carts"].status, mine.limits("carts", 5)["carts"].status) == (Status.WARN, Status.PASS)


@pytest.mark.slow
def test_a_metric_of_ones_own_stands_in_every_file_of_the_report(day: Report, tmp_path: Path) -> None:
    mine = day.add("lost_carts", 1300, "ms", ["> 1200 fail P1", "> 800 warn"], title="Carts <lost>")
    assert (mine["lost_carts"].status, mine["lost_carts"].target) == (Status.FAIL, "<= 800")
    assert any("lost_carts" in cause.chain for cause in mine.causes)
    assert "Carts &lt;lost&gt;" in mine.readings("own").html
    assert str(tmp_path / "out" / "report.json") in mine.write(str(tmp_path / "out")).html
    content = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert {r["id"]: r["status"] for r in content["readings"]}["lost_carts"] == "fail"
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "Measured in the Notebook" in text and "1,300 ms" in text


@pytest.mark.slow
def test_a_metric_that_finds_nothing_is_unknown_and_never_a_pass(day: Report) -> None:
    assert day.add("nothing", None, limits="> 1 warn")["nothing"].status is Status.UNKNOWN
    broken = day.add("broken", lambda case: case["latencies"]["no_such"].sum(), limits="> 1 warn")
    assert broken["broken"].status is Status.UNKNOWN


def test_steps_of_a_ladder_stand_worst_first_whatever_their_order() -> None:
    told = [(step.status.value, step.edge) for step in ladder(["> 1 warn", "> 3 fail", "> 9 fail P0"])]
    assert told == [("fail", 9), ("fail", 3), ("warn", 1)]


@pytest.mark.slow
def test_two_reports_differ_beyond_chance_or_not() -> None:
    # 0.1 % of 20,000 against 2 % of 20,000, and against 0.11 %.
    good, bad, same = (a_report(latencies=[latency(700, failures=f)]) for f in (20, 400, 22))
    against = compare(good, bad).frame.set_index("id")
    assert against.loc["error_rate_pct", "sure"] == "no, beyond chance"
    assert against.loc["error_rate_pct", "change_pct"] == pytest.approx(1900)
    assert compare(good, same).frame.set_index("id").loc["error_rate_pct", "sure"] == "it may be"
    assert compare(good, good).frame.set_index("id").loc["latency_p95_ms", "sure"] == "no difference"


def test_what_is_exported_is_what_the_frame_holds(week: Report, tmp_path: Path) -> None:
    week.export(str(tmp_path), "request_counts", "readings")
    back = pd.read_csv(tmp_path / "request_counts.csv")
    assert back["requests"].sum() == 1500
    assert back["at"].tolist()[0] == "2025-03-03T18:00:00Z"
    assert set(pd.read_csv(tmp_path / "readings.csv")["id"]) == set(week.readings_frame.index)
    week.export(str(tmp_path), "request_counts", "readings", kind="parquet")
    kept = duckdb.sql(f"SELECT sum(requests) FROM '{tmp_path}/request_counts.parquet'").fetchall()
    assert kept == [(1500.0,)]


def test_a_table_without_rows_has_its_columns_as_pandas_and_in_a_file(week: Report, tmp_path: Path) -> None:
    assert not week.table("queries").rows
    assert "mean_ms" in week.table("queries").frame and week.table("queries").frame.empty
    names = [name for name in week.tables if not week.table(name).rows]
    week.export(tmp_path, *names, kind="parquet")
    for name in names:
        assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/{name}.parquet'").fetchall() == [(0,)], name


def test_of_a_name_that_a_frame_and_a_table_share_both_are_exported(tmp_path: Path) -> None:
    """Of a ticket of the week and one of the week before the frame has both, the table the one."""
    times = {"new": MONDAY, "old": DEPLOYED - timedelta(days=5)}
    made = [{"ticket": name, "created_at": when, "category": "bug"} for name, when in times.items()]
    told = a_report("week1", tickets=made).export(tmp_path, "tickets")
    assert [row["file"] for row in told.rows] == [f"{tmp_path}/tickets.csv", f"{tmp_path}/tickets-frame.csv"]
    assert pd.read_csv(tmp_path / "tickets.csv")["ticket"].tolist() == ["new"]
    assert sorted(pd.read_csv(tmp_path / "tickets-frame.csv")["ticket"]) == ["new", "old"]


def test_names_are_listed_with_what_is_known_of_them(week: Report) -> None:
    assert list(week.charts.frame) == ["name"] and "?" not in week.charts._repr_html_()
    assert list(week.tables.frame) == ["name", "rows", "columns"]


def test_a_folder_may_be_a_path_wherever_one_is_named(week: Report, tmp_path: Path) -> None:
    assert week.export(tmp_path / "a", "readings").rows[0]["file"] == str(tmp_path / "a/readings.csv")
    week.write(tmp_path / "b")
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"report.md", "report.json"}
    kept = tmp_path / "kept"
    save_collection(kept, week.case.collection)
    given = {"as_of": WEEK_LATER, "deployed_at": DEPLOYED, "collection": kept, "out": tmp_path / "out"}
    assert open_report(week.site, "week1", **given)["latency_p95_ms"].value == 1200


@pytest.mark.parametrize("steps", ["> 3 warn", "> 3 fail"])
def test_a_number_of_ones_own_was_not_there_before_the_deployment(week: Report, steps: str) -> None:
    """It was counted in the report's window alone: nobody knows what the week before had."""
    mine = week.add("slow_hours", 22, limits=steps)
    assert {cause.status for cause in mine.causes if "Slow hours" in cause.title} == {CauseStatus.NEW}
    before = week.add(
        "slow_hours", lambda case: 22, limits=steps
    )  # a function is asked for that week, and says so
    assert not [
        cause for cause in before.causes if "Slow hours" in cause.title and cause.status is CauseStatus.NEW
    ]


def test_a_limit_that_says_nothing_of_what_to_do_does_not_call_what_was_counted_too_few(day: Report) -> None:
    """22 hours were counted, all of them: there is nothing to wait for, nor a longer window to look at."""
    (cause,) = [
        cause for cause in day.add("slow_hours", 22, limits="> 20 fail P1").causes if "Slow" in cause.title
    ]
    assert cause.action == "Find out what it comes from"


@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_files_written_by_hand_say_what_was_tried(phase: str, tmp_path: Path) -> None:
    """A limit moved until it holds makes no file that passes for the site's own; without any no line is there."""
    report = a_report(phase, latencies=[latency(1200)])
    report.limits("latency_p95_ms", 1900).add("carts", 3).write(tmp_path / "tried")
    report.write(tmp_path / "own")
    lines = (tmp_path / "tried/report.md").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and not lines[1]
    assert lines[2:4] == ["**Tried in a notebook, in no site file**: latency_p95_ms < 1900 ms; carts added.", ""]
    assert not [line for line in (tmp_path / "own/report.md").read_text("utf-8").splitlines() if "Tried" in line]
    told = {name: json.loads((tmp_path / name / "report.json").read_text("utf-8")) for name in ("tried", "own")}
    assert told["tried"]["tried"] == ["latency_p95_ms < 1900 ms", "carts added"] and "tried" not in told["own"]


def test_every_frame_says_its_grain_units_source_and_what_is_missing() -> None:
    assert set(FILLED_BY) == set(SCHEMAS) - {"understood"}, "which is the doctor's alone"
    for name in FILLED_BY:
        told = about(name)
        assert told["grain"] and told["source"] and told["missing"], name


def test_a_frame_that_holds_the_same_more_than_once_says_how_to_take_it_once() -> None:
    for name in ("latencies", "request_counts", "error_counts", "email_counts", "activity"):
        assert re.search(r"rows overlap \(.*the window.*\).*: take one", about(name)["grain"]), name


@pytest.mark.parametrize(
    ("frame", "column", "unit"),
    [
        ("latencies", "p95_ms", "ms"),
        ("latencies", "start", "UTC"),
        ("latencies", "route", ""),
        ("latencies", "sample_rate", "share of all, 0 to 1"),
        ("host_metrics", "value", "as the metric's name ends, else a count"),
        ("payments", "amount_minor", "the currency's smallest unit"),
        ("statements", "wal_bytes", "bytes"),
        ("messages", "error_code", "code of the vendor"),
        ("activity", "bounced", "count"),
        ("same_hours", "p95_ms_before", "ms"),
        ("same_hours", "requests_before", "count"),
    ],
)
def test_a_column_has_its_unit(frame: str, column: str, unit: str) -> None:
    assert unit_of(frame, column) == unit


def test_a_frame_is_the_readers_own_and_says_what_it_is(week: Report) -> None:
    mine = week.frame("latencies")
    mine["p95_ms"] = 0
    assert week.frame("latencies")["p95_ms"].tolist() == [1200]
    assert mine.attrs["missing"].startswith("route missing: all routes together")
    assert week.frame("payments").empty and "amount_minor" in week.frame("payments")


def test_names_are_completed_by_key_and_by_attribute(week: Report) -> None:
    assert "latency_p95_ms" in week._ipython_key_completions_()
    for names, one in ((week.frames, "latencies"), (week.tables, "cron"), (week.charts, "response_time")):
        assert one in names._ipython_key_completions_() and one in dir(names) and one in list(names)
        assert one in repr(names) or len(repr(names)) > 100
    assert week.frames.latencies.equals(week.frame("latencies"))
    assert week.tables["cron"].html == week.table("cron").html


def test_everything_is_one_line_in_words_and_brings_its_looks_in_html(week: Report) -> None:
    shown = [week, week.causes, week.causes[0], week["latency_p95_ms"], week.table("top_errors"), week.frames]
    shown += [week.tables, week.charts, week.readings(), week.slice(), week.limits(), compare(week, week)]
    for one in shown:
        assert "\n" not in repr(one) and len(repr(one)) <= 320, repr(one)
        assert HOSTILE not in one._repr_html_()
        assert one._repr_html_().startswith('<div class="pdm-o"><style>')
    assert all(len(repr(one)) < 300 for one in (week.case, week.verdict, week.case.collection, week.case.site))


def test_a_chart_is_a_figure_that_can_be_changed(week: Report) -> None:
    picture = week.chart("response_time")
    before = picture.svg()
    picture.figure.axes[0].set_title("Mine")
    assert picture.svg() != before and b"Mine" in picture.svg()


@pytest.mark.slow
def test_a_site_without_queries_features_and_costs_has_every_section_that_a_shipped_notebook_names() -> None:
    case = a_case({}, "daily", site=a_site(features=[]))
    report = Report(case, judge(case), Notes(), WEEK_LATER)
    asked = {
        name
        for path in Path("notebooks").glob("*.ipynb")
        for call in re.findall(r"readings\(([^)]*)\)", path.read_text(encoding="utf-8"))
        for name in re.findall(r"[a-z_]{4,}(?=\\\")", call)
    }
    assert {"queries", "costs", "stability"} <= asked
    for name in asked:
        report.readings(name)


def test_what_is_shown_of_a_table_is_bounded_and_says_what_is_left_out() -> None:
    rows = [{"name": f"one {n}"} for n in range(2500)]
    shown = tables.table("of_tomorrow", rows, ZoneInfo("UTC")).html
    assert shown.count("<td") == 1000 and "and 1,500 more rows" in shown
